"""The future of one call: a `concurrent.futures.Future` that can take its call out of the queue."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from .frames import Buffer
from .payloads import Function


class CallFuture(Future[Any]):
    """Carries its call to the thread that does the I/O."""

    def __init__(self, call_id: int, on_cancel: Callable[[int], None]) -> None:
        super().__init__()
        self.call_id = call_id
        self.function: Function | None = None
        self.arguments: Buffer = b""
        self.is_started = False
        """It went to a worker at least once: only the first time may it be cancelled."""
        self._is_settled = False
        self._on_cancel = on_cancel

    def cancel(self) -> bool:
        was_cancelled = self.cancelled()
        if not super().cancel():
            return False
        if not was_cancelled:
            self._on_cancel(self.call_id)
        return True

    def start(self) -> bool:
        """Just before it is sent: False if it was cancelled in time. The answer stays the same."""
        if not self._is_settled:
            self._is_settled = True
            self.is_started = self.set_running_or_notify_cancel()
        return self.is_started

    def forget_call(self) -> None:
        """The outcome is known: free what it took to get it."""
        self.function = None
        self.arguments = b""
