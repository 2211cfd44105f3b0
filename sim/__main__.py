"""`python -m fairlead.sim`: live one seed, a range of seeds, or fresh seeds until told to stop."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from . import scenes
from .plan import draw
from .process import CHECK_EVERY
from .shrink import live, shrink
from .tally import Tally
from .world import Report, simulate

PROGRESS_EVERY = 100
DIGEST_SEEDS = range(11, 21)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    if options.shrink is not None:
        return _shrink(options.shrink)
    if options.digests or options.scenes:
        for line in _digests() if options.digests else scenes.lines():
            print(line, flush=True)
        return 0
    tally = Tally()
    try:
        _live(options, tally)
    except KeyboardInterrupt:
        print("told to stop")
    print("\n".join(tally.lines()))
    _write_report(options, tally)
    return 1 if tally.failed else 0


def _live(options: argparse.Namespace, tally: Tally) -> None:
    began = time.process_time()
    for seed in _seeds(options):
        report = simulate(seed, options.check_every)
        tally.add(report)
        if report.failure:
            _print_failure(report)
            if not options.until_told:
                break
        elif options.seed is not None:
            print(f"seed {seed}: digest {report.digest}\n{report.settings}")
        elif tally.lives % PROGRESS_EVERY == 0:
            print(f"{tally.lives} lives, up to seed {seed}; failed: {tally.failed or 'none'}")
            _write_report(options, tally)
        if time.process_time() - began > options.cpu_minutes * 60:
            print(f"{options.cpu_minutes:g} cpu-minutes are over at seed {seed}")
            break


def _write_report(options: argparse.Namespace, tally: Tally) -> None:
    """Now and then, and at the end."""
    if options.report is not None:
        head = [f"commit {options.commit}", tally.range(), f"failed: {tally.failed or 'none'}"]
        options.report.write_text("\n".join([*head, *tally.lines(), ""]))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fairlead.sim", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="this one life")
    which.add_argument("--seeds", type=_range, metavar="FROM-TO", help="these lives")
    which.add_argument(
        "--until-told",
        type=int,
        nargs="?",
        const=1_000_000,
        metavar="FROM",
        help="seed after seed, until Ctrl-C",
    )
    which.add_argument(
        "--shrink",
        type=int,
        metavar="SEED",
        help="make this failing life smaller while the same check fails, and print the smallest",
    )
    which.add_argument(
        "--digests",
        action="store_true",
        help="of ten lives; tests/simulation/digests.txt is what they were last",
    )
    which.add_argument(
        "--scenes",
        action="store_true",
        help="how long somebody waits where other masters would let it wait for ever",
    )
    parser.add_argument(
        "--cpu-minutes",
        type=float,
        default=float("inf"),
        metavar="MINUTES",
        help="no further life after so much of the processor's time",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="what came of it, to be kept")
    parser.add_argument("--commit", default="unknown", help="what the report says was tried")
    parser.add_argument(
        "--check-every",
        type=int,
        default=CHECK_EVERY,
        metavar="STEPS",
        help="how often all books of a core are checked, beside what each step touched;"
        f" {CHECK_EVERY} if not given, 0: only at the end",
    )
    return parser.parse_args(argv)


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 1-200")
    return int(first), int(last)


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    if options.seed is not None:
        yield options.seed
    elif options.seeds is not None:
        yield from range(options.seeds[0], options.seeds[1] + 1)
    else:
        yield from count(options.until_told)


def _digests() -> Iterator[str]:
    for seed in DIGEST_SEEDS:
        yield f"{seed} {simulate(seed).digest}"


def _shrink(seed: int) -> int:
    plan, report = shrink(draw(seed), live)
    if not report.failure:
        print(f"seed {seed} does not fail: there is nothing to shrink")
        return 0
    _print_failure(report)
    print(f"shrunk to {plan.size()}; the settings above are those of the smallest world")
    return 1


def _print_failure(report: Report) -> None:
    print("\n".join(report.last_lines))
    print(f"seed {report.seed} FAILED after {report.virtual_s:.3f} s: {report.failure}")
    print(report.settings)
    print(f"again: python -m fairlead.sim --seed {report.seed}")
    print(f"smaller: python -m fairlead.sim --shrink {report.seed}")


if __name__ == "__main__":
    sys.exit(main())
