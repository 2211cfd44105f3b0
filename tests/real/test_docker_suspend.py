"""Docker tasks take turns on a device as process tasks do: the same stories, on a real engine."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration import test_suspend
from tests.support.agent_process import launch
from tests.support.docker_engine import IMAGE, Engine

from fairlead.common.values import Container, Launch


def launch_boxed(name: str, *argv: str, **more: Any) -> Launch:
    words = ("python3", *argv[1:]) if argv[0] == sys.executable else argv
    plain = launch(name, *words, **more)
    return replace(plain, task=replace(plain.task, container=Container(IMAGE)))


@pytest.fixture(autouse=True)
def _in_containers(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    monkeypatch.setattr(test_suspend, "launch", launch_boxed)
    began = int(time.time())
    yield
    now = int(time.time()) + 1
    created = ("--filter", "event=create", "--since", str(began), "--until", str(now))
    assert len(docker_engine.docker("events", *created).splitlines()) >= 1
    docker_engine.remove_containers()


def test_two_tasks_take_turns_on_one_device_whatever_happens(fairlead_home: Path) -> None:
    test_suspend.test_a9_two_tasks_take_turns_on_one_device_whatever_happens(fairlead_home)


def test_who_keeps_its_device_goes_on_and_nobody_else_gets_it(fairlead_home: Path) -> None:
    test_suspend.test_a9_who_keeps_its_device_goes_on_and_nobody_else_gets_it(fairlead_home)
