"""What a simulated host does with containers that are suspended, resumed and held to less."""

from random import Random

import pytest

from fairlead.agent.events import (
    ContainerExited,
    ContainerNotResumed,
    ContainerNotSuspended,
    ContainerResumed,
    ContainerStarted,
    ContainerSuspended,
    ContainerUpdated,
    ResumeContainer,
    StartContainer,
    SuspendContainer,
    UpdateContainer,
)
from fairlead.agent.limits import Limits
from fairlead.common.ids import FrameworkId, GpuId, LaunchUuid, Role, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Command, Reason, TaskInfo
from fairlead.sim.auditor import Auditor
from fairlead.sim.clock import Clock
from fairlead.sim.container import Container
from fairlead.sim.journal import Journal
from fairlead.sim.launcher import KILL, TERM, Launcher

UUID, USR1 = LaunchUuid("u-1"), 10
GPUS = (GpuId("gpu-1"),)


class Unmoved(Auditor):
    """Judges nothing: no order came over a wire here."""

    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> object:
        return lambda *_args: None


class Host:
    """A launcher, one container that works for ten seconds, and what its agent is told."""

    def __init__(self, kind: str) -> None:
        self.clock = Clock()
        self.launcher = Launcher("host", self.clock, Random(1), Unmoved(), Journal())
        self.told: list[object] = []
        self.launcher.tell = self.told.append
        one = Resources.of(cpus=1, mem=100, gpus={"gpu-1": 1})
        info = TaskInfo(TaskId("t"), "t", Command((kind, "10", "0", "0.2")), one)
        self.launcher.start(StartContainer(UUID, FrameworkId("f"), info, one, Role("r"), "sandbox"))
        self.passes(1.0)

    def passes(self, seconds: float) -> list[object]:
        """What is told meanwhile."""
        before = len(self.told)
        self.clock.run_until(self.clock.now + seconds)
        return self.told[before:]

    def suspend(self, signum: int = USR1, wait_s: float = 1.0) -> list[object]:
        self.launcher.suspend(SuspendContainer(UUID, "sandbox", signum, wait_s, GPUS))
        return self.passes(5.0)

    def resume(self) -> list[object]:
        self.launcher.resume(ResumeContainer(UUID, "sandbox"))
        return self.passes(0.1)

    @property
    def container(self) -> Container:
        container = self.launcher.container(UUID)
        assert container is not None
        return container


def test_who_comes_to_rest_gives_up_its_device_and_its_time_stands_still() -> None:
    host = Host("train")
    assert host.told == [ContainerStarted(UUID, 101)]
    assert host.suspend() == [ContainerSuspended(UUID)]
    worked_s = host.container.worked_s
    assert 1.0 < worked_s < 1.3
    assert host.passes(100.0) == []
    assert host.container.worked_s == worked_s
    held = [host.container.holds_memory]
    assert host.resume() == [ContainerResumed(UUID)]
    assert [*held, host.container.holds_memory] == [False, True]
    assert host.passes(8.0) == []
    assert host.passes(1.0) == [ContainerExited(UUID, 0, None, 1 << 20)]


@pytest.mark.parametrize(("kind", "signum"), [("clinging", USR1), ("work", USR1), ("train", 0)])
def test_who_keeps_its_memory_goes_on(kind: str, signum: int) -> None:
    """It does not give it back, does not hear, or was not asked."""
    host = Host(kind)
    (answer,) = host.suspend(signum)
    assert isinstance(answer, ContainerNotSuspended)
    assert answer.reason is Reason.GPU_NOT_RELEASED
    assert answer.message == "gpu-1 still holds 4096 MiB of it"
    assert not host.container.is_frozen


def test_a_freeze_that_is_stuck_is_over_when_it_is_resumed() -> None:
    host = Host("train")
    host.launcher.fails["freeze"] = 1
    assert host.suspend() == []
    assert host.container.is_at_rest
    assert host.resume() == [ContainerResumed(UUID)]
    assert host.suspend() == [ContainerSuspended(UUID)]


def test_a_resume_that_is_said_to_have_failed_is_done_or_not() -> None:
    host = Host("train")
    outcomes = set()
    for _ in range(20):
        assert host.suspend() == [ContainerSuspended(UUID)]
        host.launcher.fails["resume"] = 1
        assert host.resume() == [ContainerNotResumed(UUID, "its freezer does not answer")]
        outcomes.add(host.container.is_frozen)
    assert outcomes == {True, False}


def test_a_suspension_stays_where_it_was_when_the_agent_died() -> None:
    host = Host("train")
    host.launcher.suspend(SuspendContainer(UUID, "sandbox", USR1, 1.0, GPUS))
    while not host.container.is_at_rest:
        host.passes(0.001)
    host.launcher.left_alone()
    assert host.passes(10.0) == []
    assert host.container.is_at_rest
    assert not host.container.is_frozen
    host.launcher.tell = host.told.append
    assert host.suspend() == [ContainerSuspended(UUID)]


def test_term_is_heard_after_the_thaw_and_kill_at_once() -> None:
    host = Host("train")
    host.suspend()
    host.launcher.signal(UUID, TERM)
    assert host.passes(5.0) == []
    host.resume()
    host.passes(1.0)
    assert host.told[-1] == ContainerExited(UUID, None, TERM, 1 << 20)
    host = Host("train")
    host.suspend()
    host.launcher.signal(UUID, KILL)
    assert host.passes(1.0) == [ContainerExited(UUID, None, KILL, 1 << 20)]


def test_other_limits_and_none() -> None:
    host = Host("work")
    host.launcher.update(UpdateContainer(UUID, Limits(500, 500, 50)))
    assert host.passes(0.1) == [ContainerUpdated(UUID)]
    host.launcher.fails["update"] = 1
    host.launcher.update(UpdateContainer(UUID, Limits(500, 500, 50)))
    assert host.passes(0.1) == [ContainerUpdated(UUID, "memory: more than that is in use")]
