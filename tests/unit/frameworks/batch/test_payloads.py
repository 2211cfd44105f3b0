"""What travels as a pickle, and what is said of what cannot."""

import pickle
import sys
import threading
from functools import partial
from typing import Any

import pytest

from fairlead.frameworks.batch import payloads
from fairlead.frameworks.batch.payloads import (
    Function,
    NotLoadableError,
    NotPicklableError,
    check_size,
    dump_arguments,
    dump_function,
    dump_value,
    function_name,
    load_value,
)


def test_a_function_and_its_closure_travel() -> None:
    n = 5
    function = dump_function(lambda m: n + m)
    assert pickle.loads(function.data)(2) == 7
    assert "<lambda>" in function.name
    with pytest.raises(TypeError, match="ready to travel"):
        function(2)


def test_the_same_function_has_the_same_digest() -> None:
    assert dump_function(abs).digest == dump_function(abs).digest
    assert dump_function(abs).digest != dump_function(max).digest


@pytest.mark.parametrize("args", [(), (1, "a", None, 2.5, b"x", True), ([1], {"a": len})])
def test_arguments_travel(args: tuple[Any, ...]) -> None:
    assert pickle.loads(dump_arguments("f", args, {})[0]) == (args, {})
    assert pickle.loads(dump_arguments("f", args, {"k": 1})[0]) == (args, {"k": 1})


def test_what_cannot_travel_is_named() -> None:
    lock = threading.Lock()
    with pytest.raises(NotPicklableError, match=r"argument 1 \(lock\) of f cannot be sent"):
        dump_arguments("f", (lock,), {})
    with pytest.raises(NotPicklableError, match="<lambda> cannot be sent"):
        dump_function(lambda: lock)
    with pytest.raises(NotPicklableError, match="abs returned a lock, which cannot be sent back"):
        dump_value(abs, lock)


def test_too_much_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "LARGEST", 100)
    function = Function("f", "its digest", bytes(50))
    check_size(function, bytes(50))
    for size, what in ((90, "arguments"), (51, "arguments"), (0, "values in the function")):
        large = function if size else Function("f", "its digest", bytes(101))
        with pytest.raises(NotPicklableError, match=rf"the {what} of f are too large to be sent"):
            check_size(large, bytes(size))


def test_values_travel_by_value_where_they_must() -> None:
    assert pickle.loads(dump_value(abs, {"a": [1]})) == {"a": [1]}
    assert pickle.loads(dump_value(abs, lambda: 3))() == 3


def test_a_value_that_cannot_be_loaded_here_is_named() -> None:
    with pytest.raises(NotLoadableError, match="what f returned cannot be loaded here: Mod") as got:
        load_value("f", b"cnowhere_at_all\nUnknown\n.")
    assert isinstance(got.value.__cause__, ModuleNotFoundError)
    with pytest.raises(NotLoadableError, match="SystemExit"):
        load_value("f", pickle.dumps(Leaves()))


class Leaves:
    """When it is put together again."""

    def __reduce__(self) -> Any:
        return (sys.exit, (3,))


def test_names_of_things_called() -> None:
    class Callable:
        def __call__(self) -> None:
            """Nothing."""

    assert function_name(pickle.dumps) == "_pickle.dumps"
    assert function_name(Callable()).endswith("<locals>.Callable")
    assert function_name(partial(partial(pow, 2), list(range(1000)))) == "builtins.pow"
