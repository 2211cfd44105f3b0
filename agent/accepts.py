"""Accepts, executed operation by operation, so that a crash at any point loses no step.

An accept is recorded whole when it arrives, and its index before each step. Launches that stand in
a row make one step, which begins when Confirm has told that it is durable; what every other
operation does is in `steps`. Doing a step twice does it once: launches go by their uuid, the
others by the state of their task.

If a step fails, those behind it are not done and nothing is rolled back: launches are DROPPED,
other tasks say where they are and why. AcceptEnded comes behind whatever tells of their resources.
"""

from collections.abc import Iterator

from fairlead.common.ids import FrameworkId
from fairlead.common.messages import AcceptEnded, AcceptProgress, RunAccept
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    AgentTask,
    Launch,
    LaunchGroup,
    Reason,
    TaskState,
)

from .context import Accept, Context, task_key
from .events import Confirm
from .gangs import Gangs
from .life import Life
from .operations import Binding, Step, launches
from .reservations import Reservations
from .steps import Answer, Problem, Steps, failure
from .updates import Updates

_TOLD = (TaskState.RUNNING, TaskState.SUSPENDED)
"""Tasks in other states say by themselves what becomes of them."""


class Accepts:
    """The accepts that are under way."""

    def __init__(
        self,
        context: Context,
        life: Life,
        updates: Updates,
        gangs: Gangs,
        reservations: Reservations,
    ) -> None:
        self._context = context
        self._reservations = reservations
        self._life = life
        self._gangs = gangs
        self._updates = updates
        self._steps = Steps(context, life, updates)

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
        self._steps.claim(accept)
        self._advance(accept)

    def _reserve(self, accept: Accept, resources: Resources) -> None:
        """A master that promised what is not there gets tasks refused one by one."""
        picked = self._context.ledger.pick(resources)
        if picked is not None:
            self._context.ledger.hold(accept.holder, picked)

    # --- after a restart

    def restore(self, accept: Accept, reserved: Resources) -> None:
        """Of all accepts, before any task or accept goes on: who holds what."""
        self._steps.catch_up(accept)
        operation = next(iter(accept.run.operations[accept.next_operation :]), None)
        if isinstance(operation, Binding) and self._reservations.is_done(accept, operation):
            self._move_on(accept)
        framework_id = accept.run.framework.framework_id
        for operation in accept.run.operations[accept.next_operation :]:
            for launch in launches(operation):
                key = task_key(framework_id, launch.task.task_id, launch.launch_uuid)
                taken = self._context.ledger.of(key)
                if reserved.contains(taken):
                    reserved -= taken
        self._reserve(accept, reserved)
        self._steps.claim(accept)

    def resume(self) -> None:
        """At the step where each stood; some of that step may be done already."""
        for accept in list(self._context.accepts.values()):
            self._advance(accept)
        self._steps.undo_strays()

    # --- step by step

    def _advance(self, accept: Accept) -> None:
        """Until something has to be waited for."""
        operations = accept.run.operations
        while accept.next_operation < len(operations):
            operation = operations[accept.next_operation]
            if operation == LaunchGroup(()):
                why = f"operations[{accept.next_operation}].launches: is empty"
                self._fail(accept, (Reason.OPERATION_FAILED, why))
                return
            if isinstance(operation, Launch | LaunchGroup):
                self._launch_row(accept)
                return
            if isinstance(operation, Binding):
                if why := self._reservations.bind(accept, operation):
                    self._fail(accept, (Reason.OPERATION_FAILED, why))
                    return
                self._move_on(accept)
                continue
            problem = self._steps.begin(accept, operation)
            if problem is not None:
                self._fail(accept, problem)
                return
            if accept.step:
                return
        self._finish(accept)

    def _move_on(self, accept: Accept) -> None:
        accept.next_operation += 1
        self._context.record_progress(accept)

    def _launch_row(self, accept: Accept) -> None:
        operations = accept.run.operations
        while accept.next_operation < len(operations):
            operation = operations[accept.next_operation]
            if not isinstance(operation, Launch | LaunchGroup):
                break
            for launch in launches(operation):
                key = self._life.launch(accept.run, launch)
                accept.launched.append(key)
                self._gangs.note(key)
            accept.next_operation += 1
        self._context.record_progress(accept)
        self._context.do(Confirm(accept.token))

    def confirmed(self, token: str) -> None:
        """A row of launches is durable: start them, and go on."""
        accept = self._context.accepts.get(token.rpartition("/")[0])
        if accept is None or accept.token != token or accept.step:
            return
        for key in accept.launched:
            task = self._context.tasks.get(key)
            if task is not None and task.state is TaskState.STAGING:
                self._life.order(task)
        accept.launched.clear()
        self._advance(accept)

    def answered(self, answer: Answer) -> None:
        """What became of an order to suspend, resume or resize."""
        task = self._context.owner(answer.launch_uuid)
        if task is None:
            return
        accept = self._steps.accept_of(task)
        if accept is None:
            self._steps.undone(task, answer)
            return
        is_settled, problem = self._steps.answered(accept, task, answer)
        if problem is not None:
            self._fail(accept, problem)
        elif is_settled:
            self._advance(accept)

    def look(self) -> None:
        """Behind everything that may have ended a task."""
        for accept in self._steps.ended():
            self._steps.conclude(accept)
            self._advance(accept)

    def deadline(self, accept_id: str) -> None:
        accept = self._context.accepts[accept_id]
        self._fail(accept, self._steps.is_late(accept))

    def undo_again(self, key: str) -> None:
        self._steps.undo_again(key)

    # --- the end

    def _fail(self, accept: Accept, problem: Problem) -> None:
        reason, accept.message = problem
        accept.failed_operation = accept.next_operation
        message = failure(accept.failed_operation, accept.message)
        told: dict[str, None] = {}
        for operation in accept.run.operations[accept.next_operation :]:
            for launch in launches(operation):
                self._life.drop(accept.run, launch, Reason.OPERATION_FAILED, message)
            task = self._steps.find(accept, operation) if isinstance(operation, Step) else None
            if task is not None and task.state in _TOLD and task.key not in told:
                told[task.key] = None
                self._updates.report(task, reason, message)
            reason = Reason.OPERATION_FAILED
        self._finish(accept)

    def _finish(self, accept: Accept) -> None:
        context, accept_id = self._context, accept.run.accept_id
        self._steps.leave(accept)
        del context.accepts[accept_id]
        context.drop_claims(accept_id)
        context.ledger.release(accept.holder)
        context.record(f"accept/{accept_id}", None)  # first: without progress it would begin anew
        context.record(f"progress/{accept_id}", None)
        self._reservations.tidy(accept_id)
        framework_id = accept.run.framework.framework_id
        context.say_ended(
            AcceptEnded(accept_id, framework_id, accept.failed_operation, accept.message)
        )

    def abandon(self, framework_id: FrameworkId) -> None:
        """Of a framework that is no more: what has not begun never will."""
        for accept in list(self._context.accepts.values()):
            if accept.run.framework.framework_id == framework_id:
                for launch in accept.to_come():
                    self._life.drop(
                        accept.run, launch, Reason.FRAMEWORK_REMOVED, "its framework was removed"
                    )
                self._finish(accept)

    # --- for the master

    def progress(self) -> tuple[AcceptProgress, ...]:
        """Of all that are under way."""
        return tuple(self._context.progress(accept) for accept in self._context.accepts.values())

    def to_come(self) -> Iterator[AgentTask]:
        """Their launches that wait for their turn."""
        for accept in self._context.accepts.values():
            for launch in accept.to_come():
                task = self._life.make(accept.run, launch)
                if task.key not in self._context.tasks and task.key not in self._context.ended:
                    yield task.as_value(EMPTY, with_files=False)

    def check(self) -> None:
        self._steps.check()
