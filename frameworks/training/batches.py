"""The mini-batches of an epoch, from where a former copy of the program had got to.

What a loader has given is known by how many batches it gave and by the random generators when it
began. To go on, it begins again with the same generators and gives the same batches, which are
skipped. A loader that can tell its own position (`state_dict`) is asked for that instead.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Any, Generic, TypeVar

from . import generators, stateful

Batch = TypeVar("Batch")
Loader = Iterable[Batch] | Callable[[int], Iterable[Batch]]
"""What gives the batches of an epoch, or a function of the epoch's number that returns it."""


class Batches(Generic[Batch]):
    """Of all epochs, one after another."""

    def __init__(self, loader: Loader[Batch], others: Sequence[Any]) -> None:
        self._loader = loader
        self._generators = _unique([*others, *_generators_of(loader)])
        self._at_begin: dict[str, Any] = {}

    def __len__(self) -> int:
        """Of an epoch; TypeError if it is not known."""
        return len(self._loader)  # type: ignore[arg-type]

    def begin(self, epoch: int, position: int = 0) -> Iterator[Batch]:
        """An epoch's batches, without the first `position` of them."""
        self._at_begin = generators.capture(self._generators)
        source = self._source(epoch)
        if position and _loads_by_index(source):
            return _skip_indices(source, position)
        batches = iter(source)
        for _ in islice(batches, position):
            pass
        return batches

    def take(self) -> dict[str, Any]:
        """What `go_on` wants to know."""
        is_asked = stateful.has_state_dict(self._loader)
        return {
            "loader": stateful.take(self._loader) if is_asked else None,
            "at_begin": self._at_begin,
            "now": generators.capture(self._generators),
        }

    def go_on(self, epoch: int, position: int, taken: dict[str, Any]) -> Iterator[Batch]:
        """What followed, with every generator as it was."""
        generators.restore(taken["at_begin"], self._generators)
        if taken["loader"] is None:
            batches = self.begin(epoch, position)
        else:
            stateful.put_back(self._loader, taken["loader"])
            batches = self.begin(epoch)
        generators.restore(taken["now"], self._generators)
        return batches

    def be_done(self, taken: dict[str, Any]) -> None:
        """Nothing follows, but the program may go on with chance."""
        generators.restore(taken["now"], self._generators)

    def _source(self, epoch: int) -> Iterable[Batch]:
        if callable(self._loader):
            return self._loader(epoch)
        sampler: Any = getattr(self._loader, "sampler", None)
        if hasattr(sampler, "set_epoch"):  # torch's distributed samplers shuffle by it
            sampler.set_epoch(epoch)
        return self._loader


def _unique(found: Iterable[Any]) -> list[Any]:
    return list({id(each): each for each in found if each is not None}.values())


def _generators_of(loader: Any) -> Iterator[Any]:
    """Where torch's loaders keep theirs."""
    sampler = getattr(loader, "sampler", None)
    inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    for each in (loader, sampler, inner):
        generator = getattr(each, "generator", None)
        if generators.is_generator(generator):
            yield generator


def _loads_by_index(source: Any) -> bool:
    """So do torch's loaders that load in this process, whose generators are all restored.

    Others give each batch to a worker with a generator of its own, which has to be moved as well.
    """
    return (
        getattr(source, "num_workers", None) == 0
        and getattr(source, "batch_sampler", None) is not None
        and not hasattr(source.dataset, "__iter__")
    )


def _skip_indices(loader: Any, count: int) -> Iterator[Any]:
    """What iterating it gives after so many batches, none of which is loaded."""
    indices = _Indices(loader.batch_sampler)
    twin = copy(loader)
    # A loader refuses to have it set, because it may be iterated already; this one is new.
    object.__setattr__(twin, "batch_sampler", indices)
    batches: Iterator[Any] = iter(twin)  # first, for it draws a seed, and the sampler draws another
    for _ in islice(indices.begun, count):
        pass
    return batches


class _Indices:
    """A sampler of batches, and the iterator over it that somebody began."""

    def __init__(self, sampler: Iterable[Any]) -> None:
        self._sampler = sampler
        self.begun: Iterator[Any] = iter(())

    def __iter__(self) -> Iterator[Any]:
        self.begun = iter(self._sampler)
        return self.begun
