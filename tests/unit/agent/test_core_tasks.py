"""Task life as a conversation: a master that orders, processes that run, an agent that reports."""

import itertools

from tests.support.agent_harness import F1, HUP, INT, KILL, TERM, AgentHarness, launch

from fairlead.agent.settings import AgentSettings
from fairlead.common import wire
from fairlead.common.ids import FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import KillTask
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Reason, TaskState, TaskStatus, Unreserve


def acknowledging(cpus: float = 4) -> AgentHarness:
    h = AgentHarness(cpus=cpus)
    h.acknowledges = True
    return h.registered()


def test_a_task_runs_and_finishes() -> None:
    h = acknowledging().launch("t1").exits("t1", 0)
    assert h.updates() == ["t1 RUNNING", "t1 FINISHED"]
    assert h.last("t1").status.exit_code == 0
    assert h.last("t1").status.pid == 101


def test_codes_and_signals_are_told() -> None:
    h = acknowledging().launch("t1", "t2", "t3")
    h.exits("t1", 7).exits("t2", None, 11).exits("t3", None, None)
    assert h.updates()[3:] == ["t1 FAILED", "t2 FAILED", "t3 GONE"]
    assert h.last("t1").status.exit_code == 7
    assert h.last("t2").status.signal == 11
    assert h.last("t3").status.reason is Reason.EXIT_STATUS_UNKNOWN


def test_a_command_that_cannot_start_fails_alone() -> None:
    h = acknowledging()
    h.starts_fail = "no such program: sleep"
    h.launch("t1")
    h.starts_fail = ""
    h.launch("t2")
    assert h.updates() == ["t1 FAILED", "t2 RUNNING"]
    assert h.last("t1").status.reason is Reason.COMMAND_NOT_STARTED
    assert h.last("t1").status.message == "no such program: sleep"


def test_what_does_not_fit_is_dropped_and_its_siblings_run() -> None:
    """Whatever the master believes: the agent has 4 cpus."""
    h = acknowledging(cpus=4).launch("t1", cpus=3).launch("t2", "t3", cpus=1)
    assert h.updates() == ["t1 RUNNING", "t3 DROPPED", "t2 RUNNING"]
    assert h.last("t3").status.reason is Reason.AGENT_REFUSED
    assert h.ended_accepts()[-1].failed_operation == -1


def test_resources_are_free_at_the_end_not_at_its_acknowledgement() -> None:
    h = AgentHarness(cpus=1).registered().launch("t1").exits("t1")
    assert h.last("t1").status.state is TaskState.RUNNING, "the head is not acknowledged"
    assert h.last("t1").latest.state is TaskState.FINISHED
    assert h.last("t1").resources == EMPTY
    h.launch("t2")
    assert h.updates() == ["t1 RUNNING", "t2 RUNNING"]


def test_devices_are_named_and_disjoint() -> None:
    h = AgentHarness(gpus={"gpu-0": 1, "gpu-1": 1}).registered()
    h.run([launch("t1", resources=Resources.of(gpus={"gpu-1": 1}))])
    h.run([launch("t2", resources=Resources.of(gpus={"gpu-1": 1}))])
    h.run([launch("t3", resources=Resources.of(gpus=1))])
    assert h.updates() == ["t1 RUNNING", "t2 DROPPED", "t3 RUNNING"]
    assert h.processes[LaunchUuid("u-t3")].start.resources.gpus == (("gpu-0", 1000),)


def test_two_tasks_never_hold_one_port() -> None:
    h = AgentHarness()
    h.info = h.info.__class__(h.info.agent_id, "host", Resources.of(ports=[(8000, 8009)]))
    h.crash().registered()
    h.run([launch("t1", resources=Resources.of(ports=[(8000, 8004)]))])
    h.run([launch("t2", resources=Resources.of(ports=[(8004, 8005)]))])
    assert h.updates() == ["t1 RUNNING", "t2 DROPPED"]


