"""Task life as the master sees it: followed, forwarded, acknowledged, killed, asked for."""

from dataclasses import replace

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, task

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, TaskId, UpdateUuid
from fairlead.common.messages import (
    AcceptProgress,
    AcknowledgeUpdate,
    Code,
    KillTask,
    RegisterAgent,
    TaskUpdated,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Reason, Source, TaskRef, TaskState
from fairlead.master.settings import MasterSettings

Situation = tuple[MasterHarness, AgentDouble, FrameworkDouble]


def running(*task_ids: str, settings: MasterSettings | None = None) -> Situation:
    """One agent of four cpus that runs these tasks of one framework."""
    h = MasterHarness(settings)
    a = h.agent(cpus=4)
    f = h.framework()
    f.launch(*(task(task_id) for task_id in task_ids))
    a.runs(*task_ids)
    h.tick()
    return h, a, f


# --- M30: states


def test_m30_a_launch_is_booked_as_staging() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.launch(task("t1"))
    assert h.believes(f, "t1").latest.state is TaskState.STAGING
    assert not f.statuses, "it is told nothing that it does not know"


def test_m30_states_carry_source_and_reason() -> None:
    _, a, f = running("t1")
    a.becomes("t1", TaskState.FAILED, Reason.COMMAND_EXITED, exit_code=3)
    last = f.statuses[-1]
    assert (last.state, last.source, last.reason) == (
        TaskState.FAILED,
        Source.AGENT,
        Reason.COMMAND_EXITED,
    )
    assert last.exit_code == 3


def test_m30_resources_are_free_at_the_terminal_state_not_at_the_acknowledgement() -> None:
    h, a, f = running("t1")
    f.is_acknowledging = False
    a.finishes("t1")
    assert h.believes(f, "t1").held == EMPTY


def test_m30_a_killed_task_holds_its_resources_until_it_has_ended() -> None:
    h, a, f = running("t1")
    f.kill("t1")
    a.becomes("t1", TaskState.KILLING)
    assert h.believes(f, "t1").held.cpus == 1000
    a.kills("t1")
    assert h.believes(f, "t1").held == EMPTY


def test_m30_a_terminal_state_is_never_left() -> None:
    h, a, f = running("t1")
    a.finishes("t1")
    late = replace(a.ended_tasks[TaskId("t1")].latest, state=TaskState.RUNNING, sequence=9)
    a.says(TaskUpdated(late, late, Resources.of(cpus=1)))
    assert h.believes(f, "t1").latest.state is TaskState.FINISHED


def test_m30_the_books_follow_the_latest_state_not_the_queued_head() -> None:
    h, a, f = running()
    f.is_acknowledging = False
    h.advance(6)
    f.launch(task("t1"))
    a.runs("t1")
    a.finishes("t1")
    assert f.states == ["t1 RUNNING", "t1 RUNNING"], "the head again, for it is not acknowledged"
    assert h.believes(f, "t1").latest.state is TaskState.FINISHED
    assert h.believes(f, "t1").held == EMPTY


def test_operators_see_where_a_task_runs() -> None:
    h, _, f = running("t1")
    assert h.believes(f, "t1").sandbox == "sandbox/t1"


def test_m30_an_update_that_was_overtaken_changes_nothing() -> None:
    h, a, f = running("t1")
    old = a.living[TaskId("t1")].latest
    a.becomes("t1", TaskState.KILLING)
    a.says(TaskUpdated(old, old, Resources.of(cpus=1)))
    assert h.believes(f, "t1").latest.state is TaskState.KILLING


# --- M31: acknowledgements


def test_m31_an_acknowledgement_reaches_the_agent() -> None:
    _, a, f = running("t1")
    (acknowledged,) = [o for o in a.heard if isinstance(o, AcknowledgeUpdate)]
    assert acknowledged.update_uuid == f.statuses[0].update_uuid


def test_m31_the_next_update_comes_after_the_acknowledgement() -> None:
    _, a, f = running("t1")
    f.is_acknowledging = False
    a.becomes("t1", TaskState.KILLING)
    a.kills("t1")
    assert f.states[-1] == "t1 KILLING"
    f.acknowledge(f.statuses[-1])
    assert f.states[-1] == "t1 KILLED"


def test_m31_what_is_not_acknowledged_is_said_at_once_to_a_framework_that_returns() -> None:
    _, a, f = running("t1")
    f.is_acknowledging = False
    a.finishes("t1")
    f.disconnects()
    f.statuses.clear()
    f.connects()
    assert f.states == ["t1 FINISHED"]
    assert f.statuses[0].update_uuid


def test_m31_what_is_acknowledged_is_never_said_again() -> None:
    h, a, f = running("t1")
    a.finishes("t1")
    f.statuses.clear()
    f.disconnects()
    f.connects()
    a.disconnects()
    a.connects()
    h.tick()
    assert not f.statuses


def test_m31_an_acknowledgement_for_an_agent_that_is_away_is_asked_for_again() -> None:
    _, a, f = running("t1")
    f.is_acknowledging = False
    a.finishes("t1")
    a.disconnects()
    f.acknowledge(f.statuses[-1])
    f.is_acknowledging = True
    a.connects()
    assert not a.updates, "sent again, acknowledged again"


def test_m31_an_update_of_a_forgotten_framework_is_acknowledged_by_the_master() -> None:
    h, a, _ = running("t1")
    ghost = replace(a.living[TaskId("t1")].latest, framework_id=FrameworkId("f-0-7"))
    a.says(TaskUpdated(ghost, ghost))
    assert isinstance(a.heard[-1], AcknowledgeUpdate)
    h.master.check()


def test_m31_an_unknown_launch_is_forwarded_for_its_framework_may_wait_for_it() -> None:
    h, a, f = running("t1")
    other = replace(
        a.living[TaskId("t1")].latest,
        launch_uuid=LaunchUuid("u-old"),
        state=TaskState.FINISHED,
        update_uuid=UpdateUuid("u-old.5"),
    )
    a.says(TaskUpdated(other, other))
    assert f.states[-1] == "t1 FINISHED"
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING


# --- M32: kill


def test_m32_a_kill_goes_to_the_agent_with_the_tasks_own_grace() -> None:
    _, a, f = running("t1")
    assert f.kill("t1").code is Code.OK
    assert a.orders[-1] == KillTask(f.id, TaskId("t1"), LaunchUuid("u-t1"), 5.0)


def test_m32_a_second_kill_with_a_shorter_grace_wins() -> None:
    _, a, f = running("t1")
    for grace_s in (30, 2, 10):
        f.kill("t1", grace_s)
    graces = [order.grace_s for order in a.orders if isinstance(order, KillTask)]
    assert graces == [30, 2, 2], "and a longer one never makes it longer"


def test_m32_a_kill_carries_the_signal_that_was_asked_for_last() -> None:
    _, a, f = running("t1")
    f.kill("t1", 3.0, signal=2)
    f.kill("t1", 9.0, signal=1)
    a.disconnects()
    a.connects()
    told = [(o.grace_s, o.signal) for o in a.orders if isinstance(o, KillTask)]
    assert told == [(3.0, 2), (3.0, 1), (3.0, 1)]


@pytest.mark.parametrize("signum", [-1, 9, 19, 64])
def test_m32_a_signal_that_a_kill_may_not_send_is_refused(signum: int) -> None:
    _, a, f = running("t1")
    result = f.kill("t1", signal=signum)
    assert (result.code, result.field) == (Code.INVALID, "signal")
    assert result.message == f"{signum} is none of TERM, INT, HUP, QUIT, USR1, USR2"
    assert not a.asked_to_kill()


def test_m32_a_grace_of_nothing_is_a_grace() -> None:
    _, a, f = running("t1")
    f.kill("t1", 0.0)
    assert isinstance(a.orders[-1], KillTask)
    assert a.orders[-1].grace_s == 0.0


def test_m32_an_unknown_task_has_an_answer() -> None:
    _, _, f = running("t1")
    result = f.kill("t9")
    assert (result.code, result.field) == (Code.NOT_FOUND, "task_id")
    assert "t9" in result.message


def test_m32_a_task_that_has_ended_has_an_answer() -> None:
    _, a, f = running("t1")
    a.finishes("t1")
    assert f.kill("t1").message == "had already ended: FINISHED"
    assert not a.asked_to_kill()


def test_m32_the_task_of_another_framework_is_unknown() -> None:
    h, a, _ = running("t1")
    g = h.framework(role="other")
    assert g.kill("t1").code is Code.NOT_FOUND
    assert not a.asked_to_kill()


def test_m32_a_kill_while_the_agent_is_away_takes_effect_on_its_return() -> None:
    _, a, f = running("t1")
    a.disconnects()
    f.kill("t1", 1.0)
    assert not a.asked_to_kill()
    a.connects()
    assert a.asked_to_kill() == ["t1"]


def test_m32_a_kill_while_the_agent_is_unreachable_takes_effect_on_its_return() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    f.kill("t1")
    a.connects()
    assert a.asked_to_kill() == ["t1"]


def test_m32_a_kill_lost_with_its_session_is_said_again() -> None:
    _, a, f = running("t1")
    f.kill("t1")
    a.disconnects()
    a.connects()
    assert a.asked_to_kill() == ["t1", "t1"]


def test_m32_a_kill_right_after_a_failover_waits_for_the_agent() -> None:
    h, a, f = running("t1")
    h.fail_over(returns=False)
    f.connects()
    assert f.kill("t1", 3.0, signal=2).code is Code.OK
    a.connects()
    assert KillTask(f.id, TaskId("t1"), LaunchUuid("u-t1"), 3.0, 2) in a.orders


def test_m32_a_kill_that_waited_in_vain_is_forgotten() -> None:
    h, a, f = running()
    h.fail_over(returns=False)
    f.connects()
    f.kill("t1")
    assert h.framework_books(f).early_kills
    a.connects()
    assert not h.framework_books(f).early_kills


def test_m32_a_kill_that_waits_does_not_hit_a_later_launch() -> None:
    h, _, f = running()
    b = h.agent()
    h.fail_over(returns=False)
    f.connects()
    f.kill("t1")
    b.connects()
    h.tick()
    f.launch(task("t1"))
    b.disconnects()
    b.connects()
    assert not b.asked_to_kill()


def test_m32_a_kill_of_what_an_unreachable_agent_may_bring_waits_if_the_agent_is_named() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    h.fail_over(returns=False)
    f.connects()
    assert f.kill("t1").code is Code.NOT_FOUND
    assert f.kill("t1", agent_id=a.id).code is Code.OK
    a.connects()
    assert a.asked_to_kill() == ["t1"]


def test_m32_a_kill_that_races_a_launch_follows_it() -> None:
    """In the order of the session, so the agent ends it before it starts; see the agent's tests."""
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    f.kill("t1")
    assert [type(order).__name__ for order in a.orders] == ["RunAccept", "KillTask"]
    a.kills("t1")
    assert f.states == ["t1 KILLED"], "and one KILLED only"


# --- M33: reconcile


def test_m33_implicit_tells_of_all_that_live() -> None:
    _, a, f = running("t1", "t2")
    a.finishes("t1")
    told = f.asks()
    assert [(s.task_id, s.state) for s in told] == [("t2", TaskState.RUNNING)]
    assert told[0].reason is Reason.RECONCILIATION
    assert not told[0].update_uuid


def test_m33_of_what_has_ended_it_tells_why() -> None:
    """A framework does something else about a task that was beyond its memory than about others."""
    _, a, f = running("t1")
    a.becomes("t1", TaskState.FAILED, Reason.MEMORY_LIMIT)
    (told,) = f.asks(TaskRef(TaskId("t1")))
    assert (told.reason, told.source) == (Reason.MEMORY_LIMIT, Source.MASTER)


def test_m33_explicit_tells_what_is_known() -> None:
    _, a, f = running("t1", "t2")
    a.finishes("t1")
    told = f.asks(TaskRef(TaskId("t1")), TaskRef(TaskId("t2")))
    assert [s.state for s in told] == [TaskState.FINISHED, TaskState.RUNNING]


def test_m33_the_end_is_told_by_the_update_that_must_be_acknowledged() -> None:
    _, a, f = running("t1")
    f.is_acknowledging = False
    a.finishes("t1")
    (told,) = f.asks(TaskRef(TaskId("t1")))
    assert told.update_uuid == "u-t1.2"


def test_m33_unknown_is_unknown() -> None:
    _, _, f = running("t1")
    (told,) = f.asks(TaskRef(TaskId("t9")))
    assert told.state is TaskState.UNKNOWN
    (told,) = f.asks(TaskRef(TaskId("t9"), agent_id=AgentId("a-9-9")))
    assert told.state is TaskState.UNKNOWN


def test_m33_a_registered_agent_that_does_not_know_it_means_gone() -> None:
    _, a, f = running("t1")
    (told,) = f.asks(TaskRef(TaskId("t9"), agent_id=a.id))
    assert told.state is TaskState.GONE


def test_m33_a_launch_that_its_agent_never_saw_was_dropped() -> None:
    _, a, f = running("t1")
    (told,) = f.asks(TaskRef(TaskId("t9"), LaunchUuid("u-9"), a.id))
    assert (told.state, told.reason) == (TaskState.DROPPED, Reason.LAUNCH_UNKNOWN)


def test_m33_a_launch_that_its_agent_never_saw_and_was_to_be_killed_is_killed() -> None:
    """The answer to a question of before its agent came, as the kill is of then."""
    h, a, f = running("t1")
    a.disconnects()
    h.fail_over(returns=False)
    f.connects()
    ref = TaskRef(TaskId("t9"), LaunchUuid("u-9"), a.id)
    (told,) = f.asks(ref)
    assert told.state is TaskState.RECOVERING
    f.kill("t9")
    f.statuses.clear()
    a.connects()
    told = next(status for status in f.statuses if status.task_id == "t9")
    assert (told.state, told.reason) == (TaskState.KILLED, Reason.KILL_REQUESTED)


def test_m33_an_earlier_launch_of_the_same_id_is_not_this_one() -> None:
    _, a, f = running("t1")
    (told,) = f.asks(TaskRef(TaskId("t1"), LaunchUuid("u-old"), a.id))
    assert (told.state, told.launch_uuid) == (TaskState.DROPPED, "u-old")


def test_m33_an_unreachable_agents_task_is_unreachable() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    (told,) = f.asks(TaskRef(TaskId("t9"), agent_id=a.id))
    assert told.state is TaskState.UNREACHABLE


def test_m33_recovering_while_the_agent_is_expected_then_the_truth() -> None:
    h, a, f = running("t1")
    h.fail_over(returns=False)
    f.connects()
    (told,) = f.asks(TaskRef(TaskId("t1"), LaunchUuid("u-t1"), a.id))
    assert told.state is TaskState.RECOVERING
    f.statuses.clear()
    a.connects()
    assert "t1 RUNNING" in f.states


def test_m33_recovering_and_then_dropped() -> None:
    h, a, f = running()
    h.fail_over(returns=False)
    f.connects()
    f.asks(TaskRef(TaskId("t1"), LaunchUuid("u-t1"), a.id))
    a.connects()
    assert f.states == ["t1 RECOVERING", "t1 DROPPED"]


def test_m33_recovering_and_then_unreachable() -> None:
    h, a, f = running("t1")
    h.fail_over(returns=False)
    f.connects()
    f.asks(TaskRef(TaskId("t1"), LaunchUuid("u-t1"), a.id))
    h.advance(76)
    assert f.states[-1] == "t1 UNREACHABLE"
    assert f.states.count("t1 RECOVERING") == 1


def test_m33_of_a_task_without_an_agent_every_expected_one_is_awaited() -> None:
    h, a, f = running("t1")
    b = h.agent()
    h.fail_over(returns=False)
    f.connects()
    f.statuses.clear()
    f.asks(TaskRef(TaskId("t1")))
    b.connects()
    assert f.states == ["t1 RECOVERING"], "that others are awaited still is no news"
    f.asks(TaskRef(TaskId("t1")))
    assert f.states == ["t1 RECOVERING"] * 2, "who asks again is answered again"
    a.connects()
    assert f.states[-1] == "t1 RUNNING"


def test_m33_of_a_task_that_nobody_brings_the_last_word_is_unknown() -> None:
    h, a, f = running()
    h.fail_over(returns=False)
    f.connects()
    f.asks(TaskRef(TaskId("t9")))
    a.connects()
    assert f.states[-1] == "t9 UNKNOWN"


# --- kept


def test_ended_tasks_are_kept_up_to_a_number() -> None:
    h, a, f = running(settings=MasterSettings(ended_tasks_kept=3))
    for n in range(6):
        h.advance(6)
        f.launch(task(f"t{n}"))
        a.finishes(f"t{n}")
    assert list(h.framework_books(f).tasks) == ["t3", "t4", "t5"]


def test_living_tasks_push_no_ended_task_out() -> None:
    h, a, f = running(settings=MasterSettings(ended_tasks_kept=2))
    h.advance(6)
    f.launch(*(task(f"t{n}") for n in range(4)))
    a.runs(*(f"t{n}" for n in range(4)))
    a.finishes("t0")
    a.finishes("t1")
    assert len(h.framework_books(f).tasks) == 4


def test_ended_tasks_that_agents_bring_back_are_kept_up_to_a_number() -> None:
    h, a, f = running(settings=MasterSettings(ended_tasks_kept=2))
    for n in range(5):
        h.advance(6)
        f.launch(task(f"t{n}"))
        a.finishes(f"t{n}")
    h.fail_over()
    assert list(h.framework_books(f).tasks) == ["t3", "t4"]


# --- what agents use though the books have no place for it


def test_a_launch_that_the_books_call_ended_is_killed_and_still_counted() -> None:
    h, a, f = running("t1")
    a.disconnects()
    brought = a.living.pop(TaskId("t1"))
    a.connects()
    assert f.states[-1] == "t1 DROPPED"
    a.living[TaskId("t1")] = brought
    a.disconnects()
    a.connects()
    assert a.asked_to_kill() == ["t1"]
    assert h.master.books.agents[a.id].used.cpus == 1000
    a.kills("t1")
    assert h.master.books.agents[a.id].used.cpus == 0
    assert h.believes(f, "t1").latest.state is TaskState.DROPPED


def test_an_accept_that_an_agent_still_executes_is_not_offered() -> None:
    h, a, _ = running()
    a.disconnects()
    a.attempt += 1
    a.session = h.open(a)
    (whole,) = a.registrations()
    progress = AcceptProgress("x-0-1", FrameworkId("f-0-1"), 0, Resources.of(cpus=3), Role("dl"))
    a.says(replace(whole, accepts=(progress,)))
    assert isinstance(whole, RegisterAgent)
    assert h.master.books.agents[a.id].free.cpus == 1000
    a.connects()
    assert h.master.books.agents[a.id].free.cpus == 4000, "by now it is done"


def test_of_two_lives_of_one_id_both_are_counted() -> None:
    """A new leader cannot know that an id is taken until the agent that has it returns."""
    h, a, f = running("t1")
    b = h.agent(cpus=4)
    h.fail_over(returns=False)
    f.connects()
    b.connects()
    h.tick()
    (offer,) = f.offers
    again = replace(task("t1"), name="again")
    f.accept(offer, again)
    b.living[TaskId("t1")] = replace(b.living[TaskId("t1")], launch_uuid=LaunchUuid("u2"))
    h.believes(f, "t1").launch = replace(h.believes(f, "t1").launch, launch_uuid=LaunchUuid("u2"))
    a.connects()
    assert h.master.books.agents[a.id].used.cpus == 1000
    assert h.master.books.agents[b.id].used.cpus == 1000
    a.finishes("t1")
    assert h.master.books.agents[a.id].used.cpus == 0
    assert h.believes(f, "t1").latest.state is TaskState.STAGING
