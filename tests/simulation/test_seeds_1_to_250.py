"""The first half of the fixed seeds: a file of its own, so that two workers share them."""

import pytest
from tests.support.lives import live_all


@pytest.mark.timeout(900)
def test_lives(capsys: pytest.CaptureFixture[str]) -> None:
    live_all(range(1, 251), capsys)
