"""Between Fairlead's errors and gRPC's statuses, both ways; the one place where they meet.

The status is for foreign clients; ours read the whole error from the trailing metadata.
"""

import json
from collections.abc import Iterable
from typing import Any, Protocol

import grpc

from .errors import (
    FairleadError,
    InvalidFieldError,
    NotFoundError,
    NotLeaderError,
    RemoteProtocolError,
    StaleEpochError,
    UnauthenticatedError,
    UnavailableError,
)
from .messages import Code

Metadata = tuple[tuple[str, str | bytes], ...]

ERROR_KEY = "fairlead-error-bin"
_MAX_TEXT = 400
"""Metadata has its own limit (8 KiB in gRPC), and a line need not be longer."""

_STATUS = {
    Code.UNSPECIFIED: grpc.StatusCode.INTERNAL,
    Code.OK: grpc.StatusCode.OK,
    Code.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Code.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
    Code.NOT_SUBSCRIBED: grpc.StatusCode.FAILED_PRECONDITION,
    Code.NOT_LEADER: grpc.StatusCode.FAILED_PRECONDITION,
    Code.SUPERSEDED: grpc.StatusCode.ABORTED,
    Code.DUPLICATE_AGENT: grpc.StatusCode.ALREADY_EXISTS,
    Code.FRAMEWORK_REMOVED: grpc.StatusCode.FAILED_PRECONDITION,
    Code.AGENT_REMOVED: grpc.StatusCode.FAILED_PRECONDITION,
    Code.STALE_EPOCH: grpc.StatusCode.FAILED_PRECONDITION,
    Code.WRONG_CLUSTER: grpc.StatusCode.FAILED_PRECONDITION,
    Code.SLOW_CONSUMER: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Code.SILENT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Code.SHUTTING_DOWN: grpc.StatusCode.UNAVAILABLE,
    Code.UNREADABLE: grpc.StatusCode.INVALID_ARGUMENT,
    Code.VERSION: grpc.StatusCode.FAILED_PRECONDITION,
}

_CODE = {
    grpc.StatusCode.OK: Code.OK,
    grpc.StatusCode.INVALID_ARGUMENT: Code.INVALID,
    grpc.StatusCode.NOT_FOUND: Code.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED: Code.UNSUPPORTED,
    grpc.StatusCode.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    grpc.StatusCode.UNAVAILABLE: Code.SILENT,
    grpc.StatusCode.DEADLINE_EXCEEDED: Code.SILENT,
    # gRPC itself says this of a message beyond its limit.
    grpc.StatusCode.RESOURCE_EXHAUSTED: Code.UNREADABLE,
}
"""For statuses that carry no error of ours: made by gRPC, or by a foreign server."""

_ERRORS: dict[Code, type[FairleadError]] = {
    Code.NOT_FOUND: NotFoundError,
    Code.STALE_EPOCH: StaleEpochError,
    Code.UNAUTHENTICATED: UnauthenticatedError,
    Code.SILENT: UnavailableError,
    Code.SHUTTING_DOWN: UnavailableError,
    Code.UNREADABLE: RemoteProtocolError,
}


class Failed(Protocol):
    """How a call of gRPC ended, of the blocking kind and of the other."""

    def code(self) -> Any: ...

    def details(self) -> Any: ...

    def trailing_metadata(self) -> Any: ...


def status_of(code: Code, message: str) -> tuple[grpc.StatusCode, str, Metadata]:
    """For the end of a session."""
    return _status(code, {"code": code.name, "message": message[:_MAX_TEXT]})


def status_of_error(error: FairleadError) -> tuple[grpc.StatusCode, str, Metadata]:
    """For the answer to a call."""
    content = {"code": error.code.name, "message": error.message[:_MAX_TEXT]}
    if error.hint:
        content["hint"] = error.hint[:_MAX_TEXT]
    if isinstance(error, NotLeaderError):
        content["leader"] = error.leader
    if isinstance(error, InvalidFieldError):
        content["field"] = error.field[:_MAX_TEXT]
        content["reason"] = error.reason[:_MAX_TEXT]
    return _status(error.code, content)


def _status(code: Code, content: dict[str, str]) -> tuple[grpc.StatusCode, str, Metadata]:
    metadata = ((ERROR_KEY, json.dumps(content, ensure_ascii=False).encode()),)
    return _STATUS[code], content["message"], metadata


def code_of(failed: Failed, address: str) -> tuple[Code, str]:
    """For the end of a session: the reason that its other end gave, or gRPC does."""
    if failed.code() is grpc.StatusCode.OK and _content(failed.trailing_metadata()) is None:
        return Code.OK, ""
    error = error_of(failed, address)
    return error.code, error.message


def error_of(failed: Failed, address: str) -> FairleadError:
    """For a call that failed: the error that the other side raised, or what gRPC says."""
    content = _content(failed.trailing_metadata())
    if content is not None:
        return _error(_code(content), content)
    code, details = _CODE.get(failed.code(), Code.UNSPECIFIED), str(failed.details() or "")
    if code is Code.SILENT:
        if failed.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return UnavailableError(f"no answer from {address} in time", hint="try again")
        # gRPC tells the whole story; its last clause is the one that says why.
        return UnavailableError(
            f"no answer from {address}: {details.rpartition(': ')[2] or 'unavailable'}",
            hint="is it running? start a local cluster with: fairlead up",
        )
    return _error(code, {"message": f"{address}: {details or failed.code().name}"})


def _error(code: Code, content: dict[str, str]) -> FairleadError:
    message, hint = content.get("message", ""), content.get("hint", "")
    if code is Code.NOT_LEADER:
        return NotLeaderError(message, content.get("leader", ""))
    if code is Code.INVALID and "field" in content:
        return InvalidFieldError(content["field"], content.get("reason", message))
    error = _ERRORS.get(code, FairleadError)(message, hint=hint)
    error.code = code
    return error


def _code(content: dict[str, str]) -> Code:
    try:
        return Code[content.get("code", "")]
    except KeyError:  # of a newer version
        return Code.UNSPECIFIED


def _content(metadata: Iterable[tuple[str, Any]] | None) -> dict[str, str] | None:
    for key, value in metadata or ():
        if key == ERROR_KEY:
            try:
                content = json.loads(value)
            except ValueError:
                return None
            if isinstance(content, dict):
                return {str(name): str(text) for name, text in content.items()}
    return None
