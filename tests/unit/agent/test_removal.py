"""Removing sandboxes in which tasks have left the worst: nothing outside, and nothing stays."""

import contextlib
import itertools
import os
import threading
from pathlib import Path

import pytest

from fairlead.agent.removal import Removal
from fairlead.agent.sandboxes import REMOVED, list_sandboxes, names_in

KEY = "f/t/u"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "sandboxes"
    (path / KEY).mkdir(parents=True)
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    (path / "precious").write_text("precious")
    return path


def is_gone(root: Path) -> bool:
    return not list_sandboxes(root) and not names_in(root, REMOVED)


def test_what_it_gave_back_is_counted(root: Path) -> None:
    (root / KEY / "stdout").write_bytes(b"x" * 100_000)
    (root / KEY / "sparse").touch()
    os.truncate(root / KEY / "sparse", 1 << 30)
    (root / KEY / "below").mkdir()
    (root / KEY / "below" / "file").write_bytes(b"x" * 50_000)
    assert 150_000 <= Removal(root).remove(KEY) < 200_000
    assert is_gone(root)
    assert not (root / "f" / "t").exists()


def test_siblings_stay(root: Path) -> None:
    (root / "f/t/u2").mkdir()
    Removal(root).remove(KEY)
    assert list_sandboxes(root) == ["f/t/u2"]
    assert Removal(root).remove("f/none/u") == 0
    assert Removal(root).remove("none/none/u") == 0


def test_links_are_removed_and_what_they_point_to_is_not(root: Path, outside: Path) -> None:
    (root / KEY / "link").symlink_to(outside)
    (root / KEY / "stdout").symlink_to(outside / "precious")
    (root / KEY / "hard").hardlink_to(outside / "precious")
    os.mkfifo(root / KEY / "stderr")
    Removal(root).remove(KEY)
    assert is_gone(root)
    assert (outside / "precious").read_text() == "precious"


@pytest.mark.parametrize("where", ["f/t/u", "f/t", "f"])
def test_a_directory_that_became_a_link_leads_nowhere(
    root: Path, outside: Path, where: str
) -> None:
    (outside / "t" / "u").mkdir(parents=True)
    (outside / "u").mkdir()
    (root / where).rename(root.parent / "away")
    (root / where).symlink_to(outside)
    Removal(root).remove(KEY)
    Removal(root).remove_all([KEY], [])
    assert (outside / "precious").read_text() == "precious"
    assert (outside / "t" / "u").is_dir()
    assert (outside / "u").is_dir()


def test_what_is_read_only_or_cannot_even_be_looked_at_goes_too(root: Path) -> None:
    deep = root / KEY / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").touch(0o400)
    for path, mode in ((deep, 0o000), (deep.parent, 0o555), (root / KEY, 0o555)):
        path.chmod(mode)
    Removal(root).remove(KEY)
    assert is_gone(root)


def test_no_depth_is_too_deep(root: Path) -> None:
    here = os.open(root / KEY, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    Removal(root).remove(KEY)
    assert is_gone(root)


def test_what_a_crash_has_left_goes_with_the_next_sweep(root: Path) -> None:
    left = root / REMOVED / "left" / "over"
    left.mkdir(parents=True)
    (left / "file").touch()
    (root / "f1" / "empty").mkdir(parents=True)
    (root / "f2" / "empty").mkdir(parents=True)
    Removal(root).remove_all([], ["f1"])
    assert not names_in(root, REMOVED)
    assert sorted(names_in(root, "")) == [REMOVED, "f", "f1"]
    assert list_sandboxes(root) == [KEY]


def test_it_stops_when_it_is_told(root: Path) -> None:
    (root / KEY / "file").touch()
    removal = Removal(root)
    removal.stop()
    removal.remove(KEY)
    assert not list_sandboxes(root), "it has been moved aside"
    Removal(root).remove_all([], [])
    assert is_gone(root)


def test_nothing_outside_goes_whatever_is_swapped_meanwhile(root: Path, outside: Path) -> None:
    """A process of the task lives on and puts links in the place of directories."""
    stop = threading.Event()

    def swap() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            with contextlib.suppress(OSError):
                (root / KEY / "d").mkdir(parents=True, exist_ok=True)
                (root / KEY / "d" / "file").touch()
            for path in (root / KEY / "d", root / KEY):
                with contextlib.suppress(OSError):
                    path.rename(root.parent / f"away{number}{path.name}")
                    path.symlink_to(outside)
                with contextlib.suppress(OSError):
                    path.unlink()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(300):
            Removal(root).remove(KEY)
    finally:
        stop.set()
        thread.join()
    assert (outside / "precious").read_text() == "precious"
