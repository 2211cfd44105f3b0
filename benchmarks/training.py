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
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
from measure import Report, arguments, repeat

from fairlead.frameworks.training import steps

STEP_US = 20.0
SWITCH_MS = 50.0
SHARE = 2.0
SLICE_S = 60.0
BARE_ROUNDS = 100
BARE_STEPS = 1000
REAL_STEPS = 300  # some 12 s, so that progress is told several times
REAL_STEP_S = 0.02
SHORT_STEP_S = 0.001
WEIGHTS = 250_000  # and as many of momentum: 4 MB
SWITCHES = 20
DEADLINE_S = 60.0


def next_us(iterator: Iterator[int], count: int, step_s: float) -> float:
    """Of what is to be done between two steps."""
    if step_s:
        time.sleep(step_s)
    began = time.perf_counter()
    for _ in range(count):
        next(iterator)
    return (time.perf_counter() - began) / count * 1e6


def hook_us(rounds: int, count: int, step_s: float) -> float:
    """More than without it."""
    state = {"weights": np.zeros(WEIGHTS), "speed": np.zeros(WEIGHTS)}
    with tempfile.TemporaryDirectory() as directory:
        os.environ["FAIRLEAD_JOB_DIR"] = directory
        batches = range(rounds * count + 1)
        with_hook, without = iter(steps(batches, state=state)), iter(batches)
        next(with_hook)  # it looks for a checkpoint
        took, bare = (
            fmean(next_us(each, count, step_s) for _ in range(rounds))
            for each in (with_hook, without)
        )
    return took - bare


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
    idle = repeat(lambda: hook_us(BARE_ROUNDS, BARE_STEPS, 0), options.runs)
    report.add("the hook, per step of no length", "µs", idle, asked)
    real = repeat(lambda: hook_us(REAL_STEPS, 1, REAL_STEP_S), options.runs)
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
