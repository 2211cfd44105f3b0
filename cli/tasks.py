"""`fairlead tasks show|logs|kill`: one task, by its id or the beginning of it."""

import json
import sys
from collections.abc import Sequence

import click

from fairlead.common.errors import FairleadError, NotFoundError
from fairlead.common.ids import TaskId
from fairlead.common.operators import KillAnyTask, LogQuery, StateReply, TaskView, WithdrawCommand
from fairlead.common.values import TaskState

from .client import Client, connected, locate
from .gaps import gap_before
from .naming import find_task
from .options import cluster_options, home_of, master_of, output_option
from .quantities import TEXT, Number


@click.command("show")
@click.argument("task", metavar="TASK", type=TEXT)
@output_option
@cluster_options
@click.pass_context
def show_task(ctx: click.Context, task: str, output: str) -> None:
    """All that is known about a task."""
    from . import views
    from .tables import print_fields

    with connected(locate(home_of(ctx), master_of(ctx))) as client:
        state = client.state()
    shown = views.task(find_task(state, task), state)
    if output == "json":
        print(json.dumps(shown, indent=2))
    else:
        print_fields(shown)


@click.command()
@click.argument("task", metavar="TASK", type=TEXT)
@click.option("-f", "--follow", is_flag=True, help="Until the task has ended.")
@click.option("--stderr", "is_stderr", is_flag=True, help="What it wrote to stderr.")
@click.option(
    "-n", "--tail", "tail_lines", type=click.IntRange(1, 2**62), help="Only the last so many lines."
)
@cluster_options
@click.pass_context
def logs(
    ctx: click.Context, task: str, follow: bool, is_stderr: bool, tail_lines: int | None
) -> None:
    """What a task has written, running or ended; of a long log only the end is kept."""
    stream = "stderr" if is_stderr else "stdout"
    with connected(locate(home_of(ctx), master_of(ctx))) as client:
        state = client.state()
        found = find_task(state, task)
        copy_log(client, state, found, stream, follow=follow, tail_lines=tail_lines)


def copy_log(
    client: Client,
    state: StateReply,
    task: TaskView,
    stream: str,
    *,
    follow: bool = False,
    tail_lines: int | None = None,
) -> int:
    """What a task has written goes to stdout, and how many bytes that were is returned; of a gap
    stderr is told.
    """
    query = LogQuery(
        task.framework_id,
        task.task_id,
        task.latest.launch_uuid,
        stream,
        follow=follow,
        tail_lines=tail_lines or 0,
    )
    expected = 0 if tail_lines is None else -1
    copied = 0
    for chunk in client.read_log(agent_address(state, task), query):
        gap = gap_before(chunk, expected, stream) if expected >= 0 else ""
        if gap:
            click.echo(f"fairlead: {gap}", err=True)
        sys.stdout.buffer.write(chunk.data)
        sys.stdout.buffer.flush()
        expected = chunk.offset_bytes + len(chunk.data)
        copied += len(chunk.data)
    return copied


def agent_address(state: StateReply, task: TaskView) -> str:
    """Where the logs of a task are."""
    for view in state.agents:
        if view.agent.agent_id == task.agent_id and view.agent.address:
            return view.agent.address
    raise NotFoundError(
        f"the agent of task {task.task_id} is not known any more, and its logs with it",
        hint="see which agents there are: fairlead agents list",
    )


@click.command()
@click.argument("tasks", metavar="TASK…", nargs=-1, required=True, type=TEXT)
@click.option(
    "--grace",
    "grace_s",
    type=Number(0, 3600),
    help="Seconds between SIGTERM and SIGKILL [the task's own].",
)
@cluster_options
@click.pass_context
def kill(ctx: click.Context, tasks: Sequence[str], grace_s: float | None) -> None:
    """End tasks: SIGTERM, and SIGKILL for those that stay."""
    with connected(locate(home_of(ctx), master_of(ctx))) as client:
        state = client.state()
        for name in tasks:
            _kill(client, state, name, grace_s)


def _kill(client: Client, state: StateReply, name: str, grace_s: float | None) -> None:
    try:
        found = find_task(state, name)
    except NotFoundError:
        if not _is_withdrawn(client, state, TaskId(name)):
            raise
        return
    state_now = found.latest.state
    if state_now is TaskState.DROPPED and _is_withdrawn(client, state, found.task_id):
        return  # its framework was about to launch it again, or has
    if state_now.is_terminal:
        print(f"{found.task_id} has ended already: {state_now.name}")
        return
    client.operate(KillAnyTask(found.framework_id, found.task_id, grace_s))
    print(f"{found.task_id} is being ended")


def _is_withdrawn(client: Client, state: StateReply, task_id: TaskId) -> bool:
    """A detached command that waits for an offer is known to its framework only, which may have
    launched it since we looked; what became of it is printed.
    """
    from fairlead.frameworks.commands.methods import WITHDRAW, address_of

    try:
        address = address_of(state.frameworks)
        withdrawn = client.ask(address, WITHDRAW, WithdrawCommand(task_id))
    except FairleadError:
        return False
    what = "had not started yet, and will not" if withdrawn.was_waiting else "is being ended"
    print(f"{task_id} {what}")
    return True
