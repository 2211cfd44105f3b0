"""Process tasks and Docker tasks side by side: each launch goes where its task asks to be.

The server's one containerizer. Where no engine is used Docker tasks are refused with the reason.
"""

import asyncio
from collections.abc import Collection

from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import Usage

from .containerizer import ContainerExit, Containerizer, LaunchSpec, Recovered, Started
from .limits import Limits


class MixedContainerizer:
    """A `Containerizer` over two; what belongs to the second is known since its launch."""

    def __init__(self, processes: Containerizer, docker: Containerizer | None, reason: str) -> None:
        self._processes = processes
        self._docker = docker
        self._reason = reason
        self._in_docker: set[LaunchUuid] = set()

    @property
    def isolation(self) -> str:
        both = (self._processes, self._docker)
        return ", ".join(each.isolation for each in both if each is not None)

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._processes.warnings, *(self._docker.warnings if self._docker else ()))

    @property
    def attributes(self) -> dict[str, str]:
        """By which frameworks find agents that run Docker tasks."""
        return {"docker": "true"} if self._docker else {}

    async def recover(self, known: Collection[LaunchUuid] = ()) -> list[Recovered]:
        """Known need be Docker tasks only: an engine may be away, the launcher is ours."""
        if self._docker is None:
            lost = [Recovered(uuid, None, ContainerExit(uuid)) for uuid in known]
            return [*await self._processes.recover(), *lost]
        processes, docker = await asyncio.gather(
            self._processes.recover(), self._docker.recover(known)
        )
        self._in_docker |= {each.uuid for each in docker}
        return [*processes, *docker]

    async def launch(self, spec: LaunchSpec) -> Started:
        if spec.container is None:
            return await self._processes.launch(spec)
        if self._docker is None:
            raise ContainerError(f"this agent runs no Docker tasks: {self._reason}")
        self._in_docker.add(spec.uuid)
        return await self._docker.launch(spec)

    async def signal(self, uuid: LaunchUuid, signum: int) -> None:
        await self._of(uuid).signal(uuid, signum)

    async def suspend(self, uuid: LaunchUuid) -> None:
        await self._of(uuid).suspend(uuid)

    async def resume(self, uuid: LaunchUuid) -> None:
        await self._of(uuid).resume(uuid)

    async def update(self, uuid: LaunchUuid, limits: Limits) -> None:
        await self._of(uuid).update(uuid, limits)

    async def destroy(self, uuid: LaunchUuid) -> None:
        await self._of(uuid).destroy(uuid)

    async def forget(self, uuid: LaunchUuid) -> None:
        containerizer = self._of(uuid)
        self._in_docker.discard(uuid)
        await containerizer.forget(uuid)

    async def pids(self, uuid: LaunchUuid) -> frozenset[int]:
        return await self._of(uuid).pids(uuid)

    def usage(self, uuid: LaunchUuid) -> Usage | None:
        return self._of(uuid).usage(uuid)

    async def close(self) -> None:
        await self._processes.close()
        if self._docker is not None:
            await self._docker.close()

    def _of(self, uuid: LaunchUuid) -> Containerizer:
        return self._docker if self._docker and uuid in self._in_docker else self._processes
