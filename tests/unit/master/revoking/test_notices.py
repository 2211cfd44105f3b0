"""Between the notice and the deadline the world goes on: what is taken is what is right then."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from tests.support.hungry import Hungry, goes_on, obey, settle
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import Role
from fairlead.common.messages import KillTask, Revoke, Spared
from fairlead.common.operators import SetQuota
from fairlead.common.resources import Resources
from fairlead.common.values import AllOf, Comparison, Constraints, Demand, Predicate
from fairlead.master.revoking import takings
from fairlead.master.settings import MasterSettings

ONE = Resources.of(cpus=1, mem=2**30)
NOTICED = 76.0
"""Seconds after which a loser's patience is over."""
SETTINGS = MasterSettings(revoke_grace_s=20)
"""The deadline is between two looks, 15 s apart."""
LATER = 17.0
"""A look is over by then, and the deadline is not."""
FAST = Constraints((AllOf((Predicate("disk", Comparison.EQUALS, ("fast",)),)),))


def world(*agents: float, settings: MasterSettings = SETTINGS) -> MasterHarness:
    h = MasterHarness(settings)
    for cpus in agents:
        h.agent(cpus=cpus, mem=f"{10 * cpus}GiB", attributes={"disk": "fast"})
    return h


def hungry(h: MasterHarness, role: str, count: int, *, cpus: float = 1) -> Hungry:
    """It has taken what it could by the time it is returned."""
    found = Hungry(h, role, Resources.of(cpus=cpus, mem=2**30), count)
    settle(h, [found])
    return found


def killed(h: MasterHarness) -> list[str]:
    orders = [body for agent in h.agents for body in agent.orders]
    return [body.task_id for body in orders if isinstance(body, KillTask)]


def notices(framework: FrameworkDouble) -> list[Revoke]:
    return [body for body in framework.heard if isinstance(body, Revoke)]


def spared(framework: FrameworkDouble) -> list[str]:
    told = [body for body in framework.heard if isinstance(body, Spared)]
    return [ref.task_id for message in told for ref in message.tasks]


# --- at the deadline


def noticed(h: MasterHarness, poor_wants: int = 2) -> tuple[Hungry, Hungry]:
    """One that holds all there is, asked to give back to one that has nothing."""
    hog, poor = hungry(h, "hog", 100), hungry(h, "poor", poor_wants)
    goes_on(h, [hog, poor], NOTICED)
    assert [len(notice.tasks) for notice in hog.notices] == [poor_wants]
    goes_on(h, [hog, poor], LATER)
    assert not killed(h)
    return hog, poor


def test_m27_who_wants_nothing_any_more_at_the_deadline_costs_nobody_a_task() -> None:
    h = world(4)
    hog, poor = noticed(h)
    poor.count = 0
    goes_on(h, [hog, poor], 30)
    assert (killed(h), hog.cpus) == ([], 4)
    assert not h.master.books.revocations
    assert spared(hog.framework) == [ref.task_id for ref in hog.notices[0].tasks]


def test_m27_who_wants_less_at_the_deadline_costs_less() -> None:
    h = world(4)
    hog, poor = noticed(h)
    poor.count = 1
    goes_on(h, [hog, poor], 30)
    assert (len(killed(h)), hog.cpus, poor.cpus) == (1, 3, 1)
    named = [ref.task_id for ref in hog.notices[0].tasks]
    assert sorted(killed(h) + spared(hog.framework)) == sorted(named)


def test_m27_who_was_served_elsewhere_costs_nobody_a_task() -> None:
    h = world(4)
    hog, poor = noticed(h)
    h.agent(cpus=2, mem="20GiB")
    goes_on(h, [hog, poor], 30)
    assert (killed(h), hog.cpus, poor.cpus) == ([], 4, 2)


