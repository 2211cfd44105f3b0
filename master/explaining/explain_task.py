"""Why a task does not run, or where it is and what it waits for, in lines for people.

For operators, from what the books say of the task, its agent, its accept and its framework.
"""

from collections.abc import Iterator

from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.operators import AgentState
from fairlead.common.resources import counted
from fairlead.common.values import Reason, TaskState, TaskStatus

from ..context import Context
from ..entries import Agent, Framework, Task
from .explain import in_time, presence, wanted

WORDS = {
    TaskState.STAGING: "its agent was told to start it, and has not said that it has",
    TaskState.STARTING: "its agent is starting it",
    TaskState.RUNNING: "it runs",
    TaskState.SUSPENDING: "it is coming to rest, as its framework ordered",
    TaskState.SUSPENDED: "it is at rest, as its framework ordered, until that resumes it",
    TaskState.RESUMING: "it is going on again, as its framework ordered",
    TaskState.KILLING: "it is being ended",
    TaskState.UNREACHABLE: "its agent has been silent for too long; if that returns, so does this",
}
MOST_WAITING = 5


def explain_task(context: Context, task_id: TaskId, framework_id: FrameworkId) -> tuple[str, ...]:
    """That of this framework; without one, of each that has a task of this name."""
    frameworks = context.books.frameworks.values()
    named = [f for f in frameworks if not framework_id or f.framework_id == framework_id]
    lines = [line for f in named if task_id in f.tasks for line in _known(context, f, task_id)]
    return tuple(lines or _unknown(context, named, task_id, framework_id))


# --- a task that is known


def _known(context: Context, framework: Framework, task_id: TaskId) -> Iterator[str]:
    task = framework.tasks[task_id]
    name = f" ({task.launch.task.name})" if task.launch.task.name != task_id else ""
    of = f"of framework {framework.info.name} ({framework.framework_id}) in role {task.role}"
    yield f"task {task_id}{name} {of}: {task.latest.state.name}"
    yield f"  {_state(task)}{_why(task.latest)}"
    if not task.is_terminal:
        agent = context.books.agents[task.agent_id]
        yield f"  agent {agent.info.name} ({task.agent_id}) {_agent(context, agent)}"
        asked = task.launch.task.resources
        yield f"  it holds {task.held}" + (f"; it asked for {asked}" * (task.held != asked))
        yield from _pending(context, task)
    if task.head is not None:
        yield f"  its framework has not acknowledged yet that it is {task.head.state.name}"
    if framework.session is None:
        yield f"  its framework {presence(context, framework)}"


def _state(task: Task) -> str:
    if not task.is_terminal:
        return WORDS[task.latest.state]
    code, signum = task.latest.exit_code, task.latest.signal
    how = f" with exit code {code}" if code is not None else ""
    how = f" by signal {signum}" if signum is not None else how
    return f"it has ended{how}, and never runs again; its framework may launch another"


def _why(status: TaskStatus) -> str:
    reason = status.reason.name if status.reason is not Reason.UNSPECIFIED else ""
    said = ": ".join(text for text in (reason, status.message) if text)
    return f" ({said})" if said else ""


def _agent(context: Context, agent: Agent) -> str:
    if agent.state is AgentState.CONNECTED:
        return "is connected" + ", and being drained" * (agent.drain is not None)
    if agent.state is AgentState.UNREACHABLE:
        return "is UNREACHABLE: what it holds is not counted on"
    left_s = context.left(agent.heard + context.settings.agent_timeout_s)
    return (
        f"is {agent.state.name}: what is said of the task is what was known last;"
        f" if the agent is not back within {in_time(left_s)}, the task is UNREACHABLE"
    )


def _pending(context: Context, task: Task) -> Iterator[str]:
    """What is under way with it."""
    for accept in context.books.accepts_of(task):
        yield f"  its agent is carrying out the accept {accept.accept_id}, which is about it"
    if task.kill_grace_s is not None:
        is_here = context.books.agents[task.agent_id].session is not None
        when = "" if is_here else ", as soon as its agent is back"
        yield f"  it is to be ended, within {in_time(task.kill_grace_s)}{when}"
    if (info := task.launch.task).gang is not None:
        gang = context.books.gangs.gangs.get((task.framework_id, info.gang.gang_id))
        if gang is not None and not gang.has_formed:
            running = sum(each.latest.state is TaskState.RUNNING for each in gang.members.values())
            yield f"  {running} of the {gang.size} of its gang {info.gang.gang_id} run: all or none"


# --- one that is not


def _unknown(
    context: Context, frameworks: list[Framework], task_id: TaskId, framework_id: FrameworkId
) -> Iterator[str]:
    if framework_id:
        name = next((framework.info.name for framework in frameworks), framework_id)
        yield f"{name} has no task {task_id}: it was not launched yet, or is forgotten"
    else:
        known = f"nothing named {task_id} is known"
        yield f"{known}: as a task it was not launched yet, or is forgotten"
    if any(task_id in framework.early_kills for framework in frameworks):
        yield "  if it lives, it is ended as soon as its agent is back"
    agents = context.books.agents.values()
    if expected := sum(agent.state is AgentState.RECOVERING for agent in agents):
        yield f"  not back yet since this master began: {counted(expected, 'agent')}"
    waiting = [f for f in frameworks if f.session is not None and any(f.demands.values())]
    for framework in waiting[:MOST_WAITING]:
        info = framework.info
        demands = [demand for each in framework.demands.values() for demand in each]
        yield f"  framework {info.name} ({info.framework_id}) wants {wanted(demands)}"
    if waiting:
        yield "  it may be among those; see what keeps them: fairlead explain FRAMEWORK"
