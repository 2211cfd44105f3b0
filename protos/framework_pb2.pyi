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

class Comparison(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPARISON_UNSPECIFIED: _ClassVar[Comparison]
    COMPARISON_EXISTS: _ClassVar[Comparison]
    COMPARISON_NOT_EXISTS: _ClassVar[Comparison]
    COMPARISON_EQUALS: _ClassVar[Comparison]
    COMPARISON_NOT_EQUALS: _ClassVar[Comparison]
    COMPARISON_MATCHES: _ClassVar[Comparison]
    COMPARISON_NOT_MATCHES: _ClassVar[Comparison]
    COMPARISON_IN: _ClassVar[Comparison]
    COMPARISON_NOT_IN: _ClassVar[Comparison]
COMPARISON_UNSPECIFIED: Comparison
COMPARISON_EXISTS: Comparison
COMPARISON_NOT_EXISTS: Comparison
COMPARISON_EQUALS: Comparison
COMPARISON_NOT_EQUALS: Comparison
COMPARISON_MATCHES: Comparison
COMPARISON_NOT_MATCHES: Comparison
COMPARISON_IN: Comparison
COMPARISON_NOT_IN: Comparison

class FrameworkInfo(_message.Message):
    __slots__ = ("framework_id", "name", "user", "roles", "failover_timeout_s", "capabilities", "address", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    FAILOVER_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    name: str
    user: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    failover_timeout_s: float
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    address: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, framework_id: _Optional[str] = ..., name: _Optional[str] = ..., user: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., failover_timeout_s: _Optional[float] = ..., capabilities: _Optional[_Iterable[str]] = ..., address: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Predicate(_message.Message):
    __slots__ = ("attribute", "comparison", "values")
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    attribute: str
    comparison: Comparison
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, attribute: _Optional[str] = ..., comparison: _Optional[_Union[Comparison, str]] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class AllOf(_message.Message):
    __slots__ = ("predicates",)
    PREDICATES_FIELD_NUMBER: _ClassVar[int]
    predicates: _containers.RepeatedCompositeFieldContainer[Predicate]
    def __init__(self, predicates: _Optional[_Iterable[_Union[Predicate, _Mapping]]] = ...) -> None: ...

class Constraints(_message.Message):
    __slots__ = ("any_of", "preferred")
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    any_of: _containers.RepeatedCompositeFieldContainer[AllOf]
    preferred: _containers.RepeatedCompositeFieldContainer[AllOf]
    def __init__(self, any_of: _Optional[_Iterable[_Union[AllOf, _Mapping]]] = ..., preferred: _Optional[_Iterable[_Union[AllOf, _Mapping]]] = ...) -> None: ...

class Demand(_message.Message):
    __slots__ = ("each", "count", "constraints", "gang")
    EACH_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    GANG_FIELD_NUMBER: _ClassVar[int]
    each: _resources_pb2.Resources
    count: int
    constraints: Constraints
    gang: bool
    def __init__(self, each: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., count: _Optional[int] = ..., constraints: _Optional[_Union[Constraints, _Mapping]] = ..., gang: _Optional[bool] = ...) -> None: ...

class RoleDemand(_message.Message):
    __slots__ = ("role", "demands", "unstated")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DEMANDS_FIELD_NUMBER: _ClassVar[int]
    UNSTATED_FIELD_NUMBER: _ClassVar[int]
    role: str
    demands: _containers.RepeatedCompositeFieldContainer[Demand]
    unstated: bool
    def __init__(self, role: _Optional[str] = ..., demands: _Optional[_Iterable[_Union[Demand, _Mapping]]] = ..., unstated: _Optional[bool] = ...) -> None: ...

class RoleWish(_message.Message):
    __slots__ = ("role", "suppressed", "constraints", "minimum_offers", "keep_apart")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_OFFERS_FIELD_NUMBER: _ClassVar[int]
    KEEP_APART_FIELD_NUMBER: _ClassVar[int]
    role: str
    suppressed: bool
    constraints: Constraints
    minimum_offers: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Resources]
    keep_apart: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, role: _Optional[str] = ..., suppressed: _Optional[bool] = ..., constraints: _Optional[_Union[Constraints, _Mapping]] = ..., minimum_offers: _Optional[_Iterable[_Union[_resources_pb2.Resources, _Mapping]]] = ..., keep_apart: _Optional[_Iterable[str]] = ...) -> None: ...

