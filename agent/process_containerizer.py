"""Tasks as processes of the user who runs the agent, each in its own session and control groups.

Without control groups it works everywhere, without root: cpus and memory are accounted, not
enforced. The launcher forks the tasks, so they outlive the agent. Should the launcher itself be
killed, another is started, and the tasks of the first are watched from here until they are gone;
how they ended, nobody can know.
"""

import asyncio
import logging
import os
import pwd
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.processes import ProcessIdentity, is_alive
from fairlead.common.resources import MILLIS
from fairlead.common.values import Usage

from .cgroups import Cgroups, choose, clear
from .containerizer import (
    ContainerExit,
    LaunchSpec,
    OnExit,
    Recovered,
    Started,
    write_files,
)
from .freezing import hold_still, in_a_thread, pids, thaw
from .gpus import GpuBackend
from .launch_errors import explain
from .launcher_client import (
    Exit,
    LaunchedTask,
    LauncherClient,
    LauncherRefusedError,
    start_launcher,
)
from .limits import Limits
from .orphans import end_remains, find_marked, kill_orphan, kill_remains, signal_orphan
from .usage import TaskSampler

logger = logging.getLogger(__name__)

RETRY_S = 1.0
LAUNCH_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
"""Between attempts to launch, as long as what is in the way may go away."""
Answer = TypeVar("Answer")


