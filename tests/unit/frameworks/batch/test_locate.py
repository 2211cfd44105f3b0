"""Where an Executor looks for its service."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from fairlead.common.errors import ConfigError
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


def test_an_address_given_is_used(home: Path) -> None:
    publish(home, "127.0.0.1:1")
    service = locate.service_for("127.0.0.1:2")
    assert (service.address, service.key) == ("127.0.0.1:2", service_key("secret"))
    assert service.again() == service


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
