"""The program of a training job, treated as by an agent: started, brought to rest, frozen, ended.

For tests of the hook, without a cluster.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from .command import until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SUPPORT = Path(__file__).parent
PATIENCE_S = 60.0


class TrainingProgram:
    """Of one job, whose copies follow one another. Use it in a `with`, or a copy may be left."""

    def __init__(
        self, place: Path, program: Path, *arguments: str, python: str = sys.executable
    ) -> None:
        self.place = place
        self.directory = place / "job"
        self.sandbox = place / "sandbox"
        self.sandbox.mkdir(parents=True)
        self.curve = place / "curve"
        held = SUPPORT / "held_program.py"
        self.argv = [python, str(held), str(program), *arguments, "--curve", str(self.curve)]
        self.run = 0
        self.said = ""
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if "FAIRLEAD_M" not in key}
        return {
            **clean,
            "PYTHONPATH": str(ROOT / "src"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "FAIRLEAD_JOB_DIR": str(self.directory),
            "FAIRLEAD_JOB_RUN": str(self.run),
            "FAIRLEAD_SANDBOX": str(self.sandbox),
        }

    def start(self, *held_at: int, **environment: str) -> "subprocess.Popen[str]":
        """The next copy, to be held in these steps; each is let go by `signal` or `let_go`."""
        self.run += 1
        environment |= {"HOLD_AT": ",".join(map(str, held_at)), "HOLD_IN": str(self.place)}
        self.process = subprocess.Popen(
            self.argv,
            env={**self.environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def end(self) -> int:
        """Wait for the copy's; what it said stands in `said`."""
        assert self.process is not None
        said = self.process.communicate(timeout=PATIENCE_S)
        self.said = "".join(said)
        return self.process.returncode

    def until_held(self, step: int) -> None:
        """It is in this step and stays there."""
        held = self.place / f"held-{step}"
        until(f"copy {self.run} is in step {step}", held.exists, PATIENCE_S)

    def let_go(self) -> None:
        for held in self.place.glob("held-*"):
            held.unlink()

    def signal(self, signum: int) -> None:
        assert self.process is not None
        self.process.send_signal(signum)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.end() == -signal.SIGKILL
        self.let_go()

    def save_and_end(self) -> None:
        """After the step in which it is held."""
        self.signal(signal.SIGTERM)
        self.let_go()
        assert self.end() == 75, self.said

    def rest(self) -> None:
        """After the step in which it is held; as before it is frozen."""
        self.signal(signal.SIGUSR1)
        self.let_go()
        until("it is at rest", self.at_rest.exists, PATIENCE_S)

    def go_on(self) -> None:
        self.at_rest.unlink()

    @property
    def at_rest(self) -> Path:
        return self.sandbox / "at-rest"

    def progress(self) -> dict[str, Any]:
        path = self.directory / "progress.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def losses(self) -> list[tuple[int, str]]:
        """Of each step as it was done, to the last bit."""
        lines = self.curve.read_text().splitlines()
        return [(int(step), loss) for step, loss in (line.split() for line in lines)]
