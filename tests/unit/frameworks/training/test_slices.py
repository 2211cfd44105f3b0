"""Whose turn it is on a server's devices: fair by weight, strict by priority, with few moves."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.common.ids import GpuId
from fairlead.frameworks.training.slices import Contender, Seats, choose

TOLERANCE = 0.3
"""Of a slice, which lasts 1 here."""


def devices(count: int) -> list[GpuId]:
    return [GpuId(f"gpu-{index}") for index in range(count)]


def contender(job_id: str, virtual_s: float = 0.0, **said: object) -> Contender:
    known = {"size": 1, "priority": 0, "number": int(job_id.lstrip("j")), "slice_s": 1.0, **said}
    return Contender(job_id=job_id, virtual_s=virtual_s, **known)  # type: ignore[arg-type]


class Turns:
    """Slice after slice on one server, each exactly as long as it should be."""

    def __init__(self, weights: list[int], gpus: int) -> None:
        self.weights = weights
        self.devices = devices(gpus)
        self.got = [0] * len(weights)
        self.bound: list[tuple[GpuId, ...]] = [()] * len(weights)
        self.running: set[int] = set()
        self.moves = 0

    def pass_slice(self) -> None:
        seats = choose(
            list(map(self._contender, range(len(self.weights)))), self.devices, TOLERANCE
        )
        for job_id, seat in seats.items():
            index = int(job_id[1:])
            self.moves += self.bound[index] not in ((), seat)
            self.bound[index] = seat
            self.got[index] += 1
        self.running = {int(job_id[1:]) for job_id in seats}

    def _contender(self, index: int) -> Contender:
        virtual_s, slice_s = self.got[index] / self.weights[index], 1 / self.weights[index]
        said = {"bound": self.bound[index], "is_running": index in self.running}
        return contender(f"j{index}", virtual_s, slice_s=slice_s, **said)


@pytest.mark.parametrize(
    ("weights", "gpus", "got"),
    [
        ([1] * 6, 4, [8] * 6),
        ([1, 2, 3], 1, [2, 4, 6]),
        ([1, 2, 3], 2, [4, 8, 12]),
        ([1, 2, 3, 1, 2, 3], 4, [4, 8, 12, 4, 8, 12]),
        ([3, 3, 2, 2, 1, 1], 4, [12, 12, 8, 8, 4, 4]),
    ],
)
def test_over_twelve_slices_each_gets_its_weight(
    weights: list[int], gpus: int, got: list[int]
) -> None:
    turns = Turns(weights, gpus)
    for _ in range(12):
        turns.pass_slice()
    assert turns.got == got
    assert turns.moves <= 8  # of 12 slices on each device: seldom


def test_of_equals_those_come_first_that_have_waited() -> None:
    on_0 = (GpuId("gpu-0"),)
    running = contender("j0", 1.0, bound=on_0, is_running=True)
    assert list(choose([running, contender("j1", 1.2, bound=on_0)], devices(1), TOLERANCE)) == [
        "j1"
    ]
    assert list(choose([running, contender("j1", 1.4, bound=on_0)], devices(1), TOLERANCE)) == [
        "j0"
    ]


def test_two_equals_on_one_device_take_turns() -> None:
    turns = Turns([1, 1], 1)
    ran: list[int] = []
    for _ in range(6):
        turns.pass_slice()
        ran += turns.running
    assert ran == [0, 1, 0, 1, 0, 1]


def test_who_could_go_on_where_it_is_comes_before_who_must_move() -> None:
    """j0 has the device of both others; j2 would have to take j1's place elsewhere."""
    on_0, on_1 = (GpuId("gpu-0"),), (GpuId("gpu-1"),)
    first = contender("j0", 0.0, bound=on_0)
    mover = contender("j1", 1.0, bound=on_0)
    stayer = contender("j2", 1.2, bound=on_1)
    assert choose([first, mover, stayer], devices(2), TOLERANCE) == {"j0": on_0, "j2": on_1}
    assert choose([first, mover, stayer], devices(2), 0.1) == {"j0": on_0, "j1": on_1}


def test_a_lower_priority_gets_only_what_a_higher_one_cannot_use() -> None:
    high = contender("j0", 100.0, priority=1)
    wide = contender("j1", 100.0, priority=1, size=4)
    low = contender("j2", 0.0)
    assert choose([low, high], devices(1), TOLERANCE) == {"j0": ("gpu-0",)}
    assert list(choose([low, high, wide], devices(2), TOLERANCE)) == ["j0", "j2"]


def test_a_copy_of_a_higher_priority_moves_rather_than_let_a_lower_one_run() -> None:
    on_0, on_1 = (GpuId("gpu-0"),), (GpuId("gpu-1"),)
    first = contender("j0", priority=1, bound=on_0, is_running=True)
    second = contender("j1", 5.0, priority=1, bound=on_0)
    low = contender("j2", bound=on_1, is_running=True)
    assert choose([first, second, low], devices(2), TOLERANCE) == {"j0": on_0, "j1": on_1}


def test_in_the_midst_of_a_slice_only_what_is_free_is_given_or_taken_by_a_higher_priority() -> None:
    on_0: Seats = {"j0": (GpuId("gpu-0"),)}
    running = contender("j0", 9.0, bound=on_0["j0"], is_running=True)
    newcomer = contender("j1")
    assert choose([running, newcomer], devices(1), TOLERANCE, on_0) == on_0
    assert list(choose([running, newcomer], devices(2), TOLERANCE, on_0)) == ["j0", "j1"]
    higher = contender("j1", priority=1)
    assert list(choose([running, higher], devices(1), TOLERANCE, on_0)) == ["j1"]


@given(
    st.integers(1, 8),
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.integers(0, 2),
            st.floats(0, 100),
            st.booleans(),
            st.integers(0, 7),
        ),
        max_size=10,
    ),
)
def test_no_device_has_two_jobs_and_no_job_has_less_than_it_needs(
    gpus: int, drawn: list[tuple[int, int, float, bool, int]]
) -> None:
    there = devices(gpus)
    taken: set[GpuId] = set()
    contenders = []
    for number, (size, priority, virtual_s, wants_to_run, first) in enumerate(drawn):
        bound = tuple(there[(first + n) % gpus] for n in range(min(size, gpus)))
        is_running = wants_to_run and size <= gpus and not taken & set(bound)
        taken.update(bound if is_running else ())
        said = {"size": size, "priority": priority, "is_running": is_running}
        contenders.append(contender(f"j{number}", virtual_s, bound=bound, **said))
    seats = choose(contenders, there, TOLERANCE)
    count = Counter(gpu_id for seat in seats.values() for gpu_id in seat)
    assert all(number == 1 for number in count.values())
    assert set(count) <= set(there)
    sizes = {each.job_id: each.size for each in contenders}
    assert all(len(seat) == sizes[job_id] for job_id, seat in seats.items())
    left = gpus - sum(count.values())
    waiting = [each for each in contenders if each.job_id not in seats]
    assert all(each.size > left for each in waiting), "a device is idle that somebody could use"
    running = {each.job_id: each for each in contenders if each.is_running}
    for job_id, seat in seats.items():
        assert job_id not in running or seat == running[job_id].bound, "who runs was moved"
