"""A server whose framework sessions say back what they hear, and clients that remember."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc

from fairlead.common import rpc
from fairlead.common.client import Client, connect
from fairlead.common.messages import Code, FrameworkMessage, Heartbeat, MasterToFramework
from fairlead.common.server import Server
from fairlead.common.session import DEFAULT_LIMITS, Callbacks, Limits, Session

TOKEN = "a-token-for-tests"
DEADLINE_S = 20.0


async def until(condition: Callable[[], object], what: str, timeout_s: float = DEADLINE_S) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - conditions of every kind, polled
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s in vain: {what}") from None


@dataclass
class Ears:
    """Listens to one session, and remembers."""

    heard: list[Any] = field(default_factory=list)
    invalid: list[tuple[str, str]] = field(default_factory=list)
    closed: list[tuple[Code, str]] = field(default_factory=list)

    @property
    def callbacks(self) -> Callbacks:
        return Callbacks(
            on_message=self.heard.append,
            on_closed=lambda code, message: self.closed.append((code, message)),
            on_invalid=lambda error, call_id: self.invalid.append((error.field, call_id)),
        )


class World:
    """A server of framework sessions, each of which says back what it hears."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.server = Server(TOKEN)
        self.server.add_sessions(rpc.FRAMEWORK_SESSION, self._accept, limits)
        self.sessions: list[Session] = []
        self.ears: list[Ears] = []
        self.address = ""

    def _accept(self, session: Session) -> Callbacks:
        ears = Ears()
        self.sessions.append(session)
        self.ears.append(ears)

        def echo(message: object) -> None:
            ears.heard.append(message)
            assert isinstance(message, FrameworkMessage)
            if isinstance(message.body, Heartbeat):
                session.send(MasterToFramework(1, message.body))

        return Callbacks(echo, ears.callbacks.on_closed, ears.callbacks.on_invalid)

    def dial(self, client: Client) -> tuple[Session, Ears]:
        ears = Ears()
        return client.dial(rpc.FRAMEWORK_SESSION, ears.callbacks), ears


@asynccontextmanager
async def world(limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[World]:
    here = World(limits)
    here.address = await here.server.start()
    try:
        yield here
    finally:
        await here.server.stop(0.5)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(timed())


def beat(number: int) -> FrameworkMessage:
    return FrameworkMessage(Heartbeat(number))


def answer(number: int) -> MasterToFramework:
    return MasterToFramework(1, Heartbeat(number))


async def still_works(here: World) -> None:
    """Another session is served as if nothing had happened."""
    async with connect(here.address, TOKEN) as client:
        session, ears = here.dial(client)
        session.send(beat(7))
        await until(lambda: ears.heard == [answer(7)], "the echo of another session")


class Raw:
    """A foreign client: bytes on a framework session, and only as much reading as asked for."""

    def __init__(self, address: str, token: str = TOKEN) -> None:
        self.channel = grpc.aio.insecure_channel(address)
        metadata = ((rpc.AUTHORIZATION, f"Bearer {token}"),)
        self.call: Any = self.channel.stream_stream(rpc.FRAMEWORK_SESSION.path)(metadata=metadata)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.call.cancel()
        await self.channel.close()

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Reads to the end."""
        try:
            while await self.call.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError:
            pass
        return await self.call.code(), await self.call.details()
