"""What benchmarks of the command share: an environment and a cluster of their own, and what the
processes of one hold in memory.

The bytecode of what is imported is kept, as an installation does it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Environment = Mapping[str, str]


@contextmanager
def own_environment() -> Iterator[Environment]:
    """One without a cluster, whose home goes at the end."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FAIRLEAD_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as directory:
        yield {**kept, "FAIRLEAD_HOME": str(Path(directory, "home"))}


def fairlead(*words: str) -> tuple[str, ...]:
    """The argv of the command as people type it; as a module where no script is installed."""
    script = Path(sys.executable).with_name("fairlead")
    begin = (str(script),) if script.exists() else (sys.executable, "-P", "-m", "fairlead.cli")
    return (*begin, *words)


def call(environment: Environment, *argv: str) -> None:
    """To its end, in silence unless it fails."""
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()}")


@contextmanager
def cluster(environment: Environment, *options: str) -> Iterator[None]:
    """One that runs meanwhile in the home of this environment."""
    call(environment, *fairlead("up", "--detach", *options))
    try:
        yield
    finally:
        call(environment, *fairlead("down"))


def descendants(pid: int) -> list[int]:
    """Those of a process, itself left out; whoever was orphaned counts with who adopted it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has ended meanwhile
        if state != "Z":
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, unseen = [], [pid]
    while unseen:
        below = children.get(unseen.pop(), [])
        found += below
        unseen += below
    return found


def memory_mib(pids: Iterable[int]) -> float:
    """Their proportional share of memory: a page that n processes share counts 1/n for each."""
    kilobytes = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1024
