"""Where tasks are, for a framework that asks: what is known, or what may be said of the unknown.

Of what an agent may still bring it is told that alone, once, and the truth when the agent has come
or is given up.
"""

from dataclasses import replace

from fairlead.common.messages import StatusUpdated
from fairlead.common.operators import AgentState
from fairlead.common.values import Reason, TaskRef, TaskState

from .context import Context
from .entries import Agent, Framework
from .tasks import Tasks, unseen

GONE = "an operator marked its agent gone"


class Reconciling:
    """Answers at once, or as soon as it can."""

    def __init__(self, context: Context, tasks: Tasks) -> None:
        self._context = context
        self._tasks = tasks

    def ask(self, framework: Framework, refs: tuple[TaskRef, ...]) -> None:
        """Where these are; none: all of its own that live."""
        if not refs:
            for task in framework.tasks.values():
                if not task.is_terminal:
                    self._tasks.tell_latest(framework, task)
            return
        for ref in refs:
            self._answer(framework, ref)

    def _answer(self, framework: Framework, ref: TaskRef, *, is_asked: bool = True) -> None:
        known = framework.tasks.get(ref.task_id)
        if known is not None and ref.launch_uuid in ("", known.launch.launch_uuid):
            framework.questions.pop(ref, None)
            self._tasks.tell_latest(framework, known)
            return
        state, reason, message = self._fate(framework, ref)
        if state is TaskState.RECOVERING:
            framework.questions[ref] = None
            if not is_asked:
                return  # it has heard that
        else:
            framework.questions.pop(ref, None)
        agent = self._context.books.agents.get(ref.agent_id)
        status = self._tasks.status(framework.framework_id, ref, state, reason, message)
        if agent is not None and agent.is_given_up:
            status = replace(status, wall_time=agent.since)
        self._context.to_framework(framework, StatusUpdated(status))

    def settle(self, agent: Agent) -> None:
        """What was asked, or ordered, while this agent was expected back is settled now."""
        for framework in self._context.books.frameworks.values():
            due = [r for r in framework.questions if r.agent_id in ("", agent.info.agent_id)]
            for ref in due:
                self._answer(framework, ref, is_asked=False)
            self._tasks.forget_kills(framework)

    def _fate(self, framework: Framework, ref: TaskRef) -> tuple[TaskState, Reason, str]:
        """Of a task that is not in the books."""
        agents = self._context.books.agents
        agent = agents.get(ref.agent_id)
        if agent is None:
            if not ref.agent_id and any(other.is_expected for other in agents.values()):
                return TaskState.RECOVERING, Reason.RECONCILIATION, "agents are expected back"
            return TaskState.UNKNOWN, Reason.RECONCILIATION, "no such task is known"
        if agent.is_expected:
            return TaskState.RECOVERING, Reason.RECONCILIATION, "its agent is expected back"
        if agent.state is AgentState.UNREACHABLE:
            return TaskState.UNREACHABLE, Reason.AGENT_UNREACHABLE, "its agent is unreachable"
        if agent.state is AgentState.GONE:
            return TaskState.GONE_BY_OPERATOR, Reason.AGENT_GONE, GONE
        if ref.launch_uuid:
            return unseen(is_killed=ref.task_id in framework.early_kills)
        return TaskState.GONE, Reason.RECONCILIATION, "its agent does not know it"
