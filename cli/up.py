"""`fairlead up` and `fairlead down`: a local cluster of real processes, in one command each."""

import click

from .containers import docker_flags, docker_options
from .keeping import keeping_flags, keeping_options
from .options import debug_option, home_of, home_option, isolation_option, tls_option
from .quantities import BYTES, CPUS, GPU_SOURCE


@click.command()
@click.option(
    "--agents", type=click.IntRange(0, 64), default=1, show_default=True, help="How many agents."
)
@click.option("--cpus", type=CPUS, help="Of each agent [its share of this machine].")
@click.option("--mem", type=BYTES, help="Of each agent, such as 8GB [its share of this machine].")
@click.option("--disk", type=BYTES, help="Of each agent [its share of what is free].")
@click.option("--gpus", type=GPU_SOURCE, help="Of each agent: auto, none, or fake:4 to play with.")
@click.option("-d", "--detach", is_flag=True, help="Return when it is up.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Of the master [any free one]."
)
@isolation_option
@docker_options
@keeping_options
@click.option("--embedded", is_flag=True, hidden=True)
@home_option
@tls_option
@debug_option
@click.pass_context
def up(
    ctx: click.Context,
    *,
    agents: int,
    cpus: int | None,
    mem: int | None,
    disk: int | None,
    gpus: str | None,
    detach: bool,
    port: int,
    isolation: str,
    embedded: bool,
) -> None:
    """Start a local cluster: a master, agents, and the built-in frameworks.

    It stays in the foreground, and Ctrl-C ends it with all its tasks. With --detach it stays until
    `fairlead down`. Tasks run as you, every port is on loopback, and a daemon that dies is started
    again.
    """
    from . import start
    from .plan import Wanted, choose_port, machine_for, make_plan

    wanted = Wanted(
        agents, cpus, mem, disk, gpus, isolation, (*keeping_flags(ctx), *docker_flags(ctx))
    )
    if embedded:
        home = start.temporary_home()
        lock, _ = start.take_home(home)
        port = choose_port(port)
        start.run_embedded(
            make_plan(home, port, wanted, machine_for(wanted, home), is_temporary=True), lock
        )
        return
    home = home_of(ctx)
    lock, stale = start.take_home(home)
    port = choose_port(port, stale.port if stale is not None else 0)
    plan = make_plan(home, port, wanted, machine_for(wanted, home))
    start.clear_remains(home, stale, plan.agents)
    start.start_cluster(plan, lock, detach=detach)


@click.command()
@home_option
@debug_option
@click.pass_context
def down(ctx: click.Context) -> int:
    """End the local cluster of the home, its running tasks included.

    When nothing runs it says so, and that is no error.
    """
    from .ending import take_down
    from .exits import Exit

    home = home_of(ctx)
    ended = take_down(home)
    runs = ended.processes or ended.tasks or ended.workers
    click.echo(str(ended) if runs else f"nothing runs in {home.path}")
    for problem in ended.problems:
        click.echo(f"fairlead: {problem}", err=True)
    return Exit.INTERNAL if ended.problems else Exit.OK
