"""The example scheduler as its author ships it: installed from its folder, run by its name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.command import Command, running_cluster

EXAMPLE = Path(__file__).parents[2] / "examples/scheduler_minimal"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Where pip has put it; the folder is copied first, because building leaves traces there."""
    source, target = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            target,
            source,
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_it_is_found_by_its_name_and_runs(installed: Path) -> None:
    with running_cluster("--cpus", "2", "--mem", "1GiB") as fairlead:
        author = Command(fairlead.home, PYTHONPATH=os.fspath(installed))
        lines = author.ok("frameworks", "run", "minimal").splitlines()
        assert sorted(line.split()[:2] for line in lines) == [
            [f"copy-{n}", "FINISHED"] for n in (1, 2, 3, 4)
        ]
        assert fairlead.running() == []
        unknown = fairlead("frameworks", "run", "minimal")
        assert unknown.returncode == 66
        assert "no scheduler is called 'minimal'" in unknown.stderr
