"""`fairlead master`, `fairlead agent`, `fairlead frameworks run`: processes that stay.

They log to stderr; whoever starts them says where that goes. TERM ends them in order; an agent's
tasks go on.
"""

import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from .containers import docker_of, docker_options
from .exits import Exit
from .keeping import keeping_of, keeping_options
from .offering import offering_of, offering_options
from .options import (
    cluster_options,
    debug_option,
    home_of,
    home_option,
    isolation_option,
    listening_options,
    master_of,
    tls_option,
)
from .problems import CommandError
from .quantities import RESERVE, RESOURCES
from .sharing import sharing_of, sharing_options

if TYPE_CHECKING:
    from fairlead.common.resources import Resources

TRAINING = {
    "slice": "FAIRLEAD_TRAINING_SLICE_S",
    "checkpoint_every": "FAIRLEAD_TRAINING_CHECKPOINT_S",
    "checkpoints": "FAIRLEAD_TRAINING_CHECKPOINTS",
}
"""What the framework reads of its environment, by the flags that say the same."""
LEVELS = ("debug", "info", "warning", "error")


def _run(serving: Coroutine[Any, Any, int]) -> int:
    import asyncio

    return asyncio.run(serving)


def _log_to_stderr() -> None:
    import logging

    from fairlead.common.errors import ConfigError

    level = os.environ.get("FAIRLEAD_LOG", "") or "info"
    if level.lower() not in LEVELS:
        raise ConfigError(
            f"FAIRLEAD_LOG is {level!r}, which is no level", hint=f"choose {', '.join(LEVELS)}"
        )
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="To listen on [any free one]."
)
@click.option(
    "--minimum-offer",
    "minimum_offers",
    type=RESOURCES,
    multiple=True,
    metavar="RESOURCES",
    help="No offer is smaller, such as cpus=0.1,mem=64MiB; of several any suffices.",
)
@sharing_options
@listening_options
@home_option
@tls_option
@debug_option
@click.pass_context
def master(ctx: click.Context, port: int, minimum_offers: "tuple[Resources, ...]") -> int:
    """The master daemon: holds the books, offers resources. `fairlead up` runs one for you."""
    from fairlead.common.tls import Party
    from fairlead.master.server import serve
    from fairlead.master.settings import MasterSettings

    _log_to_stderr()
    home = home_of(ctx, Party.MASTER)
    home.ensure()
    home.make_token()
    settings = MasterSettings(minimum_offers=minimum_offers, **sharing_of(ctx))
    return _run(serve(home, port, settings))


@click.command()
@click.option("--name", default="a1", show_default=True, help="Its name, and its directory's.")
@offering_options
@click.option(
    "--reserve",
    "reserved",
    type=RESERVE,
    multiple=True,
    metavar="ROLE:RESOURCES",
    help="To keep for a role and those below it, such as ml:cpus=4,mem=8GiB; repeat for more.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of its own, for logs.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="And threads, that one task may have; needs cgroups.",
)
@listening_options
@isolation_option
@docker_options
@keeping_options
@cluster_options
@click.pass_context
def agent(
    ctx: click.Context,
    *,
    name: str,
    reserved: "tuple[tuple[str, Resources], ...]",
    port: int,
    processes: int,
    isolation: str,
) -> int:
    """The agent daemon: runs tasks. `fairlead up` runs some for you.

    It finds the master through the home, or is told with --master. On TERM it ends and leaves its
    tasks running: the next agent of the same name adopts them.
    """
    from fairlead.agent.server import AgentOptions, serve
    from fairlead.agent.settings import AgentSettings
    from fairlead.common.ids import Role
    from fairlead.common.tls import Party
    from fairlead.common.values import Reserve

    kept = tuple(Reserve(Role(role), resources) for role, resources in reserved)
    overrides = offering_of(ctx)
    _log_to_stderr()
    home, address = home_of(ctx, Party.AGENT), master_of(ctx)
    home.ensure()
    if not address:
        home.make_token()  # its master may be yet to come, and will find it
    options = AgentOptions(
        home,
        name,
        overrides,
        address,
        port=port,
        settings=AgentSettings(reserved=kept, **keeping_of(ctx)),
        isolation=isolation,
        processes=processes,
        docker=docker_of(ctx),
    )
    return _run(serve(options))


@click.command("run")
@click.argument("name")
@click.option("--keep-id", is_flag=True, help="Go on as the same framework when started again.")
@cluster_options
@click.pass_context
def run_framework(ctx: click.Context, name: str, keep_id: bool) -> int:
    """Run a scheduler: one of an installed package, or module:Class.

    A package registers its own under the entry points "fairlead.schedulers".
    """
    from fairlead.common.tls import Party
    from fairlead.frameworks.kit.driver import run_scheduler
    from fairlead.frameworks.kit.events import IN_STEP
    from fairlead.frameworks.kit.registry import make

    home = home_of(ctx, Party.FRAMEWORK)
    scheduler = make(name)
    _log_to_stderr()
    try:
        return run_scheduler(scheduler, master_of(ctx), home, keep_id=keep_id)
    except Exception as error:
        if IN_STEP not in getattr(error, "__notes__", ()):
            raise
        raise CommandError(
            f"the scheduler {name} failed in its step: {type(error).__name__}: {error}",
            Exit.INTERNAL,
            hint="run it again with --debug to see where",
        ) from error


@click.command("host")
@click.argument(
    "names",
    metavar="NAME…",
    nargs=-1,
    required=True,
    type=click.Choice(["batch", "commands", "training"]),
)
@click.option(
    "--slice",
    metavar="SECONDS",
    help="Of training jobs that share devices [60; FAIRLEAD_TRAINING_SLICE_S].",
)
@click.option(
    "--checkpoint-every",
    metavar="SECONDS",
    help="How often training jobs save [60; FAIRLEAD_TRAINING_CHECKPOINT_S].",
)
@click.option(
    "--checkpoints",
    metavar="DIR",
    help="Of training jobs, shared by the agents [in the home; FAIRLEAD_TRAINING_CHECKPOINTS].",
)
@listening_options
@cluster_options
@click.pass_context
def host_frameworks(
    ctx: click.Context, /, *, names: tuple[str, ...], **training: str | None
) -> int:
    """Run built-in frameworks for others to use, several in one process. `fairlead up` does."""
    from fairlead.common.tls import Party
    from fairlead.frameworks.host import serve

    _log_to_stderr()
    os.environ.update({TRAINING[key]: value for key, value in training.items() if value})
    home = home_of(ctx, Party.FRAMEWORK)
    if home.tls is not None:  # its master may have another home
        home.ensure()
    return _run(serve(names, home, master_of(ctx)))
