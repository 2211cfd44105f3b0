"""Listening to an engine goes on whatever its machine's clock does, and a first answer that does
not come is waited for by nobody for long.
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.agent import docker_engine
from fairlead.agent.docker_engine import DockerEngine
from fairlead.agent.docker_usage import DockerUsage
from fairlead.common import clock
from fairlead.common.ids import LaunchUuid


def test_a_clock_that_is_set_back_ends_no_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5000.0])
    monkeypatch.setattr(clock, "wall", lambda: next(times, 1000.0))
    engine = DockerEngine("unix:///nowhere")
    heard = threading.Event()

    def events(_filters: object, since: int, until: int) -> Iterator[dict[str, Any]]:
        if since > until:
            raise OSError("the engine refuses to look into the future")
        heard.set()
        yield {}

    monkeypatch.setattr(engine, "_events", events)

    async def conversation() -> None:
        told = asyncio.Event()
        engine.listen({}, lambda event: told.set() if event is not None else None)
        async with asyncio.timeout(20):
            await told.wait()

    try:
        asyncio.run(conversation())
    finally:
        engine.close()
    assert heard.is_set()


def test_nobody_queues_behind_a_first_question_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    is_back, is_asked = threading.Event(), threading.Event()

    def hang(*_words: object) -> None:
        is_asked.set()
        is_back.wait(60)

    monkeypatch.setattr(docker_engine, "_client", hang)
    monkeypatch.setattr(docker_engine, "_reach", lambda *_words: None)
    engine = DockerEngine("unix:///nowhere", call_s=0.1)
    first = threading.Thread(target=engine._connected, daemon=True)
    first.start()
    try:
        assert is_asked.wait(20)
        with pytest.raises(TimeoutError):
            engine._connected()
    finally:
        is_back.set()
        first.join(20)


def test_who_ends_while_it_is_asked_for_has_no_processes() -> None:
    class Ending:
        async def ask(self, question: Any) -> Any:
            return question(self)

        def top(self, _name: str, ps_args: str) -> dict[str, Any]:
            return {"Titles": [ps_args], "Processes": None}

    usage = DockerUsage(Ending(), None, 1.0)  # type: ignore[arg-type]
    assert asyncio.run(usage.pids(LaunchUuid("u"))) == frozenset()
