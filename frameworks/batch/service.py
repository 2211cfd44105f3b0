"""The batch service: leases warm workers to drivers. Shared by all Executors of a cluster's user.

It passes on who serves whom and never sees a call. Where workers come from is a `WorkerSource`'s
affair: through offers in a cluster, plain processes in tests.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import Resources

from .async_channel import AsyncChannel, ChannelListener
from .exits import Exit
from .frames import CONTROL_LIMIT, Frame
from .keys import worker_key
from .pool import IDLE_S, Pool
from .pool_events import (
    Action,
    AskBack,
    DriverJoined,
    DriverLeft,
    DriverWants,
    EndLease,
    Event,
    Lease,
    Release,
    Tick,
    Want,
    WorkerFreed,
    WorkerJoined,
    WorkerLost,
)
from .protocol import DRIVER, VERSION, WORKER, Kind
from .sizes import size_from_fields

if TYPE_CHECKING:
    from ssl import SSLContext

logger = logging.getLogger(__name__)

_MOST_WAITING_BYTES = 16 << 20
"""A driver or worker that does not read what it is told is not kept."""

PING_S = 2.0
_FROZEN_PINGS = 5
"""A worker that leaves so many unanswered is given up. (So a stall of this service counts once.)"""
REDIAL_S = 5.0
"""A worker whose connection was lost during a lease dials again within this, or is given up."""


class WorkerSource(Protocol):
    """Makes workers: tasks that run `worker_command` beside the file that `worker_pass` makes."""

    def want(self, size: Resources, count: int) -> None:
        """Let there be no fewer workers of this size, as soon as possible."""

    def joined(self, worker: str, size: Resources) -> None:
        """It has dialled in; perhaps again, or one that an earlier service had."""

    def left(self, worker: str) -> None:
        """Its connection has ended."""

    def release(self, worker: str) -> None:
        """It was told to exit; see to it, and do not replace it."""

    def kill(self, worker: str) -> None:
        """It has stopped answering: end it, and replace it."""


@dataclass(slots=True)
class _Driver:
    channel: AsyncChannel
    address: str
    key: str
    size: Resources


@dataclass(slots=True)
class _Worker:
    channel: AsyncChannel
    leases: int
    job: str | None
    has_ended: Exit | None = None
    unanswered_pings: int = 0
    away: asyncio.TimerHandle | None = None
    """Its connection is lost, its lease is not: when this rings, it is."""


class BatchService:
    """Runs in one event loop; `key` is `keys.service_key` of the cluster's token."""

    def __init__(
        self,
        source: WorkerSource,
        key: bytes,
        *,
        idle_s: float = IDLE_S,
        context: "SSLContext | None" = None,
    ) -> None:
        self._source = source
        self._key = key
        self._pool = Pool(idle_s)
        self._drivers: dict[str, _Driver] = {}
        self._workers: dict[str, _Worker] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._pinging: asyncio.TimerHandle | None = None
        self._listener = ChannelListener(
            self._find_key, self, limit=CONTROL_LIMIT, read_size=1 << 12, context=context
        )

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the address, for drivers and workers alike."""
        self._ping_later()
        return await self._listener.listen(host, port)

    async def stop(self) -> None:
        """Hang up on everybody; leases go on, workers look for a successor for a while."""
        await self._listener.stop()
        for worker in self._workers.values():
            _stay(worker)
        for timer in (self._tick, self._pinging):
            if timer is not None:
                timer.cancel()

    @property
    def drivers(self) -> int:
        """How many are here."""
        return len(self._drivers)

    def worker_ended(self, worker: str, how: Exit) -> None:
        """For the source: its task has ended."""
        ended = self._workers.get(worker)
        if ended is None:
            return
        ended.has_ended = how
        if ended.away is not None:
            self._lose(worker, how)
        else:
            ended.channel.close()

    def size_unavailable(self, size: Resources, message: str) -> None:
        """For the source: no agent can hold such a worker; drivers fail their calls with this."""
        for driver in list(self._drivers.values()):
            if driver.size == size:
                driver.channel.send(Kind.UNAVAILABLE, {"message": message})

    # The pool

    def _step(self, event: Event) -> None:
        loop = asyncio.get_running_loop()
        for action in self._pool.step(event, loop.time()):
            self._perform(action)
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        deadline = self._pool.next_deadline()
        if deadline is not None:
            self._tick = loop.call_at(deadline, self._step, Tick())

    def _perform(self, action: Action) -> None:
        match action:
            case Want(size, count):
                self._source.want(size, count)
            case Lease(worker, job):
                self._start_lease(self._workers[worker], job, self._drivers[job])
            case EndLease(worker):
                self._tell(self._workers[worker].channel, Kind.END, {})
            case AskBack(job, count):
                self._tell(self._drivers[job].channel, Kind.GIVE_BACK, {"count": count})
            case Release(worker):
                self._tell(self._workers[worker].channel, Kind.EXIT, {})
                self._source.release(worker)

    def _start_lease(self, worker: _Worker, job: str, driver: _Driver) -> None:
        worker.leases += 1
        worker.job = job
        fields = {"number": worker.leases, "address": driver.address, "key": driver.key}
        self._tell(worker.channel, Kind.LEASE, {"job": job, **fields})

    def _tell(self, channel: AsyncChannel, kind: Kind, fields: Mapping[str, Any]) -> None:
        if channel.waiting_bytes > _MOST_WAITING_BYTES:
            logger.warning("batch.slow_peer identity=%s", channel.identity)
            channel.close()
        else:
            channel.send(kind, fields)

    # Connections

    def _find_key(self, identity: str) -> bytes | None:
        if identity.startswith(DRIVER):
            return self._key
        if identity.startswith(WORKER):
            return worker_key(self._key, identity.removeprefix(WORKER))
        return None

    def opened(self, channel: AsyncChannel, /) -> None:
        """It says hello next."""

    def received(self, channel: AsyncChannel, frames: Sequence[Frame], /) -> None:
        for frame in frames:
            kind = Kind(frame.kind)
            if channel.identity.startswith(WORKER):
                self._on_worker(channel, channel.identity.removeprefix(WORKER), kind, frame.fields)
            else:
                self._on_driver(channel, channel.identity.removeprefix(DRIVER), kind, frame.fields)

    def closed(self, channel: AsyncChannel, error: Exception | None, /) -> None:
        name = channel.identity.removeprefix(WORKER).removeprefix(DRIVER)
        logger.info("batch.disconnected identity=%s reason=%s", channel.identity, error)
        if channel.identity.startswith(WORKER):
            worker = self._workers.get(name)
            if worker is not None and worker.channel is channel:
                self._on_worker_away(name, worker)
        else:
            driver = self._drivers.get(name)
            if driver is not None and driver.channel is channel:
                del self._drivers[name]
                self._step(DriverLeft(name))

    # Drivers

    def _on_driver(
        self, channel: AsyncChannel, job: str, kind: Kind, fields: Mapping[str, Any]
    ) -> None:
        match kind:
            case Kind.HELLO:
                self._on_driver_hello(channel, job, fields)
            case Kind.WANTS:
                self._step(DriverWants(job, fields["count"]))
            case Kind.RECALL:
                worker = self._workers.get(fields["worker"])
                if worker is not None and worker.job == job:
                    self._tell(worker.channel, Kind.RECALL, fields)
            case _:
                raise ValueError(f"a driver does not say {kind!r}")

    def _on_driver_hello(self, channel: AsyncChannel, job: str, fields: Mapping[str, Any]) -> None:
        reason = _mismatch(fields)
        if reason:
            channel.send(Kind.REFUSED, {"message": reason})
            channel.close()
            return
        size = size_from_fields(fields["size"])
        if job in self._drivers:
            self._drivers[job].channel.close()  # the older connection is not used any more
        self._drivers[job] = _Driver(channel, fields["address"], fields["key"], size)
        channel.send(Kind.WELCOME, {})
        logger.info("batch.driver_joined job=%s size=%s", job, size)
        self._step(DriverJoined(job, size, fields["max_workers"], fields["wants"]))

    # Workers

    def _ping_later(self) -> None:
        self._pinging = asyncio.get_running_loop().call_later(PING_S, self._ping)

    def _ping(self) -> None:
        for name, worker in list(self._workers.items()):
            if worker.away is None and worker.unanswered_pings >= _FROZEN_PINGS:
                logger.warning("batch.worker_frozen worker=%s", name)
                worker.channel.close()
                self._lose(name, Exit(said="did not answer any more"))
                self._source.kill(name)
            elif worker.away is None:
                worker.unanswered_pings += 1
                self._tell(worker.channel, Kind.PING, {})
        self._ping_later()

    def _on_worker(
        self, channel: AsyncChannel, name: str, kind: Kind, fields: Mapping[str, Any]
    ) -> None:
        if name in self._workers:
            self._workers[name].unanswered_pings = 0
        match kind:
            case Kind.HELLO:
                self._on_worker_hello(channel, name, fields)
            case Kind.PONG:
                pass
            case Kind.ENDED:
                self._on_lease_ended(name, fields)
            case Kind.RECALLED:
                job = self._workers[name].job
                if job in self._drivers:
                    self._tell(self._drivers[job].channel, Kind.RECALLED, fields)
            case _:
                raise ValueError(f"a worker does not say {kind!r}")

    def _on_worker_hello(self, channel: AsyncChannel, name: str, fields: Mapping[str, Any]) -> None:
        size = size_from_fields(fields["size"])
        worker = _Worker(channel, fields["leases"], fields["job"])
        before = self._workers.get(name)
        self._workers[name] = worker
        if before is not None:
            _stay(before)
            before.channel.close()
            if worker.job is None:
                # A lease that it never heard of keeps its number, or two would have the same.
                worker.leases = max(worker.leases, before.leases)
            if worker.job != before.job:
                self._tell_ended(name, before.job, before.leases, Exit().to_fields())
        logger.info("batch.worker_joined worker=%s size=%s", name, size)
        self._source.joined(name, size)
        self._step(WorkerJoined(name, size, worker.job))

    def _on_worker_away(self, name: str, worker: _Worker) -> None:
        """Its lease may well go on: its child's connection is to the driver, not to here."""
        self._source.left(name)
        if worker.job is None or worker.has_ended is not None:
            self._lose(name, worker.has_ended or Exit())
        else:
            loop = asyncio.get_running_loop()
            worker.away = loop.call_later(REDIAL_S, self._lose, name, Exit())

    def _lose(self, name: str, how: Exit) -> None:
        worker = self._workers.pop(name)
        _stay(worker)
        self._tell_ended(name, worker.job, worker.leases, how.to_fields())
        self._step(WorkerLost(name))

    def _on_lease_ended(self, name: str, fields: Mapping[str, Any]) -> None:
        self._tell_ended(name, fields["job"], fields["number"], fields["exit"])
        worker = self._workers[name]
        if worker.leases == fields["number"] and worker.job is not None:
            worker.job = None
            self._step(WorkerFreed(name))

    def _tell_ended(self, name: str, job: str | None, number: int, how: Mapping[str, Any]) -> None:
        if job in self._drivers:
            fields = {"worker": name, "number": number, "exit": how}
            self._tell(self._drivers[job].channel, Kind.ENDED, fields)


def _stay(worker: _Worker) -> None:
    """Do not wait for it any more."""
    if worker.away is not None:
        worker.away.cancel()


def _mismatch(fields: Mapping[str, Any]) -> str:
    """Why this driver cannot be served; empty if it can."""
    if fields["version"] != VERSION:
        return (
            f"this Executor speaks version {fields['version']} of the batch protocol, the service "
            f"version {VERSION}: use the same release of Fairlead for both"
        )
    mine, theirs = list(sys.version_info[:2]), fields["python"]
    if theirs != mine:
        return (
            f"the workers run Python {mine[0]}.{mine[1]}, this program {theirs[0]}.{theirs[1]}: "
            f"functions do not travel between the two; run it with {sys.executable}"
        )
    return ""
