"""Sessions to whichever master leads: its address is read anew for each of them."""

import asyncio
import itertools
import logging
from collections.abc import Coroutine
from typing import Any

from fairlead.common.client import Client, connect
from fairlead.common.errors import FairleadError, InvalidFieldError, TlsError
from fairlead.common.events import Received, SessionClosed, SessionOpened
from fairlead.common.handshakes import why_not
from fairlead.common.home import Home
from fairlead.common.ids import SessionId
from fairlead.common.loop import StepLoop
from fairlead.common.messages import AgentMessage, Code, Goodbye
from fairlead.common.rpc import AGENT_SESSION
from fairlead.common.session import Callbacks, Session
from fairlead.common.tls import Party, Tls

from .events import Event

_log = logging.getLogger(__name__)

CONNECT_S = 5.0


class Dialer:
    """Numbers sessions, and tells what becomes of them."""

    def __init__(self, home: Home, address: str, loop: StepLoop[Event]) -> None:
        self._home = home
        self._address = address
        self._token = home.token()
        self._loop = loop
        self._numbers = itertools.count(1)
        self._sessions: dict[SessionId, tuple[Client, Session]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_problem = ""

    def dial(self) -> None:
        self._spawn(self._dial(SessionId(next(self._numbers))))

    def send(self, number: SessionId, message: object) -> None:
        """To a session that may be over; then nobody hears it."""
        if number in self._sessions:
            self._sessions[number][1].send(message)

    def end(self, number: SessionId, code: Code, message: str) -> None:
        if number in self._sessions:
            _log.info("session-ended session=%d code=%s %s", number, code.name, message)
            self._sessions[number][1].close(code, message)

    async def close(self) -> None:
        """Say that this agent goes, and let what is queued be written."""
        for client, session in list(self._sessions.values()):
            session.send(AgentMessage(Goodbye(Code.SHUTTING_DOWN, "the agent was told to stop")))
            await client.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _dial(self, number: SessionId) -> None:
        try:
            address = self._leader()
            await _knock(address, self._home.tls)
            client = connect(address, self._token, self._home.tls)
            session = client.dial(AGENT_SESSION, self._callbacks(number))
        except FairleadError as error:
            self._failed(error.message)
            self._loop.put(SessionClosed(number, error.code, error.message))
            return
        self._sessions[number] = (client, session)
        self._last_problem = ""
        self._loop.put(SessionOpened(number))

    def _leader(self) -> str:
        if self._address:
            return self._address
        leader = self._home.read_leader()
        if leader is None:
            raise FairleadError(f"no master has led in {self._home.path} yet")
        return leader.address

    def _failed(self, problem: str) -> None:
        """Said once, however often it is tried."""
        if problem != self._last_problem:
            self._last_problem = problem
            _log.info("no-session: %s", problem)

    def _callbacks(self, number: SessionId) -> Callbacks:
        def on_message(message: object) -> None:
            self._loop.put(Received(number, message))

        def on_closed(code: Code, message: str) -> None:
            client, _ = self._sessions.pop(number)
            _log.info("session-closed session=%d code=%s %s", number, code.name, message)
            self._loop.put(SessionClosed(number, code, message))
            self._spawn(client.close())

        def on_invalid(error: InvalidFieldError, _call_id: str) -> None:
            """An order that we cannot read cannot be carried out, nor skipped."""
            self.end(
                number, Code.INVALID, f"the master said what this version cannot read: {error}"
            )

        return Callbacks(on_message, on_closed, on_invalid, ready=self._loop.room)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _knock(address: str, tls: Tls | None) -> None:
    """Whether somebody listens: a session begins with all that we know, which costs something."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        why = str(error) or f"no answer within {CONNECT_S:g} s"
        raise FairleadError(f"no master answers at {address}: {why}") from None
    writer.close()
    if tls is not None and (why := await asyncio.to_thread(why_not, address, tls, Party.MASTER)):
        raise TlsError(f"no TLS with the master at {address}: {why}")
