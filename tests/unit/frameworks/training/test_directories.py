"""The directories of jobs: made once, refused in a line, and missed only where storage is there."""

from pathlib import Path

import pytest

from fairlead.common.errors import InvalidFieldError
from fairlead.frameworks.training.directories import gone, make_directory, remove_if_empty


def test_it_is_made_once_with_all_above_it(tmp_path: Path) -> None:
    directory = tmp_path / "shared/jobs/j1"
    assert make_directory(directory)
    assert not make_directory(directory), "the call may be made again"
    assert directory.stat().st_mode & 0o777 == 0o700


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "j1").write_text("")
    with pytest.raises(InvalidFieldError, match=r"checkpoints: cannot make .*/file: "):
        make_directory(tmp_path / "file/j1")
    with pytest.raises(InvalidFieldError, match=r"checkpoints: cannot make .*/j1: File exists"):
        make_directory(tmp_path / "j1")
    with pytest.raises(InvalidFieldError, match=r"cannot make /proc/.*; name another with"):
        make_directory(Path("/proc/nowhere/j1"))


def test_what_somebody_uses_stays(tmp_path: Path) -> None:
    make_directory(tmp_path / "j1")
    make_directory(tmp_path / "j2")
    (tmp_path / "j2/checkpoint").write_text("")
    for name in ("j1", "j2", "j3"):
        remove_if_empty(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["j2"]


def test_storage_that_is_away_is_not_gone(tmp_path: Path) -> None:
    make_directory(tmp_path / "there/j1")
    directories = {
        "j1": str(tmp_path / "there/j1"),
        "j2": str(tmp_path / "there/j2"),
        "j3": str(tmp_path / "away/j3"),
        "j4": str(tmp_path / ("cannot be looked at" * 99) / "j4"),
    }
    assert gone(directories) == ("j2",)
