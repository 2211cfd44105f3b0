"""The calls of the framework `commands`, and how its clients find it; imported by both sides."""

from collections.abc import Sequence

from fairlead.common.errors import UnavailableError
from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    FrameworkView,
    SubmitCommand,
    WithdrawCommand,
)
from fairlead.common.rpc import CallMethod

NAME = "commands"
SUBMIT = CallMethod("Commands", "Submit", SubmitCommand, CommandSubmitted)
WITHDRAW = CallMethod("Commands", "Withdraw", WithdrawCommand, CommandWithdrawn)


def address_of(frameworks: Sequence[FrameworkView]) -> str:
    """Where the framework listens; UnavailableError if it does not run now."""
    for view in frameworks:
        if view.framework.name == NAME and view.is_connected and view.framework.address:
            return view.framework.address
    raise UnavailableError(
        f"the framework {NAME!r} is not connected to this cluster",
        hint=f"`fairlead up` starts it; by itself: fairlead frameworks host {NAME}",
    )
