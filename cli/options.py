"""Flags that many verbs share: which cluster, how to print, and what lies behind an error."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fairlead.common.dataclass import dataclass

if TYPE_CHECKING:  # finding a home takes a while to import, and `--help` needs none
    from fairlead.common.home import Home
    from fairlead.common.tls import Party, Reach

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Choices:
    """What was said on the command line, before or after the verb."""

    home: str = ""
    master: str = ""
    tls: str = ""
    host: str = ""
    advertise: str = ""
    is_debugging: bool = False
    verb: str = ""


def choices(ctx: click.Context) -> Choices:
    """Of this invocation."""
    found = ctx.find_object(Choices)
    assert found is not None
    return found


def home_of(ctx: click.Context, party: "Party | None" = None) -> "Home":
    """The home that was named, or the default one; the caller is a client, or that party."""
    from fairlead.common.home import Home

    named, reach = choices(ctx).home, _reach(ctx, party)
    return Home(named or Home.find().path, reach)


def _reach(ctx: click.Context, party: "Party | None") -> "Reach":
    from fairlead.common.loopback import LOOPBACK, check_host, check_name
    from fairlead.common.tls import VARIABLE, Party, Reach, Tls

    said = choices(ctx)
    named = {VARIABLE: said.tls} if said.tls else os.environ
    tls = Tls.find(party or Party.CLIENT, named)
    host = check_host(said.host or LOOPBACK, has_tls=tls is not None)
    if tls is not None:
        tls.read()  # says what is missing
        if party is not None:  # a daemon would tell its log only, and try again
            from fairlead.common.handshakes import check

            check(tls)
        os.environ[VARIABLE] = str(tls.directory)  # for whatever this process starts
    return Reach(tls, host, check_name(said.advertise))


def master_of(ctx: click.Context) -> str:
    """The address that was named; empty: ask the home."""
    from fairlead.common.errors import ConfigError
    from fairlead.common.loopback import check_address

    address = choices(ctx).master or os.environ.get("FAIRLEAD_MASTER", "")
    host, _, port = address.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if address and not (host and is_port):
        raise ConfigError(
            f"{address!r} is not the address of a master", hint="write --master 127.0.0.1:5050"
        )
    if address:
        check_address(address, has_tls=bool(choices(ctx).tls or os.environ.get("FAIRLEAD_TLS")))
    return address


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value:
            setattr(choices(ctx), name, value)

    return keep


def home_option(command: Command) -> Command:
    """`--home`: another state directory than the default one."""
    return click.option(
        "--home",
        metavar="DIR",
        expose_value=False,
        callback=_keep("home"),
        help="State directory of the cluster [FAIRLEAD_HOME].",
    )(command)


def master_option(command: Command) -> Command:
    """`--master`: another master than that of the home."""
    return click.option(
        "--master",
        metavar="HOST:PORT",
        expose_value=False,
        callback=_keep("master"),
        help="Address of the master [FAIRLEAD_MASTER].",
    )(command)


def tls_option(command: Command) -> Command:
    """`--tls`: how the cluster is reached beyond this machine."""
    return click.option(
        "--tls",
        metavar="DIR",
        expose_value=False,
        callback=_keep("tls"),
        help="Certificates of the cluster, for other machines [FAIRLEAD_TLS].",
    )(command)


def listening_options(command: Command) -> Command:
    """`--host`, `--advertise`: where a daemon listens, and what others are told about it."""
    host = click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        metavar="ADDRESS",
        expose_value=False,
        callback=_keep("host"),
        help="To listen on; beyond loopback only with --tls.",
    )
    advertise = click.option(
        "--advertise",
        metavar="NAME",
        expose_value=False,
        callback=_keep("advertise"),
        help="By which others find it [the same, or this machine's name].",
    )
    return host(advertise(command))


def isolation_option(command: Command) -> Command:
    """`--isolation`: how agents keep tasks apart."""
    return click.option(
        "--isolation",
        type=click.Choice(["auto", "process", "cgroups"]),
        default="auto",
        show_default=True,
        help="How tasks are held to what they asked for: auto is cgroups where they can be had.",
    )(command)


def debug_option(command: Command) -> Command:
    """`--debug`: what lies behind an error."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_keep("is_debugging"),
        help="Show the traceback of an error.",
    )(command)


def cluster_options(command: Command) -> Command:
    """For whatever talks to a cluster."""
    return home_option(master_option(tls_option(debug_option(command))))


def output_option(command: Command) -> Command:
    """`-o table|json`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="For people, or for programs.",
    )(command)
