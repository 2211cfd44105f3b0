"""Who gets which worker: the service's leasing, without service or workers."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.common.resources import Resources
from fairlead.frameworks.batch.pool import IDLE_S, ORPHANED_S, SHARE_AFTER_S, Pool
from fairlead.frameworks.batch.pool_events import (
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

ONE = Resources.of(cpus=1, mem=1 << 29)
LARGE = Resources.of(cpus=4, mem=1 << 33)


class Bench:
    """A pool, and what its actions have led to."""

    def __init__(self) -> None:
        self.pool = Pool()
        self.now = 1000.0
        self.leases: dict[str, str] = {}
        self.ending: set[str] = set()
        self.wanted: dict[Resources, int] = {}
        self.asked: dict[str, int] = {}
        self.released: list[str] = []

    def step(self, event: Event) -> list[Action]:
        actions = self.pool.step(event, self.now)
        self.pool.check()
        for action in actions:
            self._note(action)
        return actions

    def _note(self, action: Action) -> None:
        match action:
            case Want(size, count):
                assert self.wanted.get(size) != count, "said twice"
                self.wanted[size] = count
            case Lease(worker, job):
                assert worker not in self.leases
                self.leases[worker] = job
            case EndLease(worker):
                assert worker not in self.ending
                self.ending.add(worker)
            case AskBack(job, count):
                self.asked[job] = self.asked.get(job, 0) + count
            case Release(worker):
                assert worker not in self.leases
                self.released.append(worker)

    def driver(self, job: str, wants: int, *, most: int = 100, size: Resources = ONE) -> None:
        self.step(DriverJoined(job, size, most, wants))

    def worker(self, *names: str, size: Resources = ONE) -> None:
        for name in names:
            self.step(WorkerJoined(name, size, None))

    def free(self, worker: str) -> None:
        self.leases.pop(worker, None)
        self.ending.discard(worker)
        self.step(WorkerFreed(worker))

    def wait(self, seconds: float) -> list[Action]:
        """Time passes; a Tick comes when the pool asked for one."""
        actions: list[Action] = []
        end = self.now + seconds
        while (at := self.pool.next_deadline()) is not None and at <= end:
            assert at > self.now, "a deadline that never passes"
            self.now = at
            actions += self.step(Tick())
        self.now = end
        return actions

    def held(self, job: str) -> int:
        return sum(holder == job for holder in self.leases.values())


def test_workers_are_wanted_leased_and_wanted_no_more() -> None:
    bench = Bench()
    bench.driver("a", 2)
    assert bench.wanted == {ONE: 2}
    bench.worker("w1", "w2", "w3")
    assert bench.leases == {"w1": "a", "w2": "a"}
    bench.step(DriverWants("a", 0))
    assert bench.wanted == {ONE: 0}
    bench.step(DriverLeft("a"))
    assert bench.ending == {"w1", "w2"}


def test_a_driver_gets_no_more_than_its_most() -> None:
    bench = Bench()
    bench.driver("a", 50, most=1)
    bench.worker("w1", "w2")
    assert bench.wanted == {ONE: 1}
    assert bench.leases == {"w1": "a"}
    bench.step(DriverWants("a", 50))
    assert bench.wanted == {ONE: 1}


def test_free_workers_go_to_the_driver_that_has_fewest() -> None:
    bench = Bench()
    bench.driver("a", 10)
    bench.driver("b", 10)
    bench.worker(*(f"w{n}" for n in range(6)))
    assert (bench.held("a"), bench.held("b")) == (3, 3)


def test_sizes_do_not_mix() -> None:
    bench = Bench()
    bench.driver("a", 1)
    bench.driver("b", 1, size=LARGE)
    assert bench.wanted == {ONE: 1, LARGE: 1}
    bench.worker("large", size=LARGE)
    assert bench.leases == {"large": "b"}


def test_drivers_take_turns_on_one_worker() -> None:
    bench = Bench()
    bench.worker("w")
    bench.driver("a", 1)
    bench.driver("b", 1)
    assert bench.leases == {"w": "a"}
    bench.step(DriverLeft("a"))
    bench.free("w")
    assert bench.leases == {"w": "b"}


def test_the_worker_used_last_is_leased_first() -> None:
    bench = Bench()
    bench.driver("a", 3)
    bench.worker("w1", "w2", "w3")
    bench.step(DriverWants("a", 0))
    for worker in ("w1", "w3", "w2"):
        bench.now += 1
        bench.free(worker)
    bench.step(DriverWants("a", 1))
    assert bench.leases == {"w2": "a"}


def test_a_waiting_driver_gets_at_once_what_another_holds_without_need() -> None:
    bench = Bench()
    bench.driver("a", 2)
    bench.worker("w1", "w2")
    bench.step(DriverWants("a", 0))
    assert bench.asked == {}
    bench.driver("b", 1)
    assert bench.asked == {"a": 1}
    bench.free("w1")
    assert bench.leases == {"w1": "b", "w2": "a"}


def test_what_is_in_use_is_shared_after_a_while() -> None:
    bench = Bench()
    bench.driver("a", 100)
    bench.worker(*(f"w{n}" for n in range(6)))
    bench.driver("b", 2)
    assert bench.wait(SHARE_AFTER_S / 2) == []
    bench.wait(SHARE_AFTER_S)
    assert bench.asked == {"a": 2}
    bench.wait(100 * SHARE_AFTER_S)
    assert bench.asked == {"a": 2}  # it is not asked again for what it was asked for
    bench.free("w1")
    bench.free("w2")
    assert (bench.held("a"), bench.held("b")) == (4, 2)


def test_nobody_gives_back_to_be_worse_off_than_who_gets_it() -> None:
    bench = Bench()
    bench.driver("a", 100)
    bench.worker("w1", "w2", "w3")
    bench.driver("b", 100)
    bench.wait(SHARE_AFTER_S)
    assert bench.asked == {"a": 1}
    bench.free("w1")
    bench.wait(100 * SHARE_AFTER_S)
    assert bench.asked == {"a": 1}


def test_of_three_drivers_the_richest_gives() -> None:
    bench = Bench()
    bench.driver("a", 4)
    bench.worker("w1", "w2", "w3", "w4")
    bench.driver("b", 1)
    bench.worker("w5")
    bench.driver("c", 1)
    bench.wait(SHARE_AFTER_S)
    assert bench.asked == {"a": 1}


def test_a_worker_that_nobody_needs_is_released() -> None:
    bench = Bench()
    bench.worker("w")
    bench.wait(IDLE_S - 1)
    assert bench.released == []
    bench.wait(1)
    assert bench.released == ["w"]
    assert bench.pool.next_deadline() is None
    bench.step(WorkerLost("w"))


def test_a_worker_that_was_used_is_kept_for_a_while_again() -> None:
    bench = Bench()
    bench.worker("w")
    bench.wait(IDLE_S - 1)
    bench.driver("a", 1)
    bench.step(DriverLeft("a"))
    bench.free("w")
    bench.wait(IDLE_S - 1)
    assert bench.released == []
    bench.wait(1)
    assert bench.released == ["w"]


def test_workers_of_a_driver_that_forgot_them_are_asked_back() -> None:
    bench = Bench()
    bench.driver("a", 2)
    bench.worker("w1", "w2")
    bench.step(DriverWants("a", 1))
    bench.wait(IDLE_S)
    assert bench.asked == {"a": 1}


def test_a_lost_worker_is_held_by_nobody() -> None:
    bench = Bench()
    bench.driver("a", 1)
    bench.worker("w1")
    bench.step(WorkerLost("w1"))
    bench.worker("w2")
    assert bench.leases["w2"] == "a"


def test_after_a_restart_leases_that_run_are_kept() -> None:
    bench = Bench()
    bench.step(WorkerJoined("w", ONE, "a"))
    bench.wait(ORPHANED_S - 1)
    bench.driver("a", 1)
    bench.wait(10 * ORPHANED_S)
    assert bench.ending == set()
    assert bench.leases == {}  # it has what it wants
    bench.free("w")
    assert bench.leases == {"w": "a"}


def test_after_a_restart_a_driver_that_stays_away_loses_its_workers() -> None:
    bench = Bench()
    bench.step(WorkerJoined("w", ONE, "a"))
    bench.wait(ORPHANED_S)
    assert bench.ending == {"w"}
    assert bench.pool.next_deadline() is None


def test_a_worker_that_dials_in_again_keeps_its_lease() -> None:
    bench = Bench()
    bench.driver("a", 1)
    bench.worker("w")
    bench.step(WorkerJoined("w", ONE, "a"))
    bench.step(DriverLeft("a"))
    assert bench.ending == {"w"}


def test_words_about_strangers_change_nothing() -> None:
    bench = Bench()
    strangers = (
        WorkerFreed("x"),
        WorkerLost("x"),
        DriverLeft("x"),
        DriverWants("x", 3),
    )
    for event in strangers:
        assert bench.step(event) == []


def simulate(choices: Iterable[tuple[str, int]]) -> None:
    bench = Bench()
    drivers: list[str] = []
    workers: list[str] = []
    for number, (what, amount) in enumerate(choices):
        driver = drivers[amount % len(drivers)] if drivers else None
        worker = workers[amount % len(workers)] if workers else None
        if what == "driver":
            drivers.append(f"d{number}")
            bench.driver(drivers[-1], amount % 5)
        elif what == "worker":
            workers.append(f"w{number}")
            bench.worker(workers[-1])
        elif what == "wait":
            bench.wait(amount * 3)
            workers = [name for name in workers if name not in bench.released]
        elif what == "wants" and driver:
            bench.step(DriverWants(driver, amount % 7))
        elif what == "leave" and driver:
            drivers.remove(driver)
            bench.step(DriverLeft(driver))
        elif what == "free" and worker:
            bench.free(worker)
        elif what == "lose" and worker:
            workers.remove(worker)
            bench.leases.pop(worker, None)
            bench.step(WorkerLost(worker))
    # Everybody becomes modest, gives back what was asked, and there are workers enough.
    for driver in drivers:
        bench.step(DriverWants(driver, 1))
    for worker in list(bench.ending | set(bench.leases)):
        bench.free(worker)
    for number in range(len(drivers)):
        bench.worker(f"last{number}")
    assert all(bench.held(driver) == 1 for driver in drivers)


CHOICES = st.tuples(
    st.sampled_from(["driver", "worker", "worker", "wait", "wants", "leave", "free", "lose"]),
    st.integers(0, 40),
)


@settings(max_examples=300)
@given(st.lists(CHOICES, max_size=50))
def test_whatever_happened_every_modest_driver_is_served(choices: list[tuple[str, int]]) -> None:
    simulate(choices)
