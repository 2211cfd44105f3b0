"""The loop of a shell: events wait for their step of the core, and the core's deadlines for a Tick.

Master, agent and driver run one each. A step's time is when its event came, not when its turn did:
however long events wait, silence is judged by what had been received, and a flood delays no timeout
by more than the events that may wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from .events import Tick

E = TypeVar("E")

BREATH = 100
"""Steps in a row before the sockets are looked at again."""
MOST_WAITING = 10_000
"""Events that wait for their step; beyond it no session is read."""
PATIENCE_S = 0.05
"""How long, under a flood, a Tick waits for a moment in which no event does."""


class StepLoop(Generic[E]):
    """Bounded on the side of the sessions: they await `room` before they put anything in."""

    def __init__(
        self,
        step: Callable[[E | Tick, float], None],
        next_deadline: Callable[[], float | None],
        clock: Callable[[], float],
    ) -> None:
        self._step = step
        self._next_deadline = next_deadline
        self._clock = clock
        self._inbox: deque[tuple[float, E]] = deque()
        self._now = clock()
        self._is_over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def waiting(self) -> int:
        """How many events have not had their step yet."""
        return len(self._inbox)

    def put(self, event: E) -> None:
        """It has come now; its step comes in turn."""
        self._inbox.append((self._clock(), event))
        self._wake.set()
        if len(self._inbox) >= MOST_WAITING:
            self._has_room.clear()

    def put_from_outside(self, event: E) -> None:
        """The same, from whichever thread, also before the loop runs."""
        self._inbox.append((self._clock(), event))
        if self._loop is not None:
            # A loop that is closed has nobody left to tell.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    async def room(self) -> None:
        """Return when one more message may be put in; who waited longest comes first."""
        while not self._has_room.is_set():
            await self._has_room.wait()

    def end(self) -> None:
        """No step follows the one that runs."""
        self._is_over = True
        self._wake.set()

    async def run(self) -> None:
        """Until `end`."""
        self._loop = asyncio.get_running_loop()
        while not self._is_over:
            self._breathe()
            await asyncio.sleep(0)  # the sockets may have brought something
            if not self._inbox and not self._is_over:
                await self._rest()

    def _breathe(self) -> None:
        self._tick_if_late()
        for _ in range(BREATH):
            if not self._inbox or self._is_over:
                return
            came, event = self._inbox.popleft()
            # Not as soon as there is room for one, or every session would wake up for every step.
            if not self._has_room.is_set() and len(self._inbox) <= MOST_WAITING // 2:
                self._has_room.set()
            self._take(event, came)

    def _tick_if_late(self) -> None:
        """Events come without a pause, and this deadline was over before the next of them came."""
        if self._inbox:
            came, deadline = self._inbox[0][0], self._next_deadline()
            if deadline is not None and came - deadline > PATIENCE_S:
                self._take(Tick(), came)

    async def _rest(self) -> None:
        deadline, now = self._next_deadline(), self._clock()
        if deadline is not None and deadline <= now:
            self._take(Tick(), now)
            return
        self._wake.clear()
        if self._inbox or self._is_over:  # put in by another thread just now
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(None if deadline is None else deadline - now):
                await self._wake.wait()

    def _take(self, event: E | Tick, came: float) -> None:
        self._now = max(self._now, came)  # two threads may have put in the wrong order
        self._step(event, self._now)
