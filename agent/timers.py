"""What is to be looked at again, and when: a heap with one deadline per key.

Moving a deadline later costs nothing, since the older entry only makes us look once in vain.
"""

import heapq

Key = tuple[str, str]
"""What kind of deadline, and whose."""


class Timers:
    """Deadlines on the core's clock, in the order in which they come."""

    def __init__(self) -> None:
        self._deadlines: dict[Key, float] = {}
        self._queued: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []

    def set(self, kind: str, whose: str, at: float) -> None:
        """Replaces the deadline that this key had."""
        key = (kind, whose)
        self._deadlines[key] = at
        if key not in self._queued or at < self._queued[key]:
            self._queued[key] = at
            heapq.heappush(self._heap, (at, key))

    def cancel(self, kind: str, whose: str = "") -> None:
        self._deadlines.pop((kind, whose), None)

    def get(self, kind: str, whose: str = "") -> float | None:
        return self._deadlines.get((kind, whose))

    def first(self) -> float | None:
        """The next deadline, or None."""
        while self._heap:
            at, key = self._heap[0]
            deadline = self._deadlines.get(key)
            if deadline == at:
                return at
            heapq.heappop(self._heap)
            if self._queued.get(key) == at:
                del self._queued[key]
                if deadline is not None:
                    self.set(*key, deadline)
        return None

    def pop_due(self, now: float) -> Key | None:
        """The first key whose time has come, which then has no deadline any more."""
        first = self.first()
        if first is None or first > now:
            return None
        _, key = heapq.heappop(self._heap)
        if self._queued.get(key) == first:
            del self._queued[key]
        del self._deadlines[key]
        return key
