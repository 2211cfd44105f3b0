"""Beside the agent's loop: measures the disk, removes sandboxes that nobody keeps, rotates logs."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil

from .core import Agent
from .events import DiskMeasured, Event, SandboxRemoved
from .logs import Logs
from .removal import Removal
from .rotation_files import Rotation
from .sandboxes import list_sandboxes
from .settings import AgentSettings

_log = logging.getLogger(__name__)

SWEEP_S = 600.0


class Housekeeping:
    """Of one agent. What the core decides about it comes as orders to `remove`."""

    def __init__(
        self,
        root: Path,
        settings: AgentSettings,
        core: Agent,
        logs: Logs,
        tell: Callable[[Event], None],
    ) -> None:
        self._root = root
        self._settings = settings
        self._core = core
        self._tell = tell
        self._removal = Removal(root)
        self._rotation = Rotation(root, settings.log_limit_bytes, core.living, logs.position)
        self._orders: set[asyncio.Task[None]] = set()

    def jobs(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Each to run until it is cancelled."""
        rotate = self._rotation.run(self._core.sandboxes())
        return rotate, self._measure(), self._sweep()

    async def close(self) -> None:
        """What is being removed is left to the next agent."""
        self._removal.stop()
        await asyncio.gather(*self._orders, return_exceptions=True)

    def remove(self, key: str) -> None:
        """What the core has ordered, which never waits for it."""
        order = asyncio.create_task(self._remove(key))
        self._orders.add(order)
        order.add_done_callback(self._orders.discard)

    async def _remove(self, key: str) -> None:
        freed = 0
        try:
            freed = await asyncio.to_thread(self._removal.remove, key)
            _log.info("sandbox-removed key=%s freed_bytes=%d", key, freed)
        except OSError as error:
            _log.warning("sandbox-not-removed key=%s: %s", key, error)
        self._tell(SandboxRemoved(key, freed))

    async def _measure(self) -> None:
        while True:
            disk = await asyncio.to_thread(psutil.disk_usage, str(self._root))
            self._tell(DiskMeasured(disk.free, disk.used + disk.free))
            await asyncio.sleep(self._settings.disk_every_s)

    async def _sweep(self) -> None:
        """Of tasks that are not even listed any more, and what a crash has left."""
        while True:
            found = await asyncio.to_thread(list_sandboxes, self._root)
            wanted = self._core.sandboxes()
            frameworks = {key.partition("/")[0] for key in wanted}
            unwanted = [key for key in found if key not in wanted]
            try:
                await asyncio.to_thread(self._removal.remove_all, unwanted, frameworks)
                if unwanted:
                    _log.info("sandboxes-removed count=%d", len(unwanted))
            except OSError as error:
                _log.warning("sandboxes-not-removed: %s", error)
            await asyncio.sleep(SWEEP_S)
