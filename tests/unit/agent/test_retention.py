"""Which sandboxes of ended tasks go, in which order, and that it is recorded first."""

from tests.support.agent_harness import F1, AgentHarness

from fairlead.agent.events import DiskMeasured, RemoveSandbox, SandboxRemoved
from fairlead.agent.settings import AgentSettings
from fairlead.common.ids import LaunchUuid, TaskId

AGE_S = 7200.0
ROOMY = DiskMeasured(90, 100)
FULL = DiskMeasured(5, 100)


def ended(*names: str, acknowledges: bool = True, keep_least_s: float = 0.0) -> AgentHarness:
    """Tasks that ended in this order, a minute after one another."""
    settings = AgentSettings(boot_id="boot-1", keep_ended_s=AGE_S, keep_least_s=keep_least_s)
    h = AgentHarness(settings=settings)
    h.acknowledges = acknowledges
    h.registered().launch(*names, cpus=0.1)
    for name in names:
        h.passes(60).exits(name)
    return h


def why(h: AgentHarness, name: str) -> str:
    found = h.agent.look_up(F1, TaskId(name), LaunchUuid(""))
    assert found is not None, f"{name} is listed"
    return found.sandbox_removed


def removed(h: AgentHarness, event: DiskMeasured, freed: int = 0) -> list[str]:
    """What goes when this is told, each giving back so much."""
    h.tell(event)
    names = []
    while h.removals:
        key = h.removals.pop(0)
        names.append(key.split("/")[1])
        assert key not in h.agent.sandboxes(), "a sweep would find it as well"
        h.tell(SandboxRemoved(key, freed))
    return names


def test_nothing_goes_while_there_is_room_and_time() -> None:
    h = ended("t1", "t2")
    assert removed(h, ROOMY) == []
    h.passes(0.9 * AGE_S)
    assert removed(h, ROOMY) == []


def test_what_ended_too_long_ago_goes() -> None:
    h = ended("t1", "t2")
    h.passes(AGE_S - 30)
    assert removed(h, ROOMY) == ["t1"]
    assert why(h, "t1") == "the task ended more than 2 hours ago"
    assert not why(h, "t2")
    h.passes(60)
    assert removed(h, ROOMY) == ["t2"]
    assert removed(h, ROOMY) == []


def test_on_a_full_disk_the_oldest_go_until_there_is_room() -> None:
    h = ended("t1", "t2", "t3", "t4")
    assert removed(h, FULL, freed=3) == ["t1", "t2"]
    assert why(h, "t1") == "only 5.0 % of the disk was free"
    assert removed(h, ROOMY) == []
    assert removed(h, FULL) == ["t3", "t4"], "what gives nothing back does not stop it"
    assert removed(h, FULL) == [], "nothing ended is left"


def test_what_ended_just_now_stays_for_whoever_waited_for_the_end() -> None:
    h = ended("t1", "t2", keep_least_s=60.0)
    assert removed(h, FULL) == ["t1"], "a minute ago"
    h.passes(59)
    assert removed(h, FULL) == []
    h.passes(2)
    assert removed(h, FULL) == ["t2"]


def test_one_at_a_time() -> None:
    h = ended("t1", "t2")
    h.tell(FULL).tell(FULL)
    assert len(h.removals) == 1
    h.tell(SandboxRemoved("of nobody"))
    assert len(h.removals) == 1
    h.tell(SandboxRemoved(h.removals[0]))
    assert len(h.removals) == 2


def test_never_of_a_task_that_lives() -> None:
    h = AgentHarness().registered().launch("t1", "t2")
    h.exits("t1").passes(60)
    h.acknowledges = True
    assert removed(h, FULL) == ["t1"], "although nobody has acknowledged its end"
    assert removed(h, FULL) == []
    assert "f1/t2/u-t2" in h.agent.sandboxes()


def test_it_is_recorded_before_it_is_done_and_known_after_a_crash() -> None:
    for acknowledges in (True, False):
        h = ended("t1", acknowledges=acknowledges)
        actions = h.agent.step(FULL, h.now)
        assert [type(action).__name__ for action in actions] == ["Record", "RemoveSandbox"]
        assert isinstance(actions[-1], RemoveSandbox)
        for action in actions:
            h._perform(action)
        h.crash().registered()
        assert why(h, "t1"), "the sweep removes what the crash has left"
        assert not h.agent.sandboxes()
        assert removed(h, FULL) == []


def test_a_removal_outlives_the_acknowledgement() -> None:
    h = ended("t1", acknowledges=False)
    assert removed(h, FULL) == ["t1"]
    h.acknowledge("t1", 1).acknowledge("t1", 2)
    assert why(h, "t1")
    h.crash().registered()
    assert why(h, "t1")


def test_a_clock_that_was_set_back_removes_nothing() -> None:
    h = ended("t1")
    h.settings = AgentSettings(boot_id="boot-1", keep_ended_s=AGE_S, wall_offset_s=-1e6)
    h.crash().registered()
    assert removed(h, ROOMY) == []
