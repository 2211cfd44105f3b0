"""What went wrong, in a line, a hint and an exit code; `main` prints them."""

import errno
import sys

import click

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError, FairleadError, NotLeaderError, RegistryError
from fairlead.common.messages import Code

from .exits import Exit


class CommandError(FairleadError):
    """Fairlead's own refusal, with the exit code that a script may look for."""

    def __init__(self, message: str, exit_code: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Problem:
    """An empty message says nothing: whoever caused it knows."""

    message: str
    exit: int
    hint: str = ""
    is_worth_a_traceback: bool = True


EXITS = {
    Code.NOT_FOUND: Exit.NOT_FOUND,
    Code.SILENT: Exit.UNAVAILABLE,
    Code.SHUTTING_DOWN: Exit.UNAVAILABLE,
    Code.NOT_LEADER: Exit.UNAVAILABLE,
    Code.UNAUTHENTICATED: Exit.UNAUTHENTICATED,
    Code.WRONG_CLUSTER: Exit.CONFIG,
}


UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Files are named in their errors, so these without a name are about the standard streams."""


def describe(error: BaseException) -> Problem:
    """Never fails, never needs more than a line and a hint."""
    if isinstance(error, click.exceptions.Exit):
        return Problem("", error.exit_code, is_worth_a_traceback=False)
    if isinstance(error, click.UsageError):
        return _of_usage(error)
    if isinstance(error, click.ClickException):
        return Problem(_line(error.format_message()), Exit.USAGE)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Problem("", Exit.INTERRUPTED, is_worth_a_traceback=False)
    if isinstance(error, BrokenPipeError):
        return Problem("", Exit.SIGNALLED + 13, is_worth_a_traceback=False)
    if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
        return Problem(f"cannot write the output: {error.strerror}", Exit.OUTPUT)
    if isinstance(error, FairleadError):
        return _of_fairlead(error)
    grpc = sys.modules.get("grpc")
    if grpc is not None and isinstance(error, grpc.RpcError):
        from fairlead.common.status import error_of

        return _of_fairlead(error_of(error, "the cluster"))
    what = _line(str(error))
    return Problem(
        f"an error inside Fairlead: {type(error).__name__}{': ' if what else ''}{what}",
        Exit.INTERNAL,
        "run it again with --debug to see where, and please report it",
    )


def _of_usage(error: click.UsageError) -> Problem:
    message = _line(error.format_message()).rstrip(".")
    path = error.ctx.command_path if error.ctx is not None else "fairlead"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # Naming a group alone asks for its help; it is nevertheless no order.
        click.echo(error.format_message(), err=True)
        return Problem("", Exit.USAGE, is_worth_a_traceback=False)
    return Problem(
        message[:1].lower() + message[1:] if message[1:2].islower() else message,
        Exit.USAGE,
        f"{path} --help",
        is_worth_a_traceback=False,
    )


def _of_fairlead(error: FairleadError) -> Problem:
    hint = error.hint
    if isinstance(error, NotLeaderError) and error.leader:
        hint = f"ask the leader: --master {error.leader}"
    if isinstance(error, CommandError):
        return Problem(_line(error.message), error.exit_code, hint)
    code = (
        Exit.CONFIG
        if isinstance(error, ConfigError | RegistryError)
        else EXITS.get(error.code, Exit.REFUSED)
    )
    return Problem(_line(error.message), code, hint)


def _line(text: str) -> str:
    """On one line, whatever it was."""
    return " ".join(text.split())
