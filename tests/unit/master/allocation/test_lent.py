"""What tasks hold and do not use is offered to those who can bear to lose it, and counted apart."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.support.master_harness import (
    AgentDouble,
    FrameworkDouble,
    MasterHarness,
    demand,
    task,
)

from fairlead.common.ids import Role
from fairlead.common.messages import Code, RunAccept
from fairlead.common.operators import SetQuota
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Demand, Launch, Reason, Resize, TaskInfo, TaskState
from fairlead.master.allocation import lent


def borrower(name: str = "b1", *, cpus: float = 1, mem: str = "1GiB") -> TaskInfo:
    return replace(task(name, cpus=cpus, mem=mem), revocable=True)


def cluster(*, gpus: int = 0) -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    """All cpus of an agent are held by a task of 4, and 3 of them are idle."""
    h = MasterHarness()
    agent = h.agent(cpus=4, mem="8GiB", gpus=gpus)
    owner = h.framework(role="owner", demands=[demand(1, cpus=4, gpus=gpus)])
    owner.launch(task("owner", cpus=4, gpus=gpus))
    owner.wants()
    agent.runs("owner")
    agent.revocable = Resources.of(cpus=3)
    return h, agent, owner


def able(
    h: MasterHarness, *demands: Demand, role: str = "spare", stated: bool = True
) -> FrameworkDouble:
    wanted: Sequence[Demand] | None = demands if stated else None
    return h.framework(role=role, demands=wanted, capabilities=["revocable"])


def test_m26_idle_cpus_are_offered_to_whoever_can_bear_to_lose_them() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(2, cpus=1))
    other = h.framework(role="other", demands=[demand(2, cpus=1)])
    agent.beats()
    (offer,) = framework.offers
    assert offer.revocable == Resources.of(cpus=2)
    assert offer.resources == Resources.of(mem=2 * 2**30)
    assert not other.offers, "it has not said that it can"
    h.advance(6)
    assert len(framework.offers) == 1, "what is offered serves the demand"


def test_m26_what_is_free_comes_first_and_whole_agents_are_not_lent() -> None:
    h, agent, _ = cluster()
    h.agent(cpus=2)
    framework = able(h, demand(2, cpus=1))
    idle = able(h, stated=False)
    agent.beats()
    h.tick()
    assert [offer.revocable for offer in framework.offers] == [EMPTY]
    assert not any(offer.revocable for offer in idle.offers)


def test_m26_a_revocable_task_holds_no_cpus_and_they_are_its_limit() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(2, cpus=1))
    agent.beats()
    framework.launch(borrower("b1"), borrower("b2"))
    run = [order for order in agent.orders if isinstance(order, RunAccept)][-1]
    assert run.resources == Resources.of(mem=2 * 2**30)
    launch = run.operations[0]
    assert isinstance(launch, Launch)
    assert launch.task.resources == Resources.of(mem=2**30)
    assert launch.task.limits == Resources.of(cpus=1)
    agent.runs("b1", "b2")
    books = h.master.books
    assert books.agents[agent.id].used.cpus == 4000, "what is lent is held once"
    assert books.held[Role("spare")] == Resources.of(mem=2 * 2**30), "and is in nobody's share"
    assert lent.cpus_lent(books.agents[agent.id]) == 2000
    agent.finishes("b1")
    assert lent.cpus_lent(books.agents[agent.id]) == 1000


def test_m26_no_more_is_lent_than_is_idle() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(100, cpus=1, mem="0.5GiB"))
    agent.beats()
    (offer,) = framework.offers
    assert offer.revocable == Resources.of(cpus=3)
    framework.launch(*(borrower(f"b{n}", mem="0.5GiB") for n in range(3)))
    h.advance(10)
    assert not framework.offers


def test_m26_offers_are_rescinded_when_their_owner_needs_them() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(3, cpus=1))
    agent.beats()
    (offer,) = framework.offers
    agent.revocable = Resources.of(cpus=1)
    agent.beats()
    assert framework.rescinded == [offer.offer_id]
    assert [offer.revocable for offer in framework.offers] == [Resources.of(cpus=1)]


def test_m26_lent_and_own_cpus_are_not_mixed_up() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(1, cpus=1))
    agent.beats()
    framework.launch(task("plain"))
    assert framework.state("plain") is TaskState.ERROR
    assert "the offers have 1 GiB mem, and revocable 1 cpu left" in framework.statuses[-1].message
    h.agent(cpus=2)
    framework.wants(demand(1, cpus=2))
    h.advance(6)
    (offer,) = [each for each in framework.offers if not each.revocable]
    framework.accept(offer, borrower("lent", cpus=2))
    said = framework.statuses[-1]
    assert (said.state, said.reason) == (TaskState.ERROR, Reason.INVALID_TASK)
    assert "is revocable and asks for 2 cpus" in said.message


def test_m26_a_revocable_task_needs_memory_of_its_own() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(1, cpus=1))
    agent.beats()
    bare = replace(borrower(), resources=Resources.of(cpus=1))
    assert framework.accept(framework.offers, bare) is Code.OK
    assert "it needs some memory of its own" in framework.statuses[-1].message


def test_m26_a_refusal_of_lent_cpus_says_nothing_of_others() -> None:
    h, agent, owner = cluster()
    framework = able(h, demand(1, cpus=1))
    agent.beats()
    framework.decline(refuse_s=1000)
    agent.beats()
    assert not framework.offers
    agent.finishes("owner")
    agent.revocable = EMPTY
    h.tick()
    assert not owner.offers
    assert [offer.resources.cpus for offer in framework.offers] == [1000]


def test_m26_what_was_taken_of_a_loan_is_not_refused() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(2, cpus=1))
    agent.beats()
    framework.accept(framework.offers, borrower("b1"), refuse_s=1000)
    agent.runs("b1")
    agent.beats()
    assert not framework.offers, "one cpu is left of what it wanted, and that it has refused"
    agent.finishes("b1")
    framework.wants(demand(2, cpus=1, mem="0.5GiB"))
    agent.beats()
    assert [offer.revocable for offer in framework.offers] == [Resources.of(cpus=2)]


def test_m26_a_limit_of_a_role_does_not_count_what_is_lent() -> None:
    h, agent, _ = cluster()
    h.orders(SetQuota(Role("spare"), limits={"cpus": 0}))
    framework = able(h, demand(1, cpus=1))
    agent.beats()
    assert [offer.revocable for offer in framework.offers] == [Resources.of(cpus=1)]


def test_m22_idle_cpus_of_an_agent_with_gpus_are_lent_to_those_who_use_none() -> None:
    h, agent, _ = cluster(gpus=1)
    h.agent(cpus=0.5)
    framework = able(h, demand(1, cpus=1))
    agent.beats()
    assert [offer.revocable for offer in framework.offers] == [Resources.of(cpus=1)]


def test_m26_who_was_lent_less_comes_first() -> None:
    h, agent, _ = cluster()
    one, two = able(h, demand(2, cpus=1)), able(h, demand(2, cpus=1), role="zz")
    agent.beats()
    assert [offer.revocable.cpus for offer in (*one.offers, *two.offers)] == [2000, 1000]
    one.launch(borrower("b1"), borrower("b2"))
    two.decline(refuse_s=0)
    one.wants(demand(2, cpus=1))
    h.advance(6)
    assert [offer.revocable.cpus for offer in (*two.offers, *one.offers)] == [1000]
    assert two.offers


def test_m26_who_says_no_more_that_it_can_bear_it_is_lent_nothing() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(2, cpus=1))
    framework.disconnects()
    framework.info = replace(framework.info, capabilities=())
    framework.connects()
    agent.beats()
    assert not framework.offers
    framework.disconnects()
    framework.info = replace(framework.info, capabilities=("revocable",))
    framework.connects()
    agent.beats()
    assert framework.offers


def test_m26_where_nothing_is_left_to_lend_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(100, cpus=1))
    agent.beats()
    framework.launch(*(borrower(f"b{n}") for n in range(3)))
    framework.wants(demand(100, cpus=1))
    monkeypatch.setattr(lent, "open_demand", lambda *_: pytest.fail("there is nothing to lend"))
    agent.beats()


def test_m26_a_new_leader_knows_what_is_lent() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(2, cpus=1))
    agent.beats()
    framework.launch(borrower("b1"), borrower("b2"))
    agent.runs("b1", "b2")
    h.fail_over()
    assert lent.cpus_lent(h.master.books.agents[agent.id]) == 2000
    framework.wants(demand(5, cpus=1))
    h.advance(4)
    assert [offer.revocable for offer in framework.offers] == [Resources.of(cpus=1)]


def test_m26_a_revocable_task_stays_as_large_as_it_is() -> None:
    h, agent, _ = cluster()
    framework = able(h, demand(1, cpus=1))
    agent.beats()
    framework.launch(borrower("b1"))
    agent.runs("b1")
    result = framework.orders(Resize(h.believes(framework, "b1").task_id, Resources.of(mem=2**20)))
    assert (result.code, result.field) == (Code.REFUSED, "operations[0]")
    assert "is revocable" in result.message
