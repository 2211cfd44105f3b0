"""The session to the master: dialled with back-off, registered whole, fenced by epoch."""

import itertools
from dataclasses import replace

from tests.support.agent_harness import F1, AgentHarness, launch

from fairlead.agent.chunks import CHUNK_BYTES
from fairlead.agent.events import UsageMeasured
from fairlead.agent.settings import AgentSettings
from fairlead.common import wire
from fairlead.common.events import SessionOpened
from fairlead.common.ids import AgentId, LaunchUuid, SessionId, TaskId
from fairlead.common.messages import AgentRegistered, Code, Goodbye, Heartbeat, KillTask
from fairlead.common.values import Command, HostUsage, TaskState, Usage


def dials(h: AgentHarness, seconds: float) -> list[float]:
    """When a session was asked for."""
    moments = []
    until = h.now + seconds
    while h.now < until:
        count = h._sessions
        h.passes(0.01)
        moments += [h.now] * (h._sessions - count)
    return moments


def test_a_master_that_is_away_is_dialled_with_growing_patience() -> None:
    h = AgentHarness()
    h.master_is_up = False
    moments = dials(h, 30)
    gaps = [b - a for a, b in itertools.pairwise(moments)]
    assert gaps[0] <= 0.06
    assert all(0.02 < gap <= 2.02 for gap in gaps)
    assert all(gap >= 0.99 for gap in gaps[-5:])
    h.master_is_up = True
    h.passes(2.1)
    assert len(h.registrations()) == 1


def test_agents_do_not_come_back_all_at_once() -> None:
    def first_gap(instance: str) -> float | None:
        h = AgentHarness()
        h.agent._context.instance_uuid = instance
        h.master_is_up = False
        h.tick()
        return h.agent.next_deadline()

    assert len({first_gap(f"instance-{n}") for n in range(10)}) > 5


def test_the_first_word_is_all_that_it_knows() -> None:
    h = AgentHarness().registered().launch("t1").launch("t2").exits("t2")
    h.acknowledge("t2", 1).acknowledge("t2", 2)
    h.hangs_up().registered()
    first, second = h.registrations()
    assert (first.agent.agent_id, first.cluster_id, first.highest_epoch) == ("", "", 0)
    assert (second.agent.agent_id, second.cluster_id, second.highest_epoch) == ("agent-1", "c1", 1)
    assert second.hello.instance_uuid == first.hello.instance_uuid
    assert second.hello.attempt > first.hello.attempt
    assert [task.task.task_id for task in second.tasks] == ["t1"]
    assert [task.task.task_id for task in second.ended] == ["t2"]
    assert [framework.framework_id for framework in second.frameworks] == [F1]
    assert second.tasks[0].sandbox == "/srv/sandboxes/f1/t1/u-t1"


def test_a_long_story_is_told_in_chunks() -> None:
    h = AgentHarness(settings=AgentSettings(tasks_per_message=2))
    h.registered()
    h.launch("t1", "t2", "t3").launch("t4", cpus=0).launch("t5", cpus=0)
    for name in ("t1", "t2"):
        h.exits(name).acknowledge(name, 1).acknowledge(name, 2)
    h.heard.clear()
    h.hangs_up().registered()
    chunks = h.registrations()
    assert [chunk.more for chunk in chunks] == [True, True, False]
    assert [[t.task.task_id for t in chunk.tasks] for chunk in chunks] == [["t3", "t4"], ["t5"], []]
    assert [[t.task.task_id for t in chunk.ended] for chunk in chunks] == [[], ["t1"], ["t2"]]


def test_a_long_story_of_long_commands_is_cut_by_size() -> None:
    h = AgentHarness(cpus=100).registered()
    env = {f"LONG{n}": "x" * 50_000 for n in range(8)}
    for name in ("t1", "t2", "t3", "t4", "t5"):
        operation = launch(name)
        command = Command(("echo", "y" * 50_000), env)
        h.run([replace(operation, task=replace(operation.task, command=command))])
    for name in ("t1", "t2"):
        h.exits(name).acknowledge(name, 1).acknowledge(name, 2)
    h.hangs_up().registered()
    chunks = h.registrations()[1:]
    assert [[t.task.task_id for t in chunk.tasks] for chunk in chunks] == [["t3", "t4"], ["t5"]]
    assert all(len(wire.encode(chunk)) < CHUNK_BYTES + 10_000 for chunk in chunks)
    assert chunks[0].tasks[0].task.command == command
    assert [t.task.task_id for t in chunks[-1].ended] == ["t1", "t2"]
    (shown,) = chunks[-1].ended[0].task.command.argv
    assert shown.startswith("echo yyy")
    assert len(shown) == 200
    assert chunks[-1].ended[0].task.command.env == {}


