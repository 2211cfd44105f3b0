"""The control groups of one task: made before its start, joined by it, emptied and removed later.

A task's groups are a mapping from what each is for to its directory: on version 1 one for every
controller, on version 2 a single "unified"; where both are mounted, version 1 with a "unified" that
can only kill. The agent says where they are and what is written into them, here nothing is decided.
"""

from __future__ import annotations

import errno
import os
import signal
import time

from .tree import deliver, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Iterable, Mapping
    from typing import Any

    Groups = Mapping[str, str]
    Json = dict[str, Any]

FREEZE_TRIES = 20
FREEZE_PAUSE_S = 0.001
KILL_ROUNDS = 10
HUGE_PAGE_BYTES = 2 << 20
"""A task is at its limit when not even so much fits any more."""
LISTED_IN = ("unified", "freezer", "pids", "memory", "cpu", "cpuacct")
"""Every process of the task is in all of its groups; the first of these is asked which."""


def write(path: str, value: str) -> None:
    """Into a file of the kernel, at once; never makes one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def make_directory(path: str) -> None:
    os.mkdir(path, 0o755)


def make(groups: Groups, limits: Iterable[tuple[str, str]]) -> None:
    """With all limits in force, or OSError and nothing is left. One that is there is a former
    attempt's, of which nothing may go on: EBUSY as long as something does.
    """
    if any(os.path.isdir(directory) for directory in groups.values()):
        kill(groups)
        if members(groups) or not remove(groups):
            raise OSError(errno.EBUSY, "what is left of an earlier attempt is still ending")
    try:
        for directory in dict.fromkeys(groups.values()):
            make_directory(directory)
        for path, value in limits:
            write(path, value)
    except OSError:
        remove(groups)
        raise


def join(groups: Groups) -> None:
    """Whoever calls this, and all that it will ever start."""
    for directory in dict.fromkeys(groups.values()):
        write(f"{directory}/cgroup.procs", "0")


def members(groups: Groups) -> list[int]:
    """Of the groups and of those that the task made below. Who is of a pid namespace that cannot be
    seen from here is listed as 0, and a signal to 0 would reach ourselves.
    """
    found: list[int] = []
    for directory in tree_below(listing(groups)):
        found += filter(None, map(int, read_file(f"{directory}/cgroup.procs").split()))
    return found


def listing(groups: Groups) -> str:
    return next((groups[name] for name in LISTED_IN if name in groups), "")


def tree_below(directory: str) -> list[str]:
    """The directory and all below, parents first."""
    found = [directory] if directory else []
    for each in found:
        try:
            if os.stat(each).st_nlink != 2:  # a cheap look: most groups have none below
                found += [entry.path for entry in os.scandir(each) if entry.is_dir()]
        except OSError:
            continue
    return found


def send(groups: Groups, signum: int) -> None:
    """To every process, wherever it moved; who is started meanwhile by one of them, too."""
    reached: set[int] = set()
    for _ in range(KILL_ROUNDS):
        found = [pid for pid in members(groups) if pid not in reached]
        for pid in found:
            deliver(os.kill, pid, signum)
        reached.update(found)
        if not found:
            return


def kill(groups: Groups) -> None:
    """All at once, so that nobody forks faster than it is killed. They are gone a moment later."""
    unified = groups.get("unified")
    try:
        if unified is not None:
            write(f"{unified}/cgroup.kill", "1")
            return
    except FileNotFoundError:
        pass  # the kernel is older than 5.14
    except OSError:
        return
    frozen = freezable(groups)
    if not frozen:
        send(groups, signal.SIGKILL)
        return
    freeze(frozen)
    send(groups, signal.SIGKILL)
    thaw(frozen)


def freezable(groups: Groups) -> str:
    """Of the groups the one that can be frozen with all below it; empty if none can."""
    found = groups.get("freezer") or groups.get("unified", "")
    files = ("freezer.state", "cgroup.freeze")
    return found if any(os.path.exists(f"{found}/{name}") for name in files) else ""


def freeze(directory: str) -> bool:
    """Who does not stop within a moment waits for a disk, and forks nothing; whether all did."""
    try:
        if os.path.exists(f"{directory}/freezer.state"):
            write(f"{directory}/freezer.state", "FROZEN")
        else:
            write(f"{directory}/cgroup.freeze", "1")
    except OSError:
        return False
    for _ in range(FREEZE_TRIES):
        if is_frozen(directory):
            return True
        time.sleep(FREEZE_PAUSE_S)
    return False


def is_frozen(directory: str) -> bool:
    """Nothing in it runs. Version 1 looks again whenever it is asked."""
    if b"FROZEN" in read_file(f"{directory}/freezer.state"):
        return True
    return b"frozen 1" in read_file(f"{directory}/cgroup.events")


def thaw(directory: str) -> None:
    for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        if os.path.exists(f"{directory}/{name}"):
            try:
                write(f"{directory}/{name}", value)
            except OSError:
                continue


def remove(groups: Groups) -> bool:
    """Whether all are gone; the kernel may take some milliseconds more to believe it."""
    left = [each for each in dict.fromkeys(groups.values()) if not remove_tree(each)]
    return not left


def remove_tree(directory: str) -> bool:
    for each in reversed(tree_below(directory)):
        try:
            os.rmdir(each)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def measure(groups: Groups) -> Json:
    """What the task used in all, and whether it was out of memory, as far as the kernel knows."""
    found: Json = {}
    unified, memory = groups.get("unified", ""), groups.get("memory", "")
    peak = number(f"{memory}/memory.max_usage_in_bytes" if memory else f"{unified}/memory.peak")
    if peak is not None:
        found["max_rss_bytes"] = peak
    if "cpuacct" in groups:
        nanoseconds = number(f"{groups['cpuacct']}/cpuacct.usage")
        if nanoseconds is not None:
            found["cpu_s"] = nanoseconds / 1e9
    elif unified:
        microseconds = pairs(f"{unified}/cpu.stat").get("usage_usec")
        if microseconds is not None:
            found["cpu_s"] = microseconds / 1e6
    found["is_out_of_memory"] = is_out_of_memory(groups)
    return found


def is_out_of_memory(groups: Groups) -> bool:
    """Something was killed, and because of the task's own limit, not of the machine's."""
    memory = groups.get("memory")
    if memory is None:
        events = pairs(f"{groups.get('unified', '')}/memory.events")
        return bool(events.get("oom_kill") and events.get("oom"))
    if not pairs(f"{memory}/memory.oom_control").get("oom_kill"):
        return False
    # Version 1 does not say whose limit it was, and counts failures at one of two limits only.
    peak, limit = (number(f"{memory}/memory.{name}_in_bytes") for name in ("max_usage", "limit"))
    return peak is not None and limit is not None and peak + HUGE_PAGE_BYTES >= limit


def number(path: str) -> int | None:
    text = read_file(path).strip()
    return int(text) if text.isdigit() else None


def pairs(path: str) -> dict[str, int]:
    """Of a file with a name and a number in each line."""
    words = read_file(path).decode().split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=False))
