"""Agents that an operator takes away: drained, or gone for ever."""

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import AgentId, LaunchUuid, Role, TaskId
from fairlead.common.messages import Code, KillTask
from fairlead.common.operators import (
    AgentState,
    AgentView,
    DrainAgent,
    ExplainFramework,
    MarkAgentGone,
    SetReservation,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Reason, TaskRef, TaskState
from fairlead.master.settings import MasterSettings
from fairlead.master.views import view

Situation = tuple[MasterHarness, AgentDouble, FrameworkDouble]
WALL_S = 1e9


def running(*task_ids: str) -> Situation:
    """One agent of four cpus that runs these tasks of one framework, which is offered the rest."""
    h = MasterHarness(MasterSettings(wall_offset_s=WALL_S))
    a = h.agent(cpus=4)
    f = h.framework()
    f.launch(*(task(task_id) for task_id in task_ids))
    a.runs(*task_ids)
    h.advance(6)  # until what it did not take is offered again
    return h, a, f


# --- drained


def test_m14_what_is_drained_is_offered_to_nobody_and_its_tasks_are_ended() -> None:
    h, a, f = running("t1")
    assert f.offered.cpus == 3000
    assert h.orders(DrainAgent(a.id, 5.0)).code is Code.OK
    assert not f.offers
    (kill,) = (order for order in a.orders if isinstance(order, KillTask))
    assert (kill.grace_s, kill.reason) == (5.0, Reason.AGENT_DRAINING)
    a.kills("t1")
    h.advance(60)
    assert not f.offers
    shown = view(h.master.books, f"agents/{a.id}")
    assert isinstance(shown, AgentView)
    assert shown.is_draining


def test_without_a_grace_each_task_has_its_own() -> None:
    h, a, _ = running("t1")
    h.orders(DrainAgent(a.id))
    (kill,) = (order for order in a.orders if isinstance(order, KillTask))
    assert kill.grace_s == task("t1").kill_grace_s


def test_a_drain_that_is_undone_has_the_agent_offered_again() -> None:
    h, a, f = running()
    h.orders(DrainAgent(a.id))
    h.orders(DrainAgent(a.id, undo=True))
    h.tick()
    assert f.offered.cpus == 4000
    assert f"drain/{a.id}" not in h.records


def test_a_drain_holds_under_the_next_master_and_for_what_comes_back() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.orders(DrainAgent(a.id))
    h.fail_over()
    a.connects()
    h.tick()
    assert not f.offers
    assert a.asked_to_kill() == ["t1"]


def test_no_room_is_kept_on_what_is_drained_and_no_share_of_a_gang() -> None:
    h = MasterHarness(MasterSettings(hold_after_s=5))
    a, b = h.agent(cpus=4), h.agent(cpus=4)
    f = h.framework()
    for offer, agent, task_id in zip(f.offers, (a, b), ("t1", "t2"), strict=True):
        assert offer.agent_id == agent.id
        f.accept([offer], task(task_id, cpus=4))
        agent.runs(task_id)
    h.orders(DrainAgent(a.id, 1000))
    h.framework(demands=[demand(1, cpus=4)])
    h.advance(30)
    assert list(h.master.books.holds) == [b.id]


# --- gone


def test_m30_what_an_agent_ran_that_is_gone_is_gone_by_operator() -> None:
    h, a, f = running("t1")
    assert h.orders(MarkAgentGone(a.id)).code is Code.OK
    assert f.states[-1] == "t1 GONE_BY_OPERATOR"
    assert f.statuses[-1].reason is Reason.AGENT_GONE
    assert [goodbye.code for goodbye in a.goodbyes] == [Code.AGENT_REMOVED]
    assert not f.offers
    assert h.master.books.capacity == EMPTY
    assert h.master.books.agents[a.id].state is AgentState.GONE


def test_it_never_comes_back_whoever_leads() -> None:
    h, a, _ = running("t1")
    h.orders(MarkAgentGone(a.id))
    a.connects()
    assert a.goodbyes[-1].code is Code.AGENT_REMOVED
    assert "start its agent under another name" in a.goodbyes[-1].message
    h.fail_over(returns=False)
    a.connects()
    assert a.goodbyes[-1].code is Code.AGENT_REMOVED
    assert a.session is None
    assert h.master.books.capacity == EMPTY


def test_it_is_promised_before_anybody_hears_of_it() -> None:
    h, a, _ = running("t1")
    h.actions.clear()
    h.orders(MarkAgentGone(a.id))
    kinds = [getattr(action, "key", type(action).__name__) for action in h.actions]
    assert f"gone/{a.id}" in kinds
    assert kinds.index(f"gone/{a.id}") < kinds.index("Send")


@pytest.mark.parametrize("is_away", [False, True])
def test_m33_a_task_on_an_agent_that_is_gone_is_gone_by_operator(*, is_away: bool) -> None:
    h, a, f = running()
    if is_away:
        a.disconnects()
        h.advance(80)
    h.orders(MarkAgentGone(a.id))
    h.fail_over(returns=False)
    f.connects()
    (told,) = f.asks(TaskRef(TaskId("t9"), LaunchUuid("u-t9"), a.id))
    assert (told.state, told.reason) == (TaskState.GONE_BY_OPERATOR, Reason.AGENT_GONE)


def test_m33_what_was_asked_while_it_was_expected_is_answered() -> None:
    h, a, f = running()
    h.fail_over(returns=False)
    f.connects()
    f.asks(TaskRef(TaskId("t9"), LaunchUuid("u-t9"), a.id))
    h.orders(MarkAgentGone(a.id))
    assert f.states == ["t9 RECOVERING", "t9 GONE_BY_OPERATOR"]


def test_what_its_agent_said_before_is_not_told_in_the_place_of_the_end() -> None:
    h, a, f = running("t1")
    f.is_acknowledging = False
    a.becomes("t1", TaskState.KILLING)
    h.orders(MarkAgentGone(a.id))
    (told,) = f.asks(TaskRef(TaskId("t1"), LaunchUuid(""), a.id))
    assert told.state is TaskState.GONE_BY_OPERATOR


def test_an_unreachable_agent_may_be_marked_gone() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    h.orders(MarkAgentGone(a.id))
    assert f.states[-2:] == ["t1 UNREACHABLE", "t1 GONE_BY_OPERATOR"]
    assert f"unreachable/{a.id}" not in h.records


def test_with_it_go_its_drain_and_what_it_had_reserved() -> None:
    h, a, _ = running()
    h.orders(SetReservation(a.id, Role("ml"), Resources.of(cpus=1)))
    h.orders(DrainAgent(a.id))
    h.orders(MarkAgentGone(a.id))
    assert f"drain/{a.id}" not in h.records
    assert not h.master.books.reserving
    h.fail_over(returns=False)
    assert h.orders(MarkAgentGone(a.id)).code is Code.OK, "said twice it is done once"
    assert h.orders(DrainAgent(a.id)).field == "agent_id"


@pytest.mark.parametrize("call", [DrainAgent(AgentId("x")), MarkAgentGone(AgentId("x"))])
def test_m37_an_agent_that_nobody_knows(call: DrainAgent | MarkAgentGone) -> None:
    h, _, _ = running()
    result = h.orders(call)
    assert (result.code, result.field) == (Code.NOT_FOUND, "agent_id")


# --- since when


def test_m33_of_an_unreachable_agent_it_is_said_since_when() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    since = WALL_S + h.now - 5
    h.advance(500)
    told = [*f.asks(TaskRef(TaskId("t1"))), *f.asks(TaskRef(TaskId("t9"), agent_id=a.id))]
    h.fail_over(returns=False)
    f.connects()
    told += f.asks(TaskRef(TaskId("t1"), LaunchUuid("u-t1"), a.id))
    assert [status.state for status in told] == [TaskState.UNREACHABLE] * 3
    for status in told:
        assert status.wall_time == pytest.approx(since, abs=3)


def test_m35_why_nothing_of_it_is_offered_is_explained() -> None:
    h, a, f = running()
    h.agent(connects=False)
    gone = h.agent()
    h.orders(DrainAgent(a.id))
    h.orders(MarkAgentGone(gone.id))
    h.orders(ExplainFramework(f.id))
    assert h.replies[-1].agents == {"drained": 1}
    assert any("being drained by an operator" in line for line in h.replies[-1].lines)
