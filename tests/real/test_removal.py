"""What a task has mounted in its sandbox is not removed with it: mounting needs root."""

import subprocess
from pathlib import Path

import pytest

from fairlead.agent.removal import Removal
from fairlead.agent.sandboxes import REMOVED, list_sandboxes


def test_what_is_mounted_inside_stays(tmp_path: Path) -> None:
    root, outside = tmp_path / "sandboxes", tmp_path / "outside"
    (root / "f" / "t" / "u" / "mounted").mkdir(parents=True)
    outside.mkdir()
    (outside / "precious").write_text("precious")
    mount = ["mount", "--bind", str(outside), str(root / "f" / "t" / "u" / "mounted")]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount anything")
    try:
        Removal(root).remove("f/t/u")
        assert (outside / "precious").read_text() == "precious"
    finally:
        for path in root.rglob("mounted"):
            subprocess.run(["umount", str(path)], check=True)
    Removal(root).remove_all([], [])
    assert not list_sandboxes(root)
    assert not list((root / REMOVED).iterdir())
