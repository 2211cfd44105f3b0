"""The flags that say how much of what tasks wrote an agent keeps, and for how long.

`fairlead agent` takes them, and `fairlead up` hands them on to each of its agents.
"""

import click

from .noted import NotedFlags
from .quantities import BYTES, DURATION, Number

_FLAGS = NotedFlags("keeping")
_SPELLED = (
    ("log_limit_bytes", "--log-limit", "{:d}B"),
    ("keep_ended_s", "--keep-ended", "{:.3f}s"),
    ("min_free_percent", "--min-free", "{:g}"),
)
keeping_options, keeping_of = _FLAGS.options, _FLAGS.of

_FLAGS.flag(
    "--log-limit",
    "log_limit_bytes",
    type=BYTES,
    help="How much of the end of each log is kept [64MiB].",
)
_FLAGS.flag(
    "--keep-ended",
    "keep_ended_s",
    type=DURATION,
    help="For how long logs and files of a task are kept after its end [7d].",
)
_FLAGS.flag(
    "--min-free",
    "min_free_percent",
    type=Number(0, 100),
    help="While less of the disk is free, in percent, logs of ended tasks go, oldest first [10].",
)


def keeping_flags(ctx: click.Context) -> tuple[str, ...]:
    """What was said, for the command line of an agent."""
    said = keeping_of(ctx)
    flags: list[str] = []
    for name, flag, form in _SPELLED:
        if name in said:
            flags += [flag, form.format(said[name])]
    return tuple(flags)
