"""Virtual time: calls that happen at an instant, in order; equal instants in order of asking.

Everything in the simulator waits on this queue and on nothing else.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

Call = Callable[[], None]


@dataclass(slots=True)
class Timer:
    """A call that is still to come, or was cancelled."""

    when: float
    call: Call | None

    def cancel(self) -> None:
        self.call = None


class Clock:
    """The queue of what is to happen, and the time it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Timer]] = []
        self._count = 0

    def at(self, when: float, call: Call) -> Timer:
        """What is asked for the past happens now."""
        timer = Timer(max(when, self.now), call)
        self._count += 1
        heapq.heappush(self._queue, (timer.when, self._count, timer))
        return timer

    def after(self, delay: float, call: Call) -> Timer:
        return self.at(self.now + delay, call)

    def next_at(self) -> float:
        """When something may happen next."""
        return self._queue[0][0]

    def run_until(self, end: float) -> None:
        """Everything up to and including `end` happens; then it is `end`."""
        queue = self._queue
        while queue and queue[0][0] <= end:
            when, _, timer = heapq.heappop(queue)
            if timer.call is not None:
                self.now = when
                call, timer.call = timer.call, None
                call()
        self.now = max(self.now, end)
