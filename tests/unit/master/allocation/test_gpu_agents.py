"""M22: scarce resources: left out of shares; agents with GPUs are kept for who uses GPUs."""

from dataclasses import replace

import pytest
from tests.support.master_harness import MasterHarness, demand, task
from tests.support.master_peers import GIB

from fairlead.common.ids import Role
from fairlead.common.messages import Code
from fairlead.common.operators import DrainAgent, SetReservation
from fairlead.common.resources import Resources
from fairlead.common.values import AllOf, Comparison, Constraints, Demand, Predicate, RoleWish
from fairlead.master.settings import MasterSettings


def only(name: str) -> Constraints:
    """On the agent of that name alone."""
    return Constraints((AllOf((Predicate("name", Comparison.EQUALS, (name,)),)),))


# --- shares without gpus


@pytest.mark.parametrize(("excluded", "of_a", "of_b"), [((), 3, 5), (("gpus",), 4, 4)])
def test_m22_gpus_may_be_left_out_of_the_share(
    excluded: tuple[str, ...], of_a: int, of_b: int
) -> None:
    """A holds half of the gpus: with them in the share it has its half before it has a cpu."""
    h = MasterHarness(MasterSettings(excluded_resources=excluded))
    h.agent(cpus=8, mem="64GiB", gpus=2)
    a, b = h.framework(role="a", demands=[]), h.framework(role="b", demands=[])
    a.wants(Demand(Resources.of(mem=2**20, gpus=1)))
    a.launch(task("t1", cpus=0, mem="0.0009765625GiB", gpus=1))
    h.step_demands({a: [demand(9)], b: [demand(9)]})
    assert (a.offered.cpus, b.offered.cpus) == (of_a * 1000, of_b * 1000)


def test_m22_what_the_cluster_has_none_of_counts_in_no_share() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="4GiB")
    f = h.framework(demands=[demand(1)])
    assert h.master.books.scale.share(f.offered) == 0.25


# --- agents with GPUs


def test_m22_gpu_agents_are_kept_for_who_uses_gpus() -> None:
    h = MasterHarness()
    plain, gpus = h.agent(cpus=4), h.agent(cpus=4, gpus=2)
    f = h.framework(role="a", demands=[demand(8)])
    assert [offer.agent_id for offer in f.offers] == [plain.id]
    h.framework(role="b")
    user = h.framework(role="c", demands=[demand(1, gpus=1)])
    assert [offer.agent_id for offer in user.offers] == [gpus.id]


def test_m22_unless_told_otherwise() -> None:
    h = MasterHarness(MasterSettings(gpu_agents_for_all=True))
    h.agent(cpus=4)
    h.agent(cpus=4, gpus=2)
    assert len(h.framework(demands=[demand(8)]).offers) == 2


def test_m22_a_cluster_of_gpu_agents_alone_serves_everybody() -> None:
    h = MasterHarness()
    h.agent(cpus=4, gpus=1)
    f = h.framework(demands=[demand(2)])
    assert f.offered.cpus == 2000
    f.decline()
    assert h.framework(role="b").offered.cpus == 4000


def test_m22_what_fits_no_other_agent_is_served_on_a_gpu_agent() -> None:
    """And only that: the small ones wait for an agent without."""
    h = MasterHarness()
    h.agent(cpus=2, mem="8GiB")
    gpus = h.agent(cpus=16, gpus=1)
    f = h.framework(demands=[demand(9, cpus=1), demand(1, cpus=4)])
    assert {o.agent_id: o.resources.cpus for o in f.offers}[gpus.id] == 4000
    assert f.offered.cpus == 6000


@pytest.mark.parametrize("is_wish", [True, False])
def test_m22_what_may_run_on_no_other_agent_is_served_on_a_gpu_agent(*, is_wish: bool) -> None:
    h = MasterHarness()
    h.agent()
    gpus = h.agent(gpus=1, name="the-one")
    here = only("the-one")
    if is_wish:
        f = h.framework(wishes=[RoleWish(Role("dl"), constraints=here)])
    else:
        f = h.framework(demands=[Demand(Resources.of(cpus=1), 1, here)])
    assert [offer.agent_id for offer in f.offers] == [gpus.id]


