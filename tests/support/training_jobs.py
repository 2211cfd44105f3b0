"""Training jobs that bear witness: each copy writes when it begins, each step, and when it ends.

A copy that begins looks at once whether a former one still lives.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from tests.support.command import Command, until

PROGRAM = """
import os, sys, time
from fairlead.frameworks.training import report, steps

path, count, step_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
run = os.environ["FAIRLEAD_JOB_RUN"]

def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False

def until_told(epoch):
    number = 0
    while number < int(open(path + ".last").read()):
        yield number
        number += 1

file = open(path, "a+", buffering=1)
file.seek(0)
former = {int(line.split()[2]) for line in file} - {os.getpid()}
lives = any(alive(pid) for pid in former)
file.write(f"begin {run} {os.getpid()} {int(lives)}\\n")
state = {"done": []}
for batch in steps(range(count) if count else until_told, state=state):
    time.sleep(step_s)
    state["done"].append(batch)
    report(loss=1 / (1 + batch))
    file.write(f"step {run} {os.getpid()} {batch}\\n")
file.write(f"end {run} {os.getpid()} {len(state['done'])}\\n")
assert state["done"] == list(range(len(state["done"]))), state
print("done", len(state["done"]))
"""
ENDLESS = 10**9


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of a copy's own."""

    word: str
    run: int
    pid: int
    number: int


class TrainingWitness:
    """The directory that they write to, and the script that they run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        self.script = path / "count.py"
        self.script.write_text(PROGRAM)

    def submit(
        self, fairlead: Command, name: str, *options: str, steps: int = 0, step_s: float = 0.02
    ) -> str:
        """A job of so many steps, or of as many as it takes until it is told to finish; its id."""
        self._tell(name, ENDLESS)
        program = (sys.executable, str(self.script), str(self.path / name), str(steps), str(step_s))
        words = ("--name", name, "--cpus", "0.1", "--mem", "64MiB", *options, "--", *program)
        return fairlead.ok("jobs", "submit", *words).strip()

    def finish(self, *names: str) -> None:
        """A few steps more, and these are done."""
        for name in names:
            self._tell(name, self.step(name) + 10)

    def _tell(self, name: str, last: int) -> None:
        draft = self.path / f"{name}.draft"
        draft.write_text(str(last))
        draft.replace(self.path / f"{name}.last")

    def marks(self, name: str) -> list[Mark]:
        """What all copies of this job did, in order."""
        try:
            lines = (self.path / name).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Mark(word, *map(int, rest)) for word, *rest in map(str.split, lines)]

    def step(self, name: str) -> int:
        """How many it has done; 0 before the first."""
        return max((mark.number + 1 for mark in self.marks(name) if mark.word == "step"), default=0)

    def until_step(self, name: str, step: int, patience_s: float = 60) -> None:
        until(f"{name} has done {step} steps", lambda: self.step(name) >= step, patience_s)

    def until_more(self, *names: str) -> None:
        """One of them has gone on."""
        before = sum(map(self.step, names))
        until(f"one of {names} goes on", lambda: sum(map(self.step, names)) > before, 60)

    def kill(self, name: str) -> None:
        """Its living copy, as soon as there is one."""
        until(f"a copy of {name} is killed", lambda: self._killed(name))

    def _killed(self, name: str) -> bool:
        try:
            process = psutil.Process(self.marks(name)[-1].pid)
            if str(self.path / name) not in process.cmdline():
                return False
            process.kill()
        except psutil.Error:
            return False
        return True

    def check(self, name: str, *, most_lost: int = 0) -> list[int]:
        """It was trained as if nothing had happened; the runs that it took.

        One copy after the other, never two at once, each from no earlier than its checkpoint.
        """
        marks = self.marks(name)
        begun = [mark for mark in marks if mark.word == "begin"]
        assert not any(mark.number for mark in begun), f"{name}: a former copy lived: {begun}"
        runs = [mark.run for mark in marks]
        assert runs == sorted(runs), f"{name}: an older copy went on: {runs}"
        assert len({(mark.run, mark.pid) for mark in marks}) == len(begun), begun
        done = [mark.number for mark in marks if mark.word == "step"]
        for before, after in pairwise(done):
            assert before - most_lost < after <= before + 1, f"{name}: from {before} to {after}"
        assert done[0] == 0, f"{name}: began with step {done[0]}"
        ends = [mark for mark in marks if mark.word == "end"]
        assert [mark.number for mark in ends] == [max(done) + 1], ends
        return [mark.run for mark in begun]


def job_of(fairlead: Command, job_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = fairlead.json("jobs", "show", job_id)
    return shown


def until_job(
    fairlead: Command, job_id: str, *states: str, patience_s: float = 60
) -> dict[str, Any]:
    """The job, once it is in one of these states; whoever is asked may be starting again."""
    seen: list[dict[str, Any]] = []

    def is_there() -> bool:
        done = fairlead("jobs", "show", job_id, "-o", "json")
        seen[:] = [json.loads(done.stdout)] if done.returncode == 0 else []
        return bool(seen) and seen[0]["state"] in states

    try:
        until(f"job {job_id} is {states}", is_there, patience_s)
    except AssertionError as error:
        error.add_note(f"{seen}\n{fairlead('jobs', 'why', job_id)}")
        raise
    return seen[0]


def all_finish(fairlead: Command, job_ids: Sequence[str], patience_s: float = 120) -> None:
    for job_id in job_ids:
        found = until_job(
            fairlead, job_id, "FINISHED", "FAILED", "CANCELLED", patience_s=patience_s
        )
        assert found["state"] == "FINISHED", found
