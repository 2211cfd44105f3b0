"""How a driver learns that a worker's child has ended, and why.

Two things are heard, in either order: the connection from the child ends, and the service passes
on how the process ended. Answers still under way come before the end of the connection, so
nothing is decided before that; the reason is waited for, but not long.
"""

import asyncio
from collections.abc import Callable

from .exits import Exit

_REASON_S = 1.0
"""A worker's own end is told by its agent, the master and the service, one after the other."""
_CONNECTION_S = 2.0


class Endings:
    """Puts the two together; tells `lost` once for each connection that has ended."""

    def __init__(self, hang_up: Callable[[str], bool], lost: Callable[[str, Exit], None]) -> None:
        self._hang_up = hang_up
        self._lost = lost
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._exits: dict[str, Exit] = {}

    def connection_ended(self, worker: str, *, reason_may_come: bool) -> None:
        if worker in self._exits or not reason_may_come:
            self._settle(worker)
        else:
            self._wait(worker, _REASON_S, self._settle)

    def process_ended(self, worker: str, how: Exit) -> None:
        is_disconnected = worker in self._timers
        if worker in self._exits:  # the worker itself says better what the service guessed
            self._exits[worker] = how
            return
        self._exits[worker] = how
        if is_disconnected:
            self._settle(worker)
        else:
            self._wait(worker, _CONNECTION_S, self._force)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def _wait(self, worker: str, seconds: float, then: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self._timers[worker] = loop.call_later(seconds, then, worker)

    def _settle(self, worker: str) -> None:
        timer = self._timers.pop(worker, None)
        if timer is not None:
            timer.cancel()
        self._lost(worker, self._exits.pop(worker, Exit(said="closed its connection")))

    def _force(self, worker: str) -> None:
        """The process has gone: whoever holds the connection open has no business there."""
        del self._timers[worker]
        if not self._hang_up(worker):
            del self._exits[worker]
