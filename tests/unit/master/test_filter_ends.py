"""When what a framework has refused ends, and that nothing of it is left behind."""

import pytest

from fairlead.common.ids import Role
from fairlead.common.resources import Resources
from fairlead.master.filters import FEW, Filter, Filters

ROLE = Role("dl")
ONE, TWO = Resources(cpus=1000), Resources(cpus=2000)


def test_the_first_end_is_found_whatever_is_added_later() -> None:
    filters = Filters()
    for until in (30.0, 10.0, 20.0):
        filters.add(ROLE, f"a-{until}", Filter(ONE, until), 0.0)
    assert filters.first_end() == 10.0
    assert list(filters.ended(20.0)) == [(ROLE, "a-10.0"), (ROLE, "a-20.0")]
    assert filters.first_end() == 30.0
    assert filters.of(ROLE).keys() == {"a-30.0"}


def test_a_refusal_that_lasts_longer_takes_the_place_of_what_it_contains() -> None:
    filters = Filters()
    filters.add(ROLE, "a", Filter(ONE, 10.0), 0.0)
    filters.add(ROLE, "a", Filter(TWO, 20.0), 0.0)
    assert filters.on(ROLE, ("a",)) == (Filter(TWO, 20.0),)
    assert not list(filters.ended(10.0)), "that one was gone already"
    assert list(filters.ended(20.0)) == [(ROLE, "a")]
    assert not len(filters)


@pytest.mark.parametrize(("refused", "until"), [(ONE, 20.0), (TWO, 5.0)])
def test_a_refusal_beside_another_ends_by_itself(refused: Resources, until: float) -> None:
    filters = Filters()
    both = (Filter(TWO, 10.0), Filter(refused, until))
    for each in both:
        filters.add(ROLE, "a", each, 0.0)
    assert filters.on(ROLE, ("a",)) == both
    first = min(both, key=lambda each: each.until)
    assert list(filters.ended(first.until)) == [(ROLE, "a")]
    assert filters.on(ROLE, ("a",)) == tuple(each for each in both if each is not first)


def test_who_refuses_again_and_again_for_long_leaves_no_more_than_what_counts() -> None:
    filters = Filters()
    for number in range(100 * FEW):
        filters.add(ROLE, "a", Filter(ONE, 1e6 + number), float(number))
    assert len(filters.on(ROLE, ("a",))) == 1
    assert sum(map(len, filters._ends.values())) <= 2 + FEW
    assert len(filters._next) == len(filters._ends)


def test_what_is_forgotten_ends_no_more() -> None:
    filters = Filters()
    known = filters.of(ROLE)
    filters.add(ROLE, "a", Filter(ONE, 10.0), 0.0)
    filters.add(ROLE, "b", Filter(ONE, 10.0), 0.0)
    filters.forget_on(ROLE, "a")
    assert list(filters.ended(10.0)) == [(ROLE, "b")]
    assert filters.first_end() is None
    assert known is filters.of(ROLE)
