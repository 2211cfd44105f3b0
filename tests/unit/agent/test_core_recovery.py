"""The agent dies, at whatever point, and comes back: the tasks do not notice."""

from collections.abc import Callable

import pytest
from tests.support.agent_harness import F1, HUP, INT, KILL, TERM, AgentHarness, final_states, launch

from fairlead.agent.events import ContainerExited
from fairlead.agent.settings import AgentSettings
from fairlead.common.ids import LaunchUuid, TaskId
from fairlead.common.messages import FrameworkAway
from fairlead.common.values import Reason, TaskState


def test_a_living_task_goes_on_and_nobody_is_told() -> None:
    h = AgentHarness().registered().launch("t1").acknowledge("t1", 1)
    h.heard.clear()
    h.crash().registered()
    assert h.updates() == []
    (task,) = h.registrations()[-1].tasks
    assert (task.latest.state, task.latest.pid) == (TaskState.RUNNING, h.pid("t1"))
    h.exits("t1", 7)
    assert h.updates() == ["t1 FAILED"]
    assert h.last("t1").status.exit_code == 7
    assert h.last("t1").status.sequence == 2


def test_what_ended_meanwhile_has_its_true_code() -> None:
    h = AgentHarness().registered().launch("t1", "t2")
    for name, code in (("t1", 3), ("t2", 0)):
        uuid = LaunchUuid(f"u-{name}")
        h.processes[uuid].exit = ContainerExited(uuid, code)
    h.acknowledges = True
    h.crash().registered()
    assert final_states(h) == {"t1": (TaskState.FAILED, 3), "t2": (TaskState.FINISHED, 0)}
    assert h.processes == {}, "forgotten once it was on disk"


def test_what_is_nowhere_to_be_found_is_gone() -> None:
    h = AgentHarness().registered().launch("t1")
    h.processes.clear()
    h.acknowledges = True
    h.crash().registered()
    assert h.updates() == ["t1 RUNNING", "t1 GONE"]
    assert h.last("t1").status.reason is Reason.EXIT_STATUS_UNKNOWN


def test_a_container_that_nobody_knows_is_destroyed() -> None:
    h = AgentHarness().registered().launch("t1")
    h.records.clear()
    h.crash().registered()
    assert h.running() == []
    assert h.updates() == ["t1 RUNNING"]


def test_updates_made_before_the_crash_arrive_after_it_in_order() -> None:
    h = AgentHarness().registered().launch("t1").exits("t1", 5)
    h.heard.clear()
    h.acknowledges = True
    h.crash().registered()
    assert h.updates() == ["t1 RUNNING", "t1 FAILED"]


def test_a_kill_goes_on() -> None:
    h = AgentHarness().registered().launch("t1").kill("t1", grace_s=4)
    h.acknowledges = True
    signals = h.signals("t1")
    h.crash().registered()
    assert signals == [TERM, TERM], "nobody knows whether the first was sent"
    h.passes(4.1)
    assert h.updates() == ["t1 RUNNING", "t1 KILLING", "t1 KILLED"]


def test_a_kill_goes_on_with_its_signal() -> None:
    h = AgentHarness().registered().launch("t1").kill("t1", grace_s=4, signal=INT)
    h.acknowledges = True
    signals = h.signals("t1")
    h.crash().registered()
    assert signals == [INT, INT]
    h.kill("t1", grace_s=9, signal=HUP).crash().registered()
    assert signals == [INT, INT, HUP, HUP]
    h.passes(4.1)
    assert signals[4:] == [KILL]
    assert h.updates() == ["t1 RUNNING", "t1 KILLING", "t1 KILLED"]


def test_a_smaller_agent_is_overcommitted_and_takes_nothing_new() -> None:
    h = AgentHarness(cpus=4).registered().launch("t1", cpus=3)
    h.acknowledges = True
    h.crash(cpus=2).registered().launch("t2", cpus=0.5)
    assert h.updates() == ["t1 RUNNING", "t2 DROPPED"]
    h.exits("t1").launch("t3", cpus=2)
    assert h.updates()[2:] == ["t1 FINISHED", "t3 RUNNING"]


def test_an_absence_is_counted_over_restarts() -> None:
    h = AgentHarness().registered().launch("t1").away(50, 100).passes(10).crash()
    h.now += 20
    h.crash().registered()
    (away,) = h.registrations()[-1].away
    assert away.away_s == pytest.approx(80, abs=0.5)
    signals = h.signals("t1")
    h.passes(21)
    assert signals == [TERM]
    assert len([key for key in h.records if key.startswith("away/")]) == 1


def test_a_limit_passed_while_the_agent_was_down_is_kept_at_once() -> None:
    h = AgentHarness().registered().launch("t1").away(50, 100)
    h.master_is_up = False
    h.crash()
    h.now += 60
    h.tick()
    assert h.signals("t1") == [TERM]


