"""A look at everything, now and then, without a pause in anything else.

For `holds` and `gang_holds`, which go through all frameworks and many agents: each says after every
one of them that it may be interrupted, and a step of the master goes on with so many.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice

from ..context import Context

LOOKS = 8
"""Within the time that a demand waits."""


class Looks:
    """One at a time, each through all its parts in turn."""

    def __init__(self, context: Context, *parts: Callable[[], Iterator[None]]) -> None:
        self._context = context
        self._parts = parts
        self._begin_at = 0.0
        self._rest: Iterator[None] = iter(())
        self.is_under_way = False

    def go_on(self) -> None:
        """With the one that is under way, or with a new one if it is time."""
        context, after_s = self._context, self._context.settings.hold_after_s
        if not self.is_under_way:
            if not after_s or context.now < self._begin_at:
                return
            self._begin_at = context.now + after_s / LOOKS
            self._rest = chain.from_iterable(part() for part in self._parts)
        most = context.settings.max_grants
        self.is_under_way = sum(1 for _ in islice(self._rest, most)) == most
