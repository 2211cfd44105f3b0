"""What a Docker task is refused, and how it is described to an engine; no engine is asked."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fairlead.agent.containerizer import LaunchSpec
from fairlead.agent.docker_policy import (
    ENTRY,
    STARTED,
    AllowedVolume,
    DockerPolicy,
    describe,
)
from fairlead.agent.limits import Limits
from fairlead.common.errors import ConfigError, ContainerError
from fairlead.common.ids import GpuId, LaunchUuid
from fairlead.common.values import Container, PortMapping, Volume

WORK = Path("/srv")


def described(
    container: Container | None = None, policy: DockerPolicy | None = None, **more: Any
) -> dict[str, Any]:
    values: dict[str, Any] = {"argv": ("true",), "env": {}, "sandbox": WORK / "box", **more}
    spec = LaunchSpec(LaunchUuid("u"), container=container or Container("i"), **values)
    return describe(spec, WORK, policy or DockerPolicy())


def test_it_runs_as_the_agent_and_gains_nothing() -> None:
    config = described()
    assert config["user"] == f"{os.geteuid()}:{os.getegid()}"
    assert config["host_config"]["security_opt"] == ["no-new-privileges"]
    assert config["host_config"]["cap_drop"] == ["NET_RAW"]
    assert "privileged" not in config["host_config"]
    assert config["host_config"]["network_mode"] == "host"
    assert config["host_config"]["device_requests"] is None


def test_another_user_is_a_number_and_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert described(user="1000")["user"] == "1000:1000"
    assert described(user="1000:50")["user"] == "1000:50"
    for user in ("root", "1000:", ":1", "-1", "٣", "1:2:3"):
        with pytest.raises(ContainerError, match="give it as a number"):
            described(user=user)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ContainerError, match="the agent is not root"):
        described(user="0")


def test_real_devices_are_asked_for_and_fakes_are_not() -> None:
    gpus = (GpuId("GPU-a"), GpuId("fake-0"), GpuId("MIG-b"))
    (request,) = described(gpu_ids=gpus)["host_config"]["device_requests"]
    assert request["DeviceIDs"] == ["GPU-a", "MIG-b"]


def test_limits_in_the_words_of_an_engine() -> None:
    limits = Limits(cpus_request=500, cpus=2500, memory_bytes=1, processes=9)
    config = described(limits=limits)["host_config"]
    assert (config["cpu_shares"], config["cpu_quota"], config["pids_limit"]) == (512, 250_000, 9)
    assert config["mem_limit"] == config["memswap_limit"] == 6 << 20


def test_ports_are_the_tasks_own_and_listen_where_the_agent_does() -> None:
    policy = DockerPolicy(host="127.0.0.1")
    container = Container("i", ports=(PortMapping(31005, 80), PortMapping(31006, 53, "udp")))
    config = described(container, policy, ports=((31000, 31010),))
    assert config["host_config"]["network_mode"] == "bridge"
    assert config["host_config"]["port_bindings"] == {
        "80/tcp": ("127.0.0.1", 31005),
        "53/udp": ("127.0.0.1", 31006),
    }
    for wrong, why in {
        PortMapping(30999, 80): "port 30999 is not among the task's",
        PortMapping(31000, 0): "no port 0",
        PortMapping(31000, 70000): "no port 70000",
        PortMapping(31000, 80, "icmp"): "protocol 'icmp'",
    }.items():
        with pytest.raises(ContainerError, match=why):
            described(Container("i", ports=(wrong,)), ports=((31000, 31010),))
    with pytest.raises(ContainerError, match="on the network bridge only"):
        described(Container("i", network="host", ports=container.ports), ports=((31000, 31010),))


def test_volumes_lie_below_what_is_allowed(tmp_path: Path) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "allowed-not"
    for path in (allowed, other):
        path.mkdir()
    (allowed / "link").symlink_to(other)
    policy = DockerPolicy((AllowedVolume.of(str(allowed)),))

    def mounts(host: str, inside: str = "/in") -> list[Any]:
        container = Container("i", (Volume(host, inside, True),))
        found: list[Any] = described(container, policy)["host_config"]["mounts"]
        return found[1:]

    (mount,) = mounts(str(allowed), "")
    assert (mount["Source"], mount["Target"], mount["ReadOnly"]) == (*[str(allowed)] * 2, True)
    for host in (str(other), f"{allowed}/../allowed-not", f"{allowed}/link", "/"):
        with pytest.raises(ContainerError, match="is not allowed on this agent"):
            mounts(host)
    for host, inside, why in (
        ("relative", "/in", "give an absolute path"),
        (f"{allowed}/none", "/in", "does not exist"),
        (str(allowed), "in", "no place for it"),
        (str(allowed), "/", "no place for it"),
        (str(allowed), "/proc", "no place for it"),
        (str(allowed), "/dev/../proc/sys", "no place for it"),
        (str(allowed), "/srv", "the sandbox /srv/box is there"),
        (str(allowed), "/srv/box/x", "the sandbox /srv/box is there"),
    ):
        with pytest.raises(ContainerError, match=why):
            mounts(host, inside)


def test_a_volume_that_cannot_be_looked_at_is_refused_like_any_other(tmp_path: Path) -> None:
    """A task that may write there can have made it so: it must not be the agent's end."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    policy = DockerPolicy((AllowedVolume.of(str(tmp_path)),))
    for name, why in (("a", r"cannot be looked at|does not exist"), ("x" * 300, "name too long")):
        with pytest.raises(ContainerError, match=why):
            described(Container("i", (Volume(f"{tmp_path}/{name}", "/in"),)), policy)


