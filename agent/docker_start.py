"""Whether an agent runs Docker tasks, decided once when it starts.

The SDK is imported only where an engine may be: it takes longer than all else at an agent's start.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError, ContainerError

from .containerizer import OnExit
from .gpus import GpuBackend

if TYPE_CHECKING:
    from docker.api.client import APIClient

    from .docker_containerizer import DockerContainerizer

AUTO, NONE = "auto", "none"
SOCKET = "unix:///var/run/docker.sock"
SCHEME = "unix://"
ANSWER_S = 5.0
RECORD = "docker"
"""In the work directory: the address of the engine."""


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """The engine's address, or auto for the machine's own if it has one, or none."""

    host: str = AUTO
    volumes: tuple[str, ...] = ()
    """What tasks may see of the machine: PATH or PATH:ro."""


@dataclass(frozen=True, slots=True)
class DockerPlace:
    """Where an agent works and listens, and its GPUs."""

    work_dir: Path
    host: str
    gpus: GpuBackend


async def open_docker(
    options: DockerOptions, place: DockerPlace, on_exit: OnExit, *, is_needed: bool
) -> "tuple[DockerContainerizer | None, str]":
    """Or the reason why not. It is needed where Docker tasks may run already: they will be found
    when their engine answers.
    """
    if options.host == NONE:
        return None, "its operator wants none (--docker none)"
    host = _address(options.host)
    reason = _unusable(Path(host.removeprefix(SCHEME)))
    if reason and not is_needed:
        return None, reason
    from .docker_containerizer import DockerContainerizer  # noqa: PLC0415 - imports the SDK
    from .docker_engine import DockerEngine  # noqa: PLC0415 - as above
    from .docker_policy import AllowedVolume, DockerPolicy  # noqa: PLC0415 - as above

    volumes = tuple(map(AllowedVolume.of, options.volumes))
    socket = Path(host.removeprefix(SCHEME)).resolve()
    policy = DockerPolicy(volumes, await _numeric(place.host), socket)
    engine = DockerEngine(host)
    containerizer = DockerContainerizer(
        place.work_dir, on_exit, engine, policy=policy, gpus=place.gpus
    )
    try:
        containerizer.warnings = await engine.ask(_weaknesses, within_s=ANSWER_S)
    except ContainerError as error:
        if not is_needed:
            engine.close()
            return None, error.message
        containerizer.warnings = (f"{error.message}: its tasks wait for it",)
    (place.work_dir / RECORD).write_text(host)
    return containerizer, ""


def engine_of(work_dir: Path) -> str:
    """Where its Docker tasks run, if it ran any; empty: nowhere."""
    try:
        return (work_dir / RECORD).read_text()
    except OSError:
        return ""


def forget_engine(work_dir: Path) -> None:
    """None of its Docker tasks is left."""
    with suppress(OSError):
        (work_dir / RECORD).unlink()


async def _numeric(host: str) -> str:
    """An engine takes a name for every address of its machine."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}: {error.strerror}", hint="give --host an address"
        ) from None
    return str(min(found, key=lambda each: each[0])[4][0])


def _address(host: str) -> str:
    if host == AUTO:
        host = os.environ.get("DOCKER_HOST", "")
        return host if host.startswith(SCHEME) else SOCKET
    if not host.startswith(f"{SCHEME}/"):
        raise ConfigError(
            f"{host!r} is no Docker engine that an agent can use: it has to be on its own machine",
            hint=f"give --docker {SOCKET}, or auto, or none",
        )
    return host


def _unusable(socket: Path) -> str:
    if not socket.exists():
        return f"no Docker engine is there: {socket} does not exist"
    if not os.access(socket, os.R_OK | os.W_OK):
        return f"its user may not use the Docker engine: no access to {socket}"
    return ""


def _weaknesses(client: "APIClient") -> tuple[str, ...]:
    info = client.info()
    if info.get("LiveRestoreEnabled"):
        return ()
    what = "the Docker engine ends its containers when it is restarted"
    return (f'{what}; put "live-restore": true into its daemon.json',)
