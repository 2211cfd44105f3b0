"""What a framework says that it wants: whether it is more than before."""

import pytest
from tests.support.master_harness import MasterHarness, demand

from fairlead.common.events import Received
from fairlead.common.ids import Role, SessionId
from fairlead.common.messages import Code, FrameworkMessage, SetDemand
from fairlead.common.values import Demand, RoleDemand
from fairlead.master.wants import is_more, open_part


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, [], False),
        (None, [demand(1)], True),
        ([demand(3)], [demand(3)], False),
        ([demand(3)], [demand(2)], False),
        ([demand(3)], [demand(4)], True),
        ([demand(3)], [demand(3), demand(3)], True),
        ([demand(2), demand(1)], [demand(3)], False),
        ([demand(3)], [demand(1, cpus=2)], True),
        ([demand(3)], [], False),
    ],
)
def test_whether_a_demand_has_grown(
    before: list[Demand] | None, after: list[Demand], *, expected: bool
) -> None:
    assert is_more(before, after) is expected


def test_demands_of_nothing_are_left_out() -> None:
    wanted = RoleDemand(Role("dl"), (demand(0), demand(2)))
    assert open_part(wanted) == [demand(2)]


def test_a_demand_that_grew_is_served() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    f.wants(demand(3))
    assert f.offered.cpus == 3000


@pytest.mark.parametrize(
    ("after", "still_open", "expected"),
    [
        ([demand(4)], [demand(1)], False),
        ([demand(4)], [], True),
        ([demand(4), demand(1, cpus=2)], [demand(1)], True),
        ([demand(4), demand(1, cpus=2)], [demand(1), demand(1, cpus=2)], False),
    ],
)
def test_more_of_what_fits_nowhere_is_not_looked_for(
    after: list[Demand], still_open: list[Demand], *, expected: bool
) -> None:
    assert is_more([demand(3)], after, still_open) is expected


def test_a_demand_that_fits_nowhere_may_grow_without_a_look_at_every_agent() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1, cpus=8)])
    books = h.master.books
    assert h.master._offers.looked_for(h.framework_books(f), f.role) == (demand(1, cpus=8),)
    assert f.session is not None
    call = FrameworkMessage(SetDemand((RoleDemand(f.role, (demand(2, cpus=8),)),)))
    h.master.step(Received(SessionId(f.session), call), h.now)
    assert not books.is_due
    f.wants(demand(2, cpus=8), demand(1))
    assert f.offered.cpus == 1000


def test_a_larger_demand_than_was_refused_is_looked_for() -> None:
    """A filter refuses no more than it names: what grew may pass it."""
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    f.decline(f.offers[0], refuse_s=100)
    assert not f.offers
    f.wants(demand(3))
    assert f.offered.cpus == 3000


def test_what_became_free_is_looked_at_before_what_is_wanted_anew() -> None:
    h = MasterHarness()
    a, b, c = h.agent(cpus=4), h.agent(cpus=4), h.agent(cpus=4)
    books = h.master.books
    books.wanted = {a.id: None, b.id: None, c.id: None}
    books.dirty = {c.id: None}
    first, *others = h.master._offers._take_due()
    assert first == c.id
    assert sorted(others) == [a.id, b.id]
    assert not books.dirty
    assert not books.wanted


def test_who_takes_its_demand_back_is_offered_whole_agents_again() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    assert f.offered.cpus == 1000
    assert f.result(SetDemand((RoleDemand(f.role, (), unstated=True),))).code is Code.OK
    h.tick()
    assert f.offered.cpus == 4000
    f.demands = (RoleDemand(f.role, (), unstated=True),)
    f.disconnects()
    f.connects()
    h.tick()
    assert f.offered.cpus == 4000, "also in what it says when it comes back"


def test_m37_demands_that_are_not_stated_are_none() -> None:
    h = MasterHarness()
    f = h.framework()
    result = f.result(SetDemand((RoleDemand(f.role, (demand(1),), unstated=True),)))
    assert (result.code, result.field) == (Code.INVALID, "demands[0].unstated")
