"""Why a framework gets nothing: each rule is named, with its agents, by what it said itself."""

from collections.abc import Mapping

import pytest
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import FrameworkId, Role
from fairlead.common.messages import Code, Suppress
from fairlead.common.operators import ExplainFramework, SetQuota, SetWeight
from fairlead.common.resources import Resources
from fairlead.common.values import AllOf, Comparison, Constraints, Demand, Predicate, RoleWish
from fairlead.master.allocation import rules
from fairlead.master.explaining import explain
from fairlead.master.settings import MasterSettings


def answer(h: MasterHarness, framework: FrameworkDouble) -> tuple[str, Mapping[str, int]]:
    assert h.orders(ExplainFramework(framework.id)).code is Code.OK
    return "\n".join(h.replies[-1].lines), h.replies[-1].agents


def only(attribute: str, value: str) -> Constraints:
    return Constraints((AllOf((Predicate(attribute, Comparison.EQUALS, (value,)),)),))


def test_m35_every_rule_has_words() -> None:
    assert {*rules.PARTS, *rules.TESTS} - {"preferences"} <= explain.WORDS.keys()


def test_m35_each_agent_is_counted_under_what_rules_it_out() -> None:
    h = MasterHarness()
    for disk in ("hdd", "hdd", "ssd", "ssd", "ssd"):
        h.agent(cpus=4, attributes={"disk": disk})
    h.agent(cpus=1, attributes={"disk": "ssd"})
    h.agent(cpus=8, attributes={"disk": "ssd"}).disconnects()
    other = h.framework(name="other", role="other", demands=[demand(4)])
    other.launch(task("t1", cpus=4))
    wish = RoleWish(Role("dl"), constraints=only("disk", "ssd"))
    f = h.framework(demands=[demand(9, cpus=2)], wishes=[wish])
    f.decline(refuse_s=50)
    h.advance(10)
    text, agents = answer(h, f)
    used = h.believes(other, "t1").agent_id
    is_ssd = h.master.books.agents[used].info.attributes["disk"] == "ssd"
    expected = {"constraints": 2, "filter": 3 - is_ssd, "too small": 1, "away": 1}
    assert agents == (expected | {"in use": 1} if is_ssd else expected)
    assert "the first comes again in 40 s" in text
    assert "1 agent: not connected" in text


def test_m35_what_the_nearest_agent_lacks() -> None:
    h = MasterHarness()
    h.agent(cpus=4, name="small")
    h.agent(cpus=6, name="large", gpus=1)
    f = h.framework(demands=[demand(1, cpus=8), demand(2, gpus=3)])
    text, agents = answer(h, f)
    assert agents == {"too small": 2}
    assert "large comes nearest to 8 cpus, 1 GiB mem: 2 cpus short, even if nothing ran" in text
    assert "large comes nearest to 1 cpu, 1 GiB mem, 3 gpus: 2 gpus short" in text


def test_m35_devices_that_are_free_in_parts() -> None:
    h = MasterHarness()
    h.agent(cpus=8, gpus=2, name="one")
    g = h.framework(role="other", demands=[demand(2, gpus=0.5)])
    g.launch(task("t1", gpus=0.5))
    g.wants(demand(1, gpus=1))
    g.launch(task("t2", gpus=0.5))
    f = h.framework(demands=[demand(1, gpus=2)])
    assert "one comes nearest" in answer(h, f)[0]


@pytest.mark.parametrize(
    ("rule", "wish", "settings"),
    [
        ("keep apart", RoleWish(Role("dl"), keep_apart=(Role("other"),)), MasterSettings()),
        (
            "minimum offer",
            RoleWish(Role("dl"), minimum_offers=(Resources.of(cpus=4),)),
            MasterSettings(),
        ),
        (
            "minimum offer",
            RoleWish(Role("dl")),
            MasterSettings(minimum_offers=(Resources.of(cpus=4),)),
        ),
    ],
)
def test_m35_the_rule_that_said_no(rule: str, wish: RoleWish, settings: MasterSettings) -> None:
    h = MasterHarness(settings)
    h.agent(cpus=8)
    g = h.framework(role="other", demands=[demand(1, cpus=4)])
    g.launch(task("t1", cpus=4))
    f = h.framework(demands=[demand(1)], wishes=[wish])
    text, agents = answer(h, f)
    assert agents == {rule: 1}
    assert explain.WORDS[rule] in text


