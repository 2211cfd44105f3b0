"""Agents: registering with all they know, falling silent, returning."""

from dataclasses import replace

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, task

from fairlead.common.events import Record, Send
from fairlead.common.ids import AgentId, CallId, FrameworkId, SessionId, TaskId
from fairlead.common.messages import (
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    Code,
    Goodbye,
    Heartbeat,
    ShutdownFramework,
    TaskUpdated,
    TaskUsage,
)
from fairlead.common.operators import AgentState, KillAnyTask
from fairlead.common.resources import Resources
from fairlead.common.values import HostUsage, Reason, TaskState, Usage
from fairlead.master.core import ReceivedInvalid
from fairlead.master.settings import MasterSettings


def running(*task_ids: str) -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(*(task(task_id) for task_id in task_ids))
    a.runs(*task_ids)
    h.tick()
    return h, a, f


def state(h: MasterHarness, agent: AgentDouble) -> AgentState:
    return h.master.books.agents[agent.id].state


# --- registering


def test_an_agent_is_given_an_id_that_is_durable_before_it_hears_of_it() -> None:
    h = MasterHarness()
    a = h.agent()
    kinds = [type(action) for action in h.actions]
    assert a.id
    assert kinds.index(Record) < kinds.index(Send)
    assert isinstance(a.heard[0], AgentRegistered)
    assert h.records[f"agent/{a.id}"] == replace(a.info, agent_id=a.id)


def test_a_return_is_not_worth_a_write() -> None:
    h = MasterHarness()
    a = h.agent()
    a.disconnects()
    a.info = replace(a.info, address="127.0.0.1:7")
    before = len([x for x in h.actions if isinstance(x, Record)])
    a.connects()
    assert len([x for x in h.actions if isinstance(x, Record)]) == before


def test_a_large_registration_comes_in_chunks_and_only_the_whole_counts() -> None:
    h, a, f = running("t1", "t2", "t3")
    h.fail_over(returns=False)
    a.attempt += 1
    a.session = h.open(a)
    parts = a.registrations(chunks=3)
    for part in parts[:-1]:
        a.says(part)
    assert state(h, a) is AgentState.RECOVERING
    a.says(parts[-1])
    assert state(h, a) is AgentState.CONNECTED
    assert sorted(h.framework_books(f).tasks) == ["t1", "t2", "t3"]


def test_chunks_of_a_session_that_broke_are_forgotten() -> None:
    h, a, f = running("t1", "t2")
    h.fail_over(returns=False)
    a.attempt += 1
    a.session = h.open(a)
    a.says(a.registrations(chunks=2)[0])
    a.disconnects()
    a.connects()
    assert sorted(h.framework_books(f).tasks) == ["t1", "t2"]
    assert not h.master._agents._chunks


def test_a_part_of_a_registration_on_a_session_that_has_registered_is_refused_at_once() -> None:
    h, a, _ = running("t1")
    part = replace(a.registrations(chunks=1)[0], more=True)
    a.says(part)
    assert a.goodbyes[-1].code is Code.INVALID
    assert state(h, a) is AgentState.DISCONNECTED
    assert not h.master._agents._chunks


def test_duplicate_agent_while_the_first_is_alive() -> None:
    h, a, _ = running("t1")
    twin = h.twin(a)
    twin.connects()
    assert twin.goodbyes[0].code is Code.DUPLICATE_AGENT
    assert a.session is not None


def test_another_instance_is_welcome_once_the_first_is_gone() -> None:
    h, a, _ = running()
    a.disconnects()
    twin = h.twin(a)
    twin.connects()
    assert twin.session is not None
    assert twin.id == a.id


def test_a_later_attempt_of_the_same_instance_wins() -> None:
    h, a, f = running("t1")
    first = a.session
    h.advance(6)
    (offer,) = f.offers
    a.connects()
    assert a.goodbyes[0].code is Code.SUPERSEDED
    assert f.rescinded == [offer.offer_id]
    assert first is not None
    h.closed(first)
    assert state(h, a) is AgentState.CONNECTED
    assert h.believes(f, "t1").held.cpus == 1000


@pytest.mark.parametrize("is_alive", [True, False])
def test_an_attempt_that_was_overtaken_is_refused(*, is_alive: bool) -> None:
    """What it says was true once; by now the master knows better."""
    h, a, f = running("t1")
    late = h.twin(a)
    late.instance_uuid = a.instance_uuid
    if not is_alive:
        a.disconnects()
    late.connects()
    assert late.goodbyes[0].code is Code.SUPERSEDED
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING


