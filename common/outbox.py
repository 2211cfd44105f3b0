"""The one way out of a shell: actions leave in the order in which the core gave them, and none
passes a Record that is not durable yet.

Master, agent and driver push what `core.step` returned. The Records of a push are handed to the
store at once, as one commit, so that the store's thread can group those of many steps; the
actions behind them wait, and nothing else does. Whatever fails here is final: nothing more leaves.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from .dataclass import dataclass
from .events import Record

Change = tuple[str, bytes | None]


class Committer(Protocol):
    """The part of a store that an outbox needs; calls back from whichever thread."""

    def commit(
        self, changes: Sequence[Change], on_done: Callable[[BaseException | None], None]
    ) -> None: ...


class Loop(Protocol):
    """The part of an event loop that an outbox needs."""

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object: ...


@dataclass(slots=True)
class _Barrier:
    """Stands in the queue for the Records of one push."""

    is_durable: bool = False


class Outbox:
    """A FIFO of actions in which a Record is a barrier."""

    def __init__(
        self,
        perform: Callable[[object], None],
        encode: Callable[[Record], Change],
        store: Committer,
        loop: Loop,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._perform = perform
        self._encode = encode
        self._store = store
        self._loop = loop
        self._on_failure = on_failure
        self._waiting: deque[object] = deque()
        self._is_performing = False
        self._failure: BaseException | None = None
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def pending(self) -> int:
        """How many actions wait, barriers counted."""
        return len(self._waiting)

    @property
    def failure(self) -> BaseException | None:
        return self._failure

    def push(self, actions: Iterable[object]) -> None:
        """Perform these, behind all that was pushed before; at once if no Record stands between.

        May be called from within `perform`; those actions come behind the ones already pushed.
        """
        if self._failure is not None:
            return
        changes: list[Change] = []
        barrier = _Barrier()
        try:
            for action in actions:
                if not isinstance(action, Record):
                    self._waiting.append(action)
                    continue
                if not changes:
                    self._waiting.append(barrier)
                changes.append(self._encode(action))
            if changes:
                self._commit(changes, barrier)
        except Exception as error:  # noqa: BLE001 - final, whatever it is
            self._fail(error)
        self._advance()

    async def drain(self, timeout_s: float) -> None:
        """Return when everything pushed has been performed; raise what made that impossible."""
        try:
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        except TimeoutError:
            raise TimeoutError(
                f"{self.pending} actions still wait for the disk after {timeout_s} s"
            ) from None
        if self._failure is not None:
            raise self._failure

    def _commit(self, changes: Sequence[Change], barrier: _Barrier) -> None:
        def on_done(error: BaseException | None) -> None:
            # The loop may be closed by the time the disk has answered; then nobody waits.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(lambda: self._committed(barrier, error))

        self._store.commit(changes, on_done)

    def _committed(self, barrier: _Barrier, error: BaseException | None) -> None:
        if error is not None:
            self._fail(error)
        else:
            barrier.is_durable = True
            self._advance()

    def _advance(self) -> None:
        """Perform from the front, up to the first Record that is not durable."""
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while self._waiting and self._failure is None:
                head = self._waiting[0]
                if isinstance(head, _Barrier):
                    if not head.is_durable:
                        break
                    self._waiting.popleft()
                    continue
                self._waiting.popleft()
                self._perform(head)
        except Exception as error:  # noqa: BLE001 - final, whatever it is
            self._fail(error)
        finally:
            self._is_performing = False
        if self._waiting:
            self._settled.clear()
        else:
            self._settled.set()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            self._waiting.clear()
            self._settled.set()
            self._on_failure(error)
