"""Pickles as cloudpickle does, and notes in which modules the pickle will look when it is loaded.

So the caller's own modules that a call needs are known exactly, and found at the cost of the
pickle. `code_set` makes the files of them that travel.
"""

import dis
import functools
import io
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

_Cached = type(functools.lru_cache(len))


class _Watcher(cloudpickle.Pickler):  # type: ignore[misc]
    """Hears of every function, class and module that a pickle names or contains."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is FunctionType:
            self._note_function(obj)
        elif kind is ModuleType:
            self.modules.add(obj.__name__)
        elif issubclass(kind, type) or kind is BuiltinFunctionType:
            self._note(obj)
        elif kind is _Cached and obj.__module__ == "__main__":
            # It would be looked up by its name, in a `__main__` that is another one there.
            return with_cache, (obj.__wrapped__, obj.cache_parameters())
        return super().reducer_override(obj)

    def _note_function(self, function: FunctionType) -> None:
        names = _imported_by(function.__code__)
        is_named = function.__module__ != "__main__" and "<" not in function.__qualname__
        if names or is_named:  # one of the imports may be relative to its module
            self._note(function)
        # It may travel by value, and what it imports when it is called is in no pickle.
        self.modules.update(names - {""})

    def _note(self, thing: Any) -> None:
        module = getattr(thing, "__module__", None)
        if isinstance(module, str):
            self.modules.add(module)


def with_cache(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    """As `functools.lru_cache` had made it, with nothing remembered yet."""
    return functools.lru_cache(**parameters)(function)


def dump_watched(thing: Any) -> tuple[bytes, frozenset[str]]:
    """The pickle, and the names of the modules that it refers to."""
    with io.BytesIO() as file:
        watcher = _Watcher(file)
        watcher.dump(thing)
        return file.getvalue(), frozenset(watcher.modules)


@functools.lru_cache(maxsize=1000)
def _imported_by(code: CodeType) -> frozenset[str]:
    """What the import statements in a function name, and in the functions within it."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname == "IMPORT_NAME"
    }
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _imported_by(constant)
    return frozenset(names)
