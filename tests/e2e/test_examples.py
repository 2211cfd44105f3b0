"""The example programs, as a person runs them; on less than all there is to count."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.command import processes_of

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 100.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No cluster runs for these programs, and whatever they leave is under one directory."""
    for name in ("state", "temporary"):
        (tmp_path / name).mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "FAIRLEAD_HOME"}
    places = {"XDG_STATE_HOME": tmp_path / "state", "TMPDIR": tmp_path / "temporary"}
    return {**clean, **{key: str(path) for key, path in places.items()}}


def run_example(environment: dict[str, str], *arguments: str) -> str:
    """What it printed. It must succeed, and nothing may be left of it."""
    program, *options = arguments
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / program), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    for variable in ("XDG_STATE_HOME", "TMPDIR"):
        place = Path(environment[variable])
        assert list(place.iterdir()) == []
        assert processes_of(place) == []
    return done.stdout


def test_identifiers_are_counted_as_by_one_process(environment: dict[str, str]) -> None:
    printed = run_example(environment, "identifiers.py", "--files", "60", "--check")
    (files,) = re.findall(r"identifiers in (\d+) files", printed)
    assert 40 <= int(files) <= 60
    assert len(re.findall(r"^ +[\d,]+  \w+$", printed, re.MULTILINE)) == 20
    assert "the speed-up is" in printed
    assert printed.endswith("the counts are equal\n")


def test_the_demo(environment: dict[str, str]) -> None:
    printed = run_example(environment, "demo.py", "--files", "60")
    for seen in (
        "hello from a task",
        "I may use GPU fake-0",
        "(it ended with exit code 7)",
        "good night",
        "the counts are equal",
        "batch worker",
        "signal 15",
        "SLICES",
        "That was the demo",
    ):
        assert seen in printed
    learnt = [float(each) for each in re.findall(r"^accuracy: ([\d.]+)%", printed, re.MULTILINE)]
    assert len(learnt) == 3
    assert min(learnt) > 90


def test_a_demo_whose_reader_goes_leaves_nothing_either(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / "demo.py"), "--files", "20"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        while "Fairlead is up" not in (line := demo.stdout.readline()):
            assert line, "it ended"
        demo.stdout.close()
        assert demo.wait(LIMIT_S) == 141
        assert demo.stderr is not None
        assert demo.stderr.read() == ""
    place = Path(environment["TMPDIR"])
    assert list(place.iterdir()) == []
    assert processes_of(place) == []
