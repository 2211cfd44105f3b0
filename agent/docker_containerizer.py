"""Tasks as containers of a Docker engine, under the same contract as processes.

The engine keeps the truth: a container is found again by its labels, and stays until its exit has
been noted. What is to be known is looked for when the engine tells of something, and now and then.
An engine that is away or hangs makes its own tasks wait and nobody else.
"""

import asyncio
import logging
import signal as signals
from collections.abc import Collection, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.api.client import APIClient

from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.resources import format_bytes
from fairlead.common.values import Usage

from . import docker_launch
from .containerizer import ContainerExit, LaunchSpec, OnExit, Recovered, Started
from .docker_engine import (
    PATIENCE_S,
    DockerEngine,
    EngineAwayError,
    EngineRefusedError,
    Event,
)
from .docker_policy import PLACE_LABEL, UUID_LABEL, DockerPolicy, former_of, held_to, name_of
from .docker_reports import ENDED, NOBODY, exit_of, started_of
from .docker_usage import DockerUsage
from .gpus import GpuBackend
from .limits import Limits

_log = logging.getLogger(__name__)

LOOK_S = 2.0
RECOVER_S = 5.0
"""An agent that starts waits no longer for an engine that hangs."""
STARTS_AT_ONCE = 8
CREATED, GONE = "created", "gone"
UNKNOWN, NOT_RUNNING = 404, 409


