"""Run inside a machine that has only version 2 of control groups, by `test_version_2.py`.

Asserts what `tests/integration/test_isolation.py` does, without the transport, which takes minutes
to load where a processor is emulated. Everything is in a group of its own, as after a delegation.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fairlead.agent import cgroups
from fairlead.agent.containerizer import ContainerExit, LaunchSpec
from fairlead.agent.launcher_client import find_launcher, shutdown_launcher
from fairlead.agent.limits import Limits
from fairlead.agent.process_containerizer import ProcessContainerizer
from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid

MIB = 2**20
TOP = Path("/sys/fs/cgroup")
SCOPE = TOP / "delegated"
SMALL = Limits(cpus_request=500, cpus=1500, memory_bytes=64 * MIB, processes=50)
ALLOCATE = f"x = bytearray({128 * MIB})"
BOMB = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
BURN = "while :; do :; done & while :; do :; done"
ESCAPE = "(env -i setsid sleep 600 &); sleep 600"


async def until(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.05)


class Guest:
    """A containerizer in this machine, and how its tasks ended."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ends: dict[str, ContainerExit] = {}
        self.containerizer = ProcessContainerizer(directory, self._ended, cpus=2000)

    def _ended(self, ended: ContainerExit) -> None:
        self.ends[ended.uuid] = ended

    async def launch(self, name: str, *argv: str, limits: Limits = SMALL) -> Path:
        """Its group."""
        environment = {"PATH": "/usr/bin:/bin"}
        sandbox = self.directory / "sandboxes" / name
        uuid = LaunchUuid(name)
        await self.containerizer.launch(LaunchSpec(uuid, argv, environment, sandbox, limits=limits))
        return Path(cgroups.find_groups(self.directory, uuid)["unified"])

    async def refuses(self, uuid: LaunchUuid, limits: Limits) -> str:
        """Why these are not to be had; empty if they are."""
        try:
            await self.containerizer.update(uuid, limits)
        except ContainerError as error:
            return error.message
        return ""

    async def ended(self, name: str) -> ContainerExit:
        await until(f"the end of {name}", lambda: name in self.ends)
        return self.ends[name]

    async def destroy(self, name: str) -> ContainerExit:
        await self.containerizer.destroy(LaunchUuid(name))
        return await self.ended(name)


async def limits(guest: Guest) -> None:
    group = await guest.launch("limits", "sleep", "600")
    assert group.parent.parent == SCOPE
    said = {
        "cpu.weight": "50",
        "cpu.max": "150000 100000",
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "50",
    }
    found = {name: group / name for name in said}
    assert {name: path.read_text().strip() for name, path in found.items()} == said
    await guest.destroy("limits")
    assert not group.exists()


async def memory(guest: Guest) -> None:
    python = f"{sys.executable} -I -S -c '{ALLOCATE}'"
    for name, script in (("main", f"exec {python}"), ("child", f"{python}; sleep 600")):
        await guest.launch(name, "sh", "-c", script)
        ended = await guest.ended(name)
        assert ended.is_out_of_memory, ended
        assert ended.signal == signal.SIGKILL, ended


async def bomb(guest: Guest) -> None:
    group = await guest.launch("bomb", sys.executable, "-I", "-S", "-c", BOMB)
    await until("50 processes", lambda: int((group / "pids.current").read_text()) >= 50)
    await guest.destroy("bomb")
    assert not group.exists()


async def cpus(guest: Guest) -> None:
    one = Limits(cpus_request=1000, cpus=1000)
    group = await guest.launch("burn", "sh", "-c", BURN, limits=one)

    def used() -> float:
        return int((group / "cpu.stat").read_text().split()[1]) / 1e6

    await until("the burning", lambda: used() > 0.1)
    began, before = time.monotonic(), used()
    await asyncio.sleep(5)
    spent = used() - before
    assert spent / (time.monotonic() - began) <= 1.05, spent
    await guest.destroy("burn")


async def escape(guest: Guest) -> None:
    """After the launcher was killed."""
    group = await guest.launch("escape", "sh", "-c", ESCAPE)
    await until("its escape", lambda: len((group / "cgroup.procs").read_text().split()) >= 3)
    pids = (group / "cgroup.procs").read_text().split()
    launcher = find_launcher(guest.directory)
    assert launcher is not None
    os.kill(launcher.pid, signal.SIGKILL)
    await guest.destroy("escape")
    assert not group.exists()
    assert not [pid for pid in pids if Path("/proc", pid).exists()]


async def other_limits(guest: Guest) -> None:
    """What it uses is 32 MiB, and some of the files that it has read."""
    uuid = LaunchUuid("other")
    holding = f"x = bytearray({32 * MIB}); open('ready', 'w'); import time; time.sleep(600)"
    group = await guest.launch("other", sys.executable, "-I", "-S", "-c", holding)
    await until("its memory", (guest.directory / "sandboxes" / "other" / "ready").exists)

    def said() -> list[str]:
        files = ("cpu.weight", "cpu.max", "memory.high", "memory.max", "pids.max")
        return [(group / name).read_text().strip() for name in files]

    await guest.containerizer.update(uuid, Limits(1000, 2000, 128 * MIB, 70))
    assert said() == ["100", "200000 100000", "max", str(128 * MIB), "70"]
    refused = await guest.refuses(uuid, Limits(100, 100, 16 * MIB, 7))
    assert "cannot hold it to 16 MiB of memory: it uses 3" in refused, refused
    assert said() == ["100", "200000 100000", "max", str(128 * MIB), "70"]
    await guest.containerizer.update(uuid, SMALL)
    assert said() == ["50", "150000 100000", "max", str(64 * MIB), "50"]
    await guest.containerizer.update(uuid, Limits())
    assert said() == ["1", "max 100000", "max", "max", "max"]
    assert (await guest.destroy("other")).is_out_of_memory is False


async def suspended(guest: Guest) -> None:
    uuid = LaunchUuid("rest")
    group = await guest.launch("rest", "sh", "-c", BURN)

    def used() -> str:
        return (group / "cpu.stat").read_text().splitlines()[0]

    async def goes_on() -> None:
        before = used()
        await until("it to go on", lambda: used() != before)

    for _ in range(2):
        await goes_on()
        await guest.containerizer.suspend(uuid)
        before = used()
        await asyncio.sleep(1)
        assert used() == before
        await guest.containerizer.resume(uuid)
    await guest.containerizer.suspend(uuid)
    assert (await guest.destroy("rest")).signal == signal.SIGKILL
    assert not group.exists()


async def main(directory: Path) -> None:
    guest = Guest(directory)
    await guest.containerizer.recover()
    assert guest.containerizer.isolation == "cgroup v2", guest.containerizer.warnings
    for each in (limits, memory, bomb, cpus, other_limits, suspended, escape):
        await each(guest)
        print(f"passed: {each.__name__}", flush=True)  # noqa: T201 - read by the test outside
    await guest.containerizer.close()
    await asyncio.to_thread(shutdown_launcher, directory, 0)
    cgroups.remove_all(directory)
    assert [path.name for path in SCOPE.iterdir() if path.is_dir()] == ["fairlead-daemons"]


if __name__ == "__main__":
    for controller in ("cpu", "memory", "pids"):
        (TOP / "cgroup.subtree_control").write_text(f"+{controller}")
    SCOPE.mkdir()
    (SCOPE / "cgroup.procs").write_text("0")
    work_dir = Path(tempfile.mkdtemp(prefix="fl-"))
    asyncio.run(main(work_dir))
    shutil.rmtree(work_dir)
    print("passed: all")  # noqa: T201
