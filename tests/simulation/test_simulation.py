"""Whole clusters under a virtual clock: the digest, and what a failure prints.

The cores are the real ones; whatever breaks a law of the auditor fails the life and names its seed.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.common.resources import EMPTY
from fairlead.master.books import Books
from fairlead.master.entries import HeldOffer
from fairlead.master.offers import Offers
from fairlead.sim.__main__ import DIGEST_SEEDS, main
from fairlead.sim.plan import draw
from fairlead.sim.process import CHECK_EVERY
from fairlead.sim.shrink import shrink
from fairlead.sim.world import simulate

DIGESTS = Path(__file__).with_name("digests.txt")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_seed_is_the_same_life_under_any_hash_seed(hash_seed: str) -> None:
    """As it was when somebody changed it last; then its digests are written anew."""
    done = subprocess.run(
        [sys.executable, "-m", "fairlead.sim", "--digests"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert done.stdout == DIGESTS.read_text(), (
        f"lives have changed; if they were meant to: python -m fairlead.sim --digests > {DIGESTS}"
    )
    assert len({line.split()[1] for line in done.stdout.splitlines()}) == len(DIGEST_SEEDS)


def test_a_failing_life_is_made_smaller_while_the_same_check_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Offers, "refuse", lambda *_args: None)
    seed = next(seed for seed in range(1, 60) if "filters are honoured" in simulate(seed).failure)
    plan, report = shrink(draw(seed))
    assert "filters are honoured" in report.failure
    assert len(plan.batch) < len(draw(seed).batch)
    assert report.steps < simulate(seed).steps
    assert main(["--shrink", str(seed)]) == 1
    assert "shrunk to" in capsys.readouterr().out


def test_a_life_that_does_not_fail_is_not_shrunk(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--shrink", "7"]) == 0
    assert "nothing to shrink" in capsys.readouterr().out


def test_a_soak_writes_its_report(tmp_path: Path) -> None:
    report = tmp_path / "soak.md"
    told = ["--seeds", "1-5000", "--cpu-minutes", "0.001", "--commit", "abc"]
    assert main([*told, "--report", str(report)]) == 0
    said = report.read_text()
    assert "commit abc" in said
    assert "1 lives" in said
    assert "coverage: " in said


def test_one_life_prints_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "seed 7: digest " in said
    assert "timeouts: silent" in said
    assert "faults by kind:" in said


def test_a_failed_life_prints_its_seed_its_settings_and_the_last_events(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Offers, "refuse", lambda *_args: None)
    seed = next(seed for seed in range(1, 60) if "filters are honoured" in simulate(seed).failure)
    assert main(["--seeds", f"{seed}-{seed}"]) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    assert "filters are honoured" in said
    assert "again: python -m fairlead.sim --seed " in said
    assert said.count(" -> ") + said.count(" <- ") > 20


@pytest.mark.parametrize("check_every", [1, CHECK_EVERY])
def test_a_sum_that_is_wrong_is_noticed(check_every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed in silence: what a step touched does not show it, all books do."""
    monkeypatch.setattr(Books, "count", lambda _books, _agent: None)
    assert "the capacity is" in simulate(1, check_every).failure


def test_the_books_of_who_dies_early_are_checked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Books, "count", lambda _books, _agent: None)
    assert "as it dies" in simulate(1, check_every=1_000_000).failure


def test_what_a_step_did_wrong_is_noticed_behind_that_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_offer = Books.add_offer

    def forgetful(books: Books, held: HeldOffer) -> None:
        add_offer(books, held)
        books.agents[held.offer.agent_id].offered = EMPTY

    monkeypatch.setattr(Books, "add_offer", forgetful)
    report = simulate(1, check_every=1_000_000)
    assert "offers " in report.failure
    assert report.steps < 100
