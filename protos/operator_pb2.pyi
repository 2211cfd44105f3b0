from fairlead.protos import agent_pb2 as _agent_pb2
from fairlead.protos import framework_pb2 as _framework_pb2
from fairlead.protos import resources_pb2 as _resources_pb2
from fairlead.protos import sessions_pb2 as _sessions_pb2
from fairlead.protos import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGENT_STATE_UNSPECIFIED: _ClassVar[AgentState]
    AGENT_STATE_CONNECTED: _ClassVar[AgentState]
    AGENT_STATE_DISCONNECTED: _ClassVar[AgentState]
    AGENT_STATE_RECOVERING: _ClassVar[AgentState]
    AGENT_STATE_UNREACHABLE: _ClassVar[AgentState]
    AGENT_STATE_GONE: _ClassVar[AgentState]

class OfferEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OFFER_EVENT_KIND_UNSPECIFIED: _ClassVar[OfferEventKind]
    OFFER_EVENT_KIND_MADE: _ClassVar[OfferEventKind]
    OFFER_EVENT_KIND_ACCEPTED: _ClassVar[OfferEventKind]
    OFFER_EVENT_KIND_DECLINED: _ClassVar[OfferEventKind]
    OFFER_EVENT_KIND_REFUSED: _ClassVar[OfferEventKind]
    OFFER_EVENT_KIND_RESCINDED: _ClassVar[OfferEventKind]
    OFFER_EVENT_KIND_TIMED_OUT: _ClassVar[OfferEventKind]
    OFFER_EVENT_KIND_VOID: _ClassVar[OfferEventKind]
AGENT_STATE_UNSPECIFIED: AgentState
AGENT_STATE_CONNECTED: AgentState
AGENT_STATE_DISCONNECTED: AgentState
AGENT_STATE_RECOVERING: AgentState
AGENT_STATE_UNREACHABLE: AgentState
AGENT_STATE_GONE: AgentState
OFFER_EVENT_KIND_UNSPECIFIED: OfferEventKind
OFFER_EVENT_KIND_MADE: OfferEventKind
OFFER_EVENT_KIND_ACCEPTED: OfferEventKind
OFFER_EVENT_KIND_DECLINED: OfferEventKind
OFFER_EVENT_KIND_REFUSED: OfferEventKind
OFFER_EVENT_KIND_RESCINDED: OfferEventKind
OFFER_EVENT_KIND_TIMED_OUT: OfferEventKind
OFFER_EVENT_KIND_VOID: OfferEventKind

class AgentView(_message.Message):
    __slots__ = ("agent", "state", "used", "offered", "usage", "tasks", "unacknowledged", "reservations", "is_draining")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    OFFERED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    UNACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    IS_DRAINING_FIELD_NUMBER: _ClassVar[int]
    agent: _agent_pb2.AgentInfo
    state: AgentState
    used: _resources_pb2.Resources
    offered: _resources_pb2.Resources
    usage: _resources_pb2.HostUsage
    tasks: int
    unacknowledged: int
    reservations: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.Reservation]
    is_draining: bool
    def __init__(self, agent: _Optional[_Union[_agent_pb2.AgentInfo, _Mapping]] = ..., state: _Optional[_Union[AgentState, str]] = ..., used: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., offered: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., usage: _Optional[_Union[_resources_pb2.HostUsage, _Mapping]] = ..., tasks: _Optional[int] = ..., unacknowledged: _Optional[int] = ..., reservations: _Optional[_Iterable[_Union[_tasks_pb2.Reservation, _Mapping]]] = ..., is_draining: _Optional[bool] = ...) -> None: ...

class FrameworkView(_message.Message):
    __slots__ = ("framework", "is_connected", "is_ended", "used", "offered", "tasks", "dominant_share", "demands", "dominant_resource")
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    IS_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    IS_ENDED_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    OFFERED_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    DOMINANT_SHARE_FIELD_NUMBER: _ClassVar[int]
    DEMANDS_FIELD_NUMBER: _ClassVar[int]
    DOMINANT_RESOURCE_FIELD_NUMBER: _ClassVar[int]
    framework: _framework_pb2.FrameworkInfo
    is_connected: bool
    is_ended: bool
    used: _resources_pb2.Resources
    offered: _resources_pb2.Resources
    tasks: int
    dominant_share: float
    demands: _containers.RepeatedCompositeFieldContainer[_framework_pb2.RoleDemand]
    dominant_resource: str
    def __init__(self, framework: _Optional[_Union[_framework_pb2.FrameworkInfo, _Mapping]] = ..., is_connected: _Optional[bool] = ..., is_ended: _Optional[bool] = ..., used: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., offered: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., tasks: _Optional[int] = ..., dominant_share: _Optional[float] = ..., demands: _Optional[_Iterable[_Union[_framework_pb2.RoleDemand, _Mapping]]] = ..., dominant_resource: _Optional[str] = ...) -> None: ...

