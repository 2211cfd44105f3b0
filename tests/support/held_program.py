"""Runs a training program, and holds it in the steps that a test names until the test lets go.

`python held_program.py PROGRAM ARGUMENT…`, with HOLD_AT=3,17 and HOLD_IN=DIRECTORY: in step 3 the
file `held-3` is made there, and the step ends when it is gone.
"""

import os
import runpy
import sys
import time
from pathlib import Path
from typing import SupportsFloat

from fairlead.frameworks.training import hook

STEPS = {int(step) for step in os.environ.get("HOLD_AT", "").split(",") if step}
DIRECTORY = Path(os.environ.get("HOLD_IN", "."))
report_on = hook.report


def report(**metrics: SupportsFloat) -> None:
    """What the program calls in each step."""
    report_on(**metrics)
    step = hook._current.step if hook._current else -1
    if step in STEPS:
        STEPS.discard(step)
        held = DIRECTORY / f"held-{step}"
        held.touch()
        while held.exists():
            time.sleep(0.002)


if __name__ == "__main__":
    hook.report = report
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
