"""What clients ask: a job is submitted, paused, let go on, cancelled. Asking twice does it once."""

from fairlead.common.jobs import (
    JobOrdered,
    JobState,
    JobSubmitted,
    JobVerb,
    OrderJob,
    SubmitJob,
)
from fairlead.common.resources import MILLIS
from fairlead.common.sizes import MAX_TASK_BYTES, task_bytes
from fairlead.common.values import TaskState, bad_priority

from .book import BY_ORDER, Book
from .events import Answered, Asked
from .jobs import Job

MAX_JOB_ID = 150
"""Each copy adds its number, and the wire takes 200 characters."""
CANCEL_GRACE_S = 2.0


class Orders:
    """Changes what a job is to do; how it gets there is for the others."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def asked(self, event: Asked) -> None:
        if isinstance(event.call, SubmitJob):
            answer = self._submit(event.number, event.call)
        else:
            answer = self._order(event.number, event.call)
        self._book.order(answer)

    def _submit(self, number: int, call: SubmitJob) -> Answered:
        if (trouble := _trouble(call)) is not None:
            return Answered(number, None, *trouble)
        job_id = call.task.task_id
        known = self._book.jobs.get(job_id)
        if known is not None and known.call != call:
            return Answered(number, None, "task.task_id", f"{job_id!r} is the id of another job")
        if known is None:
            last = max((job.number for job in self._book.jobs.values()), default=0)
            directory = f"{call.checkpoints or self._book.checkpoints}/{job_id}"
            job = Job(last + 1, call, directory, self._book.wall)
            job.waits_since = self._book.now
            self._book.add(job)
            self._book.note(job, f"submitted: {call.task.resources}")
        return Answered(number, JobSubmitted(job_id))

    def _order(self, number: int, call: OrderJob) -> Answered:
        job = self._book.jobs.get(call.job_id)
        if job is None:
            return Answered(number, None, "job_id", f"no job {call.job_id!r} is known")
        if call.verb is JobVerb.UNSPECIFIED:
            return Answered(number, None, "verb", "is none of pause, resume, cancel")
        if job.is_over and call.verb is not JobVerb.CANCEL:
            said = f"job {call.job_id!r} is {job.state.name}, for good"
            return Answered(number, None, "job_id", said)
        if not job.is_over and job.verb is not JobVerb.CANCEL and not _stands(job, call.verb):
            job.verb = call.verb
            self._book.note(job, f"a person's order: {call.verb.name.lower()}")
            self._obey(job)
        return Answered(number, JobOrdered(job.state))

    def _obey(self, job: Job) -> None:
        is_pause, is_cancel = job.verb is JobVerb.PAUSE, job.verb is JobVerb.CANCEL
        if job.lives and job.verb is not JobVerb.RESUME:
            job.state = JobState.CANCELLING if is_cancel else job.state
            job.message = "is ended" if is_cancel else "is paused as soon as it has saved"
            is_away = job.heard is TaskState.UNREACHABLE
            if is_away:
                job.message += ", and its agent is unreachable: waits to hear what became of it"
            grace_s = CANCEL_GRACE_S if is_cancel else None
            self._book.end_copy(job, "its copy is ended", grace_s)
            if is_away and is_cancel:
                self._book.let_go(job)
        elif job.ending:
            pass  # it has just ended by itself
        elif is_cancel:
            self._book.close(job, JobState.CANCELLED, BY_ORDER)
        elif is_pause:
            job.unplace()
            job.state, job.message = JobState.PAUSED, BY_ORDER
        elif not job.lives:
            job.state, job.message = JobState.QUEUED, ""
            job.waits_since = self._book.now
        else:
            # The copy was told to end, and that cannot be unsaid: the next one follows it.
            job.state, job.message = JobState.MIGRATING, "starts again when its copy has ended"
        self._book.touch(job)


def _stands(job: Job, verb: JobVerb) -> bool:
    """Whether nothing would change."""
    return job.verb is verb or (verb is JobVerb.RESUME and job.verb is not JobVerb.PAUSE)


def _trouble(call: SubmitJob) -> tuple[str, str] | None:
    task, resources = call.task, call.task.resources
    if not task.task_id:
        return "task.task_id", "is empty"
    if len(task.task_id) > MAX_JOB_ID:
        return "task.task_id", f"is longer than {MAX_JOB_ID} characters"
    if not task.command.argv or not task.command.argv[0]:
        return "task.command.argv", "is empty"
    if not resources:
        return "task.resources", "asks for nothing"
    if resources.gpu_millis % MILLIS or any(gpu_id for gpu_id, _ in resources.gpus):
        return "task.resources.gpus", "a job takes whole GPUs, and whichever there are"
    if (size := task_bytes(task)) > MAX_TASK_BYTES:
        what = f"command, labels and files have about {size} bytes"
        return "task", f"{what}; a task may have {MAX_TASK_BYTES}: put large data into shared files"
    if trouble := bad_priority(task.priority):
        return "task.priority", trouble
    if not 0 <= call.weight <= 1e6 or 0 < call.weight < 1e-6:
        return "weight", "is not between 0.000001 and 1000000"
    if call.max_restarts < 0:
        return "max_restarts", "is less than 0"
    return None
