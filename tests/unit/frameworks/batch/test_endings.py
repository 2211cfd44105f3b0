"""A child's end is heard twice; it is told once, with the reason if there is one."""

import asyncio

import pytest

from fairlead.frameworks.batch import endings as module
from fairlead.frameworks.batch.endings import Endings
from fairlead.frameworks.batch.exits import Exit

THREE = Exit(3)
CLOSED = Exit(said="closed its connection")


class Ear:
    """Hears what is told, and which connections are to be closed."""

    def __init__(self, *, is_connected: bool = True) -> None:
        self.lost: list[tuple[str, Exit]] = []
        self.hung_up: list[str] = []
        self._is_connected = is_connected
        self.endings = Endings(self._hang_up, lambda *told: self.lost.append(told))

    def _hang_up(self, worker: str) -> bool:
        self.hung_up.append(worker)
        return self._is_connected


def told(*events: Exit | None, reason_may_come: bool = True) -> list[tuple[str, Exit]]:
    """What is told when these have happened: None is the end of the connection."""

    async def run() -> list[tuple[str, Exit]]:
        ear = Ear()
        for event in events:
            if event is None:
                ear.endings.connection_ended("w#1", reason_may_come=reason_may_come)
            else:
                ear.endings.process_ended("w#1", event)
        ear.endings.close()
        return ear.lost

    return asyncio.run(run())


def test_in_either_order_the_reason_is_told() -> None:
    assert told(None, THREE) == [("w#1", THREE)]
    assert told(THREE, None) == [("w#1", THREE)]


def test_no_reason_is_waited_for_when_none_can_come() -> None:
    assert told(None, reason_may_come=False) == [("w#1", CLOSED)]


def test_before_the_connection_ends_nothing_is_told() -> None:
    assert told(THREE) == []


def test_a_second_reason_replaces_the_first() -> None:
    assert told(Exit(), THREE) == [], "its answers may still be under way"
    assert told(Exit(), THREE, None) == [("w#1", THREE)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REASON_S", 0.0)
    monkeypatch.setattr(module, "_CONNECTION_S", 0.0)


async def a_few_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_reason_is_not_waited_for_long(impatient: None) -> None:
    async def run() -> None:
        ear = Ear()
        ear.endings.connection_ended("w#1", reason_may_come=True)
        assert ear.lost == []
        await a_few_turns()
        assert ear.lost == [("w#1", CLOSED)]

    asyncio.run(run())


def test_a_connection_that_outlives_its_process_is_ended_and_the_reason_kept(
    impatient: None,
) -> None:
    async def run() -> None:
        ear = Ear()
        ear.endings.process_ended("w#1", THREE)
        await a_few_turns()
        assert ear.hung_up == ["w#1"]
        ear.endings.connection_ended("w#1", reason_may_come=True)
        assert ear.lost == [("w#1", THREE)]

    asyncio.run(run())


def test_a_process_that_never_connected_leaves_nothing(impatient: None) -> None:
    async def run() -> None:
        ear = Ear(is_connected=False)
        ear.endings.process_ended("w#1", THREE)
        await a_few_turns()
        assert ear.hung_up == ["w#1"]
        assert ear.lost == []
        assert ear.endings._exits == {}
        assert ear.endings._timers == {}

    asyncio.run(run())
