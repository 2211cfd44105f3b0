"""What the training scheduler is told beside what its driver tells it, and what it orders beside
wire calls: the service (`service`) feeds the one and performs the other, the simulator too.

Records are `Record(KEY + job_id, JobRecord)`; a job that is over keeps its record until forgotten.
"""

from fairlead.common.dataclass import dataclass
from fairlead.common.jobs import JobOrdered, JobProgress, JobSubmitted, OrderJob, SubmitJob

KEY = "job/"
SAVED_EXIT = 75
"""A program that ends so has saved itself and is to be started again."""
REST_SIGNAL = 10
"""SIGUSR1: come to rest at the next mini-batch boundary."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A client called; the answer bears the same number."""

    number: int
    call: SubmitJob | OrderJob


@dataclass(frozen=True, slots=True)
class Answered:
    """For the client; an empty `refusal` means that there is a reply."""

    number: int
    reply: JobSubmitted | JobOrdered | None = None
    field: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Progressed:
    """What stands in a job's progress.json; None: there is none that can be read.

    A program that has called the hook says so with the number of its run. Told when it changed,
    and as the answer to each LookAt.
    """

    job_id: str
    progress: JobProgress | None


@dataclass(frozen=True, slots=True)
class LookAt:
    """Read this job's progress now and say what stands there: its copy has ended, and may have
    said more than was read.
    """

    job_id: str
    directory: str


@dataclass(frozen=True, slots=True)
class Forget:
    """As an event: these jobs are over and their files are gone, nobody will ask for them."""

    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How patient the scheduler is; times in seconds."""

    slice_s: float = 60.0
    hook_timeout_s: float = 300.0
    """A copy that runs for so long and has not called the hook never will."""
    patience_s: float = 1.0
    """For GPUs of one's own, before a job shares those of others."""
    hope_s: float = 10.0
    """For a device that a job has just left: whoever is suspended on it needs that one."""
    rest_s: float = 20.0
    """How long a program may take to its next mini-batch boundary, its checkpoint included."""
    long_step_s: float = 300.0
    """So long a copy is asked again that has not made a step since it was asked; then it ends."""
    grace_s: float = 30.0
    """The same for a copy that is to end."""
    switch_timeout_s: float = 90.0
    """No word of a switch for so long: it is looked at anew."""
    backoff_s: float = 0.5
    """Before the next copy after a loss of the cluster's; doubles."""
    max_backoff_s: float = 30.0
    relocate_s: float = 300.0
    """A job has run so long where it does not belong before it is moved to where it does."""
    tolerance: float = 0.2
    """Of a slice: to be so little behind another is no reason to take its turn, or to move."""
    hold_s: float = 10.0
    """So long an offer is kept for a job that is on its way to it."""
    refuse_s: float = 1.0
    """What is left over is not wanted for so long."""
