"""Carries out the core's orders on a containerizer, and turns what comes of them into events."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.common.errors import ContainerError
from fairlead.common.ids import GpuId, LaunchUuid
from fairlead.common.resources import Resources
from fairlead.common.values import AgentTask, Reason, TaskState, Usage

from .containerizer import ContainerExit, Containerizer, LaunchSpec
from .environment import environment_of
from .events import (
    ContainerExited,
    ContainerNotStarted,
    ContainerStarted,
    DestroyContainer,
    Event,
    ForgetContainer,
    Recovered,
    ResumeContainer,
    SignalContainer,
    StartContainer,
    SuspendContainer,
    UpdateContainer,
)
from .gpus import GpuBackend
from .limits import limits_of
from .sandboxes import check_inside
from .suspensions import Suspensions

_log = logging.getLogger(__name__)

STARTS_AT_ONCE = 32
"""More would only wait for one another in the launcher."""
PROCESSES = 4096
"""And threads, that one task may have: a mistake costs no more than this."""
WAS_SUSPENDED = (Reason.TASK_RESUMED, Reason.GPU_NOT_RELEASED, Reason.OPERATION_FAILED)
"""Why a task is RUNNING that was asked to come to rest."""

Order = (
    StartContainer
    | SignalContainer
    | DestroyContainer
    | SuspendContainer
    | ResumeContainer
    | UpdateContainer
    | ForgetContainer
)


class Containers:
    """No order waits for another; the core gives none before it may be carried out."""

    def __init__(
        self,
        sandboxes: Path,
        gpus: GpuBackend,
        tell: Callable[[Event], None],
        fail: Callable[[BaseException], None],
        processes: int = PROCESSES,
    ) -> None:
        self._sandboxes = sandboxes
        self._processes = processes
        self._gpus = gpus
        self._tell = tell
        self._fail = fail
        self._containerizer: Containerizer | None = None
        self._pids: dict[LaunchUuid, int] = {}
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._docker_starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._orders: set[asyncio.Task[None]] = set()
        self._suspensions = Suspensions(gpus, self._pids, tell, fail)

    async def recover(
        self, containerizer: Containerizer, known: Sequence[AgentTask]
    ) -> list[Recovered]:
        """What is found there, before the core is restored."""
        self._containerizer = containerizer
        tasks = {task.launch_uuid: task for task in known}
        recovered = []
        for each in await containerizer.recover(_started_in_docker(known)):
            pid = each.started.pid if each.started else 0
            start_time = each.started.start_time if each.started else 0
            ended = None if each.exit is None else _exited(each.exit)
            if ended is None:
                self._pids[each.uuid] = pid
                if each.uuid in tasks:
                    self._adopt(tasks[each.uuid], pid)
            recovered.append(Recovered(each.uuid, pid, start_time, ended))
        return recovered

    def exited(self, ended: ContainerExit) -> None:
        """The containerizer's callback."""
        self._suspensions.cancel(ended.uuid)
        pid = self._pids.pop(ended.uuid, None)
        if pid is not None:
            self._gpus.detach(pid)
        _log.info(
            "container-exited launch=%s code=%s signal=%s", ended.uuid, ended.code, ended.signal
        )
        self._tell(_exited(ended))

    def usage(self) -> tuple[tuple[LaunchUuid, Usage], ...]:
        """The latest of everything that runs."""
        assert self._containerizer is not None, "recover comes first"
        found = [(uuid, self._containerizer.usage(uuid)) for uuid in self._pids]
        return tuple((uuid, usage) for uuid, usage in found if usage is not None)

    def perform(self, order: Order) -> None:
        containerizer = self._containerizer
        assert containerizer is not None, "recover comes first"
        match order:
            case StartContainer():
                self._spawn(self._start(containerizer, order))
            case SignalContainer(uuid, signum):
                self._spawn(_patiently(containerizer.signal(uuid, signum), f"signal {uuid}"))
            case SuspendContainer() | ResumeContainer():
                self._suspensions.perform(containerizer, order)
            case UpdateContainer():
                whole = replace(order.limits, processes=self._processes)
                self._suspensions.perform(containerizer, replace(order, limits=whole))
            case DestroyContainer(uuid):
                self._suspensions.cancel(uuid)
                self._spawn(_patiently(containerizer.destroy(uuid), f"destroy {uuid}"))
            case ForgetContainer(uuid):
                self._spawn(_patiently(containerizer.forget(uuid), f"forget {uuid}"))

    async def close(self) -> None:
        """What is under way is left; what runs goes on."""
        for order in self._orders:
            order.cancel()
        await asyncio.gather(*self._orders, return_exceptions=True)
        await self._suspensions.close()
        if self._containerizer is not None:
            await self._containerizer.close()

    def _spawn(self, order: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(order)
        self._orders.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._orders.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _start(self, containerizer: Containerizer, start: StartContainer) -> None:
        uuid = start.launch_uuid
        sandbox = Path(start.sandbox)
        spec = LaunchSpec(
            uuid,
            start.task.command.argv,
            environment_of(start),
            sandbox,
            start.task.files,
            limits_of(start.task, self._processes),
            start.task.container,
            tuple(gpu_id for gpu_id, _ in start.resources.gpus),
            start.resources.ports,
            start.task.user,
        )
        async with self._starts if start.task.container is None else self._docker_starts:
            try:
                check_inside(self._sandboxes, sandbox)
                started = await containerizer.launch(spec)
            except ContainerError as error:
                _log.info("container-not-started launch=%s: %s", uuid, error.message)
                self._tell(ContainerNotStarted(uuid, error.message))
                return
        # From here to the end without a pause: its exit may be told right afterwards.
        self._pids[uuid] = started.pid
        self._attach(started.pid, start.resources, sandbox)
        _log.info(
            "container-started launch=%s task=%s pid=%d", uuid, start.task.task_id, started.pid
        )
        self._tell(ContainerStarted(uuid, started.pid, started.start_time))

    def _adopt(self, task: AgentTask, pid: int) -> None:
        """It may have been suspended before this agent began, or have come to rest too late."""
        resources = task.resources if task.resources.gpus else task.task.resources  # to be again
        self._attach(pid, resources, Path(task.sandbox))
        state, reason = task.latest.state, task.latest.reason
        was_suspended = state is TaskState.RUNNING and reason in WAS_SUSPENDED
        if state is TaskState.SUSPENDED:
            self._gpus.suspend(pid)
        elif was_suspended or state is TaskState.RESUMING:
            self._suspensions.expect(task.launch_uuid, task.sandbox)

    def _attach(self, pid: int, resources: Resources, sandbox: Path) -> None:
        known: set[GpuId] = {gpu.gpu_id for gpu in self._gpus.devices()}
        gpus = [gpu_id for gpu_id, _ in resources.gpus if gpu_id in known]
        if known:
            self._gpus.attach(pid, gpus, sandbox)


def _started_in_docker(known: Sequence[AgentTask]) -> list[LaunchUuid]:
    """Those whose engine may be away, and which run until it says otherwise."""
    return [
        each.latest.launch_uuid
        for each in known
        if each.task.container is not None
        and each.latest.state is not TaskState.STAGING
        and not each.latest.state.is_terminal
    ]


async def _patiently(order: Coroutine[Any, Any, None], what: str) -> None:
    """A launcher that is away comes back with the truth; the core asks again where it must."""
    try:
        await order
    except ContainerError as error:
        _log.warning("container-order-failed order=%s: %s", what, error.message)


def _exited(ended: ContainerExit) -> ContainerExited:
    return ContainerExited(
        ended.uuid, ended.code, ended.signal, ended.max_rss_bytes, ended.is_out_of_memory
    )
