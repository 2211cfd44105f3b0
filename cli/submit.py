"""`fairlead jobs submit`: hand a training job over, its script with it, and perhaps wait for it."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from fairlead.common.errors import UnavailableError
from fairlead.common.jobs import JobState, SubmitJob
from fairlead.common.operators import StateReply
from fairlead.common.resources import MILLIS, Resources
from fairlead.common.values import TaskInfo

from .client import Client, connected, locate
from .exits import Exit
from .options import cluster_options, home_of, master_of
from .problems import CommandError
from .quantities import BYTES, CPUS, TEXT, Number, read_environment
from .run import (
    check_size,
    check_words,
    hand_over,
    make_task,
    size_of,
    tell_of_those_away,
)
from .scripts import Program, pack

WAIT_S = 0.5
MOST_GPUS = 1024


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", metavar="[--] python SCRIPT ARGS…", nargs=-1, required=True, type=TEXT)
@click.option("--name", type=TEXT, default="", help="What to call it [the script].")
@click.option(
    "--gpus",
    type=click.IntRange(0, MOST_GPUS),
    default=1,
    show_default=True,
    help="Whole ones, all of one agent.",
)
@click.option("--cpus", type=CPUS, help="It is given [1, or what the largest agent has].")
@click.option("--mem", type=BYTES, help="It is given, and keeps while others run [128MiB].")
@click.option(
    "--weight",
    type=Number(0.001, 1000),
    default=1.0,
    show_default=True,
    help="Of its slices, relative to those that share its devices.",
)
@click.option(
    "--priority",
    type=click.IntRange(-1000, 1000),
    default=0,
    show_default=True,
    help="A lower one never runs while a higher one could.",
)
@click.option(
    "--env",
    multiple=True,
    callback=read_environment,
    metavar="KEY[=VALUE]",
    help="For its environment; a bare KEY takes the value it has here. Repeat for more.",
)
@click.option(
    "--file", "files", multiple=True, metavar="PATH", help="Travels with the script. Repeat."
)
@click.option(
    "--checkpoints",
    metavar="DIR",
    default="",
    help="Where its directory is made, on storage that the agents share [that of the framework].",
)
@click.option(
    "--max-restarts",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="When the program fails by itself; losses of the cluster's do not count.",
)
@click.option("--wait", is_flag=True, help="Until it has ended.")
@cluster_options
@click.pass_context
def submit(
    ctx: click.Context,
    *,
    command: Sequence[str],
    name: str,
    gpus: int,
    cpus: int | None,
    mem: int | None,
    weight: float,
    priority: int,
    env: Mapping[str, str],
    files: Sequence[str],
    checkpoints: str,
    max_restarts: int,
    wait: bool,
) -> int:
    """Hand over a training job; its id is printed.

    The script is read here and travels with the job; it calls the hook of
    fairlead.frameworks.training. What it wrote: fairlead jobs logs.
    """
    check_words(command, name)
    program = pack(command, files)
    with connected(locate(home_of(ctx), master_of(ctx))) as client:
        state = client.state()
        resources = size_of(cpus, mem, gpus * MILLIS, state.agents)
        check_size(resources, state.agents, "job")
        _tell_of_nobody(state)
        tell_of_those_away(resources, state.agents)
        task = _job_task(program, resources, env, name, priority)
        directory = str(Path(checkpoints).absolute()) if checkpoints else ""
        job_id = _hand_over(client, state, SubmitJob(task, weight, directory, max_restarts))
        print(job_id, flush=True)
        return _await_end(client, job_id) if wait else Exit.OK


def _tell_of_nobody(state: StateReply) -> None:
    if not state.agents:
        sys.stderr.write("fairlead: no agent is registered yet: the job waits for one\n")


def _job_task(
    program: Program, resources: Resources, env: Mapping[str, str], name: str, priority: int
) -> TaskInfo:
    """Modules beside the script are found where that directory exists."""
    from dataclasses import replace

    script = next(iter(program.files), "")
    task = make_task(program.argv, resources, env, name or Path(script).stem)
    path = [each for each in (program.directory, env.get("PYTHONPATH", "")) if each]
    command = replace(task.command, env={**env, "PYTHONPATH": ":".join(path)} if path else env)
    return replace(task, command=command, files=program.files, priority=priority)


def _hand_over(client: Client, state: StateReply, call: SubmitJob) -> str:
    """To the shared framework."""
    from fairlead.frameworks.training.methods import SUBMIT, address_of

    def say(state: StateReply) -> str:
        return client.ask(address_of(state.frameworks), SUBMIT, call).job_id

    return hand_over(client, state, say, "the job", "training")


def _await_end(client: Client, job_id: str) -> int:
    """Through failovers of whoever is asked."""
    from .jobs import Framework

    while True:
        try:
            view = Framework(client).one(job_id)
        except UnavailableError:
            time.sleep(WAIT_S)
            continue
        if not view.state.is_terminal:
            time.sleep(WAIT_S)
            continue
        if view.state is JobState.FINISHED:
            return Exit.OK
        raise CommandError(
            f"the job {job_id} {view.state.name.lower()}: {view.message}",
            Exit.JOB_FAILED,
            hint=f"see what it wrote: fairlead jobs logs --stderr {job_id}",
        )
