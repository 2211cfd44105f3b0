"""What the kernel says about a process's control groups, read without any help of Fairlead's."""

import uuid
from pathlib import Path

import pytest


def group_of(pid: int | str, controller: str) -> Path | None:
    """The directory of its group for a controller of version 1; "" is the tree of version 2."""
    for line in _lines(f"/proc/{pid}/cgroup"):
        _, controllers, path = line.split(":", 2)
        point = _mounted(controller)
        if controller in controllers.split(",") and point is not None:
            return point / path.lstrip("/")
    return None


def number(pid: int | str, first: tuple[str, str], second: str) -> int:
    """Of a file of version 1 with its controller, or else of version 2."""
    directory = group_of(pid, first[0])
    path = directory / first[1] if directory else None
    if path is None:
        directory = group_of(pid, "")
        assert directory is not None, "this machine has no control groups"
        path = directory / second
    return int(path.read_text().split()[0])


def cpu_seconds(pid: int | str) -> float:
    """Of all in its group."""
    unified = group_of(pid, "")
    if unified is not None:
        return int((unified / "cpu.stat").read_text().split()[1]) / 1e6
    return number(pid, ("cpuacct", "cpuacct.usage"), "") / 1e9


def need_groups() -> None:
    """Skip where the kernel lets nobody make a group with a memory limit; else they must work."""
    parent = group_of("self", "memory") or group_of("self", "")
    if parent is None:
        pytest.skip("no control groups are mounted")
    probe = parent / f"probe-{uuid.uuid4().hex}"
    try:
        probe.mkdir()
    except OSError as problem:
        pytest.skip(f"control groups cannot be made in {parent}: {problem.strerror}")
    probe.rmdir()


def _mounted(controller: str) -> Path | None:
    for line in _lines("/proc/self/mounts"):
        _, point, kind, options = line.split()[:4]
        is_it = kind == "cgroup" and controller in options.split(",")
        if is_it or (not controller and kind == "cgroup2"):
            return Path(point)
    return None


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
