"""Groups of launches on one agent: all start or none, and none goes on when one is lost."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.agent_harness import F1, KILL, TERM, AgentHarness, launch

from fairlead.common.ids import LaunchUuid
from fairlead.common.messages import GangFormed
from fairlead.common.values import Gang, Launch, LaunchGroup, Reason, TaskState

NAMES = ("t1", "t2", "t3")


def member(name: str, *, cpus: float = 1, gang: str = "g") -> Launch:
    """As the master passes it on: it says to which gang it belongs."""
    order = launch(name, cpus=cpus)
    return replace(order, task=replace(order.task, gang=Gang(gang, len(NAMES))))


def group(*, cpus: float = 1) -> LaunchGroup:
    return LaunchGroup(tuple(member(name, cpus=cpus) for name in NAMES))


def cluster(cpus: float = 4) -> AgentHarness:
    h = AgentHarness(cpus=cpus)
    h.acknowledges = True
    return h.registered()


def states(h: AgentHarness) -> list[TaskState]:
    return [h.state(name) for name in NAMES]


def test_m8_a_group_starts_whole() -> None:
    h = cluster().run([group(), launch("t4")])
    assert h.updates() == ["t1 RUNNING", "t2 RUNNING", "t3 RUNNING", "t4 RUNNING"]
    assert h.ended_accepts()[-1].failed_operation == -1


def test_m8_of_a_group_that_does_not_fit_nothing_starts() -> None:
    """Whatever its master believes; what stands beside it runs."""
    h = cluster(cpus=3).run([launch("t4"), group()])
    assert h.starts == ["u-t4"]
    assert states(h) == [TaskState.DROPPED] * 3
    assert h.last("t3").status.reason is Reason.AGENT_REFUSED
    assert h.last("t1").status.reason is Reason.GANG_BROKEN
    assert h.last("t1").status.message == "gang g: t3 is DROPPED"


@pytest.mark.parametrize("end", ["fails", "is killed", "vanishes"])
def test_m8_one_is_lost_and_the_others_stop(end: str) -> None:
    h = cluster().run([group(), launch("t4")])
    if end == "fails":
        h.exits("t2", 7)
    elif end == "is killed":
        h.kill("t2").exits("t2", None, TERM)
    else:
        h.exits("t2", None, None)
    assert [h.signals(name) for name in ("t1", "t3")] == [[TERM], [TERM]]
    h.exits("t1", None, TERM).passes(6)
    assert states(h)[::2] == [TaskState.KILLED, TaskState.KILLED]
    for name in ("t1", "t3"):
        assert h.last(name).status.reason is Reason.GANG_BROKEN
        assert "gang g: t2 is" in h.last(name).status.message
    assert h.state("t4") is TaskState.RUNNING


def test_m8_who_has_finished_takes_nobody_along() -> None:
    h = cluster().run([group()]).exits("t1", 0)
    assert states(h) == [TaskState.FINISHED, TaskState.RUNNING, TaskState.RUNNING]
    h.exits("t2", 1).passes(6)
    assert states(h) == [TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED]


def test_m8_a_command_that_cannot_start_stops_the_others() -> None:
    h = cluster()
    h.starts_answer = False
    h.run([group()])
    h.starts_fail = "no such program"
    h.run([member("t9")])
    h.starts_answer = True
    h.answers().passes(6)
    assert states(h) == [TaskState.KILLED] * 3, "they were under way, and of the same gang"


def test_m8_a_member_killed_before_its_turn_leaves_nothing_to_start() -> None:
    h = cluster()
    h.confirms = False
    h.run([launch("t0"), group()]).kill("t2")
    h.confirms = True
    h.answers()
    assert h.starts == ["u-t0"]
    assert states(h) == [TaskState.DROPPED, TaskState.KILLED, TaskState.DROPPED]


def test_m8_a_gang_of_another_framework_is_another_gang() -> None:
    h = cluster().run([member("t1")]).run([member("t2")], framework="f2").exits("t1", 1)
    assert h.running() == ["u-t2"]


def test_m9_members_that_come_one_by_one_are_one_gang() -> None:
    h = cluster().run([member("t1")]).run([member("t2"), member("t8", gang="other")])
    h.exits("t1", 1)
    assert h.signals("t2") == [TERM]
    assert h.signals("t8") == []


def test_m9_that_a_gang_has_formed_is_remembered_and_told_to_each_master() -> None:
    h = cluster().run([group(), member("t8", gang="other")])
    h.says(GangFormed(F1, "g")).says(GangFormed(F1, "unknown"))
    h.exits("t1")
    h.crash().registered()
    call = h.registrations()[-1]
    told = {each.task.task_id: each.gang_formed for each in (*call.tasks, *call.ended)}
    assert told == {"t1": True, "t2": True, "t3": True, "t8": False}


# --- a crash at any point


def starts(h: AgentHarness) -> None:
    h.run([group()])


def too_large(h: AgentHarness) -> None:
    h.run([group(cpus=2)])


def loses_one(h: AgentHarness) -> None:
    h.run([group()])
    if LaunchUuid("u-t2") in h.processes:
        h.exits("t2", 3)
    h.registered().passes(6)


@pytest.mark.parametrize("story", [starts, too_large, loses_one])
def test_m8_a_crash_between_any_two_actions_leaves_all_or_none(
    story: Callable[[AgentHarness], None],
) -> None:
    for number in itertools.count():
        h = cluster()
        h.crash_at = h.performed + number
        story(h)
        is_over = h.crash_at != -1
        h.registered().passes(7)
        running = len(h.running())
        assert running in ((0, 3) if story is starts else (0,)), f"crash before action {number}"
        assert len(h.starts) == len(set(h.starts)), f"crash before action {number}"
        if story is too_large:
            assert h.starts == [], f"crash before action {number}"
        elif number > 1 and story is starts:  # before, the accept was not on disk
            assert running == 3, f"crash before action {number}"
        if is_over:
            assert number > 10
            return


def test_m8_killed_members_have_their_grace() -> None:
    h = cluster().run([group()]).exits("t1", 1)
    process = h.processes[LaunchUuid("u-t2")]
    h.passes(4)
    assert process.signals == [TERM]
    h.passes(2)
    assert process.signals == [TERM, KILL]
