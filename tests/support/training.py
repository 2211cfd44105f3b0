"""The training scheduler with a fake master, in no time; `Shop` says what happens in few words."""

from fairlead.common.events import Record
from fairlead.common.ids import TaskId
from fairlead.common.jobs import (
    JobProgress,
    JobRecord,
    JobState,
    JobVerb,
    JobView,
    OrderJob,
    SubmitJob,
)
from fairlead.common.messages import Accept, Kill
from fairlead.common.resources import Resources
from fairlead.common.values import Command, Demand, TaskInfo, TaskState
from fairlead.frameworks.kit.testing import Harness
from fairlead.frameworks.training.events import Answered, Asked, Progressed, TrainingSettings
from fairlead.frameworks.training.scheduler import TrainingScheduler

GIB = 2**30
SETTINGS = TrainingSettings(slice_s=60.0)


def submission(
    job_id: str, gpus: int = 1, *, priority: int = 0, weight: float = 0.0, max_restarts: int = 0
) -> SubmitJob:
    resources = Resources.of(cpus=1, mem=GIB, gpus=gpus)
    command = Command(("python", "train.py"), {"A": "b"})
    task = TaskInfo(TaskId(job_id), job_id, command, resources, priority=priority)
    return SubmitJob(task, weight, max_restarts=max_restarts)


class Shop:
    """One scheduler, a harness around it, and what its store and its clients hold."""

    def __init__(self, before: "Shop | None" = None, *, is_successor: bool = True) -> None:
        """`before`: a life that has ended; this is the next, from what that one left on disk."""
        if before is None:
            self.scheduler = TrainingScheduler("life-1", "/jobs", SETTINGS)
            self.harness = Harness(self.scheduler)
            return
        self.scheduler = TrainingScheduler.restore(
            "life-2", "/jobs", dict(before.durable()), SETTINGS, is_successor=is_successor
        )
        self.harness = Harness(self.scheduler, framework_id="f-1-1", is_reachable=False)
        if is_successor:
            self.harness.master.tasks = before.harness.master.tasks

    # --- what happens

    def submit(self, job_id: str, gpus: int = 1, **said: float) -> None:
        self.ask(submission(job_id, gpus, **said))  # type: ignore[arg-type]

    def order(self, job_id: str, verb: JobVerb) -> Answered:
        return self.ask(OrderJob(job_id, verb))

    def ask(self, call: SubmitJob | OrderJob) -> Answered:
        number = len(self.harness.performed)
        self.harness.happen(Asked(number, call))
        found = [each for each in self.harness.performed if isinstance(each, Answered)]
        assert found[-1].number == number
        return found[-1]

    def runs(self, task_id: str, *, step: int = 10, checkpoint_step: int = 0) -> None:
        """The copy runs, and its program has called the hook."""
        self.harness.status(task_id, TaskState.RUNNING)
        job_id, _, run = task_id.rpartition(".")
        self.says(job_id, int(run), step, checkpoint_step)

    def says(self, job_id: str, run: int, step: int = 10, checkpoint_step: int = 0) -> None:
        progress = JobProgress(run, step, 100, rate=5.0, checkpoint_step=checkpoint_step)
        self.harness.happen(Progressed(job_id, progress))

    def trains(self, job_id: str, agent: str = "agent-1", gpus: int = 1) -> None:
        """Submitted, launched on an offer, and running."""
        self.submit(job_id, gpus)
        self.harness.offer(cpus=1, gpus=gpus, agent=agent)
        self.runs(f"{job_id}.1")

    def shares(self, job_id: str, agent: str = "agent-1") -> None:
        """Submitted where no GPU is free: it takes the turn of another."""
        self.submit(job_id)
        self.harness.pass_time(2)
        self.harness.offer(cpus=0, agent=agent)
        self.runs(f"{job_id}.1")

    # --- what is seen

    def view(self, job_id: str) -> JobView:
        view = self.scheduler.view(job_id, self.harness.now)
        assert view is not None
        return view

    def state(self, job_id: str) -> JobState:
        return self.view(job_id).state

    def why(self, job_id: str) -> str:
        return "\n".join(decision.text for decision in self.view(job_id).decisions)

    def demands(self) -> tuple[Demand, ...]:
        assert self.scheduler.demands is not None
        (wanted,) = self.scheduler.demands
        return wanted.demands

    def accepts(self) -> list[Accept]:
        """Since the last time anything was taken."""
        return [call for call in self.harness.take_calls() if isinstance(call, Accept)]

    def killed(self) -> list[str]:
        return [call.task_id for call in self.harness.take_calls() if isinstance(call, Kill)]

    def durable(self) -> dict[str, JobRecord]:
        """What the store holds after all that was ordered."""
        store: dict[str, JobRecord] = {}
        for order in self.harness.performed:
            if isinstance(order, Record) and order.value is None:
                del store[order.key]
            elif isinstance(order, Record):
                assert isinstance(order.value, JobRecord)
                store[order.key] = order.value
        return store
