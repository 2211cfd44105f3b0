"""Between the batch service and its scheduler: workers are tasks obtained through offers."""

import asyncio
import logging

from fairlead.common.client import connect
from fairlead.common.errors import FairleadError
from fairlead.common.operators import StateQuery
from fairlead.common.resources import Resources
from fairlead.common.rpc import GET_STATE
from fairlead.common.values import Reason, TaskStatus
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.fits import why_never_fits

from .exits import Exit
from .scheduler import (
    BatchScheduler,
    WorkerAbsent,
    WorkerEnded,
    WorkerFrozen,
    WorkerPresent,
    WorkerReleased,
    WorkersFail,
    WorkersWanted,
)
from .service import BatchService
from .worker_logs import read_last_words

_log = logging.getLogger(__name__)

FIRST_LOOK_S, LONGEST_LOOK_S = 0.5, 10.0
"""After so long with workers missing it is asked whether any agent could hold one."""


def exit_of(status: TaskStatus, log: str = "") -> Exit:
    """What the end of a worker's task tells of the lease that ran in it."""
    if status.reason is Reason.MEMORY_LIMIT:
        return Exit(is_at_limit=True, said=f"ran {status.message}", log=log)
    said = f"was lost: its worker {status.message}" if status.message else ""
    return Exit(peak_bytes=status.max_rss_bytes, said=said)


class OfferedWorkers:
    """The `WorkerSource` of the service, and the `Service` of the driver: passes words on."""

    def __init__(self, where: Whereabouts) -> None:
        self._where = where
        self._looks: dict[Resources, asyncio.Task[None]] = {}
        self._autopsies: set[asyncio.Task[None]] = set()
        self._service: BatchService | None = None
        self._scheduler: BatchScheduler | None = None
        self._runner: FrameworkRunner | None = None

    def join(
        self, service: BatchService, scheduler: BatchScheduler, runner: FrameworkRunner
    ) -> None:
        """Said once, before anything else."""
        self._service, self._scheduler, self._runner = service, scheduler, runner

    async def close(self) -> None:
        tasks = [*self._looks.values(), *self._autopsies]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What the service says

    def want(self, size: Resources, count: int) -> None:
        self._feed(WorkersWanted(size, count))
        if count and size not in self._looks:
            self._looks[size] = asyncio.create_task(self._look(size))

    def joined(self, worker: str, size: Resources) -> None:
        self._feed(WorkerPresent(worker, size))

    def left(self, worker: str) -> None:
        self._feed(WorkerAbsent(worker))

    def release(self, worker: str) -> None:
        self._feed(WorkerReleased(worker))

    def kill(self, worker: str) -> None:
        self._feed(WorkerFrozen(worker))

    def _feed(self, event: object) -> None:
        assert self._runner is not None
        self._runner.feed(event)

    # What the scheduler says

    def perform(self, action: object) -> None:
        assert self._service is not None
        match action:
            case WorkerEnded(worker, status) if status.reason is Reason.MEMORY_LIMIT:
                autopsy = asyncio.create_task(self._tell_with_log(worker, status))
                self._autopsies.add(autopsy)
                autopsy.add_done_callback(self._autopsies.discard)
            case WorkerEnded(worker, status):
                self._service.worker_ended(worker, exit_of(status))
            case WorkersFail(size, message):
                self._service.size_unavailable(size, message)
            case _:
                raise AssertionError(f"no way to perform {action!r}")

    async def _tell_with_log(self, worker: str, status: TaskStatus) -> None:
        """A call went beyond the limit, and will want to know what it was doing."""
        assert self._service is not None
        log = await read_last_words(self._where, status)
        self._service.worker_ended(worker, exit_of(status, log))

    # Whether there is hope

    async def _look(self, size: Resources) -> None:
        """Whoever waits for workers that no agent could ever hold is told so."""
        assert self._scheduler is not None
        assert self._service is not None
        pause_s = FIRST_LOOK_S
        try:
            await asyncio.sleep(pause_s)
            while self._scheduler.missing(size):
                if trouble := await self._trouble(size):
                    self._service.size_unavailable(size, trouble)
                pause_s = min(2 * pause_s, LONGEST_LOOK_S)
                await asyncio.sleep(pause_s)
        finally:
            del self._looks[size]

    async def _trouble(self, size: Resources) -> str:
        try:
            address, token = self._where.find()
            async with connect(address, token, self._where.tls) as client:
                state = await client.call(GET_STATE, StateQuery())
        except FairleadError as error:
            _log.warning("cannot look for room: %s", error)
            return ""
        trouble = why_never_fits(size, state.agents)
        return f"a worker {trouble}" if trouble else ""