def test_after_a_reboot_an_absence_is_at_least_what_this_boot_lasts() -> None:
    h = AgentHarness().registered().launch("t1").away(50, 1000)
    h.now = 30.0
    h._beat_at = h.now
    h.crash(boot_id="boot-2").registered()
    assert h.registrations()[-1].away == (
        FrameworkAway(F1, pytest.approx(80, abs=1), 1000),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_what_was_booked_starts_unless_it_may_have_run_in_another_place(place: str) -> None:
    """Found by the simulator: a reboot between a start and its record made it start twice."""
    h = AgentHarness(settings=AgentSettings(place_id="here")).crash().registered()
    h.confirms = False
    h.run([launch("t1")])
    h.confirms = True
    h.settings = AgentSettings(place_id=place)
    h.crash().registered()
    if place == "here":
        assert h.updates() == ["t1 RUNNING"]
    else:
        assert h.updates() == ["t1 GONE"]
        assert h.running() == []
        assert [key for key in h.records if key.startswith("place/")] == ["place/elsewhere"]


def test_a_secret_survives_only_until_the_start() -> None:
    h = AgentHarness().registered()
    h.confirms = False
    h.run([launch("t1", files={"key": b"s3cret"})])
    h.confirms = True
    h.crash().registered()
    assert h.processes[LaunchUuid("u-t1")].start.task.files == {"key": b"s3cret"}
    assert b"s3cret" not in repr(h.records).encode()


# --- a crash between any two actions


def three_tasks(h: AgentHarness) -> None:
    """One that succeeds, one that fails, one that is killed; each order given once."""
    if h.agent.look_up(F1, TaskId("t1"), LaunchUuid("")) is None:
        h.registered().launch("t1", "t2", "t3")
    if h.agent.look_up(F1, TaskId("t1"), LaunchUuid("")) is None:
        h.registered().launch("t1", "t2", "t3")
    finish(h, "t1", 0)
    finish(h, "t2", 7)
    h.registered().kill("t3", grace_s=2).passes(8)


def finish(h: AgentHarness, name: str, code: int) -> None:
    if LaunchUuid(f"u-{name}") in h.processes:
        h.exits(name, code)


def absent_framework(h: AgentHarness) -> None:
    """Its tasks end by the agent's own count."""
    three = ("t1", "t2", "t3")
    for _ in range(2):
        if h.agent.look_up(F1, TaskId("t1"), LaunchUuid("")) is None:
            h.registered().launch(*three, grace_s=1)
    h.registered().away(5, 10)
    h.registered().away(5, 10).passes(20)


def sweep(story: Callable[[AgentHarness], None], crash_at: int) -> AgentHarness:
    h = AgentHarness()
    h.acknowledges = True
    h.crash_at = crash_at
    story(h)
    h.registered().passes(40)
    return h


def uncrashed(story: Callable[[AgentHarness], None]) -> AgentHarness:
    h = sweep(story, -1)
    assert h.performed > 40
    return h


@pytest.mark.parametrize("story", [three_tasks, absent_framework])
def test_a_crash_between_any_two_actions_changes_no_outcome(
    story: Callable[[AgentHarness], None],
) -> None:
    clean = uncrashed(story)
    expected = final_states(clean)
    assert len(expected) == 3
    for crash_at in range(clean.performed):
        h = sweep(story, crash_at)
        assert h.crash_at == -1, f"no crash at {crash_at}"
        assert final_states(h) == expected, f"crash at action {crash_at}"
        assert len(h.starts) == len(set(h.starts)), f"crash at {crash_at}: started twice"
        assert h.running() == [], f"crash at {crash_at}"
        terminal = [each for each in h.updates() if each.split()[1] in ("FINISHED", "KILLED")]
        assert len(terminal) == len(set(terminal)), f"crash at {crash_at}: {terminal}"
        left = {key.split("/")[0] for key in h.records}
        kept = {"identity", "epoch", "place", "framework", "ended", "away"}
        assert left <= kept, f"{crash_at}: {left}"
        sequences: dict[str, int] = {}
        for update in h.all_updates():
            before = sequences.get(update.status.task_id, 0)
            assert update.latest.sequence >= update.status.sequence
            assert update.status.sequence >= before
            sequences[update.status.task_id] = update.status.sequence


def test_a_refused_claim_to_a_uuid_does_not_win_by_a_restart() -> None:
    h = AgentHarness().registered().launch("t2")
    h.run([launch("t1", uuid="u-t2")])
    h.crash().registered().exits("t2", 3)
    h.acknowledges = True
    h.crash().registered()
    assert h.updates() == ["t2 RUNNING", "t1 DROPPED", "t2 FAILED"]


def test_two_torn_writes_in_a_row_do_not_make_two_ends() -> None:
    """The end is on disk, the task behind it not yet; and then its acknowledgement."""
    h = AgentHarness().registered().launch("t1").acknowledge("t1", 1)
    h.crash_at = h.performed + 1
    h.exits("t1", 0)
    assert h.updates() == ["t1 RUNNING", "t1 FINISHED"]
    h.crash_at = h.performed + 1
    h.acknowledge("t1", 2)
    h.acknowledges = True
    h.passes(5)
    assert h.updates() == ["t1 RUNNING", "t1 FINISHED"]
    assert final_states(h) == {"t1": (TaskState.FINISHED, 0)}
