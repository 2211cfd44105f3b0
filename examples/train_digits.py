"""Train a small network on scikit-learn's images of digits, with nothing but numpy.

By hand: `python examples/train_digits.py`. As a job that shares GPUs with others:
`fairlead jobs submit --gpus 1 -- python examples/train_digits.py`.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from fairlead.frameworks.training import report, steps

BATCH = 32
HIDDEN = 64
DROPPED = 0.2
MOMENTUM = 0.9
TEST_EACH = 5  # one image in so many is for the test alone

Array = np.ndarray
Weights = dict[str, Array]


class Shuffled:
    """All pairs once, in an order of its own each time it is iterated."""

    def __init__(self, images: Array, labels: Array, chance: np.random.Generator) -> None:
        self.images, self.labels, self.chance = images, labels, chance

    def __len__(self) -> int:
        return len(range(0, len(self.images), BATCH))

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        order = self.chance.permutation(len(self.images))
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            yield self.images[chosen], self.labels[chosen]


def new_weights(chance: np.random.Generator) -> Weights:
    return {
        "in": chance.normal(0, 0.1, (64, HIDDEN)),
        "in_bias": np.zeros(HIDDEN),
        "out": chance.normal(0, 0.1, (HIDDEN, 10)),
        "out_bias": np.zeros(10),
    }


def probabilities(weights: Weights, hidden: Array) -> Array:
    scores = hidden @ weights["out"] + weights["out_bias"]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def hidden_of(weights: Weights, images: Array) -> Array:
    return np.maximum(images @ weights["in"] + weights["in_bias"], 0)


def learn(
    weights: Weights, speed: Weights, batch: tuple[Array, Array], rate: float, kept: Array
) -> float:
    """One step; the loss before it."""
    images, labels = batch
    hidden = hidden_of(weights, images) * kept
    found = probabilities(weights, hidden)
    rows = np.arange(len(labels))
    loss = -np.log(found[rows, labels] + 1e-12).mean()
    found[rows, labels] -= 1
    found /= len(labels)
    back = (found @ weights["out"].T) * kept * (hidden > 0)
    gradients = {
        "in": images.T @ back,
        "in_bias": back.sum(axis=0),
        "out": hidden.T @ found,
        "out_bias": found.sum(axis=0),
    }
    for name, gradient in gradients.items():
        speed[name] *= MOMENTUM
        speed[name] -= rate * gradient
        weights[name] += speed[name]
    return float(loss)


def accuracy(weights: Weights, images: Array, labels: Array) -> float:
    found = probabilities(weights, hidden_of(weights, images)).argmax(axis=1)
    return float((found == labels).mean())


def main() -> None:
    options = arguments()
    digits = load_digits()
    images, labels = digits.data / 16.0, digits.target
    chance = np.random.default_rng(options.seed)
    weights = new_weights(chance)
    speed = {name: np.zeros_like(weight) for name, weight in weights.items()}
    is_test = np.arange(len(images)) % TEST_EACH == 0
    loader = Shuffled(images[~is_test], labels[~is_test], chance)
    state = {"weights": weights, "speed": speed, "chance": chance}

    for batch in (training := steps(loader, state=state, epochs=options.epochs)):
        kept = (chance.random((len(batch[0]), HIDDEN)) > DROPPED) / (1 - DROPPED)
        loss = learn(weights, speed, batch, options.rate, kept)
        report(loss=loss)
        if options.curve:
            with options.curve.open("a") as curve:
                curve.write(f"{training.step} {loss.hex()}\n")
        time.sleep(options.pause / 1000)

    correct = accuracy(weights, images[is_test], labels[is_test])
    report(accuracy=correct)
    print(f"accuracy: {correct:.1%} of {is_test.sum()} images it has never seen", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small network on images of digits.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="the same gives the same network")
    parser.add_argument("--rate", type=float, default=0.05, help="of learning")
    parser.add_argument("--pause", type=float, default=0.0, help="ms that each step takes longer")
    parser.add_argument("--curve", type=Path, help="a file to which each step's loss is written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
