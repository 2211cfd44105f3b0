"""The states of random generators, so that chance goes on where it was.

Those of the process (python's; numpy's and torch's where the program uses them) and any others
that are given. A generator is known by how its state is read and set.
"""

import random
import sys
from collections.abc import Sequence
from typing import Any


def is_generator(value: object) -> bool:
    """A `random.Random`, `numpy.random.Generator` or `RandomState`, or a `torch.Generator`."""
    if isinstance(value, random.Random):
        return True
    if hasattr(value, "bit_generator"):
        return True
    return hasattr(value, "get_state") and hasattr(value, "set_state")


def state_of(generator: Any) -> object:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if hasattr(generator, "bit_generator"):
        return generator.bit_generator.state
    return generator.get_state()


def set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def capture(others: Sequence[Any]) -> dict[str, Any]:
    """All of them now."""
    states: dict[str, Any] = {"python": random.getstate()}
    if "numpy.random" in sys.modules:
        states["numpy"] = sys.modules["numpy.random"].get_state()
    if "torch" in sys.modules:
        from . import torch  # noqa: PLC0415  (only beside a program that uses it)

        states["torch"] = torch.random_states()
    return {**states, "others": [state_of(each) for each in others]}


def restore(states: dict[str, Any], others: Sequence[Any]) -> None:
    """As they were when captured, by a program that has the same others in the same order."""
    random.setstate(states["python"])
    if "numpy" in states:
        import numpy as np  # noqa: PLC0415  (the program that was captured had it)

        np.random.set_state(states["numpy"])
    if "torch" in states:
        from . import torch  # noqa: PLC0415  (the same)

        torch.set_random_states(states["torch"])
    for generator, state in zip(others, states["others"], strict=True):
        set_state(generator, state)
