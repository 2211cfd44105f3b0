"""Directories of tasks: where they may be, and the only way into them."""

import os
import socket
from pathlib import Path

import pytest

from fairlead.agent.sandboxes import check_inside, list_sandboxes, open_plain
from fairlead.common.errors import ContainerError


def test_inside_is_inside_whatever_links_say(tmp_path: Path) -> None:
    root = tmp_path / "sandboxes"
    (root / "f" / "t").mkdir(parents=True)
    check_inside(root, root / "f" / "t" / "u")
    (root / "f" / "away").symlink_to(tmp_path)
    for path in (root, tmp_path, root / ".." / "x", root / "f" / "away" / "u"):
        with pytest.raises(ContainerError, match="lies outside"):
            check_inside(root, path)


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    """A task of the agent's own user may make them: one launch fails of it, not the agent."""
    (tmp_path / "f").symlink_to(tmp_path / "f")
    with pytest.raises(ContainerError, match=r"cannot be looked at|lies outside"):
        check_inside(tmp_path, tmp_path / "f" / "t" / "u")


def test_those_that_are_there(tmp_path: Path) -> None:
    assert list_sandboxes(tmp_path / "none") == []
    for name in ("f1/t1/u1", "f1/t1/u2", "f2/t2/u3", "f3/t4", ".removed/a/b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "f4").symlink_to("f1")
    (tmp_path / "f5").touch()
    assert sorted(list_sandboxes(tmp_path)) == ["f1/t1/u1", "f1/t1/u2", "f2/t2/u3"]


def test_a_plain_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = tmp_path / "f" / "t" / "u"
    sandbox.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (sandbox / "plain").write_text("plain")
    descriptor = open_plain(tmp_path, "f/t/u", "plain", os.O_RDONLY)
    assert os.read(descriptor, 10) == b"plain"
    os.close(descriptor)
    (sandbox / "link").symlink_to(tmp_path / "secret")
    (sandbox / "directory").mkdir()
    (sandbox / "hard").hardlink_to(tmp_path / "secret")
    os.mkfifo(sandbox / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(sandbox)
    listener.bind("socket")
    listener.close()
    (tmp_path / "f" / "away").symlink_to(tmp_path / "f" / "t")
    for key, name in (
        ("f/t/u", "link"),
        ("f/t/u", "directory"),
        ("f/t/u", "hard"),
        ("f/t/u", "fifo"),
        ("f/t/u", "socket"),
        ("f/t/u", "none"),
        ("f/away/u", "plain"),
        ("f/../f/t/u", "plain"),
        ("", "f"),
    ):
        with pytest.raises(OSError, match=r"plain|another name|No such|Not a dir|no way"):
            open_plain(tmp_path, key, name, os.O_RDONLY)
