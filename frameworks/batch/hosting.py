"""The batch service in a cluster: its workers are tasks obtained through offers.

Joins the service, its scheduler and the driver in one event loop. The service keeps its port from
one life to the next, so that workers and leases outlive it.
"""

import asyncio
import functools
import json
import logging
import uuid
from pathlib import Path

from fairlead.common.client import connect
from fairlead.common.errors import ConfigError, FairleadError
from fairlead.common.home import Home
from fairlead.common.messages import StateQuery
from fairlead.common.resources import Resources
from fairlead.common.rpc import GET_STATE
from fairlead.frameworks.commands.fits import why_never_fits
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.identity import Identity

from .keys import service_key
from .launch import worker_task
from .locate import published_address
from .scheduler import NAME, BatchScheduler, WorkerEnded, WorkerReleased, WorkersWanted
from .service import BatchService

_log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""After so long without an offer for a size it is asked whether any agent could hold it."""


class OfferedWorkers:
    """A `WorkerSource`, and the `Service` of the driver: passes words between the two."""

    def __init__(self, where: Whereabouts) -> None:
        self._where = where
        self._checks: dict[Resources, asyncio.Task[None]] = {}
        self.runner: FrameworkRunner | None = None
        self.service: BatchService | None = None
        self.scheduler: BatchScheduler | None = None

    def want(self, size: Resources, count: int) -> None:
        assert self.runner is not None
        self.runner.feed(WorkersWanted(size, count))
        if count and size not in self._checks:
            self._checks[size] = asyncio.create_task(self._check(size))

    def release(self, worker: str) -> None:
        assert self.runner is not None
        self.runner.feed(WorkerReleased(worker))

    def perform(self, action: object) -> None:
        assert isinstance(action, WorkerEnded), action
        assert self.service is not None
        self.service.worker_ended(action.worker)

    async def close(self) -> None:
        checks = list(self._checks.values())
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)

    async def _check(self, size: Resources) -> None:
        """Whoever waits for workers that no agent could ever hold is told so."""
        assert self.scheduler is not None
        assert self.service is not None
        try:
            await asyncio.sleep(PATIENCE_S)
            if not self.scheduler.missing(size):
                return
            address, token = self._where.find()
            async with connect(address, token) as client:
                state = await client.call(GET_STATE, StateQuery())
            if trouble := why_never_fits(size, state.agents):
                self.service.size_unavailable(size, f"a worker {trouble}")
        except FairleadError as error:
            _log.warning("cannot look for room: %s", error)
        finally:
            del self._checks[size]


async def host(home: Home, master: str, stop: asyncio.Event) -> int:
    """The batch framework of this home, until told to stop; an exit code."""
    where = Whereabouts(home, master)
    key = service_key(home.token())
    workers = OfferedWorkers(where)
    service = BatchService(workers, key)
    address = await _listen(service, home)
    make = functools.partial(worker_task, address, key)
    scheduler = BatchScheduler(address, uuid.uuid4().hex[:8], make)
    runner = FrameworkRunner(scheduler, where, service=workers, identity=Identity.of(home, NAME))
    workers.runner, workers.service, workers.scheduler = runner, service, scheduler
    stopper = asyncio.create_task(_stop(stop, runner))
    _publish(home, address)
    try:
        return await runner.run()
    finally:
        stopper.cancel()
        await workers.close()
        await service.stop()


async def _stop(stop: asyncio.Event, runner: FrameworkRunner) -> None:
    await stop.wait()
    runner.stop("told to end")


async def _listen(service: BatchService, home: Home) -> str:
    """On the port of the life before, if it is still free."""
    before = published_address(home)
    if before is not None:
        try:
            return await service.start(port=int(before.rpartition(":")[2]))
        except (OSError, ConfigError, ValueError):
            _log.warning("cannot listen on %s again: drivers and workers have to look", before)
    return await service.start()


def _publish(home: Home, address: str) -> None:
    path = home.path / "frameworks" / "batch.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = Path(f"{path}.draft")
    draft.write_text(json.dumps({"address": address}), encoding="utf-8")
    draft.replace(path)
