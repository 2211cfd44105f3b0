"""`fairlead roles` and `fairlead quota`: who holds what, what is guaranteed, what is the most."""

from collections.abc import Iterable, Mapping

import click

from fairlead.common.errors import FairleadError
from fairlead.common.ids import Role
from fairlead.common.messages import Code
from fairlead.common.operators import RoleView, SetQuota
from fairlead.common.resources import NAMES, said

from .client import connected
from .listing import place_of, show, table_of, watch_option
from .options import cluster_options, output_option
from .quantities import AMOUNTS, TEXT


@click.group()
def roles() -> None:
    """The names under which frameworks share the cluster; they form a tree."""


@roles.command("list")
@output_option
@watch_option
@cluster_options
@click.pass_context
def list_roles(ctx: click.Context, output: str, watch: bool) -> None:
    """The tree of roles: each with all that is below it."""
    from . import views

    show(ctx, output, watch, views.roles, table_of("ROLES", "no roles"))


@click.group()
def quota() -> None:
    """What of the cluster each role is guaranteed, and what it may hold at most.

    What a role is guaranteed and does not hold is kept free for it. Nobody in a role, or below it,
    is offered more than its limit; what runs is never ended for a quota.
    """


@quota.command("list")
@output_option
@watch_option
@cluster_options
@click.pass_context
def list_quotas(ctx: click.Context, output: str, watch: bool) -> None:
    """The roles that have a quota."""
    from . import views

    show(ctx, output, watch, views.quotas, table_of("QUOTAS", "no quotas"))


@quota.command("set")
@click.argument("role", type=TEXT)
@click.option("--guarantee", type=AMOUNTS, multiple=True, help="Kept for it: cpus=4,mem=8GiB.")
@click.option("--limit", type=AMOUNTS, multiple=True, help="The most that it may hold: gpus=2.")
@click.option("--none", "is_none", is_flag=True, help="It has no quota any more.")
@click.option("--force", is_flag=True, help="Even if the agents cannot hold all guarantees.")
@cluster_options
@click.pass_context
def set_quota(
    ctx: click.Context,
    role: str,
    *,
    guarantee: Iterable[Mapping[str, int]],
    limit: Iterable[Mapping[str, int]],
    is_none: bool,
    force: bool,
) -> None:
    """Give a role a quota, instead of the one that it had; any later master keeps it.

    fairlead quota set research --guarantee cpus=4,mem=8GiB --limit gpus=2
    """
    guarantees, limits = _joined("--guarantee", guarantee), _joined("--limit", limit)
    if is_none == bool(guarantees or limits):
        raise click.UsageError("say --guarantee, --limit or both; or --none")
    with connected(place_of(ctx)) as client:
        try:
            reply = client.operate(SetQuota(Role(role), guarantees, limits, force))
        except FairleadError as error:
            if error.code is Code.REFUSED:
                error.hint = "what all roles are guaranteed: fairlead quota list"
            raise
        found = [view for view in client.state(reply.version).roles if view.role == role]
    for line in _lines(role, found[0] if found else RoleView(Role(role))):
        print(line)


def _joined(option: str, several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for each in several:
        for name in each:
            if name in amounts:
                raise click.UsageError(f"{option} names {name} twice")
        amounts.update(each)
    return amounts


def _lines(role: str, view: RoleView) -> list[str]:
    """What it has from now on, and what of that does not hold yet."""
    parts = [
        f"{words} {_amounts(amounts)}"
        for words, amounts in (("guaranteed", view.guarantees), ("at most", view.limits))
        if amounts
    ]
    lines = [f"{role}: {'; '.join(parts)}" if parts else f"{role} has no quota"]
    held = dict(zip(NAMES, view.used.vector, strict=False))
    beyond = {name: held[name] for name, most in view.limits.items() if held[name] > most}
    if beyond:
        lines.append(f"note: it holds {_amounts(beyond)}; what runs goes on until it ends")
    return lines


def _amounts(named: Mapping[str, int]) -> str:
    return ", ".join(said(name, named[name]) for name in NAMES if name in named)
