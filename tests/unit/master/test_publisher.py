"""What operators read and watch: a snapshot, every change after it, and no reader who slows us."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import pytest
from tests.support.master_harness import AgentDouble, MasterHarness, demand, task

from fairlead.cli.changes import merged
from fairlead.common import wire
from fairlead.common.errors import UnavailableError
from fairlead.common.events import Received
from fairlead.common.ids import Role, SessionId, TaskId
from fairlead.common.messages import AgentHeartbeat, Code, TaskUsage
from fairlead.common.operators import OperatorCall, SetWeight, StateQuery, StateReply
from fairlead.common.values import HostUsage, Usage
from fairlead.master import publisher as module
from fairlead.master.publisher import MAX_BEHIND, Publisher

DEADLINE_S = 10.0
Watch = AsyncIterator[bytes]
Thing = TypeVar("Thing")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is real here; what takes a tenth of a second takes a hundredth."""
    monkeypatch.setattr(module, "REFRESH_S", 0.01)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await scenario()

    asyncio.run(timed())


async def read(watch: Watch) -> StateReply:
    """The next message of a watch."""
    async with asyncio.timeout(2.0):
        return wire.decode(StateReply, await anext(watch))


@asynccontextmanager
async def watching(publisher: Publisher, at_least: int = 0) -> AsyncIterator[Watch]:
    watch = publisher.watch(StateQuery(at_least))
    try:
        yield watch
    finally:
        await watch.aclose()  # type: ignore[attr-defined]


async def asked(publisher: Publisher, at_least: int = 0) -> StateReply:
    return wire.decode(StateReply, await publisher.state(StateQuery(at_least)))


def beat(agent: AgentDouble, number: int) -> None:
    """A heartbeat that operators can tell from others."""
    agent.says(AgentHeartbeat(number, HostUsage(memory_bytes=number)))


def things(state: StateReply) -> StateReply:
    """Whatever the order: the same things in the same state."""

    def ordered(items: tuple[Thing, ...]) -> tuple[Thing, ...]:
        return tuple(sorted(items, key=repr))

    return replace(
        state,
        agents=ordered(state.agents),
        frameworks=ordered(state.frameworks),
        tasks=ordered(state.tasks),
        roles=ordered(state.roles),
        offers=ordered(state.offers),
    )


def test_m36_the_state_is_whole_and_says_whose_it_is() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        a = h.agent()
        f = h.framework(demands=[demand(1)])
        f.launch(task("t1"))
        publisher.changed()
        state = await asked(publisher, h.master.version)
        assert (state.epoch, state.cluster_id) == (1, "the-cluster")
        assert (state.is_whole, state.version) == (True, h.master.version)
        assert [each.agent.agent_id for each in state.agents] == [a.id]
        assert [each.task_id for each in state.tasks] == ["t1"]

    play(scenario)


def test_what_a_step_made_durable_is_shown_when_it_is() -> None:
    """And the rest of what changed meanwhile is shown at once."""

    async def scenario() -> None:
        h = MasterHarness()
        a = h.agent()
        publisher = Publisher(h.master)
        h.step(Received(SessionId(9), OperatorCall(SetWeight(Role("dl"), 2.0))))
        publisher.withhold()
        publisher.changed()
        beat(a, 7)
        publisher.changed()
        await asyncio.sleep(2 * module.REFRESH_S)
        before = await asked(publisher)
        assert not before.roles
        assert before.agents[0].usage.memory_bytes == 7
        assert before.version < h.master.version
        publisher.show()
        after = await asked(publisher, h.master.version)
        assert [role.weight for role in after.roles] == [2.0]

    play(scenario)


def test_a_watcher_hears_what_was_withheld() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        async with watching(publisher) as watch:
            await read(watch)
            hears = asyncio.create_task(read(watch))
            await asyncio.sleep(0)
            h.step(Received(SessionId(9), OperatorCall(SetWeight(Role("dl"), 2.0))))
            publisher.withhold()
            publisher.changed()
            await asyncio.sleep(3 * module.REFRESH_S)
            assert not hears.done()
            publisher.show()
            assert [role.weight for role in (await hears).roles] == [2.0]

    play(scenario)


