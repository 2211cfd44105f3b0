"""`fairlead explain`: why a framework gets nothing, or a task does not run; the master's answer."""

import json

import click

from fairlead.common.errors import ConfigError, NotFoundError
from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.operators import ExplainFramework, ExplainTask, FrameworkView, StateReply

from .client import connected
from .listing import place_of
from .naming import find_task
from .options import cluster_options, output_option
from .quantities import TEXT
from .tables import visible

Question = ExplainFramework | ExplainTask


@click.command()
@click.argument("name", metavar="FRAMEWORK|TASK", type=TEXT)
@output_option
@cluster_options
@click.pass_context
def explain(ctx: click.Context, name: str, output: str) -> None:
    """Why a framework is offered what it is, or where a task is and what it waits for.

    A framework is named by its name or its id; a task by its id, the beginning of one, or
    FRAMEWORK/TASK.
    """
    with connected(place_of(ctx)) as client:
        question = _question(client.state(), name)
        reply = client.operate(question)
    if output == "table":
        print(*map(visible, reply.lines), sep="\n")
        return
    shown = {
        "framework_id": question.framework_id or None,
        "task_id": question.task_id if isinstance(question, ExplainTask) else None,
        "lines": list(reply.lines),
        "agents": dict(reply.agents),
    }
    print(json.dumps(shown, indent=2))


def _question(state: StateReply, name: str) -> Question:
    """A task that the master does not know is asked for as well: it says what may be so."""
    if (framework := _framework(state, name)) is not None:
        return ExplainFramework(framework.framework.framework_id)
    try:
        task = find_task(state, name)
    except NotFoundError:
        owner, _, task_id = name.rpartition("/")
        found = _framework(state, owner)
        if not task_id or (owner and found is None):
            raise
        framework_id = found.framework.framework_id if found else FrameworkId("")
        return ExplainTask(TaskId(task_id), framework_id)
    return ExplainTask(task.task_id, task.framework_id)


def _framework(state: StateReply, name: str) -> FrameworkView | None:
    """By its id, or by its name: of several the one that has not ended."""
    for view in state.frameworks:
        if view.framework.framework_id == name:
            return view
    named = [view for view in state.frameworks if view.framework.name == name]
    found = [view for view in named if not view.is_ended] or named[-1:]
    if len(found) > 1:
        ids = ", ".join(view.framework.framework_id for view in found)
        raise ConfigError(f"{len(found)} frameworks are named {name!r}", hint=f"name one of {ids}")
    return found[0] if found else None