def test_m22_who_says_that_it_uses_gpus_is_offered_agents_with_gpus() -> None:
    h = MasterHarness()
    h.agent()
    h.agent(gpus=1)
    assert len(h.framework(capabilities=["gpus"]).offers) == 2


def test_m22_who_holds_gpus_uses_them() -> None:
    h = MasterHarness()
    h.agent(cpus=1)
    h.agent(cpus=4, gpus=1)
    f = h.framework(demands=[demand(1, gpus=1)])
    f.launch(task("t1", gpus=1))
    f.wants(demand(2))
    assert f.offered.cpus == 2000


def test_m22_when_the_last_agent_without_gpus_is_lost_the_others_serve_everybody() -> None:
    h = MasterHarness()
    plain = h.agent()
    h.agent(gpus=1)
    f = h.framework(demands=[demand(4)])
    f.launch(*(task(f"t{n}") for n in range(4)))
    f.wants(demand(1))
    assert not f.offers
    plain.is_silent = True
    h.advance(h.settings.agent_timeout_s + h.settings.silent_s)
    assert [offer.hostname for offer in f.offers] == ["host2"]


def test_m22_a_reservation_is_offered_to_its_role_on_an_agent_with_gpus_too() -> None:
    h = MasterHarness()
    h.agent(cpus=1)
    gpus = h.agent(cpus=8, gpus=1)
    order = SetReservation(gpus.id, Role("web"), Resources.of(cpus=3))
    assert h.orders(order).code is Code.OK
    f = h.framework(role="web/shop", demands=[demand(9)])
    assert gpus.id in [offer.agent_id for offer in f.offers]
    assert len(h.framework(role="other", demands=[demand(9)]).offers) == 0


def test_m22_who_may_not_use_what_is_reserved_elsewhere_is_served_on_a_gpu_agent() -> None:
    """As soon as it is; and no longer than that."""
    h = MasterHarness()
    plain, gpus = h.agent(), h.agent(gpus=1)
    f = h.framework(role="web", demands=[demand(1, cpus=2)])
    assert [offer.agent_id for offer in f.offers] == [plain.id]
    h.orders(SetReservation(plain.id, Role("ml"), Resources.of(cpus=4, mem=8 * GIB)))
    assert [offer.agent_id for offer in f.offers] == [gpus.id]
    assert [offer.agent_id for offer in h.framework(role="any").offers] == [gpus.id]
    f.decline(refuse_s=0)
    h.orders(SetReservation(plain.id, Role("ml"), Resources()))
    h.advance(2)
    assert [offer.agent_id for offer in f.offers] == [plain.id]


def test_m22_an_agent_that_is_another_by_now_leaves_its_tasks_to_gpu_agents() -> None:
    h = MasterHarness()
    ssds = {"disk": "ssd"}
    plain, gpus = h.agent(attributes=ssds), h.agent(gpus=1, attributes=ssds)
    h.framework(role="b", demands=[demand(4)]).launch(*(task(f"t{n}") for n in range(4)))
    ssd = Constraints((AllOf((Predicate("disk", Comparison.EQUALS, ("ssd",)),)),))
    f = h.framework(role="web", demands=[Demand(Resources.of(cpus=2), 1, ssd)])
    assert not f.offers
    plain.disconnects()
    plain.info = replace(plain.info, attributes={"disk": "hdd"})
    plain.connects()
    h.tick()
    assert [offer.agent_id for offer in f.offers] == [gpus.id]


def test_m22_what_an_agent_that_is_drained_would_have_served_is_served_on_a_gpu_agent() -> None:
    h = MasterHarness()
    plain, gpus = h.agent(), h.agent(gpus=1)
    f = h.framework(demands=[demand(4)])
    f.launch(*(task(f"t{n}") for n in range(4)))
    f.wants(demand(1))
    assert not f.offers
    h.orders(DrainAgent(plain.id))
    assert [offer.agent_id for offer in f.offers] == [gpus.id]
