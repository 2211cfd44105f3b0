"""What a program wants back after a restart: taken out of its objects, and put back into them.

The convention is PyTorch's, and needs no PyTorch: what has `state_dict` and `load_state_dict` is
asked. Generators are set, arrays and tensors are filled where they are, and whatever else stands in
a dict or a list is put back there.
"""

import sys
from collections.abc import Iterator
from typing import Any

from .generators import is_generator, set_state, state_of


def check(state: object, name: str = "state") -> None:
    """TypeError for what could be saved but not put back."""
    if isinstance(state, tuple):
        for index, each in enumerate(state):
            check(each, f"{name}[{index}]")
    elif not (state is None or isinstance(state, dict | list) or _is_changed_in_place(state)):
        raise TypeError(
            f"{name} is a {type(state).__name__}, which cannot be put back: give it as a value of"
            " a dict, or give it the methods state_dict() and load_state_dict(saved)"
        )


def take(state: Any) -> Any:
    """What is to be saved of it."""
    if has_state_dict(state):
        return state.state_dict()
    if is_generator(state):
        return state_of(state)
    if isinstance(state, dict):
        return {key: take(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [take(value) for value in state]
    return state


def put_back(state: Any, saved: Any) -> None:
    """As it was when taken. ValueError if it has another form now."""
    states = state if isinstance(state, tuple) else (state,)
    values = saved if isinstance(state, tuple) else (saved,)
    for each, value in zip(states, values, strict=True):
        if _put_back(each, value) is not each:
            raise ValueError(
                f"a {type(each).__name__} of the program's state has another form than the one"
                " that was saved; was the program changed?"
            )


def generators_in(state: Any) -> Iterator[Any]:
    """They are also kept as they were when an epoch began."""
    if is_generator(state):
        yield state
    elif isinstance(state, dict):
        for value in state.values():
            yield from generators_in(value)
    elif isinstance(state, list | tuple):
        for value in state:
            yield from generators_in(value)


def has_state_dict(value: object) -> bool:
    return hasattr(value, "state_dict") and hasattr(value, "load_state_dict")


def _put_back(state: Any, saved: Any) -> Any:
    """What shall stand where `state` stands: itself, if it could be changed."""
    if has_state_dict(state):
        state.load_state_dict(saved)
    elif is_generator(state):
        set_state(state, saved)
    elif isinstance(state, dict):
        back = {key: _put_back(state.get(key), value) for key, value in saved.items()}
        state.clear()
        state.update(back)
    elif isinstance(state, list):
        held = [*state, *[None] * len(saved)]
        state[:] = [_put_back(each, value) for each, value in zip(held, saved, strict=False)]
    elif _is_array(state) and state.shape == saved.shape:
        state[...] = saved
    elif _is_tensor(state) and state.shape == saved.shape:
        state.data.copy_(saved)
    else:
        return saved
    return state


def _is_changed_in_place(state: object) -> bool:
    return has_state_dict(state) or is_generator(state) or _is_array(state) or _is_tensor(state)


def _is_array(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
