"""Small schedulers: one keeps long tasks up, one runs a bag of short ones. Both state demand.

What they must not forget lies in a `Memory`, which outlives their process as a database would.
They name their launches themselves, so that a later life can ask what became of each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, OfferId, Role, TaskId
from fairlead.common.launches import launches_in
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Command,
    Demand,
    FrameworkInfo,
    Launch,
    Offer,
    Reason,
    RoleDemand,
    RoleWish,
    TaskInfo,
    TaskRef,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.scheduler import (
    Accept,
    Decline,
    Kill,
    OffersLost,
    OffersReceived,
    Reconcile,
    Revive,
    Revoke,
    SchedulerAction,
    SchedulerEvent,
    StatusReceived,
    Stop,
    Subscribed,
    Suppress,
    Teardown,
    Tick,
)

from .bindings import binding

REFUSE_S = 4.0
ALIKE = 0.3
"""So many refusals are of all agents of that kind."""
LEAVE, REPLACE = "leave", "replace"
"""What a service's own clients may ask: tear yourself down; replace one of your tasks."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done, by as many attempts as it takes."""

    name: str
    resources: Resources
    argv: tuple[str, ...]
    kill_grace_s: float = 1.0
    limit_s: float = 0.0
    """It may run for so long, and is done by then, one way or the other; 0: for ever."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a framework treats offers, as long as there is trouble; no name: as it should."""

    name: str = ""
    forgets: float = 0.03
    """So many offers it never answers: the master must take them back."""
    declines: float = 0.0
    """So many it does not want, whatever it said."""
    states_demand: bool = True
    binds: bool = True
    """Now and then it reserves what it leaves, or the reverse."""


@dataclass(slots=True)
class Attempt:
    """A task that was launched for a job and is not known to have ended."""

    job: str
    launch_uuid: LaunchUuid
    agent_id: AgentId
    state: TaskState = TaskState.STAGING
    is_killed: bool = False
    device: str = ""
    """Where it shares one."""

    @property
    def counts(self) -> bool:
        """Whether its job may rest on it."""
        return not self.is_killed and self.state is not TaskState.UNREACHABLE


@dataclass(slots=True)
class Memory:
    """A framework's own database."""

    framework_id: str = ""
    epoch: int = 0
    cluster_id: str = ""
    lives: int = 0
    launches: int = 0
    attempts: dict[TaskId, Attempt] = field(default_factory=dict)
    done: dict[str, None] = field(default_factory=dict)
    broken: dict[TaskId, None] = field(default_factory=dict)
    """Of a gang that has lost a member for good: the others, until they have ended."""


