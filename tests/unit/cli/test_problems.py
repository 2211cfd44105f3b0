"""Whatever goes wrong is one line, a hint and a code; never a traceback."""

import errno

import click
import pytest

from fairlead.cli.exits import Exit
from fairlead.cli.main import VERBS, run
from fairlead.cli.options import Choices
from fairlead.cli.problems import CommandError, describe
from fairlead.common.errors import (
    ConfigError,
    FairleadError,
    NotFoundError,
    NotLeaderError,
    UnauthenticatedError,
    UnavailableError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), Exit.CONFIG),
        (NotFoundError("x"), Exit.NOT_FOUND),
        (UnavailableError("x"), Exit.UNAVAILABLE),
        (UnauthenticatedError("x"), Exit.UNAUTHENTICATED),
        (FairleadError("x"), Exit.REFUSED),
        (CommandError("x", Exit.TOO_BIG), Exit.TOO_BIG),
        (ZeroDivisionError("x"), Exit.INTERNAL),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.OUTPUT),
        (OSError(errno.ENOSPC, "No space left on device", "/some/file"), Exit.INTERNAL),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (click.UsageError("x"), Exit.USAGE),
    ],
)
def test_each_error_has_its_code(error: BaseException, code: Exit) -> None:
    assert describe(error).exit == code


def test_own_codes_are_distinct_and_away_from_those_of_programs() -> None:
    own = [code for code in Exit if code not in (Exit.OK, Exit.SIGNALLED, Exit.INTERRUPTED)]
    assert len({int(code) for code in own}) == len(own)
    assert all(64 <= code < 126 for code in own if code is not Exit.COMMAND_NOT_STARTED)


def test_a_message_is_one_line_whatever_it_was() -> None:
    assert describe(FairleadError("two\n  lines")).message == "two lines"


def test_a_follower_names_the_leader() -> None:
    assert describe(NotLeaderError("x", "1.2.3.4:5")).hint == "ask the leader: --master 1.2.3.4:5"


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["--bogus"], "no such option", "fairlead --help"),
        (["bogus"], "no such command", "fairlead --help"),
        (["up", "--mem", "8XB"], "'8XB' is not an amount of memory", "fairlead up --help"),
        (["up", "--mem", "8"], "Write 8MiB or 8GB", "fairlead up --help"),
        (["up", "--gpus", "many"], "write auto, none or fake:4", "fairlead up --help"),
        (["up", "--agents", "-1"], "is not in the range", "fairlead up --help"),
        (["run", "--mem", "0", "--", "x"], "'0' is not between", "fairlead run --help"),
        (["run", "--", ""], "the command is an empty word", "fairlead run --help"),
        (["run", "--name", "x" * 201, "--", "x"], "more than 200", "fairlead run --help"),
        (["tasks", "show"], "issing argument", "fairlead tasks show --help"),
        (["tasks", "list", "-o", "xml"], "'xml' is not one of", "fairlead tasks list --help"),
    ],
)
def test_bad_usage(
    arguments: list[str], said: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, Choices()) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("fairlead: ")
    assert said in first
    assert second == f"hint: {hint}"


def test_debug_shows_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_home: object) -> None:
        raise ZeroDivisionError("what a pity")

    monkeypatch.setattr("fairlead.cli.ending.take_down", fail)
    assert run(["down"], Choices()) == Exit.INTERNAL
    quiet = capsys.readouterr().err
    assert quiet.splitlines()[0] == (
        "fairlead: an error inside Fairlead: ZeroDivisionError: what a pity"
    )
    assert "Traceback" not in quiet
    assert run(["down", "--debug"], Choices()) == Exit.INTERNAL
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_a_line_about_it(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([verb, "--help"], Choices()) == Exit.OK
    assert f"Usage: fairlead {verb}" in capsys.readouterr().out
    run(["--help"], Choices())
    assert VERBS[verb][1] in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--", "echo", "\udcff"],
        ["run", "--name", "\udcff", "true"],
        ["run", "--env", "A=\udcff", "true"],
        ["tasks", "kill", "\udcff"],
        ["tasks", "show", "\udcff"],
        ["tasks", "logs", "\udcff"],
        ["agent", "--zone", "\udcff"],
        ["agent", "--rack", "\udcff"],
        ["agent", "--attribute", "a=\udcff"],
    ],
)
def test_text_that_is_not_utf_8_is_refused_in_a_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, Choices()) == Exit.USAGE
    message, hint = capsys.readouterr().err.splitlines()
    assert message.endswith("is not UTF-8")
    assert hint.startswith("hint: fairlead ")
