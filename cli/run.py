"""`fairlead run`: one command as a task, watched from here or left to the cluster with `-d`."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from getpass import getuser
from typing import TypeVar

import click

from fairlead.common.errors import UnavailableError
from fairlead.common.ids import ANY_GPU, TaskId
from fairlead.common.operators import AgentState, AgentView, StateReply, SubmitCommand
from fairlead.common.resources import MILLIS, Resources
from fairlead.common.values import MAX_PRIORITY, Command, TaskInfo, Volume

from .client import Client, connected, locate
from .containers import container_of, read_image, read_volumes, who_runs
from .exits import Exit
from .options import cluster_options, home_of, master_of
from .problems import CommandError
from .quantities import BYTES, CPUS, DURATION, GPUS, TEXT, read_environment

CPUS_MILLIS = MILLIS
MEM_BYTES = 128 << 20
SUBMIT_S = 10.0
LAUNCH_S = 1.0
LONGEST_NAME = 200
Id = TypeVar("Id")


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", metavar="[--] CMD…", nargs=-1, required=True, type=TEXT)
@click.option("--cpus", type=CPUS, help="It is given [1, or what the largest agent has].")
@click.option("--mem", type=BYTES, help="It is given, such as 512MiB [128MiB].")
@click.option("--gpus", type=GPUS, help="It is given: 1, 2, or a part of one: 0.5.")
@click.option(
    "--env",
    multiple=True,
    callback=read_environment,
    metavar="KEY[=VALUE]",
    help="For its environment; a bare KEY takes the value it has here. Repeat for more.",
)
@click.option(
    "--image", type=TEXT, callback=read_image, help="Run it in a container of this image."
)
@click.option(
    "--volume",
    "volumes",
    multiple=True,
    callback=read_volumes,
    metavar="PATH[:INSIDE][:ro]",
    help="With --image: what it sees of its agent's machine, as far as allowed there.",
)
@click.option(
    "--max-time", type=DURATION, help="End it when it has run for so long, such as 10m [never]."
)
@click.option(
    "--priority",
    type=click.IntRange(-MAX_PRIORITY, MAX_PRIORITY),
    default=0,
    metavar="NUMBER",
    help="Of those that wait the highest is run first, and taken back last [0].",
)
@click.option("--name", type=TEXT, default="", help="What to call it [the program].")
@click.option("-d", "--detach", is_flag=True, help="Print the task id and leave it to the cluster.")
@cluster_options
@click.pass_context
def run(
    ctx: click.Context,
    *,
    command: Sequence[str],
    cpus: int | None,
    mem: int | None,
    gpus: int | None,
    env: Mapping[str, str],
    image: str,
    volumes: tuple[Volume, ...],
    max_time: float | None,
    priority: int,
    name: str,
    detach: bool,
) -> int:
    """Run a command as a task: its output, its exit code.

    Ctrl-C goes on to it, a second one ends it at once; if this terminal vanishes, it ends too.
    The task's stdin is empty.
    With -d it stays, see `fairlead tasks`.
    """
    check_words(command, name)
    if max_time == 0:
        raise click.UsageError("--max-time is 0: leave it out for no limit", ctx)
    container = container_of(image, volumes)
    place = locate(home_of(ctx), master_of(ctx))
    with connected(place) as client:
        asked = client.begin_state()
        from .terminal import run_here  # meanwhile

        state = asked()
        agents = who_runs(container, state.agents)
        resources = size_of(cpus, mem, gpus or 0, agents)
        check_size(resources, agents)
        tell_of_those_away(resources, agents)
        task = replace(
            make_task(command, resources, env, name),
            container=container,
            max_completion_s=max_time or 0.0,
            priority=priority,
        )
        if detach:
            print(submit(client, state, task), flush=True)
            _await_launch(client, task.task_id)
            return Exit.OK
    return run_here(task, place, getuser())


def check_words(command: Sequence[str], name: str) -> None:
    """Refuse what is no command, and no name."""
    if not command[0]:
        raise click.UsageError("the command is an empty word", click.get_current_context())
    if len(name) > LONGEST_NAME:
        raise click.UsageError(
            f"--name has {len(name)} characters, which is more than {LONGEST_NAME}",
            click.get_current_context(),
        )


def make_task(
    command: Sequence[str], resources: Resources, env: Mapping[str, str], name: str
) -> TaskInfo:
    """Its id tells people what it is, and is unlike any other."""
    program = name or command[0].rpartition("/")[2]
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", program).strip("-.")[:40] or "task"
    task_id = TaskId(f"{readable}-{os.urandom(4).hex()}")
    return TaskInfo(task_id, program, Command(tuple(command), dict(env)), resources)


def size_of(cpus: int | None, mem: int | None, gpus: int, agents: Sequence[AgentView]) -> Resources:
    """What was not asked for is little enough to fit on the agents that there are."""
    wholes = [view.agent.resources for view in agents]
    return Resources(
        min([CPUS_MILLIS, *_largest(whole.cpus for whole in wholes)]) if cpus is None else cpus,
        min([MEM_BYTES, *_largest(whole.mem for whole in wholes)]) if mem is None else mem,
        gpus=((ANY_GPU, gpus),) if gpus else (),
    )


def _largest(amounts: Iterable[int]) -> list[int]:
    """None at all if there is no agent."""
    found = list(amounts)
    return [max(found)] if found else []


def check_size(resources: Resources, agents: Sequence[AgentView], what: str = "task") -> None:
    """Refuse what no agent could ever hold."""
    from fairlead.frameworks.kit.fits import why_never_fits

    why = why_never_fits(resources, agents)
    if why is not None:
        asked, _, advice = why.rpartition(": ")
        raise CommandError(f"the {what} {asked}", Exit.TOO_BIG, hint=advice)


def tell_of_those_away(resources: Resources, agents: Sequence[AgentView]) -> None:
    """It may wait for ever for an agent that was there once."""
    able = [view for view in agents if view.agent.resources.contains(resources)]
    if able and all(view.state is not AgentState.CONNECTED or view.is_draining for view in able):
        away = ", ".join(
            f"{view.agent.name} is {'being drained' if view.is_draining else view.state.name}"
            for view in able
        )
        sys.stderr.write(f"fairlead: who has {resources} at all is away: {away}\n")


def submit(client: Client, state: StateReply, task: TaskInfo) -> TaskId:
    """To the shared framework."""
    from fairlead.frameworks.commands.methods import SUBMIT, address_of

    def say(state: StateReply) -> TaskId:
        return client.ask(address_of(state.frameworks), SUBMIT, SubmitCommand(task)).task_id

    return hand_over(client, state, say, "the command", "commands")


def hand_over(
    client: Client, state: StateReply, say: Callable[[StateReply], Id], what: str, name: str
) -> Id:
    """Said until the framework takes it: it may be said again, because the id is ours."""
    deadline = time.monotonic() + SUBMIT_S
    while True:
        try:
            return say(state)
        except UnavailableError as error:
            if time.monotonic() >= deadline:
                raise UnavailableError(
                    f"{what} could not be handed over: {error.message}",
                    hint=f"daemons started by hand want it too: fairlead frameworks host {name}",
                ) from error
        time.sleep(0.2)
        state = client.state()


def _await_launch(client: Client, task_id: TaskId) -> None:
    """A moment, so that the next verb finds it; one that has to wait for room is left to wait."""
    deadline = time.monotonic() + LAUNCH_S
    while time.monotonic() < deadline:
        if any(view.task_id == task_id for view in client.state().tasks):
            return
        time.sleep(0.03)
