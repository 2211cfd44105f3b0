"""How a program comes to rest before it is frozen: by a file in its sandbox.

Told to with a signal, it gives up its devices, makes the file `at-rest` and waits until that is
gone; so while the file is there, it is at rest. Who follows this is told in `docs/isolation.md`.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import LaunchUuid

from .sandboxes import opened

AT_REST = "at-rest"
LOOK_AGAIN_S = 0.003
LATE_S = 0.1


@dataclass(frozen=True, slots=True)
class RestingPlace:
    """The file of one sandbox, found without following a link that its task may have made."""

    root: Path
    key: str

    @classmethod
    def of(cls, sandbox: str) -> "RestingPlace":
        path = Path(sandbox)
        return cls(path.parent, path.name)

    def is_taken(self) -> bool:
        with suppress(OSError), opened(self.root, self.key) as directory:
            os.stat(AT_REST, dir_fd=directory, follow_symlinks=False)
            return True
        return False

    def leave(self) -> None:
        """Let it go on. What the program made there that is no file, it has to see to itself."""
        with suppress(OSError), opened(self.root, self.key) as directory:
            os.unlink(AT_REST, dir_fd=directory)

    async def come(self, ask: Callable[[], Awaitable[None]], wait_s: float) -> None:
        """Until it is at rest, or the time is over. Who is already is not asked again: that was an
        agent before us.
        """
        if self.is_taken():
            return
        await ask()
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN_S)
            if self.is_taken():
                return


class Latecomers:
    """Programs that run, and may come to rest although nobody waits for it any more: because they
    were frozen, or let alone, before they got there. They are sent on.
    """

    def __init__(self) -> None:
        self._places: dict[LaunchUuid, RestingPlace] = {}
        self._watching: asyncio.Task[None] | None = None

    def expect(self, uuid: LaunchUuid, place: RestingPlace) -> None:
        self._places[uuid] = place
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    def forget(self, uuid: LaunchUuid) -> None:
        self._places.pop(uuid, None)

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            for place in self._places.values():
                place.leave()
            await asyncio.sleep(LATE_S)
