"""The values that travel in messages: tasks, statuses, descriptions of agents and frameworks.

Each mirrors the message of the same name in `protos/`, field by field; `common.wire` translates.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from .dataclass import dataclass
from .ids import AgentId, FrameworkId, GpuId, LaunchUuid, OfferId, Role, TaskId, UpdateUuid
from .resources import EMPTY, Resources


class TaskState(Enum):
    """Where a task is in its life; from FINISHED on it is terminal and never left."""

    UNSPECIFIED = 0
    STAGING = 1
    STARTING = 2
    RUNNING = 3
    SUSPENDING = 4
    SUSPENDED = 5
    RESUMING = 6
    KILLING = 7
    UNREACHABLE = 8
    UNKNOWN = 9
    RECOVERING = 10
    FINISHED = 16
    FAILED = 17
    KILLED = 18
    ERROR = 19
    DROPPED = 20
    GONE = 21
    GONE_BY_OPERATOR = 22

    @property
    def is_terminal(self) -> bool:
        return self.value >= TaskState.FINISHED.value


class Source(Enum):
    """Who saw what a status says."""

    UNSPECIFIED = 0
    MASTER = 1
    AGENT = 2
    TASK = 3


class Reason(Enum):
    """Why a task is in the state that a status gives."""

    UNSPECIFIED = 0
    COMMAND_EXITED = 1
    COMMAND_NOT_STARTED = 2
    KILL_REQUESTED = 3
    FRAMEWORK_REMOVED = 4
    INVALID_OFFERS = 5
    INVALID_TASK = 6
    AGENT_REFUSED = 7
    AGENT_DISCONNECTED = 8
    AGENT_UNREACHABLE = 9
    AGENT_GONE = 10
    EXIT_STATUS_UNKNOWN = 11
    MEMORY_LIMIT = 12
    MAX_COMPLETION_TIME = 13
    GANG_BROKEN = 14
    GPU_NOT_RELEASED = 15
    OPERATION_FAILED = 16
    RECONCILIATION = 17
    UNHEALTHY = 18
    FETCH_FAILED = 19
    REVOKED = 20
    AGENT_REGISTERED = 21
    LAUNCH_UNKNOWN = 22
    TASK_SUSPENDED = 23
    TASK_RESUMED = 24
    DISK_FULL = 25
    AGENT_DRAINING = 26


class Comparison(Enum):
    """What a predicate asks of an attribute."""

    UNSPECIFIED = 0
    EXISTS = 1
    NOT_EXISTS = 2
    EQUALS = 3
    NOT_EQUALS = 4
    MATCHES = 5
    NOT_MATCHES = 6
    IN = 7
    NOT_IN = 8


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device as its driver describes it; numa_node -1 is unknown."""

    gpu_id: GpuId
    model: str = ""
    memory_bytes: int = 0
    numa_node: int = -1
    pci_bus: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Measured of one task: cpu time so far, memory now."""

    cpu_s: float = 0.0
    memory_bytes: int = 0
    processes: int = 0
    io_read_bytes: int = 0
    io_write_bytes: int = 0
    gpu_memory_bytes: int = 0
    gpu_utilisation: float = 0.0


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """Measured of one device; utilisation in percent."""

    gpu_id: GpuId
    utilisation: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HostUsage:
    """Measured of a whole host; cpu_percent is of all cpus together."""

    cpu_percent: float = 0.0
    memory_bytes: int = 0
    disk_free_bytes: int = 0
    load: float = 0.0
    gpus: tuple[GpuUsage, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """argv, never a shell line; env is added to the agent's clean one."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A host path seen inside a container."""

    host_path: str
    container_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of a container's own network, seen as one of the task's ports."""

    host_port: int
    container_port: int
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """The image to run in, and what of the host it sees."""

    image: str
    volumes: tuple[Volume, ...] = ()
    privileged: bool = False
    network: str = ""
    """host, bridge or none; empty is bridge if it maps ports, else host."""
    ports: tuple[PortMapping, ...] = ()


@dataclass(frozen=True, slots=True)
class Uri:
    """Fetched into the sandbox before the start."""

    uri: str
    extract: bool = False
    executable: bool = False
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One of command, http path or tcp port."""

    argv: tuple[str, ...] = ()
    http: str = ""
    tcp: int = 0
    interval_s: float = 10.0
    timeout_s: float = 20.0
    start_delay_s: float = 0.0
    failures: int = 3


@dataclass(frozen=True, slots=True)
class Gang:
    """All members run, or none."""

    gang_id: str
    size: int


MAX_PRIORITY = 1000


def bad_priority(priority: int) -> str:
    """What is wrong with it; empty if nothing is. What is higher runs sooner, and longer."""
    if abs(priority) <= MAX_PRIORITY:
        return ""
    return f"{priority} is not between -{MAX_PRIORITY} and {MAX_PRIORITY}"


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What is to run. `files` land in the sandbox with mode 0600 and are never shown."""

    task_id: TaskId
    name: str
    command: Command
    resources: Resources
    limits: Resources | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    kill_grace_s: float = 5.0
    max_completion_s: float = 0.0
    """So long it may run in all, what it is suspended for left out; 0 is for ever."""
    priority: int = 0
    user: str = ""
    container: Container | None = None
    uris: tuple[Uri, ...] = ()
    health_check: HealthCheck | None = None
    gang: Gang | None = None
    revocable: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of a task; the driver makes the uuid, once for each."""

    task: TaskInfo
    launch_uuid: LaunchUuid


