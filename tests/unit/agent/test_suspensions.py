"""Orders to suspend, resume and resize, over a fake machine; the test plays the program."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fairlead.agent import at_rest, gpu_release, suspensions
from fairlead.agent.at_rest import AT_REST
from fairlead.agent.containers import PROCESSES, Containers
from fairlead.agent.events import (
    ContainerExited,
    ContainerNotSuspended,
    ContainerResumed,
    ContainerStarted,
    ContainerSuspended,
    ContainerUpdated,
    DestroyContainer,
    Event,
    ResumeContainer,
    StartContainer,
    SuspendContainer,
    UpdateContainer,
)
from fairlead.agent.fake_containerizer import FakeContainerizer, FakeMachine, FakeProgram
from fairlead.agent.gpus import FAKE_DIRECTORY, GIB, FakeGpus, FakeLoad
from fairlead.agent.limits import Limits
from fairlead.common.errors import ContainerError
from fairlead.common.ids import AgentId, FrameworkId, GpuId, LaunchUuid, Role, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import AgentTask, Command, Reason, TaskInfo, TaskState, TaskStatus

DEADLINE_S = 20.0
ASK = signal.SIGUSR1
F1 = FrameworkId("f1")
A, B = LaunchUuid("a"), LaunchUuid("b")
FAKE = GpuId("fake-0")
ONE_GPU = Resources.of(cpus=1, gpus={"fake-0": 1})


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_release, "PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(suspensions, "AGAIN_S", 0.001)
    monkeypatch.setattr(at_rest, "LATE_S", 0.001)


class Agent:
    """The shell of one, without a core: what it tells is kept."""

    def __init__(self, sandboxes: Path) -> None:
        self.sandboxes = sandboxes
        self.machine = FakeMachine({"job": FakeProgram(ignores=(ASK,))})
        self.gpus = FakeGpus(1)
        self.begin()

    def begin(self) -> None:
        self.told: list[Event] = []
        self.failures: list[BaseException] = []
        self.containers = Containers(
            self.sandboxes, self.gpus, self.told.append, self.failures.append
        )
        self.containerizer = FakeContainerizer(self.machine, self.containers.exited)

    async def recover(self, *known: AgentTask) -> None:
        await self.containers.recover(self.containerizer, known)

    async def restart(self, *known: AgentTask) -> None:
        await self.containers.close()
        self.gpus = FakeGpus(1)
        self.begin()
        await self.recover(*known)

    def sandbox(self, uuid: LaunchUuid) -> Path:
        return self.sandboxes / "f1" / "t" / uuid

    def is_at_rest(self, uuid: LaunchUuid) -> bool:
        return (self.sandbox(uuid) / AT_REST).exists()

    def is_suspended(self, uuid: LaunchUuid) -> bool:
        return self.machine.tasks[uuid].is_suspended

    def comes_to_rest(self, uuid: LaunchUuid) -> None:
        (self.sandbox(uuid) / AT_REST).touch()

    def holds(self, uuid: LaunchUuid, memory_bytes: int) -> None:
        directory = self.sandbox(uuid) / FAKE_DIRECTORY
        directory.mkdir(exist_ok=True)
        (directory / "fake-0.4711").write_text(f"{memory_bytes}\n")

    async def start(self, uuid: LaunchUuid, resources: Resources = ONE_GPU) -> None:
        task = TaskInfo(TaskId("t"), "t", Command(("job",)), resources)
        sandbox = str(self.sandbox(uuid))
        self.sandbox(uuid).mkdir(parents=True)
        self.containers.perform(StartContainer(uuid, F1, task, resources, Role("r"), sandbox))
        assert isinstance(await self.hears(), ContainerStarted)

    def suspend(self, uuid: LaunchUuid, *, wait_s: float = DEADLINE_S, signum: int = ASK) -> None:
        sandbox = str(self.sandbox(uuid))
        self.containers.perform(SuspendContainer(uuid, sandbox, signum, wait_s, (FAKE,)))

    def resume(self, uuid: LaunchUuid) -> None:
        self.containers.perform(ResumeContainer(uuid, str(self.sandbox(uuid))))

    async def asked(self, uuid: LaunchUuid, times: int = 1) -> None:
        signals = self.machine.tasks[uuid].signals
        await eventually("it to be asked to rest", lambda: signals.count(ASK) >= times)

    async def rests(self, uuid: LaunchUuid) -> None:
        """The whole of a suspend."""
        self.suspend(uuid)
        await self.asked(uuid, self.machine.tasks[uuid].signals.count(ASK) + 1)
        assert not self.is_suspended(uuid)
        self.holds(uuid, 0)
        self.comes_to_rest(uuid)
        assert await self.hears() == ContainerSuspended(uuid)

    async def hears(self) -> Event:
        await eventually("an event", lambda: self.told or self.failures)
        assert not self.failures
        return self.told.pop(0)


async def eventually(what: str, holds: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - conditions of every kind, polled
            await asyncio.sleep(0.001)
    assert holds(), what


def play(path: Path, story: Callable[[Agent], Awaitable[None]]) -> None:
    async def run() -> None:
        agent = Agent(path)
        await agent.recover()
        try:
            await story(agent)
            await asyncio.sleep(0)
            assert agent.told == []
            assert agent.failures == []
        finally:
            await agent.containers.close()

    asyncio.run(run())


def known(agent: Agent, state: TaskState, reason: Reason) -> AgentTask:
    """As the core had it on disk; what it does not hold just now is among those of its info."""
    info = TaskInfo(TaskId("t"), "t", Command(("job",)), ONE_GPU)
    latest = TaskStatus(F1, TaskId("t"), A, AgentId("agent"), state, reason=reason)
    return AgentTask(F1, info, A, latest, sandbox=str(agent.sandbox(A)))


def test_it_comes_to_rest_is_frozen_and_goes_on(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        for _ in range(2):
            await agent.rests(A)
            assert agent.is_suspended(A)
            assert agent.is_at_rest(A)
            agent.resume(A)
            assert await agent.hears() == ContainerResumed(A)
            assert not agent.is_suspended(A)
            assert not agent.is_at_rest(A)
        agent.resume(A)
        assert await agent.hears() == ContainerResumed(A)

    play(tmp_path, story)


def test_without_a_signal_it_is_frozen_at_once(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        agent.suspend(A, signum=0)
        assert await agent.hears() == ContainerSuspended(A)  # a fake gives up what it is not told
        assert agent.machine.tasks[A].signals == []

    play(tmp_path, story)


@pytest.mark.parametrize("is_told", [True, False], ids=["told by the program", "scripted"])
def test_who_keeps_a_device_goes_on(tmp_path: Path, is_told: bool) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        if is_told:
            agent.holds(A, 2 * GIB)
        else:
            pid = agent.machine.tasks[A].started.pid
            agent.gpus.script(pid, FakeLoad(kept_bytes=2 * GIB))
        agent.comes_to_rest(A)
        agent.suspend(A)
        told = await agent.hears()
        assert isinstance(told, ContainerNotSuspended)
        assert told.reason is Reason.GPU_NOT_RELEASED
        assert told.message.startswith("it still holds 2 GiB of fake-0, more than a context")
        assert not agent.is_suspended(A)
        assert not agent.is_at_rest(A)

    play(tmp_path, story)


def test_who_comes_to_rest_too_late_is_sent_on(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        agent.holds(A, 0)
        agent.suspend(A, wait_s=0.0)
        assert await agent.hears() == ContainerSuspended(A)
        agent.resume(A)
        assert await agent.hears() == ContainerResumed(A)
        for _ in range(2):
            agent.comes_to_rest(A)
            await eventually("it to be sent on", lambda: not agent.is_at_rest(A))
        for state in (TaskState.RUNNING, TaskState.RESUMING):  # it was not said that it runs
            await agent.restart(known(agent, state, Reason.TASK_RESUMED))
            agent.comes_to_rest(A)
            await eventually("it to be sent on by the next agent", lambda: not agent.is_at_rest(A))

    play(tmp_path, story)


def test_an_order_that_an_agent_before_began_is_finished(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        agent.suspend(A)
        await agent.asked(A)
        await agent.restart(known(agent, TaskState.SUSPENDING, Reason.UNSPECIFIED))
        agent.holds(A, 0)
        agent.comes_to_rest(A)
        for _ in range(2):
            agent.suspend(A)
            assert await agent.hears() == ContainerSuspended(A)
            assert agent.is_at_rest(A)
        assert agent.machine.tasks[A].signals == [ASK], "who is at rest is not asked again"
        agent.sandbox(A).joinpath(FAKE_DIRECTORY, "fake-0.4711").unlink()
        await agent.restart(known(agent, TaskState.SUSPENDED, Reason.TASK_SUSPENDED))
        assert agent.gpus.usage().devices[0].memory_bytes == 0
        assert agent.is_at_rest(A)
        agent.resume(A)
        assert await agent.hears() == ContainerResumed(A)
        assert agent.gpus.usage().devices[0].memory_bytes == GIB

    play(tmp_path, story)


def test_the_same_order_twice_is_one(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        for _ in range(3):
            agent.suspend(A)
        await agent.asked(A)
        agent.holds(A, 0)
        agent.comes_to_rest(A)
        assert await agent.hears() == ContainerSuspended(A)
        assert agent.machine.tasks[A].signals == [ASK]

    play(tmp_path, story)


def test_a_resume_calls_off_what_is_under_way(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        agent.suspend(A)
        await agent.asked(A)
        agent.resume(A)
        agent.suspend(A)  # and again, behind it
        assert await agent.hears() == ContainerResumed(A)
        await agent.asked(A, 2)
        agent.holds(A, 0)
        agent.comes_to_rest(A)
        assert await agent.hears() == ContainerSuspended(A)

    play(tmp_path, story)


@pytest.mark.parametrize("is_destroyed", [True, False])
def test_its_end_calls_off_everything(tmp_path: Path, is_destroyed: bool) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        agent.suspend(A)
        await agent.asked(A)
        agent.resume(A)
        agent.suspend(A)
        if is_destroyed:
            agent.containers.perform(DestroyContainer(A))
        else:
            agent.machine.finish(A, 3)
        told = await agent.hears()
        if isinstance(told, ContainerResumed):
            told = await agent.hears()
        assert isinstance(told, ContainerExited)
        for perform in (agent.suspend, agent.resume):  # it may have crossed the news
            perform(A)
        await agent.start(B)

    play(tmp_path, story)


def test_nobody_waits_for_another(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A, Resources.of(cpus=1))
        await agent.start(B, Resources.of(cpus=1))
        agent.suspend(A)
        await agent.asked(A)
        agent.suspend(B, signum=0)
        assert await agent.hears() == ContainerSuspended(B)
        agent.resume(A)
        assert await agent.hears() == ContainerResumed(A)

    play(tmp_path, story)


def test_who_cannot_be_frozen_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resumed = FakeContainerizer.resume
    failures = iter(range(2))

    async def resume(containerizer: FakeContainerizer, uuid: LaunchUuid) -> None:
        if next(failures, None) is not None:
            raise ContainerError("nobody answers", temporary=True)
        await resumed(containerizer, uuid)

    async def story(agent: Agent) -> None:
        agent.machine.programs["job"] = FakeProgram(ignores=(ASK,), cannot_rest="it hangs")
        await agent.start(A)
        agent.comes_to_rest(A)
        agent.suspend(A)
        told = ContainerNotSuspended(A, Reason.OPERATION_FAILED, "it hangs")
        assert await agent.hears() == told
        assert not agent.is_at_rest(A)

    monkeypatch.setattr(FakeContainerizer, "resume", resume)
    play(tmp_path, story)


def test_a_device_is_given_up_only_by_who_holds_nothing_of_it(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent.start(A)
        agent.holds(A, 2 * GIB)
        order = UpdateContainer(A, Limits(500, 500), "x1/0", (FAKE,))
        agent.containers.perform(order)
        told = await agent.hears()
        assert isinstance(told, ContainerUpdated)
        assert told.message.startswith("it still holds 2 GiB of fake-0, more than a context")
        assert agent.machine.tasks[A].spec.limits.cpus == 1000, "nothing has changed"
        agent.holds(A, 0)
        agent.containers.perform(order)
        assert await agent.hears() == ContainerUpdated(A, token="x1/0")
        assert agent.machine.tasks[A].spec.limits.cpus == 500

    play(tmp_path, story)


def test_other_limits_are_told_of(tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        agent.machine.programs["job"] = FakeProgram(memory_bytes=2 * GIB)
        await agent.start(A)
        for memory_bytes, message in (
            (3 * GIB, ""),
            (GIB, "cannot hold it to 1 GiB of memory: it uses 2 GiB"),
        ):
            limits = Limits(1000, 1000, memory_bytes)
            agent.containers.perform(UpdateContainer(A, limits))
            assert await agent.hears() == ContainerUpdated(A, message)
        assert agent.machine.tasks[A].spec.limits == Limits(1000, 1000, 3 * GIB, PROCESSES)

    play(tmp_path, story)
