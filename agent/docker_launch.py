"""One container of a Docker engine from nothing until its program is about to run.

Used by `docker_containerizer`, which cleans up after a launch that fails.
"""

import asyncio
import os
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from docker.api.client import APIClient

from fairlead.common.errors import ContainerError
from fairlead.common.sizes import shorten

from .containerizer import LaunchSpec, Started, write_files
from .docker_engine import PATIENCE_S, DockerEngine, EngineRefusedError, in_thread
from .docker_policy import PLACE_LABEL, STARTED, DockerPolicy, describe, name_of, owner_of
from .docker_reports import ENDED, NOBODY, started_of

START_S = 60.0
"""An engine may need long to start what nobody has started before."""
VOLUMES_S = 30.0
"""A share of a server that is away answers never; nothing else may wait for it."""
LOOK_S = 0.1
POLL_S = 0.005
NOT_FOUND, NOT_EXECUTABLE = 127, 126
_NAME_LENGTH = 200


async def start(
    engine: DockerEngine, spec: LaunchSpec, work_dir: Path, policy: DockerPolicy
) -> Started:
    """Once per uuid: what an attempt before made is used. ContainerError says why it is not."""
    late = ContainerError(
        f"the storage of its volumes does not answer within {VOLUMES_S:g} s", temporary=True
    )
    config = await in_thread(partial(describe, spec, work_dir, policy), VOLUMES_S, late)
    await asyncio.to_thread(_prepare, spec)
    name = name_of(spec.uuid)
    try:
        await _create(engine, name, config, str(work_dir))
        await engine.ask(lambda client: client.start(name), patience_s=PATIENCE_S)
    except EngineRefusedError as refused:
        raise _explain(refused, config["image"]) from None
    return await _begun(engine, spec, config["image"])


def _prepare(spec: LaunchSpec) -> None:
    write_files(spec.sandbox, spec.files)
    owner = owner_of(spec)
    if owner == (os.geteuid(), os.getegid()):
        return
    try:
        for path in (spec.sandbox, *(spec.sandbox / name for name in spec.files)):
            os.chown(path, *owner, follow_symlinks=False)
    except OSError as problem:
        raise ContainerError(
            f"cannot give the sandbox {spec.sandbox} to user {owner[0]}: {problem.strerror}"
        ) from None


async def _create(engine: DockerEngine, name: str, config: dict[str, Any], place: str) -> None:
    def create(client: APIClient) -> None:
        chosen = {k: each for k, each in config["host_config"].items() if each is not None}
        host_config = client.create_host_config(**chosen)
        client.create_container(**{**config, "name": name, "host_config": host_config})

    try:
        await engine.ask(create, patience_s=PATIENCE_S)
    except EngineRefusedError as refused:
        if refused.status != 409:
            raise
        found = await _inspect(engine, name)
        if found["Config"]["Labels"].get(PLACE_LABEL) != place:
            raise ContainerError(
                f"the container name {name} is taken by another container on this machine; "
                f"free it with: docker rm --force {name}"
            ) from None


async def _begun(engine: DockerEngine, spec: LaunchSpec, image: str) -> Started:
    """When the shell in it has found its program. Its file is looked for, which costs nothing."""
    marker, name = spec.sandbox / STARTED, name_of(spec.uuid)
    deadline = time.monotonic() + START_S
    state: dict[str, Any] = {}
    started, next_look = None, 0.0
    while not _is_there(marker):
        if time.monotonic() >= next_look:
            if state.get("Status") in ENDED:
                raise ContainerError(_why_not(spec, image, int(state["ExitCode"])))
            state = (await _inspect(engine, name))["State"]
            started = started or started_of(state)
            next_look = time.monotonic() + LOOK_S
        if time.monotonic() >= deadline:
            raise ContainerError(f"it did not begin within {START_S:g} s", temporary=True)
        await asyncio.sleep(POLL_S)
    if started is None:
        started = started_of((await _inspect(engine, name))["State"])
    with suppress(OSError):  # its program may have put something else there
        marker.unlink()
    return started or NOBODY


def _is_there(path: Path) -> bool:
    """In a sandbox. Who may not look was forbidden to by its program, which has begun then."""
    try:
        return path.exists()
    except OSError:
        return True


async def _inspect(engine: DockerEngine, name: str) -> dict[str, Any]:
    """Of an engine that is started again meanwhile, too."""
    return await engine.ask(lambda client: client.inspect_container(name), patience_s=PATIENCE_S)


def _why_not(spec: LaunchSpec, image: str, code: int) -> str:
    """As for processes, from how the shell in it ended."""
    program = shorten(spec.argv[0], _NAME_LENGTH)
    if not _is_there(spec.sandbox / "stdout"):
        return f"cannot use the image {image}: it has no /bin/sh, which writes a task's output"
    if code == NOT_FOUND:
        where = "" if "/" in program else " in PATH"
        return f"cannot run '{program}': no such file{where}"
    if code == NOT_EXECUTABLE:
        return f"cannot run '{program}': permission denied; make it executable with chmod +x"
    return f"cannot run '{program}': its container ended with code {code} before it could start"


def _explain(refused: EngineRefusedError, image: str) -> ContainerError:
    if refused.status == 404 and "No such image" in refused.reason:
        return ContainerError(
            f"the image {image} is not on this agent's machine: get it there with "
            f"docker pull {image}, or docker load"
        )
    if "device driver" in refused.reason:
        return ContainerError(
            "the Docker engine cannot give GPUs to containers: install nvidia-container-toolkit "
            f"on this agent's machine ({refused.reason})"
        )
    return refused
