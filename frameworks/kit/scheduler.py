"""What a scheduler author writes: a pure `step`, and what it wants as plain attributes.

The driver (`kit.core`, `kit.driver`) finds the leader, keeps the session, acknowledges, reconciles,
asks for the fate of unanswered launches, and tells the master whenever `demands` or `wishes`
have changed. A scheduler never sees a socket, a clock or a retry; `kit.testing` shows it a cluster.
"""

from collections.abc import Sequence
from typing import Protocol

from fairlead.common.dataclass import dataclass
from fairlead.common.events import Record, Tick
from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import (
    Accept,
    CallResult,
    Decline,
    Kill,
    Reconcile,
    Revive,
    Revoke,
    Spared,
    Suppress,
    Teardown,
)
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Command,
    Constraints,
    Demand,
    FrameworkInfo,
    Gang,
    Launch,
    LaunchGroup,
    Offer,
    Operation,
    Reason,
    Reserve,
    Resize,
    Resume,
    RoleDemand,
    RoleWish,
    Suspend,
    TaskInfo,
    TaskState,
    TaskStatus,
    Unreserve,
)

ANYWHERE = Constraints()

# --- events: what has happened


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The master knows us, as this framework; again after every failover."""

    framework_id: FrameworkId
    epoch: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """No master for the moment; offers are void, tasks run on. The driver is already looking."""

    message: str


@dataclass(frozen=True, slots=True)
class OffersReceived:
    """These are ours until accepted, declined, rescinded or timed out."""

    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class OffersLost:
    """Rescinded, or void with their session."""

    offer_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """What was seen of one of our tasks; acknowledged by the driver after the step."""

    status: TaskStatus


@dataclass(frozen=True, slots=True)
class CallRefused:
    """The master refused this call alone; nothing else has changed."""

    call: object
    result: CallResult


SchedulerEvent = (
    Subscribed
    | Disconnected
    | OffersReceived
    | OffersLost
    | StatusReceived
    | CallRefused
    | Revoke  # these tasks end at the deadline, unless as much is given back in another way
    | Spared  # these, after all, do not
    | Tick
    | object  # whatever the scheduler's own service feeds in
)

# --- actions: what to do


@dataclass(frozen=True, slots=True)
class Stop:
    """End the driver. Tasks go on for failover_timeout unless a Teardown went before."""

    message: str = ""
    exit_code: int = 0


SchedulerAction = (
    Accept | Decline | Revive | Suppress | Kill | Reconcile | Teardown | Record | Stop | object
)
"""Wire calls go to the master; a Record is durable before anything behind it leaves; what the kit
does not know goes to the scheduler's own service.
"""


class Scheduler(Protocol):
    """A framework's decisions: deterministic, no I/O, time as an argument (monotonic seconds)."""

    @property
    def framework(self) -> FrameworkInfo:
        """Who we are; the driver adds the id that it was given."""
        ...

    @property
    def wishes(self) -> Sequence[RoleWish]:
        """How offers should look; empty: as they come.

        A change of `suppressed` is told at once, any other with the next Subscribe.
        """
        ...

    @property
    def demands(self) -> Sequence[RoleDemand] | None:
        """What we would use now, per role; told whenever a step has changed it.

        None: not stated. Once one is stated, a role that is not named wants nothing.
        """
        ...

    def step(self, event: SchedulerEvent, now: float, /) -> Sequence[SchedulerAction]:
        """Take in what has happened, say what to do."""
        ...

    def next_deadline(self) -> float | None:
        """When a Tick will have something to do."""
        ...


class SchedulerBase:
    """The parts of a scheduler that few need to write."""

    wishes: Sequence[RoleWish] = ()
    demands: Sequence[RoleDemand] | None = None

    def next_deadline(self) -> float | None:
        return None


def framework(
    name: str,
    *roles: str,
    failover_timeout_s: float = 3600.0,
    capabilities: Sequence[str] = (),
) -> FrameworkInfo:
    """The common case of a FrameworkInfo; with no role it is in "default"."""
    return FrameworkInfo(
        FrameworkId(""),
        name,
        roles=tuple(Role(role) for role in roles) or (Role("default"),),
        failover_timeout_s=failover_timeout_s,
        capabilities=tuple(capabilities),
    )


def task(
    task_id: str,
    argv: Sequence[str],
    resources: Resources,
    *,
    name: str = "",
    env: dict[str, str] | None = None,
) -> TaskInfo:
    """The common case of a TaskInfo in one line."""
    return TaskInfo(TaskId(task_id), name or task_id, Command(tuple(argv), env or {}), resources)


def launch(*tasks: TaskInfo) -> tuple[Launch, ...]:
    """Operations that launch these tasks; the driver makes their launch uuids."""
    return tuple(Launch(info, LaunchUuid("")) for info in tasks)


