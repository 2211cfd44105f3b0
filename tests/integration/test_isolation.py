"""Tasks kept to their limits by a real kernel, and no process that outlives its task."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.agent_process import AgentProcess, FakeMaster, agent_and_master, launch, until
from tests.support.batch import wait_until
from tests.support.kernel_limits import cpu_seconds, group_of, need_groups, number

from fairlead.agent.cgroup_layout import find_layout
from fairlead.agent.containerizer import LaunchSpec
from fairlead.agent.launcher import cgroup
from fairlead.agent.launcher_client import find_launcher, shutdown_launcher
from fairlead.agent.limits import Limits
from fairlead.agent.process_containerizer import ProcessContainerizer
from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.processes import send_signal
from fairlead.common.resources import Resources
from fairlead.common.values import Reason, TaskState, TaskStatus

MIB = 2**20
SMALL = Resources.of(cpus=0.5, mem=64 * MIB)
ALLOCATE = (sys.executable, "-I", "-c", f"x = bytearray({128 * MIB})")
BURN = (sys.executable, "-I", "-c", "import os; os.fork()\nwhile True: pass")
BOMB = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
STEPS = "while :; do echo step; sleep 0.05; done"
ESCAPE = """
(env -i setsid sh -c 'trap "touch termed" TERM; echo $$ >pid; while :; do sleep 0.05; done' &)
while [ ! -s pid ]; do sleep 0.01; done
trap "" TERM
touch ready
while :; do sleep 0.05; done
"""
Story = Callable[[AgentProcess, FakeMaster], Awaitable[None]]


@pytest.fixture(autouse=True)
def _needs_groups() -> None:
    need_groups()


def play(path: Path, story: Story) -> None:
    async def run() -> None:
        async with agent_and_master(path) as (agent, master):
            await story(agent, master)

    asyncio.run(run())


def is_gone(pid: int) -> bool:
    """A zombie holds nothing, and waits only for its parent to look."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(") ")[2][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def groups_of(pid: int) -> list[Path]:
    found = [group_of(pid, name) for name in ("cpu", "cpuacct", "memory", "pids", "freezer", "")]
    return [path for path in found if path is not None and path.name.startswith("task-")]


async def neighbour_goes_on(agent: AgentProcess) -> None:
    """It wrote at least three more lines."""
    output = agent.sandbox("neighbour") / "stdout"
    before = output.stat().st_size
    await until(
        lambda: output.stat().st_size >= before + 3 * len("step\n"), "the neighbour's steps"
    )


def is_out_of_memory(status: TaskStatus) -> bool:
    assert (status.state, status.reason) == (TaskState.FAILED, Reason.MEMORY_LIMIT)
    assert status.message.startswith("out of memory: the limit is 64 MiB, the peak 6")
    return 62 * MIB <= status.max_rss_bytes <= 64 * MIB


def test_a2_limits_are_what_the_kernel_says(fairlead_home: Path) -> None:
    async def story(_agent: AgentProcess, master: FakeMaster) -> None:
        assert master.registrations()[0].agent.isolation in {"cgroup v1", "cgroup v2"}
        limits = Resources.of(cpus=1.5)
        master.run(launch("t", "sleep", "60", resources=SMALL, limits=limits))
        pid = (await master.running("t")).pid
        assert number(pid, ("memory", "memory.limit_in_bytes"), "memory.max") == 64 * MIB
        assert number(pid, ("pids", "pids.max"), "pids.max") == 200
        assert number(pid, ("cpu", "cpu.cfs_quota_us"), "cpu.max") == 150_000
        weight = number(pid, ("cpu", "cpu.shares"), "cpu.weight")
        assert weight == (512 if group_of(pid, "cpu") else 50)
        groups = groups_of(pid)
        master.kill("t", grace_s=0)
        await master.ended("t")
        await until(lambda: not any(path.exists() for path in groups), "the end of its groups")

    play(fairlead_home, story)


def limits_in_force(pid: int) -> Limits:
    shares = number(pid, ("cpu", "cpu.shares"), "cpu.weight")
    return Limits(
        cpus_request=shares * 1000 // (1024 if group_of(pid, "cpu") else 100),
        cpus=number(pid, ("cpu", "cpu.cfs_quota_us"), "cpu.max") // 100,
        memory_bytes=number(pid, ("memory", "memory.limit_in_bytes"), "memory.max"),
        processes=number(pid, ("pids", "pids.max"), "pids.max"),
    )


