"""Flags that many verbs share: which cluster, how to print, and what lies behind an error."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fairlead.common.dataclass import dataclass

if TYPE_CHECKING:  # finding a home takes a while to import, and `--help` needs none
    from fairlead.common.home import Home

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Choices:
    """What was said on the command line, before or after the verb."""

    home: str = ""
    master: str = ""
    is_debugging: bool = False
    verb: str = ""


def choices(ctx: click.Context) -> Choices:
    """Of this invocation."""
    found = ctx.find_object(Choices)
    assert found is not None
    return found


def home_of(ctx: click.Context) -> "Home":
    """The home that was named, or the default one."""
    from fairlead.common.home import Home

    named = choices(ctx).home
    return Home(named) if named else Home.find()


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
        check_address(address)
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
    return home_option(master_option(debug_option(command)))


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
