"""Finds where this agent may make control groups: version 2, version 1, or both side by side.

Version 2 wants a subtree that was delegated to us, and no process beside the groups in it: the
daemons that stand there move one down, into `fairlead-daemons`. Version 1 is used below the agent's
own group of each controller. What is missing is said, never guessed.
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fairlead.common.errors import ContainerError

from .launcher import cgroup
from .launcher.tree import read_file

CONTROLLERS = {"cpu": "cpus", "memory": "memory", "pids": "the number of processes"}
"""Those that enforce something, and what."""
HELPERS = ("cpuacct", "freezer")
DAEMONS = "fairlead-daemons"
TRIES = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """By controller, or under "unified", the directory below which groups are made."""

    version: int
    parents: Mapping[str, str]
    missing: tuple[str, ...] = ()
    """Controllers that are not to be had."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where this process is in one hierarchy: what mounts it, and the directory."""

    kind: str
    controllers: frozenset[str]
    directory: str


def find_layout(root: str = "", *, is_forced: bool = False) -> Layout:
    """ContainerError says why there is none. Forced means: also where nobody says it is ours."""
    places = list(_own_places(root))
    unified = next((each.directory for each in places if each.kind == "cgroup2"), "")
    first = {
        name: place.directory
        for place in places
        for name in (*CONTROLLERS, *HELPERS)
        if name in place.controllers and os.access(place.directory, os.W_OK | os.X_OK)
    }
    why_not = _why_not(root, unified, is_forced=is_forced)
    if first.keys() & CONTROLLERS.keys():
        if not why_not and os.access(unified, os.W_OK | os.X_OK):
            first["unified"] = _home(unified)
        return Layout(1, first, tuple(name for name in CONTROLLERS if name not in first))
    if not unified and places:
        raise ContainerError(f"{places[0].directory} cannot be written, nor can the others")
    if why_not:
        raise ContainerError(why_not)
    home = _home(unified)
    enabled = enable(home)
    if not enabled:
        raise ContainerError(f"{home} has none of the controllers {', '.join(CONTROLLERS)}")
    return Layout(2, {"unified": home}, tuple(name for name in CONTROLLERS if name not in enabled))


def enable(directory: str) -> list[str]:
    """Hand the controllers that there are on to the groups below; returns those that work there."""
    there = read_file(f"{directory}/cgroup.controllers").decode().split()
    return [name for name in CONTROLLERS if name in there and _enable(directory, name)]


def quota_above(directory: str) -> int | None:
    """Cpus in thousandths that version 1 refuses to exceed: those of the nearest limited group."""
    while quota := read_file(f"{directory}/cpu.cfs_quota_us").strip():
        period = read_file(f"{directory}/cpu.cfs_period_us").strip()
        if int(quota) > 0:
            return 1000 * int(quota) // int(period)
        directory = str(Path(directory).parent)
    return None


def _enable(directory: str, controller: str) -> bool:
    for _ in range(TRIES):
        try:
            _step_aside(directory)
            cgroup.write(f"{directory}/cgroup.subtree_control", f"+{controller}")
        except OSError as problem:
            if problem.errno != errno.EBUSY:  # that would be a process that came meanwhile
                return False
        else:
            return True
    return False


def _step_aside(directory: str) -> None:
    """Processes and controlled groups may not stand side by side, but in the root."""
    if not Path(f"{directory}/cgroup.type").exists():
        return
    for pid in read_file(f"{directory}/cgroup.procs").decode().split():
        daemons = f"{directory}/{DAEMONS}"
        if not Path(daemons).is_dir():
            cgroup.make_directory(daemons)
        try:
            cgroup.write(f"{daemons}/cgroup.procs", pid)
        except ProcessLookupError:
            continue  # it has ended


def _home(directory: str) -> str:
    """Where we were before an agent, we or another one, made all of us step aside."""
    path = Path(directory)
    return str(path.parent) if path.name == DAEMONS else directory


def _why_not(root: str, unified: str, *, is_forced: bool) -> str:
    """What stands against using the second version's tree; empty if nothing does."""
    if not unified:
        return "no control groups are mounted"
    home = _home(unified)
    files = (home, f"{home}/cgroup.procs", f"{home}/cgroup.subtree_control")
    if not all(os.access(path, os.W_OK) for path in files):
        return f"{home} cannot be written, it was not delegated to this user"
    if not is_forced and Path(f"{root}/run/systemd/system").is_dir() and not _is_delegated(home):
        return f"{home} belongs to systemd, it was not delegated"
    return ""


def _is_delegated(directory: str) -> bool:
    """What systemd writes on the groups that it leaves to others."""
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(directory, name) == b"1":
                return True
        except OSError:
            continue
    return False


def _own_places(root: str) -> Iterator[_Place]:
    """In every hierarchy that is mounted, as far as we are below what the mount shows."""
    own = _own_groups(root)
    mounts = Path(f"{root}/proc/self/mountinfo").read_text(errors="surrogateescape")
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        shown, point = (_unescape(each) for each in left.split()[3:5])
        kind, _, options = right.split(" ")[:3]
        names = frozenset(options.split(",")) if kind == "cgroup" else frozenset([""])
        paths = [
            path for controllers, path in own if kind.startswith("cgroup") and controllers & names
        ]
        for path in paths:
            below = os.path.relpath(path, shown)
            directory = os.path.normpath(f"{root}{point}/{below}")
            if not below.startswith("..") and Path(directory).is_dir():
                yield _Place(kind, names, directory)


def _own_groups(root: str) -> list[tuple[frozenset[str], str]]:
    """Of each hierarchy its controllers, none for the second version, and our path in it."""
    lines = Path(f"{root}/proc/self/cgroup").read_text(errors="surrogateescape").splitlines()
    found = [line.split(":", 2) for line in lines]
    return [(frozenset(controllers.split(",")), path) for _, controllers, path in found]


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
