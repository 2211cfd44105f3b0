"""The driver's core in conversation with a master: what a scheduler's author need not write."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.schedulers import Failing, Scripted, one_cpu

from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.ids import (
    AgentId,
    FrameworkId,
    LaunchUuid,
    Role,
    SessionId,
    TaskId,
    UpdateUuid,
)
from fairlead.common.messages import (
    Accept,
    Acknowledge,
    CallResult,
    Code,
    Decline,
    FrameworkMessage,
    Goodbye,
    Heartbeat,
    Kill,
    MasterToFramework,
    Reconcile,
    Revive,
    SetDemand,
    StatusUpdated,
    Subscribe,
    Subscribed,
    Suppress,
    Teardown,
)
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Demand,
    Launch,
    LaunchGroup,
    Reason,
    RoleDemand,
    RoleWish,
    Source,
    TaskRef,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit import scheduler as kit
from fairlead.frameworks.kit.core import Driver
from fairlead.frameworks.kit.events import IN_STEP, Dial, Perform
from fairlead.frameworks.kit.testing import Harness

ROLE = Role("default")
ONE = Demand(Resources.of(cpus=1))


def accepting(scripted: Scripted, *task_ids: str) -> Scripted:
    """Every offer is used for the next of these tasks; declined when there are none."""
    left = list(task_ids)

    def answer(event: Any) -> list[object]:
        if not left:
            return [Decline(tuple(offer.offer_id for offer in event.offers))]
        return [kit.accept(event.offers, one_cpu(left.pop(0)))]

    scripted.on(kit.OffersReceived, answer)
    return scripted


def said(h: Harness, kind: type) -> list[Any]:
    return [body for body in h.said if isinstance(body, kind)]


# --- the session


def test_the_first_tick_dials_and_the_first_word_is_subscribe() -> None:
    scripted = Scripted()
    scripted.demands = (RoleDemand(ROLE, (ONE,)),)
    h = Harness(scripted)
    subscribe, implicit = h.said
    assert isinstance(subscribe, Subscribe)
    assert subscribe.hello.instance_uuid == "test"
    assert subscribe.hello.attempt == 1
    assert subscribe.demands == (RoleDemand(ROLE, (ONE,)),)
    assert implicit == Reconcile()
    assert h.driver.framework_id == "f-1-1"
    assert scripted.heard == [kit.Subscribed(FrameworkId("f-1-1"), 1)]


def test_after_a_failover_it_subscribes_again_with_its_id_and_all_its_wants() -> None:
    scripted = Scripted()
    h = Harness(scripted)
    scripted.wishes = (RoleWish(ROLE, suppressed=True),)
    scripted.demands = (RoleDemand(ROLE, (ONE,)),)
    h.fail_over()
    first, second = said(h, Subscribe)
    assert (first.framework.framework_id, second.framework.framework_id) == ("", "f-1-1")
    assert second.hello.attempt > first.hello.attempt
    assert second.wishes == (RoleWish(ROLE, suppressed=True),)
    assert second.demands == (RoleDemand(ROLE, (ONE,)),)
    assert scripted.names == ["Subscribed", "Disconnected", "Subscribed"]


def test_it_dials_ever_more_patiently_and_at_once_again_after_a_good_session() -> None:
    h = Harness(Scripted(), is_reachable=False)
    waits = []
    for _ in range(10):
        due = h.driver.next_deadline()
        assert due is not None
        waits.append(due - h.now)
        h.pass_time(due - h.now)
    assert 0.025 <= waits[0] <= 0.05
    assert 1.0 <= waits[-1] <= 2.0
    h.reconnect()
    h.disconnect()
    due = h.driver.next_deadline()
    assert due is not None
    assert due - h.now <= 0.05


def test_two_drivers_do_not_dial_in_step() -> None:
    def third_wait(instance: str) -> float:
        driver = Driver(Scripted(), instance)
        for n in range(3):
            due = driver.next_deadline()
            assert due is not None
            assert driver.step(Tick(), due) == [Dial()]
            driver.step(SessionClosed(SessionId(n)), due)
        due = driver.next_deadline()
        assert due is not None
        return due

    assert len({third_wait(f"instance-{n}") for n in range(10)}) > 5


def test_a_silent_master_is_left_after_ten_seconds() -> None:
    scripted = Scripted()
    driver = Driver(scripted, "test")
    driver.step(Tick(), 0.0)
    driver.step(SessionOpened(SessionId(1)), 0.0)
    driver.step(
        Received(SessionId(1), MasterToFramework(1, Subscribed(FrameworkId("f"), 2.0, 1))), 0.0
    )
    now, beats = 0.0, 0
    while driver.is_subscribed:
        due = driver.next_deadline()
        assert due is not None
        now = due
        actions = driver.step(Tick(), now)
        beats += sum(isinstance(a, Send) and isinstance(a.message.body, Heartbeat) for a in actions)  # type: ignore[attr-defined]
    assert now == 10.0
    assert beats == 4
    assert any(isinstance(a, CloseSession) and a.code is Code.SILENT for a in actions)
    assert scripted.names == ["Subscribed", "Disconnected"]


def test_a_driver_that_stood_still_itself_condemns_nobody() -> None:
    h = Harness(Scripted())
    h.now += 300.0
    h._step(Tick())
    assert h.driver.is_subscribed


def test_heartbeats_keep_a_quiet_session_alive() -> None:
    h = Harness(Scripted())
    h.pass_time(60)
    assert h.driver.is_subscribed
    assert len(said(h, Subscribe)) == 1


def test_a_session_that_we_closed_may_be_reported_closed_later() -> None:
    driver = Driver(Scripted(), "test")
    driver.step(Tick(), 0.0)
    driver.step(SessionOpened(SessionId(1)), 0.0)
    actions = driver.step(Tick(), 11.0)
    assert CloseSession(SessionId(1), Code.SILENT, "the master has been silent for too long") in (
        actions
    )
    assert driver.step(Tick(), 12.0) == [Dial()]
    driver.step(SessionClosed(SessionId(1)), 12.0)
    assert driver.next_deadline() is None, "the dial is still under way"


def test_a_session_that_nobody_asked_for_is_closed() -> None:
    driver = Driver(Scripted(), "test")
    (close,) = driver.step(SessionOpened(SessionId(9)), 0.0)
    assert isinstance(close, CloseSession)


def test_a_leader_of_an_epoch_that_is_over_is_left() -> None:
    scripted = Scripted()
    h = Harness(scripted)
    h.fail_over()
    h.disconnect()
    h.master.epoch = 1
    h.is_reachable = True
    h.pass_time(2)
    assert not h.driver.is_subscribed
    h.master.epoch = 3
    h.reconnect()
    assert h.driver.epoch == 3


@pytest.mark.parametrize("code", [Code.SUPERSEDED, Code.FRAMEWORK_REMOVED, Code.VERSION])
def test_a_goodbye_for_good_ends_it_with_one_line(code: Code) -> None:
    h = Harness(Scripted())
    h._hear(Goodbye(code, "because"))
    assert h.stopped == kit.Stop("framework scripted: because", 76)
    assert h.driver.next_deadline() is None


def test_a_wrong_token_ends_it_with_a_code_of_its_own() -> None:
    driver = Driver(Scripted(), "test")
    driver.step(Tick(), 0.0)
    (stop,) = driver.step(SessionClosed(SessionId(1), Code.UNAUTHENTICATED, "wrong token"), 0.0)
    assert stop == kit.Stop("framework scripted: wrong token", 77)


def test_another_goodbye_only_makes_it_dial_again() -> None:
    h = Harness(Scripted())
    h._hear(Goodbye(Code.SHUTTING_DOWN, "restarting"))
    assert h.stopped is None
    h.reconnect()


def test_a_subscribe_that_is_refused_says_which_field() -> None:
    driver = Driver(Scripted(), "test")
    driver.step(Tick(), 0.0)
    (send,) = driver.step(SessionOpened(SessionId(1)), 0.0)
    assert isinstance(send, Send)
    assert isinstance(send.message, FrameworkMessage)
    result = CallResult(send.message.call_id, Code.INVALID, "framework.roles", "names no role")
    close, stop = driver.step(Received(SessionId(1), MasterToFramework(1, result)), 0.0)
    assert isinstance(close, CloseSession)
    assert stop == kit.Stop("framework scripted: framework.roles: names no role", 76)


# --- offers and accepts


def test_launch_uuids_are_made_once_for_each_launch_and_never_again() -> None:
    scripted = accepting(Scripted(), "t1", "t2")
    h = Harness(scripted)
    h.offer()
    h.fail_over()
    h.offer()
    uuids = [task.launch.launch_uuid for task in h.master.tasks.values()]
    assert uuids == ["test-1", "test-2"]


def test_groups_get_their_uuids_and_a_scheduler_may_make_its_own() -> None:
    scripted = Scripted()
    group = LaunchGroup(kit.launch(one_cpu("a"), one_cpu("b")))
    own = Launch(one_cpu("c"), LaunchUuid("mine"))
    scripted.on(kit.OffersReceived, lambda e: [Accept((e.offers[0].offer_id,), (group, own))])
    h = Harness(scripted)
    h.offer(cpus=3)
    uuids = [task.launch.launch_uuid for task in h.master.tasks.values()]
    assert uuids == ["test-1", "test-2", "mine"]


def test_offers_are_lost_when_rescinded_and_when_the_session_breaks() -> None:
    scripted = Scripted()
    h = Harness(scripted)
    first, second = h.offer(), h.offer()
    h.rescind(first)
    h.disconnect()
    assert scripted.heard[-3:] == [
        kit.OffersLost((first.offer_id,)),
        kit.OffersLost((second.offer_id,)),
        kit.Disconnected("the master is away"),
    ]


def test_an_offer_that_was_used_is_not_lost_again() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.rescind(h.offer())
    assert "OffersLost" not in scripted.names


def test_an_accept_without_a_master_ends_its_launches_at_once() -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [kit.accept([offer], one_cpu("t1"))])
    h = Harness(scripted)
    offer = h.offer()
    h.disconnect()
    h.happen("accept now")
    assert scripted.names[-2:] == ["CallRefused", "StatusReceived"]
    assert scripted.statuses[-1].state is TaskState.DROPPED
    assert scripted.statuses[-1].reason is Reason.INVALID_OFFERS
    h.reconnect()
    assert said(h, Accept) == []


def test_a_refused_call_is_told_with_what_it_was() -> None:
    scripted = accepting(Scripted())
    h = Harness(scripted)
    h.refuse_next(Code.NOT_FOUND, "no such offer")
    offer = h.offer()
    refused = scripted.heard[-1]
    assert isinstance(refused, kit.CallRefused)
    assert refused.call == Decline((offer.offer_id,))
    assert refused.result.message == "no such offer"


def test_a_refused_accept_ends_its_launches() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.refuse_next(Code.UNSUPPORTED, "not in this version")
    h.offer()
    assert scripted.names[-2:] == ["CallRefused", "StatusReceived"]
    status = scripted.statuses[-1]
    assert (status.state, status.message) == (TaskState.DROPPED, "not in this version")
    h.repeat(replace(status, message="the master says so too"))
    assert len(scripted.statuses) == 1


def test_the_end_of_a_refused_launch_names_the_field() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.refuse_next(Code.INVALID, "is longer than 9 characters", "task.command.argv[1]")
    h.offer()
    assert scripted.statuses[-1].message == "task.command.argv[1] is longer than 9 characters"


def test_the_offers_of_a_malformed_accept_are_given_back_since_the_master_holds_them_still() -> (
    None
):
    h = Harness(accepting(Scripted(), "t1"))
    h.refuse_next(Code.UNSUPPORTED)
    offer = h.offer()
    assert Decline((offer.offer_id,), 0.0) in h.said


def test_a_former_leader_is_not_believed_even_in_a_new_life() -> None:
    h = Harness(Scripted())
    after = Driver(Scripted(), "next life", h.driver.framework_id)
    after.epoch, after.cluster_id = h.driver.epoch + 1, h.driver.cluster_id
    after.step(Tick(), 0.0)
    after.step(SessionOpened(SessionId(1)), 0.0)
    old = Subscribed(after.framework_id, 2.0, h.driver.epoch, h.driver.cluster_id)
    actions = after.step(Received(SessionId(1), MasterToFramework(h.driver.epoch, old)), 0.0)
    assert [a.code for a in actions if isinstance(a, CloseSession)] == [Code.STALE_EPOCH]
    assert not after.is_subscribed


# --- statuses


def test_a_status_is_acknowledged_after_what_the_scheduler_did_about_it() -> None:
    scripted = accepting(Scripted(), "t1")
    done = Record("t1", None)
    scripted.on(kit.StatusReceived, lambda _e: [done, Kill(TaskId("t1")), "tell my client"])
    h = Harness(scripted)
    h.offer()
    status = replace(
        h.master.tasks[TaskId("t1")].latest,
        state=TaskState.RUNNING,
        source=Source.AGENT,
        sequence=1,
        update_uuid=UpdateUuid("u1"),
    )
    session = h._session
    assert session is not None
    actions = h.driver.step(Received(session, MasterToFramework(1, StatusUpdated(status))), 0.0)
    assert actions[0] == done
    assert isinstance(actions[1], Send)
    assert actions[2] == Perform("tell my client")
    acknowledge = Acknowledge(status.task_id, status.agent_id, status.update_uuid)
    assert actions[3] == Send(session, FrameworkMessage(acknowledge))


def test_an_update_that_comes_again_is_acknowledged_again_and_not_told_again() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.offer()
    running = h.status("t1", TaskState.RUNNING)
    h.repeat(running)
    finished = h.status("t1", TaskState.FINISHED)
    h.repeat(finished)
    h.repeat(running)
    assert scripted.states == ["RUNNING", "FINISHED"]
    assert h.acknowledged == ["test-1-1", "test-1-1", "test-1-2", "test-1-2", "test-1-1"]


def test_nothing_is_told_after_the_end_nor_out_of_order() -> None:
    scripted = accepting(Scripted(), "t1", "t2")
    h = Harness(scripted)
    h.offer()
    h.offer()
    running = h.status("t1", TaskState.RUNNING)
    killing = h.status("t1", TaskState.KILLING)
    late = replace(running, sequence=1, update_uuid=UpdateUuid("late"))
    h.repeat(late)
    assert scripted.statuses == [running, killing]
    killed = h.status("t1", TaskState.KILLED)
    h.repeat(replace(killed, state=TaskState.FAILED, sequence=9, update_uuid=UpdateUuid("x")))
    assert scripted.statuses == [running, killing, killed]


def test_unreachable_may_return() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.offer()
    running = h.status("t1", TaskState.RUNNING)
    back = replace(running, source=Source.MASTER, update_uuid=UpdateUuid(""))
    away = replace(back, state=TaskState.UNREACHABLE)
    for status in (away, away, running, back, back):
        h.repeat(status)
    assert scripted.statuses == [running, away, back]


def test_an_update_that_the_masters_own_answer_overtook_is_only_acknowledged() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.offer()
    running = h.status("t1", TaskState.RUNNING)
    latest = replace(
        running,
        state=TaskState.KILLING,
        source=Source.MASTER,
        sequence=3,
        update_uuid=UpdateUuid(""),
    )
    h.repeat(latest)
    h.repeat(replace(running, sequence=2, update_uuid=UpdateUuid("overtaken")))
    assert scripted.states == ["RUNNING", "KILLING"]
    assert h.acknowledged == ["test-1-1", "overtaken"]


def test_the_answers_to_the_drivers_own_questions_are_no_news() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.offer()
    h.status("t1", TaskState.RUNNING)
    h.fail_over()
    h.pass_time(700)
    assert scripted.states == ["RUNNING"]
    assert len([r for r in said(h, Reconcile) if not r.tasks]) == 3


def test_a_scheduler_that_asks_itself_is_answered() -> None:
    scripted = accepting(Scripted(), "t1")
    scripted.on(str, lambda _e: [Reconcile((TaskRef(TaskId("t1")),))])
    h = Harness(scripted)
    h.offer()
    h.status("t1", TaskState.RUNNING)
    h.happen("ask")
    assert scripted.states == ["RUNNING", "RUNNING"]
    ref = TaskRef(TaskId("t1"), LaunchUuid("test-1"), AgentId("agent-1"))
    assert said(h, Reconcile)[-1].tasks == (ref,)


# --- the fate of launches


def test_the_fate_of_an_unanswered_launch_is_asked_for_and_no_accept_is_repeated() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.offer(agent="agent-7")
    h.master.tasks.clear()  # it never arrived
    h.disconnect()
    h.is_reachable = True
    h.pass_time(0.1)
    again = h.said.index(said(h, Subscribe)[-1])
    ref = TaskRef(TaskId("t1"), LaunchUuid("test-1"), AgentId("agent-7"))
    assert h.said[again + 1 :] == [Reconcile(), Reconcile((ref,))]
    assert scripted.states == ["DROPPED"]
    assert scripted.statuses[0].reason is Reason.LAUNCH_UNKNOWN
    assert len(said(h, Accept)) == 1


def fated(h: Harness, state: TaskState) -> TaskStatus:
    """What a master says of t1 when it does not know it."""
    return TaskStatus(
        FrameworkId("f-1-1"), TaskId("t1"), LaunchUuid("test-1"), AgentId("agent-1"), state
    )


def test_while_its_agent_is_expected_back_the_driver_asks_again_and_says_nothing() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.offer()
    task = h.master.tasks[TaskId("t1")]
    task.latest = fated(h, TaskState.RECOVERING)
    h.fail_over()
    asked = len(said(h, Reconcile))
    h.pass_time(120)
    assert scripted.states == []
    assert 5 <= len(said(h, Reconcile)) - asked <= 9
    task.latest = fated(h, TaskState.UNKNOWN)
    h.pass_time(31)
    assert scripted.states == ["DROPPED"]
    asked = len(said(h, Reconcile))
    h.pass_time(120)
    assert len(said(h, Reconcile)) == asked


def test_a_task_that_ran_and_is_known_to_nobody_is_gone() -> None:
    scripted = accepting(Scripted(), "t1")
    h = Harness(scripted)
    h.offer()
    h.status("t1", TaskState.RUNNING)
    h.master.tasks.clear()
    h.fail_over()
    assert scripted.states == ["RUNNING", "GONE"]


def test_a_scheduler_that_remembers_a_launch_of_an_earlier_life_has_it_asked_for() -> None:
    scripted = Scripted()
    ref = TaskRef(TaskId("t1"), LaunchUuid("earlier-1"), AgentId("agent-1"))
    scripted.on(kit.Subscribed, lambda _e: [Reconcile((ref,))])
    h = Harness(scripted)
    assert scripted.states == ["DROPPED"]
    assert said(h, Reconcile)[-1].tasks == (ref,)


# --- kills


def test_a_kill_is_said_again_after_each_reconnect_until_the_task_has_ended() -> None:
    scripted = accepting(Scripted(), "t1")
    scripted.on(str, lambda _e: [Kill(TaskId("t1"), grace_s=1.0)])
    h = Harness(scripted)
    h.offer()
    h.disconnect()
    h.happen("kill")
    h.reconnect()
    h.fail_over()
    named = Kill(TaskId("t1"), AgentId("agent-1"), grace_s=1.0)
    assert said(h, Kill) == [named] * 2, "it may be away, and a master keeps the kill for it"
    h.status("t1", TaskState.KILLED)
    h.fail_over()
    assert len(said(h, Kill)) == 2


def test_the_kill_that_is_said_again_has_the_last_signal_and_the_shortest_grace() -> None:
    scripted = accepting(Scripted(), "t1")
    kills = [Kill(TaskId("t1"), grace_s=1.0, signal=2), Kill(TaskId("t1"), grace_s=5.0, signal=1)]
    scripted.on(str, lambda _e: kills)
    h = Harness(scripted)
    h.offer()
    h.happen("kill")
    h.fail_over()
    told = [(kill.grace_s, kill.signal) for kill in said(h, Kill)]
    assert told == [(1.0, 2), (5.0, 1), (1.0, 1)]


def test_the_kill_of_a_task_that_nobody_knows_is_answered() -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [Kill(TaskId("t9"))])
    h = Harness(scripted)
    h.refuse_next(Code.NOT_FOUND, "no task 't9'")
    h.happen("kill")
    assert scripted.names[-1] == "CallRefused"
    h.fail_over()
    assert len(said(h, Kill)) == 1


# --- wants


def test_a_changed_demand_is_told_behind_the_accept_that_it_follows_from() -> None:
    scripted = Scripted()
    scripted.demands = (RoleDemand(ROLE, (ONE,)),)

    def answer(event: Any) -> list[object]:
        scripted.demands = ()
        return [kit.accept(event.offers, one_cpu("t1"))]

    scripted.on(kit.OffersReceived, answer)
    h = Harness(scripted)
    h.offer()
    accept, demand = h.calls
    assert isinstance(accept, Accept)
    assert demand == SetDemand((RoleDemand(ROLE, ()),))


def test_a_demand_is_told_anew_behind_each_accept_since_the_master_has_made_it_smaller() -> None:
    scripted = Scripted()
    scripted.demands = (RoleDemand(ROLE, (ONE,)),)
    scripted.on(kit.OffersReceived, lambda event: [kit.accept(event.offers, one_cpu("t1"))])
    h = Harness(scripted)
    h.offer()
    assert [type(call) for call in h.calls] == [Accept, SetDemand]
    scripted.on(kit.OffersReceived, lambda event: [kit.accept(event.offers)])
    h.offer()
    assert [type(call) for call in h.calls[2:]] == [Accept]


def test_suppressed_wishes_are_told_when_they_change() -> None:
    scripted = Scripted()
    h = Harness(scripted)
    scripted.wishes = (RoleWish(ROLE, suppressed=True),)
    h.happen("look")
    scripted.wishes = (RoleWish(ROLE, suppressed=False),)
    h.happen("look")
    h.happen("look")
    assert h.calls == [Suppress((ROLE,)), Revive((ROLE,))]


def test_what_suppress_said_holds_after_a_failover() -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [Suppress()])
    h = Harness(scripted)
    h.happen("suppress")
    h.fail_over()
    assert said(h, Subscribe)[-1].wishes == (RoleWish(ROLE, suppressed=True),)


def test_a_wish_that_was_suppressed_from_the_start_can_be_lifted() -> None:
    scripted = Scripted()
    scripted.wishes = (RoleWish(ROLE, suppressed=True),)
    h = Harness(scripted)
    scripted.wishes = ()
    h.happen("look")
    assert h.calls == [Revive((ROLE,))]


# --- the scheduler's own


def test_the_scheduler_gets_its_tick_when_it_asked_for_it() -> None:
    scripted = Scripted()
    h = Harness(scripted)
    scripted.deadline = 7.0
    h.pass_time(6.9)
    assert "Tick" not in scripted.names
    h.now = 7.0
    h._step(Tick())
    assert scripted.names.count("Tick") == 1


def test_what_the_kit_does_not_know_goes_to_the_schedulers_service() -> None:
    scripted = Scripted()
    scripted.on(str, lambda e: [("echo", e)])
    h = Harness(scripted)
    h.happen("hello")
    assert h.performed == [("echo", "hello")]


# --- the end


def test_stop_says_goodbye() -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [kit.Stop("done", 3)])
    h = Harness(scripted)
    h.happen("stop")
    assert h.said[-1] == Goodbye(Code.OK, "done")
    assert h.stopped == kit.Stop("done", 3)
    assert h.driver.step(Tick(), h.now) == []


def test_a_teardown_before_stop_is_answered_first() -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [Teardown(), kit.Stop("", 7)])
    h = Harness(scripted)
    h.disconnect()
    h.happen("end")
    assert h.stopped is None
    h.is_reachable = True
    h.pass_time(2.5)
    assert said(h, Teardown) == [Teardown()]
    assert h.stopped == kit.Stop("", 7)


def test_a_teardown_that_nobody_answers_does_not_hold_up_a_stop_for_ever() -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [Teardown(), kit.Stop("", 7)])
    h = Harness(scripted)
    h.disconnect()
    h.happen("end")
    h.pass_time(4.9)
    assert h.stopped is None
    h.pass_time(0.2)
    assert h.stopped == kit.Stop("", 7)


def test_a_teardown_alone_ends_well() -> None:
    scripted = Scripted()
    scripted.on(str, lambda _e: [Teardown()])
    h = Harness(scripted)
    h.happen("end")
    assert h.stopped == kit.Stop()


def test_updates_that_come_after_stop_are_left_for_the_next_life() -> None:
    scripted = accepting(Scripted(), "t1")
    scripted.on(str, lambda _e: [Teardown(), kit.Stop()])
    h = Harness(scripted)
    h.offer()
    h.disconnect()
    h.happen("stop")
    assert h.acknowledged == []
    assert scripted.states == []


def test_the_same_conversation_gives_the_same_words() -> None:
    def words() -> list[object]:
        scripted = accepting(Scripted(), "t1", "t2")
        h = Harness(scripted)
        h.offer()
        h.fail_over()
        h.offer()
        h.status("t2", TaskState.RUNNING)
        return [*h.said, *scripted.heard]

    assert words() == words()


# --- whose mistake it is


def test_what_a_step_raises_is_marked_as_the_schedulers() -> None:
    with pytest.raises(LookupError) as caught:
        Harness(Failing())
    assert caught.value.__notes__ == [IN_STEP]


def test_a_step_that_returns_nothing_is_the_schedulers_mistake_too() -> None:
    scripted = Scripted()
    scripted.step = lambda _event, _now: None  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(TypeError) as caught:
        Harness(scripted)
    assert caught.value.__notes__ == [IN_STEP]
