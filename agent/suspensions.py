"""Suspends, resumes and resizes containers at the core's orders, alike over every containerizer.

Orders for one container are carried out one after the other, those for others never wait. To resume
ends a suspend that is under way; the end of the container ends them all, and is told by itself.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ContainerError
from fairlead.common.ids import GpuId, LaunchUuid
from fairlead.common.values import Reason

from .at_rest import Latecomers, RestingPlace
from .containerizer import Containerizer
from .events import (
    ContainerNotResumed,
    ContainerNotSuspended,
    ContainerResumed,
    ContainerSuspended,
    ContainerUpdated,
    Event,
    ResumeContainer,
    SuspendContainer,
    UpdateContainer,
)
from .gpu_release import unreleased
from .gpus import GpuBackend

_log = logging.getLogger(__name__)

AGAIN_S = 1.0

Order = SuspendContainer | ResumeContainer | UpdateContainer


@dataclass(frozen=True, slots=True)
class _Job:
    order: Order
    task: asyncio.Task[None]


class Suspensions:
    """`pids` are the main processes of all that run; who is not among them has ended."""

    def __init__(
        self,
        gpus: GpuBackend,
        pids: Mapping[LaunchUuid, int],
        tell: Callable[[Event], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._gpus = gpus
        self._pids = pids
        self._tell = tell
        self._fail = fail
        self._jobs: dict[LaunchUuid, list[_Job]] = {}
        self._latecomers = Latecomers()

    def perform(self, containerizer: Containerizer, order: Order) -> None:
        """One that is under way already is not begun again: it will be told of."""
        jobs = self._jobs.setdefault(order.launch_uuid, [])
        if jobs and jobs[-1].order == order and not jobs[-1].task.done():
            return
        if isinstance(order, ResumeContainer):
            for job in jobs:
                if isinstance(job.order, SuspendContainer):
                    job.task.cancel()
        before = [job.task for job in jobs]
        job = _Job(order, asyncio.create_task(self._carry_out(containerizer, order, before)))
        jobs.append(job)
        job.task.add_done_callback(lambda _task: self._done(job))

    def expect(self, uuid: LaunchUuid, sandbox: str) -> None:
        """It runs, and was suspended or about to be before this agent began."""
        self._latecomers.expect(uuid, RestingPlace.of(sandbox))

    def cancel(self, uuid: LaunchUuid) -> None:
        """It has ended, or is being destroyed."""
        self._latecomers.forget(uuid)
        for job in self._jobs.get(uuid, ()):
            job.task.cancel()

    async def close(self) -> None:
        """What is under way is left as it is; the next agent's core orders it again."""
        tasks = [job.task for jobs in self._jobs.values() for job in jobs]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._latecomers.close()

    def _done(self, job: _Job) -> None:
        jobs = self._jobs[job.order.launch_uuid]
        jobs.remove(job)
        if not jobs:
            del self._jobs[job.order.launch_uuid]
        if not job.task.cancelled() and (error := job.task.exception()) is not None:
            self._fail(error)

    async def _carry_out(
        self, containerizer: Containerizer, order: Order, before: list[asyncio.Task[None]]
    ) -> None:
        if before:
            await asyncio.wait(before)
        if order.launch_uuid not in self._pids:
            return
        match order:
            case SuspendContainer():
                told = await self._suspend(containerizer, order)
            case ResumeContainer():
                told = await self._resume(containerizer, order)
            case UpdateContainer():
                told = await self._update(containerizer, order)
        _log.info("container-order-done %s", told)
        self._tell(told)

    async def _suspend(self, containerizer: Containerizer, order: SuspendContainer) -> Event:
        uuid = order.launch_uuid
        self._latecomers.forget(uuid)
        place = RestingPlace.of(order.sandbox)
        try:
            if order.signum:
                await place.come(lambda: containerizer.signal(uuid, order.signum), order.wait_s)
            await containerizer.suspend(uuid)
            self._gpus.suspend(self._pids[uuid])
            problem = await self._kept(containerizer, uuid, order.gpu_ids)
            reason = Reason.GPU_NOT_RELEASED
        except ContainerError as error:
            problem, reason = error.message, Reason.OPERATION_FAILED
        if not problem:
            return ContainerSuspended(uuid)
        await self._undo(containerizer, uuid, place)
        return ContainerNotSuspended(uuid, reason, problem)

    async def _undo(
        self, containerizer: Containerizer, uuid: LaunchUuid, place: RestingPlace
    ) -> None:
        """As often as it takes: nobody may be told that it runs as long as it does not."""
        while True:
            try:
                await containerizer.resume(uuid)
            except ContainerError as error:
                _log.warning("container-not-resumed launch=%s: %s", uuid, error.message)
                await asyncio.sleep(AGAIN_S)
            else:
                return self._goes_on(uuid, place)

    async def _resume(self, containerizer: Containerizer, order: ResumeContainer) -> Event:
        uuid = order.launch_uuid
        try:
            await containerizer.resume(uuid)
        except ContainerError as error:
            return ContainerNotResumed(uuid, error.message)
        self._goes_on(uuid, RestingPlace.of(order.sandbox))
        return ContainerResumed(uuid)

    def _goes_on(self, uuid: LaunchUuid, place: RestingPlace) -> None:
        if uuid in self._pids:
            self._gpus.resume(self._pids[uuid])
            place.leave()
            self._latecomers.expect(uuid, place)

    async def _update(self, containerizer: Containerizer, order: UpdateContainer) -> Event:
        uuid = order.launch_uuid
        try:
            problem = await self._kept(containerizer, uuid, order.gpu_ids)
            if not problem:
                await containerizer.update(uuid, order.limits)
        except ContainerError as error:
            problem = error.message
        return ContainerUpdated(uuid, problem, order.token)

    async def _kept(
        self, containerizer: Containerizer, uuid: LaunchUuid, gpu_ids: Collection[GpuId]
    ) -> str:
        """In words, what it still holds of devices that it is to have given up."""
        if not gpu_ids:
            return ""
        return await unreleased(self._gpus, await containerizer.pids(uuid), gpu_ids)
