"""How long a task may run in all: its age on the agent's clock, and when that is too much.

Counted while it is RUNNING, so what it spends suspended, or on its way there and back, does not
count. What passed stands in the task's record, and so do since when it runs and in which boot: the
limit holds over restarts of the agent, and over suspends of its machine.
"""

from fairlead.common.values import TaskState

from .context import Context, Task

TIMER = "complete"


def follow(context: Context, task: Task) -> None:
    """Before its state is recorded: the count goes on, or stands still, as the state says."""
    if not task.info.max_completion_s:
        return
    if task.state is not TaskState.RUNNING:
        task.ran_s, task.runs_since = _ran_s(context, task), None
        context.timers.cancel(TIMER, task.key)
    elif task.runs_since is None:
        _count_from(context, task, context.now)


def restore(context: Context, task: Task) -> None:
    """After a restart. What nobody can tell, of another boot or of a crash, does not count."""
    since, task.runs_since = task.runs_since, None
    if task.info.max_completion_s and task.state is TaskState.RUNNING:
        _count_from(context, task, context.now if since is None else since)


def too_long(task: Task) -> str:
    """Said of it at its end."""
    return f"ran for longer than its limit of {task.info.max_completion_s:g} s"


def _count_from(context: Context, task: Task, since: float) -> None:
    task.runs_since = since
    left_s = task.info.max_completion_s - task.ran_s
    context.timers.set(TIMER, task.key, since + left_s)


def _ran_s(context: Context, task: Task) -> float:
    since = context.now if task.runs_since is None else task.runs_since
    return task.ran_s + max(0.0, context.now - since)
