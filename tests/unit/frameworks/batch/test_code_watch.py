"""Which modules a pickle refers to."""

import pickle
import textwrap
import types
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import cloudpickle
import pytest

from fairlead.frameworks.batch.code_watch import dump_watched


def test_the_pickle_is_cloudpickles() -> None:
    assert dump_watched([1, abs]) == (cloudpickle.dumps([1, abs]), frozenset({"builtins"}))


@pytest.mark.parametrize(
    "thing",
    [Fraction, Fraction(1), [Fraction(1)], partial(Fraction, 1), Fraction(1).limit_denominator],
)
def test_classes_and_functions_are_noted_however_deep(thing: Any) -> None:
    data, modules = dump_watched(thing)
    assert "fractions" in modules
    pickle.loads(data)


def test_what_a_function_by_value_uses_is_noted() -> None:
    import wave  # noqa: PLC0415  (a global would be of this module)

    def outer() -> Any:
        def inner() -> Any:
            import colorsys.below as unknown  # type: ignore[import-not-found]  # noqa: PLC0415

            return unknown

        return inner, wave

    _, modules = dump_watched(outer)
    assert {"wave", "colorsys.below"} <= modules


def test_a_relative_import_needs_its_package() -> None:
    space: dict[str, Any] = {"__name__": "package.module"}
    exec(textwrap.dedent("def f():\n    from . import sibling"), space)  # noqa: S102  (no module has it)
    function: Callable[[], Any] = space["f"]
    function.__qualname__ = "<lambda>"
    _, modules = dump_watched(function)
    assert "package.module" in modules
    assert "" not in modules


def test_a_function_of_main_keeps_its_cache() -> None:
    main = types.ModuleType("__main__")
    exec(  # noqa: S102
        "import functools\n"
        "@functools.lru_cache(maxsize=500)\n"
        "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n",
        vars(main),
    )
    loaded = pickle.loads(dump_watched(main.fib)[0])
    assert loaded(90) == 2880067194370816120
    assert loaded.cache_parameters()["maxsize"] == 500