def test_m36_all_readers_share_what_was_serialised_once() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        h.agent()
        publisher = Publisher(h.master)
        first, second = await asyncio.gather(*(publisher.state(StateQuery()) for _ in range(2)))
        assert first is second

    play(scenario)


def test_m36_a_state_is_at_least_as_new_as_asked_for() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        await asked(publisher)
        wanted = h.master.version + 1
        waiting = asyncio.create_task(asked(publisher, wanted))
        await asyncio.sleep(0.03)
        assert not waiting.done()
        a = h.agent()
        publisher.changed()
        state = await waiting
        assert state.version >= wanted
        assert [each.agent.agent_id for each in state.agents] == [a.id]

    play(scenario)


def test_m36_a_version_that_never_comes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)

    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        with pytest.raises(UnavailableError, match="no state of version 1000 yet"):
            await publisher.state(StateQuery(1000))
        with pytest.raises(UnavailableError):
            await anext(publisher.watch(StateQuery(1000)))

    play(scenario)


def test_m36_a_watch_begins_with_a_snapshot_and_goes_on_with_changes_only() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        a, _ = h.agent(), h.agent()
        publisher = Publisher(h.master)
        await asyncio.sleep(0.02)
        await asked(publisher)  # so that nothing is left to be serialised
        async with watching(publisher) as watch:
            whole = await read(watch)
            assert whole.is_whole
            assert len(whole.agents) == 2
            beat(a, 1)
            publisher.changed()
            delta = await read(watch)
            assert not delta.is_whole
            assert [each.agent.agent_id for each in delta.agents] == [a.id]
            assert delta.version > whole.version

    play(scenario)


def test_m36_what_changes_while_the_snapshot_is_read_is_in_the_first_change() -> None:
    """There is no moment between the snapshot and the first change."""

    async def scenario() -> None:
        h = MasterHarness()
        early = h.agent()
        publisher = Publisher(h.master)
        async with watching(publisher) as watch:
            whole = await read(watch)
            late = h.agent()  # nobody reads at this moment
            publisher.changed()
            delta = await read(watch)
            assert [each.agent.agent_id for each in whole.agents] == [early.id]
            assert late.id in [each.agent.agent_id for each in delta.agents]

    play(scenario)


def test_m36_what_was_not_serialised_yet_when_a_watch_began_comes_as_a_change() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        await asked(publisher)  # the next refresh is a while away
        a = h.agent()
        async with watching(publisher) as watch:
            state = await read(watch)
            while not state.agents:
                state = merged(state, await read(watch))
            assert [each.agent.agent_id for each in state.agents] == [a.id]

    play(scenario)


def test_m36_what_is_gone_is_named() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        h.agent()
        f = h.framework()
        (offer,) = f.offers
        publisher = Publisher(h.master)
        async with watching(publisher) as watch:
            whole = await read(watch)
            assert [each.offer_id for each in whole.offers] == [offer.offer_id]
            f.decline()
            publisher.changed()
            delta = await read(watch)
            assert f"offers/{offer.offer_id}" in delta.removed

    play(scenario)


def test_m36_snapshot_and_changes_make_the_state_that_a_new_reader_gets() -> None:
    """A whole life, watched from its first moment: nothing is missing, nothing stale."""

    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        async with watching(publisher) as watch:
            state = await read(watch)

            async def caught_up() -> StateReply:
                nonlocal state
                publisher.changed()
                while state.version < h.master.version:
                    state = merged(state, await read(watch))
                return state

            async def is_what_anybody_sees() -> None:
                fresh = wire.decode(StateReply, await Publisher(h.master).state(StateQuery()))
                assert things(await caught_up()) == things(fresh)

            a = h.agent(cpus=4)
            f = h.framework(demands=[demand(3)])
            await is_what_anybody_sees()
            f.launch(task("t1"), task("t2"))
            await is_what_anybody_sees()
            a.runs("t1", "t2")
            used = TaskUsage(f.id, TaskId("t1"), Usage(cpu_s=1.5))
            a.says(AgentHeartbeat(1, HostUsage(cpu_percent=5), (used,)))
            await is_what_anybody_sees()
            a.finishes("t1")
            h.tick()
            await is_what_anybody_sees()
            a.disconnects()
            h.tick()
            await is_what_anybody_sees()
            a.connects()
            h.tick()
            f.disconnects()
            h.tick()
            await is_what_anybody_sees()
            assert len(state.tasks) == 2

    play(scenario)


