"""What is said on the sessions of agents and frameworks, in both directions.

Each message mirrors the one of the same name in `protos/`; `common.wire` translates.
"""

from enum import Enum

from .dataclass import dataclass
from .ids import AgentId, CallId, FrameworkId, LaunchUuid, OfferId, Role, TaskId, UpdateUuid
from .resources import EMPTY, Resources
from .values import (
    AgentInfo,
    AgentTask,
    FrameworkInfo,
    Gang,
    HostUsage,
    Offer,
    Operation,
    Reason,
    Reservation,
    RoleDemand,
    RoleWish,
    TaskRef,
    TaskStatus,
    Usage,
)

PROTOCOL_VERSION = 1
LEAST_HEARTBEAT_S = 0.01
"""Nobody beats faster, whatever a master asks for."""
TERM = 15
KILL_SIGNALS = {TERM: "TERM", 2: "INT", 1: "HUP", 3: "QUIT", 10: "USR1", 12: "USR2"}
"""What a kill may send first."""


class Code(Enum):
    """How a call, or a session, ended."""

    UNSPECIFIED = 0
    OK = 1
    INVALID = 2
    NOT_FOUND = 3
    REFUSED = 4
    UNSUPPORTED = 5
    NOT_SUBSCRIBED = 6
    NOT_LEADER = 7
    SUPERSEDED = 8
    DUPLICATE_AGENT = 9
    FRAMEWORK_REMOVED = 10
    AGENT_REMOVED = 11
    STALE_EPOCH = 12
    WRONG_CLUSTER = 13
    SLOW_CONSUMER = 14
    UNAUTHENTICATED = 15
    SILENT = 16
    SHUTTING_DOWN = 17
    UNREADABLE = 18
    VERSION = 19


# --- on every session


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks; of one instance the higher attempt wins."""

    protocol: int
    software: str
    instance_uuid: str
    attempt: int
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallResult:
    """The one answer to a call."""

    call_id: CallId
    code: Code
    field: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The last message of a session that its sender ends."""

    code: Code
    message: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Says only "I am here"."""

    sequence: int = 0


# --- framework → master


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Opens a framework's session; carries all it wants, whole."""

    hello: Hello
    framework: FrameworkInfo
    wishes: tuple[RoleWish, ...] = ()
    demands: tuple[RoleDemand, ...] = ()


@dataclass(frozen=True, slots=True)
class Accept:
    """A small program for one agent: offers and own tasks in, operations in order."""

    offer_ids: tuple[OfferId, ...]
    operations: tuple[Operation, ...] = ()
    task_ids: tuple[TaskId, ...] = ()
    refuse_s: float = 5.0
    gang: Gang | None = None


@dataclass(frozen=True, slots=True)
class Decline:
    """Not these, nor less of them, for `refuse_s`; with `alike` on no agent of the same kind."""

    offer_ids: tuple[OfferId, ...]
    refuse_s: float = 5.0
    alike: bool = False


@dataclass(frozen=True, slots=True)
class Revive:
    """Forget filters and offer again; no role means all."""

    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Suppress:
    """Offer nothing more; no role means all."""

    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class SetDemand:
    """What is wanted now in the named roles, whole."""

    demands: tuple[RoleDemand, ...]


