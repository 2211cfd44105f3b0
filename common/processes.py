"""The identity of a process, so that a number written down earlier is never taken for another's.

Used by agents to find their launcher and their tasks again, and by the command to find a running
cluster. Reads /proc only; says nothing about what a process does or uses.
"""

import os
import signal
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .dataclass import dataclass

DEAD_STATES = frozenset("ZXx")
"""A zombie has ended; only its parent has not looked yet."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """What no two processes share: a pid alone comes back after a while, and after a reboot.

    `start_time` counts clock ticks since boot; `pid_namespace` is the inode of the namespace in
    which the pid has a meaning.
    """

    boot_id: str
    pid_namespace: int
    pid: int
    start_time: int

    def to_json(self) -> dict[str, str | int]:
        """For files that people may read; `from_json` takes it back."""
        return {
            "boot_id": self.boot_id,
            "pid_namespace": self.pid_namespace,
            "pid": self.pid,
            "start_time": self.start_time,
        }

    @classmethod
    def from_json(cls, value: object) -> "ProcessIdentity":
        """Accepts more keys than it needs; ValueError if any that it needs is not there."""
        if not isinstance(value, Mapping):
            raise ValueError("not a process identity: an object is expected")  # noqa: TRY004
        boot_id = value.get("boot_id")
        numbers = [value.get(key) for key in ("pid_namespace", "pid", "start_time")]
        if not isinstance(boot_id, str) or not all(type(number) is int for number in numbers):
            raise ValueError("not a process identity: boot_id, pid_namespace, pid, start_time")
        pid_namespace, pid, start_time = (int(str(number)) for number in numbers)
        return cls(boot_id, pid_namespace, pid, start_time)


@cache
def boot_id() -> str:
    """Changes with each boot of the machine, never before."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def pid_namespace() -> int:
    """The namespace in which this process counts pids."""
    return Path("/proc/self/ns/pid").stat().st_ino


def identity_of(pid: int) -> ProcessIdentity | None:
    """Of the process that has this pid now, a zombie included; None if there is none."""
    stat = _read_stat(pid)
    return None if stat is None else ProcessIdentity(boot_id(), pid_namespace(), pid, stat[1])


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether that very process runs; never true for one of another boot or pid namespace."""
    if identity.boot_id != boot_id() or identity.pid_namespace != pid_namespace():
        return False
    stat = _read_stat(identity.pid)
    return stat is not None and stat[1] == identity.start_time and stat[0] not in DEAD_STATES


def send_signal(identity: ProcessIdentity, signum: int) -> bool:
    """Signal that very process; False if it has ended. No other process can be hit."""
    try:
        process = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:  # the descriptor holds on to whoever has the pid now; if that is who we mean, go on
        if not is_alive(identity):
            return False
        signal.pidfd_send_signal(process, signum)
    except ProcessLookupError:
        return False
    finally:
        os.close(process)
    return True


def _read_stat(pid: int) -> tuple[str, int] | None:
    """State and start time. The name stands in parentheses and may itself contain some."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[19])
