"""How much of a log goes, and when it is looked at again: numbers in, numbers out."""

import pytest

from fairlead.agent.rotation import FOLLOWED, LONGEST_S, SHORTEST_S, cut, pause_s

MIB = 1 << 20
LIMIT = 64 * MIB


@pytest.mark.parametrize(
    ("size", "used", "end"),
    [
        (0, 0, 0),
        (LIMIT, LIMIT, 0),
        (80 * MIB, 80 * MIB, 0),
        (80 * MIB + 1, 80 * MIB + 1, 16 * MIB),
        (1000 * MIB, 1000 * MIB, 936 * MIB),
        (1000 * MIB, 70 * MIB, 0),  # most was given back before
        (1 << 40, 4096, 0),  # nearly all of it a hole that the task made
        (10, 1000 * MIB, 0),  # the task holds room behind the end
    ],
)
def test_what_exceeds_the_limit_by_a_quarter_goes(size: int, used: int, end: int) -> None:
    assert cut(size, used, LIMIT) == end


def test_it_is_given_back_in_whole_blocks() -> None:
    assert cut(1000 * MIB + 12345, 1000 * MIB + 12345, LIMIT) == 936 * MIB


def test_what_somebody_still_reads_stays_up_to_a_bound() -> None:
    assert cut(500 * MIB, 500 * MIB, LIMIT, unread=500 * MIB) == 0
    assert cut(500 * MIB, 500 * MIB, LIMIT, unread=400 * MIB) == 100 * MIB
    assert cut(500 * MIB, 500 * MIB, LIMIT, unread=10) == 436 * MIB
    size = 10_000 * MIB
    assert cut(size, size, LIMIT, unread=size) == size - FOLLOWED * LIMIT


def test_the_faster_it_grows_the_sooner_it_is_looked_at() -> None:
    assert pause_s(0, 1.0, LIMIT) == LONGEST_S
    assert pause_s(-LIMIT, 1.0, LIMIT) == LONGEST_S
    assert pause_s(100, 0.5, LIMIT) == LONGEST_S
    assert pause_s(80 * MIB, 1.0, LIMIT) == pytest.approx(0.2)
    assert pause_s(1 << 40, 1.0, LIMIT) == SHORTEST_S