@dataclass(frozen=True, slots=True)
class Kill:
    """End a task; without a grace its own applies, and without a signal TERM is sent first."""

    task_id: TaskId
    agent_id: AgentId = AgentId("")
    grace_s: float | None = None
    signal: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A status update has been dealt with."""

    task_id: TaskId
    agent_id: AgentId
    update_uuid: UpdateUuid


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Tell me where these are; none means all of mine."""

    tasks: tuple[TaskRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Teardown:
    """End the framework and all its tasks."""


FrameworkBody = (
    Subscribe
    | Accept
    | Decline
    | Revive
    | Suppress
    | SetDemand
    | Kill
    | Acknowledge
    | Reconcile
    | Teardown
    | Heartbeat
    | Goodbye
)


@dataclass(frozen=True, slots=True)
class FrameworkMessage:
    """A call is answered by one CallResult with its id; a heartbeat has none."""

    body: FrameworkBody
    call_id: CallId = CallId("")


# --- master → framework


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The first answer on a framework's session."""

    framework_id: FrameworkId
    heartbeat_s: float
    epoch: int
    cluster_id: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class OffersMade:
    """These are yours until accepted, declined, rescinded or timed out."""

    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class OffersRescinded:
    """These are void, and why."""

    offer_ids: tuple[OfferId, ...]
    message: str = ""


@dataclass(frozen=True, slots=True)
class StatusUpdated:
    """What was seen of a task."""

    status: TaskStatus


@dataclass(frozen=True, slots=True)
class Revoke:
    """A share was exceeded: give back before the deadline, in your own way. The resources are
    lacking on the agent of the first of the tasks; others elsewhere are of the same gang.
    """

    tasks: tuple[TaskRef, ...]
    resources: Resources = EMPTY
    deadline_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Spared:
    """Of what was to be given back these may stay: it is needed no more."""

    tasks: tuple[TaskRef, ...]


ToFrameworkBody = (
    Subscribed
    | CallResult
    | OffersMade
    | OffersRescinded
    | StatusUpdated
    | Heartbeat
    | Goodbye
    | Revoke
    | Spared
)


@dataclass(frozen=True, slots=True)
class MasterToFramework:
    """From the leader of this epoch."""

    epoch: int
    body: ToFrameworkBody


# --- agent → master


@dataclass(frozen=True, slots=True)
class AcceptProgress:
    """An accept as the agent executes it; `resources` are what none of its tasks holds now."""

    accept_id: str
    framework_id: FrameworkId
    next_operation: int
    resources: Resources = EMPTY
    role: Role = Role("")
    task_ids: tuple[TaskId, ...] = ()
    """That its operations name. Launches that are still to come are registered as STAGING, and
    hold nothing yet.
    """


@dataclass(frozen=True, slots=True)
class FrameworkAway:
    """A framework has been away for `away_s`, and may be for `limit_s`; or it is back."""

    framework_id: FrameworkId
    away_s: float = 0.0
    limit_s: float = 0.0
    back: bool = False


@dataclass(frozen=True, slots=True)
class RegisterAgent:
    """Opens an agent's session with all that it knows; `more` announces further chunks."""

    hello: Hello
    agent: AgentInfo
    tasks: tuple[AgentTask, ...] = ()
    ended: tuple[AgentTask, ...] = ()
    accepts: tuple[AcceptProgress, ...] = ()
    frameworks: tuple[FrameworkInfo, ...] = ()
    away: tuple[FrameworkAway, ...] = ()
    highest_epoch: int = 0
    cluster_id: str = ""
    more: bool = False
    reservations: tuple[Reservation, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskUsage:
    """Measured of one task."""

    framework_id: FrameworkId
    task_id: TaskId
    usage: Usage


@dataclass(frozen=True, slots=True)
class AgentHeartbeat:
    """I am here, and this is what the host and its tasks use."""

    sequence: int = 0
    host: HostUsage = HostUsage()
    tasks: tuple[TaskUsage, ...] = ()
    unacknowledged: int = 0
    revocable: Resources = EMPTY
    """What its tasks hold and do not use."""


@dataclass(frozen=True, slots=True)
class TaskUpdated:
    """The head of a task's queue of updates, and where the task is by now."""

    status: TaskStatus
    latest: TaskStatus
    resources: Resources = EMPTY
    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class AcceptEnded:
    """Operation by operation, an accept came to its end; failed_operation -1 is none."""

    accept_id: str
    framework_id: FrameworkId
    failed_operation: int = -1
    message: str = ""


@dataclass(frozen=True, slots=True)
class ReservationChanged:
    """What is reserved for a role by now; also the answer to the order with that id, which was not
    carried out if there is a message.
    """

    reservation: Reservation
    order_id: str = ""
    message: str = ""


AgentBody = (
    RegisterAgent | AgentHeartbeat | TaskUpdated | AcceptEnded | ReservationChanged | Goodbye
)


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """From an agent."""

    body: AgentBody


# --- master → agent


@dataclass(frozen=True, slots=True)
class AgentRegistered:
    """The first answer on an agent's session."""

    agent_id: AgentId
    cluster_id: str
    heartbeat_s: float
    software: str = ""


@dataclass(frozen=True, slots=True)
class RunAccept:
    """Execute these operations in order, on these resources."""

    accept_id: str
    framework: FrameworkInfo
    role: Role
    operations: tuple[Operation, ...]
    resources: Resources


@dataclass(frozen=True, slots=True)
class ChangeReservation:
    """From now on these are reserved for the role, besides what is fixed there."""

    order_id: str
    role: Role
    resources: Resources


@dataclass(frozen=True, slots=True)
class KillTask:
    """End this launch; an empty uuid means whatever bears the task id.

    Its end says `reason` and `message`: KILL_REQUESTED, if there is none.
    """

    framework_id: FrameworkId
    task_id: TaskId
    launch_uuid: LaunchUuid = LaunchUuid("")
    grace_s: float = 0.0
    signal: int = 0
    reason: Reason = Reason.UNSPECIFIED
    message: str = ""


@dataclass(frozen=True, slots=True)
class AcknowledgeUpdate:
    """The framework has dealt with this update."""

    framework_id: FrameworkId
    task_id: TaskId
    update_uuid: UpdateUuid


@dataclass(frozen=True, slots=True)
class GangFormed:
    """All of a gang have run: who is missing under a later master has finished and is forgotten."""

    framework_id: FrameworkId
    gang_id: str


@dataclass(frozen=True, slots=True)
class ShutdownFramework:
    """End all tasks of a framework that is no more."""

    framework_id: FrameworkId


ToAgentBody = (
    AgentRegistered
    | RunAccept
    | KillTask
    | AcknowledgeUpdate
    | ShutdownFramework
    | FrameworkAway
    | Heartbeat
    | Goodbye
    | ChangeReservation
    | GangFormed
)


@dataclass(frozen=True, slots=True)
class MasterToAgent:
    """An order of the leader of this epoch; agents refuse lower epochs than they have seen."""

    epoch: int
    body: ToAgentBody
