"""Checks of the hook beside PyTorch, one function each; run by a Python that has it.

`python torch_checks.py NAME DIRECTORY`; what is wrong is an AssertionError.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Event, Thread, Timer
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

from fairlead.frameworks.training import report, steps
from fairlead.frameworks.training import torch as ours

ROWS = 20
EPOCHS = 2
MIB = 1 << 20
CONTEXT_MIB = 600
SAVED = 75
SWITCH_S = 1.0


class Noisy(Dataset):  # type: ignore[misc]  # torch is not installed for mypy
    """Draws from the generator of the process for each row, as random crops do."""

    loaded = 0

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> torch.Tensor:
        Noisy.loaded += 1
        return index + torch.rand(2)


class Stream(IterableDataset):  # type: ignore[misc]  # the same
    """Rows in an order of its own, and no index."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        for _ in range(ROWS):
            yield torch.rand(2)


def shuffled_by_itself() -> DataLoader:
    return DataLoader(Noisy(), 3, shuffle=True, generator=torch.Generator().manual_seed(3))


def sampled() -> DataLoader:
    sampler = RandomSampler(Noisy(), generator=torch.Generator().manual_seed(4))
    return DataLoader(Noisy(), 3, sampler=sampler)


ROWS_ALONE = TensorDataset(torch.arange(2.0 * ROWS).reshape(ROWS, 2))
LOADERS: dict[str, Callable[[], DataLoader]] = {
    "shuffled": lambda: DataLoader(Noisy(), 3, shuffle=True),
    "shuffled by a generator of its own": shuffled_by_itself,
    "with a sampler": sampled,
    "a stream": lambda: DataLoader(Stream(), 3),
    "with workers": lambda: DataLoader(Noisy(), 3, shuffle=True, num_workers=2),
    "rows alone": lambda: DataLoader(ROWS_ALONE, None, shuffle=True),
}


def trained(
    loader: DataLoader, ended_after: int = 0, end: Callable[[int], None] = signal.raise_signal
) -> tuple[list[Any], bool]:
    """What the steps were, and whether it was ended."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5))
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    curve: list[Any] = []
    training = steps(loader, state=(model, optimizer, scheduler), epochs=EPOCHS)
    try:
        for epoch in training.epochs():
            for batch in epoch:
                inputs = torch.as_tensor(batch[0] if isinstance(batch, list | tuple) else batch)
                optimizer.zero_grad()
                loss = model(inputs.float().reshape(-1)[:2]).square().sum()
                loss.backward()
                optimizer.step()
                report(loss=loss)
                curve.append((inputs.tolist(), loss.item(), scheduler.get_last_lr()))
                if len(curve) == ended_after:
                    end(signal.SIGTERM)
            scheduler.step()
    except SystemExit as ended:
        return curve, ended.code == SAVED
    return curve, False


def loaders(directory: Path) -> None:
    """Each batch once and the same chance, wherever a copy ends."""
    for name, make in LOADERS.items():
        os.environ.pop("FAIRLEAD_JOB_DIR", None)
        torch.manual_seed(1)
        undisturbed, _ = trained(make())
        for length in (3, 7, 9):
            os.environ["FAIRLEAD_JOB_DIR"] = str(directory / f"{name} {length}")
            curve, is_ended, run = [], True, 0
            while is_ended:
                os.environ["FAIRLEAD_JOB_RUN"] = str(run := run + 1)
                torch.manual_seed(1)
                steps_of, is_ended = trained(make(), length)
                curve += steps_of
            assert curve == undisturbed, f"{name}, each copy ended after {length} steps"


def skipping(directory: Path) -> None:
    """What would be thrown away is not loaded."""
    os.environ["FAIRLEAD_JOB_DIR"] = str(directory)
    assert trained(LOADERS["shuffled"](), 5)[1]
    os.environ["FAIRLEAD_JOB_RUN"] = "2"
    Noisy.loaded = 0
    trained(LOADERS["shuffled"]())
    assert Noisy.loaded == EPOCHS * ROWS - 5 * 3, Noisy.loaded


def device(directory: Path) -> None:
    """The host's memory stands for a device's: all goes and comes back, to the same tensors."""
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64))
    model[1].weight = model[0].weight  # tied
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(8, 64)).sum().backward()
    optimizer.step()
    untouched = nn.Linear(4, 4)
    untouched(torch.rand(2, 4)).sum().backward()  # no Python object has its gradients yet
    table = torch.arange(1000)
    view = table[10:20]
    gradients = [each.grad.tolist() for each in model.parameters()]
    everything = [*model.parameters(), table, view]
    everything += [value for state in optimizer.state.values() for value in state.values()]
    before = [each.tolist() for each in everything]
    addresses = [id(each) for each in everything]
    left = ours.leave("cpu")
    assert all(not ours._storage_of(each).nbytes() for each in everything)
    for each in (*model.parameters(), *untouched.parameters()):
        assert not ours._storage_of(each.grad).nbytes()
    assert sum(content.nbytes() for _, content in left) >= 3 * 64 * 64 * 4
    ours.come_back(left)
    assert not left
    assert [each.tolist() for each in everything] == before
    assert [each.grad.tolist() for each in model.parameters()] == gradients
    assert [id(each) for each in everything] == addresses
    table[10] = -1
    assert view[0] == -1
    assert model[1].weight is model[0].weight
    model(torch.rand(8, 64)).sum().backward()
    optimizer.step()


class Slow(Noisy):
    """So that the program mostly waits for its workers."""

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(0.1)
        return super().__getitem__(index)


def workers(directory: Path) -> None:
    """SIGTERM reaches a loader's workers too, which end at once; the program saves all the same."""
    os.setsid()

    def made() -> DataLoader:
        torch.manual_seed(1)
        return DataLoader(Slow(), 2, shuffle=True, num_workers=2)

    undisturbed, _ = trained(made())
    os.environ["FAIRLEAD_JOB_DIR"] = str(directory)
    curve, is_ended, run = [], True, 0
    for end in (tell_all, soon, tell_all):
        assert is_ended, f"copy {run} was to be saved"
        os.environ["FAIRLEAD_JOB_RUN"] = str(run := run + 1)
        more, is_ended = trained(made(), 9, end)
        curve += more
    assert not is_ended
    assert curve == undisturbed


