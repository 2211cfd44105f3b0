"""Processes as /proc shows them: children, whole trees, and which task they belong to."""

from __future__ import annotations

import os
import signal

from . import MARK, MARK_DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]


def read_file(path: str) -> bytes:
    """Empty if there is no such file, or no such process."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    parts = []
    try:
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    return b"".join(parts)


def stat_of(pid: int) -> list[bytes]:
    """From the state on: [1] is the parent, [3] the session, [19] the start time."""
    return read_file(f"/proc/{pid}/stat").rpartition(b") ")[2].split()


def start_time_of(pid: int) -> int:
    fields = stat_of(pid)
    return int(fields[19]) if fields else 0


def own_identity() -> Json:
    """As `fairlead.common.processes` names processes."""
    return {
        "boot_id": read_file("/proc/sys/kernel/random/boot_id").decode().strip(),
        "pid_namespace": os.stat("/proc/self/ns/pid").st_ino,
        "pid": os.getpid(),
        "start_time": start_time_of(os.getpid()),
    }


HAS_CHILDREN = os.path.exists("/proc/thread-self/children")


def children_of(pid: int) -> list[int]:
    """Zombies included. Some kernels keep no list, then it takes a look at everyone."""
    if not HAS_CHILDREN:
        parent = str(pid).encode()
        everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [each for each in everyone if stat_of(each)[1:2] == [parent]]
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [
        int(child)
        for thread in threads
        for child in read_file(f"/proc/{pid}/task/{thread}/children").split()
    ]


def tree_of(pid: int) -> list[int]:
    """The process and all that can be seen to descend from it, parents first."""
    found = [pid]
    for each in found:
        found += children_of(each)
    return found


def kill_tree(pid: int) -> None:
    for each in tree_of(pid):
        deliver(os.kill, each, signal.SIGKILL)


def signal_session(leader: int, signum: int) -> None:
    """To the leader's group, and to those of its descendants who are in other groups of it."""
    if not deliver(os.killpg, leader, signum):
        deliver(os.kill, leader, signum)
    for pid in tree_of(leader)[1:]:
        if session_of(pid) == leader and group_of(pid) != leader:
            deliver(os.kill, pid, signum)


def mark_of(pid: int, directory: str) -> str:
    """The task that it was started for by a launcher of this directory; else empty."""
    variables = read_file(f"/proc/{pid}/environ").split(b"\0")
    if f"{MARK_DIRECTORY}={directory}".encode() not in variables:
        return ""
    prefix = f"{MARK}=".encode()
    found = [each[len(prefix) :] for each in variables if each.startswith(prefix)]
    return found[0].decode(errors="replace") if found else ""


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def deliver(how: Callable[[int, int], None], pid: int, signum: int) -> bool:
    """Send a signal; who has ended, or changed user, is left alone."""
    try:
        how(pid, signum)
    except OSError:
        return False
    return True