def launch_group(*tasks: TaskInfo) -> LaunchGroup:
    """One operation that launches these tasks on one agent: all start or none, and when one fails
    or is killed the others are ended.
    """
    return LaunchGroup(launch(*tasks))


def accept(offers: Sequence[Offer], *tasks: TaskInfo, refuse_s: float = 5.0) -> Accept:
    """Use these offers of one agent for these tasks; what is left over is declined."""
    return Accept(tuple(offer.offer_id for offer in offers), launch(*tasks), refuse_s=refuse_s)


def order(*operations: Operation, offers: Sequence[Offer] = (), refuse_s: float = 5.0) -> Accept:
    """One accept for one agent: these operations in this order, on these offers and what own tasks
    give up. It names the tasks that it is about; either all of it is taken on or nothing.
    """
    named = (op.task_id for op in operations if isinstance(op, Suspend | Resume | Resize))
    task_ids = tuple(dict.fromkeys(named))
    return Accept(tuple(offer.offer_id for offer in offers), operations, task_ids, refuse_s)


def gang(
    gang_id: str, offers: Sequence[Offer], tasks: Sequence[TaskInfo], *, refuse_s: float = 5.0
) -> tuple[Accept | Decline, ...]:
    """All of these tasks, over offers of any agents, or none of them: one accept for each offer
    that is used, which the master takes together; the other offers are declined.

    Nothing, if the tasks do not fit. The id is used once, like that of a task.
    """
    mark, left = Gang(gang_id, len(tasks)), list(tasks)
    orders: list[Accept | Decline] = []
    for offer in offers:
        here = fitting(offer.resources, left)
        left = [info for info in left if info not in here]
        ids = (offer.offer_id,)
        used = Accept(ids, launch(*here), refuse_s=refuse_s, gang=mark)
        orders.append(used if here else Decline(ids, refuse_s))
    return () if left else tuple(orders)


def suspend(
    task_id: str,
    *,
    free_cpus: bool = False,
    signal: int = 0,
    wait_s: float = 0.0,
    deadline_s: float = 0.0,
) -> Suspend:
    """Freeze a task, whose devices (and cpus) serve the operations behind this one.

    With a signal it is asked first to come to rest by itself, for at most `wait_s`.
    """
    return Suspend(TaskId(task_id), free_cpus, deadline_s, signal, wait_s)


def resume(task_id: str, *, deadline_s: float = 0.0) -> Resume:
    """Let a suspended task go on, with just what it had given up."""
    return Resume(TaskId(task_id), deadline_s)


def resize(task_id: str, resources: Resources) -> Resize:
    """Hold a running task to these resources from now on: all it has, not the difference."""
    return Resize(TaskId(task_id), resources)


def decline(offers: Sequence[Offer], refuse_s: float = 5.0, *, alike: bool = False) -> Decline:
    """Not these, nor less of them, for a while."""
    return Decline(tuple(offer.offer_id for offer in offers), refuse_s, alike)


def wanting(
    resources: Resources,
    count: int,
    role: str = "default",
    constraints: Constraints = ANYWHERE,
    *,
    gang: bool = False,
) -> tuple[RoleDemand, ...]:
    """The demand of `count` tasks that are all alike; as a gang, of all of them at once."""
    demands = (Demand(resources, count, constraints, gang),) if count else ()
    return (RoleDemand(Role(role), demands),)


def fitting(resources: Resources, tasks: Sequence[TaskInfo]) -> tuple[TaskInfo, ...]:
    """Those tasks, in order, that fit one after another."""
    chosen = []
    for info in tasks:
        if (picked := resources.pick(info.resources)) is not None:
            resources -= picked
            chosen.append(info)
    return tuple(chosen)


__all__ = [
    "Accept",
    "AgentId",
    "CallRefused",
    "Decline",
    "Demand",
    "Disconnected",
    "FrameworkInfo",
    "Kill",
    "Offer",
    "OffersLost",
    "OffersReceived",
    "Operation",
    "Reason",
    "Reconcile",
    "Record",
    "Reserve",
    "Resize",
    "Resources",
    "Resume",
    "Revive",
    "Revoke",
    "Role",
    "RoleDemand",
    "RoleWish",
    "Scheduler",
    "SchedulerAction",
    "SchedulerBase",
    "SchedulerEvent",
    "Spared",
    "StatusReceived",
    "Stop",
    "Subscribed",
    "Suppress",
    "Suspend",
    "TaskInfo",
    "TaskState",
    "TaskStatus",
    "Teardown",
    "Tick",
    "Unreserve",
    "accept",
    "decline",
    "fitting",
    "framework",
    "gang",
    "launch",
    "launch_group",
    "order",
    "resize",
    "resume",
    "suspend",
    "task",
    "wanting",
]
