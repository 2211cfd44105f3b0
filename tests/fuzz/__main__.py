"""`python -m tests.fuzz`: every case there is, then walk after walk, until told to stop."""

import argparse
import sys
from itertools import count

from tests.fuzz.fuzzing import Judge, cases, corpus
from tests.fuzz.report import lines
from tests.fuzz.wandering import Walks

EVERY = 500


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    options = _options()
    judge, walks = Judge(), Walks()
    try:
        for case in (*corpus(), *cases()):
            judge.judge(case)
        say("\n".join(lines(judge.counts)))
        last = None if options.walks is None else options.first + options.walks
        for seed in count(options.first):
            if seed == last:
                break
            walks.walk(seed)
            if (seed + 1 - options.first) % EVERY == 0:
                say(f"{seed + 1 - options.first} walks; failed: {len(walks.failures)}")
    except KeyboardInterrupt:
        say("told to stop")
    say(f"walks: {dict(sorted(walks.counts.items()))}")
    failures = [*judge.failures, *walks.failures]
    say("\n".join(failures))
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--first", type=int, default=1_000_000, help="the seed of the first walk")
    parser.add_argument("--walks", type=int, help="so many; else until Ctrl-C")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
