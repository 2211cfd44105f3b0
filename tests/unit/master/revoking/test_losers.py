"""Who was below its guarantee or fair share for too long is given what others hold too much of."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
from tests.support.hungry import Hungry, goes_on, obey, settle
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import Role
from fairlead.common.messages import Code, KillTask, Revoke
from fairlead.common.operators import SetQuota, SetWeight
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Predicate,
    Reason,
    TaskState,
)
from fairlead.master.settings import MasterSettings

ONE = Resources.of(cpus=1, mem=2**30)
BEFORE = 76.0
"""Seconds in which nobody is taken from: the default patience and a look."""
NOTICE = 31.0


def world(
    *agents: float, settings: MasterSettings | None = None, guarantees: dict[str, int] | None = None
) -> MasterHarness:
    """Agents of so many cpus, with more than enough memory."""
    h = MasterHarness(settings)
    for cpus in agents:
        h.agent(cpus=cpus, mem=f"{10 * cpus}GiB")
    for role, cpus in (guarantees or {}).items():
        assert h.orders(SetQuota(Role(role), {"cpus": cpus * 1000})).code is Code.OK
    return h


def hungry(h: MasterHarness, role: str, count: int, *, cpus: float = 1) -> Hungry:
    """It has taken what it could by the time it is returned."""
    found = Hungry(h, role, Resources.of(cpus=cpus, mem=2**30), count)
    settle(h, [found])
    return found


def notices(framework: FrameworkDouble) -> list[Revoke]:
    return [body for body in framework.heard if isinstance(body, Revoke)]


def killed(h: MasterHarness) -> list[KillTask]:
    return [body for agent in h.agents for body in agent.orders if isinstance(body, KillTask)]


def test_m27_a_framework_that_holds_everything_gives_back_half_to_one_that_starves() -> None:
    h = world(4, 4)
    hog = hungry(h, "hog", 100)
    poor = hungry(h, "poor", 100)
    assert (hog.cpus, poor.cpus) == (8, 0)
    goes_on(h, [hog, poor], 55)
    assert not hog.notices, "patience has an end, and not before"
    goes_on(h, [hog, poor], BEFORE - 55)
    assert [len(notice.tasks) for notice in hog.notices] == [4]
    assert hog.notices[0].resources.cpus == 4000
    assert 0 < hog.notices[0].deadline_s <= 30
    assert not killed(h), "it has until the deadline"
    goes_on(h, [hog, poor], NOTICE)
    assert {kill.reason for kill in killed(h)} == {Reason.REVOKED}
    assert "role poor was below" in killed(h)[0].message
    assert (hog.cpus, poor.cpus) == (4, 4)
    goes_on(h, [hog, poor], 600)
    assert len(hog.notices) == 1, "one is enough"
    assert not poor.notices


def test_m27_weights_and_the_tree_count() -> None:
    h = world(12)
    hog = hungry(h, "hog", 100)
    h.orders(SetWeight(Role("lab"), 2))
    some, other = hungry(h, "lab/x", 100), hungry(h, "lab/y", 100)
    goes_on(h, [hog, some, other], BEFORE + NOTICE)
    assert (hog.cpus, some.cpus, other.cpus) == (4, 4, 4)


def test_m27_what_an_idle_framework_leaves_is_nobodys_loss() -> None:
    h = world(8)
    hog, modest = hungry(h, "hog", 100), hungry(h, "modest", 0)
    goes_on(h, [hog, modest], 300)
    assert not hog.notices
    modest.count = 1
    goes_on(h, [hog, modest], BEFORE + NOTICE)
    assert (hog.cpus, modest.cpus) == (7, 1)


def test_m27_it_can_be_turned_off() -> None:
    h = world(4, settings=MasterSettings(revoke_after_s=0))
    hog, poor = hungry(h, "hog", 100), hungry(h, "poor", 1)
    goes_on(h, [hog, poor], 600)
    assert not hog.notices


def test_m27_whoever_got_a_share_meanwhile_has_patience_anew() -> None:
    h = world(4)
    hog, poor = hungry(h, "hog", 100), hungry(h, "poor", 2)
    goes_on(h, [hog, poor], 50)
    hog.count = 2
    h.agents[0].finishes(*list(h.agents[0].living)[:2])
    goes_on(h, [hog, poor], 20)
    assert poor.cpus == 2
    poor.count, hog.count = 0, 100
    h.agents[0].finishes(*(t for t in h.agents[0].living if t.startswith("poor")))
    goes_on(h, [hog, poor], 1)
    assert hog.cpus == 4
    poor.count = 2
    goes_on(h, [hog, poor], 55)
    assert not hog.notices


def test_m27_a_guarantee_is_kept_whatever_the_shares() -> None:
    h = world(4, 4, guarantees={"owed": 6})
    owed = hungry(h, "owed", 0)
    h.orders(SetQuota(Role("owed")))
    hog = hungry(h, "hog", 100)
    h.orders(SetQuota(Role("owed"), {"cpus": 6000}))
    owed.count = 100
    goes_on(h, [hog, owed], BEFORE + NOTICE)
    assert (hog.cpus, owed.cpus) == (2, 6)
    goes_on(h, [hog, owed], 600)
    assert not owed.notices, "below its share the other may be, never at the cost of a guarantee"


def test_m27_what_is_guaranteed_is_not_taken() -> None:
    h = world(8, guarantees={"safe": 7})
    safe, poor = hungry(h, "safe", 8), hungry(h, "poor", 100)
    assert safe.cpus == 8
    goes_on(h, [safe, poor], BEFORE + NOTICE)
    assert (safe.cpus, poor.cpus) == (7, 1)


def test_m27_a_task_that_holds_everything_is_not_ended_for_a_smaller_one() -> None:
    h = world(8)
    hog, poor = hungry(h, "hog", 1, cpus=8), hungry(h, "poor", 1)
    goes_on(h, [hog, poor], 300)
    assert not hog.notices, "it could not start again"


def test_m27_it_is_ended_if_its_framework_is_offered_what_is_left() -> None:
    """One that states no demand takes whatever there is."""
    h = world(8)
    hog = Hungry(h, "hog", ONE, 0, states_demand=False)
    settle(h, [hog])
    poor = hungry(h, "poor", 1)
    assert hog.cpus == 8
    goes_on(h, [hog, poor], BEFORE + NOTICE)
    assert (hog.cpus, poor.cpus) == (7, 1)
    goes_on(h, [hog, poor], 300)
    assert len(hog.notices) == 1


def test_m27_the_cheapest_are_taken_revocable_low_and_young() -> None:
    h = world(6)
    hog = h.framework(role="hog", demands=[demand(6)])
    tasks = [
        replace(task("old"), priority=1),
        replace(task("dear"), priority=9),
        replace(task("revocable"), priority=5, revocable=False),
        replace(task("low"), priority=-1),
        replace(task("middle"), priority=1),
        replace(task("young"), priority=1),
    ]
    hog.launch(*tasks)
    hog.wants()
    h.agents[0].runs(*(info.task_id for info in tasks))
    poor = hungry(h, "poor", 3)
    goes_on(h, [poor], BEFORE)
    revoked = [
        ref.task_id for notice in poor.framework.heard for ref in getattr(notice, "tasks", ())
    ]
    assert not revoked
    (notice,) = notices(hog)
    assert [ref.task_id for ref in notice.tasks] == ["low", "young", "middle"]


def test_m27_tasks_that_turn_out_not_to_be_needed_are_spared() -> None:
    """The youngest is too small; the one before it suffices alone."""
    h = world(8)
    hog = h.framework(role="hog", demands=[demand(8)])
    hog.launch(task("big", cpus=4), task("middle", cpus=3), task("small", cpus=1))
    hog.wants()
    h.agents[0].runs("big", "middle", "small")
    poor = hungry(h, "poor", 1, cpus=3)
    goes_on(h, [poor], BEFORE)
    (notice,) = notices(hog)
    assert [ref.task_id for ref in notice.tasks] == ["middle"]


def test_m27_a_taker_may_answer_with_kills_of_its_own_choice() -> None:
    h = world(4)
    hog, poor = hungry(h, "hog", 4), hungry(h, "poor", 1)
    goes_on(h, [hog, poor], BEFORE)
    (notice,) = hog.notices
    hog.count = 3
    (named,) = notice.tasks
    own = next(t for t in h.agents[0].living if t != named.task_id)
    hog.framework.kill(own)
    goes_on(h, [hog, poor], NOTICE)
    assert (hog.cpus, poor.cpus) == (3, 1)
    assert [kill.task_id for kill in killed(h)] == [own]


def test_m27_a_taker_may_answer_with_a_smaller_task() -> None:
    h = world(4)
    hog = h.framework(role="hog", demands=[demand(2, cpus=2)])
    hog.launch(task("one", cpus=2), task("two", cpus=2))
    hog.wants()
    h.agents[0].runs("one", "two")
    poor = hungry(h, "poor", 2)
    goes_on(h, [poor], BEFORE)
    (notice,) = notices(hog)
    assert [ref.task_id for ref in notice.tasks] == ["two"]
    for name in ("one", "two"):
        known = h.agents[0].living[next(t for t in h.agents[0].living if t == name)]
        smaller = replace(known.resources, cpus=1000)
        h.agents[0].becomes(name, TaskState.RUNNING, resources=smaller)
    goes_on(h, [poor], NOTICE)
    assert not killed(h)
    assert poor.cpus == 2


def test_m27_what_comes_free_is_kept_for_the_one_it_is_taken_for() -> None:
    h = world(8)
    hog = hungry(h, "hog", 8)
    poor = hungry(h, "poor", 2, cpus=2)
    goes_on(h, [hog, poor], BEFORE)
    (notice,) = hog.notices
    hog.count = 4
    rival = hungry(h, "rival", 100)
    for ref in notice.tasks[:3]:
        h.agents[0].finishes(ref.task_id)
        settle(h, [rival])
    assert rival.cpus == 0, "it waits less long, and is no lower"
    goes_on(h, [hog, poor], 1)
    assert poor.cpus == 2


def test_m27_nobody_is_taken_from_if_the_loser_wants_nothing_any_more() -> None:
    h = world(4)
    hog, poor = hungry(h, "hog", 4), hungry(h, "poor", 1)
    goes_on(h, [hog, poor], BEFORE)
    assert hog.notices
    poor.count = 0
    goes_on(h, [hog, poor], 300)
    assert not killed(h)
    assert not h.master.books.revocations


def test_m27_nobody_is_taken_from_for_one_that_refuses_what_it_gets() -> None:
    h = world(4)
    hog, liar = hungry(h, "hog", 100), h.framework(role="liar", demands=[demand(1)])
    for _ in range(200):
        goes_on(h, [], 5)
        obey(h.agents[0])
        for offer in liar.offers:
            liar.decline(offer)
        settle(h, [hog])
    assert len(hog.notices) == 3, "then its demand is believed no more"


def test_m27_a_taker_that_was_away_hears_of_it_when_it_is_back() -> None:
    h = world(4)
    hog, poor = hungry(h, "hog", 4), hungry(h, "poor", 2)
    hog.framework.disconnects()
    goes_on(h, [poor], BEFORE)
    assert not hog.notices
    h.advance(10)
    hog.framework.connects()
    (notice,) = hog.notices
    assert len(notice.tasks) == 2
    assert notice.deadline_s < 25
    goes_on(h, [hog, poor], NOTICE)
    assert (hog.cpus, poor.cpus) == (2, 2)


def test_m27_a_new_leader_begins_to_count_again() -> None:
    h = world(4)
    hog, poor = hungry(h, "hog", 4), hungry(h, "poor", 2)
    goes_on(h, [hog, poor], BEFORE)
    h.fail_over()
    goes_on(h, [hog, poor], 55)
    assert len(hog.notices) == 1
    goes_on(h, [hog, poor], BEFORE - 55 + NOTICE)
    assert (hog.cpus, poor.cpus) == (2, 2)


def test_m27_two_losers_are_served_and_the_highest_gives_most() -> None:
    h = world(6, 6)
    high, low = hungry(h, "high", 8), hungry(h, "low", 4)
    poor = [hungry(h, "poor", 100), hungry(h, "miser", 1)]
    goes_on(h, [high, low, *poor], BEFORE + NOTICE)
    assert [each.cpus for each in (high, low, *poor)] == [4, 4, 3, 1]
    assert not low.notices


def test_m27_no_more_is_taken_than_the_losers_limit_allows() -> None:
    h = world(8)
    hog, poor = hungry(h, "hog", 100), hungry(h, "poor", 0)
    h.orders(SetQuota(Role("poor"), limits={"cpus": 1000}))
    poor.count = 100
    goes_on(h, [hog, poor], 300)
    assert (hog.cpus, poor.cpus) == (7, 1)
    assert len(hog.notices) == 1


def test_m27_within_a_role_that_holds_all_it_may_its_frameworks_share() -> None:
    h = world(8)
    h.orders(SetQuota(Role("lab"), limits={"cpus": 4000}))
    first, second = hungry(h, "lab", 100), hungry(h, "lab", 100)
    assert (first.cpus, second.cpus) == (4, 0)
    goes_on(h, [first, second], BEFORE + NOTICE)
    assert (first.cpus, second.cpus) == (2, 2)


def test_m27_devices_are_taken_back_by_name() -> None:
    h = MasterHarness()
    h.agent(cpus=8, mem="80GiB", gpus=4)
    each = Resources.of(cpus=1, mem=2**30, gpus=1)
    hog, poor = Hungry(h, "hog", each, 4), Hungry(h, "poor", each, 2)
    settle(h, [hog])
    goes_on(h, [hog, poor], BEFORE)
    assert hog.notices[0].resources.gpu_millis == 2000
    (revocation,) = h.master.books.revocations.values()
    assert all(name.startswith("GPU-") for unit in revocation.units for name, _ in unit.gpus)
    goes_on(h, [hog, poor], NOTICE)
    assert (hog.living, poor.living) == (2, 2)


def test_m27_agents_where_a_loser_may_not_be_are_left_alone() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="40GiB", attributes={"disk": "slow"})
    h.agent(cpus=4, mem="40GiB", attributes={"disk": "fast"})
    hog = hungry(h, "hog", 100)
    fast = AllOf((Predicate("disk", Comparison.EQUALS, ("fast",)),))
    poor = h.framework(role="poor", demands=[replace(demand(2), constraints=Constraints((fast,)))])
    goes_on(h, [hog], BEFORE)
    (notice,) = hog.notices
    assert {ref.agent_id for ref in notice.tasks} == {h.agents[1].id}
    goes_on(h, [hog], NOTICE)
    assert poor.offered.cpus == 2000


SIZES = st.sampled_from((0.5, 1, 2, 3))
ROLES = st.sampled_from(("a", "b", "c", "c/x", "c/y"))


@st.composite
def guests(draw: st.DrawFn) -> tuple[str, float, int, bool]:
    is_stated = draw(st.sampled_from((True, True, True, False)))
    return draw(ROLES), draw(SIZES), draw(st.integers(1, 20)), is_stated


QUIET = MasterSettings(
    revoke_after_s=8,
    revoke_grace_s=4,
    silent_s=1e6,
    agent_timeout_s=1e6,
    heartbeat_s=1e5,
    stall_s=1e5,
)
"""Nobody has to say that he is there, so that hours pass quickly."""


@hypothesis.settings(max_examples=6, deadline=None)
@hypothesis.given(
    agents=st.lists(st.sampled_from((1, 2, 4, 6)), min_size=1, max_size=3),
    come=st.lists(guests(), min_size=2, max_size=5),
    weight=st.sampled_from((0.5, 1, 3)),
    guaranteed=st.sampled_from((0, 0, 1, 3)),
)
def test_m27_while_demands_are_constant_revocations_come_to_an_end(
    agents: list[int], come: list[tuple[str, float, int, bool]], weight: float, guaranteed: int
) -> None:
    """What one loses it wants again; still nothing goes back and forth."""
    h = world(*agents, settings=QUIET)
    h.orders(SetWeight(Role("a"), weight))
    h.orders(SetQuota(Role("b"), {"cpus": guaranteed * 1000}, force=True))
    everybody: list[Hungry] = []
    for role, cpus, count, is_stated in come:
        each = Resources.of(cpus=cpus, mem=2**28)
        everybody.append(Hungry(h, role, each, count, states_demand=is_stated))
        settle(h, everybody)
    for peer in (*h.agents, *h.frameworks):
        peer.is_silent = True
    goes_on(h, everybody, 200)
    before = sum(len(each.notices) for each in everybody)
    goes_on(h, everybody, 100)
    after = sum(len(each.notices) for each in everybody)
    assert after == before, "it never ends"
    assert after <= 2 * len(everybody) * len(h.agents), f"{after} notices"
