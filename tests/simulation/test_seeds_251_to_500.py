"""The second half of the fixed seeds: a file of its own, so that two workers share them."""

import pytest
from tests.support.lives import kept_seeds, live_all


@pytest.mark.timeout(900)
def test_lives(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that ever failed."""
    live_all([*range(251, 501), *(seed for seed in kept_seeds() if seed > 500)], capsys)
