"""A training job as the scheduler remembers it: what lasts (`record`), and what is known for now.

A job has at most one living copy: a task, from its launch until its terminal status. The copy holds
its devices unless it is suspended, and can go on only on the devices that it had.
"""

from dataclasses import replace
from enum import Enum

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, GpuId, LaunchUuid, TaskId
from fairlead.common.jobs import (
    JobDecision,
    JobProgress,
    JobRecord,
    JobRun,
    JobState,
    JobVerb,
    JobView,
    SubmitJob,
)
from fairlead.common.resources import MILLIS, Resources
from fairlead.common.values import TaskInfo, TaskRef, TaskState

DECISIONS_KEPT = 100
RUNS_KEPT = 20
SLICE = "slice "
"""How a line of `why` begins that the next of its kind replaces."""


class Turn(Enum):
    """A switch that was ordered and of which no word has come yet."""

    OUT = "out"
    IN = "in"


@dataclass(slots=True)
class Job:
    """From its submission to its end."""

    number: int
    call: SubmitJob
    directory: str
    submitted_at: float = 0.0
    state: JobState = JobState.QUEUED
    message: str = ""
    verb: JobVerb = JobVerb.UNSPECIFIED
    run: int = 0
    launch_uuid: LaunchUuid = LaunchUuid("")
    """Of the living copy; empty: there is none."""
    agent_id: AgentId = AgentId("")
    """Where the copy lives; without a copy: where the next one is to be, if that is settled."""
    hostname: str = ""
    agent_name: str = ""
    affinity: int = 0
    gpu_ids: tuple[GpuId, ...] = ()
    gave_cpus: bool = False
    is_stuck: bool = False
    restarts: int = 0
    losses: int = 0
    ending: str = ""
    """Of a living copy: why it is ended as a failure. Of none: how the last one ended, until its
    last progress is known.
    """
    slices: int = 0
    gpu_time_s: float = 0.0
    migrations: int = 0
    ended_at: float = 0.0
    progress: JobProgress = JobProgress()
    runs: tuple[JobRun, ...] = ()
    decisions: tuple[JobDecision, ...] = ()

    # --- what is known for now

    heard: TaskState | None = None
    """The last state of the living copy."""
    turn: Turn | None = None
    turned_at: float = 0.0
    asked_since: float | None = None
    """It was first asked then to come to rest after this very step, and has not:"""
    asked_step: int = 0
    since: float | None = None
    """The copy has had its devices since then, and that is not yet counted."""
    up_since: float | None = None
    virtual_s: float = 0.0
    """GPU time ÷ weight, from where its server was when it came."""
    waits_since: float = 0.0
    ready_at: float = 0.0
    short_since: float | None = None
    """It has a seat since then, and there is no room for its copy."""
    back_at: float = 0.0
    """Until then it lets others have that seat."""
    target: AgentId = AgentId("")
    """The server that it moves to, while its copy elsewhere ends."""

    # --- what it is

    @property
    def job_id(self) -> str:
        return self.call.task.task_id

    @property
    def task_id(self) -> TaskId:
        return TaskId(f"{self.job_id}.{self.run}")

    @property
    def resources(self) -> Resources:
        return self.call.task.resources

    @property
    def size(self) -> int:
        """In whole devices."""
        return self.resources.gpu_millis // MILLIS

    @property
    def weight(self) -> float:
        return self.call.weight or 1.0

    @property
    def priority(self) -> int:
        return self.call.task.priority

    @property
    def ref(self) -> TaskRef:
        return TaskRef(self.task_id, self.launch_uuid, self.agent_id)

    # --- how it stands

    @property
    def lives(self) -> bool:
        return bool(self.launch_uuid)

    @property
    def is_over(self) -> bool:
        return self.state.is_terminal

    @property
    def is_wanted(self) -> bool:
        """Nobody has ordered it to stand still, and it has not failed."""
        return not (self.is_over or self.ending or self.verb in (JobVerb.PAUSE, JobVerb.CANCEL))

    @property
    def is_leaving(self) -> bool:
        """Its copy was told to end."""
        return self.lives and (not self.is_wanted or self.state is JobState.MIGRATING)

    @property
    def has_called_hook(self) -> bool:
        return self.lives and self.progress.run == self.run

    @property
    def has_trained(self) -> bool:
        """The latest copy has come further than where it began."""
        return bool(
            self.runs
            and self.progress.run == self.run
            and self.progress.step > self.runs[-1].first_step
        )

    @property
    def is_suspended(self) -> bool:
        return self.lives and self.heard is TaskState.SUSPENDED and self.turn is None

    @property
    def is_running(self) -> bool:
        return self.lives and self.heard is TaskState.RUNNING and self.turn is None

    @property
    def may_be_stopped(self) -> bool:
        """Before its program has called the hook, a signal would only kill it."""
        return self.is_running and not self.is_leaving and self.has_called_hook

    @property
    def held(self) -> tuple[GpuId, ...]:
        """The devices that are its own now, or will be when the turn that was ordered is over."""
        if not self.lives or self.heard in (None, TaskState.UNREACHABLE):
            return ()
        if self.turn is Turn.IN:
            return self.gpu_ids
        away = (TaskState.SUSPENDING, TaskState.SUSPENDED)
        return () if self.turn is Turn.OUT or self.heard in away else self.gpu_ids

    # --- what happens to it

    def note(self, at: float, text: str) -> None:
        """One more line of `why`."""
        kept = self.decisions
        if kept and text.startswith(SLICE) and kept[-1].text.startswith(SLICE):
            kept = kept[:-1]
        self.decisions = (*kept, JobDecision(at, text))[-DECISIONS_KEPT:]

    def count(self, now: float) -> None:
        """Add the GPU time since the last count."""
        if self.since is not None:
            self.gpu_time_s += now - self.since
            self.virtual_s += (now - self.since) / self.weight
            self.since = now

    def virtual_at(self, now: float) -> float:
        running_s = 0.0 if self.since is None else now - self.since
        return self.virtual_s + running_s / self.weight

    def launched(self, launch_uuid: LaunchUuid, gpu_ids: tuple[GpuId, ...], at: float) -> TaskInfo:
        """Its next copy is on its way; the task to launch."""
        self.run += 1
        self.launch_uuid, self.gpu_ids = launch_uuid, gpu_ids
        self.heard, self.turn, self.since, self.up_since = TaskState.STAGING, None, None, None
        self.gave_cpus = self.is_stuck = False
        self.asked_since = None
        self.target, self.short_since = AgentId(""), None
        self.state, self.message = JobState.STARTING, ""
        run = JobRun(self.run, self.task_id, self.agent_id, gpu_ids, at)
        self.runs = (*self.runs, replace(run, first_step=self.progress.checkpoint_step))[
            -RUNS_KEPT:
        ]
        return self._task()

    def went_on(self) -> None:
        """Its copy has said where it began."""
        *before, last = self.runs
        self.runs = (*before, replace(last, first_step=self.progress.checkpoint_step))

    def ended(self, at: float, how: str) -> None:
        """The copy is no more; where it was is remembered until a place is settled."""
        self.launch_uuid = LaunchUuid("")
        self.heard = self.turn = self.since = self.up_since = None
        self.gave_cpus = self.is_stuck = False
        if self.runs:
            *before, last = self.runs
            seen = self.progress if self.progress.run == last.run else JobProgress()
            last = replace(last, rate=seen.rate, gpu_memory_bytes=seen.gpu_memory_bytes)
            self.runs = (*before, replace(last, ended_at=at, ending=how))

    def place(self, agent_id: AgentId, hostname: str, name: str, affinity: int) -> None:
        self.agent_id, self.hostname, self.agent_name = agent_id, hostname, name
        self.affinity = affinity

    def unplace(self) -> None:
        self.place(AgentId(""), "", "", 0)
        self.gpu_ids, self.target = (), AgentId("")
        self.short_since, self.back_at = None, 0.0

    def _task(self) -> TaskInfo:
        template = self.call.task
        env = {
            **template.command.env,
            "FAIRLEAD_JOB": self.job_id,
            "FAIRLEAD_JOB_DIR": self.directory,
            "FAIRLEAD_JOB_RUN": str(self.run),
        }
        return replace(
            template,
            task_id=self.task_id,
            command=replace(template.command, env=env),
            resources=replace(self.resources, gpus=shares(self.gpu_ids)),
        )

    # --- what lasts, and what people see

    def view(self, now: float) -> JobView:
        """As of now, for the job's record and for people."""
        running_s = 0.0 if self.since is None else now - self.since
        task = self.call.task
        return JobView(
            self.job_id,
            task.name,
            self.state,
            self.message,
            self.resources,
            self.weight,
            self.priority,
            self.progress,
            self.run,
            self.task_id if self.run else TaskId(""),
            self.agent_id,
            self.gpu_ids,
            self.slices,
            self.gpu_time_s + running_s,
            self.migrations,
            self.submitted_at,
            self.ended_at,
            self.directory,
            task.command,
            self.runs,
            self.decisions,
        )

    def record(self, now: float) -> JobRecord:
        return JobRecord(
            self.number,
            self.call,
            self.view(now),
            self.verb,
            self.launch_uuid,
            self.hostname,
            self.agent_name,
            self.affinity,
            self.gave_cpus,
            self.is_stuck,
            self.restarts,
            self.losses,
            self.ending,
        )

    @classmethod
    def restore(cls, record: JobRecord) -> "Job":
        """As it was recorded; what its copy does now is for statuses to say."""
        view = record.view
        return cls(
            record.number,
            record.submitted,
            view.directory,
            view.submitted_at,
            view.state,
            view.message,
            record.verb,
            view.run,
            record.launch_uuid,
            view.agent_id,
            record.hostname,
            record.agent_name,
            record.affinity,
            tuple(map(GpuId, view.gpu_ids)),
            record.gave_cpus,
            record.is_stuck,
            record.restarts,
            record.losses,
            record.ending,
            view.slices,
            view.gpu_time_s,
            view.migrations,
            view.ended_at,
            view.progress,
            view.runs,
            view.decisions,
        )


def shares(gpu_ids: tuple[GpuId, ...]) -> tuple[tuple[GpuId, int], ...]:
    """Whole devices, as Resources have them."""
    return tuple((gpu_id, MILLIS) for gpu_id in sorted(gpu_ids))
