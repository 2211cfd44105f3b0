"""Errors become statuses and errors again; what others send becomes one clear line."""

from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from fairlead.common.errors import (
    FairleadError,
    InvalidFieldError,
    NotFoundError,
    NotLeaderError,
    RemoteProtocolError,
    StaleEpochError,
    UnauthenticatedError,
    UnavailableError,
)
from fairlead.common.messages import Code
from fairlead.common.status import ERROR_KEY, code_of, error_of, status_of, status_of_error

ADDRESS = "127.0.0.1:1"


@dataclass
class Ended:
    """A call as gRPC leaves it."""

    status: grpc.StatusCode
    text: str | None = ""
    metadata: Any = None

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str | None:
        return self.text

    def trailing_metadata(self) -> Any:
        return self.metadata


@pytest.mark.parametrize("code", list(Code))
def test_every_code_crosses_and_comes_back(code: Code) -> None:
    status, details, metadata = status_of(code, "because — so")
    assert details == "because — so"
    assert code_of(Ended(status, details, metadata), ADDRESS) == (code, "because — so")
    assert (status is grpc.StatusCode.OK) == (code is Code.OK)


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("no such task", hint="list them"),
        NotLeaderError("this one follows", leader="127.0.0.1:2"),
        StaleEpochError("another leads"),
        UnauthenticatedError("no token"),
        UnavailableError("stopping"),
        RemoteProtocolError("unreadable"),
        InvalidFieldError("kill.task_id", "is empty"),
        FairleadError("not now"),
    ],
)
def test_every_error_crosses_whole(error: FairleadError) -> None:
    got = error_of(Ended(*status_of_error(error)), ADDRESS)
    assert type(got) is type(error)
    assert (got.code, got.message, got.hint) == (error.code, error.message, error.hint)
    assert vars(got).items() >= vars(error).items()


@pytest.mark.parametrize(
    ("status", "details", "kind", "message"),
    [
        (
            grpc.StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNKNOWN: Connection refused (111)",
            UnavailableError,
            "no answer from 127.0.0.1:1: Connection refused (111)",
        ),
        (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "Deadline Exceeded",
            UnavailableError,
            "no answer from 127.0.0.1:1 in time",
        ),
        (
            grpc.StatusCode.UNAVAILABLE,
            None,
            UnavailableError,
            "no answer from 127.0.0.1:1: unavailable",
        ),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "too large",
            RemoteProtocolError,
            "127.0.0.1:1: too large",
        ),
        (grpc.StatusCode.UNKNOWN, "", FairleadError, "127.0.0.1:1: UNKNOWN"),
    ],
)
def test_what_grpc_says_itself_is_one_line(
    status: grpc.StatusCode, details: str | None, kind: type, message: str
) -> None:
    error = error_of(Ended(status, details), ADDRESS)
    assert type(error) is kind
    assert error.message == message


def test_a_session_that_ended_well_without_a_reason_says_nothing() -> None:
    assert code_of(Ended(grpc.StatusCode.OK), ADDRESS) == (Code.OK, "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"code": "OF_THE_FUTURE", "message": "m"}', (Code.UNSPECIFIED, "m")),
        (b'{"code": "NOT_FOUND"}', (Code.NOT_FOUND, "")),
        (b"not json", (Code.UNSPECIFIED, "127.0.0.1:1: text")),
        (b"[]", (Code.UNSPECIFIED, "127.0.0.1:1: text")),
    ],
)
def test_what_another_version_or_program_sends_is_taken_as_far_as_it_goes(
    content: bytes, expected: tuple[Code, str]
) -> None:
    ended = Ended(grpc.StatusCode.UNKNOWN, "text", (("other", "x"), (ERROR_KEY, content)))
    assert code_of(ended, ADDRESS) == expected


def test_a_long_message_stays_within_what_metadata_may_hold() -> None:
    _, details, metadata = status_of_error(InvalidFieldError("f" * 9000, "ß" * 9000))
    assert len(details) + sum(len(value) for _, value in metadata) < 8000