def test_m36_many_steps_make_one_change() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        a = h.agent()
        publisher = Publisher(h.master)
        async with watching(publisher) as watch:
            await read(watch)
            for number in range(1, 100):
                beat(a, number)
                publisher.changed()
            delta = await read(watch)
            assert delta.version == h.master.version
            assert delta.agents[0].usage.memory_bytes == 99

    play(scenario)


async def fall_behind(h: MasterHarness, publisher: Publisher, a: AgentDouble, by: int) -> float:
    """So many changes, one after another; the longest that one of them kept the master."""
    longest = 0.0
    for number in range(1, by + 1):
        began = time.perf_counter()
        beat(a, number)
        publisher.changed()
        longest = max(longest, time.perf_counter() - began)
        async with asyncio.timeout(2.0):
            while publisher._watchers and publisher._version < h.master.version:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.001)
    return longest


def test_m36_a_slow_reader_is_dropped_with_a_reason_and_nobody_else_is() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        a = h.agent()
        publisher = Publisher(h.master)
        async with watching(publisher) as slow, watching(publisher) as quick:
            await read(slow)
            await read(quick)
            heard: list[StateReply] = []

            async def listen() -> None:
                async for each in quick:
                    heard.append(wire.decode(StateReply, each))  # noqa: PERF401 - seen at once

            listener = asyncio.create_task(listen())
            try:
                longest = await fall_behind(h, publisher, a, MAX_BEHIND + 10)
                assert longest < 1.0, "the master waited for a reader"
                assert len(publisher._watchers) == 1, "the slow one costs nothing any more"
                last = await read(slow)
                for _ in range(MAX_BEHIND):
                    if last.goodbye is not None:
                        break
                    last = await read(slow)
                assert last.goodbye is not None
                assert last.goodbye.code is Code.SLOW_CONSUMER
                assert "ask again" in last.goodbye.message
                with pytest.raises(StopAsyncIteration):
                    await anext(slow)
                await asyncio.sleep(0)
            finally:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)
            numbers = [reply.agents[0].usage.memory_bytes for reply in heard]
            assert numbers == list(range(1, MAX_BEHIND + 11)), "the quick one missed something"
            assert all(reply.goodbye is None for reply in heard)

    play(scenario)


def test_m36_what_a_slow_reader_gets_before_its_goodbye_has_no_gap() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        a = h.agent()
        publisher = Publisher(h.master)
        async with watching(publisher) as slow:
            await read(slow)
            await fall_behind(h, publisher, a, MAX_BEHIND + 10)
            numbers = []
            while (reply := await read(slow)).goodbye is None:
                numbers.append(reply.agents[0].usage.memory_bytes)
            assert numbers == list(range(1, len(numbers) + 1))

    play(scenario)


def test_m36_who_leaves_is_forgotten() -> None:
    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        async with watching(publisher) as watch:
            await read(watch)
            assert len(publisher._watchers) == 1
        assert not publisher._watchers

    play(scenario)


def test_m36_changes_are_worked_off_although_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOUCHED", 3)

    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        for _ in range(4):
            h.agent()
        assert h.master.touched > 3
        publisher.changed()
        assert not h.master.touched

    play(scenario)


def test_m36_what_was_worked_off_is_in_the_whole_that_a_watch_begins_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_TOUCHED", 3)

    async def scenario() -> None:
        h = MasterHarness()
        publisher = Publisher(h.master)
        await publisher.state(StateQuery())
        for _ in range(4):
            h.agent()
        publisher.changed()
        assert not h.master.touched
        async with watching(publisher) as watch:
            assert len((await read(watch)).agents) == 4

    play(scenario)
