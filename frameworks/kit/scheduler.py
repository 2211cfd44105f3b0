"""What a scheduler author writes: a pure `step`, and what it wants as plain attributes.

The driver (`kit.core`, `kit.driver`) finds the leader, keeps the session, acknowledges, reconciles,
asks for the fate of unanswered launches, and tells the master whenever `demands` or `wishes`
have changed. A scheduler never sees a socket, a clock or a retry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import (
    Accept,
    CallResult,
    Decline,
    Kill,
    Reconcile,
    Revive,
    Suppress,
    Teardown,
    Tick,
)
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Command,
    FrameworkInfo,
    Launch,
    Offer,
    RoleDemand,
    RoleWish,
    TaskInfo,
    TaskStatus,
)

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
    | Tick
    | object  # whatever the scheduler's own service feeds in
)

# --- actions: what to do


@dataclass(frozen=True, slots=True)
class Stop:
    """End the driver. Tasks go on for failover_timeout unless a Teardown went before."""

    message: str = ""
    exit_code: int = 0


SchedulerAction = Accept | Decline | Revive | Suppress | Kill | Reconcile | Teardown | Stop | object
"""Wire calls go to the master; what the kit does not know goes to the scheduler's own service."""


class Scheduler(Protocol):
    """A framework's decisions: deterministic, no I/O, time as an argument (monotonic seconds)."""

    framework: FrameworkInfo
    """Who we are; the driver fills in the id that it was given."""

    wishes: Sequence[RoleWish]
    """How offers should look; empty: as they come."""

    demands: Sequence[RoleDemand] | None
    """What we would use now, per role; None: not stated; a role with no demand: nothing."""

    def step(self, event: SchedulerEvent, now: float) -> Sequence[SchedulerAction]:
        """Take in what has happened, say what to do."""
        ...

    def next_deadline(self) -> float | None:
        """When a Tick will have something to do."""
        ...


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


def accept(offers: Sequence[Offer], *tasks: TaskInfo, refuse_s: float = 5.0) -> Accept:
    """Use these offers of one agent for these tasks; what is left over is declined."""
    return Accept(tuple(offer.offer_id for offer in offers), launch(*tasks), refuse_s=refuse_s)


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
    "Disconnected",
    "Kill",
    "OffersLost",
    "OffersReceived",
    "Reconcile",
    "Revive",
    "Role",
    "Scheduler",
    "SchedulerAction",
    "SchedulerEvent",
    "StatusReceived",
    "Stop",
    "Subscribed",
    "Suppress",
    "Teardown",
    "Tick",
    "accept",
    "fitting",
    "launch",
    "task",
]
