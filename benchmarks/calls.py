"""Calls of functions beside what else there is: `python benchmarks/calls.py [--peers]`.

No-op calls, single calls and large ones on two workers of a local cluster that is started for each
run: Fairlead's, and those of Ray, Dask and Parsl where `--peers` finds them, each in its own
environment DIR/NAME. ProcessPoolExecutor has no cluster: it is the bound. Systems take turns.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from call_systems import CALLS, LARGE
from local_cluster import Environment, descendants, memory_mib, own_environment
from measure import Report, arguments, number

PEERS = {"ray": "ray[default]", "dask": "distributed", "parsl": "parsl"}
PEERS_DIR = Path.home() / ".cache" / "fairlead-peers"
PROGRAM = Path(__file__).with_name("call_systems.py")
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
FAREWELL_S = 60.0

COLUMNS: Sequence[tuple[str, str, str, str]] = (
    ("first_s", "start to first result", "s", "≤ 2"),
    ("idle_mib", "idle memory", "MiB", "≤ 150"),
    ("caller_mib", "and of the caller", "MiB", ""),
    ("calls_per_s", f"{CALLS:,} no-op calls", "calls/s", "≥ 6,000"),
    ("p50_ms", "one warm call, p50", "ms", "≤ 1.3"),
    ("p99_ms", "one warm call, p99", "ms", "≤ 5"),
    ("mb_per_s", f"{LARGE} calls of 1 MiB, in + out", "MB/s", "≥ 300"),
)
Found = dict[str, list[float]]


def measure(system: str, python: Path, environment: Environment) -> Mapping[str, float]:
    """One start, one workload, one end.

    Idle memory is that of all processes but the caller's, in which Dask has its scheduler.
    """
    argv = (str(python), str(PROGRAM), system)
    inside = {**environment, "PATH": f"{python.parent}:{environment['PATH']}"}
    with subprocess.Popen(
        argv, env=inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found: dict[str, float] = {}
        for line in process.stdout:
            if line.strip() == "idle":
                others = set(descendants(os.getpid())) - {process.pid}
                found["idle_mib"] = memory_mib(others)
                found["caller_mib"] = memory_mib([process.pid])
                process.stdin.write("go on\n")
                process.stdin.flush()
            elif line.startswith("{"):
                found |= json.loads(line)
    await_farewell(system)
    if len(found) != len(COLUMNS):
        raise RuntimeError(f"{system} ended with {process.returncode} and without its figures")
    return found


def await_farewell(system: str) -> None:
    """Until nothing of it runs that might disturb the next one."""
    deadline = time.monotonic() + FAREWELL_S
    while descendants(os.getpid()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of {system} still run {FAREWELL_S:g} s after its end")
        time.sleep(0.1)
    while True:  # what was adopted is to be buried
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def pythons(options: argparse.Namespace) -> dict[str, Path]:
    """Each system that can be measured, and the Python that knows it."""
    found = {"fairlead": Path(sys.executable), "pool": Path(sys.executable)}
    for name, requirement in PEERS.items() if options.peers else ():
        place = Path(options.peers_dir, name)
        python = place / "bin" / "python"
        if options.install_peers and not python.exists():
            venv.create(place, with_pip=True)
            pip = (str(python), "-m", "pip", "install", "--quiet", requirement)
            subprocess.run(pip, check=True)
        if python.exists():
            found[name] = python
        else:
            sys.stderr.write(f"{name} is not in {place}: left out; --install-peers installs it\n")
    return found


def table(found: Mapping[str, Found]) -> str:
    """All systems side by side, as Markdown."""
    lines = ["", "| | " + " | ".join(f"{name} ({unit})" for _, name, unit, _ in COLUMNS) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for system, figures in found.items():
        cells = [number(statistics.median(figures[key])) for key, *_ in COLUMNS]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--peers", action="store_true", help="measure Ray, Dask and Parsl, too")
    parser.add_argument("--peers-dir", default=PEERS_DIR, metavar="DIR", help="where they are")
    parser.add_argument("--install-peers", action="store_true", help="make those that are missing")
    options = parser.parse_args()
    report = Report(options.output == "json")
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)  # so that no daemon of theirs is overlooked
    systems = pythons(options)
    found: dict[str, Found] = {system: {} for system in systems}
    with own_environment() as environment:
        for _ in range(options.runs):
            for system, python in systems.items():
                for key, value in measure(system, python, environment).items():
                    found[system].setdefault(key, []).append(value)
    for system, figures in found.items():
        for key, name, unit, asked in COLUMNS:
            shown = asked if system == "fairlead" else ""
            report.add(f"{system}: {name}", unit, figures[key], shown)
    if not report.as_json:
        print(table(found))
    report.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
