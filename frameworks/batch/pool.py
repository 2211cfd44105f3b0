"""Which warm worker serves which driver: the service's core. It knows nothing of offers.

Drivers say how many workers they could use. Free workers go to the driver that has fewest, so
drivers share evenly. One that waits gets at once what another holds without need; what others use
it gets by and by: after a while the richest give back, until nobody is better off by more than
one. Workers that nobody has needed for a while are released, also those that a driver forgot.

A restarted service learns from the workers whose leases run, and waits a while for those drivers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import Resources

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

IDLE_S = 10.0
"""A new worker takes a fifth of a second, while an idle one keeps its resources from others."""
SHARE_AFTER_S = 2.0
ORPHANED_S = 30.0


@dataclass(slots=True)
class _Driver:
    job: str
    size: Resources
    max_workers: int
    wants: int
    held: dict[str, None] = field(default_factory=dict)
    asked: int = 0
    """Of the held ones, how many it was asked to give back."""
    waiting_since: float | None = None
    easy_since: float | None = None
    """Since when it has held more than it wants."""

    @property
    def kept(self) -> int:
        return len(self.held) - self.asked

    @property
    def lacks(self) -> int:
        return max(self.wants - len(self.held), 0)

    @property
    def spare(self) -> int:
        return max(self.kept - self.wants, 0)


@dataclass(slots=True)
class _Worker:
    name: str
    size: Resources
    since: float
    job: str | None = None
    is_ending: bool = False


class Pool:
    """The workers that exist, the drivers that are here, and who has whom."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._drivers: dict[str, _Driver] = {}
        self._workers: dict[str, _Worker] = {}
        self._wanted: dict[Resources, int] = {}
        self._now = 0.0

    def step(self, event: Event, now: float) -> list[Action]:
        """The only door."""
        self._now = now
        actions: list[Action] = []
        match event:
            case DriverJoined():
                self._on_driver_joined(event)
            case DriverWants(job, count):
                if job in self._drivers:
                    self._drivers[job].wants = min(count, self._drivers[job].max_workers)
            case DriverLeft(job):
                actions += self._on_driver_left(job)
            case WorkerJoined():
                self._on_worker_joined(event)
            case WorkerFreed(worker):
                self._free(worker)
            case WorkerLost(worker):
                self._free(worker)
                self._workers.pop(worker, None)
            case Tick():
                pass
        actions += self._lease()
        self._note_times()
        actions += self._ask_back()
        actions += self._release()
        actions += self._tell_wants()
        return actions

    def next_deadline(self) -> float | None:
        """When a Tick will have something to do."""
        return min((at for at in self._deadlines() if at > self._now), default=None)

    def check(self) -> None:
        """Each worker is held by at most one driver, and both sides know it."""
        held = [(name, driver.job) for driver in self._drivers.values() for name in driver.held]
        assert len(held) == len(dict(held))
        for name, job in held:
            assert self._workers[name].job == job
        for driver in self._drivers.values():
            assert 0 <= driver.asked <= len(driver.held)
            assert all(self._workers[name].size == driver.size for name in driver.held)
            assert not driver.lacks or not self._idle(driver.size)

    # Events

    def _on_driver_joined(self, event: DriverJoined) -> None:
        wants = min(event.wants, event.max_workers)
        driver = _Driver(event.job, event.size, event.max_workers, wants)
        for worker in self._workers.values():
            if worker.job == event.job and not worker.is_ending:
                driver.held[worker.name] = None
        self._drivers[event.job] = driver

    def _on_driver_left(self, job: str) -> Iterator[Action]:
        driver = self._drivers.pop(job, None)
        for name in driver.held if driver else ():
            yield self._end(self._workers[name])

    def _on_worker_joined(self, event: WorkerJoined) -> None:
        self._free(event.worker)
        worker = _Worker(event.worker, event.size, self._now, event.job)
        self._workers[event.worker] = worker
        driver = self._drivers.get(event.job or "")
        if driver is not None:
            driver.held[event.worker] = None

    def _free(self, name: str) -> None:
        worker = self._workers.get(name)
        if worker is None or worker.job is None:
            return
        driver = self._drivers.get(worker.job)
        if driver is not None and name in driver.held:
            del driver.held[name]
            driver.asked = max(driver.asked - 1, 0)
        worker.job = None
        worker.is_ending = False
        worker.since = self._now

    # What follows from them

    def _lease(self) -> Iterator[Action]:
        for size in self._sizes():
            # The one used last is the warmest.
            idle = sorted(self._idle(size), key=lambda worker: worker.since)
            while idle:
                driver = min(self._lacking(size), key=lambda d: len(d.held), default=None)
                if driver is None:
                    break
                worker = idle.pop()
                worker.job = driver.job
                driver.held[worker.name] = None
                yield Lease(worker.name, driver.job)

    def _note_times(self) -> None:
        for driver in self._drivers.values():
            driver.waiting_since = _since(driver.waiting_since, driver.lacks > 0, self._now)
            driver.easy_since = _since(driver.easy_since, driver.spare > 0, self._now)

    def _ask_back(self) -> Iterator[Action]:
        for size in self._sizes():
            drivers = [driver for driver in self._drivers.values() if driver.size == size]
            given = sum(driver.asked for driver in drivers)
            missing = sum(driver.lacks for driver in drivers) - given
            for driver in drivers:
                is_old = _is_past(driver.easy_since, self._idle_s, self._now)
                count = driver.spare if is_old else min(driver.spare, max(missing, 0))
                if count:
                    missing -= count
                    yield self._ask(driver, count)
            yield from self._share(drivers)

    def _share(self, drivers: list[_Driver]) -> Iterator[Action]:
        """From the richest to those that have waited long."""
        after = {driver.job: driver.kept for driver in drivers}
        on_the_way = sum(driver.asked for driver in drivers)
        for poor in sorted(drivers, key=lambda driver: len(driver.held)):
            if not _is_past(poor.waiting_since, SHARE_AFTER_S, self._now):
                continue
            for _ in range(poor.lacks):
                if on_the_way:
                    on_the_way -= 1
                    after[poor.job] += 1
                    continue
                rich = max(drivers, key=lambda driver: after[driver.job])
                if after[rich.job] - after[poor.job] < 2:
                    break
                after[rich.job] -= 1
                after[poor.job] += 1
                yield self._ask(rich, 1)

    def _ask(self, driver: _Driver, count: int) -> Action:
        driver.asked += count
        return AskBack(driver.job, count)

    def _release(self) -> Iterator[Action]:
        for worker in list(self._workers.values()):
            if worker.job is None and _is_past(worker.since, self._idle_s, self._now):
                del self._workers[worker.name]
                yield Release(worker.name)
            elif self._is_orphan(worker) and _is_past(worker.since, ORPHANED_S, self._now):
                yield self._end(worker)

    def _end(self, worker: _Worker) -> Action:
        worker.is_ending = True
        return EndLease(worker.name)

    def _tell_wants(self) -> Iterator[Action]:
        for size in self._sizes():
            count = sum(d.wants for d in self._drivers.values() if d.size == size)
            if count != self._wanted.get(size, 0):
                self._wanted[size] = count
                yield Want(size, count)
        for size in [size for size, count in self._wanted.items() if not count]:
            del self._wanted[size]

    # The books

    def _sizes(self) -> list[Resources]:
        """Those of drivers, and those wanted until now; each once, in order."""
        return list(dict.fromkeys([*(d.size for d in self._drivers.values()), *self._wanted]))

    def _idle(self, size: Resources) -> list[_Worker]:
        return [w for w in self._workers.values() if w.job is None and w.size == size]

    def _lacking(self, size: Resources) -> Iterable[_Driver]:
        return (d for d in self._drivers.values() if d.size == size and d.lacks)

    def _is_orphan(self, worker: _Worker) -> bool:
        return worker.job is not None and worker.job not in self._drivers and not worker.is_ending

    def _deadlines(self) -> Iterator[float]:
        for worker in self._workers.values():
            if worker.job is None:
                yield worker.since + self._idle_s
            elif self._is_orphan(worker):
                yield worker.since + ORPHANED_S
        for driver in self._drivers.values():
            if driver.waiting_since is not None:
                yield driver.waiting_since + SHARE_AFTER_S
            if driver.easy_since is not None:
                yield driver.easy_since + self._idle_s


def _since(start: float | None, holds: bool, now: float) -> float | None:
    """When a condition began to hold: kept while it holds."""
    if not holds:
        return None
    return now if start is None else start


def _is_past(start: float | None, seconds: float, now: float) -> bool:
    return start is not None and start + seconds <= now