class Subscribe(_message.Message):
    __slots__ = ("hello", "framework", "wishes", "demands")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    WISHES_FIELD_NUMBER: _ClassVar[int]
    DEMANDS_FIELD_NUMBER: _ClassVar[int]
    hello: _sessions_pb2.Hello
    framework: FrameworkInfo
    wishes: _containers.RepeatedCompositeFieldContainer[RoleWish]
    demands: _containers.RepeatedCompositeFieldContainer[RoleDemand]
    def __init__(self, hello: _Optional[_Union[_sessions_pb2.Hello, _Mapping]] = ..., framework: _Optional[_Union[FrameworkInfo, _Mapping]] = ..., wishes: _Optional[_Iterable[_Union[RoleWish, _Mapping]]] = ..., demands: _Optional[_Iterable[_Union[RoleDemand, _Mapping]]] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("offer_id", "agent_id", "framework_id", "role", "resources", "reserved", "revocable", "hostname", "attributes", "utilisation", "agent_address", "gpus")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    REVOCABLE_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    UTILISATION_FIELD_NUMBER: _ClassVar[int]
    AGENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    offer_id: str
    agent_id: str
    framework_id: str
    role: str
    resources: _resources_pb2.Resources
    reserved: _resources_pb2.Resources
    revocable: _resources_pb2.Resources
    hostname: str
    attributes: _containers.ScalarMap[str, str]
    utilisation: _resources_pb2.HostUsage
    agent_address: str
    gpus: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Gpu]
    def __init__(self, offer_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., framework_id: _Optional[str] = ..., role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., reserved: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., revocable: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., hostname: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ..., utilisation: _Optional[_Union[_resources_pb2.HostUsage, _Mapping]] = ..., agent_address: _Optional[str] = ..., gpus: _Optional[_Iterable[_Union[_resources_pb2.Gpu, _Mapping]]] = ...) -> None: ...

class Accept(_message.Message):
    __slots__ = ("offer_ids", "task_ids", "operations", "refuse_s", "gang")
    OFFER_IDS_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSE_S_FIELD_NUMBER: _ClassVar[int]
    GANG_FIELD_NUMBER: _ClassVar[int]
    offer_ids: _containers.RepeatedScalarFieldContainer[str]
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    operations: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.Operation]
    refuse_s: float
    gang: _tasks_pb2.Gang
    def __init__(self, offer_ids: _Optional[_Iterable[str]] = ..., task_ids: _Optional[_Iterable[str]] = ..., operations: _Optional[_Iterable[_Union[_tasks_pb2.Operation, _Mapping]]] = ..., refuse_s: _Optional[float] = ..., gang: _Optional[_Union[_tasks_pb2.Gang, _Mapping]] = ...) -> None: ...

class Decline(_message.Message):
    __slots__ = ("offer_ids", "refuse_s", "alike")
    OFFER_IDS_FIELD_NUMBER: _ClassVar[int]
    REFUSE_S_FIELD_NUMBER: _ClassVar[int]
    ALIKE_FIELD_NUMBER: _ClassVar[int]
    offer_ids: _containers.RepeatedScalarFieldContainer[str]
    refuse_s: float
    alike: bool
    def __init__(self, offer_ids: _Optional[_Iterable[str]] = ..., refuse_s: _Optional[float] = ..., alike: _Optional[bool] = ...) -> None: ...

class Revive(_message.Message):
    __slots__ = ("roles",)
    ROLES_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, roles: _Optional[_Iterable[str]] = ...) -> None: ...

class Suppress(_message.Message):
    __slots__ = ("roles",)
    ROLES_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, roles: _Optional[_Iterable[str]] = ...) -> None: ...

class SetDemand(_message.Message):
    __slots__ = ("demands",)
    DEMANDS_FIELD_NUMBER: _ClassVar[int]
    demands: _containers.RepeatedCompositeFieldContainer[RoleDemand]
    def __init__(self, demands: _Optional[_Iterable[_Union[RoleDemand, _Mapping]]] = ...) -> None: ...

class Kill(_message.Message):
    __slots__ = ("task_id", "agent_id", "grace_s", "signal")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    agent_id: str
    grace_s: float
    signal: int
    def __init__(self, task_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., grace_s: _Optional[float] = ..., signal: _Optional[int] = ...) -> None: ...

class Acknowledge(_message.Message):
    __slots__ = ("task_id", "agent_id", "update_uuid")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_UUID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    agent_id: str
    update_uuid: str
    def __init__(self, task_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., update_uuid: _Optional[str] = ...) -> None: ...

class Reconcile(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.TaskRef]
    def __init__(self, tasks: _Optional[_Iterable[_Union[_tasks_pb2.TaskRef, _Mapping]]] = ...) -> None: ...

