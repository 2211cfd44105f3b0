"""Every allocation twice, over the same books: as the master does it, and plainly."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

from tests.support.plain_allocator import allocate_plainly

from fairlead.common.ids import AgentId
from fairlead.master.allocation.allocator import Grant, Look, allocate
from fairlead.master.allocation.standings import Standings
from fairlead.master.books import Books
from fairlead.master.settings import MasterSettings


class Both:
    """In the place of `allocate`."""

    def __init__(self) -> None:
        self.grants = 0
        self.looks = 0
        """At agents."""

    def __call__(
        self,
        books: Books,
        looks: Iterable[Look],
        settings: MasterSettings,
        now: float,
        random: Random,
        *,
        standings: Standings,
        again: dict[AgentId, None],
        stated_only: bool,
    ) -> Iterator[list[Grant]]:
        seen: deque[tuple[Look, object]] = deque()
        chance = Random(0)
        ours = allocate(
            books,
            _noted(looks, seen, random),
            settings,
            now,
            random,
            standings=standings,
            again=again,
            stated_only=stated_only,
        )
        again_plainly: dict[AgentId, None] = {}
        plain = allocate_plainly(
            books,
            _repeated(seen, chance),
            settings,
            now,
            chance,
            again=again_plainly,
            stated_only=stated_only,
        )
        for grants in ours:
            expected = next(plain, None)
            assert grants == expected, f"{_said(grants)} instead of {_said(expected)}"
            self.grants += len(grants)
            self.looks += 1
            yield grants
            assert again == again_plainly, f"wait at {[*again]} instead of {[*again_plainly]}"
        assert next(plain, None) is None, "an agent was left out"


def _noted(
    looks: Iterable[Look], seen: deque[tuple[Look, object]], random: Random
) -> Iterator[Look]:
    for look in looks:
        seen.append((look, random.getstate()))
        yield look


def _repeated(seen: deque[tuple[Look, object]], chance: Random) -> Iterator[Look]:
    """With the same chance for each."""
    while seen:
        look, state = seen.popleft()
        chance.setstate(state)  # type: ignore[arg-type]
        yield look


def _said(grants: list[Grant] | None) -> str:
    if grants is None:
        return "nobody was asked"
    return (
        "; ".join(
            f"{each.framework.framework_id} as {each.role} gets {each.resources}"
            f" of {each.agent.info.name} for {each.units}"
            for each in grants
        )
        or "nothing"
    )


@contextmanager
def both_allocators() -> Iterator[Both]:
    both = Both()
    with patch("fairlead.master.offers.allocate", both):
        yield both
