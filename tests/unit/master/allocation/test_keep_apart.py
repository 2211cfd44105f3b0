"""Roles that share no agent, whoever comes first, at all times."""

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import Role, TaskId
from fairlead.common.messages import Suppress
from fairlead.common.values import RoleWish, Suspend


def apart(role: str, *names: str) -> list[RoleWish]:
    return [RoleWish(Role(role), keep_apart=tuple(map(Role, names)))]


def agents_of(framework: FrameworkDouble) -> set[str]:
    return {offer.agent_id for offer in framework.offers}


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("other", ["bad", "bad/worse"])
def test_m19_who_is_kept_apart_is_offered_other_agents(*, is_first: bool, other: str) -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    h.agent(cpus=4)
    wish = {"role": "good", "wishes": apart("good", "bad")}
    one, two = (wish, {"role": other}) if is_first else ({"role": other}, wish)
    f = h.framework(demands=[demand(1)], **one)
    g = h.framework(demands=[demand(8)], **two)
    assert f.offered.cpus == 1000
    assert g.offered.cpus == 4000
    assert not agents_of(f) & agents_of(g)


def test_m19_within_one_allocation_too() -> None:
    h = MasterHarness()
    f = h.framework(role="good", demands=[demand(1)], wishes=apart("good", "bad"))
    g = h.framework(role="bad", demands=[demand(1)])
    h.agent(cpus=4)
    h.tick()
    assert sorted([f.offered.cpus, g.offered.cpus]) == [0, 1000]
    h.agent(cpus=4)
    h.tick()
    assert [f.offered.cpus, g.offered.cpus] == [1000, 1000]


def test_m19_those_who_are_not_named_share_as_ever() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    h.framework(role="good", demands=[demand(1)], wishes=apart("good", "bad"))
    g, same = (h.framework(role=role, demands=[demand(1)]) for role in ("badly", "good"))
    assert agents_of(g) == agents_of(same) == {a.id}


def test_m19_a_role_may_keep_to_itself_within_itself() -> None:
    """Then each of its frameworks has agents of its own, on which it may have more than one."""
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework(role="good", demands=[demand(1)], wishes=apart("good", "good"))
    g = h.framework(role="good", demands=[demand(1)])
    f.launch(task("t1"))
    f.wants(demand(1))
    assert agents_of(f) == {a.id}
    assert not g.offers


def sharing() -> tuple[MasterHarness, AgentDouble, FrameworkDouble, FrameworkDouble]:
    """One runs a task on the only agent; the other would like to."""
    h = MasterHarness()
    a = h.agent(cpus=4, gpus=1)
    f = h.framework(role="good", demands=[demand(1, gpus=1)], wishes=apart("good", "bad"))
    f.launch(task("t1", gpus=1))
    a.runs("t1")
    g = h.framework(role="bad", demands=[demand(1)])
    return h, a, f, g


def test_m19_a_task_keeps_others_away_until_it_has_ended() -> None:
    h, a, f, g = sharing()
    h.advance(100)
    assert not g.offers
    f.orders(Suspend(TaskId("t1"), free_cpus=True))
    a.programs.finish()
    h.advance(10)
    assert not g.offers, "it is at rest there, and may go on at any time"
    a.finishes("t1")
    h.tick()
    assert agents_of(g) == {a.id}


def test_m19_a_task_of_who_is_away_keeps_others_away_as_well() -> None:
    h, _, f, g = sharing()
    f.disconnects()
    h.advance(100)
    assert not g.offers


def test_m19_who_says_it_late_takes_back_what_was_offered_where_it_is() -> None:
    h = MasterHarness()
    a, b = h.agent(cpus=4), h.agent(cpus=4)
    f = h.framework(role="good", demands=[demand(1)])
    f.launch(task("t1"))
    a.runs("t1")
    g = h.framework(role="bad", demands=[demand(8)])
    assert agents_of(g) == {a.id, b.id}
    f.disconnects()
    f.wishes = tuple(apart("good", "bad"))
    f.connects()
    h.tick()
    assert agents_of(g) == {b.id}


def test_m19_after_a_failover_sharing_does_not_grow() -> None:
    """The agent came first, then who is kept from, and last who keeps apart."""
    h, a, f, g = sharing()
    g.call(Suppress())
    h.fail_over(returns=False)
    a.connects()
    g.connects()
    h.tick()
    g.launch(task("t2"))
    a.runs("t2")
    f.connects()
    h.tick()
    f.wants(demand(4))
    g.wants(demand(4))
    h.advance(100)
    assert not f.offers
    assert not g.offers
    a.finishes("t2")
    h.tick()
    assert agents_of(f) == {a.id}
