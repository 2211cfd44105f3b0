"""The training framework's scheduler: events in, accepts and records out; pure, like every core.

Each part has a page of its own: what clients ask (`orders`), what becomes of copies (`copies`),
where jobs go (`placer`, `placement`), whose turn it is (`servers`, `slices`), and how a turn is
said to the master (`programs`). This one joins them: after each event it plans anew from what is
known, so that nothing has to be remembered of a plan that did not come about.

**Never two living copies.** A copy is recorded before its launch leaves, and a job gets another
only when the terminal status of the last one has come. A migration is two such phases: the copy
here ends, having saved itself, and then one is launched there. While an agent is unreachable its
jobs wait. What a crash leaves half done is recorded (`MIGRATING`, `CANCELLING`, a pause), and the
next life orders it again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fairlead.common.ids import FrameworkId, Role, TaskId
from fairlead.common.jobs import JobRecord, JobView
from fairlead.common.messages import Accept, Decline, Reconcile
from fairlead.common.resources import EMPTY
from fairlead.common.sizes import MAX_ACCEPT_BYTES, task_bytes
from fairlead.common.values import Demand, FrameworkInfo, RoleDemand, RoleWish
from fairlead.frameworks.kit.scheduler import (
    CallRefused,
    Disconnected,
    OffersLost,
    OffersReceived,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Subscribed,
)

from .book import Book
from .copies import Copies
from .events import Asked, Forget, Progressed, TrainingSettings
from .jobs import Job
from .orders import Orders
from .placer import Placer, Rooms
from .programs import Program, can_begin, operations, programs, tasks_of
from .rooms import Offers, Room
from .servers import Server, Servers

NAME = "training"
FAILOVER_S = 86400.0
RETRY_S = 1.0
"""After a refusal, before anything more is said to that agent."""


class TrainingScheduler(SchedulerBase):
    """Jobs share GPUs by slices, and come to where GPUs are."""

    def __init__(
        self,
        instance_uuid: str,
        checkpoints: str,
        settings: TrainingSettings | None = None,
        *,
        address: str = "",
        role: str = "default",
        wall_offset_s: float = 0.0,
    ) -> None:
        """`wall_offset_s`: what must be added to `now` for the time that people read."""
        self._role = Role(role)
        self.framework = FrameworkInfo(
            FrameworkId(""),
            NAME,
            roles=(self._role,),
            failover_timeout_s=FAILOVER_S,
            capabilities=("gpus",),
            address=address,
        )
        self.settings = settings or TrainingSettings()
        self._book = Book(instance_uuid, self.settings, checkpoints, wall_offset_s)
        self._servers = Servers(self._book)
        self._offers = Offers()
        self._copies = Copies(self._book, self._servers.vacated)
        self._orders = Orders(self._book)
        self._placer = Placer(self._book, self._servers)
        self._is_connected = self._has_asked = False
        self._due: float | None = None
        self._handlers: Mapping[type, Callable[[Any], None]] = {
            Subscribed: self._subscribed,
            Disconnected: self._disconnected,
            OffersReceived: self._offered,
            OffersLost: lambda event: self._offers.remove(event.offer_ids),
            StatusReceived: lambda event: self._copies.followed(event.status),
            CallRefused: self._refused,
            Asked: self._orders.asked,
            Forget: self._forget,
        }
        self._want()

    @classmethod
    def restore(
        cls,
        instance_uuid: str,
        checkpoints: str,
        records: Mapping[str, object],
        settings: TrainingSettings | None = None,
        *,
        address: str = "",
        role: str = "default",
        wall_offset_s: float = 0.0,
        is_successor: bool = True,
    ) -> "TrainingScheduler":
        """As it was when its last Record became durable. `is_successor`: the master knows the
        copies of the life before as ours; else they have ended with the id that they were under.
        """
        scheduler = cls(
            instance_uuid,
            checkpoints,
            settings,
            address=address,
            role=role,
            wall_offset_s=wall_offset_s,
        )
        found = [item for item in records.values() if isinstance(item, JobRecord)]
        for record in sorted(found, key=lambda each: each.number):
            job = Job.restore(record)
            scheduler._book.add(job)
            if job.lives and not is_successor:
                scheduler._copies.orphaned(job)
            scheduler._servers.remembered(job)
        scheduler._want()
        return scheduler

    # --- for the service

    def views(self, now: float) -> list[JobView]:
        """All jobs, in the order of their submission."""
        return [job.view(now) for job in self._book.jobs.values()]

    def view(self, job_id: str, now: float) -> JobView | None:
        job = self._book.jobs.get(job_id)
        return job.view(now) if job is not None else None

    def watched(self) -> list[tuple[str, str]]:
        """The jobs whose progress is of interest, and their directories."""
        return [(job.job_id, job.directory) for job in self._book.live() if job.lives]

    def ended(self) -> list[tuple[str, str]]:
        """The jobs that are over, and their directories."""
        jobs = self._book.jobs.values()
        return [(job.job_id, job.directory) for job in jobs if job.is_over]

    # --- for the driver

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        """Take in what has happened, then plan anew."""
        self._book.now = now
        if isinstance(event, Progressed):
            if self._copies.progressed(event):
                self._go_on()
        else:
            if (handler := self._handlers.get(type(event))) is not None:
                handler(event)
            self._go_on()
        return self._book.take_orders()

    def _go_on(self) -> None:
        """Plan anew; it has something to do again when the first of all deadlines has come."""
        self._copies.expire()
        if self._is_connected:
            self._plan()
        self._want()
        later = (at for at in self._deadlines() if at is not None and at > self._book.now)
        self._due = min(later, default=None)

    def next_deadline(self) -> float | None:
        return self._due

    def _deadlines(self) -> Iterator[float | None]:
        settings = self.settings
        for server in self._servers.by_id.values():
            yield server.strikes_at if server.is_contended else None
            yield server.retry_at
            yield from server.hopes.values()
        for room in self._offers.rooms().values():
            yield self._offers.since(room) + settings.hold_s
        for job in self._book.live():
            yield from (job.ready_at, job.back_at)
            yield job.short_since + settings.hold_s if job.short_since is not None else None
            yield self._copies.hook_deadline(job)
            yield job.waits_since + settings.patience_s
            yield job.turned_at + settings.switch_timeout_s if job.turn is not None else None
            yield job.since + settings.relocate_s if job.since is not None else None

    # --- what happens

    def _subscribed(self, event: Subscribed) -> None:
        del event
        self._is_connected = True
        living = [job for job in self._book.live() if job.lives]
        for job in living:
            job.turn = None  # what was ordered may not have arrived; its status will tell
        if self._has_asked:
            return
        self._has_asked = True
        if living:
            self._book.order(Reconcile(tuple(job.ref for job in living)))
        for job in living:
            if job.is_leaving:
                self._book.end_copy(job, "is ended, as it was to be before a restart")
        self._copies.look_again()

    def _disconnected(self, event: Disconnected) -> None:
        del event
        self._is_connected = False

    def _offered(self, event: OffersReceived) -> None:
        for offer in event.offers:
            self._offers.add(offer, self._book.now)
            self._servers.seen(offer)

    def _refused(self, event: CallRefused) -> None:
        if not isinstance(event.call, Accept):
            return
        for task_id in event.call.task_ids:
            job = self._book.of_task(task_id)
            if job is not None and job.turn is not None:
                job.turn = None
                self._book.note(job, f"its turn was refused: {event.result.message}")
                if (server := self._servers.by_id.get(job.agent_id)) is not None:
                    server.retry_at = self._book.now + RETRY_S

    def _forget(self, event: Forget) -> None:
        for job_id in event.job_ids:
            self._book.forget(job_id)

    # --- the plan

    def _plan(self) -> None:
        rooms = self._offers.rooms()
        self._placer.share_out(rooms)
        for agent_id, server in self._servers.by_id.items():
            room = rooms.get(agent_id)
            self._servers.take_turns(server, room.gpu_ids if room is not None else ())
            self._make_way(server)
            if server.retry_at <= self._book.now:
                self._say(server, room)
        self._placer.abandon(rooms)
        self._decline(rooms)
        self._servers.forget_empty(list(self._offers.rooms()))

    def _make_way(self, server: Server) -> None:
        """Who can only run on other devices moves; who cannot be suspended is ended instead."""
        for job_id, seat in server.seats.items():
            job = self._book.jobs[job_id]
            if job.is_suspended and not job.is_leaving and seat != job.gpu_ids:
                here, there = ", ".join(job.gpu_ids), ", ".join(seat)
                is_free = not self._book.holders(server.agent_id).keys() & {*seat}
                why = "that is free" if is_free else self._standing(job)
                self._book.move(job, f"moves from {here} to {there}: {why}")
                job.migrations += 1
        for program in programs(self._book, server):
            for job in program.victims:
                if job.is_stuck and job.may_be_stopped:
                    self._book.move(job, "cannot be suspended, so its slice ends with its copy")

    def _standing(self, job: Job) -> str:
        behind_s = self._servers.behind(job)
        where = "behind" if behind_s >= 0 else "ahead of"
        return f"{abs(behind_s):.1f} s {where} the average there"

    def _say(self, server: Server, room: Room | None) -> None:
        """Programs that need no offer go by themselves, the others together with what there is."""
        left = room.resources if room is not None else EMPTY
        together: list[Program] = []
        size = 0
        for program in list(programs(self._book, server)):
            if not can_begin(program):
                continue
            if not program.shortage:
                self._accept([program], None)
                continue
            size += sum(task_bytes(job.call.task) for job, _ in program.entering if not job.lives)
            if left.contains(program.shortage) and size <= MAX_ACCEPT_BYTES:
                left -= program.shortage
                together.append(program)
                continue
            for job, _ in program.entering:
                self._short(server, job, program)
        if together:
            self._accept(together, room)

    def _short(self, server: Server, job: Job, program: Program) -> None:
        """A seat that cannot be taken is not kept from others for long."""
        job.message = f"its turn waits for {program.shortage} on {server.hostname}"
        if job.lives:
            return
        now, settings = self._book.now, self.settings
        if job.short_since is None:
            job.short_since = now
        elif job.short_since + settings.hold_s <= now:
            job.short_since, job.back_at = None, now + settings.slice_s
            self._servers.level(job)
            self._book.note(job, f"leaves its turn to others: {job.message}")

    def _accept(self, chosen: Sequence[Program], room: Room | None) -> None:
        offer_ids = tuple(offer.offer_id for offer in room.offers) if room is not None else ()
        task_ids = tuple(map(TaskId, tasks_of(chosen)))
        said = operations(self._book, chosen)
        self._book.order(Accept(offer_ids, said, task_ids, self.settings.refuse_s))
        self._offers.remove(offer_ids)

    def _decline(self, rooms: Rooms) -> None:
        for room in self._offers.rooms().values():
            planned = rooms[room.agent_id]
            since = self._offers.since(room)
            is_awaited = planned.is_awaited or planned.gpu_ids
            if not is_awaited or since + self.settings.hold_s <= self._book.now:
                offer_ids = tuple(offer.offer_id for offer in room.offers)
                self._book.order(Decline(offer_ids, self.settings.refuse_s))
                self._offers.remove(offer_ids)

    # --- what is wanted

    def _want(self) -> None:
        """What could be used now, and nothing at all while there is none."""
        demands: dict[Demand, int] = {}
        for demand in self._demands():
            demands[demand] = demands.get(demand, 0) + 1
        stated = tuple(
            Demand(each.each, count, each.constraints) for each, count in demands.items()
        )
        self.demands = (RoleDemand(self._role, stated),)
        self.wishes = (RoleWish(self._role, suppressed=not stated),)

    def _demands(self) -> Iterator[Demand]:
        seated: dict[str, None] = {}
        for server in self._servers.by_id.values():
            for program in programs(self._book, server):
                if program.shortage and can_begin(program):
                    yield Demand(program.wanted, 1, server.constraints)
            seated.update(dict.fromkeys(server.seats))
        for job in self._book.live():
            if job.target:
                server = self._servers.by_id[job.target]
                yield Demand(job.resources, 1, server.constraints)
            elif self._waits(job) and not (job.lives and job.job_id in seated):
                yield Demand(job.resources)
        yield from (Demand(job.resources) for job in self._placer.queued())
        if (misplaced := self._placer.misplaced()) is not None:
            yield Demand(misplaced.resources, 1, self._placer.elsewhere(misplaced))

    def _waits(self, job: Job) -> bool:
        """For GPUs of its own, on a server where others have them."""
        is_ready = job.is_suspended or (not job.lives and job.ready_at <= self._book.now)
        is_placed = job.size and job.agent_id and job.is_wanted
        return bool(is_placed and is_ready and not job.is_leaving)
