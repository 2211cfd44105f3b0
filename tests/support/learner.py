"""A training program that begins at once: a few weights, data and gradients full of chance, numpy.

Its loss depends on every step before, and on python's, numpy's and its own generator.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fairlead.frameworks.training import report, steps

ROWS = 64
BATCH = 4


class Shuffled:
    """The rows in another order for each epoch."""

    def __init__(self, rows: np.ndarray, chance: np.random.Generator) -> None:
        self.rows, self.chance = rows, chance

    def __len__(self) -> int:
        return ROWS // BATCH

    def __iter__(self) -> Iterator[np.ndarray]:
        order = self.chance.permutation(ROWS)
        for first in range(0, ROWS, BATCH):
            yield self.rows[order[first : first + BATCH]] + random.gauss(0, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--curve", type=Path, required=True)
    options = parser.parse_args()
    random.seed(1)
    np.random.seed(1)
    chance = np.random.default_rng(1)
    rows = chance.normal(size=(ROWS, 8))
    aims = rows @ np.arange(8.0)
    weights, speed = np.zeros(8), np.zeros(8)
    state = {"weights": weights, "speed": speed, "chance": chance}
    loader = Shuffled(np.column_stack((rows, aims)), chance)
    for batch in (training := steps(loader, state=state, epochs=options.epochs)):
        inputs, wanted = batch[:, :8], batch[:, 8]
        error = inputs @ weights - wanted + np.random.normal(0, 0.1, BATCH)
        speed *= 0.9
        speed -= 0.01 * (inputs.T @ error)
        weights += speed
        loss = float((error**2).mean())
        with options.curve.open("a") as curve:
            curve.write(f"{training.step} {loss.hex()}\n")
        report(loss=loss)


if __name__ == "__main__":
    main()
