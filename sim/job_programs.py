"""Programs of training jobs, as hosts run them: they go on from the last checkpoint of their job,
on storage that outlives every process, and say how far they have come.

`job STEPS STEP_S CHECKPOINT_STEPS START_S`: for START_S it has not called the hook; a step takes
STEP_S; of itself it saves after so many steps. On TERM it saves and ends with 75. Two copies of one
job that live at the same time, and a step that is lost beyond the last checkpoint, break a law.
"""

from dataclasses import dataclass, replace
from random import Random

from fairlead.agent.events import StartContainer, SuspendContainer
from fairlead.common.ids import LaunchUuid
from fairlead.common.jobs import JobProgress
from fairlead.frameworks.training.events import SAVED_EXIT

from .auditor import Auditor, ViolationError
from .clock import Clock
from .container import Container
from .journal import Journal
from .launcher import TERM, Launcher

KIND = "job"


@dataclass(slots=True)
class Copy:
    """One container of a job."""

    job_id: str
    run: int
    launch_uuid: LaunchUuid
    host: str
    steps: int
    step_s: float
    interval: int
    start_s: float
    first: int
    """The step that it goes on from."""

    def step(self, container: Container) -> int:
        trained_s = container.worked_s - self.start_s + 1e-6
        return min(self.steps, self.first + max(0, int(trained_s / self.step_s)))

    def has_called_hook(self, container: Container) -> bool:
        return container.worked_s + 1e-5 >= self.start_s


class Storage:
    """What agents share: the last checkpoint and progress of each job."""

    def __init__(self) -> None:
        self.saved: dict[str, int] = {}
        self.living: dict[str, Copy] = {}
        self.copies: dict[str, int] = {}
        """How many each job has had."""
        self.lost: int = 0
        """Steps that were trained twice."""
        self._said: dict[str, JobProgress] = {}
        self._containers: dict[str, Container] = {}

    def progress(self, job_id: str) -> JobProgress | None:
        """As its program writes it, all the time."""
        copy, container = self.living.get(job_id), self._containers.get(job_id)
        if copy is not None and container is not None and copy.has_called_hook(container):
            self._say(copy, container)
        return self._said.get(job_id)

    def began(self, copy: Copy, container: Container) -> None:
        other = self.living.get(copy.job_id)
        if other is not None:
            raise ViolationError(
                "never two living copies",
                f"{copy.job_id}: run {copy.run} starts on {copy.host}, and run {other.run} lives"
                f" on {other.host}",
            )
        self.living[copy.job_id], self._containers[copy.job_id] = copy, container
        self.copies[copy.job_id] = self.copies.get(copy.job_id, 0) + 1

    def save(self, copy: Copy, container: Container) -> None:
        self.saved[copy.job_id] = max(self.saved.get(copy.job_id, 0), copy.step(container))

    def ended(self, copy: Copy, container: Container, *, has_saved: bool) -> None:
        """What it has trained beyond its last checkpoint is lost."""
        if copy.has_called_hook(container):
            self._say(copy, container)
        step = copy.step(container)
        by_itself = copy.first + (step - copy.first) // copy.interval * copy.interval
        saved = max(self.saved.get(copy.job_id, 0), step if has_saved else by_itself)
        if step - saved > copy.interval:
            raise ViolationError(
                "at most one checkpoint interval is lost", f"{copy}: {step - saved}"
            )
        self.saved[copy.job_id] = saved
        self.lost += step - saved
        del self.living[copy.job_id], self._containers[copy.job_id]

    def _say(self, copy: Copy, container: Container) -> None:
        step = copy.step(container)
        saved = self.saved.get(copy.job_id, 0)
        self._said[copy.job_id] = JobProgress(
            copy.run, step, copy.steps, rate=1 / copy.step_s, checkpoint_step=saved
        )


class JobLauncher(Launcher):
    """A launcher that also knows programs of training jobs."""

    def __init__(  # noqa: PLR0917 - as its base
        self,
        host: str,
        clock: Clock,
        random: Random,
        auditor: Auditor,
        journal: Journal,
        storage: Storage,
    ) -> None:
        super().__init__(host, clock, random, auditor, journal)
        self._storage = storage
        self._jobs: dict[LaunchUuid, Copy] = {}

    def _start(self, order: StartContainer) -> None:
        argv = order.task.command.argv
        if argv[0] != KIND or order.launch_uuid in self._containers:
            super()._start(order)
            return
        self.fails.pop("start", None)  # a program that is not there would not be there again
        copy = self._copy(order)
        left_s = copy.start_s + (copy.steps - copy.first) * copy.step_s
        command = replace(
            order.task.command, argv=("train", f"{left_s:.6f}", "0", f"{copy.step_s:.6f}")
        )
        super()._start(replace(order, task=replace(order.task, command=command)))
        container = self._containers[order.launch_uuid]
        self._jobs[order.launch_uuid] = copy
        self._storage.began(copy, container)

    def _copy(self, order: StartContainer) -> Copy:
        _, steps, step_s, interval, start_s = order.task.command.argv
        env = order.task.command.env
        job_id = env["FAIRLEAD_JOB"]
        return Copy(
            job_id,
            int(env["FAIRLEAD_JOB_RUN"]),
            order.launch_uuid,
            self.host,
            int(steps),
            float(step_s),
            int(interval),
            float(start_s),
            self._storage.saved.get(job_id, 0),
        )

    def _suspend(self, order: SuspendContainer) -> None:
        copy, container = self._jobs.get(order.launch_uuid), self._living(order.launch_uuid)
        if copy is not None and container is not None and not copy.has_called_hook(container):
            raise ViolationError("nobody is suspended before it can hear", f"{copy}")
        super()._suspend(order)

    def _rest(self, container: Container, order: SuspendContainer) -> None:
        if (copy := self._jobs.get(container.launch_uuid)) is not None:
            self._storage.save(copy, container)
        super()._rest(container, order)

    def _deliver(self, container: Container, signum: int) -> None:
        copy = self._jobs.get(container.launch_uuid)
        hears = copy is not None and copy.has_called_hook(container) and not container.is_frozen
        if signum == TERM and copy is not None and hears:
            delay = self._random.uniform(0.0, copy.step_s)
            self._clock.after(delay, lambda: self._end(container, SAVED_EXIT, None))
        else:
            super()._deliver(container, signum)

    def _end(
        self, container: Container, exit_code: int | None, signum: int | None, *, told: bool = True
    ) -> None:
        copy = self._jobs.get(container.launch_uuid)
        if copy is not None and container.is_running:
            self._storage.ended(copy, container, has_saved=exit_code in (0, SAVED_EXIT))
        super()._end(container, exit_code, signum, told=told)
