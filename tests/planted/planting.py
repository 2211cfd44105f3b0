"""Bugs on purpose, one patch each: what it breaks, by which laws a simulated cluster notices it.

Each is planted in a copy of the tree, and lives are lived there one after another, from several
base seeds, with the checks of the cores themselves turned off: the auditor alone must notice. Some
are beyond it: a test that stands elsewhere is named instead, and run in the same way.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
COPIED = ("agent", "common", "frameworks", "master", "protos", "sim", "src", "tests")
BASES = (1, 1001, 2001)
"""From each of these seeds on, lives are lived until one shows the bug."""
LIVES = 1000
CPU_S = 120
FAILED = re.compile(
    r"^seed (\d+) FAILED after [\d.]+ s: \w+: (?:ViolationError\(.)?(.*)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Plant:
    """One patch, and what it says of itself above the difference."""

    path: Path
    breaks: str
    laws: tuple[str, ...]
    """The first that is broken is one of these. Or a test."""

    @property
    def is_for_a_test(self) -> bool:
        return "::" in self.laws[0]

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a plant from one base seed on."""

    plant: Plant
    base: int
    seed: int
    said: str
    cpu_s: float

    @property
    def law(self) -> str:
        return next((law for law in self.plant.laws if self.said.startswith(f"{law}: ")), "")

    def __str__(self) -> str:
        where = f"{self.plant.name:34} from {self.base:4}"
        if self.law:
            return f"caught      {where}  at seed {self.seed:4}, {self.cpu_s:5.1f} s: {self.law}"
        said = self.said or f"nothing within {CPU_S} s of cpu time"
        return f"NOT CAUGHT  {where}  {self.cpu_s:5.1f} s: {said[:200]}"


def plants() -> list[Plant]:
    return [_read(path) for path in sorted(HERE.glob("*.patch"))]


def _read(path: Path) -> Plant:
    head = path.read_text().partition("diff --git")[0]
    said = dict(re.findall(r"^(Breaks|Caught by): (.*(?:\n  .*)*)", head, re.MULTILINE))
    breaks, laws = (" ".join(said.get(key, "").split()) for key in ("Breaks", "Caught by"))
    return Plant(path, breaks, tuple(laws.split("; ")))


def applies(plant: Plant) -> str:
    """Why it does not apply to the tree as it is; empty: it does."""
    return _git_apply(plant, ROOT, "--check")


def _git_apply(plant: Plant, tree: Path, *options: str) -> str:
    done = subprocess.run(
        ["git", "apply", "-C1", *options, str(plant.path)],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(tree.parent)},
    )
    return done.stderr if done.returncode else ""


@contextmanager
def planted(plant: Plant) -> Iterator[Path]:
    """A copy of the tree with this bug in it."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder)
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in COPIED:
            shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignored)
        if why := _git_apply(plant, tree):
            raise RuntimeError(f"{plant.path.name} does not apply: {why}")
        yield tree


def live(plant: Plant, tree: Path, base: int, lives: int = LIVES) -> Verdict:
    """Life after life until one fails."""
    if plant.is_for_a_test:
        return _test(plant, tree, base)
    seeds = f"{base}-{base + lives - 1}"
    command = ["-m", "fairlead.sim", "--seeds", seeds, "--check-every", "0"]
    output, _, cpu_s = _run(command, tree, CPU_S)
    found = FAILED.search(output)
    seed, said = (int(found[1]), found[2]) if found else (0, "")
    if not found and "Traceback" in output:
        said = output.strip().rpartition("\n")[2]
    return Verdict(plant, base, seed, said, cpu_s)


def _test(plant: Plant, tree: Path, base: int) -> Verdict:
    """With seed after seed until it fails."""
    (test,), spent, seed = plant.laws, 0.0, base
    while spent < CPU_S:
        options = ["-q", "-x", "--rootdir", ".", "-c", str(ROOT / "pyproject.toml")]
        seeded = ["-p", "no:cacheprovider", f"--hypothesis-seed={seed}", test]
        output, status, cpu_s = _run(["-m", "pytest", *options, *seeded], tree, CPU_S - spent)
        spent += cpu_s
        if status != 0:
            is_caught = status == 1 and "\nFAILED " in output
            said = f"{test}: fails" if is_caught else output.strip().rpartition("\n")[2]
            return Verdict(plant, base, seed, said, spent)
        seed += 1
    return Verdict(plant, base, 0, "", spent)


def _run(command: list[str], tree: Path, most_cpu_s: float) -> tuple[str, int, float]:
    """What it said, how it ended, how much cpu time it took."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=tree,
        env={"PYTHONPATH": f"{tree / 'src'}:{tree}", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    limit = max(1, round(most_cpu_s))
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (limit, limit))
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return output, process.returncode, usage.ru_utime + usage.ru_stime
