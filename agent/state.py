"""The life of a task on its agent, as a table: state and what was seen → next state.

A missing entry is an error in the agent; a terminal state has no entry, so it is never left.
STAGING is booked and durable, STARTING ordered, RUNNING reported by the containerizer. SUSPENDING
and RESUMING are ordered; SUSPENDED is frozen, with its devices given up.
"""

from collections.abc import Mapping
from enum import Enum

from fairlead.common.values import TaskState


class Seen(Enum):
    """What can happen to a task."""

    REFUSED = "refused"
    ORDERED = "ordered"
    STARTED = "started"
    NOT_STARTED = "not started"
    KILL = "kill"
    SUSPEND = "suspend"
    SUSPENDED = "suspended"
    NOT_SUSPENDED = "not suspended"
    RESUME = "resume"
    RESUMED = "resumed"
    NOT_RESUMED = "not resumed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    OVERDUE = "overdue"
    VANISHED = "vanished"


TABLE: Mapping[tuple[TaskState, Seen], TaskState] = {
    (TaskState.STAGING, Seen.REFUSED): TaskState.DROPPED,
    (TaskState.STAGING, Seen.KILL): TaskState.KILLED,
    (TaskState.STAGING, Seen.ORDERED): TaskState.STARTING,
    (TaskState.STARTING, Seen.STARTED): TaskState.RUNNING,
    (TaskState.STARTING, Seen.NOT_STARTED): TaskState.FAILED,
    (TaskState.STARTING, Seen.KILL): TaskState.KILLING,
    (TaskState.STARTING, Seen.SUCCEEDED): TaskState.FINISHED,
    (TaskState.STARTING, Seen.FAILED): TaskState.FAILED,
    (TaskState.STARTING, Seen.VANISHED): TaskState.GONE,
    (TaskState.RUNNING, Seen.SUSPEND): TaskState.SUSPENDING,
    (TaskState.RUNNING, Seen.KILL): TaskState.KILLING,
    (TaskState.RUNNING, Seen.SUCCEEDED): TaskState.FINISHED,
    (TaskState.RUNNING, Seen.FAILED): TaskState.FAILED,
    (TaskState.RUNNING, Seen.VANISHED): TaskState.GONE,
    (TaskState.SUSPENDING, Seen.SUSPENDED): TaskState.SUSPENDED,
    (TaskState.SUSPENDING, Seen.NOT_SUSPENDED): TaskState.RUNNING,
    (TaskState.SUSPENDING, Seen.KILL): TaskState.KILLING,
    (TaskState.SUSPENDING, Seen.SUCCEEDED): TaskState.FINISHED,
    (TaskState.SUSPENDING, Seen.FAILED): TaskState.FAILED,
    (TaskState.SUSPENDING, Seen.VANISHED): TaskState.GONE,
    (TaskState.SUSPENDED, Seen.RESUME): TaskState.RESUMING,
    (TaskState.SUSPENDED, Seen.KILL): TaskState.KILLING,
    (TaskState.SUSPENDED, Seen.SUCCEEDED): TaskState.FINISHED,
    (TaskState.SUSPENDED, Seen.FAILED): TaskState.FAILED,
    (TaskState.SUSPENDED, Seen.VANISHED): TaskState.GONE,
    (TaskState.RESUMING, Seen.RESUMED): TaskState.RUNNING,
    (TaskState.RESUMING, Seen.NOT_RESUMED): TaskState.SUSPENDED,
    (TaskState.RESUMING, Seen.KILL): TaskState.KILLING,
    (TaskState.RESUMING, Seen.SUCCEEDED): TaskState.FINISHED,
    (TaskState.RESUMING, Seen.FAILED): TaskState.FAILED,
    (TaskState.RESUMING, Seen.VANISHED): TaskState.GONE,
    (TaskState.KILLING, Seen.STARTED): TaskState.KILLING,
    (TaskState.KILLING, Seen.NOT_STARTED): TaskState.KILLED,
    (TaskState.KILLING, Seen.KILL): TaskState.KILLING,
    (TaskState.KILLING, Seen.SUCCEEDED): TaskState.KILLED,
    (TaskState.KILLING, Seen.FAILED): TaskState.KILLED,
    (TaskState.KILLING, Seen.OVERDUE): TaskState.FAILED,
    (TaskState.KILLING, Seen.VANISHED): TaskState.KILLED,
}


def after(state: TaskState, seen: Seen) -> TaskState:
    """Where the task is then."""
    following = TABLE.get((state, seen))
    assert following is not None, f"a task that is {state.name} cannot be {seen.value}"
    return following
