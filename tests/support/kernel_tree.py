"""Directories that behave as the kernel's control groups of version 2, as far as agents use them.

For tests of what a machine is asked for that has them; `install` puts the tree's rules in place of
the two functions that change anything.
"""

import errno
import os
from pathlib import Path

import pytest

from fairlead.agent.launcher import cgroup

FILES = {
    "cpu": ("cpu.weight", "cpu.max", "cpu.stat"),
    "memory": (
        "memory.max",
        "memory.swap.max",
        "memory.oom.group",
        "memory.peak",
        "memory.events",
    ),
    "pids": ("pids.max",),
}
CORE = ("cgroup.procs", "cgroup.subtree_control", "cgroup.events", "cgroup.kill", "cgroup.freeze")


class KernelTree:
    """`root` is the file system; this process is in the group `own`, with the given others."""

    def __init__(self, root: Path, own: str = "/", controllers: str = "cpu memory pids") -> None:
        self.root = root
        self.top = root / "sys/fs/cgroup"
        self.top.mkdir(parents=True)
        self.fill(self.top, controllers)
        (self.top / "cgroup.type").unlink()  # the root has none
        path = self.top
        for name in filter(None, own.split("/")):
            if path == self.top:
                (path / "cgroup.subtree_control").write_text(controllers)
            path /= name
            path.mkdir()
            self.fill(path, controllers)
        self.own = path
        proc = root / "proc/self"
        proc.mkdir(parents=True)
        (proc / "cgroup").write_text(f"0::{own}\n")
        (proc / "mountinfo").write_text(
            "22 1 0:20 / /proc rw - proc proc rw\n"
            "31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
        )

    def fill(self, path: Path, controllers: str) -> None:
        names = [name for each in controllers.split() for name in FILES[each]]
        for name in (*CORE, *names):
            (path / name).write_text("")
        (path / "cgroup.type").write_text("domain\n")
        (path / "cgroup.controllers").write_text(controllers)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cgroup, "make_directory", self.make_directory)
        monkeypatch.setattr(cgroup, "write", self.write)

    def make_directory(self, path: str) -> None:
        os.mkdir(path)  # noqa: PTH102 - raises as the function that it stands for
        self.fill(Path(path), (Path(path).parent / "cgroup.subtree_control").read_text())

    def write(self, path: str, value: str) -> None:
        file = Path(path)
        if not file.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if file.name == "cgroup.subtree_control":
            self._enable(file, value.removeprefix("+"))
        elif file.name == "cgroup.procs":
            self._move(file, value)
        else:
            file.write_text(value)

    def _enable(self, file: Path, controller: str) -> None:
        is_root = not (file.parent / "cgroup.type").exists()
        if not is_root and (file.parent / "cgroup.procs").read_text().split():
            raise OSError(errno.EBUSY, "processes stand in it")
        if controller not in (file.parent / "cgroup.controllers").read_text().split():
            raise FileNotFoundError(errno.ENOENT, "no such controller")
        enabled = file.read_text().split()
        file.write_text(" ".join(dict.fromkeys([*enabled, controller])))

    def _move(self, file: Path, pid: str) -> None:
        if (file.parent / "cgroup.subtree_control").read_text():
            raise OSError(errno.EBUSY, "its groups are controlled")
        for each in self.top.rglob("cgroup.procs"):
            left = [line for line in each.read_text().split() if line != pid]
            each.write_text("".join(f"{line}\n" for line in left))
        file.write_text(f"{file.read_text()}{pid}\n")
