from fairlead.protos import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    TASK_STATE_STAGING: _ClassVar[TaskState]
    TASK_STATE_STARTING: _ClassVar[TaskState]
    TASK_STATE_RUNNING: _ClassVar[TaskState]
    TASK_STATE_SUSPENDING: _ClassVar[TaskState]
    TASK_STATE_SUSPENDED: _ClassVar[TaskState]
    TASK_STATE_RESUMING: _ClassVar[TaskState]
    TASK_STATE_KILLING: _ClassVar[TaskState]
    TASK_STATE_UNREACHABLE: _ClassVar[TaskState]
    TASK_STATE_UNKNOWN: _ClassVar[TaskState]
    TASK_STATE_RECOVERING: _ClassVar[TaskState]
    TASK_STATE_FINISHED: _ClassVar[TaskState]
    TASK_STATE_FAILED: _ClassVar[TaskState]
    TASK_STATE_KILLED: _ClassVar[TaskState]
    TASK_STATE_ERROR: _ClassVar[TaskState]
    TASK_STATE_DROPPED: _ClassVar[TaskState]
    TASK_STATE_GONE: _ClassVar[TaskState]
    TASK_STATE_GONE_BY_OPERATOR: _ClassVar[TaskState]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_MASTER: _ClassVar[Source]
    SOURCE_AGENT: _ClassVar[Source]
    SOURCE_TASK: _ClassVar[Source]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_COMMAND_EXITED: _ClassVar[Reason]
    REASON_COMMAND_NOT_STARTED: _ClassVar[Reason]
    REASON_KILL_REQUESTED: _ClassVar[Reason]
    REASON_FRAMEWORK_REMOVED: _ClassVar[Reason]
    REASON_INVALID_OFFERS: _ClassVar[Reason]
    REASON_INVALID_TASK: _ClassVar[Reason]
    REASON_AGENT_REFUSED: _ClassVar[Reason]
    REASON_AGENT_DISCONNECTED: _ClassVar[Reason]
    REASON_AGENT_UNREACHABLE: _ClassVar[Reason]
    REASON_AGENT_GONE: _ClassVar[Reason]
    REASON_EXIT_STATUS_UNKNOWN: _ClassVar[Reason]
    REASON_MEMORY_LIMIT: _ClassVar[Reason]
    REASON_MAX_COMPLETION_TIME: _ClassVar[Reason]
    REASON_GANG_BROKEN: _ClassVar[Reason]
    REASON_GPU_NOT_RELEASED: _ClassVar[Reason]
    REASON_OPERATION_FAILED: _ClassVar[Reason]
    REASON_RECONCILIATION: _ClassVar[Reason]
    REASON_UNHEALTHY: _ClassVar[Reason]
    REASON_FETCH_FAILED: _ClassVar[Reason]
    REASON_REVOKED: _ClassVar[Reason]
    REASON_AGENT_REGISTERED: _ClassVar[Reason]
    REASON_LAUNCH_UNKNOWN: _ClassVar[Reason]
    REASON_TASK_SUSPENDED: _ClassVar[Reason]
    REASON_TASK_RESUMED: _ClassVar[Reason]
    REASON_DISK_FULL: _ClassVar[Reason]
    REASON_AGENT_DRAINING: _ClassVar[Reason]
TASK_STATE_UNSPECIFIED: TaskState
TASK_STATE_STAGING: TaskState
TASK_STATE_STARTING: TaskState
TASK_STATE_RUNNING: TaskState
TASK_STATE_SUSPENDING: TaskState
TASK_STATE_SUSPENDED: TaskState
TASK_STATE_RESUMING: TaskState
TASK_STATE_KILLING: TaskState
TASK_STATE_UNREACHABLE: TaskState
TASK_STATE_UNKNOWN: TaskState
TASK_STATE_RECOVERING: TaskState
TASK_STATE_FINISHED: TaskState
TASK_STATE_FAILED: TaskState
TASK_STATE_KILLED: TaskState
TASK_STATE_ERROR: TaskState
TASK_STATE_DROPPED: TaskState
TASK_STATE_GONE: TaskState
TASK_STATE_GONE_BY_OPERATOR: TaskState
SOURCE_UNSPECIFIED: Source
SOURCE_MASTER: Source
SOURCE_AGENT: Source
SOURCE_TASK: Source
REASON_UNSPECIFIED: Reason
REASON_COMMAND_EXITED: Reason
REASON_COMMAND_NOT_STARTED: Reason
REASON_KILL_REQUESTED: Reason
REASON_FRAMEWORK_REMOVED: Reason
REASON_INVALID_OFFERS: Reason
REASON_INVALID_TASK: Reason
REASON_AGENT_REFUSED: Reason
REASON_AGENT_DISCONNECTED: Reason
REASON_AGENT_UNREACHABLE: Reason
REASON_AGENT_GONE: Reason
REASON_EXIT_STATUS_UNKNOWN: Reason
REASON_MEMORY_LIMIT: Reason
REASON_MAX_COMPLETION_TIME: Reason
REASON_GANG_BROKEN: Reason
REASON_GPU_NOT_RELEASED: Reason
REASON_OPERATION_FAILED: Reason
REASON_RECONCILIATION: Reason
REASON_UNHEALTHY: Reason
REASON_FETCH_FAILED: Reason
REASON_REVOKED: Reason
REASON_AGENT_REGISTERED: Reason
REASON_LAUNCH_UNKNOWN: Reason
REASON_TASK_SUSPENDED: Reason
REASON_TASK_RESUMED: Reason
REASON_DISK_FULL: Reason
REASON_AGENT_DRAINING: Reason

