"""What a program's state may be made of, and that it comes back into the very same objects."""

import pickle
import random
from typing import Any

import numpy as np
import pytest

from fairlead.frameworks.training import generators, stateful


class Model:
    def __init__(self) -> None:
        self.weight = 1

    def state_dict(self) -> dict[str, int]:
        return {"weight": self.weight}

    def load_state_dict(self, saved: dict[str, int]) -> None:
        self.weight = saved["weight"]


def saved(state: Any) -> Any:
    return pickle.loads(pickle.dumps(stateful.take(state)))


def test_everything_comes_back_where_it_was() -> None:
    def made(value: int) -> dict[str, Any]:
        model = Model()
        model.weight = value
        chance = random.Random(value)
        return {
            "model": model,
            "array": np.full((2, 2), value),
            "chance": chance,
            "numpy": np.random.default_rng(value),
            "old": np.random.RandomState(value),
            "layers": [model, np.full(3, value)],
            "history": list(range(value)),
            "best": {"loss": value, "grown": np.zeros(value)},
        }

    then, now = made(5), made(3)
    kept = {name: now[name] for name in ("model", "array", "chance", "numpy", "old", "layers")}
    now["left over"] = 1
    stateful.put_back(now, saved(then))
    assert now.keys() == then.keys()
    assert all(now[name] is value for name, value in kept.items())
    assert now["model"].weight == now["layers"][0].weight == 5
    assert (now["array"] == 5).all()
    assert (now["layers"][1] == 5).all()
    assert now["history"] == [0, 1, 2, 3, 4]
    assert now["best"]["loss"] == len(now["best"]["grown"]) == 5
    assert now["chance"].random() == then["chance"].random()
    assert now["numpy"].random() == then["numpy"].random()
    assert now["old"].random() == then["old"].random()


def test_a_tuple_of_what_can_be_changed() -> None:
    model, weights = Model(), np.zeros(2)
    then = saved((model, weights))
    model.weight, weights[:] = 7, 7
    state = (model, weights)
    stateful.check(state)
    stateful.put_back(state, then)
    assert model.weight == 1
    assert not weights.any()


@pytest.mark.parametrize("state", [1, "text", ({}, 1), np.float64(1), (("a",),)])
def test_what_could_not_be_put_back_is_refused_before_it_is_lost(state: object) -> None:
    with pytest.raises(TypeError, match="cannot be put back: give it as a value of a dict"):
        stateful.check(state)


@pytest.mark.parametrize("state", [None, {}, [], Model(), np.zeros(1), random.Random(1), ()])
def test_what_can_be_put_back_is_not(state: object) -> None:
    stateful.check(state)


def test_another_form_is_not_taken_for_the_same() -> None:
    with pytest.raises(ValueError, match="was the program changed"):
        stateful.put_back(np.zeros(2), np.zeros(3))


def test_generators_are_found_however_deep() -> None:
    one, other = random.Random(1), np.random.default_rng(1)
    assert list(stateful.generators_in({"a": [one, {"b": (other, 1)}], "c": Model()})) == [
        one,
        other,
    ]


def test_chance_goes_on_where_it_was_captured() -> None:
    mine = np.random.default_rng(3)
    states = pickle.loads(pickle.dumps(generators.capture([mine])))

    def draw() -> list[float]:
        return [random.random(), np.random.random(), mine.random()]

    first = draw()
    draw()
    generators.restore(states, [mine])
    assert draw() == first
