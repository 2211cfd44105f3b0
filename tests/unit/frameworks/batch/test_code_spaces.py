"""A child's imports from the driver's code, in the version that the call needs."""

import hashlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.modules import imports_from, write_files

from fairlead.frameworks.batch.code_spaces import Spaces, explain_missing
from fairlead.frameworks.batch.frames import Buffer


class Child:
    """Spaces as a lease uses them, and what they asked for."""

    def __init__(self, directory: Path) -> None:
        self.spaces = Spaces(directory)
        self.asked: list[int] = []

    def use(self, name: str, files: Mapping[str, str], given: Mapping[str, str] = {}) -> None:
        listing = [(path, _digest(text), False) for path, text in files.items()]
        by_digest: dict[str, Buffer] = {_digest(text): text.encode() for text in files.values()}
        by_digest |= {wanted: text.encode() for wanted, text in given.items()}

        def fetch(missing: list[str]) -> Mapping[str, Buffer]:
            self.asked.append(len(missing))
            return {digest: by_digest[digest] for digest in missing}

        self.spaces.add(name, listing, fetch)
        self.spaces.use(name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def load(name: str) -> Any:
    return importlib.import_module(name)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    before = list(sys.path)
    with imports_from(tmp_path / "nothing here"):
        yield Child(tmp_path / "code")
    sys.path[:] = before


def test_each_version_has_its_modules_and_they_come_back(child: Child) -> None:
    child.use("one", {"top_s/__init__.py": "", "top_s/x.py": "v = 1", "side_s.py": "s = []"})
    first, side = load("top_s.x"), load("side_s")
    child.use("two", {"top_s/__init__.py": "", "top_s/x.py": "v = 2", "side_s.py": "s = []"})
    second = load("top_s.x")
    assert (first.v, second.v) == (1, 2)
    assert load("side_s") is not side  # it may have held on to what has changed
    child.spaces.use("one")
    assert load("top_s.x") is first
    assert load("top_s").x is first
    assert load("side_s") is side
    child.spaces.use("two")
    assert load("top_s.x") is second
    assert child.asked == [3, 1]


def test_more_files_leave_loaded_modules_as_they_are(child: Child) -> None:
    child.use("one", {"a_s.py": "v = 1"})
    first = load("a_s")
    child.use("two", {"a_s.py": "v = 1", "b_s.py": "import a_s"})
    assert load("b_s").a_s is first
    child.spaces.use("one")
    assert load("a_s") is first


def test_members_of_a_namespace_follow_their_version(child: Child, tmp_path: Path) -> None:
    write_files(tmp_path / "installed", {"spread_s/there.py": "v = 'installed'"})
    with imports_from(tmp_path / "installed"):
        child.use("one", {"spread_s/mine.py": "v = 1"})
        assert load("spread_s.mine").v == 1
        there = load("spread_s.there")
        child.use("two", {"spread_s/mine.py": "v = 2"})
        assert not hasattr(load("spread_s"), "mine")
        assert load("spread_s.mine").v == load("spread_s").mine.v == 2
        assert load("spread_s.there") is there is load("spread_s").there
        child.spaces.use("one")
        assert load("spread_s").mine.v == 1


def test_the_drivers_module_comes_before_one_of_the_same_name(child: Child, tmp_path: Path) -> None:
    write_files(tmp_path / "installed", {"same_s/__init__.py": "", "same_s/x.py": "v = 'theirs'"})
    with imports_from(tmp_path / "installed"):
        assert load("same_s.x").v == "theirs"
        child.use("one", {"same_s/__init__.py": "", "same_s/x.py": "v = 'mine'"})
        assert load("same_s.x").v == "mine"


def test_what_is_forgotten_is_gone_and_what_a_dead_lease_left_too(
    child: Child, tmp_path: Path
) -> None:
    write_files(tmp_path / "code/spaces/1", {"left.py": ""})
    child.use("one", {"a_s.py": "v = 1"})
    child.use("two", {"a_s.py": "v = 2"})
    child.spaces.forget("one")
    assert [path.name for path in (tmp_path / "code/spaces").glob("*/*.py")] == ["a_s.py"]
    child.use("one", {"a_s.py": "v = 1"})
    assert load("a_s").v == 1
    assert child.asked == [1, 1, 0]


def test_an_executable_stays_one(child: Child, tmp_path: Path) -> None:
    child.spaces.add("one", [("run.sh", _digest("x"), True)], lambda _: {_digest("x"): b"x"})
    assert (tmp_path / "code/spaces/1/run.sh").stat().st_mode & 0o100


@pytest.mark.parametrize("path", ["../out.py", "/out.py", "a/../../out.py"])
def test_no_file_leaves_its_space(child: Child, tmp_path: Path, path: str) -> None:
    child.use("one", {path: "v = 1"})
    assert "lies outside" in str(child.spaces.problem("one"))
    assert list(tmp_path.rglob("out.py")) == []


def test_what_is_not_what_was_announced_is_refused(child: Child) -> None:
    child.use("one", {"a_s.py": "v = 1"}, given={_digest("v = 1"): "v = 2"})
    assert "not what was announced" in str(child.spaces.problem("one"))
    assert child.spaces.problem("") is None


def test_a_full_disk_is_a_problem_of_these_calls(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        child.use("one", {"a_s.py": "v = 1"})
    assert "cannot be stored on the worker: [Errno 28] No space" in str(child.spaces.problem("one"))
    child.use("two", {"a_s.py": "v = 2"})
    assert load("a_s").v == 2


def test_a_missing_module_says_what_to_include() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("nowhere_at_all.deep")
    for _ in range(2):
        explain_missing(caught.value)
    assert str(caught.value) == (
        "No module named 'nowhere_at_all' on the worker: if it is yours, name it in "
        "Executor(include=['nowhere_at_all']); else install it where the agents run"
    )
    explain_missing(ValueError("something else"))
    explain_missing(ModuleNotFoundError(name="put together by hand"))
    explain_missing(ModuleNotFoundError("likewise", name=5))  # type: ignore[arg-type]
