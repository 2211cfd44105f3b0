"""Turns seats into accepts: who must make room, who goes on or starts there, and what is lacking.

A program is one accept: `suspend` those whose devices are taken, `resume` or `launch` those who
take them, so that nobody else has the devices in between. What those give and what these need may
differ; the difference comes out of offers of that agent, and until there are any it is asked for.
"""

from collections.abc import Iterator, Sequence

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import GpuId
from fairlead.common.resources import Resources, total
from fairlead.common.values import Launch, Operation, Resume, Suspend

from .book import Book
from .events import REST_SIGNAL
from .jobs import Job, Turn, shares
from .servers import Server, begin_slice


@dataclass(frozen=True, slots=True)
class Program:
    """What one accept is to do on one agent."""

    victims: tuple[Job, ...]
    entering: tuple[tuple[Job, tuple[GpuId, ...]], ...]
    shortage: Resources
    """What offers must bring."""
    frees_cpus: bool

    @property
    def wanted(self) -> Resources:
        """The shortage as a demand: a copy that is still to start takes whichever devices."""
        jobs = [job for job, _ in self.entering]
        if any(job.lives for job in jobs):
            return self.shortage
        gpus = Resources.of(gpus=len(self.shortage.gpus))
        short = self.shortage
        return Resources(short.cpus, short.mem, short.disk, gpus.gpus, short.ports)


def programs(book: Book, server: Server) -> Iterator[Program]:
    """One for each set of seats that have to do with one another; none that cannot begin yet."""
    holders = book.holders(server.agent_id)
    groups: list[tuple[dict[str, Job], list[tuple[Job, tuple[GpuId, ...]]]]] = []
    for job_id, seat in server.seats.items():
        job = book.jobs[job_id]
        if not _may_enter(job, seat, book.now):
            continue
        victims = {holders[gpu_id].job_id: holders[gpu_id] for gpu_id in seat if gpu_id in holders}
        joined = [group for group in groups if victims.keys() & group[0].keys()]
        entering = [each for group in joined for each in group[1]]
        everyone = {job_id: job for group in joined for job_id, job in group[0].items()}
        groups = [group for group in groups if group not in joined]
        groups.append((everyone | victims, [*entering, (job, seat)]))
    for all_victims, entering in groups:
        yield _program(tuple(all_victims.values()), tuple(entering))


def _may_enter(job: Job, seat: Sequence[GpuId], now: float) -> bool:
    if job.ready_at > now:
        return False
    if job.lives:
        return job.is_suspended and not job.is_leaving and tuple(seat) == job.gpu_ids
    return not job.ending


def _program(
    victims: tuple[Job, ...], entering: tuple[tuple[Job, tuple[GpuId, ...]], ...]
) -> Program:
    needs = total(_need(job, seat) for job, seat in entering)
    gives = total(Resources(cpus=job.resources.cpus, gpus=shares(job.gpu_ids)) for job in victims)
    return Program(victims, entering, needs.without(gives), frees_cpus=needs.cpus > 0)


def _need(job: Job, seat: tuple[GpuId, ...]) -> Resources:
    if job.lives:
        return Resources(cpus=job.resources.cpus if job.gave_cpus else 0, gpus=shares(seat))
    whole = job.resources
    return Resources(whole.cpus, whole.mem, whole.disk, shares(seat), whole.ports)


def can_begin(program: Program) -> bool:
    """Whether each victim can hear the order; one that cannot be suspended is ended instead."""
    return all(job.may_be_stopped and not job.is_stuck for job in program.victims)


def operations(book: Book, chosen: Sequence[Program]) -> tuple[Operation, ...]:
    """What the accept says; from now on the jobs are on their way."""
    settings = book.settings
    said: list[Operation] = []
    for program in chosen:
        for job in program.victims:
            job.turn, job.turned_at = Turn.OUT, book.now
            if job.asked_since is None or job.asked_step != job.progress.step:
                job.asked_since, job.asked_step = book.now, job.progress.step
            job.gave_cpus = program.frees_cpus
            rest_s = settings.rest_s
            said.append(
                Suspend(job.task_id, program.frees_cpus, rest_s + 10.0, REST_SIGNAL, rest_s)
            )
            book.touch(job)
        for job, seat in program.entering:
            if job.lives:
                job.turn, job.turned_at = Turn.IN, book.now
                said.append(Resume(job.task_id))
            else:
                uuid = book.new_launch_uuid()
                said.append(Launch(job.launched(uuid, seat, book.wall), uuid))
            begin_slice(book, job)
    return tuple(said)


def tasks_of(chosen: Sequence[Program]) -> tuple[str, ...]:
    """Those that live already."""
    living = [job for program in chosen for job, _ in program.entering if job.lives]
    return tuple(job.task_id for program in chosen for job in (*program.victims, *living))
