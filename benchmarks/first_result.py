"""How long until the first result: `python benchmarks/first_result.py`.

Each run is a program of its own that makes an executor, does one call and shuts down. Measured
inside: from before the import until the result; and outside: the whole program, its end included.
Three ways: an Executor with no cluster anywhere, so that it starts one for itself; an Executor
beside a cluster that runs; and a ProcessPoolExecutor.
"""

import subprocess
import sys
import time
from contextlib import nullcontext
from itertools import pairwise

from local_cluster import Environment, cluster, own_environment
from measure import Report, arguments

PROGRAM = """
import time
times = [time.monotonic()]
from {module} import {name}
times.append(time.monotonic())
with {name}(max_workers=1) as executor:
    times.append(time.monotonic())
    assert executor.submit(abs, -1).result() == 1
    times.append(time.monotonic())
    print(*times)
"""
PARTS = ("its import", "its executor, and the cluster if none runs", "its first call")
BATCH = PROGRAM.format(module="fairlead.frameworks.batch", name="Executor")
POOL = PROGRAM.format(module="concurrent.futures", name="ProcessPoolExecutor")


def measure(program: str, environment: Environment) -> tuple[float, ...]:
    """Seconds until the result, until the program has ended, and of the parts until the result."""
    began = time.monotonic()
    argv = (sys.executable, "-c", program)
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    times = [float(word) for word in done.stdout.split()]
    parts = (after - before for before, after in pairwise(times))
    return times[-1] - times[0], time.monotonic() - began, *parts


def main() -> int:
    options = arguments(__doc__).parse_args()
    report = Report(options.output == "json")
    with own_environment() as environment:
        for name, program, place, asked in (
            ("Executor, no cluster runs", BATCH, nullcontext(), "≤ 2"),
            ("Executor, a cluster runs", BATCH, cluster(environment), ""),
            ("ProcessPoolExecutor", POOL, nullcontext(), ""),
        ):
            with place:
                found = [measure(program, environment) for _ in range(options.runs)]
            until_result, whole, *parts = zip(*found, strict=True)
            report.add(f"{name}: first result", "s", until_result, asked)
            for part, values in zip(PARTS, parts, strict=True):
                report.add(f"  {part}", "s", values)
            report.add(f"{name}: whole program", "s", whole)
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
