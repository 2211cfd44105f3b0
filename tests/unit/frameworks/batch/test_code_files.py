"""Which files of a directory travel, and that they are read when they change."""

import os
from pathlib import Path

import pytest
from tests.support.modules import write_files

from fairlead.frameworks.batch.code_files import Files, Found, is_excluded, walk
from fairlead.frameworks.batch.code_places import Place
from fairlead.frameworks.batch.payloads import NotPicklableError


def targets(directory: Path, *exclude: str) -> list[str]:
    return [found.target for found in walk(Place(str(directory), "top"), exclude)]


def found(path: Path) -> Found:
    return Found(str(path), path.name, path.stat())


def test_what_is_nobodys_code_stays(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "__init__.py": "", "data/a.csv": "", "__pycache__/x.pyc": "", ".git/config": "",
            "env/pyvenv.cfg": "", "env/lib/x.py": "", "deep/node_modules/x.js": "",
        },
    )  # fmt: skip
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert targets(tmp_path) == ["top/__init__.py", "top/data/a.csv"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_files(tmp_path, {"own/x.py": "", "other/y.py": ""})
    (tmp_path / "own/linked").symlink_to(tmp_path / "other")
    (tmp_path / "own/self").symlink_to(tmp_path / "own")
    assert targets(tmp_path / "own") == ["top/linked/y.py", "top/x.py"]


@pytest.mark.parametrize(
    ("pattern", "is_out"),
    [
        ("top/data", True), ("top/data/", True), ("data", True), ("*.csv", False),
        ("top.data", True), ("top", False), ("dat", False), ("top/*", True),
    ],
)  # fmt: skip
def test_patterns(pattern: str, is_out: bool) -> None:
    assert is_excluded("top/data", [pattern]) is is_out


def test_an_excluded_directory_takes_its_files_with_it(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.py": "", "data/deep/a.csv": "", "sub.py": "", "b.csv": ""})
    assert targets(tmp_path, "top/data", "top.sub") == ["top/a.py", "top/b.csv"]
    assert targets(tmp_path, "*.csv") == ["top/a.py", "top/sub.py"]


def test_a_place_that_is_gone_has_no_files(tmp_path: Path) -> None:
    assert targets(tmp_path / "gone") == []


def test_an_edit_within_one_tick_is_seen(tmp_path: Path) -> None:
    path, files = tmp_path / "a.py", Files()
    path.write_text("one")
    looks = found(path)
    assert files.read(looks).data == b"one"
    path.write_text("two")
    assert files.read(looks).data == b"two"


def test_a_settled_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.frameworks.batch.code_files._SETTLED_NS", -1)
    path, files = tmp_path / "a.py", Files()
    path.write_text("one")
    first = found(path)
    file = files.read(first)
    assert files.read(first) is file
    path.write_text("longer")
    assert files.read(found(path)).data == b"longer"
    files.keep(set())
    assert files.read(first) is not file


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("")
    before = found(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(NotPicklableError, match=r"a\.py cannot be sent .*exclude=\['a\.py'\]"):
        Files().read(before)


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "import one.deep, two as second\nif x: import three; from four import y\n"
        "def f():\n\tfrom five.deep import (\n\t\tz)\n"
        "from . import near\nfrom .near import six\n"
        'importlib.import_module("seven.deep")\n# an import of nothing\n'
        '"""\nfrom prose on it is prose\nimport prose of all kinds\n"""\n'
        "import eight  # as a comment says\r\nimport nine as n , ten\\\n  , never\n"
    )
    assert Files().read(found(path)).imports == {"one", "two", "three", "four", "five", "seven"} | {
        "eight",
        "nine",
        "ten",
    }
