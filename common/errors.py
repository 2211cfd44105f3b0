"""What a caller must handle. Outcomes of the domain are values, broken invariants are assertions.

Each error knows its code, which `common.rpc` translates to a gRPC status and back.
"""

from .messages import Code


class FairleadError(Exception):
    """Says what failed, why, and what to do next, in one line."""

    code: Code = Code.REFUSED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class LocalProtocolError(FairleadError):
    """We were about to break the protocol: a bug on this side."""

    code = Code.INVALID


class RemoteProtocolError(FairleadError):
    """The other side broke the protocol."""

    code = Code.UNREADABLE


class InvalidFieldError(FairleadError):
    """A well-formed message carries a value that may not stand there."""

    code = Code.INVALID

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = message


class UnauthenticatedError(FairleadError):
    """No token, or a wrong one."""

    code = Code.UNAUTHENTICATED


class UnavailableError(FairleadError):
    """Nobody answers there now; trying again may help."""

    code = Code.SILENT


class NotLeaderError(FairleadError):
    """This master does not lead; `leader` is the address of the one that does, if known."""

    code = Code.NOT_LEADER

    def __init__(self, message: str, leader: str = "") -> None:
        super().__init__(message)
        self.leader = leader


class StaleEpochError(FairleadError):
    """A newer leader exists: whoever gets this must stop."""

    code = Code.STALE_EPOCH


class NotFoundError(FairleadError):
    """No such thing, or no longer."""

    code = Code.NOT_FOUND


class QuotaError(FairleadError):
    """A quota forbids it, with the numbers."""


class ContainerError(FairleadError):
    """A task could not be started or changed; `temporary` says whether trying again may help."""

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


class RegistryError(FairleadError):
    """What must survive could not be read or written."""


class ConfigError(FairleadError):
    """A setting, a flag, a file or a port that cannot be used as it is."""


class TlsError(ConfigError):
    """TLS with somebody did not come about. It may be put right: trying again may help."""

    code = Code.SILENT
