"""Tasks that are suspended and resumed by a real agent, on fake devices that model memory."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.agent_process import (
    F1,
    AgentProcess,
    FakeMaster,
    agent_and_master,
    launch,
    until,
)
from tests.support.kernel_limits import need_groups, number

from fairlead.common.ids import GpuId, Role, TaskId
from fairlead.common.messages import RunAccept
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    FrameworkInfo,
    Operation,
    Reason,
    Resize,
    Resume,
    Suspend,
    TaskState,
)

MIB = 2**20
GPU = Resources(gpus=((GpuId("fake-0"), 1000),))
EACH = Resources.of(cpus=0.5, mem=64 * MIB) + GPU
PROGRAM = """
import os, pathlib, signal, time

asked = []

def ask(*_):
    asked.append(1)
    pathlib.Path("asked").touch()

signal.signal(signal.SIGUSR1, ask)
fakes = pathlib.Path(os.environ["FAIRLEAD_FAKE_GPUS"])
fakes.mkdir()

def hold(size):
    (fakes / f"fake-0.{os.getpid()}").write_text(str(size))

hold(4 << 30)
with open("steps", "w", 1) as steps:
    while True:
        time.sleep(0.005)
        print("step", file=steps)
        if asked and not os.path.exists("busy"):
            asked.clear()
            hold(0 if not os.path.exists("keep") else 2 << 30)
            pathlib.Path("at-rest").touch()
            while os.path.exists("at-rest"):
                time.sleep(0.002)
            hold(4 << 30)
"""
Story = Callable[[AgentProcess, FakeMaster], Awaitable[None]]


def play(path: Path, story: Story) -> None:
    async def run() -> None:
        async with agent_and_master(path) as (agent, master):
            await story(agent, master)

    asyncio.run(run())


def order(master: FakeMaster, *operations: Operation, resources: Resources = EMPTY) -> None:
    master.accepts += 1
    accept_id, framework = f"accept-{master.epoch}-{master.accepts}", FrameworkInfo(F1, "framework")
    master.say(RunAccept(accept_id, framework, Role("default"), operations, resources))


def suspend(name: str) -> Suspend:
    return Suspend(TaskId(name), signal=signal.SIGUSR1, wait_s=20.0)


def steps(agent: AgentProcess, name: str) -> int:
    path = agent.sandbox(name) / "steps"
    return path.stat().st_size if path.exists() else 0


async def goes_on(agent: AgentProcess, name: str) -> None:
    before = steps(agent, name)
    await until(lambda: steps(agent, name) > before, f"the next step of {name}")


async def stands_still(agent: AgentProcess, name: str) -> None:
    before = steps(agent, name)
    await asyncio.sleep(0.2)
    assert steps(agent, name) == before


async def is_now(master: FakeMaster, name: str, state: TaskState, count: int = 1) -> None:
    def times() -> int:
        return master.states(name).count(state.name)

    await until(lambda: times() >= count, f"{name} {state.name} for the {count}. time")


async def start(agent: AgentProcess, master: FakeMaster, name: str) -> None:
    master.run(launch(name, sys.executable, "-I", "-S", "-c", PROGRAM, resources=EACH))
    await master.running(name)
    await goes_on(agent, name)


def held(agent: AgentProcess, name: str) -> int:
    (file,) = (agent.sandbox(name) / "fake-gpus").iterdir()
    return int(file.read_text())


def test_a9_two_tasks_take_turns_on_one_device_whatever_happens(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        await start(agent, master, "one")
        other = launch("two", sys.executable, "-I", "-S", "-c", PROGRAM, resources=EACH)
        more = Resources.of(cpus=0.5, mem=64 * MIB)
        order(master, suspend("one"), other, resources=more)
        await master.running("two")
        await goes_on(agent, "two")
        await stands_still(agent, "one")
        assert (held(agent, "one"), (agent.sandbox("one") / "at-rest").exists()) == (0, True)
        assert master.states("one")[-2:] == ["SUSPENDING", "SUSPENDED"]

        await agent.crash()
        await stands_still(agent, "one")
        await agent.start()
        await master.registered(2)
        known = {task.task.task_id: task for task in master.registrations()[1].tasks}
        assert {name: task.latest.state.name for name, task in known.items()} == {
            "one": "SUSPENDED",
            "two": "RUNNING",
        }
        assert (known[TaskId("one")].resources.gpus, known[TaskId("two")].resources.gpus) == (
            (),
            GPU.gpus,
        )

        busy = agent.sandbox("two") / "busy"
        busy.touch()
        order(master, suspend("two"), Resume(TaskId("one")))
        await until((agent.sandbox("two") / "asked").exists, "it to be asked to rest")
        await agent.crash()  # before it could
        busy.unlink()
        await until((agent.sandbox("two") / "at-rest").exists, "its rest")
        await agent.start()
        await is_now(master, "one", TaskState.RUNNING, 2)
        await goes_on(agent, "one")
        await stands_still(agent, "two")
        assert held(agent, "two") == 0
        master.kill("two", grace_s=60.0)
        assert (await master.ended("two")).state is TaskState.KILLED
        assert master.states("one").count("SUSPENDED") == 1

    play(fairlead_home, story)


def test_a9_who_keeps_its_device_goes_on_and_nobody_else_gets_it(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        await start(agent, master, "keeps")
        keep = agent.sandbox("keeps") / "keep"
        keep.touch()
        other = launch("other", "sleep", "60", resources=GPU)
        order(master, suspend("keeps"), other)
        await is_now(master, "keeps", TaskState.RUNNING, 2)
        status = master.statuses("keeps")[-1]
        assert status.reason is Reason.GPU_NOT_RELEASED
        assert "still holds 2 GiB of fake-0" in status.message
        assert (await master.ended("other")).state is TaskState.DROPPED
        await goes_on(agent, "keeps")
        keep.unlink()
        order(master, suspend("keeps"))
        await is_now(master, "keeps", TaskState.SUSPENDED)
        await stands_still(agent, "keeps")
        master.kill("keeps", grace_s=60.0)
        await master.ended("keeps")

    play(fairlead_home, story)


def test_a9_less_memory_than_it_uses_is_refused_and_it_goes_on(fairlead_home: Path) -> None:
    need_groups()

    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        program = f"x = bytearray({48 * MIB})\n{PROGRAM}"
        argv = (sys.executable, "-I", "-S", "-c", program)
        master.run(launch("t", *argv, resources=EACH))
        pid = (await master.running("t")).pid
        await goes_on(agent, "t")
        order(master, Resize(TaskId("t"), Resources.of(cpus=0.5, mem=16 * MIB) + GPU))
        await is_now(master, "t", TaskState.RUNNING, 2)
        status = master.statuses("t")[-1]
        assert status.reason is Reason.OPERATION_FAILED
        assert "cannot hold it to 16 MiB of memory: it uses" in status.message

        def limit() -> int:
            return number(pid, ("memory", "memory.limit_in_bytes"), "memory.max")

        assert limit() == 64 * MIB
        smaller = Resources.of(cpus=0.25, mem=60 * MIB) + GPU
        order(master, Resize(TaskId("t"), smaller))
        await is_now(master, "t", TaskState.RUNNING, 3)
        assert limit() == 60 * MIB
        assert number(pid, ("cpu", "cpu.cfs_quota_us"), "cpu.max") == 25_000
        assert number(pid, ("pids", "pids.max"), "pids.max") == 200
        await goes_on(agent, "t")
        master.kill("t", grace_s=0.0)
        await master.ended("t")

    play(fairlead_home, story)