class Teardown(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FrameworkMessage(_message.Message):
    __slots__ = ("call_id", "subscribe", "accept", "decline", "revive", "suppress", "set_demand", "kill", "acknowledge", "reconcile", "teardown", "heartbeat", "goodbye")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    DECLINE_FIELD_NUMBER: _ClassVar[int]
    REVIVE_FIELD_NUMBER: _ClassVar[int]
    SUPPRESS_FIELD_NUMBER: _ClassVar[int]
    SET_DEMAND_FIELD_NUMBER: _ClassVar[int]
    KILL_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_FIELD_NUMBER: _ClassVar[int]
    RECONCILE_FIELD_NUMBER: _ClassVar[int]
    TEARDOWN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    subscribe: Subscribe
    accept: Accept
    decline: Decline
    revive: Revive
    suppress: Suppress
    set_demand: SetDemand
    kill: Kill
    acknowledge: Acknowledge
    reconcile: Reconcile
    teardown: Teardown
    heartbeat: _sessions_pb2.Heartbeat
    goodbye: _sessions_pb2.Goodbye
    def __init__(self, call_id: _Optional[str] = ..., subscribe: _Optional[_Union[Subscribe, _Mapping]] = ..., accept: _Optional[_Union[Accept, _Mapping]] = ..., decline: _Optional[_Union[Decline, _Mapping]] = ..., revive: _Optional[_Union[Revive, _Mapping]] = ..., suppress: _Optional[_Union[Suppress, _Mapping]] = ..., set_demand: _Optional[_Union[SetDemand, _Mapping]] = ..., kill: _Optional[_Union[Kill, _Mapping]] = ..., acknowledge: _Optional[_Union[Acknowledge, _Mapping]] = ..., reconcile: _Optional[_Union[Reconcile, _Mapping]] = ..., teardown: _Optional[_Union[Teardown, _Mapping]] = ..., heartbeat: _Optional[_Union[_sessions_pb2.Heartbeat, _Mapping]] = ..., goodbye: _Optional[_Union[_sessions_pb2.Goodbye, _Mapping]] = ...) -> None: ...

class FrameworkBatch(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[FrameworkMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[FrameworkMessage, _Mapping]]] = ...) -> None: ...

class Subscribed(_message.Message):
    __slots__ = ("framework_id", "heartbeat_s", "epoch", "cluster_id", "software")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    heartbeat_s: float
    epoch: int
    cluster_id: str
    software: str
    def __init__(self, framework_id: _Optional[str] = ..., heartbeat_s: _Optional[float] = ..., epoch: _Optional[int] = ..., cluster_id: _Optional[str] = ..., software: _Optional[str] = ...) -> None: ...

class OffersMade(_message.Message):
    __slots__ = ("offers",)
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    offers: _containers.RepeatedCompositeFieldContainer[Offer]
    def __init__(self, offers: _Optional[_Iterable[_Union[Offer, _Mapping]]] = ...) -> None: ...

class OffersRescinded(_message.Message):
    __slots__ = ("offer_ids", "message")
    OFFER_IDS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    offer_ids: _containers.RepeatedScalarFieldContainer[str]
    message: str
    def __init__(self, offer_ids: _Optional[_Iterable[str]] = ..., message: _Optional[str] = ...) -> None: ...

class StatusUpdated(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _tasks_pb2.TaskStatus
    def __init__(self, status: _Optional[_Union[_tasks_pb2.TaskStatus, _Mapping]] = ...) -> None: ...

class Revoke(_message.Message):
    __slots__ = ("tasks", "resources", "deadline_s")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.TaskRef]
    resources: _resources_pb2.Resources
    deadline_s: float
    def __init__(self, tasks: _Optional[_Iterable[_Union[_tasks_pb2.TaskRef, _Mapping]]] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., deadline_s: _Optional[float] = ...) -> None: ...

class Spared(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.TaskRef]
    def __init__(self, tasks: _Optional[_Iterable[_Union[_tasks_pb2.TaskRef, _Mapping]]] = ...) -> None: ...

class MasterToFramework(_message.Message):
    __slots__ = ("epoch", "subscribed", "call_result", "offers_made", "offers_rescinded", "status_updated", "heartbeat", "goodbye", "revoke", "spared")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    CALL_RESULT_FIELD_NUMBER: _ClassVar[int]
    OFFERS_MADE_FIELD_NUMBER: _ClassVar[int]
    OFFERS_RESCINDED_FIELD_NUMBER: _ClassVar[int]
    STATUS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    REVOKE_FIELD_NUMBER: _ClassVar[int]
    SPARED_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    subscribed: Subscribed
    call_result: _sessions_pb2.CallResult
    offers_made: OffersMade
    offers_rescinded: OffersRescinded
    status_updated: StatusUpdated
    heartbeat: _sessions_pb2.Heartbeat
    goodbye: _sessions_pb2.Goodbye
    revoke: Revoke
    spared: Spared
    def __init__(self, epoch: _Optional[int] = ..., subscribed: _Optional[_Union[Subscribed, _Mapping]] = ..., call_result: _Optional[_Union[_sessions_pb2.CallResult, _Mapping]] = ..., offers_made: _Optional[_Union[OffersMade, _Mapping]] = ..., offers_rescinded: _Optional[_Union[OffersRescinded, _Mapping]] = ..., status_updated: _Optional[_Union[StatusUpdated, _Mapping]] = ..., heartbeat: _Optional[_Union[_sessions_pb2.Heartbeat, _Mapping]] = ..., goodbye: _Optional[_Union[_sessions_pb2.Goodbye, _Mapping]] = ..., revoke: _Optional[_Union[Revoke, _Mapping]] = ..., spared: _Optional[_Union[Spared, _Mapping]] = ...) -> None: ...

class MasterToFrameworkBatch(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[MasterToFramework]
    def __init__(self, messages: _Optional[_Iterable[_Union[MasterToFramework, _Mapping]]] = ...) -> None: ...