class Replayable:
    """What both have in common: jobs, attempts, and some thought before offers are answered."""

    def __init__(
        self, info: FrameworkInfo, jobs: Sequence[Job], memory: Memory, random: Random
    ) -> None:
        self.framework = info
        self.wishes: Sequence[RoleWish] = ()
        self.on_event: Callable[[object], None] = lambda _event: None
        self.manner = Manner()
        self.memory = memory
        self._jobs = {job.name: job for job in jobs}
        self._random = random
        self._offers: dict[OfferId, Offer] = {}
        self._answer_at: float | None = None
        self._is_new = True
        self.is_fickle = False
        """What it launches next it will want to end at once."""
        memory.lives += 1

    # --- for the driver

    @property
    def demands(self) -> Sequence[RoleDemand] | None:
        if not self.manner.states_demand:
            return None
        counts: dict[Resources, int] = {}
        for job in self.open_jobs():
            counts[job.resources] = counts.get(job.resources, 0) + 1
        wanted = tuple(Demand(each, count) for each, count in counts.items())
        return (RoleDemand(self._role, wanted),)

    def step(self, event: SchedulerEvent, now: float) -> Sequence[SchedulerAction]:
        self.on_event(event)
        match event:
            case Subscribed(framework_id):
                return self._subscribed(framework_id)
            case OffersReceived(offers):
                self._offers.update((offer.offer_id, offer) for offer in offers)
                if self._answer_at is None:
                    self._answer_at = now + self._random.choice((0.0, 0.0, 0.1, 2.0))
            case OffersLost(offer_ids):
                # Sometimes an answer is on its way already: as if it crossed the loss.
                if self._random.random() < 0.7:
                    for offer_id in offer_ids:
                        self._offers.pop(OfferId(offer_id), None)
            case StatusReceived(status):
                return list(self._status(status))
            case Revoke(refs):
                return list(self._give_back(refs))
            case Tick():
                return [*self._answer(now), *self.tick(now)]
            case _:
                return ()
        return ()

    def next_deadline(self) -> float | None:
        due = [at for at in (self._answer_at, self.next_change()) if at is not None]
        return min(due, default=None)

    def soothe(self) -> None:
        """It makes no trouble of its own any more, and says what it still needs."""
        self.manner = Manner(forgets=0.0, binds=False)

    # --- for those below

    def open_jobs(self) -> list[Job]:
        """Neither done nor under way."""
        busy = {attempt.job for attempt in self.memory.attempts.values() if attempt.counts}
        done = self.memory.done
        return [job for name, job in self._jobs.items() if name not in busy and name not in done]

    def ended(self, attempt: Attempt, status: TaskStatus) -> None:
        """An attempt is over."""

    def tick(self, now: float) -> Iterator[SchedulerAction]:
        del now
        yield from ()

    def next_change(self) -> float | None:
        return None

    @property
    def is_satisfied(self) -> bool:
        raise NotImplementedError

    # --- inside

    @property
    def _role(self) -> Role:
        return self.framework.roles[0]

    def _subscribed(self, framework_id: FrameworkId) -> Sequence[SchedulerAction]:
        self.memory.framework_id = framework_id
        refs = tuple(
            TaskRef(task_id, attempt.launch_uuid, attempt.agent_id)
            for task_id, attempt in self.memory.attempts.items()
        )
        if not self._is_new or not refs:
            self._is_new = False
            return []
        self._is_new = False
        unwanted = [t for t, a in self.memory.attempts.items() if a.is_killed]
        return [Reconcile(refs), *(Kill(task_id) for task_id in unwanted)]

    def _status(self, status: TaskStatus) -> Iterator[SchedulerAction]:
        attempt = self.memory.attempts.get(status.task_id)
        if attempt is None:
            if not status.state.is_terminal and status.launch_uuid:
                yield Kill(status.task_id)  # of a life whose memory of it did not last
            return
        attempt.state = status.state
        if status.agent_id:
            attempt.agent_id = status.agent_id
        if status.state.is_terminal:
            del self.memory.attempts[status.task_id]
            self.ended(attempt, status)
        else:
            yield from self._kill_surplus(status.task_id, attempt)

    def _kill_surplus(self, task_id: TaskId, attempt: Attempt) -> Iterator[SchedulerAction]:
        """Back from where it was unreachable, and its job has another attempt, or is done."""
        twins = [a for a in self.memory.attempts.values() if a.job == attempt.job and a.counts]
        if attempt.counts and (len(twins) > 1 or attempt.job in self.memory.done):
            attempt.is_killed = True
            yield Kill(task_id)

    def _answer(self, now: float) -> Iterator[SchedulerAction]:
        if self._answer_at is None or now < self._answer_at:
            return
        self._answer_at = None
        offers, self._offers = self._offers, {}
        for offer in offers.values():
            if self._random.random() < self.manner.forgets:
                continue
            if self._random.random() < self.manner.declines:
                lasts = self._random.choice((0.0, 1.0, REFUSE_S, 60.0))
                yield Decline((offer.offer_id,), lasts, alike=self._random.random() < ALIKE)
            else:
                answer = self._use(offer)
                yield answer
                yield from self._regret(answer)

    def _give_back(self, refs: Sequence[TaskRef]) -> Iterator[Kill]:
        """Those that were named, as many others there, or nothing until it is taken."""
        attempts, chosen = self.memory.attempts, [ref.task_id for ref in refs]
        how = self._random.choice(("waits", "obeys", "chooses"))
        if how == "chooses":
            there = [name for name, a in attempts.items() if a.agent_id == refs[0].agent_id]
            chosen = there[: len(refs)]
        for task_id in chosen if how != "waits" else ():
            if (attempt := attempts.get(task_id)) is not None and attempt.counts:
                attempt.is_killed = True
                yield Kill(task_id, attempt.agent_id, 0.5)

    def _regret(self, answer: SchedulerAction) -> Iterator[Kill]:
        """Of what it has just launched nothing can have begun."""
        launches = list(launches_in(answer.operations)) if isinstance(answer, Accept) else []
        if self.is_fickle and launches:
            self.is_fickle = False
            for launch in launches:
                attempt = self.memory.attempts[launch.task.task_id]
                attempt.is_killed = True
                yield Kill(launch.task.task_id, attempt.agent_id, 0.5)

    def _use(self, offer: Offer) -> SchedulerAction:
        left, launches = offer.resources + offer.revocable, []
        for job in self.open_jobs():
            if (picked := left.pick(job.resources)) is not None:
                left -= picked
                launches.append(self._launch(job, offer, job.resources))
        if launches:
            bindings = binding(self._random, offer, left) if self.manner.binds else ()
            return Accept((offer.offer_id,), (*launches, *bindings), refuse_s=REFUSE_S)
        return Decline((offer.offer_id,), REFUSE_S)

    def _launch(self, job: Job, offer: Offer, resources: Resources) -> Launch:
        self.memory.launches += 1
        task_id = TaskId(f"{job.name}.{self.memory.launches}")
        uuid = LaunchUuid(f"{self.framework.name}-{task_id}")
        self.memory.attempts[task_id] = Attempt(job.name, uuid, offer.agent_id)
        info = TaskInfo(
            task_id,
            job.name,
            Command(job.argv),
            resources,
            kill_grace_s=job.kill_grace_s,
            max_completion_s=job.limit_s,
            revocable=bool(offer.revocable),
        )
        return Launch(info, uuid)


