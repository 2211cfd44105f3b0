"""Which task a person means: an id, the beginning of one, or FRAMEWORK/TASK; or which agent."""

from collections.abc import Sequence

from fairlead.common.errors import ConfigError, NotFoundError
from fairlead.common.operators import AgentState, AgentView, StateReply, TaskView

MOST_NAMED = 5


def find_agent(state: StateReply, name: str) -> AgentView:
    """The one agent of that id or name; of several of one name, the one that is there."""
    found = [view for view in state.agents if name in (view.agent.agent_id, view.agent.name)]
    for is_better in (_is_lasting, _is_here):
        found = list(filter(is_better, found)) or found
    if not found:
        raise NotFoundError(f"there is no agent {name!r}", hint="see all: fairlead agents list")
    if len(found) > 1:
        ids = ", ".join(sorted(view.agent.agent_id for view in found))
        raise ConfigError(
            f"{name!r} is the name of {len(found)} agents", hint=f"write one of {ids}"
        )
    return found[0]


def _is_lasting(view: AgentView) -> bool:
    return view.state is not AgentState.GONE


def _is_here(view: AgentView) -> bool:
    return view.state is AgentState.CONNECTED


def find_task(state: StateReply, name: str) -> TaskView:
    """The one task that the name fits; exactly, or as the beginning of its id."""
    framework, slash, task_id = name.rpartition("/")
    candidates = [view for view in state.tasks if not slash or _is_of(state, view, framework)]
    exact = [view for view in candidates if view.task_id == task_id]
    found = exact or [view for view in candidates if task_id and view.task_id.startswith(task_id)]
    if not found:
        raise NotFoundError(f"there is no task {name!r}", hint="see all: fairlead tasks list --all")
    if len(found) > 1:
        raise ConfigError(
            f"{name!r} may be any of {len(found)} tasks: {_names(found)}",
            hint="write more of it, or FRAMEWORK/TASK",
        )
    return found[0]


def _is_of(state: StateReply, view: TaskView, framework: str) -> bool:
    return view.framework_id == framework or framework in {
        other.framework.name
        for other in state.frameworks
        if other.framework.framework_id == view.framework_id
    }


def _names(found: Sequence[TaskView]) -> str:
    ids = sorted(f"{view.framework_id}/{view.task_id}" for view in found)
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return ", ".join(ids[:MOST_NAMED]) + more
