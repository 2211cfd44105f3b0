"""What the operations of an accept are about."""

from collections.abc import Iterable, Iterator

from fairlead.common.ids import TaskId
from fairlead.common.launches import launches_in
from fairlead.common.values import (
    Launch,
    Operation,
    Reserve,
    Resize,
    Resume,
    Suspend,
    Unreserve,
)

Binding = Reserve | Unreserve
"""Done at once, with the agent's own books alone."""
Step = Suspend | Resume | Resize
"""Done with a task that runs, one at a time."""


def launches(operation: Operation) -> tuple[Launch, ...]:
    return tuple(launches_in((operation,)))


def named(operations: Iterable[Operation]) -> Iterator[TaskId]:
    """The tasks that they name, those to be launched included."""
    for operation in operations:
        yield from (launch.task.task_id for launch in launches(operation))
        if isinstance(operation, Step):
            yield operation.task_id
