"""The table of task life, checked as a whole."""

import pytest

from fairlead.agent.state import TABLE, Seen, after
from fairlead.common.values import TaskState


def test_a_terminal_state_is_never_left() -> None:
    assert not [state for state, _ in TABLE if state.is_terminal]


def test_every_state_that_is_entered_can_be_left_for_a_terminal_one() -> None:
    for state in {state for state in TABLE.values() if not state.is_terminal}:
        assert any(TABLE[key].is_terminal for key in TABLE if key[0] is state), state


def test_a_container_that_was_ordered_may_end_in_any_way() -> None:
    for state in (TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING):
        for seen in (Seen.SUCCEEDED, Seen.FAILED, Seen.VANISHED):
            assert after(state, seen).is_terminal


def test_what_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(AssertionError, match="a task that is FINISHED cannot be kill"):
        after(TaskState.FINISHED, Seen.KILL)