# --- kills


def test_term_at_once_and_kill_after_the_grace() -> None:
    h = acknowledging().launch("t1").kill("t1", grace_s=3)
    assert h.signals("t1") == [TERM]
    assert h.updates() == ["t1 RUNNING", "t1 KILLING"]
    signals = h.signals("t1")
    h.passes(2.9)
    assert signals == [TERM]
    h.passes(0.2)
    assert signals == [TERM, KILL]
    assert h.updates()[2:] == ["t1 KILLED"]
    assert h.last("t1").status.reason is Reason.KILL_REQUESTED
    assert h.last("t1").status.signal == 9


def test_a_shorter_grace_wins_and_a_longer_one_does_not() -> None:
    h = acknowledging().launch("t1").kill("t1", grace_s=10)
    signals = h.signals("t1")
    h.passes(1).kill("t1", grace_s=60).kill("t1", grace_s=2).passes(2.1)
    assert signals == [TERM, KILL]
    assert h.updates() == ["t1 RUNNING", "t1 KILLING", "t1 KILLED"]


def test_the_signal_of_a_kill_comes_first() -> None:
    h = acknowledging().launch("t1").kill("t1", grace_s=3, signal=INT)
    signals = h.signals("t1")
    h.passes(3.1)
    assert signals == [INT, KILL]
    assert h.updates() == ["t1 RUNNING", "t1 KILLING", "t1 KILLED"]


def test_another_signal_is_sent_too_and_the_same_one_is_not_repeated() -> None:
    h = acknowledging().launch("t1").kill("t1", grace_s=3, signal=INT)
    signals = h.signals("t1")
    h.kill("t1", grace_s=3, signal=INT).passes(1).kill("t1", grace_s=60, signal=HUP)
    h.kill("t1", grace_s=60, signal=HUP).kill("t1", grace_s=60)
    assert signals == [INT, HUP, TERM]
    h.passes(2.1)
    assert signals == [INT, HUP, TERM, KILL], "the longer graces count for nothing"


def test_a_second_interrupt_without_grace_is_a_kill() -> None:
    h = acknowledging().launch("t1").kill("t1", signal=INT)
    signals = h.signals("t1")
    h.kill("t1", grace_s=0, signal=INT).tick()
    assert signals == [INT, KILL]


def test_a_task_that_obeys_is_killed_with_its_own_code() -> None:
    h = acknowledging().launch("t1").kill("t1").exits("t1", 3)
    assert h.updates()[-1] == "t1 KILLED"
    assert h.last("t1").status.exit_code == 3


def test_a_kill_before_the_start_leaves_nothing_to_start() -> None:
    """The launch is booked, and the disk is slow: the kill comes before the confirmation."""
    h = AgentHarness().registered()
    h.confirms = False
    h.launch("t1").kill("t1")
    h.answers()
    assert h.starts == []
    assert h.updates() == ["t1 KILLED"]
    assert [ended.accept_id for ended in h.ended_accepts()] == ["accept-1"]


def test_a_kill_while_the_start_is_under_way() -> None:
    h = AgentHarness().registered()
    h.acknowledges = True
    h.starts_answer = False
    h.launch("t1").kill("t1", grace_s=4, signal=HUP)
    assert h.signals("t1") == [], "nobody knows yet whether there is a process"
    h.answers()
    assert h.signals("t1") == [HUP]
    h.exits("t1", None, HUP)
    assert h.updates() == ["t1 KILLING", "t1 KILLED"]


def test_a_kill_whose_grace_is_over_before_the_start_is_known() -> None:
    h = AgentHarness().registered()
    h.acknowledges = True
    h.starts_answer = False
    h.dies = False  # as if the order to destroy came before there was a process
    h.launch("t1").kill("t1", grace_s=0).tick()
    h.dies = True
    h.answers()
    assert h.updates() == ["t1 KILLING", "t1 KILLED"]
    assert h.running() == []


