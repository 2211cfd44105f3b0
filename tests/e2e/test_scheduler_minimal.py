"""Schedulers as authors run them: installed from a folder, by name; from a page, by module."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.command import Command, running_cluster
from tests.support.pages import code_of

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


def test_one_is_found_by_its_name_one_by_its_module_and_both_run(installed: Path) -> None:
    (installed / "counts.py").write_text(code_of("writing-a-framework.md")[0])
    with running_cluster("--cpus", "2", "--mem", "1GiB") as fairlead:
        author = Command(fairlead.home, PYTHONPATH=os.fspath(installed))
        lines = author.ok("frameworks", "run", "minimal").splitlines()
        assert sorted(line.split()[:2] for line in lines) == [
            [f"copy-{n}", "FINISHED"] for n in (1, 2, 3, 4)
        ]
        said = author.ok("frameworks", "run", "counts:Counts").splitlines()
        assert sorted(said) == ["one.1 FINISHED", "three.1 FINISHED", "two.1 FINISHED"]
        assert fairlead.running() == []
        unknown = fairlead("frameworks", "run", "minimal")
        assert unknown.returncode == 66
        assert "no scheduler is called 'minimal'" in unknown.stderr
