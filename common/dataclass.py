"""Dataclasses as the standard library knows them, a dozen times quicker to define: what it compiles
for each class at import comes to be here when it is first called, or is shared by all classes.

For everyone: most programs import hundreds of values and use a few. `fields`, `replace`, `match`,
`pickle` and type checkers see no difference; it must have slots, and may be frozen. It leaves out
what nobody here uses: fields by keyword only, or with a hash of their own, `InitVar`, and the text
of a value that holds itself.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, slots: bool, frozen: bool = False, eq: bool = True) -> Callable[[type], type]:
        """A decorator, like `dataclasses.dataclass`."""
        assert slots

        def decorate(cls: type) -> type:
            own = dict(vars(cls))
            cls.__doc__ = cls.__doc__ or cls.__name__  # or it would be made of the signature
            cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
            for each in cls.__dataclass_fields__.values():
                is_plain = each.hash is None and not each.kw_only
                assert is_plain, f"{cls}.{each.name}: not known here"
            methods = {"__init__": _later(cls, "__init__", _frozen_init if frozen else _init)}
            methods["__repr__"] = _later(cls, "__repr__", _repr)
            if eq:
                methods["__eq__"] = _later(cls, "__eq__", _eq)
                methods["__hash__"] = _later(cls, "__hash__", _hash) if frozen else None
            if frozen:
                methods |= _FROZEN
            for name, method in methods.items():
                if name not in own:
                    setattr(cls, name, method)
            return cls

        return decorate


Fields = Sequence["Field[Any]"]
Writer = Callable[[Fields], str]
"""Writes a method as the text of its definition."""


def _later(cls: Any, name: str, write: Writer) -> Any:
    """A method that is compiled by its first call, and from then on stands in this one's place."""

    def first(*values: object, **named: object) -> object:
        method = getattr(cls, name)
        if method is first:
            method = _compile(cls, name, write)
            setattr(cls, name, method)
        return method(*values, **named)

    return first


def _compile(cls: Any, name: str, write: Writer) -> Any:
    names: dict[str, Any] = {"MISSING": MISSING}
    for field in fields(cls):
        names[f"put_{field.name}"] = getattr(cls, field.name).__set__  # of the slot itself
        is_made = field.default_factory is not MISSING
        names[f"default_{field.name}"] = field.default_factory if is_made else field.default
    code = write(fields(cls))
    if name == "__init__" and hasattr(cls, "__post_init__"):
        code += "\n self.__post_init__()"
    exec(code, names)  # noqa: S102 - made of nothing but the names of its fields
    method = names[name]
    method.__qualname__ = f"{cls.__qualname__}.{name}"
    return method


def _init(of: Fields, put: str = "self.{0} = {1}") -> str:
    parameters = ["self", *(_parameter(field) for field in of if field.init)]
    body = [put.format(field.name, value) for field in of if (value := _value(field))]
    return f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body or ["pass"])


def _frozen_init(of: Fields) -> str:
    return _init(of, "put_{0}(self, {1})")


def _parameter(field: "Field[Any]") -> str:
    if field.default_factory is not MISSING:
        return f"{field.name}=MISSING"
    return field.name if field.default is MISSING else f"{field.name}=default_{field.name}"


def _value(field: "Field[Any]") -> str:
    """What the field begins as; empty if it is left unset."""
    if field.default_factory is not MISSING:
        made = f"default_{field.name}()"
        return f"{made} if {field.name} is MISSING else {field.name}" if field.init else made
    if field.init:
        return field.name
    return "" if field.default is MISSING else f"default_{field.name}"


def _eq(of: Fields) -> str:
    return (
        "def __eq__(self, other):\n"
        " if other.__class__ is not self.__class__:\n"
        "  return NotImplemented\n"
        f" return {_tuple_of('self', of)} == {_tuple_of('other', of)}"
    )


def _hash(of: Fields) -> str:
    return f"def __hash__(self):\n return hash({_tuple_of('self', of)})"


def _tuple_of(who: str, of: Fields) -> str:
    return f"({''.join(f'{who}.{field.name}, ' for field in of if field.compare)})"


def _repr(of: Fields) -> str:
    shown = ", ".join(f"{field.name}={{self.{field.name}!r}}" for field in of if field.repr)
    return f'def __repr__(self):\n return f"{{type(self).__qualname__}}({shown})"'


def _refuse_to_set(_self: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_FROZEN: dict[str, Any] = {
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
    "__getstate__": _state,
    "__setstate__": _set_state,
}
