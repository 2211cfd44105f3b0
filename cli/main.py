"""The `fairlead` command: finds the verb, runs it, and turns whatever goes wrong into one line.

Verbs are imported when they are called, so that `fairlead --help` and `fairlead run` start quickly.
"""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from .exits import Exit
from .options import Choices, cluster_options

VERBS: dict[str, tuple[str, str]] = {
    "up": ("up", "Start a local cluster."),
    "down": ("up", "End the local cluster, its tasks included."),
    "status": ("listing", "The cluster on one screen."),
    "run": ("run", "Run a command as a task; its output, its exit code."),
    "tasks": ("listing", "list, show, logs, kill: what runs and what ran."),
    "jobs": ("jobs", "submit, list, why, …: training jobs that share GPUs."),
    "agents": ("agents", "list, drain, gone: the machines, and taking one away."),
    "frameworks": ("listing", "list, run: who runs tasks, and running one."),
    "offers": ("listing", "list, log: resources held out, and what becomes of them."),
    "explain": ("explain", "Why a framework gets nothing, or a task does not run."),
    "roles": ("quota", "list: the tree of roles, what each holds and may hold."),
    "quota": ("quota", "list, set: what roles are guaranteed, and what they may hold."),
    "weights": ("weights", "list, set: how much of the cluster each role is to have."),
    "reservations": ("reservations", "list, set: what single agents keep for a role."),
    "master": ("daemons", "The master daemon."),
    "agent": ("daemons", "The agent daemon."),
    "health": ("health", "Whether one daemon does its work."),
    "certs": ("certs", "init: the certificates of a cluster on several machines."),
}

DAEMONS = {"up", "master", "agent"}
STAYING = {*DAEMONS, "frameworks"}
"""What runs in them may have something to do at its end."""


class Verbs(click.Group):
    """Knows each verb's module and line of help; imports only what is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        if cmd_name not in DAEMONS:  # what grpc has to say itself is for their logs alone
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        if cmd_name not in STAYING:
            _import_asyncio_without_ssl()
        module = importlib.import_module(f"fairlead.cli.{VERBS[cmd_name][0]}")
        gc.freeze()
        gc.enable()
        ctx.ensure_object(Choices).verb = cmd_name
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # click would make 1 of it, which may be a program's own
            raise SystemExit(tell(error, Choices())) from None

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


def _import_asyncio_without_ssl() -> None:
    """A twentieth of what a short command takes. gRPC brings its own TLS, and asyncio does well
    without where Python was built without it.
    """
    if "ssl" in sys.modules or "asyncio" in sys.modules:
        return  # somebody else's process, such as a test's
    sys.modules["ssl"] = None  # type: ignore[assignment]  # importing it now fails
    importlib.import_module("asyncio")
    del sys.modules["ssl"]


def show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """The installed version; found only when asked for, because looking takes a while."""
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"fairlead {version('fairlead')}")
    ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: fairlead up, then: fairlead run -- echo hi",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=show_version,
    help="Show the version and exit.",
)
@cluster_options
def fairlead() -> None:
    """Run programs on a cluster: a master offers resources, frameworks decide, agents run."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the verb, end with its exit code."""
    chosen = Choices()
    code = run(arguments, chosen)
    try:
        sys.stdout.flush()
    except OSError as error:  # python would complain about that at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == Exit.OK:
            code = tell(error, Choices())
    if chosen.verb not in STAYING:
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)  # all is said and closed: taking modules apart would be what takes longest
    sys.exit(code)


def run(arguments: Sequence[str] | None, chosen: Choices) -> int:
    """Run the verb, print what went wrong, return the exit code."""
    try:
        result = fairlead.main(
            args=None if arguments is None else list(arguments),
            prog_name="fairlead",
            standalone_mode=False,
            obj=chosen,
        )
    except BaseException as error:  # noqa: BLE001 - this is the one place that tells people
        return tell(error, chosen)
    return result if isinstance(result, int) else Exit.OK


def tell(error: BaseException, chosen: Choices) -> int:
    """Say in one line what failed, in another what to do; return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else Exit.OK
    from .problems import describe

    problem = describe(error)
    if chosen.is_debugging and problem.is_worth_a_traceback:
        import traceback

        traceback.print_exception(error)
    if problem.message:
        print(f"fairlead: {problem.message}", file=sys.stderr)
    if problem.hint:
        print(f"hint: {problem.hint}", file=sys.stderr)
    return problem.exit