def test_the_engines_socket_is_allowed_by_its_own_name_only(tmp_path: Path) -> None:
    socket = tmp_path / "run" / "docker.sock"
    socket.parent.mkdir()
    socket.touch()

    def mount(allowed: Path, wanted: Path) -> None:
        policy = DockerPolicy((AllowedVolume(allowed),), socket=socket)
        described(Container("i", (Volume(str(wanted), "/in", True),)), policy)

    for wanted in (tmp_path, socket.parent, socket):
        with pytest.raises(ContainerError, match="holds the socket of the Docker engine"):
            mount(tmp_path, wanted)
    mount(socket, socket)


def test_no_image_and_no_configuration_of_the_agents_user_gives_more() -> None:
    """A variable of the image or the task may say all devices; a file of the user may set more."""
    asks = {"NVIDIA_VISIBLE_DEVICES": "all"}
    assert described(env=asks)["environment"]["NVIDIA_VISIBLE_DEVICES"] == "void"
    gpus = (GpuId("GPU-a"), GpuId("MIG-b"))
    config = described(env=asks, gpu_ids=gpus)
    assert config["environment"]["NVIDIA_VISIBLE_DEVICES"] == "GPU-a,MIG-b"
    assert config["use_config_proxy"] is False


def test_the_line_of_shell_takes_every_word_as_it_is(tmp_path: Path) -> None:
    def run(*argv: str) -> tuple[int, str]:
        (tmp_path / "stdout").unlink(missing_ok=True)
        words = ["/bin/sh", "-c", ENTRY, str(tmp_path), *argv]
        code = subprocess.run(words, check=False, cwd=tmp_path).returncode
        return code, (tmp_path / "stdout").read_text()

    odd = ("a b", "line\nline", "$HOME", "'", '"', "-n", "", "*")
    assert run("printf", "[%s]", *odd) == (0, "".join(f"[{each}]" for each in odd))
    (tmp_path / STARTED).unlink()
    for program, code in {"-c": 127, "": 127, "none": 127, "./none": 127, "/etc": 126}.items():
        assert run(program, "x")[0] == code, program
        assert not (tmp_path / STARTED).exists(), program


def test_what_may_only_be_read_is_not_written() -> None:
    policy = DockerPolicy((AllowedVolume.of("/usr:ro"),))
    config = described(Container("i", (Volume("/usr", "/in", True),)), policy)
    assert config["host_config"]["mounts"][1]["BindOptions"] == {"NonRecursive": True}
    with pytest.raises(ContainerError, match="may only be read here"):
        described(Container("i", (Volume("/usr", "/in"),)), policy)
    with pytest.raises(ConfigError, match="is no volume to allow"):
        AllowedVolume.of("usr:ro")