class Bag(Replayable):
    """Runs every job until it has finished once."""

    def ended(self, attempt: Attempt, status: TaskStatus) -> None:
        if is_over(status):
            self.memory.done[attempt.job] = None

    @property
    def is_satisfied(self) -> bool:
        attempts = self.memory.attempts.values()
        return len(self.memory.done) == len(self._jobs) and not any(map(_lives, attempts))


class Service(Replayable):
    """Keeps one attempt of every job running; now and then it replaces one."""

    def __init__(
        self,
        info: FrameworkInfo,
        jobs: Sequence[Job],
        memory: Memory,
        random: Random,
        roll_s: float,
    ) -> None:
        super().__init__(info, jobs, memory, random)
        self.roll_s = roll_s
        """Seconds between two replacements; 0 is never."""
        self._roll_at: float | None = None
        self._is_suppressed = False

    def soothe(self) -> None:
        super().soothe()
        self.roll_s = 0.0

    def next_change(self) -> float | None:
        return self._roll_at

    def step(self, event: SchedulerEvent, now: float) -> Sequence[SchedulerAction]:
        if self._roll_at is None and self.roll_s:
            self._roll_at = now + self.roll_s
        orders = [*super().step(event, now)]
        if event == LEAVE:
            orders += [Teardown(), Stop("torn down by itself")]
        elif event == REPLACE:
            orders += self._roll()
        wants_nothing = not self.open_jobs()
        if wants_nothing != self._is_suppressed and self.memory.framework_id:
            self._is_suppressed = wants_nothing
            orders.append(Suppress() if wants_nothing else Revive())
        return orders

    def tick(self, now: float) -> Iterator[SchedulerAction]:
        if self._roll_at is not None and now >= self._roll_at:
            self._roll_at = now + self.roll_s if self.roll_s else None
            yield from self._roll()

    def _roll(self) -> Iterator[SchedulerAction]:
        living = [(t, a) for t, a in self.memory.attempts.items() if a.counts]
        if not living or not self.roll_s:
            return
        task_id, attempt = self._random.choice(living)
        attempt.is_killed = True
        yield Kill(task_id, attempt.agent_id, 3.0)
        if self._random.random() < 0.3:
            yield Kill(task_id, attempt.agent_id, 0.1)

    @property
    def is_satisfied(self) -> bool:
        living = [a for a in self.memory.attempts.values() if _lives(a)]
        return not self.open_jobs() and all(a.state is TaskState.RUNNING for a in living)


def is_over(status: TaskStatus) -> bool:
    """Whether the job is done with that end of an attempt."""
    return status.state is TaskState.FINISHED or status.reason is Reason.MAX_COMPLETION_TIME


def _lives(attempt: Attempt) -> bool:
    """An agent that lost its id before it was durable never comes back under it."""
    return attempt.state is not TaskState.UNREACHABLE
