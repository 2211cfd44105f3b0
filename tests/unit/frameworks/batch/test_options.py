"""How often a call is tried, and how long between two tries."""

from typing import Any

import pytest

from fairlead.frameworks.batch import Executor
from fairlead.frameworks.batch.options import LONGEST_PAUSE_S, CallOptions


def test_nothing_is_tried_again_unless_asked_for() -> None:
    assert CallOptions().pause_s(ValueError(), 1) is None


def test_the_budget_counts_retries_and_pauses_double_up_to_a_minute() -> None:
    options = CallOptions(retries=100, backoff_s=0.5)
    assert [options.pause_s(ValueError(), n) for n in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert options.pause_s(ValueError(), 90) == LONGEST_PAUSE_S
    assert options.pause_s(ValueError(), 101) is None
    assert CallOptions(retries=1, backoff_s=0).pause_s(ValueError(), 1) == 0


def test_what_is_worth_another_try() -> None:
    of_types = CallOptions(retries=1, retry_on=(OSError, KeyError))
    assert of_types.pause_s(FileNotFoundError(), 1) is not None
    assert of_types.pause_s(ValueError(), 1) is None
    by_default = CallOptions(retries=1)
    assert by_default.pause_s(SystemExit(), 1) is None
    by_question = CallOptions(retries=1, retry_on=lambda error: "again" in str(error))
    assert by_question.pause_s(ValueError("again"), 1) is not None
    assert by_question.pause_s(ValueError("no"), 1) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retries": -1}, "retries is -1, not a number of times"),
        ({"retries": True}, "retries is True"),
        ({"loss_retries": 1.5}, "loss_retries is 1.5"),
        ({"backoff_s": float("nan")}, "backoff_s is nan, not a number of seconds"),
        ({"timeout_s": "soon"}, "timeout_s is 'soon'"),
        ({"timeout_s": 0}, "timeout_s is 0: no call could ever be done"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        CallOptions(**options)


def test_a_misspelt_option_is_named_as_python_would() -> None:
    with pytest.raises(
        TypeError, match=r"^Executor\(\) got an unexpected keyword argument 'retry'$"
    ):
        Executor(retry=2)  # type: ignore[call-arg]