def test_an_agent_of_another_cluster_is_refused() -> None:
    h = MasterHarness()
    a = h.agent(connects=False)
    a.attempt, a.session = 1, h.open(a)
    a.says(replace(a.registrations()[0], cluster_id="another"))
    assert a.goodbyes[0].code is Code.WRONG_CLUSTER


def test_an_agent_that_has_seen_a_newer_leader_is_refused() -> None:
    h = MasterHarness()
    a = h.agent(connects=False)
    a.epoch = 2
    a.connects()
    assert a.goodbyes[0].code is Code.STALE_EPOCH
    assert not h.master.books.agents


def test_an_agent_of_another_protocol_is_refused() -> None:
    h = MasterHarness()
    a = h.agent(connects=False)
    a.attempt, a.session = 1, h.open(a)
    whole = a.registrations()[0]
    a.says(replace(whole, hello=replace(whole.hello, protocol=99)))
    assert a.goodbyes[0].code is Code.VERSION


def test_a_session_registers_once() -> None:
    h = MasterHarness()
    a = h.agent()
    a.attempt += 1
    a.says(a.registrations()[0])
    assert a.goodbyes[0].code is Code.INVALID


def test_nothing_is_heard_before_a_registration() -> None:
    h = MasterHarness()
    a = h.agent(connects=False)
    a.session = h.open(a)
    a.beats()
    assert a.goodbyes[0].code is Code.NOT_SUBSCRIBED


def test_an_agent_that_never_heard_its_id_is_given_it_again() -> None:
    h = MasterHarness()
    a = h.agent()
    given = a.id
    a.disconnects()
    a.info = replace(a.info, agent_id=AgentId(""))
    a.connects()
    assert a.id == given


def test_no_new_id_is_one_that_somebody_made_up() -> None:
    h = MasterHarness()
    a = h.agent(connects=False)
    a.info = replace(a.info, agent_id=AgentId("a-1-1"))
    a.connects()
    assert h.agent().id != a.id


# --- what it brings


def test_the_agent_is_the_authority_on_its_tasks() -> None:
    h, a, f = running("t1")
    a.disconnects()
    known = a.living[TaskId("t1")]
    smaller = replace(known, resources=Resources.of(cpus=0.5))
    a.living[TaskId("t1")] = smaller
    a.connects()
    assert h.believes(f, "t1").held == Resources.of(cpus=0.5)


def test_a_launch_that_never_arrived_was_dropped() -> None:
    h, a, f = running()
    h.advance(6)
    session, a.session = a.session, None
    f.launch(task("t1"))
    a.living.clear()
    assert session is not None
    h.closed(session)
    a.connects()
    assert f.states == ["t1 DROPPED"]
    assert f.statuses[0].reason is Reason.LAUNCH_UNKNOWN
    h.advance(6)
    assert f.offered.cpus == 4000


def test_a_launch_that_never_arrived_and_was_to_be_killed_is_not_to_be_tried_again() -> None:
    h, a, f = running()
    h.advance(6)
    session, a.session = a.session, None
    f.launch(task("t1"))
    a.living.clear()
    h.orders(KillAnyTask(f.id, TaskId("t1")))
    assert session is not None
    h.closed(session)
    a.connects()
    assert f.states == ["t1 KILLED"]
    assert f.statuses[0].reason is Reason.KILL_REQUESTED


def test_what_ended_while_the_master_was_away_is_told() -> None:
    h, a, f = running("t1")
    h.fail_over(returns=False)
    a.finishes("t1")
    f.connects()
    a.connects()
    assert f.states[-1] == "t1 FINISHED"
    assert not a.updates, "and acknowledged"


def test_tasks_of_a_framework_that_the_agent_forgot_to_name_are_counted() -> None:
    h, a, f = running("t1")
    h.fail_over(returns=False)
    a.frameworks.clear()
    a.connects()
    assert h.master.books.agents[a.id].used.cpus == 1000
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING


def test_tasks_of_removed_frameworks_are_shut_down_on_return() -> None:
    """Of one that even its master has forgotten."""
    h, a, f = running("t1")
    a.disconnects()
    h.records["removed/f-1-1"] = a.frameworks[f.id]
    h.fail_over(returns=False)
    a.connects()
    assert a.orders[-1] == ShutdownFramework(FrameworkId("f-1-1"))