def test_a_task_larger_than_a_chunk_goes_alone() -> None:
    h = AgentHarness().registered().launch("t1")
    operation = launch("t2")
    command = Command(("true",), {f"LONG{n}": "x" * 60_000 for n in range(20)})
    h.run([replace(operation, task=replace(operation.task, command=command))]).launch("t3")
    h.hangs_up().registered()
    told = [[t.task.task_id for t in chunk.tasks] for chunk in h.registrations()[1:]]
    assert told == [["t1"], ["t2"], ["t3"]]


def test_what_waits_for_an_acknowledgement_is_said_at_each_registration() -> None:
    h = AgentHarness().registered().launch("t1")
    h.heard.clear()
    h.hangs_up().registered()
    assert h.updates() == ["t1 RUNNING"]


def test_an_older_epoch_is_refused_and_nothing_obeyed() -> None:
    h = AgentHarness().registered()
    h.epoch = 5
    h.says(Heartbeat()).launch("t1")
    h.says(KillTask(F1, TaskId("t1"), LaunchUuid("u-t1"), 0.0), epoch=4)
    assert h.signals("t1") == []
    assert h.goodbyes() == [Code.STALE_EPOCH]
    assert h.closed[0].code is Code.STALE_EPOCH


def test_the_fence_holds_after_a_restart() -> None:
    h = AgentHarness().registered()
    h.epoch = 5
    h.says(Heartbeat()).launch("t1").crash()
    h.epoch = 4
    h.now += 1
    h.tick()
    assert h.goodbyes() == [Code.STALE_EPOCH]
    h.epoch = 6
    h.registered()
    assert h.registrations()[-1].highest_epoch == 5


def test_another_cluster_is_refused_whatever_its_epoch() -> None:
    h = AgentHarness().registered().hangs_up()
    h.cluster_id = "c2"
    h.epoch = 9
    h.now += 1
    h.tick()
    assert h.goodbyes() == [Code.WRONG_CLUSTER]
    h.cluster_id, h.epoch = "c1", 1
    h.registered()
    assert h.registrations()[-1].highest_epoch == 1


def test_nothing_is_obeyed_before_the_registration_is_answered() -> None:
    h = AgentHarness()
    h.answers_registrations = False
    h.registered().launch("t1")
    assert h.starts == []
    assert h.closed[0].code is Code.INVALID


def test_a_silent_master_is_left_for_the_leader() -> None:
    h = AgentHarness().registered().launch("t1")
    h.master_is_up = False
    h.passes(9)
    assert h.closed == []
    h.passes(1.1)
    assert [each.code for each in h.closed] == [Code.SILENT]
    h.master_is_up = True
    h.registered()
    assert len(h.registrations()) == 2
    assert h.running() == ["u-t1"]


def test_who_was_stopped_itself_calls_nobody_silent() -> None:
    h = AgentHarness().registered().launch("t1")
    h.now += 20
    h.tick()
    assert h.closed == []
    assert h.running() == ["u-t1"]
    h.master_is_up = False
    h.passes(10.1)
    assert [each.code for each in h.closed] == [Code.SILENT], "from then on it counts as before"


def test_a_host_that_was_suspended_runs_its_tasks_on_unless_their_framework_was_away_too_long() -> (
    None
):
    """The clock counts suspend: so do the absences of frameworks, and no liveness."""
    h = AgentHarness().registered().launch("t1").away(1, 5000)
    h.now += 3600
    h.passes(5)
    assert h.closed == []
    assert h.running() == ["u-t1"]
    h.now += 3600
    h.passes(5)
    assert h.running() == []


