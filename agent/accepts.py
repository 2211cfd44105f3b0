"""Accepts, executed operation by operation, so that a crash at any point loses no step.

Before a step is carried out it is durable that it comes next: an accept is recorded whole when it
arrives, its progress before each step, and Confirm tells when a step may begin. Launches that
stand in a row make one step. Doing a step twice does it once: launches go by their uuid.

In this version only launches are known; the master refuses other operations before they get here.
"""

from collections.abc import Iterable, Iterator

from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.messages import AcceptEnded, AcceptProgress, RunAccept
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Launch,
    LaunchGroup,
    Operation,
    Reason,
    Resize,
    Resume,
    Suspend,
    TaskState,
)

from .context import Accept, Context, task_key
from .events import Confirm
from .life import Life


class Accepts:
    """The accepts that are under way."""

    def __init__(self, context: Context, life: Life) -> None:
        self._context = context
        self._life = life

    def run(self, run: RunAccept) -> None:
        context = self._context
        if run.accept_id in context.accepts:
            return
        framework_id = run.framework.framework_id
        if context.frameworks.get(framework_id) != run.framework:
            context.frameworks[framework_id] = run.framework
            context.record(f"framework/{framework_id}", run.framework)
        accept = Accept(run)
        context.accepts[run.accept_id] = accept
        context.record(f"accept/{run.accept_id}", run)
        self._reserve(accept, run.resources)
        self._advance(accept)

    def _reserve(self, accept: Accept, resources: Resources) -> None:
        """A master that promised what is not there gets tasks refused one by one."""
        picked = self._context.ledger.pick(resources)
        if picked is not None:
            self._context.ledger.hold(accept.holder, picked)

    def resume(self, accept: Accept, reserved: Resources) -> None:
        """After a restart, at the step where it stood; some of that step may be done already."""
        framework_id = accept.run.framework.framework_id
        for operation in accept.run.operations[accept.next_operation :]:
            for launch in _launches(operation):
                key = task_key(framework_id, launch.task.task_id, launch.launch_uuid)
                taken = self._context.ledger.of(key)
                if reserved.contains(taken):
                    reserved -= taken
        self._reserve(accept, reserved)
        self._advance(accept)

    def _advance(self, accept: Accept) -> None:
        context, operations = self._context, accept.run.operations
        start = accept.next_operation
        while accept.next_operation < len(operations):
            operation = operations[accept.next_operation]
            if not isinstance(operation, Launch):
                break
            accept.launched.append(self._life.launch(accept.run, operation))
            accept.next_operation += 1
        if accept.next_operation > start:
            context.record(f"progress/{accept.run.accept_id}", self._progress(accept))
            context.do(Confirm(accept.token))
        elif start < len(operations):
            kind = type(operations[start]).__name__
            self._fail(accept, f"operations[{start}]: {kind} is not supported here")
        else:
            self._finish(accept)

    def confirmed(self, token: str) -> None:
        """A row of launches is durable: start them, and go on."""
        accept = self._context.accepts.get(token.rpartition("/")[0])
        if accept is None or accept.token != token:
            return
        for key in accept.launched:
            task = self._context.tasks.get(key)
            if task is not None and task.state is TaskState.STAGING:
                self._life.order(task)
        self._advance(accept)

    def _fail(self, accept: Accept, message: str) -> None:
        """This operation and those behind it are dropped; nothing is rolled back."""
        accept.failed_operation = accept.next_operation
        accept.message = message
        rest = accept.run.operations[accept.next_operation :]
        why = f"operation {accept.failed_operation} of its accept failed: {message}"
        for launch in (launch for operation in rest for launch in _launches(operation)):
            self._life.drop(accept.run, launch, Reason.OPERATION_FAILED, why)
        self._finish(accept)

    def _finish(self, accept: Accept) -> None:
        context, accept_id = self._context, accept.run.accept_id
        del context.accepts[accept_id]
        context.ledger.release(accept.holder)
        context.record(f"progress/{accept_id}", None)
        context.record(f"accept/{accept_id}", None)
        framework_id = accept.run.framework.framework_id
        context.say(AcceptEnded(accept_id, framework_id, accept.failed_operation, accept.message))

    def abandon(self, framework_id: FrameworkId) -> None:
        """Of a framework that is no more: what has not begun never will."""
        for accept in list(self._context.accepts.values()):
            if accept.run.framework.framework_id == framework_id:
                rest = accept.run.operations[accept.next_operation :]
                for launch in (each for operation in rest for each in _launches(operation)):
                    self._life.drop(
                        accept.run, launch, Reason.FRAMEWORK_REMOVED, "its framework was removed"
                    )
                self._finish(accept)

    def _progress(self, accept: Accept) -> AcceptProgress:
        return AcceptProgress(
            accept.run.accept_id,
            accept.run.framework.framework_id,
            accept.next_operation,
            self._context.ledger.of(accept.holder),
            accept.run.role,
            tuple(dict.fromkeys(_names(accept.run.operations))),
        )

    def progress(self) -> tuple[AcceptProgress, ...]:
        """Of all that are under way, for the master."""
        return tuple(self._progress(accept) for accept in self._context.accepts.values())


def _names(operations: Iterable[Operation]) -> Iterator[TaskId]:
    """Of the tasks that they are about."""
    for operation in operations:
        yield from (launch.task.task_id for launch in _launches(operation))
        if isinstance(operation, Suspend | Resume | Resize):
            yield operation.task_id


def _launches(operation: Operation) -> tuple[Launch, ...]:
    if isinstance(operation, Launch):
        return (operation,)
    return operation.launches if isinstance(operation, LaunchGroup) else ()