class DockerContainerizer:
    """A `Containerizer` over one engine, for the tasks of one work directory."""

    isolation = "docker"

    def __init__(
        self,
        work_dir: Path,
        on_exit: OnExit,
        engine: DockerEngine,
        *,
        policy: DockerPolicy | None = None,
        gpus: GpuBackend | None = None,
        look_s: float = LOOK_S,
        usage_s: float = 1.0,
    ) -> None:
        self._work_dir = work_dir.resolve()
        self._on_exit = on_exit
        self._engine = engine
        self._policy = policy or DockerPolicy()
        self._look_s = look_s
        self._usage = DockerUsage(engine, gpus, usage_s)
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._wake = asyncio.Event()
        self._watching: set[asyncio.Task[None]] = set()
        self._running: dict[LaunchUuid, Started] = {}
        self._launching: set[LaunchUuid] = set()
        self._ended: dict[LaunchUuid, Started] = {}
        self._out_of_memory: set[LaunchUuid] = set()
        self._unwatched: set[LaunchUuid] = set()
        self._dying: set[LaunchUuid] = set()
        self.warnings: tuple[str, ...] = ()

    async def recover(self, known: Collection[LaunchUuid] = ()) -> list[Recovered]:
        """While the engine is away all that are known are taken to run: it will tell."""
        try:
            async with asyncio.timeout(RECOVER_S):
                found = await self._find_all(known)
        except (TimeoutError, ContainerError) as error:
            _log.warning("docker-tasks-unseen: %s; launches=%s", error, sorted(known))
            found = [Recovered(uuid, None) for uuid in known]
        for each in found:
            books = self._running if each.exit is None else self._ended
            books[each.uuid] = each.started or NOBODY
            self._unwatched.add(each.uuid)
        self._engine.listen(
            {"label": f"{PLACE_LABEL}={self._work_dir}", "event": ["die", "oom"]}, self._heard
        )
        self._watch(self._look_after())
        self._watch(self._usage.keep_sampling(self._running))
        return found

    async def launch(self, spec: LaunchSpec) -> Started:
        uuid = spec.uuid
        known = self._running.get(uuid) or self._ended.get(uuid)
        if known is not None:
            return known
        self._launching.add(uuid)
        try:
            async with self._starts:
                started = await docker_launch.start(
                    self._engine, spec, self._work_dir, self._policy
                )
        except EngineAwayError:
            raise  # what it does of this later is found as a stranger
        except ContainerError:
            with suppress(ContainerError):
                await self._remove(uuid)
            raise
        finally:
            self._launching.discard(uuid)
        self._running[uuid] = started
        self._wake.set()  # it may have ended already
        return started

    async def signal(self, uuid: LaunchUuid, signum: int) -> None:
        if uuid not in self._running:
            return
        try:
            await self._engine.ask(
                lambda client: client.kill(name_of(uuid), int(signum)), patience_s=PATIENCE_S
            )
        except EngineRefusedError as refused:
            if refused.status not in {UNKNOWN, NOT_RUNNING}:
                raise

    async def suspend(self, uuid: LaunchUuid) -> None:
        await self._freeze(uuid, is_frozen=True)

    async def resume(self, uuid: LaunchUuid) -> None:
        await self._freeze(uuid, is_frozen=False)

    async def update(self, uuid: LaunchUuid, limits: Limits) -> None:
        if uuid not in self._running:
            return
        name = name_of(uuid)
        used = await self._usage.memory_of(uuid)
        if limits.memory_bytes and used > limits.memory_bytes:
            raise ContainerError(
                f"cannot hold it to {format_bytes(limits.memory_bytes)} of memory: "
                f"it uses {format_bytes(used)}"
            )
        former = former_of(await self._engine.ask(lambda client: client.inspect_container(name)))
        try:
            await self._engine.ask(lambda client: client.update_container(name, **held_to(limits)))
        except EngineRefusedError:
            with suppress(EngineRefusedError):
                await self._engine.ask(lambda client: client.update_container(name, **former))
            raise

    async def destroy(self, uuid: LaunchUuid) -> None:
        await self.signal(uuid, signals.SIGKILL)  # that reaches whoever is paused as well

    async def forget(self, uuid: LaunchUuid) -> None:
        if self._ended.pop(uuid, None) is not None:
            await self._remove(uuid)

    async def pids(self, uuid: LaunchUuid) -> frozenset[int]:
        return await self._usage.pids(uuid) if uuid in self._running else frozenset()

    def usage(self, uuid: LaunchUuid) -> Usage | None:
        return self._usage.latest.get(uuid)

    async def close(self) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._engine.close()

    # --- what the engine knows

    async def _listed(self) -> dict[LaunchUuid, str]:
        """The status of each container of ours."""

        def ask(client: APIClient) -> list[dict[str, Any]]:
            filters = {"label": f"{PLACE_LABEL}={self._work_dir}"}
            return list(client.containers(all=True, filters=filters))

        listed = await self._engine.ask(ask)
        return {LaunchUuid(each["Labels"].get(UUID_LABEL, "")): each["State"] for each in listed}

    async def _inspect(self, uuid: LaunchUuid) -> dict[str, Any] | None:
        try:
            return await self._engine.ask(lambda client: client.inspect_container(name_of(uuid)))
        except EngineRefusedError as refused:
            if refused.status != UNKNOWN:
                raise
            return None

    async def _find_all(self, known: Collection[LaunchUuid]) -> list[Recovered]:
        listed = await self._listed()
        seen = [await self._find(uuid, status) for uuid, status in listed.items()]
        found = [each for each in seen if each is not None]
        lost = sorted(set(known) - {each.uuid for each in found})
        return found + [Recovered(uuid, None, ContainerExit(uuid)) for uuid in lost]

    async def _find(self, uuid: LaunchUuid, status: str) -> Recovered | None:
        """One that was made and never started may be launched anew."""
        if status == CREATED:
            await self._remove(uuid)
            return None
        found = await self._inspect(uuid)
        if found is None:
            return None
        ended = self._exit_of(uuid, found) if found["State"]["Status"] in ENDED else None
        return Recovered(uuid, started_of(found["State"]), ended)

    async def _remove(self, uuid: LaunchUuid) -> None:
        """With whatever runs in it; not somebody else's that bears the name."""
        found = await self._inspect(uuid)
        if found is None or found["Config"]["Labels"].get(PLACE_LABEL) != str(self._work_dir):
            return
        try:
            await self._engine.ask(
                lambda client: client.remove_container(found["Id"], force=True, v=True)
            )
        except EngineRefusedError as refused:
            if refused.status not in {UNKNOWN, NOT_RUNNING}:  # gone, or about to go
                raise

    async def _freeze(self, uuid: LaunchUuid, *, is_frozen: bool) -> None:
        if uuid not in self._running:
            return
        name = name_of(uuid)

        def ask(client: APIClient) -> None:
            (client.pause if is_frozen else client.unpause)(name)

        try:
            await self._engine.ask(ask)
        except EngineRefusedError:
            found = await self._inspect(uuid)
            if found and found["State"]["Running"] and found["State"]["Paused"] is not is_frozen:
                raise

    # --- the watch

    def _watch(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._watching.add(task)
        task.add_done_callback(self._watched)

    def _watched(self, task: asyncio.Task[None]) -> None:
        """An agent that no longer looks would know ended tasks as running: better a new one."""
        self._watching.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "the watch over Docker tasks has failed", "exception": error}
            task.get_loop().call_exception_handler(context)

    def _heard(self, event: Event | None) -> None:
        if event is None:
            self._unwatched |= self._running.keys() | self._launching
        else:
            uuid = LaunchUuid(event["Actor"]["Attributes"][UUID_LABEL])
            if event["Action"] == "oom":
                self._watch(self._end_for_memory(uuid))
            self._dying.add(uuid)
        self._wake.set()

    async def _end_for_memory(self, uuid: LaunchUuid) -> None:
        """All of it, as for processes: half a task helps nobody."""
        self._out_of_memory.add(uuid)
        with suppress(ContainerError):  # away: it will be found ended, or told of again
            await self.destroy(uuid)

    async def _look_after(self) -> None:
        is_away = False
        while True:
            try:
                await self._look()
            except ContainerError as error:
                if not is_away:
                    _log.warning("docker-away: %s; its tasks wait", error.message)
                is_away = True
            else:
                if is_away:
                    _log.warning("docker-back: the engine at %s answers again", self._engine.host)
                is_away = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self) -> None:
        """A list is behind: whose end has been told is asked for by name."""
        for uuid in sorted(self._dying & self._running.keys()):
            self._dying.discard(uuid)
            await self._conclude(uuid)
        self._dying &= self._launching | self._running.keys()
        before = self._running.keys() | self._ended.keys() | self._launching
        running = set(self._running)
        listed = await self._listed()
        for uuid in sorted(running):
            if listed.get(uuid, GONE) in {*ENDED, GONE}:
                await self._conclude(uuid)
        strangers = listed.keys() - before - self._running.keys() - self._launching
        for uuid in sorted(strangers - self._ended.keys()):
            if uuid in self._launching:  # since then
                continue
            _log.warning("stranger-removed: launch=%s", uuid)  # we have said that it failed
            await self._remove(uuid)

    async def _conclude(self, uuid: LaunchUuid) -> None:
        found = await self._inspect(uuid)
        if found is not None and found["State"]["Status"] not in ENDED:
            return
        if uuid not in self._running:
            return
        ended = ContainerExit(uuid) if found is None else self._exit_of(uuid, found)
        self._ended[uuid] = self._running.pop(uuid)
        self._usage.drop(uuid)
        self._out_of_memory.discard(uuid)
        self._unwatched.discard(uuid)
        self._on_exit(ended)

    def _exit_of(self, uuid: LaunchUuid, found: dict[str, Any]) -> ContainerExit:
        state = found["State"]
        peak = self._usage.peaks.get(uuid, 0)
        if uuid in self._out_of_memory or state.get("OOMKilled"):
            state = {**state, "OOMKilled": True}
            peak = max(peak, int(found["HostConfig"]["Memory"]))
        was_watched = uuid in self._running and uuid not in self._unwatched
        return exit_of(uuid, state, was_watched=was_watched, peak_bytes=peak)
