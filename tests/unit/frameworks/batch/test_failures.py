"""What becomes of an exception on its way from a worker to its driver."""

import os
import pickle
import threading
from dataclasses import dataclass
from typing import Any, Self

import pytest

from fairlead.frameworks.batch.failures import (
    RemoteError,
    RemoteTraceback,
    add_note,
    dump_error,
    load_error,
)


def travelled(error: BaseException) -> BaseException:
    """Raised here, dumped and loaded."""
    try:
        raise error  # noqa: TRY301  (for its traceback)
    except BaseException as raised:  # noqa: BLE001  (SystemExit travels too)
        return load_error(dump_error(raised))


def test_the_traceback_travels_as_the_cause() -> None:
    loaded = travelled(ZeroDivisionError("why"))
    assert isinstance(loaded, ZeroDivisionError)
    assert isinstance(loaded.__cause__, RemoteTraceback)
    assert "ZeroDivisionError: why" in str(loaded.__cause__)
    assert "test_failures.py" in str(loaded.__cause__)


class TakesTwoError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"the sum is {one + two}")
        self.two = two


class SaysMoreError(ValueError):
    def __init__(self, what: str) -> None:
        super().__init__(f"bad {what}")


class MissingError(FileNotFoundError):
    def __init__(self, name: str) -> None:
        super().__init__(2, "not here", name)


def test_an_exception_whose_init_takes_something_else_keeps_type_text_and_attributes() -> None:
    loaded = travelled(TakesTwoError(3, 4))
    assert isinstance(loaded, TakesTwoError)
    assert (str(loaded), loaded.two) == ("the sum is 7", 4)
    assert str(travelled(SaysMoreError("luck"))) == "bad luck"
    missing = travelled(MissingError("x"))
    assert isinstance(missing, MissingError)
    assert (missing.errno, missing.filename, str(missing)) == (2, "x", str(MissingError("x")))


class KnowsHowError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)
        self.two = two

    def __reduce__(self) -> Any:
        return (KnowsHowError, (self.args[0], self.two))


def test_an_exception_that_knows_how_it_travels_is_asked() -> None:
    loaded = travelled(KnowsHowError(1, 2))
    assert isinstance(loaded, KnowsHowError)
    assert loaded.two == 2


@pytest.mark.parametrize(
    "error",
    [
        OSError(2, "no such thing", "name"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        ImportError("no", name="that", path="/there"),
        KeyError("key"),
        StopIteration(3),
        SystemExit(3),
        KeyboardInterrupt(),
    ],
)
def test_builtin_exceptions_come_out_as_they_went_in(error: BaseException) -> None:
    loaded = travelled(error)
    assert type(loaded) is type(error)
    assert (str(loaded), loaded.args) == (str(error), error.args)
    assert vars(loaded) == vars(error)


def test_notes_travel() -> None:
    error = ValueError("why")
    error.add_note("of the third line")
    assert travelled(error).__notes__ == ["of the third line"]


def test_a_group_keeps_its_members() -> None:
    inner = ExceptionGroup("inner", [TakesTwoError(1, 2), KeyError("k")])
    loaded = travelled(ExceptionGroup("outer", [inner, OSError(5, "io")]))
    assert isinstance(loaded, ExceptionGroup)
    same, other = loaded.exceptions
    assert isinstance(same, ExceptionGroup)
    assert [type(error) for error in same.exceptions] == [TakesTwoError, KeyError]
    assert isinstance(other, OSError)


def test_a_chain_keeps_its_links_and_is_shown_once() -> None:
    try:
        try:
            os.environ["NO_SUCH_KEY"]
        except KeyError as error:
            raise TakesTwoError(1, 2) from error
    except TakesTwoError as error:
        loaded = load_error(dump_error(error))
    assert isinstance(loaded.__context__, KeyError)
    assert isinstance(loaded.__cause__, RemoteTraceback)
    assert "direct cause" in loaded.__cause__.text
    assert "KeyError: 'NO_SUCH_KEY'" in loaded.__cause__.text


def test_a_link_that_cannot_travel_spoils_no_other() -> None:
    bad = ValueError(threading.Lock())
    bad.__cause__ = KeyError("root")
    error = TypeError("top")
    error.__cause__ = bad
    loaded = travelled(error)
    assert isinstance(loaded, TypeError)
    assert isinstance(loaded.__context__, RemoteError)
    assert isinstance(loaded.__context__.__context__, KeyError)


def test_a_chain_that_bites_its_tail_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    loaded = load_error(dump_error(one))
    assert str(loaded.__context__) == "two"
    assert loaded.__context__ is not None
    assert loaded.__context__.__context__ is None


class Stubborn(Exception):  # noqa: N818
    def __init__(self, lock: object) -> None:
        super().__init__(lock)

    def __str__(self) -> str:
        raise RuntimeError("not even its text")


class NewTakesTwo(Exception):  # noqa: N818
    def __new__(cls, one: int, two: int) -> Self:
        return super().__new__(cls, one + two)

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


class Leaves(Exception):  # noqa: N818
    def __reduce__(self) -> Any:
        raise SystemExit(3)


class Pretends(Exception):  # noqa: N818
    def __reduce__(self) -> Any:
        return (str, ("no exception",))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Stubborn(threading.Lock()), r"Stubborn: \(its message cannot be shown\) \(the exc.*lock"),
        (NewTakesTwo(1, 2), "NewTakesTwo: 3 .*cannot be sent: .*missing 1 required"),
        (Leaves("bye"), "Leaves: bye .*cannot be sent: 3"),
        (Pretends("hm"), "Pretends: hm .*cannot be sent: it was made to travel as a str"),
    ],
)
def test_an_error_that_cannot_travel_is_quoted(error: Exception, says: str) -> None:
    loaded = travelled(error)
    assert isinstance(loaded, RemoteError)
    with pytest.raises(RemoteError, match=says):
        raise loaded
    assert "test_failures.py" in str(loaded.__cause__)


def test_an_error_of_a_class_unknown_here_is_quoted() -> None:
    links = [(b"cnowhere_at_all\nUnknown\n.", "Unknown: why")]
    loaded = load_error(pickle.dumps((links, "Traceback …\nUnknown: why\n")))
    assert isinstance(loaded, RemoteError)
    assert "Unknown: why" in str(loaded)
    assert "nowhere_at_all" in str(loaded)


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int
    where: str = ""


class UntouchableError(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError(f"{name} is not to be set")


class HasNotesOfItsOwnError(Exception):
    def __init__(self) -> None:
        super().__init__()
        self.__notes__ = "not a list"  # type: ignore[assignment]


class MuteError(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


def test_an_exception_that_allows_no_attributes() -> None:
    loaded = travelled(FrozenError(7, where="there"))
    assert isinstance(loaded, FrozenError)
    assert (loaded.code, loaded.where) == (7, "there")
    for error in (loaded, travelled(UntouchableError("keep off"))):
        assert isinstance(error.__cause__, RemoteTraceback)
        add_note(error, "this may be lost")
    assert isinstance(error, UntouchableError)
    add_note(travelled(HasNotesOfItsOwnError()), "so may this")


def test_an_exception_that_cannot_be_shown() -> None:
    assert "MuteError" in str(travelled(MuteError()).__cause__)
    loaded = travelled(SyntaxError("no", ("file", 1, 2, 5)))  # type: ignore[arg-type]
    assert isinstance(loaded, SyntaxError)
    assert "SyntaxError (its traceback cannot be shown" in str(loaded.__cause__)
