"""Gangs that were accepted: all of their members live, or none.

A gang is forming until each member has reported that it runs. A member that is lost (it ended
otherwise than FINISHED, or is UNREACHABLE) breaks its gang at any time, and so does one that does
not run in time; then the others are ended, GANG_BROKEN. Members carry id and size of their gang, so
a new leader learns of it from the agents; what it does not hear of, it waits for as long as agents
are expected back. Agents are told when a gang has formed: who is nowhere then has finished and was
forgotten, unless he ran on an agent that never came back.
"""

from collections.abc import Iterator

from fairlead.common.messages import GangFormed
from fairlead.common.values import Reason, TaskState

from ..context import Context
from ..entries import Framework, Task
from ..gang_books import Gang, GangKey
from ..tasks import Tasks

_RUNS = (
    TaskState.RUNNING,
    TaskState.SUSPENDING,
    TaskState.SUSPENDED,
    TaskState.RESUMING,
    TaskState.FINISHED,
)
"""Of a member that has done its part, or does it."""
AGAIN_S = 1.0
"""Between two looks at whether agents that may bring members are back."""


class Gangs:
    """Judges gangs whenever something of them has changed, and when their time is over."""

    def __init__(self, context: Context, tasks: Tasks) -> None:
        self._context = context
        self._tasks = tasks

    def look(self) -> None:
        """Behind everything that may have changed a task."""
        for key, gang in self._context.books.gangs.take_touched():
            if gang.until is None:
                self._expect(key, gang, self._context.settings.gang_timeout_s)
            gang.broken = gang.broken or _loss(gang)
            missing = gang.size - len(gang.members)
            if gang.broken:
                self._end(key, gang)
            elif missing <= 0 and all(map(_runs, gang.members.values())):
                gang.has_formed = True
            if gang.has_formed or gang.is_said_to_have:
                self._tell(key, gang)

    def due(self, framework: Framework, gang_id: str) -> None:
        """By now all members should run."""
        context, key = self._context, (framework.framework_id, gang_id)
        gang = context.books.gangs.gangs.get(key)
        if gang is None or gang.has_formed or gang.broken or gang.until is None:
            return
        if left := context.left(gang.until):
            context.timers.at(context.now + left, "gang", *key)
            return
        missing = gang.size - len(gang.members)
        agents = context.books.agents.values()
        late = None if gang.is_said_to_have else next(_not_running(gang), None)
        if late is None and any(agent.is_expected for agent in agents):
            self._expect(key, gang, AGAIN_S)
            return
        if gang.is_said_to_have and not any(agent.is_unheard for agent in agents):
            gang.has_formed = True
            return
        timeout_s = context.settings.gang_timeout_s
        what = f"{missing} of its {gang.size} members" if late is None else late.task_id
        gang.broken = f"gang {gang_id}: {what} did not run within {timeout_s:g} s"
        self._end(key, gang)

    def _expect(self, key: GangKey, gang: Gang, within_s: float) -> None:
        gang.until = self._context.awake + within_s
        self._context.timers.at(self._context.now + within_s, "gang", *key)

    def _tell(self, key: GangKey, gang: Gang) -> None:
        """The agents of those that live."""
        for task in gang.members.values():
            agent = self._context.books.agents[task.agent_id]
            is_new = task.agent_id not in gang.told and not task.is_terminal
            if is_new and agent.session is not None:
                gang.told[task.agent_id] = None
                self._context.to_agent(agent, GangFormed(*key))

    def _end(self, key: GangKey, gang: Gang) -> None:
        """Those that live; who is away, when it is back."""
        if not self._context.books.frameworks[key[0]].is_ended:
            for task in tuple(gang.members.values()):
                self._tasks.end(task, Reason.GANG_BROKEN, gang.broken)


def _runs(task: Task) -> bool:
    return task.latest.state in _RUNS


def _not_running(gang: Gang) -> Iterator[Task]:
    return (task for task in gang.members.values() if not _runs(task))


def _loss(gang: Gang) -> str:
    """Which member is lost; empty: none."""
    for task in gang.members.values():
        state = task.latest.state
        is_over = state.is_terminal and state is not TaskState.FINISHED
        if is_over or state is TaskState.UNREACHABLE:
            gang_id = task.launch.task.gang.gang_id if task.launch.task.gang else ""
            return f"gang {gang_id}: {task.task_id} is {state.name}"
    return ""