def test_m27_a_taker_that_lost_tasks_meanwhile_keeps_its_share() -> None:
    """Elsewhere, where the loser may not be."""
    h = world(4)
    h.agent(cpus=4, mem="40GiB")
    hog = hungry(h, "hog", 8)
    poor = h.framework(role="poor", demands=[replace(demand(4), constraints=FAST)])
    goes_on(h, [hog], NOTICED)
    (notice,) = hog.notices
    assert len(notice.tasks) == 4
    goes_on(h, [hog], LATER)
    h.agents[1].finishes(*h.agents[1].living)
    hog.count = 0
    goes_on(h, [hog], 30)
    assert (len(killed(h)), hog.cpus) == (2, 2)
    assert poor.offered.cpus == 2000


def test_m27_who_gave_back_in_another_way_is_told_that_the_rest_may_stay() -> None:
    h = world(4)
    hog, poor = noticed(h)
    named = [ref.task_id for ref in hog.notices[0].tasks]
    hog.count = 2
    own = [name for name in h.agents[0].living if name not in named]
    h.agents[0].finishes(*own)
    goes_on(h, [hog, poor], 1)
    assert (spared(hog.framework), poor.cpus) == (named, 2), "long before the deadline"
    goes_on(h, [hog, poor], 30)
    assert not killed(h)


def test_m27_on_an_agent_that_is_away_at_the_deadline_nothing_ends() -> None:
    h = world(4)
    hog, poor = noticed(h)
    h.agents[0].disconnects()
    h.advance(5)
    h.agents[0].connects()
    h.tick()
    assert not killed(h)
    assert not h.master.books.revocations, "nobody could have had it"
    goes_on(h, [hog, poor], NOTICED + 30)
    assert (hog.cpus, poor.cpus) == (2, 2), "but then"


def test_m27_who_ends_a_task_for_nothing_is_no_loser_twice() -> None:
    """What was spared at the deadline counts as the taker's from then on."""
    h = world(4)
    hog, poor = noticed(h)
    poor.count = 1
    goes_on(h, [hog, poor], 5)
    rival = hungry(h, "rival", 1)
    goes_on(h, [hog, poor, rival], NOTICED + 30)
    assert (hog.cpus, poor.cpus, rival.cpus) == (2, 1, 1)


# --- two at a time


def test_m27_what_is_taken_for_one_is_not_taken_again_for_another() -> None:
    h = world(8, settings=replace(SETTINGS, revoke_grace_s=300))
    hog, first = hungry(h, "hog", 100), hungry(h, "first", 2)
    goes_on(h, [hog, first], 40)
    second = hungry(h, "second", 2)
    goes_on(h, [hog, first, second], NOTICED)
    named = [[ref.task_id for ref in notice.tasks] for notice in hog.notices]
    assert [len(tasks) for tasks in named] == [2, 2]
    assert not set(named[0]) & set(named[1])


def test_m27_what_is_free_lessens_what_is_asked_for_once() -> None:
    """A cpu is free, and no use to either: with one more it is, for each of two."""
    h = world(5, settings=replace(SETTINGS, revoke_grace_s=300))
    hog = h.framework(role="hog", demands=[demand(4)])
    hog.launch(*(task(f"t{n}") for n in range(4)))
    hog.wants()
    h.agents[0].runs(*(f"t{n}" for n in range(4)))
    for role in ("x", "y"):
        h.framework(role=role, demands=[demand(1, cpus=1.5)])
    h.advance(NOTICED)
    asked = [notice.resources.cpus for notice in notices(hog)]
    assert (len(asked), sum(asked)) == (2, 2000), "of 3 cpus one is free"


def test_m27_what_is_left_over_of_a_large_task_is_for_the_next_unit() -> None:
    h = world(4)
    hog, poor = hungry(h, "hog", 2, cpus=2), hungry(h, "poor", 2)
    goes_on(h, [hog, poor], NOTICED)
    (notice,) = hog.notices
    assert (len(notice.tasks), notice.resources.cpus) == (1, 2000)
    goes_on(h, [hog, poor], 30)
    assert (hog.cpus, poor.cpus, len(hog.notices)) == (2, 2, 1)


