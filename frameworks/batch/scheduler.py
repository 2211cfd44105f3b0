"""The batch framework's scheduler: turns the wish for workers into demand, and offers into workers.

Pure, like every scheduler. The pool (`pool`) decides how many workers there should be, this how
they come to be; `hosting` joins the two. A worker is a task; its key is a file in its sandbox.

The service may be started again while its workers live on. Their tasks are *strangers* to the new
life until they dial in and say their size; meanwhile it asks for no others in their place.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import FrameworkId, Role, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Demand,
    FrameworkInfo,
    Offer,
    RoleDemand,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.scheduler import (
    Kill,
    OffersReceived,
    Revive,
    SchedulerAction,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Subscribed,
    accept,
    decline,
)

NAME = "batch"
AWAY_S = 86400.0
"""Workers that lose their service end by themselves much sooner."""
EXIT_S = 10.0
"""A worker that was told to exit has gone by then, or is killed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Before the next try, when workers end before they have dialled in."""
HOPELESS = 4
"""So many in a row that failed so: whoever waits for them is told."""
SETTLE_S = 0.3
"""A later life hears within this which workers of the one before are left."""
STRANGER_S = 5.0
"""They have dialled in by then, or are not counted on."""
ABSENT_S = 5.0
"""A worker that hung up dials again within this, or is replaced whatever its agent says of it."""


@dataclass(frozen=True, slots=True)
class WorkersWanted:
    """Let there be no fewer workers of this size."""

    size: Resources
    count: int


@dataclass(frozen=True, slots=True)
class WorkerPresent:
    """It has dialled in."""

    worker: str
    size: Resources


@dataclass(frozen=True, slots=True)
class WorkerAbsent:
    """Its connection has ended. So may its task have, if its agent is there to say so."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerReleased:
    """It was told to exit: it need not be replaced."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerFrozen:
    """It answers no more: its task is to be ended, and replaced at once."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """For the service: the task of this worker has ended."""

    worker: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class WorkersFail:
    """For the service: no worker of this size gets as far as dialling in."""

    size: Resources
    message: str


@dataclass(slots=True)
class _Worker:
    size: Resources
    released: float | None = None
    is_present: bool = False
    absent_since: float | None = None
    is_unreachable: bool = False
    is_killed: bool = False

    def counts(self, now: float) -> bool:
        is_lost = self.absent_since is not None and now >= self.absent_since + ABSENT_S
        return self.released is None and not self.is_unreachable and not is_lost


@dataclass(slots=True)
class _Trouble:
    """With workers of one size, which end before they have dialled in."""

    paused_until: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    failures: int = 0


@dataclass(slots=True)
class BatchScheduler(SchedulerBase):
    """Keeps as many workers as are wanted.

    `address` is the service's, for its clients to find; `prefix` makes the names of this life's
    workers unique; `worker_task` makes the task of a worker of that name and size.
    """

    address: str
    prefix: str
    worker_task: Callable[[str, Resources], TaskInfo]
    is_successor: bool = False
    """An earlier life may have left workers."""
    _wanted: dict[Resources, int] = field(default_factory=dict)
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _strangers: dict[str, float] = field(default_factory=dict)
    """Tasks of an earlier life, and when they were first heard of."""
    _settled_at: float | None = None
    _troubles: dict[Resources, _Trouble] = field(default_factory=dict)
    _started: int = 0
    _now: float = 0.0

    @property
    def framework(self) -> FrameworkInfo:
        return FrameworkInfo(
            FrameworkId(""),
            NAME,
            roles=(Role(NAME),),
            failover_timeout_s=AWAY_S,
            address=self.address,
        )

    @property
    def demands(self) -> Sequence[RoleDemand]:  # type: ignore[override]
        """The workers that are missing, as far as it makes sense to start them now."""
        wanted = tuple(Demand(size, count) for size, count in self._demanded().items())
        return (RoleDemand(self.framework.roles[0], wanted),)

    def missing(self, size: Resources) -> int:
        """How many workers of this size are still to be launched."""
        return max(0, self._wanted.get(size, 0) - self._have()[size])

    def step(self, event: SchedulerEvent, now: float) -> list[SchedulerAction]:
        before = self._demanded()
        self._now = now
        actions = self._handle(event)
        actions += self._kill_overdue()
        after = self._demanded()
        if any(count > before.get(size, 0) for size, count in after.items()):
            actions.append(Revive())  # refusals were of a time when less was wanted
        return actions

    def next_deadline(self) -> float | None:
        return min((at for at in self._deadlines() if at > self._now), default=None)

    # Events

    def _handle(self, event: SchedulerEvent) -> list[SchedulerAction]:
        match event:
            case WorkersWanted(size, count):
                self._wanted[size] = count
                if not count:
                    del self._wanted[size]
            case WorkerPresent(name, size):
                self._present(name, size)
            case WorkerAbsent(name):
                if (worker := self._workers.get(name)) is not None:
                    worker.absent_since = self._now
            case WorkerReleased(name):
                self._release(name, self._now)
            case WorkerFrozen(name):
                self._release(name, float("-inf"))
            case OffersReceived(offers):
                return [self._use(offer) for offer in offers]
            case StatusReceived(status) if status.state.is_terminal:
                return self._ended(status)
            case StatusReceived(status):
                self._seen(status)
            case Subscribed() if self._settled_at is None:
                self._settled_at = self._now + (SETTLE_S if self.is_successor else 0.0)
        return []

    def _release(self, name: str, when: float) -> None:
        if (worker := self._workers.get(name)) is not None:
            worker.released = when

    def _present(self, name: str, size: Resources) -> None:
        self._troubles.pop(size, None)
        if name in self._workers:
            self._workers[name].is_present = True
            self._workers[name].absent_since = None
        elif not self._is_ours(name):  # ours would be known, had its task not ended already
            self._strangers.pop(name, None)
            self._workers[name] = _Worker(size, is_present=True)

    def _seen(self, status: TaskStatus) -> None:
        name = status.task_id
        if (worker := self._workers.get(name)) is not None:
            worker.is_unreachable = status.state is TaskState.UNREACHABLE
        elif not self._is_ours(name):
            self._strangers.setdefault(name, self._now)

    def _use(self, offer: Offer) -> SchedulerAction:
        """As many missing workers as fit."""
        left, tasks = offer.resources, []
        for size, count in self._demanded().items():
            for _ in range(count):
                if (picked := left.pick(size)) is None:
                    break
                left -= picked
                tasks.append(self._next_worker(size))
        return accept([offer], *tasks, refuse_s=1.0) if tasks else decline([offer])

    def _next_worker(self, size: Resources) -> TaskInfo:
        self._started += 1
        name = f"worker-{self.prefix}-{self._started}"
        self._workers[name] = _Worker(size)
        return self.worker_task(name, size)

    def _ended(self, status: TaskStatus) -> list[SchedulerAction]:
        self._strangers.pop(status.task_id, None)
        ended: list[SchedulerAction] = [WorkerEnded(status.task_id, status)]
        worker = self._workers.pop(status.task_id, None)
        if worker is None or worker.released is not None or worker.is_present:
            return ended
        trouble = self._troubles.setdefault(worker.size, _Trouble())
        trouble.paused_until = self._now + trouble.pause_s
        trouble.pause_s = min(2 * trouble.pause_s, LONGEST_PAUSE_S)
        trouble.failures += status.state is TaskState.FAILED
        if trouble.failures < HOPELESS:
            return ended
        trouble.failures = 0
        message = (
            f"workers end as soon as they are started, the last one {status.message}: "
            f"see what it said with fairlead tasks logs --stderr {status.task_id}"
        )
        return [*ended, WorkersFail(worker.size, message)]

    def _kill_overdue(self) -> list[SchedulerAction]:
        kills: list[SchedulerAction] = []
        for name, worker in self._workers.items():
            is_overdue = worker.released is not None and self._now >= worker.released + EXIT_S
            if is_overdue and not worker.is_killed:
                worker.is_killed = True
                kills.append(Kill(TaskId(name)))
        return kills

    # The books

    def _demanded(self) -> dict[Resources, int]:
        """How many workers of which size to start now."""
        if self._is_settling():
            return {}
        have = self._have()
        return {
            size: count - have[size]
            for size, count in self._wanted.items()
            if count > have[size] and not self._is_paused(size)
        }

    def _have(self) -> Counter[Resources]:
        workers = self._workers.values()
        return Counter(worker.size for worker in workers if worker.counts(self._now))

    def _is_settling(self) -> bool:
        """Whether workers of an earlier life may still turn up."""
        if self.is_successor and (self._settled_at is None or self._now < self._settled_at):
            return True
        return any(self._now < since + STRANGER_S for since in self._strangers.values())

    def _is_paused(self, size: Resources) -> bool:
        return size in self._troubles and self._now < self._troubles[size].paused_until

    def _is_ours(self, name: str) -> bool:
        return name.startswith(f"worker-{self.prefix}-")

    def _deadlines(self) -> Iterator[float]:
        for worker in self._workers.values():
            if worker.released is not None and not worker.is_killed:
                yield worker.released + EXIT_S
            if worker.absent_since is not None:
                yield worker.absent_since + ABSENT_S
        for size, trouble in self._troubles.items():
            if self.missing(size):
                yield trouble.paused_until
        yield from (since + STRANGER_S for since in self._strangers.values())
        if self._settled_at is not None:
            yield self._settled_at
