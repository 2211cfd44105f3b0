"""What the command costs beside a cluster that runs: `python benchmarks/command.py`.

Each run also takes the time of `python -c pass`, which is Python's own; what is above it is ours.
"""

import subprocess
import sys
import time
from collections.abc import Sequence

from local_cluster import Environment, cluster, fairlead, own_environment
from measure import Report, arguments

RUNS = 15
WARM_UPS = 2
VERBS: Sequence[tuple[str, tuple[str, ...], str]] = (
    ("fairlead run -- true", fairlead("run", "--", "true"), "≤ 150"),
    ("fairlead status", fairlead("status"), ""),
    ("fairlead --help", fairlead("--help"), ""),
)


def took_ms(argv: Sequence[str], environment: Environment) -> float:
    began = time.monotonic()
    subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.monotonic() - began)


def main() -> int:
    parser = arguments(__doc__)
    parser.set_defaults(runs=RUNS)
    options = parser.parse_args()
    report = Report(options.output == "json")
    python = (sys.executable, "-c", "pass")
    with own_environment() as environment, cluster(environment):
        for name, argv, asked in VERBS:
            for _ in range(WARM_UPS):
                took_ms(argv, environment)
            pairs = [
                (took_ms(python, environment), took_ms(argv, environment))
                for _ in range(options.runs)
            ]
            above = [whole - pythons for pythons, whole in pairs]
            report.add(f"{name}, above python -c pass", "ms", above, asked)
        report.add("python -c pass", "ms", [pair[0] for pair in pairs])
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
