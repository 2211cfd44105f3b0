"""What happens to the copies of jobs: statuses and progress in, the state of each job out."""

from collections.abc import Callable

from fairlead.common.ids import AgentId, GpuId
from fairlead.common.jobs import JobState, JobVerb
from fairlead.common.messages import Kill
from fairlead.common.values import Reason, TaskState, TaskStatus

from .book import BY_ORDER, Book
from .endings import Ending, Meaning, judge
from .events import LookAt, Progressed
from .jobs import Job, Turn

HOW_TO_HOOK = (
    "import `steps` from fairlead.frameworks.training, and loop `for batch in steps(loader):`"
)
IN_A_STEP = "has not come to the end of its step: is asked again"


class Copies:
    """Follows each copy from its launch to its end, and says what its end means."""

    def __init__(self, book: Book, vacated: Callable[[AgentId, tuple[GpuId, ...]], None]) -> None:
        self._book = book
        self._vacated = vacated

    # --- statuses

    def followed(self, status: TaskStatus) -> None:
        job = self._book.of_task(status.task_id)
        is_ours = job is not None and job.lives and status.launch_uuid == job.launch_uuid
        if job is not None and is_ours:
            if status.state.is_terminal:
                self._ended(job, status)
            else:
                self._goes_on(job, status)
        elif status.launch_uuid and not status.state.is_terminal:
            self._book.order(Kill(status.task_id, status.agent_id))  # no job knows of it

    def _goes_on(self, job: Job, status: TaskStatus) -> None:
        job.count(self._book.now)
        state = status.state
        if state is TaskState.RUNNING:
            self._runs(job, status)
        elif state is TaskState.SUSPENDED:
            self._rests(job, status)
        elif state is TaskState.UNREACHABLE:
            job.since = job.turn = None
            job.message = "its agent is unreachable: waits to hear what became of it"
            self._book.note(job, job.message)
            if job.verb is JobVerb.CANCEL:
                self._book.let_go(job)
                return
        if job.heard is TaskState.UNREACHABLE and state is not TaskState.UNREACHABLE:
            job.message = ""
            self._book.note(job, f"its agent is back: {state.name}")
        job.heard = state

    def _runs(self, job: Job, status: TaskStatus) -> None:
        if job.turn is Turn.OUT:
            if status.reason not in (Reason.GPU_NOT_RELEASED, Reason.OPERATION_FAILED):
                return  # said before the order reached it
            if status.reason is Reason.GPU_NOT_RELEASED:
                self._kept_its_gpus(job, status.message)
            else:
                self._book.note(job, f"was not suspended: {status.message}")
        job.turn, job.gave_cpus = None, False
        if job.since is None:
            job.since = self._book.now
        job.up_since = self._book.now
        if job.is_wanted and job.state is not JobState.MIGRATING:
            job.state = JobState.RUNNING if job.has_called_hook else JobState.STARTING
            job.message = ""
        self._book.touch(job)

    def _kept_its_gpus(self, job: Job, message: str) -> None:
        """Who has made no step since it was asked has not heard it yet."""
        assert job.asked_since is not None, f"{job.task_id} was asked: its turn is OUT"
        is_patient = self._book.now < job.asked_since + self._book.settings.long_step_s
        if is_patient and job.progress.step == job.asked_step:
            if job.decisions[-1].text != IN_A_STEP:
                self._book.note(job, IN_A_STEP)
            return
        job.is_stuck = True
        why = message or "its GPU memory was not given back"
        text = f"cannot be suspended: {why}; its slices end with its copy, which saves"
        self._book.note(job, text)

    def _rests(self, job: Job, status: TaskStatus) -> None:
        if job.turn is Turn.IN:
            if status.reason is not Reason.OPERATION_FAILED:
                return
            job.ready_at = self._book.now + self._book.settings.backoff_s
            self._book.note(job, f"was not resumed: {status.message}")
        job.turn = job.since = job.asked_since = None
        if job.is_wanted and job.state is not JobState.MIGRATING:
            job.state = JobState.SUSPENDED
        self._book.touch(job)

    # --- progress

    def progressed(self, event: Progressed) -> bool:
        """Whether anything follows from it: from most of a program's words nothing does."""
        job = self._book.jobs.get(event.job_id)
        if job is None:
            return False
        is_first = not job.has_called_hook
        if event.progress is not None and event.progress.run >= job.progress.run:
            job.progress = event.progress
        is_news = is_first and job.has_called_hook
        if job.has_trained:
            job.losses = 0
        if is_news:
            job.went_on()
            if job.run > 1:
                step = job.progress.checkpoint_step
                self._book.note(job, f"copy {job.run} goes on from step {step}")
            if job.heard is TaskState.RUNNING and job.state is JobState.STARTING:
                job.state = JobState.RUNNING
        if is_news or not job.lives:
            self._book.touch(job)
        if job.ending and not job.lives and not job.is_over:
            self._done(job)
            return True
        return is_news

    def look_again(self) -> None:
        """At those whose copy had ended when the last life of this scheduler did."""
        for job in self._book.live():
            if job.ending and not job.lives:
                self._book.order(LookAt(job.job_id, job.directory))

    def expire(self) -> None:
        """Who has not called the hook by now never will; a turn without word is looked at anew."""
        now, settings = self._book.now, self._book.settings
        for job in self._book.live():
            if job.turn is not None and job.turned_at + settings.switch_timeout_s <= now:
                job.turn = None
            if (at := self.hook_deadline(job)) is not None and at <= now:
                job.ending = (
                    f"its program ran for {settings.hook_timeout_s:g} s and has not called "
                    f"the hook: {HOW_TO_HOOK}"
                )
                self._book.end_copy(job, job.ending)

    def hook_deadline(self, job: Job) -> float | None:
        if job.up_since is None or job.has_called_hook or not job.is_running or job.is_leaving:
            return None
        return job.up_since + self._book.settings.hook_timeout_s

    # --- ends

    def orphaned(self, job: Job) -> None:
        """Its copy has ended with the framework id that it was launched under."""
        job.ended(self._book.wall, "ended with the framework that it belonged to")
        if job.ending:
            self._book.close(job, JobState.FAILED, job.ending)
        elif job.verb is JobVerb.CANCEL:
            self._book.close(job, JobState.CANCELLED, BY_ORDER)
        elif job.verb is JobVerb.PAUSE:
            job.unplace()
            job.state, job.message = JobState.PAUSED, BY_ORDER
        else:
            job.state = JobState.QUEUED
            self._again(job, "the framework was removed from its cluster", keeps_place=False)

    def _ended(self, job: Job, status: TaskStatus) -> None:
        job.count(self._book.now)
        ending, held = judge(status), job.held
        was_moving = job.state is JobState.MIGRATING
        if job.is_leaving and ending.meaning is Meaning.LOST and status.state is TaskState.KILLED:
            ending = Ending(Meaning.LOST, "ended as ordered")
        job.ended(self._book.wall, ending.text)
        self._vacated(job.agent_id, held)
        self._book.touch(job)
        self._book.order(LookAt(job.job_id, job.directory))
        if status.state in (TaskState.GONE, TaskState.GONE_BY_OPERATOR, TaskState.DROPPED):
            job.ending = ""  # it had ended before it could be ended, and may never have run so long
        if job.ending:
            self._book.close(job, JobState.FAILED, job.ending)
        elif ending.meaning is Meaning.DONE:
            job.ending = ending.text
        elif job.verb is JobVerb.CANCEL:
            self._book.close(job, JobState.CANCELLED, BY_ORDER)
        elif job.verb is JobVerb.PAUSE:
            job.unplace()
            job.state, job.message = JobState.PAUSED, BY_ORDER
            self._book.note(job, f"paused: {ending.text}")
        elif ending.meaning in (Meaning.FAILED, Meaning.HOPELESS):
            self._failed(job, ending)
        elif was_moving:
            self._again(job, f"its copy: {ending.text}", keeps_place=True)
        elif ending.meaning is Meaning.SAVED:
            why = f"{ending.text}: is started again"
            self._again(job, why, keeps_place=False, is_loss=not job.has_trained)
        else:
            stays = status.reason is Reason.OPERATION_FAILED
            self._again(job, f"lost its copy: {ending.text}", keeps_place=stays, is_loss=True)

    def _done(self, job: Job) -> None:
        how, job.ending = job.ending, ""
        if job.progress.run:  # a later copy may find that there is nothing left to do
            trouble = f"; at its end: {job.progress.trouble}" if job.progress.trouble else ""
            self._book.close(job, JobState.FINISHED, how + trouble)
        else:
            why = f"its program ended with {how} and never called the hook: {HOW_TO_HOOK}"
            self._book.close(job, JobState.FAILED, why)

    def _failed(self, job: Job, ending: Ending) -> None:
        most = job.call.max_restarts
        if ending.meaning is Meaning.HOPELESS or job.restarts >= most:
            tried = f", after {job.restarts} of {most} restarts" if most else ""
            self._book.close(job, JobState.FAILED, ending.text + tried)
            return
        job.restarts += 1
        text = f"{ending.text}: restart {job.restarts} of {most}"
        self._again(job, text, keeps_place=False, is_loss=True)

    def _again(self, job: Job, why: str, *, keeps_place: bool, is_loss: bool = False) -> None:
        """From its last checkpoint, in a new copy."""
        settings = self._book.settings
        if is_loss:
            job.losses += 1
            pause_s = settings.backoff_s * 2 ** min(job.losses - 1, 20)
            job.ready_at = self._book.now + min(pause_s, settings.max_backoff_s)
        job.waits_since = self._book.now
        if not keeps_place:
            job.unplace()
            job.state = JobState.QUEUED
        elif job.state is not JobState.MIGRATING:
            job.state = JobState.QUEUED
        job.message = why
        self._book.note(job, f"{why}; goes on from its checkpoint")
