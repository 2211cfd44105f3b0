"""The calls of the framework `commands`, and how its clients find it; imported by both sides."""

from collections.abc import Sequence

from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    FrameworkView,
    SubmitCommand,
    WithdrawCommand,
)
from fairlead.common.rpc import CallMethod
from fairlead.frameworks.kit import clients

NAME = "commands"
SUBMIT = CallMethod("Commands", "Submit", SubmitCommand, CommandSubmitted)
WITHDRAW = CallMethod("Commands", "Withdraw", WithdrawCommand, CommandWithdrawn)


def address_of(frameworks: Sequence[FrameworkView]) -> str:
    """Where the framework listens; UnavailableError if it does not run now."""
    return clients.address_of(NAME, frameworks)
