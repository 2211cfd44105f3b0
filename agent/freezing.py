"""Freezes the processes of a launch and lets them go on; used by `process_containerizer`.

The agent does this itself, and the kernel keeps it: what is frozen stays so whoever is killed, and
a launch whose launcher is gone is like any other. Where no group can be frozen, each process is
stopped with SIGSTOP; then whoever is beyond the reach of a kill is beyond that of a freeze too.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.processes import ProcessIdentity, is_alive

from .cgroups import find_groups
from .launcher import cgroup
from .launcher.tree import deliver, mark_of, read_file, session_of, tree_of

ROUNDS = 5
FREEZE_S = 5.0
PAUSE_S = 0.005
Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")
_STILL = frozenset((b"T", b"t", b"Z", b"X"))


async def hold_still(
    work_dir: Path, uuid: LaunchUuid, running: Callable[[LaunchUuid], ProcessIdentity | None]
) -> None:
    """Until all of it stands still, or has ended; ContainerError after a while, and it goes on."""
    until = time.monotonic() + FREEZE_S
    while (main := running(uuid)) is not None:
        if await in_a_thread(freeze, work_dir, uuid, main):
            return
        if time.monotonic() > until:
            await in_a_thread(thaw, work_dir, uuid, main)
            raise ContainerError(
                f"not all of its processes stand still after {FREEZE_S:g} s: one waits for a disk"
                " or a device",
                temporary=True,
            )
        await asyncio.sleep(PAUSE_S)


def freeze(work_dir: Path, uuid: LaunchUuid, main: ProcessIdentity) -> bool:
    """Whether all of it stands still by now, or has ended; else it is to be called again."""
    groups = find_groups(work_dir, uuid)
    directory = cgroup.freezable(groups)
    if directory:
        return cgroup.freeze(directory) or not Path(directory).exists()
    for _ in range(ROUNDS):  # until a look finds nobody who could have started another
        going = [pid for pid in pids(work_dir, uuid, main) if not _is_still(pid)]
        if not going:
            return True
        for pid in going:
            deliver(os.kill, pid, signal.SIGSTOP)
    return False


def thaw(work_dir: Path, uuid: LaunchUuid, main: ProcessIdentity) -> None:
    """Children after their parents, which might take note of a child that stands still."""
    groups = find_groups(work_dir, uuid)
    directory = cgroup.freezable(groups)
    if directory:
        cgroup.thaw(directory)
        return
    for pid in pids(work_dir, uuid, main):
        deliver(os.kill, pid, signal.SIGCONT)


def pids(work_dir: Path, uuid: LaunchUuid, main: ProcessIdentity) -> list[int]:
    """All that belong to it; without control groups those of its descent, session or mark."""
    groups = find_groups(work_dir, uuid)
    if groups:
        return cgroup.members(groups)
    if not is_alive(main):
        return []
    directory = str(work_dir.resolve())
    found = dict.fromkeys(tree_of(main.pid))
    for pid in (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()):
        if pid not in found and (session_of(pid) == main.pid or mark_of(pid, directory) == uuid):
            found.update(dict.fromkeys(tree_of(pid)))
    return list(found)


async def in_a_thread(
    work: Callable[Asked, Answer], *asked: Asked.args, **named: Asked.kwargs
) -> Answer:
    """A thread cannot be called off: who does not want its work any more waits for its end."""
    working = asyncio.create_task(asyncio.to_thread(work, *asked, **named))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def _is_still(pid: int) -> bool:
    """Every thread of it: one may still run when the first has stopped, or has ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return True
    stats = [read_file(f"{thread}/stat") for thread in threads]
    return all(not stat or stat.rpartition(b") ")[2][:1] in _STILL for stat in stats)
