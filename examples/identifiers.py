"""Count the identifiers in Python's own standard library, on all workers of a cluster.

    python examples/identifiers.py [--workers 2] [--check]

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


def sources() -> list[str]:
    """Every source file of the standard library on this machine."""
    root = Path(sysconfig.get_path("stdlib"))
    files = (str(path) for path in root.rglob("*.py") if "site-packages" not in path.parts)
    return sorted(files)


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
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--check", action="store_true", help="compare with a sequential count")
    options = parser.parse_args()

    files = sources()
    chunks = [files[i : i + FILES_PER_CALL] for i in range(0, len(files), FILES_PER_CALL)]
    with Executor(max_workers=options.workers) as executor:
        executor.submit(os.getpid).result()  # the first worker is there
        started = time.monotonic()
        total = executor.map_reduce(count, chunks, add_up).result()
        took = time.monotonic() - started

    print(f"{total.total():,} identifiers in {len(files):,} files, {took:.1f} s")
    for name, times in total.most_common(20):
        print(f"{times:>9,}  {name}")
    if not options.check:
        return 0
    started = time.monotonic()
    alone = count(files)
    alone_took = time.monotonic() - started
    print(f"alone {alone_took:.1f} s: {alone_took / took:.2f} times as fast on {options.workers}")
    print("the counts are equal" if alone == total else "THE COUNTS DIFFER")
    return 0 if alone == total else 1


if __name__ == "__main__":
    sys.exit(main())
