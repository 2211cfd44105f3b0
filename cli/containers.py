"""The flags that have to do with containers: of a task that runs in one, of agents that run them.

`fairlead run` takes the first kind, `fairlead agent` the second, which `fairlead up` hands on.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fairlead.common.operators import AgentView
from fairlead.common.values import Container, Volume

from .exits import Exit
from .noted import NotedFlags
from .problems import CommandError
from .quantities import TEXT

if TYPE_CHECKING:
    from fairlead.agent.docker_start import DockerOptions

_MODES = ("ro", "rw")


# --- of a task


def read_image(ctx: click.Context, _param: click.Parameter, value: str | None) -> str:
    """A click callback; empty: none was asked for."""
    if value is not None and not value.strip():
        raise click.UsageError("--image names no image: the word after it is empty", ctx)
    return value or ""


def read_volumes(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[Volume, ...]:
    """A click callback for repeated `PATH[:INSIDE][:ro]`."""
    return tuple(_volume(text, ctx, param) for text in value)


def _volume(text: str, ctx: click.Context, param: click.Parameter) -> Volume:
    parts = text.split(":")
    mode = parts.pop() if parts[-1] in _MODES else "rw"
    if len(parts) not in {1, 2} or not all(part.startswith("/") for part in parts):
        raise click.BadParameter(
            f"{text!r}: give absolute paths, as in /data or /data:/in or /data:/in:ro",
            ctx=ctx,
            param=param,
        )
    return Volume(parts[0], parts[-1], mode == "ro")


def container_of(image: str, volumes: Sequence[Volume]) -> Container | None:
    """None: it runs as plain processes."""
    if not image and volumes:
        raise click.UsageError("--volume is of no use without --image", click.get_current_context())
    return Container(image, tuple(volumes)) if image else None


def who_runs(container: Container | None, agents: Sequence[AgentView]) -> Sequence[AgentView]:
    """Those agents; with no agent at all nothing is said, there may be one in a moment."""
    if container is None or not agents:
        return agents
    able = [view for view in agents if view.agent.attributes.get("docker") == "true"]
    if not able:
        raise CommandError(
            "no agent runs containers",
            Exit.TOO_BIG,
            hint="start one where a Docker engine answers, see its log and docs/docker.md",
        )
    return able


# --- of agents


_FLAGS = NotedFlags("docker")
docker_options = _FLAGS.options

_FLAGS.flag(
    "--docker",
    type=TEXT,
    metavar="auto|none|unix://PATH",
    help="The engine that runs containers [auto: the one of this machine, if any].",
)
_FLAGS.flag(
    "--volume-allowed",
    "volumes_allowed",
    multiple=True,
    type=TEXT,
    metavar="PATH[:ro]",
    help="What containers may see of this machine; repeat for more [nothing].",
)


def docker_of(ctx: click.Context) -> "DockerOptions":
    """What was said."""
    from fairlead.agent.docker_start import AUTO, DockerOptions

    said = _FLAGS.of(ctx)
    return DockerOptions(said.get("docker") or AUTO, tuple(said.get("volumes_allowed", ())))


def docker_flags(ctx: click.Context) -> tuple[str, ...]:
    """The same for the command line of an agent."""
    said = _FLAGS.of(ctx)
    host = ("--docker", said["docker"]) if said.get("docker") else ()
    allowed = said.get("volumes_allowed", ())
    return (*host, *(word for path in allowed for word in ("--volume-allowed", path)))