def test_a_kill_that_overtakes_its_launch_is_remembered_for_a_minute() -> None:
    h = AgentHarness().registered()
    h.kill("t1").passes(59).launch("t1")
    assert h.updates() == ["t1 KILLED"]
    assert h.starts == []
    h.kill("t2").passes(61).launch("t2")
    assert h.updates()[1:] == ["t2 RUNNING"]


def test_a_kill_of_an_older_epoch_kills_nothing_new() -> None:
    h = AgentHarness().registered().kill("t1")
    h.epoch = 2
    h.hangs_up().registered().launch("t1")
    assert h.updates() == ["t1 RUNNING"]


def test_an_empty_uuid_means_whatever_bears_the_id() -> None:
    h = acknowledging().launch("t1").kill("t1", uuid="")
    assert h.signals("t1") == [TERM]
    h.says(KillTask(F1, TaskId("t1"), LaunchUuid("another"), 0.0))
    assert h.signals("t1") == [TERM]


def test_kills_of_unknown_and_ended_tasks_are_ignored() -> None:
    h = acknowledging().launch("t1").exits("t1").kill("t1").kill("nobody")
    assert h.updates() == ["t1 RUNNING", "t1 FINISHED"]


def test_a_container_that_does_not_die_is_destroyed_again() -> None:
    h = acknowledging().launch("t1")
    signals = h.signals("t1")
    h.dies = False
    h.kill("t1", grace_s=1).passes(1.1)
    assert signals == [TERM, KILL]
    h.dies = True
    h.passes(5.1)
    assert signals == [TERM, KILL, KILL]
    assert h.updates()[-1] == "t1 KILLED"


# --- launches that are not what they seem


def test_a_launch_is_idempotent_by_its_uuid() -> None:
    h = acknowledging().launch("t1").launch("t1")
    assert h.starts == ["u-t1"]
    h.exits("t1", 4)
    before = len(h.all_updates())
    h.launch("t1")
    assert h.starts == ["u-t1"]
    assert h.updates() == ["t1 RUNNING", "t1 FAILED"]
    assert len(h.all_updates()) == before + 1, "the end is told again"


def test_uuids_and_ids_in_use_are_refused() -> None:
    h = acknowledging().launch("t1")
    h.run([launch("t2", uuid="u-t1")])
    h.run([launch("t1", uuid="u-other")])
    h.run([launch("", uuid="u-empty")])
    assert h.updates() == ["t1 RUNNING", "t2 DROPPED", "t1 DROPPED", " DROPPED"]
    assert h.last("t2").status.reason is Reason.INVALID_TASK
    assert h.starts == ["u-t1"]
    h.exits("t1")
    assert h.updates()[-1] == "t1 FINISHED", "the owner of the uuid was not disturbed"


def test_files_may_not_lead_out_of_the_sandbox() -> None:
    h = acknowledging()
    for number, name in enumerate(["../x", "/etc/passwd", "", "..", "stdout"]):
        h.run([launch(f"t{number}", files={name: b""})])
    assert h.starts == []
    assert h.last("t0").status.message == "files: '../x' is not the name of a file of its own"


def test_files_are_for_the_sandbox_alone() -> None:
    h = AgentHarness().registered().run([launch("t1", files={"key": b"s3cret"})])
    assert h.processes[LaunchUuid("u-t1")].start.task.files == {"key": b"s3cret"}
    assert b"s3cret" not in repr(h.records).encode(), "dropped once the task runs"
    h.hangs_up().registered()
    assert b"s3cret" not in repr(h.heard).encode()
    shown = h.agent.look_up(F1, TaskId("t1"), LaunchUuid(""))
    assert shown is not None
    assert shown.task.files == {}


