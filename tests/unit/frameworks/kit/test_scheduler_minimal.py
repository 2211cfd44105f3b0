"""The example for authors is complete, short, and right."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from fairlead.common.messages import SetDemand, Teardown
from fairlead.common.values import TaskState
from fairlead.frameworks.kit.scheduler import Stop
from fairlead.frameworks.kit.testing import Harness

FOLDER = Path(__file__).parents[4] / "examples/scheduler_minimal"


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "scheduler_minimal", FOLDER / "scheduler_minimal.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_no_longer_than_sixty_lines() -> None:
    assert len((FOLDER / "scheduler_minimal.py").read_text().splitlines()) <= 60


def test_its_package_registers_it() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["fairlead.schedulers"] == {
        "minimal": "scheduler_minimal:Minimal"
    }


def test_it_uses_what_fits_and_stops_when_all_have_ended(example: ModuleType) -> None:
    h = Harness(example.Minimal(copies=3))
    h.offer(cpus=1)
    assert h.launched == ["copy-1", "copy-2"]
    demands = [call.demands[0].demands for call in h.calls if isinstance(call, SetDemand)]
    assert demands[-1][0].count == 1
    h.offer(cpus=1)
    assert h.launched == ["copy-1", "copy-2", "copy-3"]
    for name in ("copy-2", "copy-1"):
        h.status(name, TaskState.FINISHED, exit_code=0)
    assert not any(isinstance(call, Teardown) for call in h.calls)
    h.status("copy-3", TaskState.FAILED, exit_code=1)
    assert h.stopped == Stop()
    assert h.performed == [
        "copy-2 FINISHED on agent-1",
        "copy-1 FINISHED on agent-1",
        "copy-3 FAILED on agent-1",
    ]


def test_what_it_cannot_use_it_declines(example: ModuleType) -> None:
    h = Harness(example.Minimal())
    h.offer(cpus=0.1)
    assert h.master.offers == {}
    assert h.launched == []
