"""The guards of conftest.py themselves: skips that fail a run, and what is left behind."""

import subprocess
import sys
from pathlib import Path

from tests.support.kernel_limits import need_groups

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPS = """
import pytest
def test_gpu(): pytest.skip("no GPU on this machine")
def test_docker(): pytest.skip("docker is not installed")
@pytest.mark.skip("later")
def test_mark(): pass
@pytest.mark.xfail
def test_expected_failure(): assert False
"""
MODULE_SKIPS = """
import pytest
pytest.importorskip("no_such_module")
"""
LEAVES = """
import subprocess, sys
def leave(seconds):
    orphan = f"import subprocess; subprocess.Popen(['sleep', '{seconds}'], start_new_session=True)"
    subprocess.run([sys.executable, "-c", orphan], check=True)
def test_ends_soon(): leave(0.1)
def test_stays(): leave(53)
"""

LEAVES_GROUPS = """
from pathlib import Path
def leave(groups):
    for number, group in enumerate(groups):
        Path(group, f"fairlead-{number}", "task-1").mkdir(parents=True)
def test_group(_own_groups): leave(_own_groups)
def test_none(): pass
"""


def run_pytest(folder: Path, tests: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run pytest on test files that stand under the conftest of this repository."""
    patient = CONFTEST.read_text()
    hasty = patient.replace("LEAVE_S = 5.0", "LEAVE_S = 1.0")
    assert hasty != patient
    (folder / "conftest.py").write_text(hasty)
    for name, text in tests.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", *arguments, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_skips_are_no_failures_of_themselves(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, {"test_a.py": SKIPS, "test_b.py": MODULE_SKIPS})
    assert code == 0, output
    assert "4 skipped, 1 xfailed" in output


def test_no_skips_fails_every_skip_but_that_of_a_gpu(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, {"test_a.py": SKIPS}, "--no-skips")
    assert code == 1, output
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in output
    assert "which --no-skips forbids: docker is not installed" in output
    assert "which --no-skips forbids: later" in output


def test_no_skips_fails_a_skipped_module(tmp_path: Path) -> None:
    code, output = run_pytest(tmp_path, {"test_b.py": MODULE_SKIPS}, "--no-skips")
    assert code == 2, output
    assert "which --no-skips forbids: could not import 'no_such_module'" in output


def test_a_process_left_behind_is_told_and_ended(tmp_path: Path) -> None:
    """It is found although its parent is gone and it has a session of its own."""
    code, output = run_pytest(tmp_path, {"integration/test_c.py": LEAVES})
    assert code == 1, output
    assert "2 passed, 1 error" in output
    assert "sleep 53" in output


def test_a_control_group_left_behind_is_told_and_removed(tmp_path: Path) -> None:
    need_groups()
    code, output = run_pytest(tmp_path, {"integration/test_d.py": LEAVES_GROUPS})
    assert code == 1, output
    assert "2 passed, 1 error" in output
    assert "control groups are left, now removed: [" in output
    assert "/fairlead-0/task-1" in output


def test_homes_are_private_and_short(fairlead_home: Path) -> None:
    assert fairlead_home.stat().st_mode & 0o777 == 0o700
    assert len(str(fairlead_home)) < 20
