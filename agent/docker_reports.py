"""What a Docker engine says of a container, in our words."""

import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fairlead.common.ids import LaunchUuid
from fairlead.common.processes import ProcessIdentity, boot_id, identity_of, pid_namespace
from fairlead.common.values import Usage

from .containerizer import ContainerExit, Started

SIGNALLED = 128
LOST = 255
"""What an engine says of a container that ended while nobody looked."""
ENDED = frozenset({"exited", "dead", "removing"})
NOBODY = ProcessIdentity(boot_id(), pid_namespace(), 0, 0)
"""Of a program that ended before anybody could ask for its pid."""
_SIGNALS = frozenset(int(each) for each in signal.valid_signals())


def started_of(state: Mapping[str, Any]) -> Started | None:
    """Its main process; one that cannot be seen from here has no start time."""
    pid = int(state.get("Pid") or 0)
    if not pid:
        return None
    return identity_of(pid) or ProcessIdentity(boot_id(), pid_namespace(), pid, 0)


def exit_of(
    uuid: LaunchUuid, state: Mapping[str, Any], *, was_watched: bool, peak_bytes: int = 0
) -> ContainerExit:
    """As a shell tells it: a program that a signal ended has 128 and its number."""
    code = int(state.get("ExitCode") or 0)
    ended = ContainerExit(uuid, max_rss_bytes=peak_bytes)
    if state.get("OOMKilled"):
        ended = replace(ended, is_out_of_memory=True)
    if code == LOST and not was_watched:
        return ended
    if code - SIGNALLED in _SIGNALS:
        return replace(ended, signal=code - SIGNALLED)
    return replace(ended, code=code)


def usage_of(stats: Mapping[str, Any]) -> Usage | None:
    """Less the init of the engine itself; None if it has ended meanwhile."""
    cpu = stats.get("cpu_stats", {}).get("cpu_usage", {})
    memory = stats.get("memory_stats", {})
    processes = int(stats.get("pids_stats", {}).get("current") or 0)
    if not processes:
        return None
    pages = memory.get("stats", {})
    cache = int(pages.get("total_inactive_file", pages.get("inactive_file", 0)))
    read, written = _io(stats.get("blkio_stats", {}))
    return Usage(
        cpu_s=int(cpu.get("total_usage") or 0) / 1e9,
        memory_bytes=max(0, int(memory.get("usage") or 0) - cache),
        processes=max(1, processes - 1),
        io_read_bytes=read,
        io_write_bytes=written,
    )


def peak_of(stats: Mapping[str, Any]) -> int:
    """Of its memory so far; what version 2 of control groups does not tell is what is in use."""
    memory = stats.get("memory_stats", {})
    return int(memory.get("max_usage") or memory.get("usage") or 0)


def _io(stats: Mapping[str, Any]) -> tuple[int, int]:
    sums = {"read": 0, "write": 0}
    for each in stats.get("io_service_bytes_recursive") or ():
        kind = str(each.get("op", "")).lower()
        if kind in sums:
            sums[kind] += int(each.get("value") or 0)
    return sums["read"], sums["write"]
