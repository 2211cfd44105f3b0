"""A simulated cluster whose jobs the real training scheduler trains, in virtual time.

Its records are on a disk that outlives it, its jobs' progress on storage that agents share. Clients
ask until they are answered.
"""

from collections.abc import Callable, Sequence
from typing import cast

from fairlead.common.ids import AgentId, GpuId, TaskId
from fairlead.common.jobs import JobVerb, JobView, OrderJob, SubmitJob
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, Command, Gpu, TaskInfo, TaskState
from fairlead.frameworks.kit.events import DriverSettings, Happened, Perform
from fairlead.frameworks.kit.scheduler import SchedulerEvent, Subscribed
from fairlead.frameworks.training.events import (
    Answered,
    Asked,
    LookAt,
    Progressed,
    TrainingSettings,
)
from fairlead.frameworks.training.scheduler import TrainingScheduler

from .crowd import GIB
from .disk import Disk
from .hosts import AgentHost, FrameworkHost
from .job_programs import KIND, JobLauncher, Storage
from .nodes import FrameworkNode
from .plan import Plan
from .schedulers import Memory, Replayable
from .world import World

NAME = "training"
LOOK_S = 0.5
LOOK_AT_S = 0.02
ASK_AGAIN_S = 3.0


class Trainer(TrainingScheduler):
    """The scheduler itself, as the world looks at it."""

    on_event: Callable[[object], None]

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        self.on_event(event)
        return super().step(event, now)

    def soothe(self) -> None:
        """It makes no trouble."""

    @property
    def is_satisfied(self) -> bool:
        """An agent that lost its id before it was durable never comes back under it."""
        lost = TaskState.UNREACHABLE
        return all(job.heard is lost for job in self._book.live())


class TrainingNode(FrameworkNode):
    """One life of the service: it looks at progress, and takes answers to clients."""

    storage: Storage
    answers: dict[int, Answered]

    def perform(self, action: object) -> None:
        match action:
            case Perform(Answered(number) as answer):
                self.answers[number] = answer
            case Perform(LookAt(job_id)):
                self.stage.clock.after(LOOK_AT_S, lambda: self._look(job_id))
            case _:
                super().perform(action)

    def watch(self) -> None:
        """Until it dies."""
        if self.is_alive:
            for job_id, _ in self.trainer.watched():
                self._look(job_id)
            self.stage.clock.after(LOOK_S, self.watch)

    @property
    def trainer(self) -> Trainer:
        return cast(Trainer, self.scheduler)

    def _look(self, job_id: str) -> None:
        self.feed(Happened(Progressed(job_id, self.storage.progress(job_id))))

    def _witness(self, event: object) -> None:
        super()._witness(event)
        if isinstance(event, Subscribed):
            self._memory.framework_id = event.framework_id


class TrainingWorld(World):
    """The jobs are submitted as `submissions` says, at so many seconds."""

    def __init__(
        self,
        plan: Plan,
        submissions: Sequence[tuple[float, SubmitJob]],
        settings: TrainingSettings,
    ) -> None:
        self.storage = Storage()
        self.settings = settings
        self.answers: dict[int, Answered] = {}
        super().__init__(plan)
        self._store = Disk(self.clock, self._dice)
        self._frameworks[NAME] = FrameworkHost(NAME, self._trainer)
        self._asked = 0
        for at, call in submissions:
            self.ask_at(at, call)

    # --- people

    def ask_at(self, at: float, call: SubmitJob | OrderJob) -> None:
        """Again and again, until somebody answers."""
        self._asked += 1
        number = self._asked
        self.clock.at(at, lambda: self._ask(number, call))

    def order_at(self, at: float, job_id: str, verb: JobVerb) -> None:
        self.ask_at(at, OrderJob(job_id, verb))

    def _ask(self, number: int, call: SubmitJob | OrderJob) -> None:
        if number in self.answers:
            return
        if (node := self.trainer_node) is not None and node.is_alive:
            node.feed(Happened(Asked(number, call)))
        self.later(ASK_AGAIN_S, lambda: self._ask(number, call))

    # --- what is seen

    @property
    def trainer_node(self) -> TrainingNode | None:
        return cast("TrainingNode | None", self._frameworks[NAME].node)

    def views(self) -> dict[str, JobView]:
        node = self.trainer_node
        assert node is not None
        return {view.job_id: view for view in node.trainer.views(node.time())}

    # --- how its parts are made

    def _host(self, info: AgentInfo) -> AgentHost:
        shared = self.clock, self._dice, self.auditor, self.journal
        launcher = JobLauncher(info.name, *shared, self.storage)
        offset = self._dice.uniform(0.0, 1000.0)
        return AgentHost(info, Disk(self.clock, self._dice), launcher, offset)

    def _trainer(self, memory: Memory) -> Replayable:
        memory.lives += 1
        name = f"trainer-{memory.lives}"
        trainer = Trainer.restore(name, "/jobs", self._store.records, self.settings, role=NAME)
        return cast(Replayable, trainer)

    def _start_framework(self, host: FrameworkHost) -> None:
        if host.name != NAME:
            super()._start_framework(host)
            return
        host.lives += 1
        node = TrainingNode(
            self._stage,
            f"{NAME}#{host.lives}",
            NAME,
            host.make(host.memory),
            host.memory,
            self._leader,
            DriverSettings(silent_s=self.plan.silent_s),
            self._dice.uniform(0.0, 1000.0),
            self._store,
        )
        node.storage, node.answers = self.storage, self.answers
        node.on_death = lambda _why: self._restart(node)
        host.node = node
        node.watch()


def job(  # noqa: PLR0917 - what a job is, in order
    job_id: str,
    steps: int,
    step_s: float = 0.1,
    gpus: int = 1,
    priority: int = 0,
    weight: float = 0.0,
    interval: int = 50,
    start_s: float = 1.0,
) -> SubmitJob:
    """A training job for a simulated host."""
    argv = (KIND, str(steps), f"{step_s}", str(interval), f"{start_s}")
    resources = Resources.of(cpus=1, mem=GIB, gpus=gpus)
    task = TaskInfo(TaskId(job_id), job_id, Command(argv), resources, priority=priority)
    return SubmitJob(task, weight, max_restarts=1000)


def machine(number: int, gpus: int, cpus: int = 16) -> AgentInfo:
    """A host with that many fake GPUs."""
    named = {f"gpu-{number}-{index}": 1.0 for index in range(gpus)}
    return AgentInfo(
        AgentId(""),
        f"agent-{number}",
        Resources.of(cpus, 64 * GIB, 100 * GIB, named),
        gpus=tuple(Gpu(GpuId(name), "fake", 16 * GIB) for name in named),
        name=f"agent-{number}",
    )
