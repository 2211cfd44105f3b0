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

from local_cluster import Environment, cluster, own_environment
from measure import Report, arguments

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


def measure(program: str, environment: Environment) -> tuple[float, float]:
    """Seconds until the result, and until the program has ended."""
    began = time.monotonic()
    argv = (sys.executable, "-c", program)
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout), time.monotonic() - began


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
                pairs = [measure(program, environment) for _ in range(options.runs)]
            report.add(f"{name}: first result", "s", [pair[0] for pair in pairs], asked)
            report.add(f"{name}: whole program", "s", [pair[1] for pair in pairs])
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
