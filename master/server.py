"""The master's shell: one loop that takes an event, steps the core and performs the actions.

Everything that needs a socket, a clock or a disk is here; every decision is in `core`.
"""

import asyncio
import itertools
import logging
import os
import signal
from collections import deque

from fairlead.common import clock, wire
from fairlead.common.errors import InvalidFieldError, UnavailableError
from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.home import Home, Leader
from fairlead.common.ids import CallId, SessionId
from fairlead.common.messages import Code
from fairlead.common.operators import OperatorCall, OperatorReply
from fairlead.common.outbox import Change, Outbox
from fairlead.common.rpc import AGENT_SESSION, FRAMEWORK_SESSION, GET_STATE, OPERATE, WATCH_STATE
from fairlead.common.server import Server
from fairlead.common.session import Callbacks, Session
from fairlead.common.store import Store

from .core import RECORDS, Event, Master, ReceivedInvalid
from .publisher import Publisher
from .settings import MasterSettings

_log = logging.getLogger(__name__)

BREATH = 100
"""Steps in a row before the sockets are looked at again."""
MOST_WAITING = 10_000
"""Events that wait for their step; beyond it no session is read. Also the longest that a heartbeat
waits behind others' messages."""
ORDER_S = 10.0
"""An operator's order is answered by then, the disk included."""


class MasterServer:
    """One master process: leads as soon as the registry is its own."""

    def __init__(self, home: Home, host: str, port: int, settings: MasterSettings) -> None:
        self._home = home
        self._store = Store.open(home.registry, "registry")
        epoch = self._store.begin_epoch()
        records = {key: _decode(key, data) for key, data in self._store.load().items()}
        self._core = Master.restore(
            settings, epoch, self._store.cluster_id, records, clock.monotonic()
        )
        self._is_checking = bool(os.environ.get("FAIRLEAD_CHECK"))
        self._publisher = Publisher(self._core)
        self._server = Server(home.token(), host, port)
        self._inbox: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._numbers = itertools.count(1)
        self._sessions: dict[SessionId, Session] = {}
        self._orders: dict[SessionId, asyncio.Future[OperatorReply]] = {}
        self._failure: BaseException | None = None
        self._is_stopping = False
        self._outbox: Outbox | None = None

    async def run(self) -> None:
        """Lead until told to stop; raises what made it impossible to go on."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_failed)
        self._outbox = Outbox(self._perform, _encode, self._store, loop, self._fail)
        self._server.add_sessions(AGENT_SESSION, self._accept)
        self._server.add_sessions(FRAMEWORK_SESSION, self._accept)
        self._server.add_call(OPERATE, self._operate)
        self._server.add_call(GET_STATE, self._publisher.state)
        self._server.add_stream(WATCH_STATE, self._publisher.watch)
        address = await self._server.start()
        epoch, cluster_id = self._core.epoch, self._core.cluster_id
        self._home.write_leader(Leader(address, epoch, cluster_id))
        _log.info("leading address=%s epoch=%d cluster_id=%s", address, epoch, cluster_id)
        try:
            await self._live()
        finally:
            await self._server.stop(grace_s=1.0)
            self._store.close()
        if self._failure is not None:
            raise self._failure

    @property
    def waiting(self) -> int:
        """How many events have not had their step yet."""
        return len(self._inbox)

    def stop(self) -> None:
        """Say goodbye to everybody and end."""
        self._is_stopping = True
        self._wake.set()

    # --- the loop

    async def _live(self) -> None:
        while not self._is_stopping and self._failure is None:
            for _ in range(BREATH):
                if not self._inbox:
                    break
                self._step(self._take())
            await asyncio.sleep(0)  # the sockets may have brought something
            if not self._inbox:
                await self._rest()

    async def _rest(self) -> None:
        """A Tick is taken only when no message waits."""
        deadline = self._core.next_deadline()
        now = clock.monotonic()
        if deadline is not None and deadline <= now:
            self._step(Tick())
            return
        self._wake.clear()
        wait_s = None if deadline is None else deadline - now
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _step(self, event: Event) -> None:
        if self._failure is not None:
            return
        assert self._outbox is not None
        actions = self._core.step(event, clock.monotonic())
        if self._is_checking:
            self._core.check()
        self._outbox.push(actions)
        self._publisher.changed()

    def _put(self, event: Event) -> None:
        self._inbox.append(event)
        self._wake.set()
        if len(self._inbox) >= MOST_WAITING:
            self._has_room.clear()

    def _take(self) -> Event:
        event = self._inbox.popleft()
        # Not as soon as there is room for one, or every session would wake up for every step.
        if not self._has_room.is_set() and len(self._inbox) <= MOST_WAITING // 2:
            self._has_room.set()
        return event

    async def _room(self) -> None:
        while not self._has_room.is_set():
            await self._has_room.wait()

    # --- what comes in

    def _accept(self, session: Session) -> Callbacks:
        number = SessionId(next(self._numbers))
        self._sessions[number] = session
        self._put(SessionOpened(number))

        def on_closed(code: Code, message: str) -> None:
            self._sessions.pop(number, None)
            _log.info("session closed peer=%s code=%s %s", session.peer, code.name, message)
            self._put(SessionClosed(number, code, message))

        def on_invalid(error: InvalidFieldError, call_id: str) -> None:
            # An agent has no call to be answered, so this line is all that is seen of it.
            _log.warning("message refused peer=%s call=%s %s", session.peer, call_id, error)
            self._put(ReceivedInvalid(number, CallId(call_id), error.field, error.reason))

        return Callbacks(
            lambda message: self._put(Received(number, message)),
            on_closed,
            on_invalid,
            ready=self._room,
        )

    async def _operate(self, call: OperatorCall) -> OperatorReply:
        number = SessionId(next(self._numbers))
        future = asyncio.get_running_loop().create_future()
        self._orders[number] = future
        self._put(Received(number, call))
        try:
            async with asyncio.timeout(ORDER_S):
                reply: OperatorReply = await future
        except TimeoutError:
            raise UnavailableError(f"the master did not answer within {ORDER_S:g} s") from None
        finally:
            self._orders.pop(number, None)
        return reply

    # --- what goes out

    def _perform(self, action: object) -> None:
        match action:
            case Send(session=number, message=message):
                if isinstance(message, OperatorReply):
                    future = self._orders.get(number)
                    if future is not None and not future.done():
                        future.set_result(message)
                elif (session := self._sessions.get(number)) is not None:
                    session.send(message)
            case CloseSession(session=number, code=code, message=text):
                if (session := self._sessions.get(number)) is not None:
                    session.close(code, text)
            case _:
                raise AssertionError(f"no way to perform {action!r}")

    def _fail(self, error: BaseException) -> None:
        """What must be durable is not: nothing more may leave."""
        self._failure = self._failure or error
        self._wake.set()

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A bug of ours in a callback: better a new master than a half one."""
        loop.default_exception_handler(context)
        error = context.get("exception")
        if isinstance(error, Exception):
            self._fail(error)


def _decode(key: str, data: bytes) -> object:
    return wire.decode(RECORDS[key.partition("/")[0]], data)


def _encode(record: Record) -> Change:
    return record.key, None if record.value is None else wire.encode(record.value)


async def serve(home: Home, host: str, port: int, settings: MasterSettings) -> int:
    """Lead the cluster of this home until TERM or INT; the process's exit code."""
    master = MasterServer(home, host, port, settings)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, master.stop)
    await master.run()
    return 0
