"""What the copies of a job have written: `fairlead jobs logs`, and the last lines of a failed one
for `show` and `why`.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fairlead.common.errors import FairleadError
from fairlead.common.jobs import JobState, JobView
from fairlead.common.operators import LogQuery, StateReply, TaskView
from fairlead.common.sizes import shorten

from .naming import find_task
from .tables import visible
from .tasks import agent_address, copy_log

if TYPE_CHECKING:
    from .jobs import Framework

REFRESH_S = 0.5
LAST_LINES = 5
MOST_OF_A_LINE = 300
MOST_BYTES = 8192
"""Of the end, in which the last lines are looked for: a line may be as long as it likes."""


def copy_logs(
    framework: "Framework", view: JobView, number: int, stream: str, *, follow: bool
) -> None:
    """Of one copy, and of those that come after it; if that is not all, where the rest is."""
    shown = copied = 0
    while True:
        if number > shown:
            state, task = _copy(framework, view, number)
            copied += copy_log(framework.client, state, task, stream, follow=follow)
            shown = number
        if not follow or view.state.is_terminal:
            break
        time.sleep(REFRESH_S)
        view = framework.one(view.job_id)
        number = view.run
    is_enough = copied and view.state is not JobState.FAILED
    if stream == "stdout" and not is_enough and _tail(framework, view, shown):
        which = f" --run {shown}" if shown != view.run else ""
        click.echo(
            f"fairlead: there is more on stderr: fairlead jobs logs --stderr{which} {view.job_id}",
            err=True,
        )


def last_words(framework: "Framework", view: JobView) -> Sequence[str]:
    """Of a job whose program failed: the end of what it wrote to stderr, if that can be had."""
    has_failed = view.state in (JobState.FAILED, JobState.QUEUED)
    if not has_failed or not view.runs or not view.runs[-1].ended_at:
        return ()
    return _tail(framework, view, view.run)


def _copy(framework: "Framework", view: JobView, number: int) -> tuple[StateReply, TaskView]:
    state = framework.client.state()
    return state, find_task(state, f"{view.framework_id}/{view.job_id}.{number}")


def _tail(framework: "Framework", view: JobView, number: int) -> Sequence[str]:
    try:
        state, task = _copy(framework, view, number)
        names = task.framework_id, task.task_id, task.latest.launch_uuid
        query = LogQuery(*names, "stderr", -MOST_BYTES)
        chunks = framework.client.read_log(agent_address(state, task), query)
        text = b"".join(chunk.data for chunk in chunks).decode(errors="replace")
    except FairleadError:
        return ()  # its agent is away, or the log was removed: what is known is told without it
    return [shorten(visible(line), MOST_OF_A_LINE) for line in text.splitlines()][-LAST_LINES:]
