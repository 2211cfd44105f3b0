"""The future of one call: a `concurrent.futures.Future` that can also stop its call."""

from concurrent.futures import Future
from typing import Any, Protocol

from .code_set import CodeSet
from .frames import Buffer
from .options import CallOptions
from .payloads import Function


class Calls(Protocol):
    """Who has the calls. Any thread may ask."""

    def cancel(self, call_id: int) -> None:
        """It was never started, and nobody wants it any more."""

    def kill(self, call_id: int) -> None:
        """Nobody wants it any more, wherever it is."""


class CallFuture(Future[Any]):
    """Carries its call to the thread that does the I/O."""

    def __init__(self, call_id: int, calls: Calls, options: CallOptions) -> None:
        super().__init__()
        self.call_id = call_id
        self.options = options
        self.function: Function | None = None
        self.arguments: Buffer = b""
        self.code: CodeSet | None = None
        self.is_started = False
        """It went to a worker at least once: only the first time may it be cancelled."""
        self.last_error: BaseException | None = None
        """What came of the last try, if another one follows."""
        self._is_settled = False
        self._calls = calls

    def cancel(self) -> bool:
        was_cancelled = self.cancelled()
        if not super().cancel():
            return False
        if not was_cancelled:
            self._calls.cancel(self.call_id)
        return True

    def kill(self) -> bool:
        """As `cancel`, and one that runs is ended with its process: it raises `CallKilledError`.

        False if it was done already.
        """
        if self.cancel():
            return True
        if self.done():
            return False
        self._calls.kill(self.call_id)
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
        self.code = None
        self.last_error = None
