"""Calls and training jobs share one cluster by their weights: one machine's worth of both.

    fairlead up --detach --agents 0
    python examples/two_frameworks.py [--weight 2] [--jobs 6] [--calls 12]

Both frameworks want more than there is when the machine joins, so each gets its share: that of its
scarcest resource, divided by its weight, is the same for both. The machine is an agent that says
it has 12 cpus and 8 GPUs; nothing here needs them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairlead.frameworks.batch import Executor

FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))
MACHINE = ("--name", "big", "--cpus", "12", "--mem", "8GiB", "--gpus", "fake:8")
LIMIT_S = 120.0
PROGRAM = """
import os, sys, time
from fairlead.frameworks.training import steps

for _ in steps(range(100_000)):
    time.sleep(0.05)
    if os.path.exists(sys.argv[1]):
        break
"""


def fairlead(*words: str) -> str:
    """What the command printed."""
    return subprocess.run([FAIRLEAD, *words], stdout=subprocess.PIPE, text=True, check=True).stdout


def listed(*words: str) -> Any:
    return json.loads(fairlead(*words, "-o", "json"))


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    """Not for ever."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {LIMIT_S:g} s until {what}")
        time.sleep(0.2)


def wait_for(path: str) -> None:
    """A call that takes until somebody says that it is enough."""
    while not Path(path).exists():
        time.sleep(0.05)


@contextmanager
def machine() -> Iterator[None]:
    """Joins the cluster, and leaves it at the end."""
    with subprocess.Popen([FAIRLEAD, "agent", *MACHINE], stderr=subprocess.DEVNULL) as agent:
        try:
            yield
        finally:
            agent.terminate()


def wanted() -> dict[str, int]:
    return {row["name"]: row["wanted"] for row in listed("frameworks", "list")}


def cpus() -> dict[str, float]:
    """Held by each role."""
    return {row["role"]: row["held"]["cpus"] for row in listed("weights", "list")}


def share(jobs: int, calls: int, weight: str, folder: str) -> None:
    """Both want more than there is; then the machine joins."""
    enough, script = str(Path(folder, "enough")), Path(folder, "train.py")
    script.write_text(PROGRAM)
    fairlead("weights", "set", "training", weight)
    train = ("--", sys.executable, str(script), enough)
    for number in range(jobs):
        fairlead(
            "jobs", "submit", "--name", f"job-{number}", "--cpus", "2", "--mem", "64MiB", *train
        )
    with Executor(max_workers=calls, cpus=1, mem=128 * 2**20) as executor:
        results: Sequence[Future[None]] = [executor.submit(wait_for, enough) for _ in range(calls)]
        wait_until("both wait", lambda: all(wanted().get(name) for name in ("batch", "training")))
        with machine():
            wait_until("all cpus are held", lambda: sum(cpus().values()) == 12)
            print(fairlead("weights", "list"))
            Path(enough).touch()
            for result in results:
                result.result(LIMIT_S)
            wait_until("the jobs have ended", lambda: not listed("jobs", "list"))
    print("all calls and all jobs are done")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--weight", default="2", help="of training; that of batch is 1")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--calls", type=int, default=12)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        share(options.jobs, options.calls, options.weight, folder)


if __name__ == "__main__":
    main()
