"""What the scheduler knows of each agent that it uses, and whose turn it is on its GPUs.

A server's devices are those that jobs hold there, those on offer, and for a moment those that a job
has just left. While somebody waits its clock strikes once a slice; in between, seats change only
where one became free, or for a higher priority. Who lost its seat runs on until it can be stopped:
how long a program takes to its next mini-batch boundary is taken from the slice of who follows it.
"""

from collections.abc import Sequence
from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, GpuId
from fairlead.common.jobs import JobState
from fairlead.common.resources import counted
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Offer,
    Predicate,
    TaskState,
)

from .book import Book
from .jobs import SLICE, Job
from .slices import Contender, Seats, choose


@dataclass(slots=True)
class Server:
    """An agent, for as long as a job is there or something of it is on offer."""

    agent_id: AgentId
    hostname: str = ""
    name: str = ""
    gpus: int = 0
    """That it has, as far as is known."""
    seats: Seats = field(default_factory=dict)
    strikes_at: float | None = None
    is_contended: bool = False
    """Somebody there waits for a turn."""
    hopes: dict[GpuId, float] = field(default_factory=dict)
    """Devices that were left, and until when they are expected back."""
    retry_at: float = 0.0

    @property
    def title(self) -> str:
        """For people."""
        return self.name or self.hostname

    @property
    def constraints(self) -> Constraints:
        said = {"hostname": self.hostname, "name": self.name}
        predicates = tuple(
            Predicate(attribute, Comparison.EQUALS, (value,))
            for attribute, value in said.items()
            if value
        )
        return Constraints((AllOf(predicates),)) if predicates else Constraints()


class Servers:
    """All of them, by agent."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.by_id: dict[AgentId, Server] = {}
        self.largest = 0
        """GPUs of the largest server that was ever seen."""

    def seen(self, offer: Offer) -> None:
        """Each offer describes its agent."""
        server = self._of(offer.agent_id)
        server.hostname = offer.hostname
        server.name = offer.attributes.get("name", "")
        self.largest = max(self.largest, len(offer.gpus), len(offer.resources.gpus))
        server.gpus = max(server.gpus, len(offer.gpus), len(offer.resources.gpus))

    def remembered(self, job: Job) -> None:
        """After a restart a job's record does."""
        if job.agent_id:
            server = self._of(job.agent_id)
            server.hostname, server.name = job.hostname, job.agent_name
            server.gpus = max(server.gpus, len(job.gpu_ids))

    def vacated(self, agent_id: AgentId, gpu_ids: Sequence[GpuId]) -> None:
        """They are the master's now; whoever is bound to them asks for them."""
        until = self._book.now + self._book.settings.hope_s
        self._of(agent_id).hopes.update(dict.fromkeys(gpu_ids, until))

    def affinity(self, agent_id: AgentId) -> int:
        """The size of the first job that was placed there; 0 while none is."""
        return next((job.affinity for job in self._book.on(agent_id) if job.affinity), 0)

    def wanted(self, agent_id: AgentId) -> int:
        """GPUs, by all jobs there."""
        return sum(job.size for job in self._book.on(agent_id) if job.is_wanted)

    def held(self, agent_id: AgentId) -> int:
        """GPUs, by the framework's own copies there."""
        return len(self._book.holders(agent_id))

    def load(self, agent_id: AgentId, more: int = 0) -> float:
        """Beyond 1 its jobs take turns. `more` GPUs would be there."""
        held = self.held(agent_id) + more
        return self.wanted(agent_id) / held if held else 0.0

    def behind(self, job: Job) -> float:
        """GPU time that it is short of, for its weight, beside the others of its server."""
        now = self._book.now
        times = [each.virtual_at(now) for each in self._book.on(job.agent_id) if each.size]
        return (sum(times) / len(times) - job.virtual_at(now)) * job.weight

    def level(self, job: Job) -> None:
        """It begins beside whoever is least ahead there, and has nothing to make up for."""
        others = [each for each in self._book.on(job.agent_id) if each.size and each is not job]
        least = min((each.virtual_at(self._book.now) for each in others), default=0.0)
        job.virtual_s = least

    # --- turns

    def take_turns(self, server: Server, on_offer: Sequence[GpuId]) -> None:
        """Who is to run there now; at a stroke of its clock, for the next slice."""
        now = self._book.now
        jobs = self._book.on(server.agent_id)
        server.hopes = {g: until for g, until in server.hopes.items() if until > now}
        if any(job.lives and job.heard is None for job in jobs):
            return  # after a restart: whoever has which device is not known yet
        contenders = [each for job in jobs if (each := self._contender(job)) is not None]
        holders = self._book.holders(server.agent_id)
        ours = [gpu_id for gpu_id, job in holders.items() if not job.is_leaving or job.is_stuck]
        devices = list(dict.fromkeys((*on_offer, *ours, *server.hopes)))
        tolerance = self._book.settings.tolerance
        seats = choose(contenders, devices, tolerance, server.seats)
        server.is_contended = len(seats) < len(contenders)
        if not server.is_contended:
            server.strikes_at = None
        elif server.strikes_at is None or server.strikes_at <= now:
            seats = choose(contenders, devices, tolerance)
            self._strike(server, jobs, seats)
        needs_none = (job.job_id for job in jobs if not job.size and not job.lives)
        server.seats = seats | dict.fromkeys(needs_none, ())

    def _strike(self, server: Server, jobs: Sequence[Job], seats: Seats) -> None:
        """A slice begins; the first as soon as somebody waits."""
        slice_s, now = self._book.settings.slice_s, self._book.now
        if server.strikes_at is None:
            server.strikes_at = now + slice_s
            return
        server.strikes_at += slice_s * (int((now - server.strikes_at) / slice_s) + 1)
        for job in jobs:
            if job.held and job.turn is None and job.job_id in seats:
                begin_slice(self._book, job)

    def _contender(self, job: Job) -> Contender | None:
        if not job.size or not job.is_wanted or job.target:
            return None
        is_bound = job.lives and not job.is_leaving
        if job.lives and job.heard in (TaskState.UNREACHABLE, TaskState.KILLING):
            if not job.is_leaving:
                return None
        elif not job.lives and max(job.ready_at, job.back_at) > self._book.now:
            return None
        return Contender(
            job.job_id,
            job.size,
            job.priority,
            job.virtual_at(self._book.now),
            self._book.settings.slice_s / job.weight,
            job.number,
            job.gpu_ids if is_bound else (),
            is_running=is_bound and bool(job.held),
        )

    def _of(self, agent_id: AgentId) -> Server:
        return self.by_id.setdefault(agent_id, Server(agent_id))

    def forget_empty(self, keep: Sequence[AgentId]) -> None:
        """Those without jobs and offers; a hope there is nobody's."""
        live = list(self._book.live())
        used = {each for job in live for each in (job.agent_id, job.target)} | set(keep)
        self.by_id = {each: server for each, server in self.by_id.items() if each in used}


def begin_slice(book: Book, job: Job) -> None:
    """One more turn of this job."""
    job.slices += 1
    gpu_time_s = job.view(book.now).gpu_time_s
    where = ", ".join(job.gpu_ids) or "its server"
    book.note(
        job,
        f"{SLICE}{job.slices} on {where}: {gpu_time_s:.1f} s of GPU time so far,"
        f" {job.progress.rate:.3g} steps/s, {counted(len(_rivals(book, job)), 'job')} there",
    )


def _rivals(book: Book, job: Job) -> list[Job]:
    return [each for each in book.on(job.agent_id) if each.state is not JobState.PAUSED]
