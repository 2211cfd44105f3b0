from fairlead.protos import framework_pb2 as _framework_pb2
from fairlead.protos import resources_pb2 as _resources_pb2
from fairlead.protos import sessions_pb2 as _sessions_pb2
from fairlead.protos import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentInfo(_message.Message):
    __slots__ = ("agent_id", "hostname", "resources", "attributes", "zone", "rack", "gpus", "address", "isolation", "warnings", "name")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    RACK_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    hostname: str
    resources: _resources_pb2.Resources
    attributes: _containers.ScalarMap[str, str]
    zone: str
    rack: str
    gpus: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Gpu]
    address: str
    isolation: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    name: str
    def __init__(self, agent_id: _Optional[str] = ..., hostname: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., zone: _Optional[str] = ..., rack: _Optional[str] = ..., gpus: _Optional[_Iterable[_Union[_resources_pb2.Gpu, _Mapping]]] = ..., address: _Optional[str] = ..., isolation: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., name: _Optional[str] = ...) -> None: ...

class AgentTask(_message.Message):
    __slots__ = ("framework_id", "task", "launch_uuid", "latest", "resources", "sandbox", "role", "accept_id", "sandbox_removed", "rested_without_cpus", "ran_s", "runs_since_s", "boot_id", "gang_formed")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_REMOVED_FIELD_NUMBER: _ClassVar[int]
    RESTED_WITHOUT_CPUS_FIELD_NUMBER: _ClassVar[int]
    RAN_S_FIELD_NUMBER: _ClassVar[int]
    RUNS_SINCE_S_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    GANG_FORMED_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task: _tasks_pb2.TaskInfo
    launch_uuid: str
    latest: _tasks_pb2.TaskStatus
    resources: _resources_pb2.Resources
    sandbox: str
    role: str
    accept_id: str
    sandbox_removed: str
    rested_without_cpus: bool
    ran_s: float
    runs_since_s: float
    boot_id: str
    gang_formed: bool
    def __init__(self, framework_id: _Optional[str] = ..., task: _Optional[_Union[_tasks_pb2.TaskInfo, _Mapping]] = ..., launch_uuid: _Optional[str] = ..., latest: _Optional[_Union[_tasks_pb2.TaskStatus, _Mapping]] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., sandbox: _Optional[str] = ..., role: _Optional[str] = ..., accept_id: _Optional[str] = ..., sandbox_removed: _Optional[str] = ..., rested_without_cpus: _Optional[bool] = ..., ran_s: _Optional[float] = ..., runs_since_s: _Optional[float] = ..., boot_id: _Optional[str] = ..., gang_formed: _Optional[bool] = ...) -> None: ...

class AcceptProgress(_message.Message):
    __slots__ = ("accept_id", "framework_id", "next_operation", "resources", "role", "task_ids")
    ACCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_OPERATION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    accept_id: str
    framework_id: str
    next_operation: int
    resources: _resources_pb2.Resources
    role: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, accept_id: _Optional[str] = ..., framework_id: _Optional[str] = ..., next_operation: _Optional[int] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., role: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FrameworkAway(_message.Message):
    __slots__ = ("framework_id", "away_s", "limit_s", "back")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    AWAY_S_FIELD_NUMBER: _ClassVar[int]
    LIMIT_S_FIELD_NUMBER: _ClassVar[int]
    BACK_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    away_s: float
    limit_s: float
    back: bool
    def __init__(self, framework_id: _Optional[str] = ..., away_s: _Optional[float] = ..., limit_s: _Optional[float] = ..., back: _Optional[bool] = ...) -> None: ...

class RegisterAgent(_message.Message):
    __slots__ = ("hello", "agent", "tasks", "ended", "accepts", "frameworks", "away", "highest_epoch", "cluster_id", "more", "reservations")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTS_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORKS_FIELD_NUMBER: _ClassVar[int]
    AWAY_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_EPOCH_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    hello: _sessions_pb2.Hello
    agent: AgentInfo
    tasks: _containers.RepeatedCompositeFieldContainer[AgentTask]
    ended: _containers.RepeatedCompositeFieldContainer[AgentTask]
    accepts: _containers.RepeatedCompositeFieldContainer[AcceptProgress]
    frameworks: _containers.RepeatedCompositeFieldContainer[_framework_pb2.FrameworkInfo]
    away: _containers.RepeatedCompositeFieldContainer[FrameworkAway]
    highest_epoch: int
    cluster_id: str
    more: bool
    reservations: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.Reservation]
    def __init__(self, hello: _Optional[_Union[_sessions_pb2.Hello, _Mapping]] = ..., agent: _Optional[_Union[AgentInfo, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[AgentTask, _Mapping]]] = ..., ended: _Optional[_Iterable[_Union[AgentTask, _Mapping]]] = ..., accepts: _Optional[_Iterable[_Union[AcceptProgress, _Mapping]]] = ..., frameworks: _Optional[_Iterable[_Union[_framework_pb2.FrameworkInfo, _Mapping]]] = ..., away: _Optional[_Iterable[_Union[FrameworkAway, _Mapping]]] = ..., highest_epoch: _Optional[int] = ..., cluster_id: _Optional[str] = ..., more: _Optional[bool] = ..., reservations: _Optional[_Iterable[_Union[_tasks_pb2.Reservation, _Mapping]]] = ...) -> None: ...