def test_m27_two_takers_give_back_together_what_is_asked_for() -> None:
    h = world(8)
    takers = [hungry(h, role, 1, cpus=4) for role in ("one", "two")]
    poor = h.framework(role="poor", demands=[demand(1, cpus=6)])
    h.orders(SetQuota(Role("poor"), {"cpus": 6000}))
    goes_on(h, takers, NOTICED)
    assert [len(taker.notices) for taker in takers] == [1, 1]
    assert sum(taker.notices[0].resources.cpus for taker in takers) == 6000
    goes_on(h, takers, 40)
    assert poor.offered.cpus == 6000


# --- gangs


def ganging(h: MasterHarness, *more: str) -> FrameworkDouble:
    """A gang of two on two agents, and single tasks beside it."""
    hog = h.framework(role="hog", demands=[Demand(ONE, 2, gang=True)])
    hog.takes_gang("g", task("g1"), task("g2"))
    for name in more:
        hog.wants(demand(1))
        hog.accept(hog.offers, task(name))
    hog.wants()
    for agent in h.agents:
        obey(agent)
    return hog


def test_m27_of_a_gang_all_are_taken_or_none() -> None:
    h = world(1, 1)
    hog = ganging(h)
    h.framework(role="poor", demands=[demand(1)])
    h.advance(NOTICED)
    assert not notices(hog), "without its gang it would stand below the other"
    h = world(1, 1, 1, 1)
    hog = ganging(h, "s1", "s2")
    poor = h.framework(role="poor", demands=[demand(2)])
    h.advance(NOTICED)
    named = [sorted(ref.task_id for ref in notice.tasks) for notice in notices(hog)]
    assert sorted(name for names in named for name in names) in (["g1", "g2"], ["s1", "s2"])
    h.advance(30)
    obey_all(h)
    h.tick()
    assert poor.offered.cpus == 2000


def obey_all(h: MasterHarness) -> None:
    for agent in h.agents:
        obey(agent)


# --- many


def test_m27_who_cannot_be_served_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen wait for more than any agent has; a plan has room for one of them."""
    monkeypatch.setattr(takings, "MOST_LOOKS", 3)
    h = world(4)
    hog = hungry(h, "hog", 100)
    for number in range(12):
        h.framework(role=f"h{number:02}", demands=[demand(1, cpus=5)])
    poor = hungry(h, "poor", 2)
    goes_on(h, [hog, poor], NOTICED + 30)
    assert (hog.cpus, poor.cpus) == (2, 2)


def test_m27_when_many_are_under_way_the_rest_waits_for_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fairlead.master.revoking.notices.MOST_UNDER_WAY", 1)
    monkeypatch.setattr(takings, "MOST_LOOKS", 1)
    h = world(3, 3)
    hog, *poor = (hungry(h, role, count) for role, count in (("hog", 100), ("x", 1), ("y", 1)))
    goes_on(h, [hog, *poor], NOTICED)
    assert len(h.master.books.revocations) == 1
    goes_on(h, [hog, *poor], 60)
    assert [each.cpus for each in (hog, *poor)] == [4, 1, 1]


def test_m27_whom_nothing_can_be_taken_for_is_planned_for_more_and_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    h = world(8)
    hog, poor = hungry(h, "hog", 1, cpus=8), hungry(h, "poor", 1)
    plans = counted(monkeypatch)
    goes_on(h, [hog, poor], 60 * (1 + 1 + 2 + 4 + 8 + 8) + 30)
    assert len(plans) == 6


def counted(monkeypatch: pytest.MonkeyPatch) -> Sequence[int]:
    """One entry per plan."""
    plans: list[int] = []
    real: Callable[..., takings.Planned] = takings.plan

    def plan(scene: takings.Scene, number: int) -> takings.Planned:
        plans.append(number)
        return real(scene, number)

    monkeypatch.setattr("fairlead.master.revoking.notices.plan", plan)
    return plans
