"""A watched state is put together from what changed."""

from dataclasses import replace

import pytest
from tests.support.states import agent, framework, state, task

from fairlead.cli.changes import merged
from fairlead.cli.problems import CommandError
from fairlead.common.messages import Code, Goodbye
from fairlead.common.values import TaskState


def test_what_changed_replaces_what_was_and_what_is_removed_is_gone() -> None:
    whole = merged(None, state(agent("a1"), framework("f"), task("1"), task("2")))
    change = replace(
        state(task("2", TaskState.FINISHED), task("3"), version=2, whole=False),
        removed=("tasks/F-commands/1", "agents/A-a1"),
    )
    after = merged(whole, change)
    assert after.version == 2
    assert after.is_whole
    assert after.agents == ()
    assert after.frameworks == whole.frameworks
    assert [(view.task_id, view.latest.state.name) for view in after.tasks] == [
        ("2", "FINISHED"),
        ("3", "RUNNING"),
    ]


def test_a_whole_state_replaces_all() -> None:
    after = merged(state(task("1")), state(task("2"), version=9))
    assert [view.task_id for view in after.tasks] == ["2"]


def test_a_goodbye_ends_the_watch() -> None:
    goodbye = replace(state(), goodbye=Goodbye(Code.SLOW_CONSUMER, "too slow"))
    with pytest.raises(CommandError, match="too slow"):
        merged(state(), goodbye)
