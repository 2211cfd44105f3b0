"""Random lives of a master, judged after every step by its books and by a ledger of our own."""

from collections import Counter

import hypothesis
import hypothesis.strategies as st
from tests.support.master_walk import Walk

SEEDS = range(16)


def test_random_lives_keep_every_promise() -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        walk = Walk(seed)
        try:
            walk.run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        counts.update(walk.counts)
    deeds = {deed.__name__ for _, deed in Walk(0).deeds}
    assert set(counts) == deeds, "a kind of event was never tried"


@hypothesis.settings(max_examples=8)
@hypothesis.given(st.integers(min_value=1000, max_value=10**6))
def test_other_random_lives_keep_every_promise(seed: int) -> None:
    Walk(seed).run()
