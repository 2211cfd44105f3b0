"""`fairlead weights`: how much of the cluster each role is to have, beside the others."""

import click

from fairlead.common.ids import Role
from fairlead.common.operators import SetWeight

from .client import connected
from .listing import place_of, show, table_of, watch_option
from .options import cluster_options, output_option
from .quantities import TEXT, Number


@click.group()
def weights() -> None:
    """How much of the cluster each role is to have, beside the others.

    A role's share is that of its scarcest resource, divided by its weight; whoever is lowest is
    offered next what becomes free. Nothing is taken from anybody who has it.
    """


@weights.command("list")
@output_option
@watch_option
@cluster_options
@click.pass_context
def list_weights(ctx: click.Context, output: str, watch: bool) -> None:
    """The roles of all frameworks, with their weights and shares."""
    from . import views

    show(ctx, output, watch, views.roles, table_of("WEIGHTS", "no roles"))


@weights.command("set")
@click.argument("role", type=TEXT)
@click.argument("weight", type=Number(0, 1000, min_open=True))
@cluster_options
@click.pass_context
def set_weight(ctx: click.Context, role: str, weight: float) -> None:
    """From now on, and for any later master: 2 is twice as much as 1, which is the default."""
    with connected(place_of(ctx)) as client:
        client.operate(SetWeight(Role(role), weight))
    print(f"{role} has weight {weight:g}")
