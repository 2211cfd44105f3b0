"""How long until the first result: `python benchmarks/first_result.py [RUNS]`.

Each run is a program of its own that makes an executor, does one call and shuts down. Measured
inside: from before the import until the result; and outside: the whole program, its end included.
Three ways: an Executor with no cluster anywhere, so that it starts one for itself; an Executor
beside a cluster that runs; and a ProcessPoolExecutor.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

RUNS = 5
PROGRAM = """
import time
began = time.monotonic()
from {module} import {name}
with {name}(max_workers=1) as executor:
    assert executor.submit(abs, -1).result() == 1
    print(time.monotonic() - began)
"""
BATCH = PROGRAM.format(module="fairlead.frameworks.batch", name="Executor")
POOL = PROGRAM.format(module="concurrent.futures", name="ProcessPoolExecutor")


@contextmanager
def cluster(environment: Mapping[str, str]) -> Iterator[None]:
    """One that runs meanwhile in the home of this environment."""

    def command(*words: str) -> None:
        argv = (sys.executable, "-P", "-m", "fairlead.cli", *words)
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)

    command("up", "--detach")
    try:
        yield
    finally:
        command("down")


def measure(program: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds until the result, and until the program has ended."""
    began = time.monotonic()
    argv = (sys.executable, "-c", program)
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout), time.monotonic() - began


def row(name: str, program: str, environment: Mapping[str, str], runs: int) -> None:
    pairs = [measure(program, environment) for _ in range(runs)]
    until_result, whole = ([pair[n] for pair in pairs] for n in (0, 1))
    print(f"{name:<34} {summary(until_result)}   {summary(whole)}", flush=True)


def summary(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):5.2f} ({min(seconds):.2f} … {max(seconds):.2f})"


def main() -> int:
    runs = int(sys.argv[1]) if sys.argv[1:] else RUNS
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")}
    cores = len(os.sched_getaffinity(0))
    print(f"{runs} runs each on {cores} cores; seconds: median (least … most)")
    print(f"{'':<34} {'first result':<20}   whole program")
    with tempfile.TemporaryDirectory(prefix="fairlead-first-") as directory:
        environment = {**kept, "FAIRLEAD_HOME": str(Path(directory, "home"))}
        for name, program, place in (
            ("Executor, no cluster runs", BATCH, nullcontext()),
            ("Executor, a cluster runs", BATCH, cluster(environment)),
            ("ProcessPoolExecutor", POOL, nullcontext()),
        ):
            with place:
                row(name, program, environment, runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
