"""What the operations of an accept are about."""

from collections.abc import Iterable, Iterator

from fairlead.common.ids import TaskId
from fairlead.common.values import Launch, LaunchGroup, Operation, Resize, Resume, Suspend

Step = Suspend | Resume | Resize
"""Done with a task that runs, one at a time."""


def launches(operation: Operation) -> tuple[Launch, ...]:
    if isinstance(operation, Launch):
        return (operation,)
    return operation.launches if isinstance(operation, LaunchGroup) else ()


def named(operations: Iterable[Operation]) -> Iterator[TaskId]:
    """The tasks that they name, those to be launched included."""
    for operation in operations:
        yield from (launch.task.task_id for launch in launches(operation))
        if isinstance(operation, Step):
            yield operation.task_id
