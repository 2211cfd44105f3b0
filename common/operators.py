"""What people and their tools say: questions about the state, orders, logs, submitted commands.

Each message mirrors the one of the same name in `protos/`; `common.wire` translates.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from .dataclass import dataclass
from .ids import AgentId, CallId, FrameworkId, LaunchUuid, OfferId, Role, TaskId
from .messages import CallResult, Goodbye
from .resources import EMPTY, Resources
from .values import (
    AgentInfo,
    Command,
    FrameworkInfo,
    HostUsage,
    Offer,
    Reservation,
    RoleDemand,
    TaskInfo,
    TaskStatus,
    Usage,
)

# --- an agent's own service


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which log, from where; a negative offset counts from the end, and so do lines, if any."""

    framework_id: FrameworkId
    task_id: TaskId
    launch_uuid: LaunchUuid = LaunchUuid("")
    stream: str = "stdout"
    offset_bytes: int = 0
    follow: bool = False
    tail_lines: int = 0


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Bytes of a log, and where they stand in it: what a gap leaves out is not kept any more."""

    data: bytes
    offset_bytes: int = 0


# --- operators


class AgentState(Enum):
    """How the master sees an agent."""

    UNSPECIFIED = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RECOVERING = 3
    UNREACHABLE = 4
    GONE = 5


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent as operators see it."""

    agent: AgentInfo
    state: AgentState
    used: Resources = EMPTY
    offered: Resources = EMPTY
    usage: HostUsage = HostUsage()
    tasks: int = 0
    unacknowledged: int = 0
    reservations: tuple[Reservation, ...] = ()
    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class FrameworkView:
    """A framework as operators see it."""

    framework: FrameworkInfo
    is_connected: bool = False
    is_ended: bool = False
    used: Resources = EMPTY
    offered: Resources = EMPTY
    tasks: int = 0
    dominant_share: float = 0.0
    demands: tuple[RoleDemand, ...] = ()
    dominant_resource: str = ""


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as operators see it."""

    framework_id: FrameworkId
    task_id: TaskId
    name: str
    agent_id: AgentId
    role: Role
    resources: Resources
    latest: TaskStatus
    usage: Usage = Usage()
    command: Command = Command(())
    labels: Mapping[str, str] = field(default_factory=dict)
    sandbox: str = ""
    held: Resources = EMPTY
    """Just now: a suspended one has given up some, one that has ended all."""


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role as operators see it, with all roles below it."""

    role: Role
    weight: float = 1.0
    dominant_share: float = 0.0
    used: Resources = EMPTY
    offered: Resources = EMPTY
    guarantees: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    reserved: Resources = EMPTY
    frameworks: int = 0


@dataclass(frozen=True, slots=True)
class StateQuery:
    """The state, no older than this version."""

    at_least: int = 0


