"""The flags of `fairlead master` that say how the cluster is shared: they become its settings."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .quantities import DURATION

Command = TypeVar("Command", bound=Callable[..., Any])
_KEY = "fairlead.sharing"


def sharing_options(command: Command) -> Command:
    """`--exclude`, `--gpu-agents-for-all`, `--hold-after`, `--revoke-…`, `--sorter`."""
    for option in (
        click.option(
            "--sorter",
            type=click.Choice(["drf", "random"]),
            expose_value=False,
            callback=_note,
            help="Who comes first: whoever is furthest below its share, or anybody, by weight"
            " [drf].",
        ),
        click.option(
            "--hold-after",
            "hold_after_s",
            type=DURATION,
            expose_value=False,
            callback=_note,
            help="When room is kept for a demand that fits nowhere; 0s: never [30s].",
        ),
        click.option(
            "--revoke-after",
            "revoke_after_s",
            type=DURATION,
            expose_value=False,
            callback=_note,
            help="When who is below its share is given what others hold too much of; 0s: never"
            " [1m].",
        ),
        click.option(
            "--revoke-grace",
            "revoke_grace_s",
            type=DURATION,
            expose_value=False,
            callback=_note,
            help="How long those others have to give back in their own way [30s].",
        ),
        click.option(
            "--gpu-agents-for-all",
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_note,
            help="Offer agents with GPUs to who needs none, though others could serve.",
        ),
        click.option(
            "--exclude",
            "excluded_resources",
            type=click.Choice(["cpus", "mem", "disk", "gpus"]),
            multiple=True,
            expose_value=False,
            callback=_note,
            help="A resource that counts in no share; repeat for more.",
        ),
    ):
        command = option(command)
    return command


def sharing_of(ctx: click.Context) -> dict[str, Any]:
    """What was said, by the names of a master's settings."""
    said: dict[str, Any] = ctx.meta.get(_KEY, {})
    return said


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value not in (None, ()):
        assert param.name is not None, "every option has a name"
        ctx.meta.setdefault(_KEY, {})[param.name] = value
