"""How a driver learns that a worker's child has ended, and why.

Two things are heard, in either order: the connection from the child ends, and the service passes
on how the process ended. Answers still under way come before the end of the connection, so
nothing is decided before that; the reason is waited for, but not long.
"""

import asyncio
import signal
from collections.abc import Callable

from fairlead.common.resources import format_bytes

_REASON_S = 0.3
_CONNECTION_S = 2.0


class Endings:
    """Puts the two together; tells `lost` once for each connection that has ended."""

    def __init__(self, hang_up: Callable[[str], None], lost: Callable[[str, str], None]) -> None:
        self._hang_up = hang_up
        self._lost = lost
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reasons: dict[str, str] = {}

    def connection_ended(self, worker: str, *, reason_may_come: bool) -> None:
        if worker in self._reasons or not reason_may_come:
            self._settle(worker)
        else:
            self._wait(worker, _REASON_S, self._settle)

    def process_ended(self, worker: str, reason: str) -> None:
        is_disconnected = worker in self._timers
        if worker in self._reasons:  # the worker itself says better what the service guessed
            self._reasons[worker] = reason
            return
        self._reasons[worker] = reason
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
        self._lost(worker, self._reasons.pop(worker, "closed its connection"))

    def _force(self, worker: str) -> None:
        """The process has gone: whoever holds the connection open has no business there."""
        self._hang_up(worker)
        del self._timers[worker]
        self._reasons.pop(worker, None)


def describe_exit(code: int | None, peak_bytes: int) -> str:
    """How a process ended, to follow "the last one"; None if nobody saw it."""
    if code is None:
        return "was lost (killed from outside, or its agent went away)"
    peak = f" having used {format_bytes(peak_bytes)}" if peak_bytes else ""
    if code >= 0:
        return f"exited with code {code}{peak}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}{peak}"
