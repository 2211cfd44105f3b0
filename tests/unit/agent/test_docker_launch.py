"""A launch waits for an engine that is started again, and for storage that is away, but alone."""

import asyncio
import errno
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fairlead.agent import docker_launch
from fairlead.agent.containerizer import LaunchSpec
from fairlead.agent.docker_containerizer import DockerContainerizer
from fairlead.agent.docker_engine import EngineAwayError
from fairlead.agent.docker_policy import STARTED, DockerPolicy
from fairlead.agent.docker_reports import NOBODY
from fairlead.common.errors import ContainerError
from fairlead.common.ids import LaunchUuid
from fairlead.common.values import Container


class Restarted:
    """An engine that answers to the patient only; a client of its own."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self.killed: list[tuple[str, int]] = []

    async def ask(self, question: Callable[[Any], Any], *, patience_s: float = 0.0) -> Any:
        if not patience_s:
            raise EngineAwayError("unix:///nowhere")
        return question(self)

    def create_host_config(self, **_words: object) -> dict[str, object]:
        return {}

    def create_container(self, **_words: object) -> None: ...

    def start(self, _name: str) -> None: ...

    def kill(self, name: str, signum: int) -> None:
        self.killed.append((name, signum))

    def inspect_container(self, _name: str) -> dict[str, Any]:
        self._marker.touch()
        return {"State": {"Pid": 0, "Status": "running"}}


def spec_in(directory: Path) -> LaunchSpec:
    return LaunchSpec(LaunchUuid("u"), ("true",), {}, directory / "box", container=Container("i"))


def begin(engine: Restarted, spec: LaunchSpec) -> Any:
    return docker_launch.start(engine, spec, spec.sandbox.parent, DockerPolicy())  # type: ignore[arg-type]


def test_an_engine_that_is_started_again_meanwhile_costs_no_launch(tmp_path: Path) -> None:
    spec = spec_in(tmp_path)
    assert asyncio.run(begin(Restarted(spec.sandbox / STARTED), spec)).pid == 0


def test_what_a_task_puts_in_the_place_of_the_agents_mark_is_not_the_agents_end(
    tmp_path: Path,
) -> None:
    spec = spec_in(tmp_path)
    marker = spec.sandbox / STARTED

    class Quick(Restarted):
        """Its program has done it before the agent has looked."""

        def inspect_container(self, _name: str) -> dict[str, Any]:
            marker.mkdir(exist_ok=True)
            return {"State": {"Pid": 0, "Status": "running"}}

    assert asyncio.run(begin(Quick(marker), spec)).pid == 0


def test_a_sandbox_that_its_program_has_closed_to_the_agent_is_one_that_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")  # root is not refused anything

    monkeypatch.setattr(Path, "exists", refuse)
    spec = spec_in(tmp_path)
    assert asyncio.run(begin(Restarted(spec.sandbox / STARTED), spec)).pid == 0


def test_a_sandbox_that_cannot_be_its_users_is_a_failed_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object, **_named: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")  # as in a user namespace without that user

    monkeypatch.setattr(docker_launch, "owner_of", lambda _spec: (4711, 4711))
    monkeypatch.setattr(os, "chown", refuse)
    spec = spec_in(tmp_path)
    with pytest.raises(ContainerError, match=r"cannot give the sandbox .* to user 4711: Invalid"):
        asyncio.run(begin(Restarted(spec.sandbox / STARTED), spec))


def test_an_order_to_end_outlasts_an_engine_that_is_started_again(tmp_path: Path) -> None:
    engine, uuid = Restarted(tmp_path), LaunchUuid("u")

    async def conversation() -> None:
        containerizer = DockerContainerizer(tmp_path, lambda _ended: None, engine)  # type: ignore[arg-type]
        containerizer._running[uuid] = NOBODY
        await containerizer.signal(uuid, signal.SIGTERM)
        await containerizer.destroy(uuid)

    asyncio.run(conversation())
    assert engine.killed == [("fairlead-u", signal.SIGTERM), ("fairlead-u", signal.SIGKILL)]


def test_storage_that_is_away_holds_no_thread_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_back, is_asked = threading.Event(), threading.Event()

    def hang(*_words: object) -> None:
        is_asked.set()
        is_back.wait(60)

    monkeypatch.setattr(docker_launch, "describe", hang)
    monkeypatch.setattr(docker_launch, "VOLUMES_S", 0.5)
    spec = spec_in(tmp_path)

    async def conversation() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        launch = asyncio.create_task(begin(Restarted(tmp_path), spec))
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(is_asked.wait, 20)
        with pytest.raises(ContainerError, match="storage of its volumes does not answer"):
            await launch
        assert not spec.sandbox.exists()

    try:
        asyncio.run(conversation())
    finally:
        is_back.set()