def tell_all(signum: int) -> None:
    """From outside, as an agent does it: a loader's workers heed their parent in another way."""
    argv = ["sh", "-c", f"kill -{int(signum)} -{os.getpgrp()}"]
    subprocess.run(argv, start_new_session=True, check=True)


def soon(signum: int) -> None:
    """When the program waits for the next batch."""
    Timer(0.05, tell_all, (signum,)).start()


class Agent(Thread):
    """Brings this very process to rest, and looks what it then holds."""

    def __init__(self, sandbox: Path) -> None:
        super().__init__()
        self.at_rest = sandbox / "at-rest"
        self.asked = Event()
        self.kept_mib = 0

    def run(self) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        self.asked.set()
        while not self.at_rest.exists():
            time.sleep(0.001)
        self.kept_mib = max(torch.cuda.memory_reserved() // MIB, held_mib())
        self.at_rest.unlink()


def held_mib() -> int:
    """By this process as the driver has it; 0 where the driver does not show it."""
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    rows = [line.split(", ") for line in done.stdout.splitlines()]
    return sum(int(mib) for pid, mib in rows if pid == str(os.getpid()) and mib.isdigit())


def gpu(directory: Path) -> None:
    """At rest nothing but the context's own is left on the device, and a switch is quick."""
    os.environ["FAIRLEAD_JOB_DIR"] = str(directory)
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(4096, 100))
    model.cuda()
    images = torch.rand(512, 3, 96, 96, device="cuda")  # their activations take the memory
    optimizer = torch.optim.Adam(model.parameters())
    agents: list[Agent] = []
    switches_s: list[float] = []
    for step in steps(range(40), state=(model, optimizer)):
        optimizer.zero_grad()
        loss = model(images).square().mean()
        loss.backward()
        optimizer.step()
        report(loss=loss)
        if step % 10 == 5:
            agents.append(Agent(directory))
            agents[-1].start()
            agents[-1].asked.wait()
        if step % 10 == 8:
            agents[-1].join()
            switches_s.append(json.loads((directory / "progress.json").read_text())["switch_s"])
    kept = [agent.kept_mib for agent in agents]
    took_s = [after - before for before, after in pairwise([0.0, *switches_s])]
    sys.stdout.write(f"held at rest: {kept} MiB; a switch took {took_s} s\n")
    assert torch.cuda.max_memory_reserved() // MIB > CONTEXT_MIB, "or nothing is shown"
    assert max(kept) <= CONTEXT_MIB
    assert median(took_s) <= SWITCH_S


if __name__ == "__main__":
    where = Path(sys.argv[2])
    where.mkdir(parents=True, exist_ok=True)
    globals()[sys.argv[1]](where)
