"""The thread behind an Executor, and the inbox through which other threads talk to it.

Futures are completed in this thread, and their callbacks run in it.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import FairleadError
from fairlead.common.resources import Resources

from .call_events import Call, KillRequested
from .errors import ServiceLostError
from .future import CallFuture
from .job import Job
from .locate import Service

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that was expected cannot be made."""

    call_id: int
    error: BaseException


class Driver:
    """Runs one `Job`. Every public method may be called by any thread."""

    def __init__(self, service: Service, size: Resources, max_workers: int) -> None:
        self._stop_service = service.stop
        self._make_job: Callable[[], Job] = lambda: Job(service, size, max_workers)
        self._job: Job | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: deque[Call | CallFuture | Refused | KillRequested | int] = deque()
        """Calls submitted, futures whose calls come later or never, ids of calls cancelled."""
        self._is_awake = False
        self._is_closing = False
        self._cancels_queued = False
        self._abandons = False
        self._ready: Future[None] = Future()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="fairlead-executor")

    def start(self) -> None:
        """Returns when the service has welcomed us; else raises why it did not."""
        _living.add(self)
        try:
            self._thread.start()
            self._ready.result()
        except KeyboardInterrupt:
            self.close(abandon=True)
            raise

    @property
    def broken(self) -> FairleadError | None:
        """Why no call can be done any more."""
        return self._job.broken if self._job is not None else None

    @property
    def is_closing(self) -> bool:
        """Nothing may be submitted any more."""
        return self._is_closing

    @property
    def is_copy(self) -> bool:
        """This process is a fork of the one that has the thread."""
        return os.getpid() != self._pid

    def submit(self, call: Call) -> None:
        self._inbox.append(call)
        if not self._is_awake:
            self._wake()

    def expect(self, future: CallFuture) -> None:
        """Its call will be submitted, or fail, or be cancelled, later: do not end before."""
        self._inbox.append(future)
        self._wake()

    def fail(self, call_id: int, error: BaseException) -> None:
        """What was expected will not come."""
        self._inbox.append(Refused(call_id, error))
        self._wake()

    def cancel(self, call_id: int) -> None:
        self._inbox.append(call_id)
        self._wake()

    def kill(self, call_id: int) -> None:
        self._inbox.append(KillRequested(call_id))
        self._wake()

    def close(self, *, cancel_queued: bool = False, abandon: bool = False) -> None:
        """Finish what was submitted, or is running, then end. Nothing is submitted after this.

        With `abandon` nothing is finished: what runs is ended.
        """
        self._is_closing = True
        self._cancels_queued |= cancel_queued
        self._abandons |= abandon
        self._wake()

    def join(self) -> None:
        """Wait until everything has ended."""
        self._thread.join()

    def let_go(self) -> None:
        """In a forked copy: the connections belong to the original."""
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in self._job.filenos() if self._job is not None else ():
            if descriptor >= 0:
                # The number stays taken, so that closing the socket later harms nobody else.
                os.dup2(null, descriptor, inheritable=False)
        os.close(null)

    def _wake(self) -> None:
        self._is_awake = True
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                logger.debug("batch.driver_has_ended")

    # The thread

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  (whoever waits must hear of it)
            self._on_failed(error)
        finally:
            _living.discard(self)
            self._stop_service()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._job = self._make_job()
        try:
            await self._job.start()
            self._ready.set_result(None)
            self._drain()  # somebody may have closed us before there was a loop to wake
            await self._job.wait_finished()
        finally:
            await self._job.stop()

    def _drain(self) -> None:
        self._is_awake = False
        assert self._job is not None
        calls: list[Call] = []
        cancelled: list[int] = []
        kills: list[KillRequested] = []
        while self._inbox:
            item = self._inbox.popleft()
            if isinstance(item, Call):
                calls.append(item)
            elif isinstance(item, CallFuture):
                self._job.expect(item)
            elif isinstance(item, Refused):
                self._job.refuse(item.call_id, item.error)
            elif isinstance(item, KillRequested):
                kills.append(item)
            else:
                cancelled.append(item)
        if calls or cancelled:
            self._job.take(calls, cancelled)
        for kill in kills:
            self._job.kill(kill)
        if self._is_closing and not self._inbox:
            self._job.close(cancel_queued=self._cancels_queued, abandon=self._abandons)

    def _on_failed(self, error: BaseException) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
            return
        logger.error("batch.driver_failed", exc_info=error)
        if self._job is not None:
            self._job.fail_all(ServiceLostError(f"the executor's thread failed: {error!r}"))


_living: weakref.WeakSet[Driver] = weakref.WeakSet()


def _end_all() -> None:
    """At the interpreter's end: what was submitted is still done, as the standard library does.

    Unless Ctrl-C is why it ends. The standard library's workers hear that themselves.
    """
    drivers = list(_living)
    for driver in drivers:
        driver.close(abandon=getattr(sys, "last_type", None) is KeyboardInterrupt)
    for driver in drivers:
        with contextlib.suppress(RuntimeError):  # Ctrl-C came just before its thread was there
            driver.join()


def _let_all_go() -> None:
    for driver in list(_living):
        driver.let_go()
    _living.clear()


# The only hook that runs before threads are joined; `concurrent.futures` uses it for the same.
threading._register_atexit(_end_all)  # type: ignore[attr-defined]  # noqa: SLF001
os.register_at_fork(after_in_child=_let_all_go)
