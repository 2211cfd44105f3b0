"""The batch framework's scheduler: turns the wish for workers into demand, and offers into workers.

Pure, like every scheduler. The pool (`pool`) decides how many workers there should be, this how
they come to be; `hosting` joins the two. A worker is a task; its key is a file in its sandbox.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Demand, FrameworkInfo, Offer, RoleDemand, TaskInfo
from fairlead.frameworks.kit.scheduler import (
    Kill,
    OffersReceived,
    Revive,
    SchedulerAction,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    accept,
    decline,
)

NAME = "batch"
AWAY_S = 86400.0
"""Workers that lose their service end by themselves much sooner."""
EXIT_S = 10.0
"""A worker that was told to exit has gone by then, or is killed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Before the next try, when workers end as soon as they are started."""
QUICK_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkersWanted:
    """Let there be no fewer workers of this size."""

    size: Resources
    count: int


@dataclass(frozen=True, slots=True)
class WorkerReleased:
    """It was told to exit: it need not be replaced."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """For the service: the task of this worker has ended."""

    worker: str


@dataclass(slots=True)
class _Worker:
    size: Resources
    launched: float
    released: float | None = None
    is_killed: bool = False


@dataclass(slots=True)
class _Pause:
    until: float = 0.0
    lasts_s: float = FIRST_PAUSE_S


@dataclass(slots=True)
class BatchScheduler(SchedulerBase):
    """Keeps as many workers as are wanted.

    `address` is the service's, for its clients to find; `prefix` makes the names of this life's
    workers unique; `worker_task` makes the task of a worker of that name and size.
    """

    address: str
    prefix: str
    worker_task: Callable[[str, Resources], TaskInfo]
    _wanted: dict[Resources, int] = field(default_factory=dict)
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _pauses: dict[Resources, _Pause] = field(default_factory=dict)
    _started: int = 0
    _now: float = 0.0

    @property
    def framework(self) -> FrameworkInfo:
        return FrameworkInfo(FrameworkId(""), NAME, failover_timeout_s=AWAY_S, address=self.address)

    @property
    def demands(self) -> Sequence[RoleDemand]:  # type: ignore[override]
        """The workers that are missing, but for sizes whose workers end at once."""
        missing = tuple(
            Demand(size, count)
            for size in self._wanted
            if (count := self.missing(size)) > 0 and self._pause(size).until <= self._now
        )
        return (RoleDemand(self.framework.roles[0], missing),)

    def missing(self, size: Resources) -> int:
        """How many workers of this size are still to be launched."""
        have = sum(w.size == size and w.released is None for w in self._workers.values())
        return max(0, self._wanted.get(size, 0) - have)

    def step(self, event: SchedulerEvent, now: float) -> list[SchedulerAction]:
        self._now = now
        match event:
            case WorkersWanted(size=size, count=count):
                is_more = count > self._wanted.get(size, 0)
                self._wanted[size] = count
                # Refusals were of a time when less was wanted.
                return [Revive()] if is_more and self.missing(size) else []
            case WorkerReleased(worker=name):
                if (worker := self._workers.get(name)) is not None:
                    worker.released = now
            case OffersReceived(offers=offers):
                return [self._use(offer) for offer in offers]
            case StatusReceived(status=status) if status.state.is_terminal:
                self._ended(status.task_id)
                return [WorkerEnded(status.task_id)]
        return self._kill_overdue()

    def next_deadline(self) -> float | None:
        due = [
            w.released + EXIT_S for w in self._workers.values() if w.released and not w.is_killed
        ]
        due += [p.until for size, p in self._pauses.items() if self.missing(size)]
        return min((at for at in due if at > self._now), default=None)

    def _use(self, offer: Offer) -> SchedulerAction:
        """As many missing workers as fit."""
        left, tasks = offer.resources, []
        for size in self._wanted:
            for _ in range(self.missing(size)):
                if (picked := left.pick(size)) is None:
                    break
                left -= picked
                tasks.append(self._next_worker(size))
        return accept([offer], *tasks, refuse_s=1.0) if tasks else decline([offer])

    def _next_worker(self, size: Resources) -> TaskInfo:
        self._started += 1
        name = f"worker-{self.prefix}-{self._started}"
        self._workers[name] = _Worker(size, self._now)
        return self.worker_task(name, size)

    def _ended(self, name: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is None or worker.released is not None:
            return
        pause = self._pause(worker.size)
        if self._now - worker.launched >= QUICK_S:
            pause.lasts_s = FIRST_PAUSE_S
            return
        pause.until = self._now + pause.lasts_s
        pause.lasts_s = min(2 * pause.lasts_s, LONGEST_PAUSE_S)

    def _pause(self, size: Resources) -> _Pause:
        return self._pauses.setdefault(size, _Pause())

    def _kill_overdue(self) -> list[SchedulerAction]:
        kills: list[SchedulerAction] = []
        for name, worker in self._workers.items():
            is_overdue = worker.released is not None and self._now >= worker.released + EXIT_S
            if is_overdue and not worker.is_killed:
                worker.is_killed = True
                kills.append(Kill(TaskId(name)))
        return kills