class TaskView(_message.Message):
    __slots__ = ("framework_id", "task_id", "name", "agent_id", "role", "resources", "latest", "usage", "command", "labels", "sandbox", "held")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    name: str
    agent_id: str
    role: str
    resources: _resources_pb2.Resources
    latest: _tasks_pb2.TaskStatus
    usage: _resources_pb2.Usage
    command: _tasks_pb2.Command
    labels: _containers.ScalarMap[str, str]
    sandbox: str
    held: _resources_pb2.Resources
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ..., name: _Optional[str] = ..., agent_id: _Optional[str] = ..., role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., latest: _Optional[_Union[_tasks_pb2.TaskStatus, _Mapping]] = ..., usage: _Optional[_Union[_resources_pb2.Usage, _Mapping]] = ..., command: _Optional[_Union[_tasks_pb2.Command, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., sandbox: _Optional[str] = ..., held: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class RoleView(_message.Message):
    __slots__ = ("role", "weight", "dominant_share", "used", "offered", "guarantees", "limits", "reserved", "frameworks")
    class GuaranteesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ROLE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    DOMINANT_SHARE_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    OFFERED_FIELD_NUMBER: _ClassVar[int]
    GUARANTEES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORKS_FIELD_NUMBER: _ClassVar[int]
    role: str
    weight: float
    dominant_share: float
    used: _resources_pb2.Resources
    offered: _resources_pb2.Resources
    guarantees: _containers.ScalarMap[str, int]
    limits: _containers.ScalarMap[str, int]
    reserved: _resources_pb2.Resources
    frameworks: int
    def __init__(self, role: _Optional[str] = ..., weight: _Optional[float] = ..., dominant_share: _Optional[float] = ..., used: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., offered: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., guarantees: _Optional[_Mapping[str, int]] = ..., limits: _Optional[_Mapping[str, int]] = ..., reserved: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., frameworks: _Optional[int] = ...) -> None: ...

class StateQuery(_message.Message):
    __slots__ = ("at_least",)
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    at_least: int
    def __init__(self, at_least: _Optional[int] = ...) -> None: ...

class StateReply(_message.Message):
    __slots__ = ("version", "epoch", "cluster_id", "is_whole", "agents", "frameworks", "tasks", "roles", "offers", "removed", "goodbye")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    IS_WHOLE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORKS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    version: int
    epoch: int
    cluster_id: str
    is_whole: bool
    agents: _containers.RepeatedCompositeFieldContainer[AgentView]
    frameworks: _containers.RepeatedCompositeFieldContainer[FrameworkView]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskView]
    roles: _containers.RepeatedCompositeFieldContainer[RoleView]
    offers: _containers.RepeatedCompositeFieldContainer[_framework_pb2.Offer]
    removed: _containers.RepeatedScalarFieldContainer[str]
    goodbye: _sessions_pb2.Goodbye
    def __init__(self, version: _Optional[int] = ..., epoch: _Optional[int] = ..., cluster_id: _Optional[str] = ..., is_whole: _Optional[bool] = ..., agents: _Optional[_Iterable[_Union[AgentView, _Mapping]]] = ..., frameworks: _Optional[_Iterable[_Union[FrameworkView, _Mapping]]] = ..., tasks: _Optional[_Iterable[_Union[TaskView, _Mapping]]] = ..., roles: _Optional[_Iterable[_Union[RoleView, _Mapping]]] = ..., offers: _Optional[_Iterable[_Union[_framework_pb2.Offer, _Mapping]]] = ..., removed: _Optional[_Iterable[str]] = ..., goodbye: _Optional[_Union[_sessions_pb2.Goodbye, _Mapping]] = ...) -> None: ...

class SetWeight(_message.Message):
    __slots__ = ("role", "weight")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    role: str
    weight: float
    def __init__(self, role: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class SetQuota(_message.Message):
    __slots__ = ("role", "guarantees", "limits", "force")
    class GuaranteesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ROLE_FIELD_NUMBER: _ClassVar[int]
    GUARANTEES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    role: str
    guarantees: _containers.ScalarMap[str, int]
    limits: _containers.ScalarMap[str, int]
    force: bool
    def __init__(self, role: _Optional[str] = ..., guarantees: _Optional[_Mapping[str, int]] = ..., limits: _Optional[_Mapping[str, int]] = ..., force: _Optional[bool] = ...) -> None: ...

class SetReservation(_message.Message):
    __slots__ = ("agent_id", "role", "resources")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    role: str
    resources: _resources_pb2.Resources
    def __init__(self, agent_id: _Optional[str] = ..., role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class DrainAgent(_message.Message):
    __slots__ = ("agent_id", "grace_s", "undo")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    grace_s: float
    undo: bool
    def __init__(self, agent_id: _Optional[str] = ..., grace_s: _Optional[float] = ..., undo: _Optional[bool] = ...) -> None: ...

class MarkAgentGone(_message.Message):
    __slots__ = ("agent_id",)
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    def __init__(self, agent_id: _Optional[str] = ...) -> None: ...

class AgentVerdict(_message.Message):
    __slots__ = ("agent_id", "wall_time")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    WALL_TIME_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    wall_time: float
    def __init__(self, agent_id: _Optional[str] = ..., wall_time: _Optional[float] = ...) -> None: ...

class KillAnyTask(_message.Message):
    __slots__ = ("framework_id", "task_id", "grace_s")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    grace_s: float
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ..., grace_s: _Optional[float] = ...) -> None: ...

class TeardownFramework(_message.Message):
    __slots__ = ("framework_id",)
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    def __init__(self, framework_id: _Optional[str] = ...) -> None: ...

class ExplainFramework(_message.Message):
    __slots__ = ("framework_id",)
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    def __init__(self, framework_id: _Optional[str] = ...) -> None: ...

class ExplainTask(_message.Message):
    __slots__ = ("framework_id", "task_id")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ...) -> None: ...

class OperatorCall(_message.Message):
    __slots__ = ("call_id", "set_weight", "kill_any_task", "teardown_framework", "explain_framework", "set_quota", "set_reservation", "explain_task", "drain_agent", "mark_agent_gone")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SET_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    KILL_ANY_TASK_FIELD_NUMBER: _ClassVar[int]
    TEARDOWN_FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    SET_QUOTA_FIELD_NUMBER: _ClassVar[int]
    SET_RESERVATION_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_TASK_FIELD_NUMBER: _ClassVar[int]
    DRAIN_AGENT_FIELD_NUMBER: _ClassVar[int]
    MARK_AGENT_GONE_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    set_weight: SetWeight
    kill_any_task: KillAnyTask
    teardown_framework: TeardownFramework
    explain_framework: ExplainFramework
    set_quota: SetQuota
    set_reservation: SetReservation
    explain_task: ExplainTask
    drain_agent: DrainAgent
    mark_agent_gone: MarkAgentGone
    def __init__(self, call_id: _Optional[str] = ..., set_weight: _Optional[_Union[SetWeight, _Mapping]] = ..., kill_any_task: _Optional[_Union[KillAnyTask, _Mapping]] = ..., teardown_framework: _Optional[_Union[TeardownFramework, _Mapping]] = ..., explain_framework: _Optional[_Union[ExplainFramework, _Mapping]] = ..., set_quota: _Optional[_Union[SetQuota, _Mapping]] = ..., set_reservation: _Optional[_Union[SetReservation, _Mapping]] = ..., explain_task: _Optional[_Union[ExplainTask, _Mapping]] = ..., drain_agent: _Optional[_Union[DrainAgent, _Mapping]] = ..., mark_agent_gone: _Optional[_Union[MarkAgentGone, _Mapping]] = ...) -> None: ...

class OperatorReply(_message.Message):
    __slots__ = ("result", "version", "lines", "agents")
    class AgentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RESULT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    result: _sessions_pb2.CallResult
    version: int
    lines: _containers.RepeatedScalarFieldContainer[str]
    agents: _containers.ScalarMap[str, int]
    def __init__(self, result: _Optional[_Union[_sessions_pb2.CallResult, _Mapping]] = ..., version: _Optional[int] = ..., lines: _Optional[_Iterable[str]] = ..., agents: _Optional[_Mapping[str, int]] = ...) -> None: ...

class OffersQuery(_message.Message):
    __slots__ = ("follow", "tail")
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    follow: bool
    tail: int
    def __init__(self, follow: _Optional[bool] = ..., tail: _Optional[int] = ...) -> None: ...

class OfferEvent(_message.Message):
    __slots__ = ("number", "kind", "offer_id", "agent_id", "agent", "framework_id", "framework", "role", "resources", "message", "wall_time")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WALL_TIME_FIELD_NUMBER: _ClassVar[int]
    number: int
    kind: OfferEventKind
    offer_id: str
    agent_id: str
    agent: str
    framework_id: str
    framework: str
    role: str
    resources: _resources_pb2.Resources
    message: str
    wall_time: float
    def __init__(self, number: _Optional[int] = ..., kind: _Optional[_Union[OfferEventKind, str]] = ..., offer_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., agent: _Optional[str] = ..., framework_id: _Optional[str] = ..., framework: _Optional[str] = ..., role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., message: _Optional[str] = ..., wall_time: _Optional[float] = ...) -> None: ...

class OfferEvents(_message.Message):
    __slots__ = ("events", "goodbye")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[OfferEvent]
    goodbye: _sessions_pb2.Goodbye
    def __init__(self, events: _Optional[_Iterable[_Union[OfferEvent, _Mapping]]] = ..., goodbye: _Optional[_Union[_sessions_pb2.Goodbye, _Mapping]] = ...) -> None: ...