def test_m35_a_quota_is_told_with_its_numbers() -> None:
    h = MasterHarness()
    h.agent(cpus=8)
    h.orders(SetQuota(Role("dl"), {}, {"cpus": 2000}))
    f = h.framework(demands=[demand(4)])
    f.launch(task("t1", cpus=2))
    f.wants(demand(4))
    text, agents = answer(h, f)
    assert agents == {"quota": 1}
    assert "dl is limited to 2 cpus, and holds 2 cpus" in text


def test_m35_reservations_of_its_own_and_of_others() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    a.reserves(Role("dl"), Resources.of(cpus=8, mem=8 * 2**30))
    h.tick()
    f = h.framework(demands=[])
    g = h.framework(role="other", demands=[demand(1)])
    assert "8 cpus, 8 GiB mem reserved for it is idle" in answer(h, f)[0]
    assert answer(h, g)[1] == {"reservations": 1}


def test_m35_room_that_is_kept_for_a_large_demand() -> None:
    h = MasterHarness(MasterSettings(hold_after_s=10, revoke_after_s=0))
    a = h.agent(cpus=4, name="here")
    small = h.framework(role="small", demands=[demand(3)])
    small.launch(task("t1"), task("t2"), task("t3"))
    a.runs("t1", "t2", "t3")
    large = h.framework(role="large", demands=[demand(1, cpus=4)])
    h.advance(15)
    assert "what becomes free on here is kept for its 4 cpus, 1 GiB mem" in answer(h, large)[0]
    small.wants(demand(1))
    text, agents = answer(h, small)
    assert agents == {"kept": 1}
    assert "kept for another framework that has waited for long" in text
    small.wants(demand(1, cpus=2))
    assert answer(h, small)[1] == {"kept": 1}, "nor does it get what becomes free"


def test_m35_gpu_agents_and_demands_with_constraints() -> None:
    h = MasterHarness()
    h.agent(cpus=1)
    h.agent(cpus=4, gpus=1)
    f = h.framework(demands=[Demand(demand(1).each, 1, only("disk", "tape"))])
    assert answer(h, f)[1] == {"constraints": 2}
    g = h.framework(role="other", demands=[demand(2)])
    assert answer(h, g)[1] == {"in use": 1, "gpu agents": 1}


def test_m35_a_share_and_who_comes_first() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="8GiB")
    f = h.framework(name="first", role="a", demands=[demand(8)])
    f.accept(f.offers, task("t1", cpus=4))
    h.orders(SetWeight(Role("a"), 2))
    g = h.framework(name="second", role="b", demands=[demand(8)])
    text, _ = answer(h, f)
    assert "role a: holds 4 cpus, 1 GiB mem, which is 100% of all cpus; weight 2" in text
    assert "1 of 2 that want something come before it; the first is second in role b" in text
    assert "roles a 100%" in text
    assert "come before it" not in answer(h, g)[0]


def test_m35_who_asks_for_nothing() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    assert "all that it wants is offered to it now" in answer(h, f)[0]
    assert "the first is taken back in 30 s" in answer(h, f)[0]
    f.wants()
    f.decline()
    assert "wants nothing" in answer(h, f)[0]
    f.call(Suppress())
    assert "has suppressed offers" in answer(h, f)[0]
    f.disconnects()
    h.advance(60)
    assert "has been away for 60 s" in answer(h, f)[0]


def test_m35_demand_that_is_not_believed() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    for _ in range(3):
        f.decline(refuse_s=1)
        h.advance(1.5)
    assert "none of the last 3 fitting offers" in answer(h, f)[0]


def test_m35_a_gang_that_fits_in_part() -> None:
    h = MasterHarness()
    h.agent(cpus=3)
    h.agent(cpus=2)
    f = h.framework(demands=[Demand(demand(1).each, 6, gang=True)])
    assert not f.offers
    text, _ = answer(h, f)
    assert "it wants all at once or none, 6 tasks of 1 cpu, 1 GiB mem" in text
    assert "together there is room for 5 of the 6" in text


def test_m35_a_framework_that_nobody_knows() -> None:
    result = MasterHarness().orders(ExplainFramework(FrameworkId("f")))
    assert (result.code, result.field) == (Code.NOT_FOUND, "framework_id")


def test_m35_to_explain_changes_nothing() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1, cpus=8)])
    before = (h.master.next_deadline(), f.offers, len(h.actions))
    answer(h, f)
    assert (h.master.next_deadline(), f.offers, len(h.actions) - 1) == before
