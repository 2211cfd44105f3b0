"""What the end of a worker's task tells of the lease that ran in it."""

from typing import Any

import pytest

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, TaskId
from fairlead.common.values import Reason, TaskState, TaskStatus
from fairlead.frameworks.batch.call_events import Blame
from fairlead.frameworks.batch.offered import exit_of


def status(**more: Any) -> TaskStatus:
    ids = (FrameworkId("f"), TaskId("t"), LaunchUuid("u"), AgentId("a"))
    return TaskStatus(*ids, TaskState.FAILED, **more)


@pytest.mark.parametrize(
    ("seen", "blame", "says"),
    [
        (
            {"reason": Reason.MEMORY_LIMIT, "message": "out of memory: the limit is 64 MiB"},
            Blame.CALL,
            "ran out of memory: the limit is 64 MiB",
        ),
        ({"message": "ended by signal 9"}, Blame.OUTSIDE, "was lost: its worker ended by signal 9"),
        ({}, Blame.OUTSIDE, "was lost (killed from outside, or its agent went away)"),
    ],
)
def test_whose_doing_it_was_and_in_words(seen: Any, blame: Blame, says: str) -> None:
    how = exit_of(status(**seen))
    assert how.blame is blame
    assert how.describe() == says


def test_the_log_goes_with_what_was_the_calls_doing() -> None:
    seen = status(reason=Reason.MEMORY_LIMIT, message="out of memory: the limit is 64 MiB")
    assert exit_of(seen, "  stdout: last").log == "  stdout: last"
