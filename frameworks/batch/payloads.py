"""Functions, arguments, values and errors as bytes: what travels between an Executor and a worker.

Both ends use it, after the frame's HMAC was checked. Importing it costs cloudpickle and no more.
"""

import contextlib
import hashlib
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle

from .frames import DATA_LIMIT, Buffer

_PLAIN = frozenset((int, float, str, bytes, bool, type(None)))
"""Exactly these pickle the same with and without cloudpickle, and twenty times as fast without."""

LARGEST = DATA_LIMIT - (1 << 24)
"""Of the arguments of one call; the rest of the frame is for its function and head."""


class NotPicklableError(pickle.PicklingError):
    """Something cannot be sent: says what, of which call."""


class RemoteError(Exception):
    """Stands for an exception of the call that cannot be sent itself, and quotes it."""


class RemoteTraceback(Exception):  # noqa: N818  (it is shown as the cause, where "Error" misleads)
    """Shows where on the worker an exception was raised."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


@dataclass(frozen=True, slots=True)
class Function:
    """A function ready to travel; workers keep it under its digest."""

    name: str
    digest: str
    data: bytes

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        """So that it may stand where a function stands; it is called on workers only."""
        raise TypeError(f"{self.name} is ready to travel and is not called here")


def function_name(function: Callable[..., Any]) -> str:
    """How people know it."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None) or repr(function)
    return f"{module}.{name}" if module and module != "__main__" else str(name)


def dump_function(function: Callable[..., Any]) -> Function:
    name = function_name(function)
    try:
        data = cloudpickle.dumps(function)
    except Exception as error:
        raise NotPicklableError(f"{name} cannot be sent to a worker: {error}") from error
    return Function(name, hashlib.sha256(data).hexdigest(), data)


def dump_arguments(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    if not kwargs and all(type(value) in _PLAIN for value in args):
        data = pickle.dumps((args, kwargs), pickle.HIGHEST_PROTOCOL)
    else:
        try:
            data = cloudpickle.dumps((args, kwargs))
        except Exception as error:
            culprit = _culprit(args, kwargs)
            raise NotPicklableError(
                f"{culprit} of {name} cannot be sent to a worker: {error}"
            ) from error
    if len(data) > LARGEST:
        raise NotPicklableError(
            f"the arguments of {name} are too large to be sent: {len(data)} bytes, "
            f"of at most {LARGEST}"
        )
    return data


def dump_value(function: Callable[..., Any], value: Any) -> bytes:
    """What a call of `function` returned."""
    with contextlib.suppress(Exception):  # whatever it was, cloudpickle may still know how
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    try:
        data: bytes = cloudpickle.dumps(value)
    except Exception as error:
        raise NotPicklableError(
            f"{function_name(function)} returned a {type(value).__qualname__}, "
            f"which cannot be sent back: {error}"
        ) from error
    return data


def dump_error(error: BaseException, skip: int = 0) -> bytes:
    """An exception with its traceback, less the `skip` outermost frames (the worker's own)."""
    trace = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace else None
    text = "".join(traceback.format_exception(type(error), error, trace))
    try:
        data = cloudpickle.dumps(error)
        pickle.loads(data)  # an exception may refuse only when it is put together again
    except Exception:  # noqa: BLE001  (any reason makes it one that cannot travel)
        data = cloudpickle.dumps(RemoteError(f"{type(error).__qualname__}: {_text(error)}"))
    return pickle.dumps((data, text), pickle.HIGHEST_PROTOCOL)


def load_error(data: Buffer) -> BaseException:
    """The exception, with the traceback on the worker as its cause."""
    pickled, text = pickle.loads(data)
    try:
        error: BaseException = pickle.loads(pickled)
    except Exception as problem:  # noqa: BLE001  (its class may be unknown here)
        last = text.strip().rpartition("\n")[2]
        error = RemoteError(f"{last} (the exception itself cannot be loaded here: {problem})")
    error.__cause__ = RemoteTraceback(text)
    return error


def _culprit(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    named = [(f"argument {index + 1}", value) for index, value in enumerate(args)]
    named += [(f"argument {key!r}", value) for key, value in kwargs.items()]
    for label, value in named:
        try:
            cloudpickle.dumps(value)
        except Exception:  # noqa: BLE001  (that is the question)
            return f"{label} ({type(value).__qualname__})"
    return "an argument"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  (a broken __str__ must not hide that the call failed)
        return "(its message cannot be shown)"
