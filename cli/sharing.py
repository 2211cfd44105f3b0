"""The flags of `fairlead master` that say how the cluster is shared: they become its settings."""

import click

from .noted import NotedFlags
from .quantities import DURATION

_FLAGS = NotedFlags("sharing")
sharing_options, sharing_of = _FLAGS.options, _FLAGS.of

_FLAGS.flag(
    "--exclude",
    "excluded_resources",
    type=click.Choice(["cpus", "mem", "disk", "gpus"]),
    multiple=True,
    help="A resource that counts in no share; repeat for more.",
)
_FLAGS.flag(
    "--gpu-agents-for-all",
    is_flag=True,
    default=None,
    help="Offer agents with GPUs to who needs none, though others could serve.",
)
_FLAGS.flag(
    "--revoke-after",
    "revoke_after_s",
    type=DURATION,
    help="Who is below its share for so long gets what others hold beyond theirs; 0s: never [1m].",
)
_FLAGS.flag(
    "--revoke-grace",
    "revoke_grace_s",
    type=DURATION,
    help="How long those others have to give it back in their own way [30s].",
)
_FLAGS.flag(
    "--hold-after",
    "hold_after_s",
    type=DURATION,
    help="Room is kept for a demand that fits nowhere for so long; 0s: never [30s].",
)
_FLAGS.flag(
    "--sorter",
    type=click.Choice(["drf", "random"]),
    help="Who comes first: whoever is furthest below its share, or anybody, by weight [drf].",
)
