"""What a framework refuses of all agents of a kind at once (M11)."""

from dataclasses import replace
from typing import Any

from tests.support.master_harness import FrameworkDouble, MasterHarness

from fairlead.common.ids import AgentId, GpuId, Role
from fairlead.common.messages import Decline, Revive
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, Gpu, Offer
from fairlead.master.filters import MOST_ALIKE, Filter, Filters, kind_of
from fairlead.master.settings import MasterSettings

LONG_S = 3600.0
ROLE = Role("default")


def declines_alike(f: FrameworkDouble, *offers: Offer, refuse_s: float = LONG_S) -> None:
    ids = tuple(offer.offer_id for offer in offers or f.offers)
    f.result(Decline(ids, refuse_s, alike=True))


def test_m11_one_decline_holds_for_all_agents_of_that_kind() -> None:
    h = MasterHarness()
    f = h.framework()
    h.agent()
    h.tick()
    declines_alike(f)
    for _ in range(50):
        h.agent()
    h.tick()
    assert not f.offers
    assert len(h.framework_books(f).filters) == 1


def test_m11_of_a_thousand_that_are_declined_alike_one_is_remembered() -> None:
    h = MasterHarness(MasterSettings(max_grants=50))
    for _ in range(200):
        h.agent()
    f = h.framework()
    while f.offers:
        declines_alike(f)
        h.tick()
    assert len(h.framework_books(f).filters) == 1
    g = h.framework()
    assert g.offered.cpus == 200 * 4000, "others are offered them"


def test_m11_more_of_such_an_agent_or_another_kind_is_offered_all_the_same() -> None:
    h = MasterHarness()
    f = h.framework()
    h.agent(cpus=4)
    h.tick()
    declines_alike(f)
    larger, other = h.agent(cpus=8), h.agent(cpus=4, attributes={"disk": "ssd"})
    h.agent(cpus=2)
    h.tick()
    assert {offer.agent_id for offer in f.offers} == {larger.id, other.id}


def test_m11_an_agent_that_becomes_another_kind_is_offered() -> None:
    h = MasterHarness()
    f = h.framework()
    a, b = h.agent(), h.agent()
    h.tick()
    declines_alike(f)
    b.disconnects()
    b.info = replace(b.info, attributes={"disk": "ssd"})
    b.connects()
    h.tick()
    assert [offer.agent_id for offer in f.offers] == [b.id]
    assert a.id != b.id


def test_m11_it_ends_in_time_and_with_revive() -> None:
    h = MasterHarness()
    f = h.framework()
    h.agent(), h.agent()
    h.tick()
    declines_alike(f, refuse_s=60)
    h.advance(59.5)
    assert not f.offers
    h.advance(1)
    assert len(f.offers) == 2
    declines_alike(f)
    assert not f.offers
    f.result(Revive())
    h.tick()
    assert len(f.offers) == 2
    assert not any(agent.refused_by for agent in h.master.books.agents.values())


class Counted(dict[Any, None]):
    """How often something is taken out of it."""

    pops = 0

    def pop(self, *args: Any) -> None:
        Counted.pops += 1
        super().pop(*args)


def test_m12_to_forget_a_hundred_kinds_is_one_look_at_each_agent() -> None:
    h = MasterHarness()
    f = h.framework()
    for number in range(100):
        h.agent(attributes={"serial": str(number)})
    h.tick()
    declines_alike(f)
    assert len(h.framework_books(f).filters) == 100
    Counted.pops = 0
    for agent in h.master.books.agents.values():
        agent.refused_by = Counted(agent.refused_by)
    f.result(Revive())
    assert Counted.pops == 100
    assert not any(agent.refused_by for agent in h.master.books.agents.values())


def test_an_ordinary_decline_stays_one_of_that_agent() -> None:
    h = MasterHarness()
    f = h.framework()
    h.agent(), h.agent()
    h.tick()
    f.decline(f.offers[0], refuse_s=LONG_S)
    h.tick()
    assert len(f.offers) == 1


def test_refusals_of_a_kind_that_do_not_contain_each_other_are_bounded() -> None:
    filters, places = Filters(), ("a-1-1", "/kind")
    for number in range(100):
        refused = Resources(cpus=1000 + number, mem=1000 - number)
        filters.add_alike(ROLE, places, Filter(refused, 9.0), 0.0)
    assert len(filters.of(ROLE)["/kind"]) == MOST_ALIKE
    assert len(filters.on(ROLE, places)) == 100, "none is forgotten"


def test_what_makes_a_kind() -> None:
    info = AgentInfo(AgentId("a-1-1"), "h1", Resources.of(cpus=1), {"a": "b", "c": "d"}, name="n")
    same = replace(info, agent_id=AgentId("a-1-2"), hostname="h2", name="m", address="x:1")
    same = replace(same, resources=Resources.of(cpus=9), attributes={"c": "d", "a": "b"})
    assert kind_of(info) is kind_of(same), "and costs no second text"
    gpu = Gpu(GpuId("g0"), "H100")
    for other in ({"zone": "z"}, {"rack": "r"}, {"attributes": {"a": "b c"}}, {"gpus": (gpu,)}):
        assert kind_of(replace(info, **other)) != kind_of(info)
    assert kind_of(info).startswith("/"), "which no id of an agent does"
