"""Simulated lives by seed, for the tests that go through many of them."""

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from fairlead.sim.tally import Tally
from fairlead.sim.world import simulate

KEPT = Path(__file__).parents[1] / "simulation" / "kept_seeds.txt"


def kept_seeds() -> list[int]:
    """Each showed a bug of a core or of the simulator once."""
    lines = (line.partition("#")[0].strip() for line in KEPT.read_text().splitlines())
    return [int(line) for line in lines if line]


def live_all(seeds: Iterable[int], capsys: pytest.CaptureFixture[str]) -> None:
    """No law is broken, every kind of fault came, every handler of every core was reached."""
    tally = Tally()
    for seed in seeds:
        report = simulate(seed)
        tally.add(report)
        last = "\n".join(report.last_lines)
        assert not report.failure, (
            f"{last}\n{report.settings}\n{report.failure}\n"
            f"again: python -m fairlead.sim --seed {seed}"
        )
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(tally.lines()) + "\n")
    assert [kind for kind, count in tally.struck().items() if not count] == []
    assert [name for name, count in tally.reached().items() if not count] == []