def test_an_operation_that_fails_drops_the_rest() -> None:
    h = acknowledging()
    h.run([launch("t1"), Unreserve(Role("r"), Resources.of(cpus=1)), launch("t2")])
    assert sorted(h.updates()) == ["t1 RUNNING", "t2 DROPPED"]
    assert h.last("t2").status.reason is Reason.OPERATION_FAILED
    (ended,) = h.ended_accepts()
    assert (ended.failed_operation, ended.message) == (
        1,
        "resources: r has nothing, not 1 cpu",
    )


# --- updates


def test_only_the_head_is_in_flight_and_again_with_back_off() -> None:
    h = AgentHarness().registered().launch("t1").exits("t1")
    assert h.updates() == ["t1 RUNNING"]
    h.heard.clear()
    times = []
    for _ in range(1000):
        count = len(h.all_updates())
        h.passes(0.1)
        if len(h.all_updates()) > count:
            times.append(round(h.now - 1000))
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == [2, 4, 8, 16, 30, 30]
    assert h.updates() == ["t1 RUNNING"]
    h.acknowledge("t1", 1)
    assert h.updates() == ["t1 RUNNING", "t1 FINISHED"]
    h.acknowledge("t1", 1).acknowledge("t1", 3)
    assert h.agent.look_up(F1, TaskId("t1"), LaunchUuid("")) is not None
    h.acknowledge("t1", 2)
    h.heard.clear()
    h.passes(100)
    assert h.updates() == [], "acknowledged: never again"


def test_ended_tasks_are_listed_until_there_are_too_many() -> None:
    h = AgentHarness(settings=AgentSettings(ended_kept=2))
    h.acknowledges = True
    h.registered()
    for name in ("t1", "t2", "t3"):
        h.launch(name, framework=f"f-{name}").exits(name)
    h.hangs_up().registered()
    last = h.registrations()[-1]
    assert [task.task.task_id for task in last.ended] == ["t2", "t3"]
    assert [framework.framework_id for framework in last.frameworks] == ["f-t2", "f-t3"]
    assert h.agent.look_up(FrameworkId("f-t1"), TaskId("t1"), LaunchUuid("")) is None
    assert not [key for key in h.records if "t1" in key]


# --- frameworks that leave


def test_a_framework_that_was_removed_loses_its_tasks() -> None:
    h = acknowledging().launch("t1", grace_s=60).launch("t2", framework="f2").shut_down("f1")
    signals = h.signals("t1")
    assert signals == [TERM]
    h.passes(3.1)
    assert signals == [TERM, KILL], "removed frameworks have no say over the grace"
    assert h.last("t1").status.reason is Reason.FRAMEWORK_REMOVED
    assert h.running() == ["u-t2"]


def test_the_agent_counts_a_framework_s_absence_even_without_a_master() -> None:
    h = acknowledging().launch("t1").away(away_s=10, limit_s=100)
    signals = h.signals("t1")
    h.master_is_up = False
    h.hangs_up().passes(89.9)
    assert signals == []
    h.passes(0.2)
    assert signals == [TERM]
    h.passes(4)
    assert h.running() == [], "within 5 s of the limit"


def test_a_framework_that_is_back_keeps_its_tasks() -> None:
    h = acknowledging().launch("t1").away(10, 20).passes(9).away(0, 0, back=True).passes(60)
    assert h.signals("t1") == []


def test_a_new_leader_cannot_shorten_an_absence_but_is_told_of_it() -> None:
    h = acknowledging().launch("t1").away(50, 100).passes(10)
    h.hangs_up().registered()
    (away,) = h.registrations()[-1].away
    assert 60 <= away.away_s < 61
    assert away.limit_s == 100
    h.away(0, 100).passes(41)
    assert h.running() == ["u-t1"]
    assert h.signals("t1") == [TERM]


def test_a_message_is_cut_to_what_the_master_takes() -> None:
    h = acknowledging()
    h.starts_fail = "cannot run '" + "x" * 70_000
    h.launch("t1")
    status = h.last("t1").status
    assert len(status.message) <= 4096
    assert wire.decode(TaskStatus, wire.encode(status)) == status
    h.crash().registered()