class ProcessContainerizer:
    """A `Containerizer` over the launcher of one work directory."""

    def __init__(
        self,
        work_dir: Path,
        on_exit: OnExit,
        *,
        gpus: GpuBackend | None = None,
        isolation: str = "auto",
        cpus: int = MILLIS,
        poll_s: float = 0.2,
        usage_s: float = 1.0,
    ) -> None:
        self._work_dir = work_dir.resolve()
        self._on_exit = on_exit
        self._poll_s = poll_s
        self._usage_s = usage_s
        self._wanted = (isolation, cpus)
        self._cgroups: Cgroups | None = None
        self._why_not = ""
        self._sampler = TaskSampler(self._work_dir, gpus)
        self._usage: Mapping[LaunchUuid, Usage] = {}
        self._launcher: ProcessIdentity | None = None
        self._client: LauncherClient | None = None
        self._connecting: asyncio.Task[LauncherClient] | None = None
        self._is_closed = False
        self._is_recovered = False
        self._watching: set[asyncio.Task[None]] = set()
        self._running: dict[LaunchUuid, Started] = {}
        self._orphans: set[LaunchUuid] = set()
        self._launching: set[LaunchUuid] = set()
        self._half_started: dict[LaunchUuid, LaunchedTask] = {}
        self._unclaimed: dict[LaunchUuid, ContainerExit] = {}
        self._told: set[LaunchUuid] = set()

    @property
    def isolation(self) -> str:
        return "process" if self._cgroups is None else self._cgroups.isolation

    @property
    def warnings(self) -> tuple[str, ...]:
        who = f"processes of user {_user_name()}"
        if self._cgroups is not None:
            files = f"tasks run as {who}: their files are not kept apart"
            return (files, *self._cgroups.warnings)
        why = f" ({self._why_not})" if self._why_not else ""
        return (f"tasks run as plain {who}: cpus and memory are accounted, not enforced{why}",)

    async def recover(self, known: Collection[LaunchUuid] = ()) -> list[Recovered]:
        self._cgroups, self._why_not = await asyncio.to_thread(
            choose, self._work_dir, *self._wanted
        )
        client = await self._connected()
        found = await self._find(client)
        recovered = [
            Recovered(uuid, None, ContainerExit(uuid)) for uuid in known if uuid not in found
        ]
        gone = {u for u, task in found.items() if task.is_lost and not is_alive(task.process)}
        remains = await asyncio.to_thread(end_remains, self._work_dir, gone)
        for uuid, task in found.items():
            ended = remains.get(uuid)
            if task.exit is not None:
                ended = _container_exit(task.exit)
            self._take(task, ended)
            recovered.append(Recovered(uuid, task.process, ended))
        kept = [each.uuid for each in recovered if each.exit is None]
        await asyncio.to_thread(clear, self._work_dir, kept)
        self._is_recovered = True
        self._unclaimed.clear()
        self._watch(self._watch_orphans())
        self._watch(self._watch_usage())
        return recovered

    async def launch(self, spec: LaunchSpec) -> Started:
        uuid = spec.uuid
        if uuid in self._running:
            return self._running[uuid]
        self._launching.add(uuid)
        try:
            task = await self._launch_patiently(spec)
        finally:
            self._launching.discard(uuid)
        if uuid not in self._told:
            if task.exit is not None:
                self._tell(_container_exit(task.exit))
            self._take(task, None)
        return task.process

    async def _launch_patiently(self, spec: LaunchSpec) -> LaunchedTask:
        """It may run although no answer came; whoever gives up early leaves it to `_adopt`."""
        for pause_s in LAUNCH_PAUSES_S:
            try:
                return await self._launch_once(spec)
            except ContainerError as problem:
                if not problem.temporary:
                    raise
                logger.warning("launch-again: launch=%s: %s", spec.uuid, problem)
                await asyncio.sleep(pause_s)
        return await self._launch_once(spec)

    async def _launch_once(self, spec: LaunchSpec) -> LaunchedTask:
        if spec.files:
            await asyncio.to_thread(write_files, spec.sandbox, spec.files)
        else:
            write_files(spec.sandbox, {})
        try:
            return await self._start(spec)
        except LauncherRefusedError as refused:
            message = explain(spec, refused.step, refused.errno, refused.reason)
            raise ContainerError(message, temporary=refused.temporary) from None

    async def signal(self, uuid: LaunchUuid, signum: int) -> None:
        if uuid not in self._orphans and (uuid in self._running or uuid in self._launching):
            await self._ask(lambda client: client.signal(uuid, signum))
        if uuid in self._orphans:  # or has become one meanwhile
            signal_orphan(self._work_dir, uuid, self._running[uuid], signum)

    async def suspend(self, uuid: LaunchUuid) -> None:
        if uuid in self._running:
            await hold_still(self._work_dir, uuid, self._running.get)

    async def resume(self, uuid: LaunchUuid) -> None:
        if uuid in self._running:
            await in_a_thread(thaw, self._work_dir, uuid, self._running[uuid])

    async def update(self, uuid: LaunchUuid, limits: Limits) -> None:
        if self._cgroups is not None and uuid in self._running:
            await in_a_thread(self._cgroups.update, self._work_dir, uuid, limits)

    async def destroy(self, uuid: LaunchUuid) -> None:
        if uuid not in self._orphans:
            await self._ask(lambda client: client.destroy(uuid))
        if uuid in self._orphans:  # or has become one meanwhile
            kill_orphan(self._running[uuid])
            await asyncio.to_thread(kill_remains, self._work_dir, {uuid})

    async def forget(self, uuid: LaunchUuid) -> None:
        self._told.discard(uuid)
        await self._ask(lambda client: client.forget(uuid))

    async def pids(self, uuid: LaunchUuid) -> frozenset[int]:
        main = self._running.get(uuid)
        if main is None:
            return frozenset()
        return frozenset(await in_a_thread(pids, self._work_dir, uuid, main))

    def usage(self, uuid: LaunchUuid) -> Usage | None:
        return self._usage.get(uuid)

    async def close(self) -> None:
        self._is_closed = True
        tasks = [*self._watching, *([self._connecting] if self._connecting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None

    # --- what runs

    def _take(self, task: LaunchedTask, ended: ContainerExit | None) -> None:
        """Into the books: it runs, as an orphan or not, or its end is being told."""
        uuid = LaunchUuid(task.uuid)
        if ended is not None:
            self._told.add(uuid)
            return
        self._running[uuid] = task.process
        if task.is_lost:
            self._orphans.add(uuid)
        if uuid in self._unclaimed:
            asyncio.get_running_loop().call_soon(self._tell, self._unclaimed.pop(uuid))

    def _exited(self, ended: Exit) -> None:
        self._tell(_container_exit(ended))

    def _tell(self, ended: ContainerExit) -> None:
        """Once, and only of what is in the books: an exit may overtake the news of its launch."""
        uuid = ended.uuid
        if self._running.pop(uuid, None) is not None:
            self._orphans.discard(uuid)
            self._told.add(uuid)
            self._on_exit(ended)
        elif uuid not in self._told:
            self._unclaimed[uuid] = ended

    def _watch(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._watching.add(task)
        task.add_done_callback(self._watched)

    def _watched(self, task: asyncio.Task[None]) -> None:
        """An agent that no longer looks would know ended tasks as running: better a new one."""
        self._watching.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "the watch over tasks has failed", "exception": error}
            task.get_loop().call_exception_handler(context)

    async def _watch_orphans(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            watched = self._orphans - self._launching
            gone = {uuid for uuid in watched if not is_alive(self._running[uuid])}
            remains = await asyncio.to_thread(end_remains, self._work_dir, gone)
            for uuid in sorted(gone):
                self._tell(remains[uuid])

    async def _watch_usage(self) -> None:
        while True:
            mains = {uuid: process.pid for uuid, process in self._running.items()}
            adopter = self._launcher.pid if self._launcher else None
            self._usage = await asyncio.to_thread(self._sampler.sample, mains, adopter)
            await asyncio.sleep(self._usage_s)

    # --- the launcher

    async def _start(self, spec: LaunchSpec) -> LaunchedTask:
        groups = None if self._cgroups is None else self._cgroups.groups(spec.uuid)
        limits = () if self._cgroups is None else self._cgroups.writes(spec.uuid, spec.limits)

        async def ask(client: LauncherClient) -> LaunchedTask:
            started = self._half_started.pop(spec.uuid, None)
            return started or await client.start(
                spec.uuid,
                spec.argv,
                spec.env,
                cwd=spec.sandbox,
                stdout=spec.sandbox / "stdout",
                stderr=spec.sandbox / "stderr",
                groups=groups,
                limits=limits,
            )

        return await self._ask(ask)

    async def _ask(self, ask: Callable[[LauncherClient], Awaitable[Answer]]) -> Answer:
        """Of whichever launcher there is: every question may be put twice."""
        for _ in range(3):
            try:
                return await ask(await self._connected())
            except LauncherRefusedError:
                raise
            except ContainerError as gone:
                if not gone.temporary:
                    raise
                logger.info("asking again: %s", gone)
        raise ContainerError("the launcher keeps going away", temporary=True)

    async def _connected(self) -> LauncherClient:
        if self._client is not None:
            return self._client
        if self._is_closed:
            raise ContainerError("the containerizer has been closed")
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> LauncherClient:
        try:
            launcher = await asyncio.to_thread(start_launcher, self._work_dir)
            client = await LauncherClient.connect(self._work_dir, self._exited, self._lost)
            self._launcher = launcher
            try:
                await self._adopt(client)
                client.check_open()
            except BaseException:
                client.abandon()
                raise
            self._client = client
            return client
        finally:
            self._connecting = None

    async def _adopt(self, client: LauncherClient) -> None:
        """What the former launcher ran has ended, or is an orphan now, or is wanted by nobody."""
        if not self._is_recovered:
            return
        found = await self._find(client)
        for uuid in list(self._running):
            task = found.get(uuid)
            if task is None:
                self._tell(ContainerExit(uuid))
            elif task.exit is not None:
                self._tell(_container_exit(task.exit))
            else:
                self._take(task, None)
        for uuid in self._launching & found.keys() - self._running.keys():
            self._half_started[uuid] = found[uuid]
        wanted = self._running.keys() | self._launching | self._told
        await self._end_strangers(
            client, {uuid: task for uuid, task in found.items() if uuid not in wanted}
        )

    async def _end_strangers(
        self, client: LauncherClient, strangers: Mapping[LaunchUuid, LaunchedTask]
    ) -> None:
        """Of their launch we have said that it failed."""
        if not strangers:
            return
        logger.warning("strangers-destroyed: launches=%s", sorted(strangers))
        for uuid, task in strangers.items():
            self._unclaimed.pop(uuid, None)
            if task.is_lost:
                kill_orphan(task.process)
            elif task.exit is None:
                await client.destroy(uuid)
        await asyncio.to_thread(end_remains, self._work_dir, set(strangers))
        await client.forget(*strangers)

    async def _find(self, client: LauncherClient) -> dict[LaunchUuid, LaunchedTask]:
        """All that the launcher knows, and what bears our mark and is not known to it."""
        marked = await asyncio.to_thread(find_marked, self._work_dir)
        listed = {LaunchUuid(task.uuid): task for task in await client.list()}
        lost = {u: LaunchedTask(u, process, is_lost=True) for u, process in marked.items()}
        return lost | listed

    def _lost(self) -> None:
        if self._is_closed:
            return
        logger.warning("launcher-lost: work_dir=%s; starting another", self._work_dir)
        self._client = None
        self._watch(self._come_back())

    async def _come_back(self) -> None:
        while True:
            try:
                await self._connected()
            except ContainerError as problem:
                logger.warning("no-launcher: %s", problem)
                await asyncio.sleep(RETRY_S)
            else:
                return


def _container_exit(ended: Exit) -> ContainerExit:
    return ContainerExit(
        LaunchUuid(ended.uuid),
        ended.code,
        ended.signal,
        ended.max_rss_bytes,
        ended.cpu_s,
        ended.is_out_of_memory,
    )


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
