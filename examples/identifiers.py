"""Count the identifiers in Python's own standard library, on all workers of a cluster.

    python examples/identifiers.py [--workers 2] [--files 100] [--check]

A `map_reduce`: each call parses some source files and counts, one more call adds up the counts.
With --check the same is done in this process alone, to compare counts and times.
"""

import argparse
import ast
import os
import sys
import sysconfig
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fairlead.frameworks.batch import Executor

FILES_PER_CALL = 8


def sources(most: int | None = None) -> list[str]:
    """Every source file of the standard library on this machine, or `most` of them."""
    root = Path(sysconfig.get_path("stdlib"))
    files = (str(path) for path in root.rglob("*.py") if "site-packages" not in path.parts)
    paths = sorted(files)
    return paths if most is None else paths[:: max(1, -(-len(paths) // most))]


def identifiers(path: str) -> Counter[str]:
    """How often each name is read, written, defined or reached through a dot in one file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of the library's tests are wrong on purpose
            tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return Counter()
    names: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                names[name] += 1
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names[name] += 1
            case ast.ClassDef(name=name):
                names[name] += 1
    return names


def count(paths: Sequence[str]) -> Counter[str]:
    """The identifiers of some files."""
    total: Counter[str] = Counter()
    for path in paths:
        total.update(identifiers(path))
    return total


def add_up(counts: Sequence[Counter[str]]) -> Counter[str]:
    """One count of many."""
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--files", type=int, help="no more than so many, spread over all")
    parser.add_argument("--check", action="store_true", help="compare with a sequential count")
    options = parser.parse_args()

    files = sources(options.files)
    chunks = [files[i : i + FILES_PER_CALL] for i in range(0, len(files), FILES_PER_CALL)]
    started = time.monotonic()
    with Executor(max_workers=options.workers) as executor:
        total = executor.map_reduce(count, chunks, add_up).result()
    took = time.monotonic() - started

    print(f"{total.total():,} identifiers in {len(files):,} files; the 20 most common:")
    for name, times in total.most_common(20):
        print(f"{times:>9,}  {name}")
    workers = f"{options.workers} workers" if options.workers > 1 else "one worker"
    print(f"{took:.1f} s with {workers}, the time to get them included")
    return compare(files, total, took) if options.check else 0


def compare(files: Sequence[str], total: Counter[str], took: float) -> int:
    """Against this process alone."""
    started = time.monotonic()
    alone = count(files)
    alone_took = time.monotonic() - started
    print(f"{alone_took:.1f} s without a cluster: the speed-up is {alone_took / took:.2f}")
    print("the counts are equal" if alone == total else "THE COUNTS DIFFER")
    return 0 if alone == total else 1


if __name__ == "__main__":
    sys.exit(main())
