"""The events and actions that every core shares; none of them travels."""

from .dataclass import dataclass
from .ids import SessionId
from .messages import Code


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A session exists; nothing has been said on it."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Received:
    """A message arrived on a session."""

    session: SessionId
    message: object


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A session is no more."""

    session: SessionId
    code: Code = Code.UNSPECIFIED
    message: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Send:
    """Say this on a session."""

    session: SessionId
    message: object


@dataclass(frozen=True, slots=True)
class CloseSession:
    """End a session, with a reason."""

    session: SessionId
    code: Code
    message: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """Make this durable before any later action is performed; None forgets the key."""

    key: str
    value: object | None
