"""Soft preferences: they order offers and block none."""

import pytest
from tests.support.master_harness import MasterHarness, demand

from fairlead.common.ids import Role
from fairlead.common.messages import SetDemand
from fairlead.common.operators import SetQuota
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Demand,
    Predicate,
    RoleDemand,
    RoleWish,
)
from fairlead.master.settings import MasterSettings


def rather(kind: str) -> Constraints:
    group = AllOf((Predicate("disk", Comparison.EQUALS, (kind,)),))
    return Constraints(preferred=(group,))


def wish(kind: str, role: str = "dl") -> list[RoleWish]:
    return [RoleWish(Role(role), constraints=rather(kind))]


def disks(h: MasterHarness, *kinds: str, cpus: float = 4) -> None:
    """Agents that come at once, in this order."""
    for kind in kinds:
        h.agent(cpus=cpus, attributes={"disk": kind})


@pytest.mark.parametrize("by_wish", [True, False])
def test_m15_a_demand_is_served_by_preferred_agents_first(*, by_wish: bool) -> None:
    h = MasterHarness()
    disks(h, "hdd", "ssd", "hdd", "ssd")
    each = demand().each
    wanted = demand(6) if by_wish else Demand(each, 6, rather("ssd"))
    f = h.framework(demands=[wanted], wishes=wish("ssd") if by_wish else ())
    assert sorted(offer.attributes["disk"] for offer in f.offers) == ["ssd", "ssd"]
    assert f.offered.cpus == 6000


def test_m15_where_no_preferred_agent_is_left_others_serve() -> None:
    h = MasterHarness()
    disks(h, "hdd", "ssd", "hdd")
    f = h.framework(demands=[demand(10)], wishes=wish("ssd"))
    by_disk = {offer.attributes["disk"] for offer in f.offers}
    assert by_disk == {"hdd", "ssd"}
    assert f.offered.cpus == 10_000


def test_m15_each_demand_has_a_preference_of_its_own() -> None:
    h = MasterHarness()
    disks(h, "hdd", "ssd")
    each = demand().each
    f = h.framework(demands=[Demand(each, 4, rather("ssd")), Demand(each, 4, rather("hdd"))])
    assert [offer.resources.cpus for offer in f.offers] == [4000, 4000]


@pytest.mark.parametrize("kinds", [("hdd", "ssd"), ("ssd", "hdd")])
@pytest.mark.parametrize("states_demand", [True, False])
def test_m15_who_prefers_what_gets_it(*, kinds: tuple[str, ...], states_demand: bool) -> None:
    """Whoever is first in the order: each waits for the agent that it prefers."""
    h = MasterHarness()
    wanted = [demand(4)] if states_demand else None
    f = h.framework(role="a", demands=wanted, wishes=wish("ssd", "a"))
    g = h.framework(role="b", demands=wanted, wishes=wish("hdd", "b"))
    disks(h, *kinds)
    h.tick()
    assert [offer.attributes["disk"] for offer in f.offers] == ["ssd"]
    assert [offer.attributes["disk"] for offer in g.offers] == ["hdd"]


def test_m15_a_preference_is_no_way_past_a_lower_share() -> None:
    h = MasterHarness()
    f = h.framework(role="a", demands=[demand(8)], wishes=wish("ssd", "a"))
    g = h.framework(role="b", demands=[demand(8)])
    disks(h, "ssd")
    h.tick()
    assert f.offered == g.offered


def test_m15_who_waits_for_a_preferred_agent_misses_no_share_of_the_others() -> None:
    """Preferred agents are looked at first: the one is soon full, and nothing is given away
    meanwhile.
    """
    h = MasterHarness()
    f = h.framework(role="a", demands=[demand(50)], wishes=wish("ssd", "a"))
    g = h.framework(role="b", demands=[demand(50)])
    disks(h, *("hdd",) * 5)
    h.agent(cpus=1, attributes={"disk": "ssd"})
    h.tick()
    assert abs(f.offered.cpus - g.offered.cpus) <= 1000


@pytest.mark.parametrize("most", [1, 2, 500])
def test_m15_crossed_preferences_that_nothing_fulfils_block_nobody(most: int) -> None:
    """Each has refused the agent that it prefers, and takes the other; no allocation goes on for
    ever, however short it is.
    """
    h = MasterHarness(MasterSettings(max_grants=most))
    f = h.framework(role="a", demands=[demand(8)], wishes=wish("ssd", "a"))
    g = h.framework(role="b", demands=[demand(8)], wishes=wish("hdd", "b"))
    disks(h, "hdd", "ssd")
    h.tick()
    f.decline(refuse_s=1000)
    g.decline(refuse_s=1000)
    h.advance(10)
    assert [offer.attributes["disk"] for offer in f.offers] == ["hdd"]
    assert [offer.attributes["disk"] for offer in g.offers] == ["ssd"]


def test_m15_where_somebody_waited_it_is_served_in_the_next_allocation() -> None:
    """What became free is looked at first, though the preferred agent is still to come."""
    h = MasterHarness()
    disks(h, "hdd", "ssd", cpus=1)
    f = h.framework(demands=[], wishes=wish("ssd"))
    (other,) = (a.id for a in h.agents if a.info.attributes["disk"] == "hdd")
    f.call(SetDemand((RoleDemand(Role("dl"), (demand(2),)),)))
    h.master.books.dirty[other] = None
    h.tick()
    assert [offer.attributes["disk"] for offer in f.seen_offers] == ["ssd", "hdd"]


def test_m15_a_preferred_agent_is_not_looked_at_again_before_what_became_free() -> None:
    """With quotas every agent is looked at when one becomes free: a bounded number at a time."""
    h = MasterHarness(MasterSettings(max_grants=1))
    disks(h, "ssd", "hdd")
    h.framework(role="dl", demands=[demand(cpus=100)], wishes=wish("ssd"))
    h.orders(SetQuota(Role("other"), limits={"cpus": 1000}))
    free = [agent.info.agent_id for agent in h.master.books.agents.values()]
    h.master.books.dirty.update(dict.fromkeys(free[1:]))
    h.tick()
    assert not h.master.books.dirty
