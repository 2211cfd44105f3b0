"""The hook of a training program: `for batch in steps(loader, state=…)`, and `report(loss=…)`.

Under the training framework the program tells its progress, comes to rest, is saved and goes on
with the very next batch, all between two steps. Anywhere else the same program just runs.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, Generic, SupportsFloat

from . import stateful
from .batches import Batch, Batches, Loader
from .job_copy import JobCopy, copy_of


def steps(
    loader: Loader[Batch],
    *,
    state: Any = None,
    epochs: int | None = None,
    total: int | None = None,
    checkpoint_every_s: float | None = None,
) -> "Steps[Batch]":
    """The mini-batches to train on: once through the loader, or `epochs` times, or `total` batches.

    `loader` gives the batches of an epoch each time it is iterated, or is a function of the epoch's
    number that returns them. `state` is what a later copy of the program needs back: an object with
    `state_dict` and `load_state_dict`, a random generator, an array or a tensor; or a dict, a list
    or a tuple of these, where a dict and a list may also hold anything that can be pickled.
    It is saved each `checkpoint_every_s` seconds, or as often as the framework has it.
    """
    global _current  # noqa: PLW0603  (a process trains one job, as signals reach one process)
    for name, value in (("epochs", epochs), ("total", total)):
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{name} is {value!r}, not a number of them")
    if checkpoint_every_s is not None and not checkpoint_every_s > 0:
        raise ValueError(f"checkpoint_every_s is {checkpoint_every_s!r}, not a number of seconds")
    if not (callable(loader) or hasattr(loader, "__iter__")):
        raise TypeError(f"a {type(loader).__name__} gives no batches: it cannot be iterated")
    stateful.check(state)
    _current = Steps(loader, state, epochs, total, checkpoint_every_s)
    return _current


def report(**metrics: SupportsFloat) -> None:
    """What people see of this step, such as its loss; the last of each name counts.

    A number or a tensor of one: it is read every now and then, so that a device is not waited for.
    """
    if _current is None:
        raise RuntimeError("nothing is trained yet: call report() in the loop over steps()")
    _current.report(**metrics)


class Steps(Generic[Batch]):
    """What `steps` returns. Iterate it; or, to do something after each epoch, its `epochs()`."""

    def __init__(
        self,
        loader: Loader[Batch],
        state: Any,
        epochs: int | None,
        total: int | None,
        checkpoint_every_s: float | None,
    ) -> None:
        self.step = 0
        """How many are done."""
        self.epoch = 0
        """The one that is under way; the first is 0."""
        self._position = 0  # batches of this epoch that were given
        self._state = state
        self._epochs = epochs or (None if total else 1)
        self._total = total
        self._batches = Batches(loader, [*stateful.generators_in(state)])
        self._metrics: dict[str, Any] = {}
        self._has_begun = self._is_over = False
        self._copy: JobCopy | None = None
        self._every_s = checkpoint_every_s

    def __iter__(self) -> Iterator[Batch]:
        for batches in self.epochs():
            yield from batches

    def epochs(self) -> Iterator[Iterator[Batch]]:
        """Each epoch's batches, without those of a former copy of the program."""
        if self._has_begun:
            raise RuntimeError("steps() was gone through; call it again for more")
        self._has_begun = True
        self._copy = copy_of(self, self._every_s, os.environ)
        try:
            batches = self._begin()
            while batches is not None:
                yield self._epoch(batches)
                if not self._position:
                    raise ValueError(
                        f"the loader gave no batch in epoch {self.epoch}; an iterator can be read"
                        " once only: give what it is made of"
                    )
                self.epoch += 1
                self._position = 0
                batches = None if self._is_done() else self._batches.begin(self.epoch)
            if self._copy is not None:
                self._copy.finish()
        finally:
            self._is_over = True
            if self._copy is not None:
                self._copy.close()

    def report(self, **metrics: SupportsFloat) -> None:
        """What the function `report` does."""
        for name, value in metrics.items():
            if not hasattr(value, "__float__"):
                raise TypeError(f"{name} is a {type(value).__name__}, not a number")
            # A tensor would keep alive whatever it was computed from.
            self._metrics[name] = value.detach() if hasattr(value, "detach") else value
        if self._is_over and self._copy is not None:
            self._copy.say_more()

    def take(self) -> dict[str, Any]:
        """All that the next copy will need."""
        return {
            "epoch": self.epoch,
            "position": self._position,
            "metrics": dict(self._numbers()),
            "batches": self._batches.take(),
            "state": stateful.take(self._state),
        }

    def describe(self) -> dict[str, object]:
        """How far it is, for people."""
        numbers = self._numbers()
        return {
            "step": self.step,
            "steps": self._count(),
            "epoch": self.epoch,
            "loss": numbers.get("loss"),
            "metrics": numbers,
        }

    def _begin(self) -> Iterator[Batch] | None:
        """The first batches: of the first epoch, or those that a former copy did not get to."""
        saved = self._copy.begin() if self._copy is not None else None
        batches = self._batches.begin(0) if saved is None else self._restore(saved)
        if self._copy is not None:
            self._copy.go_on()
        return batches

    def _restore(self, saved: dict[str, Any]) -> Iterator[Batch] | None:
        self.step = saved["step"]
        self.epoch = saved["epoch"]
        self._position = saved["position"]
        self._metrics = saved["metrics"]
        stateful.put_back(self._state, saved["state"])
        if self._is_done():
            self._batches.be_done(saved["batches"])
            return None
        return self._batches.go_on(self.epoch, self._position, saved["batches"])

    def _epoch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        if self.step == self._total:
            return
        copy = self._copy
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except Exception:
                if copy is not None:
                    copy.end_if_wished()  # then so were those who load
                raise
            yield batch
            self.step += 1
            self._position += 1
            if copy is not None and monotonic() >= copy.due_at:
                copy.attend()
            if self.step == self._total:
                return

    def _is_done(self) -> bool:
        return self.epoch == self._epochs or self.step == self._total

    def _count(self) -> int:
        """Of all steps; 0 if it is not known."""
        counts = [] if self._total is None else [self._total]
        if self._epochs is not None:
            with suppress(TypeError):
                counts.append(len(self._batches) * self._epochs)
        return min(counts, default=0)

    def _numbers(self) -> dict[str, float]:
        """From here on they are no tensors any more."""
        self._metrics = {name: float(value) for name, value in self._metrics.items()}
        return self._metrics


_current: Steps[Any] | None = None
