"""Where an Executor looks for its service."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pytest

from fairlead.common.errors import ConfigError, UnavailableError
from fairlead.common.home import Home
from fairlead.common.processes import identity_of
from fairlead.frameworks.batch import locate
from fairlead.frameworks.batch.keys import service_key
from fairlead.frameworks.batch.protocol import split_address


@pytest.fixture
def home(fairlead_home: Path) -> Path:
    (fairlead_home / "token").touch(mode=0o600)
    (fairlead_home / "token").write_text("secret")
    (fairlead_home / "frameworks").mkdir()
    return fairlead_home


def publish(home: Path, address: str) -> None:
    (home / "frameworks" / "batch.json").write_text(json.dumps({"address": address}))


@pytest.fixture
def answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """What the program that asks masters prints, by master."""
    known: dict[str, dict[str, str]] = {}

    def run(argv: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        assert argv[-2] == str(home)
        return subprocess.CompletedProcess(argv, 0, json.dumps(known[argv[-1]]), "")

    monkeypatch.setattr(subprocess, "run", run)
    return known


def test_a_master_that_is_named_is_asked(
    home: Path, answers: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(home, "127.0.0.1:1")
    answers["127.0.0.1:5050"] = {"address": "127.0.0.1:2"}
    service = locate.service_for("127.0.0.1:5050")
    assert (service.address, service.key) == ("127.0.0.1:2", service_key("secret"))
    assert service.again() == service
    monkeypatch.setenv("FAIRLEAD_MASTER", "127.0.0.1:5051")
    answers["127.0.0.1:5051"] = {"address": "127.0.0.1:3"}
    assert locate.service_for(None).address == "127.0.0.1:3"
    assert locate.service_for("127.0.0.1:5050").address == "127.0.0.1:2"


def test_what_the_asking_found_wrong_is_said(answers: dict[str, dict[str, str]]) -> None:
    answers["127.0.0.1:5050"] = {
        "kind": "UnavailableError",
        "error": "nobody is there",
        "hint": "go there",
    }
    with pytest.raises(UnavailableError, match="nobody is there") as caught:
        locate.service_for("127.0.0.1:5050")
    assert caught.value.hint == "go there"


def test_a_cluster_that_only_just_starts_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = identity_of(os.getpid())
    assert alive is not None
    Home(home).write_cluster({"supervisor": alive.to_json()})
    monkeypatch.setattr(time, "sleep", lambda _: publish(home, "127.0.0.1:5"))
    assert locate.service_for(None).address == "127.0.0.1:5"


def test_what_a_dead_cluster_left_is_not_trusted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(home, "127.0.0.1:1")
    alive = identity_of(os.getpid())
    assert alive is not None
    Home(home).write_cluster({"supervisor": replace(alive, start_time=1).to_json()})
    embedded = locate.Service("127.0.0.1:6", b"")
    monkeypatch.setattr(locate, "start_embedded_cluster", lambda: embedded)
    assert locate.service_for(None) is embedded


def test_the_running_cluster_is_found_and_found_again(home: Path) -> None:
    publish(home, "127.0.0.1:1")
    service = locate.service_for(None)
    assert service.address == "127.0.0.1:1"
    publish(home, "127.0.0.1:3")
    assert service.again().address == "127.0.0.1:3"


def test_a_damaged_file_is_named(home: Path) -> None:
    (home / "frameworks" / "batch.json").write_text("{")
    with pytest.raises(ConfigError, match=r"cannot read where the batch service is from .*json"):
        locate.service_for(None)


def test_without_a_cluster_one_is_started(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []

    @dataclass
    class Embedded:
        home: Path

        def stop(self) -> None:
            stopped.append(True)

    def start_embedded() -> Embedded:
        publish(home, "127.0.0.1:4")
        return Embedded(home)

    cluster = ModuleType("cluster")
    cluster.start_embedded = start_embedded  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fairlead.cli.cluster", cluster)
    service = locate.service_for(None)
    assert service.address == "127.0.0.1:4"
    service.stop()
    assert stopped == [True]


def test_addresses() -> None:
    assert split_address("127.0.0.1:80") == ("127.0.0.1", 80)
    for bad in ("", "x", ":1", "x:", "x:y", "x:70000"):
        with pytest.raises(ValueError, match="not an address"):
            split_address(bad)
