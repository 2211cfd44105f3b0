"""How long the sandboxes of ended tasks are kept: for an age, and no longer than the disk has room.

A sandbox goes when its task ended too long ago; and while less of the disk is free than shall be,
the one that ended first goes, one after the other, until there is room again or only those are
left of tasks that ended just now.
That it goes is recorded first: after a crash in between, whoever sweeps finds the rest.
"""

from collections.abc import Iterator
from dataclasses import replace

from fairlead.common.values import TaskStatus

from .context import Context, Task
from .events import DiskMeasured, RemoveSandbox, SandboxRemoved

_UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "s"))


class Retention:
    """One removal at a time, so that what it gave back is counted before the next."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._removing = ""
        self._free_bytes = 0
        self._total_bytes = 0

    def measured(self, event: DiskMeasured) -> None:
        self._free_bytes = event.free_bytes
        self._total_bytes = event.total_bytes
        self._go_on()

    def removed(self, event: SandboxRemoved) -> None:
        """Counted here, since some file systems show it only much later."""
        if event.key == self._removing:
            self._removing = ""
            self._free_bytes += event.freed_bytes
            self._go_on()

    def _go_on(self) -> None:
        if self._removing:
            return
        oldest = min(self._kept(), default=None)
        why = self._why_now(oldest[0]) if oldest is not None else ""
        if oldest is not None and why:
            self._remove(oldest[1], why)

    def _kept(self) -> Iterator[tuple[float, str]]:
        """When each ended, and its key."""
        for key, task in self._context.tasks.items():
            if task.is_ended and not task.sandbox_removed:
                yield _ended_at(task.latest), key
        for key, (_, value) in self._context.ended.items():
            if not value.sandbox_removed:
                yield _ended_at(value.latest), key

    def _why_now(self, ended_at: float) -> str:
        settings = self._context.settings
        age_s = self._context.now + settings.wall_offset_s - ended_at
        if age_s > settings.keep_ended_s:
            return f"the task ended more than {_duration(settings.keep_ended_s)} ago"
        percent = 100 * self._free_bytes / max(1, self._total_bytes)
        if percent < settings.min_free_percent and age_s >= settings.keep_least_s:
            return f"only {percent:.1f} % of the disk was free"
        return ""

    def _remove(self, key: str, why: str) -> None:
        context = self._context
        task: Task | None = context.tasks.get(key)
        if task is not None:
            task.sandbox_removed = why
            context.record_task(task)
        else:
            number, value = context.ended[key]
            context.record_ended(number, key, replace(value, sandbox_removed=why))
        self._removing = key
        context.do(RemoveSandbox(key))


def _ended_at(latest: TaskStatus) -> float:
    return latest.wall_time


def _duration(seconds: float) -> str:
    for length, name in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:g} {name}"
    return f"{seconds:g} s"
