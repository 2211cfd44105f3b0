"""The real batch service with real worker processes, but no cluster: workers are plain children."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from fairlead.frameworks.batch.keys import service_key
from fairlead.frameworks.batch.local import LocalWorkers
from fairlead.frameworks.batch.service import BatchService

TOKEN = "a token for tests"
PATIENCE_S = 20.0


class LocalBatch:
    """A service in a thread of its own, found through the home that the environment names."""

    def __init__(self, home: Path, workers: int, idle_s: float) -> None:
        self._home = home
        self._limit = workers
        self._idle_s = idle_s
        self.address = ""
        self.workers: LocalWorkers
        self.service: BatchService
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def start(self) -> None:
        token = self._home / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        self._thread.start()
        self._ready.result(PATIENCE_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def call(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """Run something in the service's loop."""

        async def run() -> Any:
            return await function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE_S)

    def restart_service(self) -> None:
        """A new service at the same address, which knows nothing yet."""

        async def restart() -> None:
            await self.service.stop()
            self.service = BatchService(self.workers, service_key(TOKEN), idle_s=self._idle_s)
            await self.workers.serve(self.service, int(self.address.rpartition(":")[2]))

        self.call(restart)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        key = service_key(TOKEN)
        self.workers = LocalWorkers(key, self._limit)
        self.service = BatchService(self.workers, key, idle_s=self._idle_s)
        try:
            self.address = await self.workers.serve(self.service)
            (self._home / "frameworks").mkdir()
            published = self._home / "frameworks" / "batch.json"
            published.write_text(json.dumps({"address": self.address}))
            self._ready.set_result(None)
            await self._stop.wait()
        finally:
            await self.service.stop()
            await self.workers.close()


@contextlib.contextmanager
def local_batch(home: Path, *, workers: int = 2, idle_s: float = 60.0) -> Iterator[LocalBatch]:
    batch = LocalBatch(home, workers, idle_s)
    batch.start()
    try:
        yield batch
    finally:
        batch.close()


def wait_until(what: str, holds: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.01)