class Command(_message.Message):
    __slots__ = ("argv", "env")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ARGV_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    argv: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.ScalarMap[str, str]
    def __init__(self, argv: _Optional[_Iterable[str]] = ..., env: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Volume(_message.Message):
    __slots__ = ("host_path", "container_path", "read_only")
    HOST_PATH_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_PATH_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    host_path: str
    container_path: str
    read_only: bool
    def __init__(self, host_path: _Optional[str] = ..., container_path: _Optional[str] = ..., read_only: _Optional[bool] = ...) -> None: ...

class PortMapping(_message.Message):
    __slots__ = ("host_port", "container_port", "protocol")
    HOST_PORT_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_PORT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    host_port: int
    container_port: int
    protocol: str
    def __init__(self, host_port: _Optional[int] = ..., container_port: _Optional[int] = ..., protocol: _Optional[str] = ...) -> None: ...

class Container(_message.Message):
    __slots__ = ("image", "volumes", "privileged", "network", "ports")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    PRIVILEGED_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    image: str
    volumes: _containers.RepeatedCompositeFieldContainer[Volume]
    privileged: bool
    network: str
    ports: _containers.RepeatedCompositeFieldContainer[PortMapping]
    def __init__(self, image: _Optional[str] = ..., volumes: _Optional[_Iterable[_Union[Volume, _Mapping]]] = ..., privileged: _Optional[bool] = ..., network: _Optional[str] = ..., ports: _Optional[_Iterable[_Union[PortMapping, _Mapping]]] = ...) -> None: ...

class Uri(_message.Message):
    __slots__ = ("uri", "extract", "executable", "max_bytes")
    URI_FIELD_NUMBER: _ClassVar[int]
    EXTRACT_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    uri: str
    extract: bool
    executable: bool
    max_bytes: int
    def __init__(self, uri: _Optional[str] = ..., extract: _Optional[bool] = ..., executable: _Optional[bool] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ("argv", "http", "tcp", "interval_s", "timeout_s", "start_delay_s", "failures")
    ARGV_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    TCP_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    START_DELAY_S_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    argv: _containers.RepeatedScalarFieldContainer[str]
    http: str
    tcp: int
    interval_s: float
    timeout_s: float
    start_delay_s: float
    failures: int
    def __init__(self, argv: _Optional[_Iterable[str]] = ..., http: _Optional[str] = ..., tcp: _Optional[int] = ..., interval_s: _Optional[float] = ..., timeout_s: _Optional[float] = ..., start_delay_s: _Optional[float] = ..., failures: _Optional[int] = ...) -> None: ...

class Gang(_message.Message):
    __slots__ = ("gang_id", "size")
    GANG_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    gang_id: str
    size: int
    def __init__(self, gang_id: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class TaskInfo(_message.Message):
    __slots__ = ("task_id", "name", "command", "resources", "limits", "labels", "files", "kill_grace_s", "max_completion_s", "priority", "user", "container", "uris", "health_check", "gang", "revocable")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    KILL_GRACE_S_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETION_S_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    URIS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    GANG_FIELD_NUMBER: _ClassVar[int]
    REVOCABLE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    name: str
    command: Command
    resources: _resources_pb2.Resources
    limits: _resources_pb2.Resources
    labels: _containers.ScalarMap[str, str]
    files: _containers.ScalarMap[str, bytes]
    kill_grace_s: float
    max_completion_s: float
    priority: int
    user: str
    container: Container
    uris: _containers.RepeatedCompositeFieldContainer[Uri]
    health_check: HealthCheck
    gang: Gang
    revocable: bool
    def __init__(self, task_id: _Optional[str] = ..., name: _Optional[str] = ..., command: _Optional[_Union[Command, _Mapping]] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., limits: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., files: _Optional[_Mapping[str, bytes]] = ..., kill_grace_s: _Optional[float] = ..., max_completion_s: _Optional[float] = ..., priority: _Optional[int] = ..., user: _Optional[str] = ..., container: _Optional[_Union[Container, _Mapping]] = ..., uris: _Optional[_Iterable[_Union[Uri, _Mapping]]] = ..., health_check: _Optional[_Union[HealthCheck, _Mapping]] = ..., gang: _Optional[_Union[Gang, _Mapping]] = ..., revocable: _Optional[bool] = ...) -> None: ...

class Launch(_message.Message):
    __slots__ = ("task", "launch_uuid")
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    task: TaskInfo
    launch_uuid: str
    def __init__(self, task: _Optional[_Union[TaskInfo, _Mapping]] = ..., launch_uuid: _Optional[str] = ...) -> None: ...

class LaunchGroup(_message.Message):
    __slots__ = ("launches",)
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    launches: _containers.RepeatedCompositeFieldContainer[Launch]
    def __init__(self, launches: _Optional[_Iterable[_Union[Launch, _Mapping]]] = ...) -> None: ...

class Resize(_message.Message):
    __slots__ = ("task_id", "resources")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    resources: _resources_pb2.Resources
    def __init__(self, task_id: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class Suspend(_message.Message):
    __slots__ = ("task_id", "free_cpus", "deadline_s", "signal", "wait_s")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FREE_CPUS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    free_cpus: bool
    deadline_s: float
    signal: int
    wait_s: float
    def __init__(self, task_id: _Optional[str] = ..., free_cpus: _Optional[bool] = ..., deadline_s: _Optional[float] = ..., signal: _Optional[int] = ..., wait_s: _Optional[float] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("task_id", "deadline_s")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    deadline_s: float
    def __init__(self, task_id: _Optional[str] = ..., deadline_s: _Optional[float] = ...) -> None: ...

class Reservation(_message.Message):
    __slots__ = ("role", "resources", "fixed", "changed_by")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_BY_FIELD_NUMBER: _ClassVar[int]
    role: str
    resources: _resources_pb2.Resources
    fixed: _resources_pb2.Resources
    changed_by: str
    def __init__(self, role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., fixed: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ..., changed_by: _Optional[str] = ...) -> None: ...

class Reserve(_message.Message):
    __slots__ = ("role", "resources")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    role: str
    resources: _resources_pb2.Resources
    def __init__(self, role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class Unreserve(_message.Message):
    __slots__ = ("role", "resources")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    role: str
    resources: _resources_pb2.Resources
    def __init__(self, role: _Optional[str] = ..., resources: _Optional[_Union[_resources_pb2.Resources, _Mapping]] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("launch", "launch_group", "resize", "suspend", "resume", "reserve", "unreserve")
    LAUNCH_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_GROUP_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    SUSPEND_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    RESERVE_FIELD_NUMBER: _ClassVar[int]
    UNRESERVE_FIELD_NUMBER: _ClassVar[int]
    launch: Launch
    launch_group: LaunchGroup
    resize: Resize
    suspend: Suspend
    resume: Resume
    reserve: Reserve
    unreserve: Unreserve
    def __init__(self, launch: _Optional[_Union[Launch, _Mapping]] = ..., launch_group: _Optional[_Union[LaunchGroup, _Mapping]] = ..., resize: _Optional[_Union[Resize, _Mapping]] = ..., suspend: _Optional[_Union[Suspend, _Mapping]] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., reserve: _Optional[_Union[Reserve, _Mapping]] = ..., unreserve: _Optional[_Union[Unreserve, _Mapping]] = ...) -> None: ...

class TaskStatus(_message.Message):
    __slots__ = ("framework_id", "task_id", "launch_uuid", "agent_id", "state", "source", "reason", "message", "sequence", "update_uuid", "exit_code", "signal", "pid", "max_rss_bytes", "wall_time", "healthy")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_UUID_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    MAX_RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    WALL_TIME_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    launch_uuid: str
    agent_id: str
    state: TaskState
    source: Source
    reason: Reason
    message: str
    sequence: int
    update_uuid: str
    exit_code: int
    signal: int
    pid: int
    max_rss_bytes: int
    wall_time: float
    healthy: bool
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ..., launch_uuid: _Optional[str] = ..., agent_id: _Optional[str] = ..., state: _Optional[_Union[TaskState, str]] = ..., source: _Optional[_Union[Source, str]] = ..., reason: _Optional[_Union[Reason, str]] = ..., message: _Optional[str] = ..., sequence: _Optional[int] = ..., update_uuid: _Optional[str] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., pid: _Optional[int] = ..., max_rss_bytes: _Optional[int] = ..., wall_time: _Optional[float] = ..., healthy: _Optional[bool] = ...) -> None: ...

class TaskRef(_message.Message):
    __slots__ = ("task_id", "launch_uuid", "agent_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    launch_uuid: str
    agent_id: str
    def __init__(self, task_id: _Optional[str] = ..., launch_uuid: _Optional[str] = ..., agent_id: _Optional[str] = ...) -> None: ...
