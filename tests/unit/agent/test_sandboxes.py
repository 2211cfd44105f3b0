"""Directories of tasks: where they may be, and which of them go."""

from pathlib import Path

import pytest

from fairlead.agent.sandboxes import check_inside, list_sandboxes, remove_sandboxes
from fairlead.common.errors import ContainerError


def test_inside_is_inside_whatever_links_say(tmp_path: Path) -> None:
    root = tmp_path / "sandboxes"
    (root / "f" / "t").mkdir(parents=True)
    check_inside(root, root / "f" / "t" / "u")
    (root / "f" / "away").symlink_to(tmp_path)
    for path in (root, tmp_path, root / ".." / "x", root / "f" / "away" / "u"):
        with pytest.raises(ContainerError, match="lies outside"):
            check_inside(root, path)


def test_unwanted_ones_go_and_their_empty_parents(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("f1/t1/u1", "f1/t1/u2", "f2/t2/u3", "f3/t4/u5")]
    for path in paths:
        path.mkdir(parents=True)
        (path / "stdout").touch()
    assert sorted(list_sandboxes(tmp_path)) == paths
    assert remove_sandboxes(tmp_path, [paths[0], *paths[2:]], ["f1", "f3"]) == 3
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["f1", "f1/t1", "f1/t1/u2", "f1/t1/u2/stdout", "f3"]


def test_nothing_outside_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / "f" / "t").mkdir(parents=True)
    (root / "f" / "t" / "u").symlink_to(outside)
    assert list_sandboxes(root) == []
    with pytest.raises(ContainerError):
        remove_sandboxes(root, [root / "f" / "t" / "u"], [])
    assert outside.is_dir()
