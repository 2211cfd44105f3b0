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
    for state in {state for state, _ in TABLE} - {TaskState.STAGING}:
        for seen in (Seen.SUCCEEDED, Seen.FAILED, Seen.VANISHED):
            assert after(state, seen).is_terminal


def test_whoever_has_not_ended_can_be_killed() -> None:
    for state in {state for state, _ in TABLE}:
        assert after(state, Seen.KILL) in (TaskState.KILLING, TaskState.KILLED)


def test_who_is_suspended_comes_round_again_and_turns_back_where_it_fails() -> None:
    state = TaskState.RUNNING
    passages = []
    for seen in (Seen.SUSPEND, Seen.SUSPENDED, Seen.RESUME, Seen.RESUMED):
        state = after(state, seen)
        passages.append(state.name)
    assert passages == ["SUSPENDING", "SUSPENDED", "RESUMING", "RUNNING"]
    assert after(TaskState.SUSPENDING, Seen.NOT_SUSPENDED) is TaskState.RUNNING
    assert after(TaskState.RESUMING, Seen.NOT_RESUMED) is TaskState.SUSPENDED


def test_what_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(AssertionError, match="a task that is FINISHED cannot be kill"):
        after(TaskState.FINISHED, Seen.KILL)
