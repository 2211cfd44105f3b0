"""Whether there is an engine to use, and what is said where there is none."""

import asyncio
from pathlib import Path

import pytest

from fairlead.agent.docker_start import DockerOptions, DockerPlace, engine_of, open_docker
from fairlead.agent.gpus import NoGpus
from fairlead.common.errors import ConfigError


def reason(options: DockerOptions, path: Path) -> str:
    place = DockerPlace(path, "127.0.0.1", NoGpus("none"))
    found, why = asyncio.run(open_docker(options, place, lambda _ended: None, is_needed=False))
    assert found is None
    assert engine_of(path) == "", "nobody looks for tasks of an engine that was not used"
    return why


def test_without_an_engine_it_is_said_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/mine.sock")
    assert reason(DockerOptions(), tmp_path).endswith(f"{tmp_path}/mine.sock does not exist")
    assert reason(DockerOptions("none"), tmp_path) == "its operator wants none (--docker none)"
    named = f"unix://{tmp_path}/other.sock"
    assert reason(DockerOptions(named), tmp_path).endswith("other.sock does not exist")
    (tmp_path / "other.sock").touch()
    assert reason(DockerOptions(named), tmp_path).endswith("other.sock does not answer")


def test_an_engine_elsewhere_is_of_no_use(tmp_path: Path) -> None:
    for host in ("tcp://127.0.0.1:2375", "unix://relative", "docker"):
        with pytest.raises(ConfigError, match="has to be on its own machine"):
            reason(DockerOptions(host), tmp_path)


def test_ports_are_published_at_an_address_not_at_a_name(tmp_path: Path) -> None:
    """An engine takes a name for every address of the machine."""
    options = DockerOptions(f"unix://{tmp_path}/away.sock")
    place = DockerPlace(tmp_path, "localhost", NoGpus("none"))
    opened = open_docker(options, place, lambda _ended: None, is_needed=True)
    containerizer, _why = asyncio.run(opened)
    assert containerizer is not None
    assert containerizer._policy.host == "127.0.0.1"
