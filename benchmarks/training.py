"""What the training hook costs: in each step, and each time that a job gives way to another.

A step's cost is the time between the end of one and the begin of the next, less that of a bare
loop: with nothing in the steps, and with steps of 20 ms, so that progress is told in between.
A switch is measured from outside, as an agent does it: from the signal until the program is at
rest, its checkpoint on disk, and from its leave to go on until it is in its next step.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np
from measure import Report, arguments, repeat

from fairlead.frameworks.training import steps

STEP_US = 20.0
SWITCH_MS = 50.0
SHARE = 2.0
SLICE_S = 60.0
BARE_STEPS = 100_000
REAL_STEPS = 1000  # some 20 s: wherever the disk is slow, progress is told every ten
SOME_STEPS = 200
REAL_STEP_S = 0.02
SHORT_STEP_S = 0.001
WEIGHTS = 250_000  # and as many of momentum: 4 MB
SWITCHES = 20
DEADLINE_S = 60.0


def hooked(count: int, directory: str) -> Iterable[int]:
    os.environ["FAIRLEAD_JOB_DIR"] = directory
    state = {"weights": np.zeros(WEIGHTS), "speed": np.zeros(WEIGHTS)}
    return steps(range(count), state=state)


def idle_us() -> float:
    """Of the hook in a step of no length, more than without it."""
    with tempfile.TemporaryDirectory() as directory:
        return loop_us(hooked(BARE_STEPS, directory)) - loop_us(range(BARE_STEPS))


def loop_us(batches: Iterable[int]) -> float:
    iterator = iter(batches)
    next(iterator)  # it looks for a checkpoint
    began = time.perf_counter()
    for _ in iterator:
        pass
    return (time.perf_counter() - began) / BARE_STEPS * 1e6


def real_us() -> float:
    """The same in a real step, with its part in telling progress. Medians of both, for a program
    that has slept is at times woken late, and that is nobody's cost.
    """
    with tempfile.TemporaryDirectory() as directory:
        silent, telling = between_us(hooked(REAL_STEPS, directory), directory)
        bare, _ = between_us(range(SOME_STEPS), directory)
    assert telling, f"in {REAL_STEPS} steps of {REAL_STEP_S:g} s progress was not told once"
    return median(silent) - median(bare) + median(telling) * len(telling) / REAL_STEPS


def between_us(batches: Iterable[int], directory: str) -> tuple[list[float], list[float]]:
    """What passes between two real steps, each: progress was not told there, and was."""
    silent, telling = list[float](), list[float]()
    iterator, told = iter(batches), 0
    next(iterator)
    while True:
        time.sleep(REAL_STEP_S)
        before = told
        began = time.perf_counter()
        if next(iterator, None) is None:
            return silent, telling
        took_us = (time.perf_counter() - began) * 1e6
        told = last_told(directory)
        (silent if before in (0, told) else telling).append(took_us)


def last_told(directory: str) -> int:
    path = Path(directory, "progress.json")
    return path.stat().st_mtime_ns if path.exists() else 0


def switch_ms() -> list[float]:
    """Of one program, each; it writes a byte in each step."""
    with tempfile.TemporaryDirectory() as directory:
        at_rest = Path(directory, "at-rest")
        environment = {**os.environ, "FAIRLEAD_JOB_DIR": directory, "FAIRLEAD_SANDBOX": directory}
        argv = [sys.executable, __file__, "--program"]
        with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            try:
                took = [switch_s(program, at_rest) * 1000 for _ in range(SWITCHES + 1)]
            finally:
                program.kill()
    return took[1:]  # the first pages things in


def switch_s(program: "subprocess.Popen[bytes]", at_rest: Path) -> float:
    assert program.stdout is not None
    pipe = program.stdout.fileno()
    wait_for_step(pipe)
    asked = time.perf_counter()
    program.send_signal(signal.SIGUSR1)
    while not at_rest.exists():
        assert time.perf_counter() - asked < DEADLINE_S, "it does not come to rest"
        time.sleep(0.0005)
    rested = time.perf_counter()
    while select.select([pipe], [], [], 0)[0]:
        os.read(pipe, 4096)
    let_go = time.perf_counter()
    at_rest.unlink()
    wait_for_step(pipe)
    return rested - asked + time.perf_counter() - let_go


def wait_for_step(pipe: int) -> None:
    assert select.select([pipe], [], [], DEADLINE_S)[0], "it does no step"
    assert os.read(pipe, 4096), "it has ended"


def train() -> None:
    """The program whose switches are measured."""
    state = {"weights": np.random.rand(WEIGHTS), "speed": np.zeros(WEIGHTS)}
    for _ in steps(range(10**9), state=state):
        os.write(1, b".")
        time.sleep(SHORT_STEP_S)


def main() -> None:
    options = arguments(__doc__).parse_args()
    report = Report(options.output == "json")
    asked = f"≤ {STEP_US:g}"
    idle = repeat(idle_us, options.runs)
    report.add("the hook, per step of no length", "µs", idle, asked)
    real = repeat(real_us, options.runs)
    report.add(f"the hook, per step of {REAL_STEP_S * 1000:g} ms", "µs", real, asked)
    switches = [took for _ in range(options.runs) for took in switch_ms()]
    report.add("a switch: rest and go on, 4 MB of state", "ms", switches, f"≤ {SWITCH_MS:g}")
    shares = [took / 1000 / SLICE_S * 100 for took in switches]
    report.add(f"a switch ÷ {SLICE_S:g} s", "%", shares, f"≤ {SHARE:g}")
    report.end()


if __name__ == "__main__":
    if sys.argv[1:] == ["--program"]:
        train()
    else:
        main()
