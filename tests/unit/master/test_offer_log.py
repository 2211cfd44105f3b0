"""The log of offers: every beginning and every end, and who reads too slowly is told so."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.master_harness import MasterHarness, demand, task

from fairlead.common.messages import Code
from fairlead.common.operators import OfferEvent, OfferEventKind, OfferEvents, OffersQuery
from fairlead.master import offer_watch
from fairlead.master.offer_log import KEPT
from fairlead.master.offer_watch import OfferWatch

Kind = OfferEventKind


async def read(stream: AsyncIterator[OfferEvents]) -> list[OfferEvent]:
    return [event for batch in [each async for each in stream] for event in batch.events]


def events(h: MasterHarness, tail: int = 0) -> list[OfferEvent]:
    return asyncio.run(read(OfferWatch(h.master).watch(OffersQuery(tail=tail))))


def kinds(h: MasterHarness) -> list[Kind]:
    return [event.kind for event in events(h)]


def test_m36_the_life_of_offers() -> None:
    h = MasterHarness()
    h.agent(cpus=4, name="here")
    f = h.framework(name="mine", demands=[demand(2)])
    f.launch(task("t1"))
    h.advance(6)
    f.decline(refuse_s=7)
    made, accepted, again, declined = events(h)
    assert [made.kind, accepted.kind, again.kind] == [Kind.MADE, Kind.ACCEPTED, Kind.MADE]
    assert made.offer_id == accepted.offer_id
    assert (made.agent, made.framework, made.role) == ("here", "mine", "dl")
    assert made.resources.cpus == 2000
    assert accepted.message == "launches t1; leaves 1 cpu, 1 GiB mem"
    assert (declined.kind, declined.message) == (Kind.DECLINED, "for 7 s")


def test_m36_offers_that_others_end() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework(demands=[demand(2)])
    a.disconnects()
    a.connects()
    h.tick()
    f.disconnects()
    f.connects()
    h.tick()
    h.advance(31)
    made = Kind.MADE
    assert kinds(h)[:6] == [made, Kind.RESCINDED, made, Kind.VOID, made, Kind.TIMED_OUT]


def test_m36_an_accept_that_is_refused() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(2)])
    f.accept([*f.offers, *f.offers], task("t1"))
    assert kinds(h) == [Kind.MADE, Kind.REFUSED]
    assert "twice" in events(h)[1].message


def test_m36_only_the_last_of_them() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    f.launch(task("t1"))
    assert [event.number for event in events(h, tail=1)] == [2]
    assert [event.number for event in events(h, tail=99)] == [1, 2]


def test_m36_who_follows_misses_nothing() -> None:
    async def story() -> None:
        h = MasterHarness()
        h.agent(cpus=4)
        watch = OfferWatch(h.master)
        stream = watch.watch(OffersQuery(follow=True))
        f = h.framework(demands=[demand(1)])
        watch.changed()
        first = await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert not waiting.done()
        f.launch(task("t1"))
        watch.changed()
        second = await asyncio.wait_for(waiting, 10)
        assert [e.kind for e in (*first.events, *second.events)] == [Kind.MADE, Kind.ACCEPTED]

    asyncio.run(story())


def test_m36_who_reads_too_slowly_is_dropped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(offer_watch, "AT_ONCE", 10)

    async def story() -> None:
        h = MasterHarness()
        h.agent(cpus=4)
        f = h.framework(demands=[demand(1)])
        stream = OfferWatch(h.master).watch(OffersQuery(follow=True))
        assert (await anext(stream)).events
        (offer,) = f.offers
        for _ in range(KEPT + 1):
            h.master.offer_log.add(h.now, Kind.MADE, offer, "")
        last = await anext(stream)
        assert last.goodbye is not None
        assert last.goodbye.code is Code.SLOW_CONSUMER
        assert str(KEPT) in last.goodbye.message
        assert [batch async for batch in stream] == []

    asyncio.run(story())
