"""The hook's steps: each batch once and with the same chance, wherever a copy ends."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.copies import HEARD, Copies, copies_in

from fairlead.frameworks.training import hook, report, steps
from fairlead.frameworks.training.hook import Steps

EPOCHS = 3
LENGTH = 4


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    with copies_in(tmp_path / "job") as found:
        yield found


class Shuffled:
    """By python's own generator; it draws again before each batch."""

    def __len__(self) -> int:
        return LENGTH

    def __iter__(self) -> Iterator[tuple[int, float]]:
        for each in random.sample(range(LENGTH), LENGTH):
            yield each, random.random()


class ByNumpy:
    """By a generator of its own, which the program names in its state."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(7)

    def __len__(self) -> int:
        return LENGTH

    def __iter__(self) -> Iterator[tuple[int, float]]:
        order = self.generator.permutation(LENGTH)
        return ((int(each), self.generator.random()) for each in order)


class Positioned:
    """It knows where it is, and cannot give anything twice."""

    def __init__(self) -> None:
        self.given = 0

    def __iter__(self) -> Iterator[int]:
        """The rest of an epoch, which may be nothing."""
        while self.given < LENGTH:
            self.given += 1
            yield self.given
        self.given = 0

    def state_dict(self) -> dict[str, int]:
        return {"given": self.given}

    def load_state_dict(self, saved: dict[str, int]) -> None:
        self.given = saved["given"]


def of_epoch(epoch: int) -> list[tuple[int, int]]:
    return [(epoch, each) for each in range(LENGTH)]


class Learner:
    """Learns by what it is given and by chance, and remembers all."""

    def __init__(self, make: Callable[[], Any]) -> None:
        random.seed(1)
        np.random.seed(1)
        self.loader = make()
        self.state: dict[str, Any] = {"weights": np.zeros(2), "generators": []}
        if isinstance(self.loader, ByNumpy):
            self.state["generators"].append(self.loader.generator)
        self.curve: list[tuple[Any, float, float]] = []

    def steps(self) -> Steps[Any]:
        return steps(self.loader, state=self.state, epochs=EPOCHS)

    def learn(self, batch: Any) -> None:
        weights = self.state["weights"]
        weights += [random.random(), np.random.random()]
        self.curve.append((batch, *weights.tolist()))


@pytest.mark.parametrize("make", [Shuffled, ByNumpy, Positioned, lambda: of_epoch])
def test_wherever_it_ends_the_next_copy_goes_on_with_the_next_batch(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    undisturbed = Learner(make)
    for batch in undisturbed.steps():
        undisturbed.learn(batch)
    assert len(undisturbed.curve) == EPOCHS * LENGTH
    for length in range(1, EPOCHS * LENGTH):
        curve = []
        with copies_in(tmp_path / str(length)) as copies:
            is_ended = True
            while is_ended:
                copies.begin()
                learner = Learner(make)
                is_ended = copies.ended_after(length, learner.steps(), learner.learn)
                curve += learner.curve
        assert copies.run == EPOCHS * LENGTH // length + 1
        assert curve == undisturbed.curve, f"each copy ended after {length} steps"


def by_epochs(ended_at: int) -> tuple[list[str], dict[str, int]]:
    """What a program did that ends after so many steps, and its state."""
    done = []
    state = {"rate": 0}
    training = steps(range(2), state=state, epochs=2)
    with suppress(SystemExit):
        for epoch in training.epochs():
            for batch in epoch:
                done.append(f"{training.epoch}.{batch}")
                if training.step + 1 == ended_at:
                    os.kill(os.getpid(), signal.SIGTERM)
            state["rate"] += 1
            done.append(f"after {training.epoch}")
    return done, state


@pytest.mark.parametrize("ended_at", range(1, 5))
def test_what_follows_an_epoch_is_done_once(ended_at: int, copies: Copies) -> None:
    """Also if the copy ended between the last batch of an epoch and that."""
    everything = by_epochs(-1)
    assert everything[0] == ["0.0", "0.1", "after 0", "1.0", "1.1", "after 1"]
    copies.begin()
    before, _ = by_epochs(ended_at)
    copies.begin()
    after, state = by_epochs(-1)
    assert (before + after, state) == everything
    copies.begin()
    assert by_epochs(-1) == ([], state), "there is nothing left to do"


def test_outside_of_a_job_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAIRLEAD_JOB_DIR", raising=False)
    handlers = [signal.getsignal(signum) for signum in HEARD]
    seen = []
    for batch in steps("abc", epochs=2):
        report(loss=1.5)
        seen.append(batch)
    report(accuracy=1)
    assert seen == list("abcabc")
    assert list(tmp_path.iterdir()) == []
    assert [signal.getsignal(signum) for signum in HEARD] == handlers


def test_so_many_batches_in_all(copies: Copies) -> None:
    assert list(steps(range(3), total=7)) == [0, 1, 2, 0, 1, 2, 0]
    assert list(steps(range(3), total=2)) == [0, 1]
    assert list(steps(range(3), total=9, epochs=1)) == [0, 1, 2]
    copies.begin()
    endless = steps(count(), total=1000)
    assert copies.ended_after(4, endless, lambda _: None)
    copies.begin()
    assert list(steps(count(), total=6)) == [4, 5]
    assert json.loads((copies.directory / "result.json").read_text())["steps"] == 6


def test_a_process_that_the_program_forks_leaves_the_signals_to_it(copies: Copies) -> None:
    copies.begin()
    training = iter(steps(range(3)))
    next(training)
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGUSR1)  # ignored
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    training.close()  # type: ignore[attr-defined]


def test_the_first_sign_is_there_before_the_first_batch(copies: Copies) -> None:
    class Slow:
        def __iter__(self) -> Iterator[int]:
            told.update(json.loads((copies.directory / "progress.json").read_text()))
            yield 1

        def __len__(self) -> int:
            return 1

    told: dict[str, object] = {}
    copies.begin()
    list(steps(Slow(), epochs=5))
    assert told.items() >= {"run": 1, "step": 0, "steps": 5, "checkpoint_step": 0}.items()


def test_what_is_reported_is_told(copies: Copies) -> None:
    copies.begin()
    for _ in steps(range(2)):
        report(loss=np.float32(0.5), speed=3)
    report(accuracy=0.75)
    for name in ("progress.json", "result.json"):
        told = json.loads((copies.directory / name).read_text())
        assert told["loss"] == 0.5
        assert told["metrics"] == {"loss": 0.5, "speed": 3.0, "accuracy": 0.75}


def test_what_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "_current", None)
    with pytest.raises(RuntimeError, match="in the loop over steps"):
        report(loss=1)
    for wrong in ({"epochs": 0}, {"total": 1.5}, {"checkpoint_every_s": 0}):
        with pytest.raises(ValueError, match=rf"{next(iter(wrong))} is .*, not a number"):
            steps(range(2), **wrong)
    with pytest.raises(TypeError, match="int gives no batches"):
        steps(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"state\[1\] is a float, which cannot be put back"):
        steps(range(2), state=({}, 1.0))
    with pytest.raises(TypeError, match="loss is a str"):
        steps(range(2)).report(loss="low")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no batch in epoch 1; an iterator can be read once"):
        list(steps(iter(range(2)), epochs=2))
    training = steps(range(2))
    list(training)
    with pytest.raises(RuntimeError, match="call it again"):
        list(training)


def test_a_job_has_one_loop(copies: Copies) -> None:
    """A second one would take the checkpoints of the first for its own."""
    copies.begin()
    for _ in steps(range(3)):
        with pytest.raises(RuntimeError, match="one such loop; iterate over whatever else"):
            list(steps(range(3)))
    with pytest.raises(RuntimeError, match="one such loop"):
        list(steps(range(3)))


def test_in_a_thread_no_signal_would_be_heard(copies: Copies) -> None:
    copies.begin()
    with ThreadPoolExecutor() as pool, pytest.raises(RuntimeError, match="in the main one"):
        pool.submit(list, steps(range(2))).result()


def test_a_break_is_not_the_end_of_a_job(copies: Copies) -> None:
    """An exception looks the same from here, and after one nothing may be saved."""
    copies.begin()
    for _ in steps(range(5)):
        break
    assert not copies.checkpoints()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_the_hook_is_light() -> None:
    """It imports nothing but the standard library, and no large part of that."""
    code = "import sys, fairlead.frameworks.training.hook; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    names = set(listed.stdout.decode().split())
    tops = {name.partition(".")[0] for name in names}
    editable = {top for top in tops if top.startswith(("__editable__", "distutils", "_distutils"))}
    assert tops - sys.stdlib_module_names - editable == {"__main__", "fairlead"}
    assert not names & {"asyncio", "logging", "socket", "sqlite3", "subprocess"}
