"""A scheduler whose jobs run in gangs: all members of one at the same time, or none.

Jobs of one gang have one name up to the last dash. Short ones run until each has finished; long
ones are kept up: when a gang breaks, what is left to do of it begins again as a new gang. Now and
then an accept of several is left out, so that the master must refuse the others. What fits on one
agent is sometimes a group instead.
"""

from collections.abc import Iterator, Sequence
from random import Random

from fairlead.common.ids import Role
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Demand,
    Gang,
    LaunchGroup,
    Offer,
    RoleDemand,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.scheduler import (
    Accept,
    Decline,
    Kill,
    SchedulerAction,
    SchedulerEvent,
)

from .schedulers import REFUSE_S, Attempt, Job, Replayable

GIB = 2**30
KILL_EVERY_S = 7.0
UP_S = 100_000.0
"""Longer than any world."""


class Ganging(Replayable):
    """Wants what is left to do of each gang, as a gang of that size."""

    _kill_at: float | None = None
    _end_at: float | None = None
    """When what is left of a gang is killed, once more if it must be."""

    @property
    def demands(self) -> Sequence[RoleDemand]:
        wanted = (Demand(jobs[0].resources, len(jobs), gang=True) for jobs in self._open_gangs())
        return (RoleDemand(Role(self.framework.roles[0]), tuple(wanted)),)

    def ended(self, attempt: Attempt, status: TaskStatus) -> None:
        if status.state is TaskState.FINISHED:
            self.memory.done[attempt.job] = None
        elif status.state is TaskState.GONE_BY_OPERATOR:
            gang, attempts = _gang_of(attempt.job), self.memory.attempts.items()
            rest = {task_id: None for task_id, a in attempts if _gang_of(a.job) == gang}
            self.memory.broken.update(rest)
            self._end_at = 0.0

    @property
    def is_satisfied(self) -> bool:
        attempts = self.memory.attempts.values()
        living = [a for a in attempts if a.state is not TaskState.UNREACHABLE]
        up = {a.job for a in living if is_long(self._jobs[a.job])}
        others = [name for name, job in self._jobs.items() if not is_long(job)]
        return (
            all(name in self.memory.done for name in others)
            and up == self._jobs.keys() - {*others}
            and len(up) == len(living)
            and all(attempt.state is TaskState.RUNNING for attempt in living)
        )

    def next_change(self) -> float | None:
        return min((at for at in (self._kill_at, self._end_at) if at is not None), default=None)

    def step(self, event: SchedulerEvent, now: float) -> Sequence[SchedulerAction]:
        if self._kill_at is None and self.manner.forgets:
            self._kill_at = now + KILL_EVERY_S
        return super().step(event, now)

    def tick(self, now: float) -> Iterator[SchedulerAction]:
        yield from self._kill_one(now)
        yield from self._end_broken(now)

    def _end_broken(self, now: float) -> Iterator[SchedulerAction]:
        """A new leader does not know what an agent ran that was marked gone: its framework does."""
        broken = self.memory.broken
        if self._end_at is not None and now < self._end_at:
            return
        attempts = self.memory.attempts
        left = [task_id for task_id in broken if task_id in attempts and attempts[task_id].counts]
        yield from (Kill(task_id, attempts[task_id].agent_id, 1.0) for task_id in left)
        self._end_at = now + KILL_EVERY_S if left else None
        if not left:
            broken.clear()

    def _kill_one(self, now: float) -> Iterator[SchedulerAction]:
        """One member is killed: what becomes of the others is not said."""
        if self._kill_at is None or now < self._kill_at:
            return
        self._kill_at = None
        running = [t for t, a in self.memory.attempts.items() if a.state is TaskState.RUNNING]
        if running and self.manner.forgets:
            yield Kill(self._random.choice(running), grace_s=1.0)

    def _open_gangs(self) -> list[list[Job]]:
        """Those of which nothing is under way."""
        left: dict[str, list[Job]] = {}
        for name, job in self._jobs.items():
            if name not in self.memory.done:
                left.setdefault(_gang_of(name), []).append(job)
        is_open = {job.name for job in self.open_jobs()}
        return [jobs for jobs in left.values() if all(job.name in is_open for job in jobs)]

    def _answer(self, now: float) -> Iterator[SchedulerAction]:
        if self._answer_at is None or now < self._answer_at:
            return
        self._answer_at = None
        offers, self._offers = list(self._offers.values()), {}
        for jobs in self._open_gangs():
            if places := _spread(jobs, offers):
                yield from self._accepts(places)
                offers = [offer for offer in offers if offer not in [used for used, _ in places]]
        for offer in offers:
            yield Decline((offer.offer_id,), REFUSE_S)

    def _accepts(self, places: Sequence[tuple[Offer, list[Job]]]) -> Iterator[SchedulerAction]:
        self.memory.launches += 1
        size = sum(len(jobs) for _, jobs in places)
        mark = Gang(f"{self.framework.name}-{self.memory.launches}", size)
        if self.manner.forgets and self._random.random() < 0.1:
            places = places[1:]
        is_group = self._random.random() < 0.5
        is_alone = [len(jobs) for _, jobs in places] == [size]
        for offer, jobs in places:
            launches = tuple(self._launch(job, offer, job.resources) for job in jobs)
            operations = (LaunchGroup(launches),) if is_group else launches
            gang = None if is_group and is_alone else mark
            yield Accept((offer.offer_id,), operations, refuse_s=REFUSE_S, gang=gang)


def _gang_of(job: str) -> str:
    return job.rpartition("-")[0]


def is_long(job: Job) -> bool:
    return float(job.argv[1]) >= UP_S


def draw_gangs(random: Random, name: str) -> tuple[Job, ...]:
    """For a plan: any two agents have room for each alone, and no single one for the long one."""
    jobs: list[Job] = []
    for number in range(random.choice((1, 2, 4))):
        is_up, size = number == 0, random.choice((2, 3, 4))
        disk = 10 if not is_up else 60 if size == 2 else 35
        cpus, mem = random.choice((0.25, 0.5)), random.choice((0, 1)) * GIB // 2
        resources = Resources.of(cpus, mem, disk * GIB)
        seconds = UP_S if is_up else random.uniform(0.2, 4.0)
        for member in range(size):
            argv = ("work", f"{seconds:.3f}", "0")
            jobs.append(Job(f"{name}-{number}-{member}", resources, argv))
    return tuple(jobs)


def _spread(jobs: Sequence[Job], offers: Sequence[Offer]) -> list[tuple[Offer, list[Job]]]:
    """Where each of them goes; nothing, if they do not all fit."""
    left, places = list(jobs), []
    for offer in offers:
        room, chosen = offer.resources, list[Job]()
        for job in left:
            if (picked := room.pick(job.resources)) is not None:
                room -= picked
                chosen.append(job)
        if chosen:
            left = [job for job in left if job not in chosen]
            places.append((offer, chosen))
    return [] if left else places
