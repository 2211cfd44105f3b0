"""Who runs out of memory dies whole: version 2 does that itself, version 1 has to be helped.

Its kernel tells that memory is short some milliseconds before it has chosen whom to kill, and tells
it as well to tasks that merely stand below a group that is full; so it is looked at again.
"""

from __future__ import annotations

import errno
import os
import time

from . import cgroup

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Callable

    from .server import Loop
    from .tasks import Task

SUSPECT_S = 2.0


class MemoryWatch:
    """`end` is called with each task of which the kernel killed a part."""

    def __init__(self, loop: Loop, end: Callable[[Task], None]) -> None:
        self.loop = loop
        self.end = end
        self.events: dict[int, int] = {}
        self.suspects: dict[int, tuple[Task, float]] = {}

    def watch(self, task: Task) -> None:
        memory = task.groups.get("memory")
        if memory is None:
            return
        event = -1
        try:
            event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            watched = os.open(f"{memory}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                cgroup.write(f"{memory}/cgroup.event_control", f"{event} {watched}")
            finally:
                os.close(watched)
        except OSError:  # then it is only seen when the task ends
            if event >= 0:
                os.close(event)
            return
        self.events[task.pid] = event
        self.loop.watch(event, lambda _mask: self.suspect(task))

    def unwatch(self, task: Task) -> None:
        self.suspects.pop(task.pid, None)
        event = self.events.pop(task.pid, None)
        if event is not None:
            self.loop.unwatch(event)
            os.close(event)

    def suspect(self, task: Task) -> None:
        try:
            os.eventfd_read(self.events[task.pid])
        except OSError as problem:
            if problem.errno != errno.EAGAIN:
                raise
        self.suspects[task.pid] = (task, time.monotonic() + SUSPECT_S)

    def look(self) -> None:
        """At all suspects; to be called again soon, as long as there are any."""
        for task, until in list(self.suspects.values()):
            if cgroup.is_out_of_memory(task.groups):
                del self.suspects[task.pid]
                self.end(task)
            elif time.monotonic() > until:
                del self.suspects[task.pid]
