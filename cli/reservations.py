"""`fairlead reservations`: what single agents keep for a role and those below it."""

import click

from fairlead.common.ids import ANY_GPU, Role
from fairlead.common.operators import SetReservation
from fairlead.common.resources import EMPTY, Resources

from .client import connected
from .listing import place_of, show, table_of, watch_option
from .naming import find_agent
from .options import cluster_options, output_option
from .quantities import TEXT, Quantity, or_nothing, parse_bytes, parse_gpu_millis, parse_millis

CPUS = Quantity("CPUS", or_nothing(parse_millis))
BYTES = Quantity("BYTES", or_nothing(parse_bytes))
GPUS = Quantity("GPUS", or_nothing(parse_gpu_millis))


@click.group()
def reservations() -> None:
    """What single agents keep for a role and those below it.

    Nobody else is offered that, whether the role uses it or not. The agent remembers it; some may
    be fixed by its own --reserve.
    """


@reservations.command("list")
@output_option
@watch_option
@cluster_options
@click.pass_context
def list_reservations(ctx: click.Context, output: str, watch: bool) -> None:
    """All of them, by agent."""
    from . import views

    show(ctx, output, watch, views.reservations, table_of("RESERVATIONS", "no reservations"))


@reservations.command("set")
@click.argument("agent", type=TEXT)
@click.argument("role", type=TEXT)
@click.option("--cpus", type=CPUS, help="To keep.")
@click.option("--mem", type=BYTES, help="To keep, such as 8GiB.")
@click.option("--disk", type=BYTES, help="To keep.")
@click.option("--gpus", type=GPUS, help="To keep: whole ones.")
@cluster_options
@click.pass_context
def set_reservation(
    ctx: click.Context,
    agent: str,
    role: str,
    *,
    cpus: int | None,
    mem: int | None,
    disk: int | None,
    gpus: int | None,
) -> None:
    """Keep so much of an agent for a role, instead of what it kept: what is not named is 0.

    fairlead reservations set a1 research --cpus 4 --mem 8GiB

    With 0 alone (--cpus 0) the role has no reservation there any more.
    """
    if (cpus, mem, disk, gpus) == (None,) * 4:
        raise click.UsageError("say how much: --cpus, --mem, --disk or --gpus", ctx)
    wanted = Resources(cpus or 0, mem or 0, disk or 0, ((ANY_GPU, gpus),) if gpus else ())
    with connected(place_of(ctx)) as client:
        view = find_agent(client.state(), agent)
        order = SetReservation(view.agent.agent_id, Role(role), wanted)
        reply = client.operate(order)
        view = find_agent(client.state(reply.version), view.agent.agent_id)
    kept = [each.whole for each in view.reservations if each.role == role]
    print(f"{view.agent.name} keeps {kept[0] if kept else EMPTY} for {role}")
