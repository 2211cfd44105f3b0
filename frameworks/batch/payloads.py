"""Functions, arguments and values as bytes: what travels between an Executor and a worker.

Both ends use it, after the frame's HMAC was checked. Importing it costs cloudpickle and no more.
"""

import contextlib
import functools
import hashlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import cloudpickle

from fairlead.common.dataclass import dataclass

from .code_watch import dump_watched
from .frames import DATA_LIMIT, Buffer

if TYPE_CHECKING:
    from .code_set import CodeSet

_PLAIN = frozenset((int, float, str, bytes, bool, type(None)))
"""Exactly these pickle the same with and without cloudpickle, and twenty times as fast without."""

LARGEST = DATA_LIMIT - (1 << 24)
"""Of a function and the arguments of one call; the rest of the frame is for its head."""


class NotPicklableError(pickle.PicklingError):
    """Something cannot be sent: says what, of which call."""


class NotLoadableError(pickle.UnpicklingError):
    """Something came back that cannot be loaded here: says what, of which call."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function ready to travel; workers keep it under its digest."""

    name: str
    digest: str
    data: bytes
    code: "CodeSet | None" = None
    """The caller's own modules that it needs, as they were when it was prepared."""

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        """So that it may stand where a function stands; it is called on workers only."""
        raise TypeError(f"{self.name} is ready to travel and is not called here")


FindCode = Callable[[frozenset[str]], "CodeSet | None"]
"""The code that goes with a pickle which refers to these modules."""


def _no_code(_modules: frozenset[str]) -> None:
    """Workers have all of it."""


def function_name(function: Callable[..., Any]) -> str:
    """How people know it, also where it stands within a `partial` or is an object's `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__qualname__"):
        function = type(function)
    module = getattr(function, "__module__", None)
    name = function.__qualname__
    return f"{module}.{name}" if module and module != "__main__" else str(name)


def function_key(function: Function, code: "CodeSet | None") -> str:
    """Under which a child keeps a function: with each version of its code it is another one."""
    return f"{code.digest}:{function.digest}" if code is not None else function.digest


def code_of_key(key: str) -> str:
    """The set's digest; empty for a function that needs none."""
    return key.rpartition(":")[0]


def dump_function(function: Callable[..., Any], find_code: FindCode = _no_code) -> Function:
    name = function_name(function)
    try:
        data, modules = dump_watched(function)
    except Exception as error:
        raise NotPicklableError(f"{name} cannot be sent to a worker: {error}") from error
    return Function(name, hashlib.sha256(data).hexdigest(), data, find_code(modules))


def dump_arguments(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[bytes, frozenset[str]]:
    """The pickle, and the modules that it refers to."""
    modules: frozenset[str] = frozenset()
    if not kwargs and all(type(value) in _PLAIN for value in args):
        data = pickle.dumps((args, kwargs), pickle.HIGHEST_PROTOCOL)
    else:
        try:
            data, modules = dump_watched((args, kwargs))
        except Exception as error:
            culprit = _culprit(args, kwargs)
            raise NotPicklableError(
                f"{culprit} of {name} cannot be sent to a worker: {error}"
            ) from error
    return data, modules


def check_size(function: Function, arguments: bytes) -> None:
    """Both are sent at once, the first time."""
    size = len(function.data) + len(arguments)
    if size > LARGEST:
        what = "arguments" if len(arguments) > len(function.data) else "values in the function"
        raise NotPicklableError(
            f"the {what} of {function.name} are too large to be sent: {size} bytes, "
            f"of at most {LARGEST}"
        )


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


def load_value(name: str, data: Buffer) -> Any:
    """What a call of the function of that name returned."""
    try:
        return pickle.loads(data)
    except BaseException as error:
        # Loading imports modules and runs their code, so that anything may come out.
        raise NotLoadableError(
            f"what {name} returned cannot be loaded here: {type(error).__qualname__}: {error}"
        ) from error


def _culprit(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    named = [(f"argument {index + 1}", value) for index, value in enumerate(args)]
    named += [(f"argument {key!r}", value) for key, value in kwargs.items()]
    for label, value in named:
        try:
            cloudpickle.dumps(value)
        except Exception:  # noqa: BLE001  (that is the question)
            return f"{label} ({type(value).__qualname__})"
    return "an argument"
