"""Deadlines come in their order, however often they were moved."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.agent.timers import Timers


def test_moved_and_cancelled() -> None:
    timers = Timers()
    timers.set("a", "", 5)
    timers.set("b", "", 3)
    timers.set("b", "", 9)
    assert timers.first() == 5
    timers.cancel("a")
    assert timers.first() == 9
    assert timers.pop_due(8.9) is None
    assert timers.pop_due(9) == ("b", "")
    assert timers.first() is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 9)), st.booleans())
    )
)
def test_as_a_plain_dictionary_would(moves: list[tuple[str, int | None, bool]]) -> None:
    timers, plain = Timers(), dict[str, float]()
    for whose, at, looks in moves:
        if at is None:
            timers.cancel("x", whose)
            plain.pop(whose, None)
        else:
            timers.set("x", whose, at)
            plain[whose] = at
        if looks:
            assert timers.first() == min(plain.values(), default=None)
    popped = []
    while (key := timers.pop_due(100)) is not None:
        popped.append(key[1])
    assert popped == sorted(plain, key=lambda whose: (plain[whose], whose))
