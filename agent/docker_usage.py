"""What Docker tasks use, as their engine tells it, and of GPUs as those tell it themselves."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from docker.api.client import APIClient

from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import Usage

from .docker_engine import DockerEngine
from .docker_policy import name_of
from .docker_reports import peak_of, usage_of
from .gpus import GpuBackend, GpuSample


class DockerUsage:
    """`latest` and `peaks` of those that run."""

    def __init__(self, engine: DockerEngine, gpus: GpuBackend | None, every_s: float) -> None:
        self._engine = engine
        self._gpus = gpus
        self._every_s = every_s
        self.latest: dict[LaunchUuid, Usage] = {}
        self.peaks: dict[LaunchUuid, int] = {}

    async def keep_sampling(self, running: Mapping[LaunchUuid, object]) -> None:
        """One question at a time; an engine that is away makes the figures old, no more."""
        while True:
            sample = await asyncio.to_thread(self._gpus.usage) if self._gpus and running else None
            for uuid in list(running):
                with suppress(ContainerError):
                    await self._sample(uuid, running, sample)
            await asyncio.sleep(self._every_s)

    def drop(self, uuid: LaunchUuid) -> None:
        """It has ended."""
        self.latest.pop(uuid, None)
        self.peaks.pop(uuid, None)

    async def memory_of(self, uuid: LaunchUuid) -> int:
        """In use now."""
        usage = usage_of(await self._stats(uuid))
        return usage.memory_bytes if usage else 0

    async def pids(self, uuid: LaunchUuid) -> frozenset[int]:
        """As the machine of the engine numbers them."""

        def ask(client: APIClient) -> list[list[str]]:
            found = client.top(name_of(uuid), ps_args="-o pid")["Processes"]
            return list(found or ())  # null if it ends just now

        return frozenset(int(row[0]) for row in await self._engine.ask(ask))

    async def _sample(
        self, uuid: LaunchUuid, running: Mapping[LaunchUuid, object], gpus: GpuSample | None
    ) -> None:
        stats = await self._stats(uuid)
        usage = usage_of(stats)
        if usage is not None and gpus is not None and gpus.processes:
            usage = _with_gpus(usage, await self.pids(uuid), gpus)
        if usage is not None and uuid in running:
            self.latest[uuid] = usage
            self.peaks[uuid] = max(self.peaks.get(uuid, 0), peak_of(stats))

    async def _stats(self, uuid: LaunchUuid) -> Mapping[str, Any]:
        def ask(client: APIClient) -> dict[str, Any]:
            return dict(client.stats(name_of(uuid), stream=False, one_shot=True))

        return await self._engine.ask(ask)


def _with_gpus(usage: Usage, pids: Collection[int], gpus: GpuSample) -> Usage:
    held = [each for each in gpus.processes if each.pid in pids]
    devices = {each.gpu_id for each in held}
    busy = [each.utilisation for each in gpus.devices if each.gpu_id in devices]
    return replace(
        usage,
        gpu_memory_bytes=sum(each.memory_bytes for each in held),
        gpu_utilisation=sum(busy) / len(busy) if busy else 0.0,
    )
