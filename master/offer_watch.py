"""The log of offers for whoever reads it: of the master's shell.

Each reader has a place in the core's ring and nothing else, so one that does not read costs
nothing; when what it has not read has fallen out of the ring, it is dropped with the reason.
"""

import asyncio
from collections.abc import AsyncIterator

from fairlead.common import clock
from fairlead.common.ids import AgentId, FrameworkId
from fairlead.common.messages import Code, Goodbye
from fairlead.common.operators import OfferEvent, OfferEvents, OffersQuery

from .core import Master
from .offer_log import KEPT, Entry

AT_ONCE = 200
"""Events in one message."""


class OfferWatch:
    """Tells of each offer that is made, and of how it ends."""

    def __init__(self, core: Master) -> None:
        self._core = core
        self._told = core.offer_log.next_number
        self._news = asyncio.Event()

    def changed(self) -> None:
        """The core has made a step."""
        if self._told != self._core.offer_log.next_number:
            self._told = self._core.offer_log.next_number
            self._news.set()
            self._news = asyncio.Event()

    async def watch(self, query: OffersQuery) -> AsyncIterator[OfferEvents]:
        """What is kept, or the last so many; then, if it follows, what comes."""
        log = self._core.offer_log
        place = max(log.first_number, log.next_number - (query.tail or KEPT))
        while True:
            news = self._news
            entries = log.since(place, AT_ONCE)
            if entries is None:
                message = f"more than {KEPT} events behind: ask again"
                yield OfferEvents((), Goodbye(Code.SLOW_CONSUMER, message))
                return
            if entries:
                place = entries[-1].number + 1
                yield OfferEvents(tuple(map(self._event, entries)))
            elif query.follow:
                await news.wait()
            else:
                return

    def _event(self, entry: Entry) -> OfferEvent:
        books, offer = self._core.books, entry.offer
        agent = books.agents.get(AgentId(offer.agent_id))
        framework = books.frameworks.get(FrameworkId(offer.framework_id))
        return OfferEvent(
            entry.number,
            entry.kind,
            offer.offer_id,
            offer.agent_id,
            offer.framework_id,
            offer.role,
            agent.info.name if agent is not None else "",
            framework.info.name if framework is not None else "",
            offer.resources,
            entry.message,
            clock.wall() - (clock.monotonic() - entry.at),
        )
