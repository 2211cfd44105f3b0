"""Calls and training jobs on one cluster: each framework gets its weighted dominant share."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.command import Command, running_cluster, words

EXAMPLE = Path(__file__).parents[2] / "examples" / "two_frameworks.py"
LIMIT_S = 150.0


def test_weights_two_to_one_are_shares_two_to_one() -> None:
    """12 cpus and 8 GPUs; a job takes 2 cpus and a GPU, a call takes one cpu: 4 jobs, 4 calls."""
    # No machine yet: both are to want one when it comes.
    with running_cluster("--agents", "0", FAIRLEAD_CHECK="1") as fairlead:
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), "--jobs", "5", "--calls", "5"],
            env={**os.environ, **fairlead.environment},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"batch +1 +33% +4 cpus", done.stdout), done.stdout
        assert re.search(r"training +2 +67% +8 cpus", done.stdout), done.stdout
        assert done.stdout.endswith("all calls and all jobs are done\n")
        weigh(fairlead)


def weigh(fairlead: Command) -> None:
    """A weight is a number of a role."""
    assert fairlead.ok("weights", "set", "batch", "0.5") == "batch has weight 0.5\n"
    shown = {row["role"]: row["weight"] for row in fairlead.json("weights", "list")}
    assert (shown["batch"], shown["training"]) == (0.5, 2)
    for bad in (("batch", "0"), ("batch", "-1"), ("batch", "1001")):
        code, line = words(fairlead, "weights", "set", *bad)
        assert code == 64, line
    assert "'a role' may hold only" in words(fairlead, "weights", "set", "a role", "1")[1]
