"""`fairlead health`: whether one daemon does its work, for whoever starts it again if not."""

from collections.abc import Sequence

import click

from fairlead.common.client import connect_sync
from fairlead.common.errors import ConfigError, UnavailableError
from fairlead.common.home import Home
from fairlead.common.operators import StateQuery
from fairlead.common.rpc import GET_STATE
from fairlead.common.tls import Party

from .client import locate
from .options import cluster_options, home_of, master_of

ANSWER_S = 3.0
PARTIES = {"master": Party.MASTER, "agent": Party.AGENT, "frameworks": Party.FRAMEWORK}


@click.command()
@click.argument("daemon", type=click.Choice(list(PARTIES)))
@click.argument("names", metavar="[HOST:PORT | NAME…]", nargs=-1)
@cluster_options
@click.pass_context
def health(ctx: click.Context, daemon: str, names: Sequence[str]) -> None:
    """Ask the master, the agent at HOST:PORT, or for the frameworks of these NAMEs.

    Says ok, or ends with the code of what is wrong. With --tls it needs no more than the
    certificate of the daemon itself.
    """
    home = home_of(ctx, PARTIES[daemon])
    if daemon == "agent":
        if len(names) != 1:
            raise ConfigError("an agent is asked at its own HOST:PORT", hint="see: agent --port")
        _ask(home, names[0], Party.AGENT)
    elif daemon == "master":
        _ask(home, locate(home, master_of(ctx)).address, Party.MASTER)
    else:
        _look_for(home, locate(home, master_of(ctx)).address, names)
    print("ok")


def _ask(home: Home, address: str, party: Party) -> None:
    with connect_sync(address, home.token(), home.tls) as client:
        client.check_health(party, ANSWER_S)


def _look_for(home: Home, address: str, names: Sequence[str]) -> None:
    with connect_sync(address, home.token(), home.tls) as client:
        state = client.call(GET_STATE, StateQuery(), ANSWER_S)
    there = {view.framework.name for view in state.frameworks if view.is_connected}
    if missing := [name for name in names if name not in there]:
        raise UnavailableError(f"not connected to the master: {', '.join(missing)}")