@dataclass(frozen=True, slots=True)
class StateReply:
    """The whole state, or what changed since the version before."""

    version: int
    epoch: int
    cluster_id: str
    is_whole: bool = True
    agents: tuple[AgentView, ...] = ()
    frameworks: tuple[FrameworkView, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    roles: tuple[RoleView, ...] = ()
    offers: tuple[Offer, ...] = ()
    removed: tuple[str, ...] = ()
    goodbye: Goodbye | None = None


@dataclass(frozen=True, slots=True)
class SetWeight:
    """A role's share of the cluster, relative to its siblings."""

    role: Role
    weight: float


@dataclass(frozen=True, slots=True)
class SetQuota:
    """What of the cluster a role is guaranteed, and what it may hold at most, by resource.

    It takes the place of the quota that the role had; an empty one is none.
    """

    role: Role
    guarantees: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    force: bool = False
    """Even if the agents cannot hold all guarantees."""


@dataclass(frozen=True, slots=True)
class SetReservation:
    """So much of an agent is for a role and those below it alone; nothing removes what was."""

    agent_id: AgentId
    role: Role
    resources: Resources


@dataclass(frozen=True, slots=True)
class DrainAgent:
    """Nothing more of it is offered and its tasks are ended, each with its own grace if none is
    given; `undo` has it offered again.
    """

    agent_id: AgentId
    grace_s: float | None = None
    undo: bool = False


@dataclass(frozen=True, slots=True)
class MarkAgentGone:
    """It never comes back, and would be refused."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class AgentVerdict:
    """In the registry: since when an agent is unreachable, or gone; for people."""

    agent_id: AgentId
    wall_time: float = 0.0


@dataclass(frozen=True, slots=True)
class KillAnyTask:
    """An operator ends a task of whichever framework."""

    framework_id: FrameworkId
    task_id: TaskId
    grace_s: float | None = None


@dataclass(frozen=True, slots=True)
class TeardownFramework:
    """An operator ends a framework and its tasks."""

    framework_id: FrameworkId


@dataclass(frozen=True, slots=True)
class ExplainFramework:
    """Why does it get what it gets?"""

    framework_id: FrameworkId


@dataclass(frozen=True, slots=True)
class ExplainTask:
    """Why does it not run, or where is it? An empty framework id: that of any framework."""

    task_id: TaskId
    framework_id: FrameworkId = FrameworkId("")


OperatorBody = (
    SetWeight
    | SetQuota
    | SetReservation
    | DrainAgent
    | MarkAgentGone
    | KillAnyTask
    | TeardownFramework
    | ExplainFramework
    | ExplainTask
)


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """An operator's order or question."""

    body: OperatorBody
    call_id: CallId = CallId("")


@dataclass(frozen=True, slots=True)
class OperatorReply:
    """The answer; a state at least as new as `version` shows the change."""

    result: CallResult
    version: int = 0
    lines: tuple[str, ...] = ()
    agents: Mapping[str, int] = field(default_factory=dict)
    """How many are ruled out, by the rule that says no first."""


@dataclass(frozen=True, slots=True)
class OffersQuery:
    """What became of offers lately, of which the last so many; with `follow` also what comes."""

    follow: bool = False
    tail: int = 0


class OfferEventKind(Enum):
    """What may become of an offer: it is made, and ends once, in one of the other ways."""

    UNSPECIFIED = 0
    MADE = 1
    """Its resources are held for a framework."""
    ACCEPTED = 2
    """Its resources belong to an accept."""
    DECLINED = 3
    """Its framework does not want it, for a while."""
    REFUSED = 4
    """The accept that named it was refused whole."""
    RESCINDED = 5
    """The master withdraws it, with its agent or its gang, for a limit or a lender."""
    TIMED_OUT = 6
    """Nobody answered in time."""
    VOID = 7
    """The session of its framework has ended."""


@dataclass(frozen=True, slots=True)
class OfferEvent:
    """One of them, with the names of its agent and its framework."""

    number: int
    kind: OfferEventKind
    offer_id: OfferId
    agent_id: AgentId
    framework_id: FrameworkId
    role: Role
    agent: str = ""
    framework: str = ""
    resources: Resources = EMPTY
    message: str = ""
    wall_time: float = 0.0


@dataclass(frozen=True, slots=True)
class OfferEvents:
    """Several, in order, or why there are no more."""

    events: tuple[OfferEvent, ...] = ()
    goodbye: Goodbye | None = None


# --- clients of the built-in framework `commands`


@dataclass(frozen=True, slots=True)
class SubmitCommand:
    """Run this as soon as an offer fits; its task id is the client's choice."""

    task: TaskInfo


@dataclass(frozen=True, slots=True)
class CommandSubmitted:
    """It is durable: it will be run even if everything is started again meanwhile."""

    framework_id: FrameworkId
    task_id: TaskId


@dataclass(frozen=True, slots=True)
class WithdrawCommand:
    """Take a command back, or end it if it runs by now."""

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class CommandWithdrawn:
    """Whether it had not been launched yet."""

    was_waiting: bool = False


@dataclass(frozen=True, slots=True)
class SubmittedCommand:
    """What is kept of a command until it has ended; an empty uuid: not launched yet.

    A launch of one that is withdrawn is its last, whatever becomes of it.
    """

    task: TaskInfo
    launch_uuid: LaunchUuid = LaunchUuid("")
    agent_id: AgentId = AgentId("")
    number: int = 0
    launches: int = 0
    is_withdrawn: bool = False
