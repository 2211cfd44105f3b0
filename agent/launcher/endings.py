"""The end of a task is told when nothing of it is left: its control groups are empty and gone."""

from __future__ import annotations

import json
import os
import time

from . import cgroup
from .records import log

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Callable
    from typing import Any

    from .tasks import Task

    Json = dict[str, Any]

UNKILLABLE_S = 5.0
PLACES = "cgroups.json"
"""In the work directory: the groups above those of the tasks, and the directory's own number."""


class Endings:
    """Tasks whose main process has been reaped, and groups that the kernel holds a moment longer.

    `tell` is called with the record of each exit, once.
    """

    def __init__(self, tell: Callable[[Json], None]) -> None:
        self.tell = tell
        self.emptying: list[tuple[Task, Json, float]] = []
        self.leftover: list[tuple[cgroup.Groups, float]] = []
        self.places = set(places())

    def claim(self, groups: cgroup.Groups) -> None:
        """They are to be made, so they are no leftover; and the file that says where groups are
        may go with its directory.
        """
        self.leftover = [each for each in self.leftover if each[0] != groups]
        self.places.update(map(os.path.dirname, groups.values()))

    def begin(self, task: Task, record: Json) -> None:
        self.emptying.append((task, record, time.monotonic() + UNKILLABLE_S))

    def is_busy(self) -> bool:
        return bool(self.emptying or self.leftover)

    def go_on(self) -> None:
        """As far as it goes; to be called again soon, as long as `is_busy`."""
        emptying, self.emptying = self.emptying, []
        for task, record, until in emptying:
            if task.groups and cgroup.members(task.groups) and time.monotonic() < until:
                cgroup.kill(task.groups)
                self.emptying.append((task, record, until))
                continue
            used = cgroup.measure(task.groups) if task.groups else {}
            self.discard(task.groups)
            self.tell({**record, **used})
        leftover, self.leftover = self.leftover, []
        for groups, until in leftover:
            if cgroup.remove(groups):
                continue
            if time.monotonic() < until:
                self.leftover.append((groups, until))
            else:
                log(f"cannot remove the control groups {sorted(set(groups.values()))}")

    def discard(self, groups: cgroup.Groups) -> None:
        if groups and not cgroup.remove(groups):
            self.leftover.append((groups, time.monotonic() + UNKILLABLE_S))

    def farewell(self) -> None:
        """When no task is left."""
        for place in self.places.union(places()):
            if not cgroup.remove_tree(place):
                log(f"cannot remove the control group {place}")


def places() -> list[str]:
    """Where the groups of this directory's tasks are made; nowhere if it is a copy of another."""
    try:
        with open(PLACES, "rb") as file:
            said = json.load(file)
        is_ours = said["directory"] == number_of(".")
        return [path for each in said["places"] for path in each.values()] if is_ours else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def number_of(directory: str) -> str:
    """No other has it while this one is there, not even a copy on another disk."""
    found = os.stat(directory)
    return f"{found.st_dev}:{found.st_ino}"
