"""What only a real engine can show of the Docker containerizer: limits, mounts, ports, refusals,
and an engine that is killed, stopped, or hangs.
"""

import asyncio
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_containerizers import (
    Session,
    converse,
    directory,
    eventually,
)
from tests.support.docker_engine import IMAGE, Engine
from tests.support.docker_machine import DockerMachine

from fairlead.agent.containerizer import LaunchSpec
from fairlead.agent.docker_engine import CALL_S
from fairlead.agent.docker_policy import AllowedVolume, DockerPolicy
from fairlead.agent.limits import Limits
from fairlead.common.errors import ContainerError
from fairlead.common.ids import GpuId, LaunchUuid
from fairlead.common.values import Container, PortMapping, Volume

__all__ = ["directory"]
MIB = 2**20
UUID = LaunchUuid("a")


@pytest.fixture
def machine(docker_engine: Engine, directory: Path) -> Iterator[DockerMachine]:
    yield DockerMachine(directory, docker_engine)
    docker_engine.remove_containers()


def inspect(machine: DockerMachine, form: str) -> str:
    return machine.engine.docker("inspect", "--format", form, f"fairlead-{UUID}")


def containers(machine: DockerMachine) -> list[str]:
    return machine.engine.docker("ps", "--all", "--quiet").split()


def said(spec: LaunchSpec) -> list[str]:
    return (spec.sandbox / "stdout").read_text().splitlines()


def test_limits_are_in_force_and_change(machine: DockerMachine) -> None:
    form = "{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} {{.HostConfig.PidsLimit}}"

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        limits = Limits(cpus_request=500, cpus=1500, memory_bytes=64 * MIB, processes=77)
        spec = session.spec(UUID, machine.runs())
        await session.containerizer.launch(replace(spec, limits=limits))
        assert inspect(machine, form) == f"{64 * MIB} 150000 77"
        assert inspect(machine, "{{.HostConfig.CpuShares}}") == "512"
        wider = replace(limits, cpus=2000, memory_bytes=128 * MIB)
        await session.containerizer.update(UUID, wider)
        assert inspect(machine, form) == f"{128 * MIB} 200000 77"

    converse(machine, conversation)


def test_it_sees_its_sandbox_and_what_is_allowed(machine: DockerMachine) -> None:
    shared, secret = machine.directory / "shared", machine.directory / "secret"
    for path in (shared, secret):
        path.mkdir()
        (path / "file").write_text(path.name)
    (shared / "way-out").symlink_to(secret)
    machine.policy = DockerPolicy((AllowedVolume(shared), AllowedVolume(Path("/etc"), True)))

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()

        def spec(path: Path, uuid: str = UUID, *, read_only: bool = False) -> LaunchSpec:
            script = "cat /in/file; echo; echo more >/in/new && pwd && id -u"
            volumes = (Volume(str(path), "/in", read_only),)
            plain = session.spec(uuid, ("sh", "-c", script), {"key": b"1"})
            return replace(plain, container=Container(IMAGE, volumes), user=str(os.geteuid()))

        for number, (path, why) in enumerate(
            {
                secret: "is not allowed on this agent",
                shared / "way-out": "is not allowed on this agent",
                shared / ".." / "secret": "is not allowed on this agent",
                shared / "absent": "does not exist on this agent's machine",
                Path("/etc"): "may only be read here",
            }.items()
        ):
            with pytest.raises(ContainerError, match=why):
                await session.containerizer.launch(spec(path, f"refused-{number}"))
        assert containers(machine) == []
        await session.containerizer.launch(spec(shared))
        assert (await session.ended(UUID)).code == 0
        assert said(spec(shared)) == ["shared", str(spec(shared).sandbox), str(os.geteuid())]
        assert (shared / "new").read_text() == "more\n"
        await session.containerizer.launch(spec(shared, "reads", read_only=True))
        assert (await session.ended("reads")).code != 0

    converse(machine, conversation)


def test_what_is_mounted_below_what_may_only_be_read_is_not_written(machine: DockerMachine) -> None:
    shared = machine.directory / "shared"
    below = shared / "below"
    below.mkdir(parents=True)
    (shared / "file").write_text("seen\n")
    machine.policy = DockerPolicy((AllowedVolume(shared, True),))

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        plain = session.spec(UUID, ("sh", "-c", "cat /in/file; touch /in/below/new"))
        container = Container(IMAGE, (Volume(str(shared), "/in", True),))
        await session.containerizer.launch(replace(plain, container=container))
        assert (await session.ended(UUID)).code != 0
        assert said(plain) == ["seen"]

    subprocess.run(["mount", "-t", "tmpfs", "none", str(below)], check=True)
    try:
        converse(machine, conversation)
        assert list(below.iterdir()) == []
    finally:
        subprocess.run(["umount", str(below)], check=True)


def test_what_is_refused_says_why_and_leaves_nothing(machine: DockerMachine) -> None:
    refused: dict[str, dict[str, Any]] = {
        "privileged containers are not run": {"container": Container(IMAGE, privileged=True)},
        "the image nowhere:1 is not on this agent's machine": {"container": Container("nowhere:1")},
        "network 'moon'": {"container": Container(IMAGE, network="moon")},
        "port 80 is not among the task's": {
            "container": Container(IMAGE, ports=(PortMapping(80, 8000),))
        },
        "user 'root'": {"user": "root"},
        "install nvidia-container-toolkit": {"gpu_ids": (GpuId("GPU-1"),)},
    }

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        spec = session.spec(UUID, machine.runs())
        for why, change in refused.items():
            with pytest.raises(ContainerError, match=why):
                await session.containerizer.launch(replace(spec, **change))
            assert containers(machine) == [], why
        taken = machine.engine.docker("create", "--name", f"fairlead-{UUID}", IMAGE, "true")
        with pytest.raises(ContainerError, match=f"fairlead-{UUID} is taken .* docker rm"):
            await session.containerizer.launch(spec)
        await session.containerizer.destroy(UUID)
        await session.containerizer.forget(UUID)
        assert [taken.startswith(each) for each in containers(machine)] == [True]
        assert session.exits == []

    converse(machine, conversation)


