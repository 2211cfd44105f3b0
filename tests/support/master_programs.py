"""How an agent's double carries out accepts that suspend, resume and resize: as an agent would, one
operation at a time, when the test says so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fairlead.common.ids import TaskId
from fairlead.common.messages import AcceptEnded, AcceptProgress, RunAccept
from fairlead.common.resources import Resources, total
from fairlead.common.values import (
    Launch,
    LaunchGroup,
    Operation,
    Reason,
    Reserve,
    Resize,
    Resume,
    Suspend,
    TaskState,
    Unreserve,
)

if TYPE_CHECKING:
    from tests.support.master_peers import AgentDouble

BINDING = (Reserve, Unreserve)
"""Operations that are about no task."""


@dataclass
class Running:
    """One accept, and what of it no task holds."""

    run: RunAccept
    part: Resources
    next_operation: int = 0

    @property
    def task_ids(self) -> tuple[TaskId, ...]:
        named = (each for each in singly(self.run.operations) if not isinstance(each, BINDING))
        return tuple(dict.fromkeys(map(task_id_of, named)))


class Programs:
    """The accepts that an agent's double executes."""

    def __init__(self, agent: "AgentDouble") -> None:
        self._agent = agent
        self.running: dict[str, Running] = {}

    @property
    def parts(self) -> Resources:
        return total(each.part for each in self.running.values())

    def begin(self, run: RunAccept) -> None:
        self.running[run.accept_id] = Running(run, run.resources)

    def progress(self) -> tuple[AcceptProgress, ...]:
        return tuple(
            AcceptProgress(
                name,
                each.run.framework.framework_id,
                each.next_operation,
                each.part,
                each.run.role,
                each.task_ids,
            )
            for name, each in self.running.items()
        )

    def step(self) -> bool:
        """The next operation of the oldest accept, or its end; False: there is none."""
        for each in self.running.values():
            if each.next_operation < len(each.run.operations):
                operation = each.run.operations[each.next_operation]
                each.next_operation += 1
                for single in singly((operation,)):
                    self._carry_out(each, single)
            else:
                self._end(each, -1, "")
            return True
        return False

    def finish(self) -> None:
        """All of them, to their ends."""
        while self.step():
            pass

    def fail(self, message: str = "it did not work") -> None:
        """The next operation of the oldest accept; the rest is not done."""
        each = next(iter(self.running.values()))
        index = each.next_operation
        for operation in singly(each.run.operations[index:]):
            if isinstance(operation, BINDING):
                continue
            task_id = task_id_of(operation)
            known = self._agent.living.get(task_id)
            if known is None or known.latest.state.is_terminal:
                continue
            is_launch = isinstance(operation, Launch)
            state = TaskState.DROPPED if is_launch else known.latest.state
            self._agent.becomes(task_id, state, Reason.OPERATION_FAILED)
        self._end(each, index, message)

    def _end(self, each: Running, failed: int, message: str) -> None:
        del self.running[each.run.accept_id]
        if self._agent.session is not None:
            framework_id = each.run.framework.framework_id
            self._agent.says(AcceptEnded(each.run.accept_id, framework_id, failed, message))

    def _carry_out(self, each: Running, operation: Operation) -> None:
        agent = self._agent
        if isinstance(operation, Reserve | Unreserve):
            was = agent.reserved(operation.role).resources
            sign = isinstance(operation, Reserve)
            now = was + operation.resources if sign else was - operation.resources
            agent.reserves(operation.role, now)
            return
        task_id = task_id_of(operation)
        known = agent.living.get(task_id)
        if known is None or known.latest.state.is_terminal:
            return
        held, whole = known.resources, known.task.resources
        match operation:
            case Launch():
                each.part = each.part.without(whole)  # the rest from what an end left
                agent.living[task_id] = replace(known, resources=whole)
            case Suspend(free_cpus=free_cpus):
                keeps = replace(held, cpus=0 if free_cpus else held.cpus, gpus=())
                if known.latest.state is TaskState.RUNNING:
                    agent.becomes(task_id, TaskState.SUSPENDING, resources=held)
                each.part += held.without(keeps)
                agent.becomes(task_id, TaskState.SUSPENDED, resources=keeps)
            case Resume():
                each.part = each.part.without(whole.without(held))
                agent.becomes(task_id, TaskState.RESUMING, resources=whole)
                agent.becomes(task_id, TaskState.RUNNING, resources=whole)
            case Resize(resources=wanted):
                each.part = (each.part + held).without(wanted)
                task = replace(known.task, resources=wanted)
                agent.living[task_id] = replace(known, task=task)
                agent.becomes(task_id, TaskState.RUNNING, resources=wanted)
            case _:
                raise AssertionError(f"not in this version: {operation}")


def singly(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Groups as the launches that they are made of."""
    for operation in operations:
        if isinstance(operation, LaunchGroup):
            yield from operation.launches
        else:
            yield operation


def task_id_of(operation: Operation) -> TaskId:
    """Which task an operation is about."""
    if isinstance(operation, Launch):
        return operation.task.task_id
    assert isinstance(operation, Suspend | Resume | Resize), operation
    return operation.task_id
