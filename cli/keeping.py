"""The flags that say how much of what tasks wrote an agent keeps, and for how long.

`fairlead agent` takes them, and `fairlead up` hands them on to each of its agents.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .quantities import BYTES, DURATION

Command = TypeVar("Command", bound=Callable[..., Any])
_KEY = "fairlead.keeping"
_SPELLED = (
    ("log_limit_bytes", "--log-limit", "{:d}B"),
    ("keep_ended_s", "--keep-ended", "{:.3f}s"),
    ("min_free_percent", "--min-free", "{:g}"),
)


def keeping_options(command: Command) -> Command:
    """`--log-limit`, `--keep-ended`, `--min-free`."""
    for option in (
        click.option(
            "--min-free",
            "min_free_percent",
            type=click.FloatRange(0, 100),
            expose_value=False,
            callback=_note,
            help="While less of the disk is free, in percent, logs of ended tasks go, oldest"
            " first [10].",
        ),
        click.option(
            "--keep-ended",
            "keep_ended_s",
            type=DURATION,
            expose_value=False,
            callback=_note,
            help="For how long logs and files of a task are kept after its end [7d].",
        ),
        click.option(
            "--log-limit",
            "log_limit_bytes",
            type=BYTES,
            expose_value=False,
            callback=_note,
            help="How much of the end of each log is kept [64MiB].",
        ),
    ):
        command = option(command)
    return command


def keeping_of(ctx: click.Context) -> dict[str, Any]:
    """What was said, by the names of an agent's settings."""
    said: dict[str, Any] = ctx.meta.get(_KEY, {})
    return said


def keeping_flags(ctx: click.Context) -> tuple[str, ...]:
    """The same for the command line of an agent."""
    said = keeping_of(ctx)
    flags: list[str] = []
    for name, flag, form in _SPELLED:
        if name in said:
            flags += [flag, form.format(said[name])]
    return tuple(flags)


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None:
        assert param.name is not None, "every option has a name"
        ctx.meta.setdefault(_KEY, {})[param.name] = value
