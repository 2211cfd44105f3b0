"""A master made of a few lines behind a real server: says what a test tells it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.sessions import TOKEN, until

from fairlead.common import rpc
from fairlead.common.home import Home, Leader
from fairlead.common.ids import AgentId, OfferId, Role
from fairlead.common.messages import (
    Code,
    FrameworkMessage,
    Goodbye,
    Heartbeat,
    MasterToFramework,
    OffersMade,
    StatusUpdated,
    ToFrameworkBody,
)
from fairlead.common.resources import Resources
from fairlead.common.server import Server
from fairlead.common.session import Callbacks, Session
from fairlead.common.values import Offer, TaskState, TaskStatus
from fairlead.frameworks.kit.fake_master import FakeMaster


class ServedMaster:
    """Answers every call as `FakeMaster` does; the rest is said by the test."""

    def __init__(self, books: FakeMaster) -> None:
        self.books = books
        self.heard: list[Any] = []
        self.sessions: list[Session] = []
        self.address = ""
        self._server = Server(TOKEN)
        self._server.add_sessions(rpc.FRAMEWORK_SESSION, self._accept)

    async def start(self, home: Home | None = None) -> None:
        self.address = await self._server.start()
        if home is not None:
            home.write_leader(Leader(self.address, self.books.epoch, "cluster"))

    async def stop(self) -> None:
        await self._server.stop(0.5)

    def _accept(self, session: Session) -> Callbacks:
        self.sessions.append(session)

        def on_message(message: object) -> None:
            assert isinstance(message, FrameworkMessage)
            self.heard.append(message.body)
            answers = self.books.answer(message)
            if isinstance(message.body, Heartbeat):
                answers.append(message.body)
            for answer in answers:
                session.send(MasterToFramework(self.books.epoch, answer))
            if any(isinstance(answer, Goodbye) for answer in answers):
                session.close(Code.FRAMEWORK_REMOVED, "it asked to end")

        return Callbacks(on_message, lambda *_: None, lambda *_: None)

    def say(self, body: ToFrameworkBody) -> None:
        self.sessions[-1].send(MasterToFramework(self.books.epoch, body))

    def offer(self, offer_id: str, cpus: float = 1) -> None:
        offer = Offer(
            OfferId(offer_id),
            AgentId("agent-1"),
            self.books.framework_id,
            Role("default"),
            Resources.of(cpus=cpus),
        )
        self.books.offers[offer.offer_id] = offer
        self.say(OffersMade((offer,)))

    def status(self, task_id: str, state: TaskState, exit_code: int | None = None) -> TaskStatus:
        status = self.books.follow(task_id, state, exit_code=exit_code)
        self.say(StatusUpdated(status))
        return status

    async def hears(self, kind: type, count: int = 1) -> list[Any]:
        """Everything of that kind, once there is so much of it."""
        await until(lambda: len(self.of(kind)) >= count, f"{count} {kind.__name__}")
        return self.of(kind)

    def of(self, kind: type) -> list[Any]:
        return [body for body in self.heard if isinstance(body, kind)]


@asynccontextmanager
async def served(home: Home | None = None, epoch: int = 1) -> AsyncIterator[ServedMaster]:
    master = ServedMaster(FakeMaster(epoch=epoch))
    await master.start(home)
    try:
        yield master
    finally:
        await master.stop()


def make_home(path: Path) -> Home:
    """With the token that the served master asks for."""
    home = Home(path)
    home.ensure()
    home.token_path.write_text(TOKEN)
    home.token_path.chmod(0o600)
    return home


async def ends(task: "asyncio.Task[int]", timeout_s: float = 20.0) -> int:
    """The exit code of a runner."""
    try:
        return await asyncio.wait_for(task, timeout_s)
    except TimeoutError:
        raise AssertionError(f"the runner did not end within {timeout_s} s") from None