def test_a2_other_limits_hold_a_task_that_runs(tmp_path: Path) -> None:
    work_dir, uuid = tmp_path / "work", LaunchUuid("u")
    work_dir.mkdir()
    small, large = Limits(500, 500, 64 * MIB, 100), Limits(1000, 2000, 256 * MIB, 300)

    async def story() -> None:
        containerizer = ProcessContainerizer(work_dir, lambda _ended: None)
        await containerizer.recover()
        spec = LaunchSpec(uuid, ("sleep", "60"), {"PATH": os.defpath}, tmp_path / "sandbox")
        try:
            pid = (await containerizer.launch(spec)).pid
            for limits in (small, large, large, small):
                await containerizer.update(uuid, limits)
                assert limits_in_force(pid) == limits
            await containerizer.suspend(uuid)
            await containerizer.update(uuid, large)
            assert limits_in_force(pid) == large
            with pytest.raises(ContainerError, match=r"pids\.max.*Invalid argument"):
                await containerizer.update(uuid, Limits(100, 100, 32 * MIB, -1))
            assert limits_in_force(pid) == large, "one failed, so none is in force"
        finally:
            await containerizer.close()

    try:
        asyncio.run(story())
    finally:
        shutdown_launcher(work_dir, grace_s=0)


def test_a3_one_cpu_is_one_cpu(fairlead_home: Path) -> None:
    async def story(_agent: AgentProcess, master: FakeMaster) -> None:
        master.run(launch("t", *BURN, resources=Resources.of(cpus=1)))
        pid = (await master.running("t")).pid
        await until(lambda: cpu_seconds(pid) > 0.1, "the burning")
        began, before = time.monotonic(), cpu_seconds(pid)
        await asyncio.sleep(5)
        used = cpu_seconds(pid) - before
        assert used / (time.monotonic() - began) <= 1.05
        master.kill("t", grace_s=0)
        status = await master.ended("t")
        assert status.state is TaskState.KILLED

    play(fairlead_home, story)


