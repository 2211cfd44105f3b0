"""Calls that are to be tried again, but not yet."""

from heapq import heappop, heappush

from .call_events import Call


class Pauses:
    """By when each is over."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._times: list[tuple[float, int]] = []
        """A heap, with the ids of some that were taken out meanwhile."""

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, call: Call, until: float) -> None:
        self._calls[call.id] = call
        heappush(self._times, (until, call.id))

    def take(self, call_id: int) -> Call:
        call = self._calls.pop(call_id)
        if not self._calls:
            self._times.clear()
        return call

    def calls(self) -> list[Call]:
        return list(self._calls.values())

    def over(self, now: float) -> list[Call]:
        """Take out those that have paused long enough."""
        calls = []
        while self._times and self._times[0][0] <= now:
            call = self._calls.pop(heappop(self._times)[1], None)
            if call is not None:
                calls.append(call)
        return calls

    @property
    def next_time(self) -> float | None:
        return self._times[0][0] if self._times else None
