"""Schedulers are found by name; whatever is wrong is said in one line that lists what there is."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fairlead.common.errors import ConfigError, FairleadError, NotFoundError
from fairlead.frameworks.kit import registry

MODULE = """
from fairlead.frameworks.kit.scheduler import SchedulerBase, framework

class Good(SchedulerBase):
    framework = framework("good")
    def step(self, event, now):
        return ()

class NeedsMore(Good):
    def __init__(self, more):
        pass

class Breaks(Good):
    def __init__(self):
        raise RuntimeError("no luck")

class NoScheduler:
    pass

SOMETHING = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """In the current directory, not installed."""
    (tmp_path / "my_scheduler.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delitem(sys.modules, "my_scheduler", raising=False)
    return "my_scheduler"


def test_a_class_in_the_current_directory_is_found(module: str) -> None:
    assert registry.make(f"{module}:Good").framework.name == "good"


def test_an_installed_one_is_found_by_its_name(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [EntryPoint("good", f"{module}:Good", registry.GROUP)]

    def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == "fairlead.schedulers"
        return [entry for entry in entries if name in (None, entry.name)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert registry.make("good").framework.name == "good"
    assert registry.names() == ["good"]
    with pytest.raises(NotFoundError, match=r"'godo' \(installed: good\)"):
        registry.make("godo")


@pytest.mark.parametrize(
    ("name", "kind", "line"),
    [
        ("nobody", NotFoundError, "no scheduler is called 'nobody'"),
        ("no_such_module:X", NotFoundError, "cannot import no_such_module"),
        ("my_scheduler:Missing", NotFoundError, "my_scheduler has no Missing"),
        ("my_scheduler:SOMETHING", ConfigError, "my_scheduler:SOMETHING is no class"),
        ("my_scheduler:NoScheduler", ConfigError, "has no framework and no step"),
        ("my_scheduler:NeedsMore", ConfigError, "cannot make my_scheduler:NeedsMore"),
        ("my_scheduler:Breaks", ConfigError, "my_scheduler:Breaks: RuntimeError: no luck"),
        ("a b:", NotFoundError, "write module:Class"),
        (":", NotFoundError, "write module:Class"),
    ],
)
def test_whatever_is_wrong_is_one_line(
    module: str, name: str, kind: type[FairleadError], line: str
) -> None:
    with pytest.raises(kind, match=line):
        registry.make(name)
