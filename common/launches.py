"""The launches within operations, those in groups too: for whoever has to name each of them."""

from collections.abc import Iterable, Iterator

from .values import Launch, LaunchGroup, Operation


def launches_in(operations: Iterable[Operation]) -> Iterator[Launch]:
    """In order."""
    for operation in operations:
        if isinstance(operation, LaunchGroup):
            yield from operation.launches
        elif isinstance(operation, Launch):
            yield operation
