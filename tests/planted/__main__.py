"""`python -m tests.planted [NAME…]`: plants each bug and shows by which law it is caught."""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.planted.planting import BASES, CPU_S, Plant, Verdict, live, planted, plants


def main(argv: Sequence[str] | None = None) -> int:
    known = {plant.name: plant for plant in plants()}
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="at the same time")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no patch of that name: {', '.join(unknown)}")
    chosen = [known[name] for name in options.names or known]
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(options.workers) as pool:
        for several in pool.map(_verdicts, chosen):
            verdicts += several
            _say(*several)
    caught = sum(bool(verdict.law) for verdict in verdicts)
    longest = max(verdict.cpu_s for verdict in verdicts)
    _say(
        f"{len(chosen)} planted bugs, each from {len(BASES)} base seeds: {caught} of"
        f" {len(verdicts)} caught; the longest took {longest:.1f} s of {CPU_S} s of cpu time"
    )
    return 0 if caught == len(verdicts) else 1


def _say(*lines: object) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _verdicts(plant: Plant) -> list[Verdict]:
    with planted(plant) as tree:
        return [live(plant, tree, base) for base in BASES]


if __name__ == "__main__":
    sys.exit(main())
