"""Our dataclasses behave as the standard library's do, method by method."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from fairlead.common.dataclass import dataclass as ours


@ours(frozen=True, slots=True)
class Value:
    """Frozen."""

    name: str
    count: int = 3
    items: tuple[str, ...] = ()
    made: dict[str, int] = field(default_factory=dict, compare=False)
    unset: int = field(init=False, default=7, repr=False)


@ours(slots=True)
class Book:
    """May be changed."""

    value: Value
    notes: list[str] = field(default_factory=list)

    def write(self, note: str) -> "Book":
        self.notes.append(note)
        return self


@ours(frozen=True, slots=True)
class Nothing:
    """Has no fields."""


@ours(frozen=True, slots=True)
class Longer(Value):
    """With a field more."""

    more: str = ""


@ours(slots=True, eq=False)
class Known:
    """By identity, and says when it was made."""

    seen: list[str]

    def __post_init__(self) -> None:
        self.seen.append("made")


def test_it_is_made_from_what_is_given_and_what_is_not() -> None:
    value = Value("a", items=("x",))
    assert (value.name, value.count, value.items, value.made, value.unset) == (
        "a",
        3,
        ("x",),
        {},
        7,
    )
    assert Value("a").made is not Value("a").made
    assert Book(value).write("b") == Book(value, ["b"])
    assert Longer("a", more="b").more == "b"
    assert Known([]).seen == ["made"]


@pytest.mark.parametrize("given", [{}, {"name": "a", "unset": 2}, {"nam": "a"}])
def test_arguments_that_do_not_fit_are_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Value.__init__\(\)"):
        Value(**given)


def test_equal_by_value_and_class() -> None:
    assert Value("a", made={"b": 1}) == Value("a")
    assert hash(Value("a", made={"b": 1})) == hash(Value("a"))
    assert Value("a") != Value("b")
    assert Value("a") != Longer("a")
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing(), Value("a"), Value("a")}) == 2
    assert Known([]) != Known([])
    with pytest.raises(TypeError, match="unhashable"):
        hash(Book(Value("a")))


def test_frozen() -> None:
    value: Any = Value("a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        value.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del value.name
    book: Any = Book(value)
    with pytest.raises(AttributeError):
        book.other = 1


def test_what_the_standard_library_does_with_dataclasses() -> None:
    value = Value("a")
    assert repr(value) == "Value(name='a', count=3, items=(), made={})"
    assert dataclasses.replace(value, count=4) == Value("a", 4)
    assert dataclasses.asdict(value)["count"] == 3
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(Book(value, ["b"])) == Book(value, ["b"])
    match value:
        case Value(name, count):
            assert (name, count) == ("a", 3)


@pytest.mark.parametrize("odd", [field(kw_only=True), field(hash=False)])
def test_what_it_leaves_out_is_refused_when_the_class_is_made(odd: Any) -> None:
    with pytest.raises(AssertionError, match=r"Odd.*\.value: not known here"):

        @ours(frozen=True, slots=True)
        class Odd:
            value: int = odd