class TaskUsage(_message.Message):
    __slots__ = ("framework_id", "task_id", "usage")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    usage: _resources_pb2.Usage
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ..., usage: _Optional[_Union[_resources_pb2.Usage, _Mapping]] = ...) -> None: ...

class AgentHeartbeat(_message.Message):
    __slots__ = ("sequence", "host", "tasks", "unacknowledged", "revocable")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    UNACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    REVOCABLE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    host: _resources_pb2.HostUsage
    tasks: _containers.RepeatedCompositeFieldContainer[TaskUsage]
    unacknowledged: int
    revocable: _resources_pb2.Resources
    def __init__(self, sequence: _Optional[int] = ..., host: _Optional[_Union[_resources_pb2.HostUsage, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[TaskUsage, _Mapping]]] = ..., unacknowledged: _Optional[int] = ..., revocable: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class TaskUpdated(_message.Message):
    __slots__ = ("status", "latest", "resources", "sandbox")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    status: _tasks_pb2.TaskStatus
    latest: _tasks_pb2.TaskStatus
    resources: _resources_pb2.Resources
    sandbox: str
    def __init__(self, status: _Optional[_Union[_tasks_pb2.TaskStatus, _Mapping]] = ..., latest: _Optional[_Union[_tasks_pb2.TaskStatus, _Mapping]] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., sandbox: _Optional[str] = ...) -> None: ...

class AcceptEnded(_message.Message):
    __slots__ = ("accept_id", "framework_id", "failed_operation", "message")
    ACCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    FAILED_OPERATION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    accept_id: str
    framework_id: str
    failed_operation: int
    message: str
    def __init__(self, accept_id: _Optional[str] = ..., framework_id: _Optional[str] = ..., failed_operation: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class ReservationChanged(_message.Message):
    __slots__ = ("reservation", "order_id", "message")
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reservation: _tasks_pb2.Reservation
    order_id: str
    message: str
    def __init__(self, reservation: _Optional[_Union[_tasks_pb2.Reservation, _Mapping]] = ..., order_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class AgentMessage(_message.Message):
    __slots__ = ("register", "heartbeat", "task_updated", "accept_ended", "goodbye", "reservation_changed")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    TASK_UPDATED_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_ENDED_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_CHANGED_FIELD_NUMBER: _ClassVar[int]
    register: RegisterAgent
    heartbeat: AgentHeartbeat
    task_updated: TaskUpdated
    accept_ended: AcceptEnded
    goodbye: _sessions_pb2.Goodbye
    reservation_changed: ReservationChanged
    def __init__(self, register: _Optional[_Union[RegisterAgent, _Mapping]] = ..., heartbeat: _Optional[_Union[AgentHeartbeat, _Mapping]] = ..., task_updated: _Optional[_Union[TaskUpdated, _Mapping]] = ..., accept_ended: _Optional[_Union[AcceptEnded, _Mapping]] = ..., goodbye: _Optional[_Union[_sessions_pb2.Goodbye, _Mapping]] = ..., reservation_changed: _Optional[_Union[ReservationChanged, _Mapping]] = ...) -> None: ...

class AgentBatch(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[AgentMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[AgentMessage, _Mapping]]] = ...) -> None: ...

class AgentRegistered(_message.Message):
    __slots__ = ("agent_id", "cluster_id", "heartbeat_s", "software")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    cluster_id: str
    heartbeat_s: float
    software: str
    def __init__(self, agent_id: _Optional[str] = ..., cluster_id: _Optional[str] = ..., heartbeat_s: _Optional[float] = ..., software: _Optional[str] = ...) -> None: ...

class RunAccept(_message.Message):
    __slots__ = ("accept_id", "framework", "role", "operations", "resources")
    ACCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    accept_id: str
    framework: _framework_pb2.FrameworkInfo
    role: str
    operations: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.Operation]
    resources: _resources_pb2.Resources
    def __init__(self, accept_id: _Optional[str] = ..., framework: _Optional[_Union[_framework_pb2.FrameworkInfo, _Mapping]] = ..., role: _Optional[str] = ..., operations: _Optional[_Iterable[_Union[_tasks_pb2.Operation, _Mapping]]] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class ChangeReservation(_message.Message):
    __slots__ = ("order_id", "role", "resources")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    role: str
    resources: _resources_pb2.Resources
    def __init__(self, order_id: _Optional[str] = ..., role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class KillTask(_message.Message):
    __slots__ = ("framework_id", "task_id", "launch_uuid", "grace_s", "signal", "reason", "message")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    launch_uuid: str
    grace_s: float
    signal: int
    reason: _tasks_pb2.Reason
    message: str
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ..., launch_uuid: _Optional[str] = ..., grace_s: _Optional[float] = ..., signal: _Optional[int] = ..., reason: _Optional[_Union[_tasks_pb2.Reason, str]] = ..., message: _Optional[str] = ...) -> None: ...

class AcknowledgeUpdate(_message.Message):
    __slots__ = ("framework_id", "task_id", "update_uuid")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_UUID_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    update_uuid: str
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ..., update_uuid: _Optional[str] = ...) -> None: ...

class GangFormed(_message.Message):
    __slots__ = ("framework_id", "gang_id")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    GANG_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    gang_id: str
    def __init__(self, framework_id: _Optional[str] = ..., gang_id: _Optional[str] = ...) -> None: ...

class ShutdownFramework(_message.Message):
    __slots__ = ("framework_id",)
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    def __init__(self, framework_id: _Optional[str] = ...) -> None: ...

class MasterToAgent(_message.Message):
    __slots__ = ("epoch", "registered", "run_accept", "kill_task", "acknowledge_update", "shutdown_framework", "framework_away", "heartbeat", "goodbye", "change_reservation", "gang_formed")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    RUN_ACCEPT_FIELD_NUMBER: _ClassVar[int]
    KILL_TASK_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_UPDATE_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_AWAY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_RESERVATION_FIELD_NUMBER: _ClassVar[int]
    GANG_FORMED_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    registered: AgentRegistered
    run_accept: RunAccept
    kill_task: KillTask
    acknowledge_update: AcknowledgeUpdate
    shutdown_framework: ShutdownFramework
    framework_away: FrameworkAway
    heartbeat: _sessions_pb2.Heartbeat
    goodbye: _sessions_pb2.Goodbye
    change_reservation: ChangeReservation
    gang_formed: GangFormed
    def __init__(self, epoch: _Optional[int] = ..., registered: _Optional[_Union[AgentRegistered, _Mapping]] = ..., run_accept: _Optional[_Union[RunAccept, _Mapping]] = ..., kill_task: _Optional[_Union[KillTask, _Mapping]] = ..., acknowledge_update: _Optional[_Union[AcknowledgeUpdate, _Mapping]] = ..., shutdown_framework: _Optional[_Union[ShutdownFramework, _Mapping]] = ..., framework_away: _Optional[_Union[FrameworkAway, _Mapping]] = ..., heartbeat: _Optional[_Union[_sessions_pb2.Heartbeat, _Mapping]] = ..., goodbye: _Optional[_Union[_sessions_pb2.Goodbye, _Mapping]] = ..., change_reservation: _Optional[_Union[ChangeReservation, _Mapping]] = ..., gang_formed: _Optional[_Union[GangFormed, _Mapping]] = ...) -> None: ...

class MasterToAgentBatch(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[MasterToAgent]
    def __init__(self, messages: _Optional[_Iterable[_Union[MasterToAgent, _Mapping]]] = ...) -> None: ...

class LogQuery(_message.Message):
    __slots__ = ("framework_id", "task_id", "launch_uuid", "stream", "offset_bytes", "follow", "tail_lines")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    TAIL_LINES_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    launch_uuid: str
    stream: str
    offset_bytes: int
    follow: bool
    tail_lines: int
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ..., launch_uuid: _Optional[str] = ..., stream: _Optional[str] = ..., offset_bytes: _Optional[int] = ..., follow: _Optional[bool] = ..., tail_lines: _Optional[int] = ...) -> None: ...

class LogChunk(_message.Message):
    __slots__ = ("data", "offset_bytes")
    DATA_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    offset_bytes: int
    def __init__(self, data: _Optional[bytes] = ..., offset_bytes: _Optional[int] = ...) -> None: ...