def test_a_port_of_its_own_network_is_seen_outside(machine: DockerMachine) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = ("python3", "-m", "http.server", "8000")
    container = Container(IMAGE, ports=(PortMapping(port, 8000),))

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as reply:
                return b"stdout" in reply.read()
        except OSError:
            return False

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        spec = replace(session.spec(UUID, argv), container=container, ports=((port, port),))
        await session.containerizer.launch(spec)
        await eventually("an answer", answers)
        await session.containerizer.destroy(UUID)
        await session.ended(UUID)

    converse(machine, conversation)


def test_a_whole_task_ends_with_its_first_process_that_needs_too_much(
    machine: DockerMachine,
) -> None:
    greedy = " ".join(machine.allocates(64 * MIB)[:-1])
    script = f"{greedy} 'x = bytearray({64 * MIB})'; echo went on; sleep 60"

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        spec = session.spec(UUID, ("sh", "-c", script))
        await session.containerizer.launch(replace(spec, limits=Limits(memory_bytes=32 * MIB)))
        ended = await session.ended(UUID)
        assert (ended.is_out_of_memory, ended.signal) == (True, signal.SIGKILL)

    converse(machine, conversation)


def test_what_ends_while_the_engine_is_away_is_told(machine: DockerMachine) -> None:
    """Killed or stopped: what it ran goes on, and its exit is known."""

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        for number, signum in enumerate((signal.SIGKILL, signal.SIGTERM)):
            uuid = f"{number}"
            argv = (
                "sh",
                "-c",
                f"while [ ! -e go ]; do sleep 0.05; done; echo on; exit {number + 7}",
            )
            sandbox = session.spec(uuid, argv).sandbox
            await session.launch(uuid, argv)
            await asyncio.to_thread(machine.engine.end, signum)
            (sandbox / "go").touch()
            await eventually("its output", (sandbox / "stdout").read_bytes)
            assert uuid not in [each.uuid for each in session.exits]
            await asyncio.to_thread(machine.engine.start)
            assert (await session.ended(uuid)).code == number + 7

    converse(machine, conversation)


def test_an_agent_that_starts_without_the_engine_finds_its_tasks_later(
    machine: DockerMachine,
) -> None:
    async def before(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("ends", ("sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; exit 5"))
        await session.launch("runs", machine.runs())
        await asyncio.to_thread(machine.engine.kill)
        (session.spec("ends", ()).sandbox / "go").touch()

    async def after(session: Session) -> None:
        known = [LaunchUuid("ends"), LaunchUuid("runs")]
        found = await session.containerizer.recover(known)
        assert [(each.uuid, each.exit) for each in found] == [("ends", None), ("runs", None)]
        await asyncio.to_thread(machine.engine.start)
        assert (await session.ended("ends")).code == 5
        await session.containerizer.destroy(LaunchUuid("runs"))
        assert (await session.ended("runs")).signal == signal.SIGKILL

    converse(machine, before, after)


def test_a_start_that_was_given_up_leaves_no_stranger(
    machine: DockerMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine hangs while it is asked, and does later what nobody wants any more."""
    monkeypatch.setattr("fairlead.agent.docker_launch.PATIENCE_S", 0.0)

    def hurry(session: Session, call_s: float) -> None:
        engine = session.containerizer._engine  # type: ignore[attr-defined]
        engine._call_s = engine._client.timeout = call_s

    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch("kept", machine.runs())
        machine.engine.send(signal.SIGSTOP)
        hurry(session, 1.0)
        with pytest.raises(ContainerError, match="does not answer") as caught:
            await session.launch("lost", machine.runs())
        assert caught.value.temporary
        machine.engine.send(signal.SIGCONT)
        hurry(session, CALL_S)
        (kept,) = machine.engine.docker("ps", "--quiet", "--filter", "name=fairlead-kept").split()
        await asyncio.sleep(1.0)
        await eventually("the stranger to be gone", lambda: containers(machine) == [kept])
        assert session.exits == []
        await session.containerizer.destroy(LaunchUuid("kept"))
        await session.ended("kept")

    converse(machine, conversation)


def kill_with_shim(session: Session, uuid: str) -> None:
    """It, and what alone could have told how it ended."""
    pid = session.containerizer._running[LaunchUuid(uuid)].pid  # type: ignore[attr-defined]
    shim = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    os.kill(shim, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def test_an_end_that_nobody_saw_is_unknown(machine: DockerMachine) -> None:
    async def conversation(session: Session) -> None:
        await session.containerizer.recover()
        await session.launch(UUID, machine.runs())
        machine.engine.docker("kill", f"fairlead-{UUID}")
        assert (await session.ended(UUID)).signal == signal.SIGKILL
        await session.launch("b", machine.runs())
        await asyncio.to_thread(machine.engine.end, signal.SIGKILL)
        kill_with_shim(session, "b")
        await asyncio.to_thread(machine.engine.start)
        assert (await session.ended("b")).is_unknown

    converse(machine, conversation)
