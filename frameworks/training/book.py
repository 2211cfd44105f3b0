"""All jobs, and what a step of the scheduler has changed of them and ordered because of it.

Every part of the scheduler works on this one book. What changed is recorded before what was ordered
leaves, so that a scheduler that is started again knows at least what it may have said.
"""

from fairlead.common.events import Record
from fairlead.common.ids import AgentId, GpuId, LaunchUuid
from fairlead.common.jobs import JobState
from fairlead.common.messages import Kill

from .events import KEY, TrainingSettings
from .jobs import Job

BY_ORDER = "by a person's order"


class Book:
    """The jobs by id, in the order of their submission."""

    def __init__(
        self, instance_uuid: str, settings: TrainingSettings, checkpoints: str, wall_offset_s: float
    ) -> None:
        self.settings = settings
        self.checkpoints = checkpoints
        self.jobs: dict[str, Job] = {}
        self._live: dict[str, Job] = {}
        self.now = 0.0
        self._wall_offset_s = wall_offset_s
        self._instance_uuid = instance_uuid
        self._launches = 0
        self._changed: dict[str, None] = {}
        self._orders: list[object] = []

    # --- what is asked of it

    @property
    def wall(self) -> float:
        """The time that people read."""
        return self.now + self._wall_offset_s

    def live(self) -> list[Job]:
        """Those that are not over."""
        return list(self._live.values())

    def on(self, agent_id: AgentId) -> list[Job]:
        """Those whose copy is there, or whose next one will be."""
        return [job for job in self._live.values() if job.agent_id == agent_id]

    def holders(self, agent_id: AgentId) -> dict[GpuId, Job]:
        """Who has which device there, or will when the turns that were ordered are over."""
        return {gpu_id: job for job in self.on(agent_id) for gpu_id in job.held}

    def of_task(self, task_id: str) -> Job | None:
        """By the id of any of its copies, living or not."""
        return self.jobs.get(task_id.rpartition(".")[0])

    # --- what is written

    def add(self, job: Job) -> None:
        self.jobs[job.job_id] = job
        if not job.is_over:
            self._live[job.job_id] = job

    def close(self, job: Job, state: JobState, why: str) -> None:
        """It is over, for good."""
        job.unplace()
        job.state, job.message, job.ending = state, why, ""
        job.ended_at = self.wall
        self._live.pop(job.job_id, None)
        self.note(job, f"{state.name}: {why}")

    def let_go(self, job: Job) -> None:
        """It was cancelled, and its agent may never come back. If it does, its copy is one that no
        job knows of, and is ended.
        """
        job.ended(self.wall, "not known: its agent is unreachable")
        why = f"{BY_ORDER}; its agent is unreachable, and ends its copy if it comes back"
        self.close(job, JobState.CANCELLED, why)

    def touch(self, job: Job) -> None:
        """It is recorded at the end of the step."""
        self._changed[job.job_id] = None

    def note(self, job: Job, text: str) -> None:
        """A decision, with its numbers."""
        job.note(self.wall, text)
        self.touch(job)

    def order(self, action: object) -> None:
        self._orders.append(action)

    def end_copy(self, job: Job, why: str, grace_s: float | None = None) -> None:
        """One that is suspended has saved itself and cannot hear; others get time to save."""
        self.note(job, why)
        self.order(Kill(job.task_id, job.agent_id, grace_s or self.settings.grace_s))

    def move(self, job: Job, why: str) -> None:
        """First phase of a migration: the copy here ends; the next is launched when it has."""
        job.state, job.message = JobState.MIGRATING, why
        self.end_copy(job, why)

    def new_launch_uuid(self) -> LaunchUuid:
        self._launches += 1
        return LaunchUuid(f"{self._instance_uuid}-t{self._launches}")

    def forget(self, job_id: str) -> None:
        if job_id in self.jobs and self.jobs[job_id].is_over:
            del self.jobs[job_id]
            self._changed.pop(job_id, None)
            self.order(Record(KEY + job_id, None))

    def take_orders(self) -> list[object]:
        """Records first; then what was ordered, in its order."""
        records = [Record(KEY + each, self.jobs[each].record(self.now)) for each in self._changed]
        orders, self._orders = self._orders, []
        self._changed.clear()
        return [*records, *orders]
