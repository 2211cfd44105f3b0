"""What clients of the built-in framework `training` and the framework say to one another.

Each message mirrors the one of the same name in `protos/jobs.proto`; `common.wire` translates.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from .dataclass import dataclass
from .ids import AgentId, FrameworkId, LaunchUuid, TaskId
from .resources import EMPTY, Resources
from .values import Command, TaskInfo


class JobState(Enum):
    """Where a job is in its life; from FINISHED on it is over, for good."""

    UNSPECIFIED = 0
    QUEUED = 1
    STARTING = 2
    RUNNING = 3
    SUSPENDED = 4
    MIGRATING = 5
    PAUSED = 6
    CANCELLING = 7
    FINISHED = 16
    FAILED = 17
    CANCELLED = 18

    @property
    def is_terminal(self) -> bool:
        return self.value >= JobState.FINISHED.value


class JobVerb(Enum):
    """What a person may order of a job."""

    UNSPECIFIED = 0
    PAUSE = 1
    RESUME = 2
    CANCEL = 3


@dataclass(frozen=True, slots=True)
class SubmitJob:
    """Train this: `task` is what each copy is launched as, and its task id is the job's.

    A weight of 0 means 1; no `checkpoints` means the framework's own directory.
    """

    task: TaskInfo
    weight: float = 0.0
    checkpoints: str = ""
    max_restarts: int = 0


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """It is durable: it will be trained even if everything is started again meanwhile."""

    job_id: str


@dataclass(frozen=True, slots=True)
class JobsQuery:
    """All jobs, without what only `show` and `why` print; or one, with all of it."""

    job_id: str = ""


@dataclass(frozen=True, slots=True)
class OrderJob:
    """A person's order; ordering anything twice does it once."""

    job_id: str
    verb: JobVerb


@dataclass(frozen=True, slots=True)
class JobOrdered:
    """The state that the job has now."""

    state: JobState


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What a job's program said last of itself; `steps` 0 is not known.

    A `trouble`, such as a checkpoint that could not be saved, does not keep it from training.
    """

    run: int = 0
    step: int = 0
    steps: int = 0
    epoch: int = 0
    loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    rate: float = 0.0
    gpu_memory_bytes: int = 0
    switch_s: float = 0.0
    wall_time: float = 0.0
    checkpoint_step: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class JobRun:
    """One copy of a job, from its launch to its end; `ended_at` 0 is one that lives."""

    run: int
    task_id: TaskId
    agent_id: AgentId
    gpu_ids: tuple[str, ...] = ()
    began_at: float = 0.0
    ended_at: float = 0.0
    ending: str = ""
    first_step: int = 0
    rate: float = 0.0
    gpu_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class JobDecision:
    """What was decided about a job, in words, and when (wall time)."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as people see it; `message` says why it is in its state, or what it waits for."""

    job_id: str
    name: str
    state: JobState
    message: str = ""
    resources: Resources = EMPTY
    weight: float = 1.0
    priority: int = 0
    progress: JobProgress = JobProgress()
    run: int = 0
    task_id: TaskId = TaskId("")
    agent_id: AgentId = AgentId("")
    gpu_ids: tuple[str, ...] = ()
    slices: int = 0
    gpu_time_s: float = 0.0
    migrations: int = 0
    submitted_at: float = 0.0
    ended_at: float = 0.0
    directory: str = ""
    command: Command = Command(())
    runs: tuple[JobRun, ...] = ()
    decisions: tuple[JobDecision, ...] = ()
    framework_id: FrameworkId = FrameworkId("")


@dataclass(frozen=True, slots=True)
class JobsReply:
    """The jobs that were asked for, in the order of their submission."""

    jobs: tuple[JobView, ...] = ()
    slice_s: float = 0.0


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What the framework keeps of a job; it never travels."""

    number: int
    submitted: SubmitJob
    view: JobView
    verb: JobVerb = JobVerb.UNSPECIFIED
    launch_uuid: LaunchUuid = LaunchUuid("")
    hostname: str = ""
    agent_name: str = ""
    affinity: int = 0
    gave_cpus: bool = False
    is_stuck: bool = False
    restarts: int = 0
    losses: int = 0
    ending: str = ""
