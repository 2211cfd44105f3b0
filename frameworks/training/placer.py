"""Finds a server for each job that has none, and moves jobs to where a GPU became free.

On a departure, as in the Gandiva paper: what became free first lowers the highest oversubscription,
then starts a queued job, then brings a job to where it belongs. It sees free GPUs as offers only.
"""

from collections.abc import Iterator, Mapping

from fairlead.common.ids import AgentId
from fairlead.common.jobs import JobState
from fairlead.common.values import AllOf, Comparison, Constraints, Predicate

from .book import Book
from .jobs import Job
from .placement import Candidate, Way, place
from .programs import programs
from .rooms import Room
from .servers import Server, Servers

Rooms = Mapping[AgentId, Room]


class Placer:
    """Shares out what is on offer among servers; who runs there is for `Servers.take_turns`."""

    def __init__(self, book: Book, servers: Servers) -> None:
        self._book = book
        self._servers = servers

    def share_out(self, rooms: Rooms) -> None:
        """In the order in which jobs have a claim."""
        self._arrivals(rooms)
        for agent_id, room in rooms.items():
            for program in programs(self._book, self._servers.by_id[agent_id]):
                if program.shortage and room.take(program.wanted):
                    room.is_awaited = True
        self._lower(rooms)
        self._queue(rooms)
        self._relocate(rooms)

    # --- jobs on their way

    def _arrivals(self, rooms: Rooms) -> None:
        for job in list(self._book.live()):
            room = rooms.get(job.target)
            if not job.target or not job.is_wanted:
                continue
            if not job.lives:
                self._arrive(job, self._servers.by_id.get(job.target))
                if room is not None:
                    room.take(job.resources)
            elif room is not None and room.reserve(job.resources) is not None:
                room.is_awaited = True

    def _arrive(self, job: Job, server: Server | None) -> None:
        job.unplace()
        if server is not None:
            self._settle(job, server)

    def _settle(self, job: Job, server: Server) -> None:
        """It belongs to this server from now on, and begins level with who is least ahead there."""
        affinity = self._servers.affinity(server.agent_id) or job.size
        job.place(server.agent_id, server.hostname, server.name, affinity)
        self._servers.level(job)
        self._book.touch(job)

    # --- a GPU became free

    def _lower(self, rooms: Rooms) -> None:
        for room in rooms.values():
            claimed: dict[str, Job] = {}
            while room.whole() and (found := self._most_loaded(room, claimed)) is not None:
                server, job = found
                claimed[job.job_id] = job
                self._give(room, server, job)

    def _most_loaded(self, room: Room, claimed: Mapping[str, Job]) -> tuple[Server, Job] | None:
        loads = []
        for server in self._servers.by_id.values():
            more = len(room.gpu_ids) if server.agent_id == room.agent_id else 0
            load = self._servers.load(server.agent_id, more)
            if load > 1 and (jobs := list(self._movable(server, room, claimed))):
                loads.append((load, server, jobs))
        if not loads:
            return None
        _, server, jobs = max(loads, key=lambda each: each[0])
        now = self._book.now
        return server, min(jobs, key=lambda job: (-job.priority, job.lives, job.virtual_at(now)))

    def _movable(self, server: Server, room: Room, claimed: Mapping[str, Job]) -> Iterator[Job]:
        """Jobs that wait for a turn there, and could run here."""
        for job in self._book.on(server.agent_id):
            waits = job.is_suspended or (not job.lives and job.ready_at <= self._book.now)
            is_free = waits and job.is_wanted and not job.is_leaving and not job.target
            is_about_to_run = job.lives and job.job_id in server.seats
            fits = job.size and room.left.contains(job.resources)
            if is_free and fits and not is_about_to_run and job.job_id not in claimed:
                yield job

    def _give(self, room: Room, source: Server, job: Job) -> None:
        here = self._servers.by_id[room.agent_id]
        before = self._servers.load(source.agent_id)
        if source is here:
            room.take(job.resources)
            return
        numbers = f"the load of {source.title} was {before:.2f}"
        if job.lives:
            room.reserve(job.resources)
            room.is_awaited = True
            job.target = room.agent_id
            self._book.move(job, f"moves to {here.title}, where a GPU is free: {numbers}")
            job.migrations += 1
            return
        room.take(job.resources)
        self._settle(job, here)
        after = self._servers.load(source.agent_id)
        self._book.note(job, f"goes to {here.title} instead: {numbers}, and is {after:.2f}")

    # --- the queue

    def _queue(self, rooms: Rooms) -> None:
        for job in sorted(self.queued(), key=lambda job: (-job.priority, job.number)):
            may_share = job.waits_since + self._book.settings.patience_s <= self._book.now
            candidates = [
                self._candidate(job, each, rooms) for each in self._servers.by_id.values()
            ]
            if not job.size:
                found = _smallest(candidates)
            else:
                found = place(job.size, candidates, may_share=may_share)
            if found is None:
                self._waits(job)
                continue
            chosen, way = found
            server = self._servers.by_id[chosen.agent_id]
            self._settle(job, server)
            if way is not Way.SHARED:
                rooms[chosen.agent_id].take(job.resources)
            job.message = "" if way is not Way.SHARED else "waits for its turn"
            load = (chosen.wanted + job.size, chosen.gpus)
            self._book.note(
                job,
                f"placed on {server.title}, a server {way.value}: its jobs want"
                f" {chosen.wanted} of {chosen.gpus} GPUs before, {load[0]} of {load[1]} with it",
            )

    def queued(self) -> Iterator[Job]:
        """Jobs that want a server now."""
        for job in self._book.live():
            is_free = not job.lives and not job.agent_id and not job.ending
            if is_free and job.is_wanted and job.ready_at <= self._book.now:
                yield job

    def _candidate(self, job: Job, server: Server, rooms: Rooms) -> Candidate:
        agent_id = server.agent_id
        room = rooms.get(agent_id)
        return Candidate(
            agent_id,
            server.gpus,
            self._servers.held(agent_id),
            self._servers.wanted(agent_id),
            self._servers.affinity(agent_id),
            room is not None and room.left.contains(job.resources),
        )

    def _waits(self, job: Job) -> None:
        if job.size > self._servers.largest > 0:
            largest = self._servers.largest
            text = f"needs {job.size} GPUs on one server; the largest seen has {largest}"
        else:
            text = f"waits for an offer of {job.resources}"
        if job.message != text:
            job.message = text
            self._book.note(job, text)

    # --- locality

    def misplaced(self) -> Job | None:
        """One that runs where jobs of another size belong; only while nobody waits."""
        if any(server.is_contended for server in self._servers.by_id.values()):
            return None
        if any(job.target for job in self._book.live()) or any(self.queued()):
            return None
        settled = self._book.now - self._book.settings.relocate_s
        for job in self._book.live():
            is_elsewhere = job.size and self._servers.affinity(job.agent_id) != job.size
            if is_elsewhere and job.may_be_stopped and (job.since or 0.0) <= settled:
                return job
        return None

    def elsewhere(self, job: Job) -> Constraints:
        """The servers that have no other affinity than the job's own."""
        unfit = [each for each in self._servers.by_id.values() if not self._suits(each, job)]
        names = [
            ("name", each.name) if each.name else ("hostname", each.hostname) for each in unfit
        ]
        return Constraints(
            (AllOf(tuple(Predicate(a, Comparison.NOT_EQUALS, (n,)) for a, n in names)),)
        )

    def _suits(self, server: Server, job: Job) -> bool:
        return self._servers.affinity(server.agent_id) in (0, job.size)

    def _relocate(self, rooms: Rooms) -> None:
        job = self.misplaced()
        if job is None:
            return
        for room in rooms.values():
            server = self._servers.by_id[room.agent_id]
            if self._suits(server, job) and room.reserve(job.resources) is not None:
                room.is_awaited = True
                job.target = room.agent_id
                affinity = self._servers.affinity(job.agent_id)
                rate = f"{job.progress.rate:.3g} steps/s here"
                why = f"moves to {server.title}: it runs among jobs of {affinity} GPUs, {rate}"
                self._book.move(job, why)
                job.migrations += 1
                return

    # --- servers that have nothing left

    def abandon(self, rooms: Rooms) -> None:
        """Whoever waits where the framework has no GPU any more goes back to the queue."""
        for server in self._servers.by_id.values():
            jobs = [job for job in self._book.on(server.agent_id) if job.size]
            is_unclear = any(job.lives and job.heard is None for job in jobs)
            if is_unclear or server.hopes or self._book.holders(server.agent_id):
                continue
            for job in jobs:
                if server.agent_id in rooms or job.target or not job.is_wanted:
                    continue
                if job.is_suspended and not job.is_leaving:
                    self._book.move(job, f"{server.title} has no GPU for it any more")
                elif not job.lives:
                    job.unplace()
                    job.state = JobState.QUEUED
                    self._book.touch(job)


def _smallest(candidates: list[Candidate]) -> tuple[Candidate, Way] | None:
    """For a job without GPUs: where GPUs are fewest."""
    room = [each for each in candidates if each.has_room]
    if not room:
        return None
    return min(room, key=lambda each: (each.gpus, each.wanted, each.agent_id)), Way.RELAXED
