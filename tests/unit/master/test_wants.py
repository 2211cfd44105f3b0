"""What a framework says that it wants: whether it is more than before."""

import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand

from fairlead.common.events import Received
from fairlead.common.ids import Role, SessionId
from fairlead.common.messages import Code, FrameworkMessage, SetDemand
from fairlead.common.values import Demand, RoleDemand
from fairlead.master.wants import open_part


def test_demands_of_nothing_are_left_out() -> None:
    wanted = RoleDemand(Role("dl"), (demand(0), demand(2)))
    assert open_part(wanted) == [demand(2)]


def test_a_demand_that_grew_is_served() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    f.wants(demand(3))
    assert f.offered.cpus == 3000


def step(h: MasterHarness, f: FrameworkDouble, *demands: Demand) -> None:
    """It says that, and nothing is allocated yet."""
    assert f.session is not None
    call = FrameworkMessage(SetDemand((RoleDemand(f.role, demands),)))
    h.master.step(Received(SessionId(f.session), call), h.now)


@pytest.mark.parametrize(
    ("before", "after", "is_looked_for"),
    [
        ([demand(2, cpus=8)], [demand(3, cpus=8)], False),
        ([demand(2, cpus=8)], [demand(1, cpus=8)], False),
        ([demand(2, cpus=8)], [demand(1, cpus=8), demand(2, cpus=8)], False),
        ([demand(2, cpus=8)], [], False),
        ([demand(2, cpus=8)], [demand(1, cpus=6)], True),
        ([demand(2, cpus=8)], [demand(2, cpus=8), demand(1, cpus=6)], True),
        ([], [demand(1, cpus=8)], True),
    ],
)
def test_more_of_what_fits_nowhere_is_not_looked_for(
    before: list[Demand], after: list[Demand], *, is_looked_for: bool
) -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=before)
    step(h, f, *after)
    books = h.master.books
    h.master._offers.standings.renew()
    assert bool(books.wanting) is is_looked_for


def test_who_wants_more_is_asked_alone() -> None:
    """Whoever has been asked there, and has changed nothing since, would take nothing again."""
    h = MasterHarness()
    h.agent(cpus=4)
    others = [h.framework(demands=[demand(1, cpus=8)]) for _ in range(20)]
    f = h.framework(demands=[demand(1, cpus=8)])
    standings = h.master._offers.standings
    before = standings.drawn
    f.wants(demand(1, cpus=3))
    assert f.offered.cpus == 3000
    assert standings.drawn - before <= 2
    assert not any(other.offers for other in others)


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
    first, *others = (agent_id for agent_id, _ in h.master._offers._take_due())
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