@dataclass(frozen=True, slots=True)
class LaunchGroup:
    """All start or none."""

    launches: tuple[Launch, ...]


@dataclass(frozen=True, slots=True)
class Resize:
    """Give a running task other resources."""

    task_id: TaskId
    resources: Resources


@dataclass(frozen=True, slots=True)
class Suspend:
    """Freeze a task and take back its gpus, and its cpus if asked.

    With a `signal` it is asked first to come to rest by itself, for at most `wait_s`.
    """

    task_id: TaskId
    free_cpus: bool = False
    deadline_s: float = 0.0
    signal: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Resume:
    """Let a suspended task go on."""

    task_id: TaskId
    deadline_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """Resources of one agent that only a role and those below it are offered."""

    role: Role
    resources: Resources
    """By orders and accepts."""
    fixed: Resources = EMPTY
    """Besides, by the agent's own configuration, which alone can change it."""
    changed_by: str = ""
    """On the agent's disk: the step of an accept that made it so."""

    @property
    def whole(self) -> Resources:
        return self.resources + self.fixed


@dataclass(frozen=True, slots=True)
class Reserve:
    """Tie resources of the agent to a role."""

    role: Role
    resources: Resources


@dataclass(frozen=True, slots=True)
class Unreserve:
    """Untie them."""

    role: Role
    resources: Resources


Operation = Launch | LaunchGroup | Resize | Suspend | Resume | Reserve | Unreserve
"""One step of an accept; its index there is its name."""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """What was seen of a task. One without an `update_uuid` was made by the master and needs no
    acknowledgement.
    """

    framework_id: FrameworkId
    task_id: TaskId
    launch_uuid: LaunchUuid
    agent_id: AgentId
    state: TaskState
    source: Source = Source.MASTER
    reason: Reason = Reason.UNSPECIFIED
    message: str = ""
    sequence: int = 0
    update_uuid: UpdateUuid = UpdateUuid("")
    exit_code: int | None = None
    signal: int | None = None
    pid: int = 0
    max_rss_bytes: int = 0
    wall_time: float = 0.0
    healthy: bool | None = None


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task as a question names it; empty parts are not known to the asker."""

    task_id: TaskId
    launch_uuid: LaunchUuid = LaunchUuid("")
    agent_id: AgentId = AgentId("")


@dataclass(frozen=True, slots=True)
class FrameworkInfo:
    """Who a framework is; an empty id asks for a new one. `address` is for its own clients."""

    framework_id: FrameworkId
    name: str
    user: str = ""
    roles: tuple[Role, ...] = (Role("default"),)
    failover_timeout_s: float = 3600.0
    capabilities: tuple[str, ...] = ()
    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Predicate:
    """About one attribute of an agent; hostname, zone and rack are attributes too."""

    attribute: str
    comparison: Comparison
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllOf:
    """A group that holds when each of its predicates does."""

    predicates: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Constraints:
    """Any group suffices; none at all means every agent. `preferred` orders, never blocks."""

    any_of: tuple[AllOf, ...] = ()
    preferred: tuple[AllOf, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """What could be used now: `count` times `each`; a gang takes all or nothing."""

    each: Resources
    count: int = 1
    constraints: Constraints = Constraints()
    gang: bool = False


@dataclass(frozen=True, slots=True)
class RoleDemand:
    """The whole demand of a framework in one role; or that it states none any more."""

    role: Role
    demands: tuple[Demand, ...]
    unstated: bool = False


@dataclass(frozen=True, slots=True)
class RoleWish:
    """How a framework wants offers in one role."""

    role: Role
    suppressed: bool = False
    constraints: Constraints = Constraints()
    minimum_offers: tuple[Resources, ...] = ()
    keep_apart: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """Who an agent is and what it has; an empty id asks for one."""

    agent_id: AgentId
    hostname: str
    resources: Resources
    attributes: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    rack: str = ""
    gpus: tuple[Gpu, ...] = ()
    address: str = ""
    isolation: str = ""
    warnings: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """Resources of one agent held for one role of one framework."""

    offer_id: OfferId
    agent_id: AgentId
    framework_id: FrameworkId
    role: Role
    resources: Resources
    reserved: Resources = EMPTY
    revocable: Resources = EMPTY
    hostname: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    utilisation: HostUsage = HostUsage()
    agent_address: str = ""
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentTask:
    """A task as its agent knows it, which is the truth about it."""

    framework_id: FrameworkId
    task: TaskInfo
    launch_uuid: LaunchUuid
    latest: TaskStatus
    resources: Resources = EMPTY
    sandbox: str = ""
    role: Role = Role("")
    accept_id: str = ""
    sandbox_removed: str = ""
    """Why, in words for people; empty while it is there."""
    rested_without_cpus: bool = False
    """Before its last resumption; if that fails it does again."""
    ran_s: float = 0.0
    """Of its completion time, if it has one, until it ran last; and on the agent's own clock, which
    is that of a boot, since when it runs now.
    """
    runs_since_s: float | None = None
    boot_id: str = ""
    gang_formed: bool = False
    """Its master said so."""