def test_a3_out_of_memory_ends_the_task_and_nobody_else(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("neighbour", STEPS)
        await master.running("neighbour")
        master.run(launch("main", *ALLOCATE, resources=SMALL))
        assert is_out_of_memory(await master.ended("main"))
        # of the rest nobody knows what it is worth when a part of it was killed
        script = f"{sys.executable} -I -c '{ALLOCATE[-1]}'; sleep 60"
        master.run(launch("child", "sh", "-c", script, resources=SMALL))
        assert is_out_of_memory(await master.ended("child"))
        await neighbour_goes_on(agent)
        assert master.states("neighbour")[-1] == "RUNNING"

    play(fairlead_home, story)


def test_a3_out_of_memory_while_the_agent_is_away(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        script = (
            f"while [ ! -e go ]; do sleep 0.05; done; exec {sys.executable} -I -c '{ALLOCATE[-1]}'"
        )
        master.run(launch("t", "sh", "-c", script, resources=SMALL))
        pid = (await master.running("t")).pid
        await agent.crash()
        (agent.sandbox("t") / "go").touch()
        await until(lambda: is_gone(pid), "its end")
        await agent.start()
        assert is_out_of_memory(await master.ended("t"))

    play(fairlead_home, story)


def test_a3_a_fork_bomb_is_contained(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        master.shell("neighbour", STEPS)
        await master.running("neighbour")
        master.run(launch("bomb", sys.executable, "-I", "-c", BOMB, resources=SMALL))
        pid = (await master.running("bomb")).pid
        groups = groups_of(pid)
        await until(
            lambda: number(pid, ("pids", "pids.current"), "pids.current") >= 200, "200 processes"
        )
        await neighbour_goes_on(agent)
        master.shell("other", "exit 3")
        assert (await master.ended("other")).exit_code == 3
        master.kill("bomb", grace_s=0.5)
        assert (await master.ended("bomb")).state is TaskState.KILLED
        await until(lambda: not any(path.exists() for path in groups), "the end of all of them")

    play(fairlead_home, story)


async def escaped(agent: AgentProcess, master: FakeMaster, name: str) -> tuple[int, list[Path]]:
    """A task with a process that forked twice, left the session and wiped its environment."""
    master.shell(name, ESCAPE)
    status = await master.running(name)
    await until((agent.sandbox(name) / "ready").exists, "its escape")
    pid = int((agent.sandbox(name) / "pid").read_text())
    assert os.getsid(pid) != status.pid
    return pid, groups_of(status.pid)


def test_a2_nobody_leaves_a_task(fairlead_home: Path) -> None:
    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        pid, groups = await escaped(agent, master, "kill")
        master.kill("kill", grace_s=1.0)
        await until((agent.sandbox("kill") / "termed").exists, "TERM to reach it as well")
        assert (await master.ended("kill")).state is TaskState.KILLED
        assert is_gone(pid), "the end was told before all of it was gone"

        pid, groups = await escaped(agent, master, "end")
        os.kill((await master.running("end")).pid, signal.SIGKILL)
        assert (await master.ended("end")).signal == signal.SIGKILL
        assert is_gone(pid), "the end was told before all of it was gone"

        pid, groups = await escaped(agent, master, "agent")
        main = (await master.running("agent")).pid
        await agent.crash()
        os.kill(main, signal.SIGKILL)
        await until(lambda: is_gone(pid), "its end without an agent")
        await agent.start()
        assert (await master.ended("agent")).signal == signal.SIGKILL
        await until(lambda: not any(path.exists() for path in groups), "the end of its groups")

    play(fairlead_home, story)


def test_a2_nobody_leaves_a_task_whose_launcher_was_killed(fairlead_home: Path) -> None:
    def kill_launcher(agent: AgentProcess) -> None:
        launcher = find_launcher(agent.work.path)
        assert launcher is not None
        assert send_signal(launcher, signal.SIGKILL)

    async def story(agent: AgentProcess, master: FakeMaster) -> None:
        killed, groups = await escaped(agent, master, "killed")
        ended, more = await escaped(agent, master, "ended")
        away, most = await escaped(agent, master, "away")
        mains = {name: (await master.running(name)).pid for name in ("ended", "away")}
        kill_launcher(agent)
        master.kill("killed", grace_s=0.5)
        await until((agent.sandbox("killed") / "termed").exists, "TERM to reach it as well")
        assert (await master.ended("killed")).state is TaskState.KILLED
        os.kill(mains["ended"], signal.SIGKILL)
        assert (await master.ended("ended")).state is TaskState.GONE
        await until(lambda: is_gone(killed) and is_gone(ended), "their end")

        await agent.crash()
        kill_launcher(agent)
        os.kill(mains["away"], signal.SIGKILL)
        stale = [path.parent / "task-of-nobody" for path in groups]
        for path in stale:
            path.mkdir()
        await agent.start()
        assert (await master.ended("away")).state is TaskState.GONE
        assert is_gone(away)
        left = [path for path in (*groups, *more, *most, *stale) if path.exists()]
        assert not left

    play(fairlead_home, story)


def test_a2_a_bomb_is_stopped_where_groups_can_only_be_frozen() -> None:
    """As before Linux 5.14, whose version 2 could not kill a group."""
    freezer, pids = group_of("self", "freezer"), group_of("self", "pids")
    if freezer is None or pids is None:  # this kernel has nothing but version 2, which can
        return
    name = f"frozen-{os.getpid()}"
    groups = {"freezer": str(freezer / name), "pids": str(pids / name)}
    cgroup.make(groups, [(f"{groups['pids']}/pids.max", "100")])
    try:
        join = [f"open('{path}/cgroup.procs', 'w').write('0')" for path in groups.values()]
        program = "\n".join([*join, BOMB])
        with subprocess.Popen((sys.executable, "-I", "-c", program)):
            wait_until("the bomb", lambda: len(cgroup.members(groups)) >= 90)
            cgroup.kill(groups)
            wait_until("its end", lambda: not cgroup.members(groups))
        assert Path(groups["freezer"], "freezer.state").read_text() == "THAWED\n"
    finally:
        cgroup.kill(groups)
        wait_until("its groups to be gone", lambda: cgroup.remove(groups))


def test_a4_whoever_may_not_make_groups_is_told(tmp_path: Path) -> None:
    """In a child that has become nobody."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = b"found some"
        try:
            os.setgroups([])
            os.setuid(65534)
            find_layout()
        except ContainerError as error:
            said = error.message.encode()
        finally:
            os.write(writer, said)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said_by_child = answer.read()
    os.waitpid(pid, 0)
    assert said_by_child.endswith("it was not delegated to this user")
