"""The state that operators read: views serialised once when they change, shared by all readers.

No amount of polling costs the core anything: it only names what was touched. A protobuf message is
the concatenation of its parts, so the whole state is a header and the bytes of all views. What a
step made durable is shown when it is.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import assert_never

from fairlead.common import clock, wire
from fairlead.common.dataclass import dataclass
from fairlead.common.errors import UnavailableError
from fairlead.common.messages import Code, Goodbye
from fairlead.common.operators import (
    AgentView,
    FrameworkView,
    RoleView,
    StateQuery,
    StateReply,
    TaskView,
)
from fairlead.common.values import Offer

from .core import Master
from .views import View, all_keys, view

REFRESH_S = 0.1
PATIENCE_S = 5.0
"""A version that was promised is there by then, or something is wrong."""
MAX_TOUCHED = 10_000
"""What exceeds so many changes is worked off even if nobody reads:"""
SLICE = 20
"""so many for each step, which nobody notices."""
MAX_BEHIND = 50
"""A watcher that is so many changes behind is dropped."""


@dataclass(frozen=True, slots=True)
class Show:
    """What a step has recorded is durable: the shell's order to itself, behind those Records."""


class Publisher:
    """One snapshot for everybody, at most every REFRESH_S."""

    def __init__(self, core: Master) -> None:
        self._core = core
        self._views = {
            key: _encode(v) for key in all_keys(core.books) if (v := view(core.books, key))
        }
        self._version = core.version
        self._withheld: deque[tuple[int, Mapping[str, None]]] = deque()
        """Versions that are not durable yet, and what they changed."""
        self._late: dict[str, None] = {}
        """Changed, and withheld when the others were shown."""
        self._refreshed = clock.monotonic()
        self._whole: bytes | None = None
        self._watchers: dict[asyncio.Queue[bytes | None], None] = {}
        self._refresher: asyncio.TimerHandle | None = None

    def withhold(self) -> Show:
        """The core has made a step that records something: it is shown once this is performed."""
        self._withheld.append((self._core.version, self._core.touched_last))
        return Show()

    def show(self) -> None:
        """The oldest of what is withheld is durable."""
        self._withheld.popleft()
        self.changed()

    def changed(self) -> None:
        """The core has made a step."""
        if self._is_current():
            return
        if not self._watchers:
            if self._core.touched > MAX_TOUCHED:
                self._encode_all(self._core.take_touched(SLICE))
        elif self._refresher is None:
            wait_s = max(0.0, self._refreshed + REFRESH_S - clock.monotonic())
            self._refresher = asyncio.get_running_loop().call_later(wait_s, self._refresh)

    async def state(self, query: StateQuery) -> bytes:
        """The whole state, no older than asked for and never older than REFRESH_S."""
        deadline = clock.monotonic() + PATIENCE_S
        while True:
            wait_s = self._refreshed + REFRESH_S - clock.monotonic()
            if wait_s <= 0:
                self._refresh()
            if self._version >= query.at_least and (wait_s > 0 or self._is_current()):
                return self._snapshot()
            if clock.monotonic() > deadline:
                have = f"only {self._version} is known"
                raise UnavailableError(f"no state of version {query.at_least} yet: {have}")
            await asyncio.sleep(max(wait_s, 0.01))

    async def watch(self, query: StateQuery) -> AsyncIterator[bytes]:
        """The whole state, then every change, without a gap; a slow reader is dropped."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_BEHIND)
        whole = await self.state(query)
        self._watchers[queue] = None
        try:
            yield whole
            self.changed()
            while (delta := await queue.get()) is not None:
                yield delta
            message = f"more than {MAX_BEHIND} changes behind: ask again"
            yield wire.encode(self._header(goodbye=Goodbye(Code.SLOW_CONSUMER, message)))
        finally:
            self._watchers.pop(queue, None)

    def _is_current(self) -> bool:
        return self._version == self._newest()

    def _newest(self) -> int:
        """The version that may be shown."""
        if not self._withheld:
            return self._core.version
        return max(self._version, self._withheld[0][0] - 1)

    def _snapshot(self) -> bytes:
        if self._whole is None:
            header = wire.encode(self._header(is_whole=True))
            self._whole = header + b"".join(self._views.values())
        return self._whole

    def _header(
        self,
        *,
        is_whole: bool = False,
        removed: tuple[str, ...] = (),
        goodbye: Goodbye | None = None,
    ) -> StateReply:
        core = self._core
        return StateReply(
            self._version, core.epoch, core.cluster_id, is_whole, removed=removed, goodbye=goodbye
        )

    def _refresh(self) -> None:
        if self._refresher is not None:
            self._refresher.cancel()
            self._refresher = None
        self._refreshed = clock.monotonic()
        self._version = self._newest()
        changed, removed = self._encode_all({**self._late, **self._core.take_touched()})
        if self._watchers and (changed or removed):
            header = wire.encode(self._header(removed=tuple(removed)))
            self._tell(header + b"".join(changed))

    def _encode_all(self, keys: Mapping[str, None]) -> tuple[list[bytes], list[str]]:
        """The views under these keys as they are now, and the keys of those that are no more."""
        self._whole = None
        withheld = {key for _, touched in self._withheld for key in touched}
        changed, removed = [], []
        for key in keys:
            self._late.pop(key, None)
            if key in withheld:
                self._late[key] = None
            elif (found := view(self._core.books, key)) is not None:
                self._views[key] = _encode(found)
                changed.append(self._views[key])
            elif self._views.pop(key, None) is not None:
                removed.append(key)
        return changed, removed

    def _tell(self, delta: bytes) -> None:
        for queue in tuple(self._watchers):
            try:
                queue.put_nowait(delta)
            except asyncio.QueueFull:
                del self._watchers[queue]
                while not queue.empty():  # with a gap in it the rest would mislead
                    queue.get_nowait()
                queue.put_nowait(None)


def _encode(found: View) -> bytes:
    """The view as a part of a StateReply whose other fields are empty."""
    part = StateReply(0, 0, "", is_whole=False)
    match found:
        case AgentView():
            part = StateReply(0, 0, "", is_whole=False, agents=(found,))
        case FrameworkView():
            part = StateReply(0, 0, "", is_whole=False, frameworks=(found,))
        case TaskView():
            part = StateReply(0, 0, "", is_whole=False, tasks=(found,))
        case RoleView():
            part = StateReply(0, 0, "", is_whole=False, roles=(found,))
        case Offer():
            part = StateReply(0, 0, "", is_whole=False, offers=(found,))
        case _:
            assert_never(found)
    return wire.encode(part)