def test_an_agent_that_shrank_under_its_tasks_offers_what_it_still_has() -> None:
    h, a, _ = running("t1", "t2")
    a.disconnects()
    a.info = replace(a.info, resources=Resources.of(cpus=1, mem=8 * 2**30))
    a.connects()
    g = h.framework()
    assert g.offered == Resources.of(cpus=0, mem=6 * 2**30)


# --- M3: liveness


def test_m3_agents_hear_heartbeats() -> None:
    h = MasterHarness()
    a = h.agent()
    h.advance(10)
    assert a.count(Heartbeat) == 5


def test_m3_a_silent_agent_is_disconnected_within_ten_seconds_and_nothing_else() -> None:
    """Of an otherwise idle master: its own deadlines notice."""
    h, a, f = running("t1")
    h.advance(6)
    (offer,) = f.offers
    a.is_silent = True
    h.advance(10.1)
    assert a.goodbyes[0].code is Code.SILENT
    assert state(h, a) is AgentState.DISCONNECTED
    assert f.rescinded == [offer.offer_id]
    assert f.states == ["t1 RUNNING"]
    assert h.believes(f, "t1").held.cpus == 1000


def test_m3_a_talking_agent_stays() -> None:
    h, a, _ = running("t1")
    h.advance(300)
    assert state(h, a) is AgentState.CONNECTED


def test_m3_a_master_stopped_for_five_minutes_changes_no_tasks_state() -> None:
    h, a, f = running("t1")
    b = h.agent()
    b.disconnects()
    told = list(f.statuses)
    h.stop_the_master(300)
    h.tick()
    assert [state(h, x) for x in (a, b)] == [AgentState.CONNECTED, AgentState.DISCONNECTED]
    assert f.session is not None
    assert f.statuses == told
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING


def test_m3_after_a_stall_silence_is_noticed_as_before() -> None:
    h, a, _ = running("t1")
    h.stop_the_master(300)
    h.tick()
    a.is_silent = True
    h.advance(10.1)
    assert state(h, a) is AgentState.DISCONNECTED


def test_m3_a_stall_right_after_the_start_condemns_nobody() -> None:
    h, a, _ = running("t1")
    h.fail_over(returns=False)
    h.stop_the_master(100)
    h.tick()
    assert state(h, a) is AgentState.RECOVERING
    h.advance(74.9)
    assert state(h, a) is AgentState.RECOVERING
    h.advance(0.2)
    assert state(h, a) is AgentState.UNREACHABLE


def test_m3_many_short_stalls_condemn_nobody() -> None:
    h, a, _ = running("t1")
    a.is_silent = True
    for _ in range(10):
        h.stop_the_master(3)
        h.tick()
    assert state(h, a) is AgentState.CONNECTED


def test_m3_silence_is_noticed_also_while_others_never_pause() -> None:
    """A step's time is when its message came: what came before has been heard."""
    h, a, f = running("t1")
    a.is_silent = True
    for _ in range(19):
        h.now += 0.5
        f.beats()
    assert state(h, a) is AgentState.CONNECTED
    for _ in range(2):
        h.now += 0.5
        f.beats()
    assert state(h, a) is AgentState.DISCONNECTED
    assert f.session is not None


def test_m3_a_pause_of_more_than_a_second_is_a_stall() -> None:
    h, a, _ = running("t1")
    a.is_silent = True
    for _ in range(20):
        h.stop_the_master(1.1)
        h.tick()
    assert state(h, a) is AgentState.CONNECTED
    for _ in range(11):
        h.now += 0.99
        h.tick()
    assert state(h, a) is AgentState.DISCONNECTED


def test_m3_usage_is_known_and_told_in_offers() -> None:
    h, a, f = running("t1")
    host = HostUsage(cpu_percent=37.5, memory_bytes=5)
    used = Usage(cpu_s=1.5)
    a.says(AgentHeartbeat(1, host, (TaskUsage(f.id, TaskId("t1"), used),), 2))
    assert h.believes(f, "t1").usage == used
    assert h.master.books.agents[a.id].unacknowledged == 2
    h.advance(5.1)
    a.says(AgentHeartbeat(2, host))
    f.decline(refuse_s=0)
    h.now += 1.1
    h.tick()
    assert f.offers[0].utilisation == host


def test_m3_the_interval_grows_with_the_number_of_agents() -> None:
    h = MasterHarness(MasterSettings(agents_per_heartbeat_s=2))
    told = []
    for _ in range(20):
        registered = h.agent().heard[0]
        assert isinstance(registered, AgentRegistered)
        told.append(registered.heartbeat_s)
    assert (told[0], told[-1]) == (2.5, 10.0)


