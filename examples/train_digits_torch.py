"""Train a small image network on scikit-learn's digits with PyTorch, on a GPU if there is one.

By hand: `python examples/train_digits_torch.py`. As a job that shares GPUs with others:
`fairlead jobs submit --gpus 1 --mem 4GiB -- python examples/train_digits_torch.py`.
"""

import argparse
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fairlead.frameworks.training import report, steps

TEST_EACH = 5  # one image in so many is for the test alone


def new_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 10),
    )


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":  # the same seed gives the same network, to the last bit
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(1)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    is_test = torch.arange(len(images)) % TEST_EACH == 0
    loader = DataLoader(TensorDataset(images[~is_test], labels[~is_test]), 32, shuffle=True)
    network = new_network().to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.7)
    criterion = nn.CrossEntropyLoss()

    training = steps(loader, state=(network, optimizer, scheduler), epochs=options.epochs)
    for epoch in training.epochs():
        for inputs, targets in epoch:
            optimizer.zero_grad()
            loss = criterion(network(inputs.to(device)), targets.to(device))
            loss.backward()
            optimizer.step()
            report(loss=loss)
            if options.curve:
                with options.curve.open("a") as curve:
                    curve.write(f"{training.step} {loss.item().hex()}\n")
            time.sleep(options.pause / 1000)
        scheduler.step()

    network.eval()
    with torch.no_grad():
        found = network(images[is_test].to(device)).argmax(dim=1).cpu()
    correct = (found == labels[is_test]).float().mean().item()
    report(accuracy=correct)
    print(
        f"accuracy: {correct:.1%} of {len(found)} images it has never seen ({device})", flush=True
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train an image network on digits with PyTorch.")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.0, help="ms that each step takes longer")
    parser.add_argument("--curve", type=Path, help="a file to which each step's loss is written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
