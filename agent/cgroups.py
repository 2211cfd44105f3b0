"""The control groups of one agent's tasks: where each launch's are, and what is written into them.

The launcher makes, joins, empties and removes them. Here is what the agent decides before a launch,
and what it does itself for launches that no launcher watches any more. They are found by the work
directory: its number is in their names, and a file in it says where they are.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fairlead.common.errors import ConfigError, ContainerError
from fairlead.common.ids import LaunchUuid

from .cgroup_layout import CONTROLLERS, Layout, enable, find_layout, quota_above
from .launcher import cgroup
from .launcher.endings import PLACES, UNKILLABLE_S, number_of
from .limit_change import change
from .limits import Limits

PERIOD_US = 100_000
LEAST_QUOTA_US = 1_000
SHARES_PER_CPU = {"cpu.shares": 1024, "cpu.weight": 100}
SHARES = {"cpu.shares": (2, 262_144), "cpu.weight": (1, 10_000)}
UNLIMITED = ("-1", "max")
"""What a new group has anyway."""
PAUSE_S = 0.005
PREFIX = "task-"
"""Keeps a task's group apart from the kernel's own files, and from groups that are not ours."""
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,100}")

Groups = dict[str, str]
Writes = list[tuple[str, str]]


class Cgroups:
    """Those of the tasks to come; made with the layout found on this machine."""

    def __init__(self, work_dir: Path, layout: Layout, cpus: int) -> None:
        name = f"fairlead-{_hash(work_dir)}"
        self._version = layout.version
        self._missing = layout.missing
        self._places = {key: f"{parent}/{name}" for key, parent in layout.parents.items()}
        self._make_places(cpus)
        _remember(work_dir, self._places)
        cpu = layout.parents.get("cpu")
        self._most_cpus = quota_above(cpu) if cpu is not None else None

    @property
    def isolation(self) -> str:
        return f"cgroup v{self._version}"

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(
            f"{CONTROLLERS[name]}: accounted, not enforced, there is no {name} controller to use"
            for name in self._missing
        )

    def groups(self, uuid: LaunchUuid) -> Groups:
        return _groups(self._places, uuid)

    def writes(self, uuid: LaunchUuid, limits: Limits) -> Writes:
        """Into the files of its groups, in this order."""
        writes = self._writes(self.groups(uuid), limits)
        return [(path, value) for path, value in writes if value not in UNLIMITED]

    def update(self, work_dir: Path, uuid: LaunchUuid, limits: Limits) -> None:
        """From now on, all of them; or ContainerError, and the former stay. Takes its time, as the
        kernel may have to make room: not for an event loop.
        """
        groups = find_groups(work_dir, uuid)
        if groups:
            change(self._writes(groups, limits))

    def _writes(self, groups: Groups, limits: Limits) -> Writes:
        unified = groups.get("unified", "")
        found: Writes = []
        if "cpu" not in self._missing:
            found += self._cpu(groups.get("cpu", unified), limits)
        if "memory" not in self._missing:
            found += self._memory(groups.get("memory", unified), limits.memory_bytes)
        if "pids" not in self._missing:
            processes = str(limits.processes or "max")
            found.append((f"{groups.get('pids', unified)}/pids.max", processes))
        return found

    def _cpu(self, directory: str, limits: Limits) -> Writes:
        found = [self._shares(directory, limits.cpus_request)]
        cpus = limits.cpus if self._most_cpus is None else min(limits.cpus, self._most_cpus)
        quota = max(LEAST_QUOTA_US, cpus * PERIOD_US // 1000)
        if self._version == 1:
            found.append((f"{directory}/cpu.cfs_quota_us", str(quota if cpus else -1)))
        else:
            found.append((f"{directory}/cpu.max", f"{quota} {PERIOD_US}" if cpus else "max"))
        return found

    def _shares(self, directory: str, cpus: int) -> tuple[str, str]:
        name = "cpu.shares" if self._version == 1 else "cpu.weight"
        least, most = SHARES[name]
        shares = min(most, max(least, cpus * SHARES_PER_CPU[name] // 1000))
        return f"{directory}/{name}", str(shares)

    def _memory(self, directory: str, limit: int) -> Writes:
        """No swap: it would only make a task that is too large a slow one."""
        if self._version == 2:
            most, swap = (str(limit), "0") if limit else ("max", "max")
            values = {"memory.oom.group": "1", "memory.max": most, "memory.swap.max": swap}
        else:
            most = str(limit or -1)
            values = {"memory.limit_in_bytes": most, "memory.memsw.limit_in_bytes": most}
        there = [name for name in values if self._has(name)]
        return [(f"{directory}/{name}", values[name]) for name in there]

    def _has(self, name: str) -> bool:
        """Some kernels count no swap."""
        place = self._places.get("memory") or self._places["unified"]
        return Path(place, name).exists()

    def _has_unified(self, name: str) -> bool:
        """In the tree of version 2 beside version 1; that it can kill came with Linux 5.14."""
        unified = self._places.get("unified")
        return unified is not None and Path(unified, name).exists()

    def _drop(self, name: str) -> None:
        """To enter a group costs a tenth of a millisecond for each task."""
        place = self._places.pop(name)
        if place not in self._places.values():
            cgroup.remove_tree(place)

    def _make_places(self, cpus: int) -> None:
        """All tasks together weigh as much as the cpus that the agent offers."""
        for place in dict.fromkeys(self._places.values()):
            if not Path(place).is_dir():
                cgroup.make_directory(place)
        for name, instead in (("freezer", "cgroup.kill"), ("cpuacct", "cpu.stat")):
            if name in self._places and self._has_unified(instead):
                self._drop(name)
        if self._version == 2:
            enable(self._places["unified"])
        if "cpu" not in self._missing:
            place = self._places.get("cpu") or self._places["unified"]
            cgroup.write(*self._shares(place, cpus))


def choose(work_dir: Path, wanted: str, cpus: int) -> tuple[Cgroups | None, str]:
    """Control groups, or none and why; what is asked for and cannot be had is a ConfigError."""
    if wanted == "process":
        return None, ""
    try:
        layout = find_layout(is_forced=wanted == "cgroups")
        return Cgroups(work_dir, layout, cpus), ""
    except (OSError, ContainerError) as problem:
        why = problem.message if isinstance(problem, ContainerError) else str(problem)
        if wanted == "cgroups":
            raise ConfigError(
                f"cannot make control groups: {why}",
                hint="delegate some to it, see docs/isolation.md; or leave out --isolation cgroups",
            ) from None
        return None, why


# --- of launches that no launcher watches


def find_groups(work_dir: Path, uuid: LaunchUuid) -> Groups:
    """Those that are still there; none if there are none."""
    for place in _remembered(work_dir):
        groups = _groups(place, uuid)
        there = {key: path for key, path in groups.items() if Path(path).is_dir()}
        if there:
            return there
    return {}


def end_groups(work_dir: Path, uuid: LaunchUuid) -> dict[str, Any]:
    """Kill and remove all of it, and say what it used. Takes its time: not for an event loop."""
    groups = find_groups(work_dir, uuid)
    if not groups:
        return {}
    return _end(groups)


def remove_all(work_dir: Path) -> None:
    """When no agent and no launcher runs there any more."""
    clear(work_dir, ())
    for place in _remembered(work_dir):
        cgroup.remove(place)


def clear(work_dir: Path, kept: Collection[LaunchUuid]) -> None:
    """End whatever is there of other launches."""
    names = {_name(uuid) for uuid in kept}
    for place in _remembered(work_dir):
        found = {
            entry.name
            for path in place.values()
            if Path(path).is_dir()
            for entry in os.scandir(path)
            if entry.is_dir() and entry.name.startswith(PREFIX)
        }
        for name in found - names:
            _end({key: f"{path}/{name}" for key, path in place.items()})


def _end(groups: Groups) -> dict[str, Any]:
    until = time.monotonic() + UNKILLABLE_S
    while cgroup.members(groups) and time.monotonic() < until:
        cgroup.kill(groups)
        time.sleep(PAUSE_S)
    used: dict[str, Any] = cgroup.measure(groups)
    while not cgroup.remove(groups) and time.monotonic() < until:
        time.sleep(PAUSE_S)
    return used


# --- names and the file


def _hash(work_dir: Path) -> str:
    """The path alone would be the same in two containers, the number alone comes again."""
    text = f"{work_dir.resolve()}\n{number_of(str(work_dir))}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _name(uuid: LaunchUuid) -> str:
    plain = _PLAIN.fullmatch(uuid) is not None
    return PREFIX + (uuid if plain else hashlib.sha256(uuid.encode()).hexdigest())


def _groups(places: Mapping[str, str], uuid: LaunchUuid) -> Groups:
    return {key: f"{place}/{_name(uuid)}" for key, place in places.items()}


def _remembered(work_dir: Path) -> list[Groups]:
    """None if the file came with a copy of another directory."""
    try:
        said = json.loads((work_dir / PLACES).read_bytes())
        is_ours = said["directory"] == number_of(str(work_dir))
        return [dict(each) for each in said["places"]] if is_ours else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _remember(work_dir: Path, places: Groups) -> None:
    """Former ones stay for as long as they are there. On a full disk the same can be used again."""
    before = _remembered(work_dir)
    there = [each for each in before if any(Path(path).is_dir() for path in each.values())]
    known = [places, *(each for each in there if each != places)]
    if known == before:
        return
    new = work_dir / f"{PLACES}.new"
    new.write_text(json.dumps({"directory": number_of(str(work_dir)), "places": known}))
    new.replace(work_dir / PLACES)