def test_m3_a_short_interval_is_kept() -> None:
    h = MasterHarness(MasterSettings(heartbeat_s=0.2))
    registered = h.agent().heard[0]
    assert isinstance(registered, AgentRegistered)
    assert registered.heartbeat_s == 0.2


def test_m3_liveness_comes_to_rest_whatever_the_clock_says() -> None:
    """Sums of floats: a deadline that recedes by less than the clock can show never comes."""
    for start in (1e-9, 0.1, 12345.6789, 1e9 + 0.3):
        h = MasterHarness()
        h.now = start
        a = h.agent()
        a.is_silent = True
        h.advance(100)
        assert state(h, a) is AgentState.UNREACHABLE


# --- UNREACHABLE and return


def test_unreachable_after_75_seconds_is_told_and_counted_once() -> None:
    h, a, f = running("t1")
    a.is_silent = True
    h.advance(75.1)
    assert state(h, a) is AgentState.UNREACHABLE
    assert f.states == ["t1 RUNNING", "t1 UNREACHABLE"]
    assert f.statuses[-1].reason is Reason.AGENT_UNREACHABLE
    assert f"unreachable/{a.id}" in h.records
    assert h.master.books.capacity.cpus == 0
    assert h.master.books.agents[a.id].used.cpus == 0


def test_unreachable_returns_told_and_nothing_is_counted_twice() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    for _ in range(3):
        a.connects()
    h.tick()
    assert f.states[-1] == "t1 RUNNING"
    assert f.statuses[-1].reason is Reason.AGENT_REGISTERED
    assert h.master.books.agents[a.id].used.cpus == 1000
    assert h.master.books.capacity.cpus == 4000
    assert f"unreachable/{a.id}" not in h.records
    assert f.offered.cpus == 3000


def test_unreachable_returns_to_a_terminal_state_too() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    a.finishes("t1")
    a.connects()
    assert f.states == ["t1 RUNNING", "t1 UNREACHABLE", "t1 FINISHED"]
    assert f.statuses[-1].update_uuid, "by the update that must be acknowledged"


def test_an_end_that_waits_behind_another_update_is_told_when_its_agent_is_given_up() -> None:
    """The agent, which has it on its disk, may never come again."""
    h, a, f = running("t1")
    f.is_acknowledging = False
    a.becomes("t1", TaskState.KILLING)
    a.kills("t1")
    assert f.states[-1] == "t1 KILLING"
    a.disconnects()
    h.advance(76)
    assert f.states[-1] == "t1 KILLED"
    f.is_acknowledging = True
    a.connects()
    assert f.states[-1] == "t1 KILLED"


def test_unreachable_without_the_task_was_dropped() -> None:
    h, a, f = running("t1")
    a.disconnects()
    h.advance(80)
    a.living.clear()
    a.connects()
    assert f.states[-1] == "t1 DROPPED"


def test_the_verdict_survives_a_failover() -> None:
    h, a, _ = running("t1")
    a.disconnects()
    h.advance(80)
    h.fail_over()
    assert state(h, a) is AgentState.UNREACHABLE
    a.connects()
    assert state(h, a) is AgentState.CONNECTED


def test_an_agent_that_never_returns_from_a_failover_is_unreachable_in_time() -> None:
    h, a, f = running("t1")
    h.fail_over(returns=False)
    f.connects()
    h.advance(74.9)
    assert state(h, a) is AgentState.RECOVERING
    h.advance(0.2)
    assert state(h, a) is AgentState.UNREACHABLE


def test_a_goodbye_leaves_as_a_broken_session_does() -> None:
    h, a, f = running("t1")
    a.says(Goodbye(Code.SHUTTING_DOWN, "restarting"))
    assert state(h, a) is AgentState.DISCONNECTED
    assert f.states == ["t1 RUNNING"]
    a.connects()
    assert state(h, a) is AgentState.CONNECTED


def test_an_invalid_message_of_an_agent_changes_nothing_else() -> None:
    h, a, _ = running("t1")
    assert a.session is not None
    h.step(ReceivedInvalid(SessionId(a.session), CallId(""), "heartbeat.host", "nan"))
    assert state(h, a) is AgentState.CONNECTED


def test_an_update_of_a_session_that_was_ended_is_not_heard() -> None:
    h, a, f = running("t1")
    old = a.session
    status = replace(a.living[TaskId("t1")].latest, state=TaskState.FINISHED, sequence=2)
    a.connects()
    assert old is not None
    h.receive(old, AgentMessage(TaskUpdated(status, status)))
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING
