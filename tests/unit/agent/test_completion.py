"""How long a task may run: its age, over suspends and restarts, and how it ends then."""

from dataclasses import replace

from tests.support.agent_harness import KILL, TERM, AgentHarness, launch

from fairlead.common.ids import TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Launch, Reason, Resume, Suspend, TaskState

T1 = TaskId("t1")


def limited(limit_s: float, grace_s: float = 5.0) -> Launch:
    one = launch("t1", grace_s=grace_s)
    return replace(one, task=replace(one.task, max_completion_s=limit_s))


def running(limit_s: float, grace_s: float = 5.0) -> AgentHarness:
    h = AgentHarness()
    h.acknowledges = True
    return h.registered().run([limited(limit_s, grace_s)])


def test_m34_a_task_that_runs_for_too_long_fails() -> None:
    h = running(60).passes(59)
    assert h.updates() == ["t1 RUNNING"]
    h.passes(2)
    assert h.updates() == ["t1 RUNNING", "t1 KILLING"]
    assert h.signals("t1") == [TERM]
    h.exits("t1", 0)
    status = h.last("t1").status
    assert status.state is TaskState.FAILED, "though it ended in good order"
    assert status.reason is Reason.MAX_COMPLETION_TIME
    assert status.message == "ran for longer than its limit of 60 s"
    assert status.exit_code == 0


def test_m34_whoever_does_not_hear_is_killed_after_its_grace() -> None:
    h = running(60, grace_s=3).passes(62)
    assert h.signals("t1") == [TERM]
    h.passes(2)
    assert h.last("t1").status.state is TaskState.FAILED
    assert h.last("t1").status.signal == KILL


def test_m34_who_ends_in_time_ends_as_ever() -> None:
    h = running(60).passes(59).exits("t1", 0).passes(10)
    assert h.updates() == ["t1 RUNNING", "t1 FINISHED"]


def test_m34_a_task_that_is_killed_first_is_killed() -> None:
    h = running(60, grace_s=30).passes(50).kill("t1", grace_s=30).passes(20).exits("t1", 0)
    assert h.last("t1").status.state is TaskState.KILLED
    assert h.last("t1").status.reason is Reason.KILL_REQUESTED


def test_m34_time_suspended_does_not_count() -> None:
    h = running(60).passes(40)
    h.run([Suspend(T1)]).passes(1000)
    assert h.state("t1") is TaskState.SUSPENDED
    h.run([Resume(T1)], offered=Resources.of(cpus=1)).passes(19)
    assert h.state("t1") is TaskState.RUNNING
    h.passes(2)
    assert h.state("t1") is TaskState.KILLING


def test_m34_the_age_outlives_the_agent() -> None:
    """It counts on while nobody is there, and what is over then is ended at once."""
    h = running(60).passes(40).crash().registered().passes(15)
    assert h.state("t1") is TaskState.RUNNING
    h.now += 10  # in which the agent is down
    h.crash().registered().tick()
    assert h.state("t1") is TaskState.KILLING
    assert h.signals("t1") == [TERM]


def test_m34_a_restart_while_it_is_suspended_changes_nothing() -> None:
    h = running(60).passes(40).run([Suspend(T1)]).passes(100).crash().registered().passes(100)
    h.run([Resume(T1)], offered=Resources.of(cpus=1)).passes(10).crash().registered().passes(9)
    assert h.state("t1") is TaskState.RUNNING
    h.passes(2)
    assert h.state("t1") is TaskState.KILLING


def test_m34_the_reason_outlives_the_agent() -> None:
    h = running(60, grace_s=20).passes(61).crash().registered()
    assert h.signals("t1") == [TERM, TERM]
    h.exits("t1", None, TERM)
    assert h.last("t1").latest.state is TaskState.FAILED
    assert h.last("t1").latest.reason is Reason.MAX_COMPLETION_TIME


def test_m34_a_crash_between_any_two_records_forgets_no_limit() -> None:
    for crash_at in range(60):
        h = AgentHarness()
        h.acknowledges = True
        h.crash_at = crash_at
        h.registered().run([limited(60)], accept_id="accept-1")
        h.run([limited(60)], accept_id="accept-1").passes(200)
        h.registered()
        assert h.state("t1") in (TaskState.FAILED, TaskState.KILLING), f"crash at {crash_at}"
        assert h.last("t1").latest.reason is Reason.MAX_COMPLETION_TIME


def test_m34_the_clock_of_another_boot_says_nothing() -> None:
    h = running(60).passes(50).crash(boot_id="boot-2").registered().passes(50)
    assert h.state("t1") is TaskState.RUNNING
    h.passes(11)
    assert h.state("t1") is TaskState.KILLING
