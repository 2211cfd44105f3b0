"""Exceptions of calls as bytes: raised on a worker, they are raised again at the driver.

Python puts an exception together again by calling its class with its `args`. That fails, or says
everything twice, where `__init__` takes something else; so an `__init__` written in Python is not
called again, its exception gets its args and attributes as they were.

The traceback travels as text, in the `__cause__` (as with the standard library's process pools);
the exceptions that it was raised from, or during, hang on `__context__`. Whatever cannot travel is
quoted.
"""

import contextlib
import copyreg
import io
import pickle
import traceback
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import cloudpickle

from .frames import Buffer

_LONGEST_CHAIN = 20


class RemoteError(Exception):
    """Stands for an exception of the call that cannot be sent itself, and quotes it."""


class RemoteTraceback(Exception):  # noqa: N818  (it is shown as the cause, where "Error" misleads)
    """Shows where on the worker an exception was raised."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def dump_error(error: BaseException, skip: int = 0) -> bytes:
    """An exception with its traceback, less the `skip` outermost frames (the worker's own)."""
    trace = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace else None
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException as problem:  # noqa: BLE001  (its own code runs: anything may come out)
        text = f"{type(error).__qualname__} (its traceback cannot be shown: {_text(problem)})\n"
    return pickle.dumps(([_dump(link) for link in _chain(error)], text), pickle.HIGHEST_PROTOCOL)


def load_error(data: Buffer) -> BaseException:
    """The exception, with the traceback on the worker as its cause."""
    links, text = pickle.loads(data)
    first, *origins = [_load(*link) for link in links]
    later = first
    for origin in origins:
        _set(later, "__context__", origin)
        later = origin
    _set(first, "__cause__", RemoteTraceback(text))
    return first


def add_note(error: BaseException, note: str) -> None:
    """To one that takes notes: its class may allow no attributes, or have its own use for them."""
    with contextlib.suppress(Exception):
        error.add_note(note)


def rebuild(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """An exception as its builtin base makes it."""
    error = kind.__new__(kind, *args)
    inits = (base.__dict__.get("__init__") for base in kind.__mro__)
    builtin = next(init for init in inits if init and not isinstance(init, FunctionType))
    builtin(error, *args)
    return error


def restore(error: BaseException, attributes: Mapping[str, Any]) -> None:
    """Its attributes, as they were."""
    for name, value in attributes.items():
        _set(error, name, value)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """At any depth: the members of an exception group are exceptions too."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, BaseException) and _has_only_its_own_init(type(obj)):
            _, args, *state = tuple(obj.__reduce__())
            if state and type(obj).__setstate__ is BaseException.__setstate__:
                return (rebuild, (type(obj), args), *state, None, None, restore)
            return (rebuild, (type(obj), args), *state)
        return super().reducer_override(obj)


def _has_only_its_own_init(kind: type[BaseException]) -> bool:
    """And no words of its own on how it is pickled."""
    reducers = (kind.__reduce__, kind.__reduce_ex__)
    return (
        isinstance(kind.__init__, FunctionType)
        and kind not in copyreg.dispatch_table
        and not any(isinstance(reducer, FunctionType) for reducer in reducers)
    )


def _chain(error: BaseException | None) -> list[BaseException]:
    """It, what it was raised from or during, and so on."""
    chain: list[BaseException] = []
    while error is not None and len(chain) < _LONGEST_CHAIN:
        if any(error is known for known in chain):
            break
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _dump(error: BaseException) -> tuple[bytes, str]:
    """It, pickled, and in words."""
    words = f"{type(error).__qualname__}: {_text(error)}"
    try:
        buffer = io.BytesIO()
        _Pickler(buffer).dump(error)
        data = buffer.getvalue()
        _check(pickle.loads(data))  # it may refuse only when it is put together again
    except BaseException as problem:  # noqa: BLE001  (its own code runs: anything may come out)
        quoted = RemoteError(f"{words} (the exception itself cannot be sent: {_text(problem)})")
        data = cloudpickle.dumps(quoted)
    return data, words


def _load(data: bytes, words: str) -> BaseException:
    try:
        return _check(pickle.loads(data))
    except BaseException as problem:  # noqa: BLE001  (the same, and its class may be unknown here)
        return RemoteError(
            f"{words} (the exception itself cannot be loaded here: {_text(problem)})"
        )


def _set(error: BaseException, name: str, value: object) -> None:
    """Also where the class forbids that, as a frozen dataclass does."""
    BaseException.__setattr__(error, name, value)


def _check(loaded: object) -> BaseException:
    if not isinstance(loaded, BaseException):
        raise TypeError(f"it was made to travel as a {type(loaded).__qualname__}")
    return loaded


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001  (a broken __str__ must not hide that the call failed)
        return "(its message cannot be shown)"
