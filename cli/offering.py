"""The flags of `fairlead agent` that say what it offers, and where it stands."""

from typing import TYPE_CHECKING, Any

import click

from .noted import NotedFlags
from .quantities import BYTES, CPUS, GPU_SOURCE, TEXT, read_attributes

if TYPE_CHECKING:
    from fairlead.agent.discovery import Overrides

_FLAGS = NotedFlags("offering")
offering_options = _FLAGS.options


def offering_of(ctx: click.Context) -> "Overrides":
    """What was said; the rest is found out."""
    from fairlead.agent.discovery import Overrides

    return Overrides(**_FLAGS.of(ctx))


def _read_ports(_ctx: click.Context, _param: click.Parameter, value: str) -> Any:
    from fairlead.agent.discovery import parse_ports

    return parse_ports(value)


_FLAGS.flag("--cpus", type=CPUS, help="To offer [those it may run on].")
_FLAGS.flag("--mem", type=BYTES, help="To offer, such as 8GB [all].")
_FLAGS.flag("--disk", type=BYTES, help="To offer [that under the home].")
_FLAGS.flag("--gpus", type=GPU_SOURCE, default="auto", show_default=True)
_FLAGS.flag("--ports", read=_read_ports, help="To offer, such as 31000-31999; '' for none.")
_FLAGS.flag(
    "--attribute",
    "attributes",
    multiple=True,
    read=read_attributes,
    metavar="KEY=VALUE",
    help="A fact that constraints may ask for; repeat for more.",
)
_FLAGS.flag("--zone", type=TEXT, default="", help="Where it stands, at large.")
_FLAGS.flag("--rack", type=TEXT, default="", help="Where it stands, within the zone.")
