"""What the end of a copy means: whose fault it was, and whether it would end so again."""

from dataclasses import replace

import pytest

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, TaskId
from fairlead.common.values import Reason, TaskState, TaskStatus
from fairlead.frameworks.training import job_files
from fairlead.frameworks.training.endings import (
    SUPERSEDED_EXIT,
    UNREADABLE_EXIT,
    Meaning,
    judge,
)
from fairlead.frameworks.training.events import SAVED_EXIT


def ended(
    state: TaskState,
    reason: Reason = Reason.COMMAND_EXITED,
    exit_code: int | None = None,
    signal: int | None = None,
) -> TaskStatus:
    names = FrameworkId("f"), TaskId("a.1"), LaunchUuid("u"), AgentId("g")
    return TaskStatus(*names, state, reason=reason, exit_code=exit_code, signal=signal)


@pytest.mark.parametrize(
    ("status", "meaning", "text"),
    [
        (ended(TaskState.FINISHED, exit_code=0), Meaning.DONE, "exit code 0"),
        (ended(TaskState.FAILED, exit_code=75), Meaning.SAVED, "saved (exit code 75)"),
        (
            ended(TaskState.KILLED, Reason.KILL_REQUESTED, exit_code=75),
            Meaning.SAVED,
            "saved (exit code 75)",
        ),
        (ended(TaskState.FAILED, exit_code=1), Meaning.FAILED, "exit code 1"),
        (ended(TaskState.FAILED, exit_code=65), Meaning.HOPELESS, "none of its checkpoints can"),
        (ended(TaskState.FAILED, exit_code=76), Meaning.HOPELESS, "a copy with a higher number"),
        (ended(TaskState.FAILED, signal=11), Meaning.FAILED, "ended by SIGSEGV"),
        (ended(TaskState.FAILED, Reason.MEMORY_LIMIT, signal=9), Meaning.FAILED, "signal 9"),
        (ended(TaskState.FAILED, signal=9), Meaning.LOST, "signal 9"),
        (ended(TaskState.KILLED, Reason.KILL_REQUESTED, signal=15), Meaning.LOST, "signal 15"),
        (ended(TaskState.KILLED, Reason.KILL_REQUESTED, exit_code=0), Meaning.LOST, "exit code 0"),
        (ended(TaskState.KILLED, Reason.REVOKED, exit_code=75), Meaning.SAVED, "saved"),
        (ended(TaskState.KILLED, Reason.REVOKED, signal=15), Meaning.LOST, "signal 15"),
        (ended(TaskState.GONE, Reason.AGENT_GONE), Meaning.LOST, "GONE, AGENT_GONE"),
        (ended(TaskState.DROPPED, Reason.INVALID_OFFERS), Meaning.LOST, "DROPPED"),
        (ended(TaskState.ERROR, Reason.INVALID_TASK), Meaning.HOPELESS, "ERROR, INVALID_TASK"),
        (ended(TaskState.FAILED, Reason.COMMAND_NOT_STARTED), Meaning.HOPELESS, "NOT_STARTED"),
    ],
)
def test_an_end_and_what_it_means(status: TaskStatus, meaning: Meaning, text: str) -> None:
    ending = judge(status)
    assert ending.meaning is meaning
    assert text in ending.text


def test_the_hook_ends_programs_with_the_codes_that_are_known_here() -> None:
    hook = job_files.SAVED, job_files.UNREADABLE, job_files.SUPERSEDED
    assert hook == (SAVED_EXIT, UNREADABLE_EXIT, SUPERSEDED_EXIT)


def test_who_had_too_little_memory_is_told_what_to_do() -> None:
    status = ended(TaskState.FAILED, Reason.MEMORY_LIMIT, signal=9)
    said = judge(replace(status, message="out of memory: the limit is 128 MiB")).text
    assert said.endswith("out of memory: the limit is 128 MiB; submit it with more --mem")


def test_a_program_that_cannot_be_started_is_told_in_words_alone() -> None:
    status = ended(TaskState.FAILED, Reason.COMMAND_NOT_STARTED)
    assert judge(replace(status, message="cannot run 'x'")).text == "cannot run 'x'"
