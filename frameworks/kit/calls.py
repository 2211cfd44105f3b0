"""The calls of a session that wait for their results, and the kills that outlive it."""

from dataclasses import replace

from fairlead.common.ids import CallId, TaskId
from fairlead.common.messages import FrameworkBody, Kill


class Calls:
    """Numbers calls; remembers each until its one result comes, or its session ends."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: dict[CallId, tuple[FrameworkBody, bool]] = {}

    def new(self, body: FrameworkBody, *, is_ours: bool) -> CallId:
        """`is_ours`: the driver's own, whose refusal is not the scheduler's business."""
        self._last += 1
        call_id = CallId(f"c{self._last}")
        self._waiting[call_id] = body, is_ours
        return call_id

    def answered(self, call_id: CallId) -> tuple[FrameworkBody, bool] | None:
        return self._waiting.pop(call_id, None)

    def waits(self, kind: type) -> bool:
        return any(isinstance(body, kind) for body, _ in self._waiting.values())

    def clear(self) -> None:
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)


class Kills:
    """What the scheduler wants dead: said again after each reconnect until it is."""

    def __init__(self) -> None:
        self._wanted: dict[TaskId, Kill] = {}
        self._unsaid: dict[TaskId, None] = {}

    def want(self, kill: Kill, *, said: bool) -> None:
        """A shorter grace is never lengthened; the signal is that of the last."""
        known = self._wanted.get(kill.task_id)
        if not said:
            self._unsaid[kill.task_id] = None
        if known is not None and _is_shorter(known, kill):
            kill = replace(kill, grace_s=known.grace_s)
        self._wanted[kill.task_id] = kill

    def forget(self, task_id: TaskId) -> None:
        self._wanted.pop(task_id, None)
        self._unsaid.pop(task_id, None)

    def take_all(self) -> list[tuple[Kill, bool]]:
        """Each kill, and whether it is said for the first time."""
        kills = [(kill, kill.task_id in self._unsaid) for kill in self._wanted.values()]
        self._unsaid.clear()
        return kills

    def __contains__(self, task_id: TaskId) -> bool:
        return task_id in self._wanted


def _is_shorter(known: Kill, other: Kill) -> bool:
    if known.grace_s is None or other.grace_s is None:
        return False
    return known.grace_s < other.grace_s
