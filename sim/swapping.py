"""A scheduler whose jobs share devices: it suspends, resumes, resizes and swaps its own tasks.

It remembers no accept: every time it looks at what its tasks are said to be, so whatever was lost
or refused is simply tried again. It asks for much that cannot be done, on purpose.
"""

from collections.abc import Iterator, Sequence
from random import Random

from fairlead.common.ids import GpuId, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Demand,
    FrameworkInfo,
    Launch,
    Offer,
    Operation,
    Resize,
    Resume,
    RoleDemand,
    Suspend,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.scheduler import Accept, Decline, Kill, SchedulerAction

from .schedulers import REFUSE_S, Attempt, Job, Memory, Replayable, is_over

USR1 = 10
PATIENCE_S = 12.0
"""A task that has waited so long for its device is killed, and its job starts anew elsewhere."""

Own = tuple[TaskId, Attempt]


class Swapper(Replayable):
    """Runs every job until it has finished once, several of them on one device."""

    def __init__(
        self,
        info: FrameworkInfo,
        jobs: Sequence[Job],
        memory: Memory,
        random: Random,
        slice_s: float,
    ) -> None:
        super().__init__(info, jobs, memory, random)
        self.slice_s = slice_s
        """Seconds between two looks at each device; 0: whoever runs goes on to its end."""
        self._swap_at: float | None = None
        self._waiting: dict[TaskId, float] = {}

    def soothe(self) -> None:
        super().soothe()
        self.slice_s = 0.0

    # --- what it wants

    @property
    def demands(self) -> Sequence[RoleDemand] | None:
        jobs = self.open_jobs()
        wanted = [Demand(job.resources, 1) for job in jobs]
        if self.slice_s:  # where a device is in use already
            wanted += [Demand(_rest(job), 1) for job in jobs[:2]]
        paused = [a for a in self.memory.attempts.values() if _is(a, TaskState.SUSPENDED)]
        wanted += [Demand(self._resumption(attempt), 1) for attempt in paused]
        return (RoleDemand(self._role, tuple(wanted)),)

    def _resumption(self, attempt: Attempt) -> Resources:
        """Whatever it gave up is no more than that."""
        whole = self._jobs[attempt.job].resources
        return Resources(cpus=whole.cpus, gpus=whole.gpus)

    def ended(self, attempt: Attempt, status: TaskStatus) -> None:
        if is_over(status):
            self.memory.done[attempt.job] = None

    @property
    def is_satisfied(self) -> bool:
        attempts = self.memory.attempts.values()
        living = [a for a in attempts if a.state is not TaskState.UNREACHABLE]
        return len(self.memory.done) == len(self._jobs) and not living

    # --- offers: resumed on their own devices, launched beside or in place of others

    def _use(self, offer: Offer) -> SchedulerAction:
        if self.slice_s and self._random.random() < 0.5 and (swap := self._take_place(offer)):
            return swap
        operations: list[Operation] = []
        names: list[TaskId] = []
        left = offer.resources
        for task_id, attempt in self._on(offer):
            wanted = self._resumption(attempt)
            named = Resources(cpus=wanted.cpus, gpus=((GpuId(attempt.device), wanted.gpu_millis),))
            if _is(attempt, TaskState.SUSPENDED) and left.contains(named):
                left -= named
                names.append(task_id)
                operations.append(self._resume(task_id))
        for job in self.open_jobs():
            if (picked := left.pick(job.resources)) is not None:
                left -= picked
                operations.append(self._launch_on(job, offer, picked))
        if not operations:
            swap = self._take_place(offer) if self.slice_s else None
            return swap or Decline((offer.offer_id,), REFUSE_S)
        return Accept((offer.offer_id,), tuple(operations), tuple(names), refuse_s=REFUSE_S)

    def _take_place(self, offer: Offer) -> SchedulerAction | None:
        """A new task on the device of one that runs: the offer need only have the rest."""
        for task_id, attempt in self._on(offer):
            for job in self.open_jobs():
                rest = _rest(job)
                if _is(attempt, TaskState.RUNNING) and offer.resources.contains(rest):
                    device = ((GpuId(attempt.device), job.resources.gpu_millis),)
                    named = Resources(rest.cpus, rest.mem, gpus=device)
                    operations = (self._suspend(task_id), self._launch_on(job, offer, named))
                    return Accept((offer.offer_id,), operations, (task_id,), refuse_s=REFUSE_S)
        return None

    def _launch_on(self, job: Job, offer: Offer, resources: Resources) -> Launch:
        launch = self._launch(job, offer, resources)
        self.memory.attempts[launch.task.task_id].device = resources.gpus[0][0]
        return launch

    def _on(self, offer: Offer) -> list[Own]:
        own = self.memory.attempts.items()
        return [(t, a) for t, a in own if a.agent_id == offer.agent_id and a.counts and a.device]

    # --- now and then, without any offer

    def next_change(self) -> float | None:
        return self._swap_at

    def tick(self, now: float) -> Iterator[SchedulerAction]:
        if self._swap_at is None:
            self._swap_at = now + self.slice_s
        elif now >= self._swap_at:
            self._swap_at = now + (self.slice_s or 1.0) * self._random.uniform(0.5, 1.5)
            if self.slice_s:
                yield from self._swap()
            yield from self._lose_patience(now)

    def _swap(self) -> Iterator[SchedulerAction]:
        devices: dict[tuple[str, str], list[Own]] = {}
        for task_id, attempt in self.memory.attempts.items():
            if attempt.counts and attempt.device:
                place = (attempt.agent_id, attempt.device)
                devices.setdefault(place, []).append((task_id, attempt))
        for own in devices.values():
            if (accept := self._program(own)) is not None:
                yield accept

    def _program(self, own: list[Own]) -> Accept | None:
        running = [task_id for task_id, a in own if _is(a, TaskState.RUNNING)]
        paused = [task_id for task_id, a in own if _is(a, TaskState.SUSPENDED)]
        dice = self._random.random()
        if running and paused and dice < 0.7:
            one, other = self._random.choice(running), self._random.choice(paused)
            operations: list[Operation] = [self._suspend(one), self._resume(other)]
            if dice < 0.1:
                operations += [self._suspend(other), self._resume(one)]
            return Accept((), tuple(operations), (one, other))
        if running and dice > 0.8:
            one = self._random.choice(running)
            step = self._suspend(one) if dice > 0.9 else self._resize(one)
            return Accept((), (step,), (one,))
        if paused and dice > 0.7:  # mostly refused: nothing is there for it
            one = self._random.choice(paused)
            return Accept((), (self._resume(one),), (one,))
        return None

    def _suspend(self, task_id: TaskId) -> Suspend:
        choice = self._random.choice
        signal = choice((USR1, USR1, USR1, 0))
        return Suspend(task_id, choice((False, True)), choice((0.0, 1.0, 4.0)), signal, 0.5)

    def _resume(self, task_id: TaskId) -> Resume:
        return Resume(task_id, self._random.choice((0.0, 1.0, 4.0)))

    def _resize(self, task_id: TaskId) -> Resize:
        """To more or, mostly, to less."""
        attempt = self.memory.attempts[task_id]
        whole = self._jobs[attempt.job].resources
        cpus = whole.cpus * self._random.choice((1, 2, 2, 4)) // 2
        device = ((GpuId(attempt.device), whole.gpu_millis),)
        return Resize(task_id, Resources(cpus, whole.mem, gpus=device))

    def _lose_patience(self, now: float) -> Iterator[SchedulerAction]:
        attempts = self.memory.attempts
        paused = [t for t, a in attempts.items() if a.counts and _is(a, TaskState.SUSPENDED)]
        self._waiting = {task_id: self._waiting.get(task_id, now) for task_id in paused}
        for task_id, since in self._waiting.items():
            if now - since > PATIENCE_S:
                attempts[task_id].is_killed = True
                yield Kill(task_id, attempts[task_id].agent_id, 3.0)


def _rest(job: Job) -> Resources:
    """What it needs beside a device."""
    return Resources(job.resources.cpus, job.resources.mem)


def _is(attempt: Attempt, state: TaskState) -> bool:
    return attempt.counts and attempt.state is state