def test_a_master_that_speaks_seldom_is_given_more_time() -> None:
    h = AgentHarness()
    h.heartbeat_s = 8.0
    h.registered()
    h.master_is_up = False
    h.passes(19)
    assert h.closed == []
    h.passes(1.1)
    assert [each.code for each in h.closed] == [Code.SILENT]


def test_heartbeats_carry_usage_and_what_waits() -> None:
    h = AgentHarness().registered().launch("t1")
    used = UsageMeasured(
        HostUsage(cpu_percent=50.0),
        ((LaunchUuid("u-t1"), Usage(cpu_s=3.0)), (LaunchUuid("u-nobody"), Usage())),
    )
    h.step(used)
    count = len(h.heartbeats())
    h.passes(6.1)
    beats = h.heartbeats()[count:]
    assert len(beats) == 3
    assert [beat.sequence for beat in beats] == [2, 3, 4]
    assert beats[-1].host.cpu_percent == 50.0
    assert [(each.task_id, each.usage.cpu_s) for each in beats[-1].tasks] == [("t1", 3.0)]
    assert beats[-1].unacknowledged == 1
    h.says(AgentRegistered(AgentId("agent-1"), "c1", 5.0)).passes(0.1)
    count = len(h.heartbeats())
    h.passes(9.8)
    assert len(h.heartbeats()) == count + 1, "the master tells the interval"


def test_goodbyes_of_a_master() -> None:
    h = AgentHarness().registered().launch("t1")
    h.says(Goodbye(Code.NOT_LEADER, "another leads")).registered()
    assert h.exit_message == ""
    h.says(Goodbye(Code.VERSION, "too old"))
    assert h.exit_message == "the master speaks another version of the protocol: too old"
    assert h.state("t1") is TaskState.RUNNING


def test_an_agent_that_is_removed_ends_its_tasks_and_then_itself() -> None:
    h = AgentHarness().registered().launch("t1").launch("t2")
    h.says(Goodbye(Code.AGENT_REMOVED, "marked gone"))
    assert h.signals("t1") == [15]
    h.exits("t1")
    assert h.exit_message == ""
    h.passes(h.settings.shutdown_grace_s + 1)
    assert h.exit_message == "the master has removed this agent: marked gone"
    assert not h.running()


def test_an_agent_that_died_before_it_heard_that_it_is_removed_hears_it_again() -> None:
    h = AgentHarness().registered().launch("t1").crash().tick()
    h.says(Goodbye(Code.AGENT_REMOVED, "marked gone"))
    assert h.exit_message == ""
    h.exits("t1")
    assert h.exit_message == "the master has removed this agent: marked gone"


def test_another_clusters_master_ends_the_agent() -> None:
    h = AgentHarness().registered().launch("t1").hangs_up()
    h.registered().says(Goodbye(Code.WRONG_CLUSTER, "it belongs to cluster c1"))
    assert h.exit_message == "the master refuses this agent: it belongs to cluster c1"
    assert h.last("t1").sandbox


def test_a_refused_token_ends_the_agent_and_no_task() -> None:
    h = AgentHarness().registered().launch("t1")
    h.hangs_up(Code.SHUTTING_DOWN).registered()
    assert h.exit_message == ""
    h.hangs_up(Code.UNAUTHENTICATED, "the token of this call is wrong")
    assert h.exit_message.endswith("not that of its cluster: the token of this call is wrong")
    assert h.processes[LaunchUuid("u-t1")].exit is None
    assert h.running() == ["u-t1"]


def test_words_from_a_session_that_is_over_are_not_heard() -> None:
    h = AgentHarness().registered().launch("t1")
    old = h.session
    h.hangs_up()
    h.session = old
    h.says(KillTask(F1, TaskId("t1"), LaunchUuid("u-t1"), 0.0))
    h.session = None
    assert h.signals("t1") == []
    h.registered()


def test_a_second_session_is_closed() -> None:
    h = AgentHarness().registered()
    h.step(SessionOpened(SessionId(99)))
    assert [each.session for each in h.closed] == [99]
    h.launch("t1")
    assert h.updates() == ["t1 RUNNING"]
