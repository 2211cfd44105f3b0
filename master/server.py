"""The master's shell: one loop that takes an event, steps the core and performs the actions.

Everything that needs a socket, a clock or a disk is here; every decision is in `core`.
"""

import asyncio
import itertools
import logging
import os
import signal
from dataclasses import replace
from random import Random

from fairlead.common import clock, records
from fairlead.common.errors import InvalidFieldError, UnavailableError
from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
)
from fairlead.common.home import Home, Leader
from fairlead.common.ids import CallId, SessionId
from fairlead.common.loop import StepLoop
from fairlead.common.messages import Code
from fairlead.common.operators import OperatorCall, OperatorReply
from fairlead.common.outbox import Outbox
from fairlead.common.rpc import (
    AGENT_SESSION,
    FRAMEWORK_SESSION,
    GET_STATE,
    OPERATE,
    WATCH_OFFERS,
    WATCH_STATE,
)
from fairlead.common.server import Server
from fairlead.common.session import Callbacks, Session
from fairlead.common.store import Store

from . import garbage
from .core import RECORDS, Event, Master, ReceivedInvalid
from .offer_watch import OfferWatch
from .publisher import Publisher, Show
from .settings import MasterSettings

_log = logging.getLogger(__name__)

ORDER_S = 10.0
"""An operator's order is answered by then, the disk included."""


class MasterServer:
    """One master process: leads as soon as the registry is its own."""

    def __init__(self, home: Home, server: Server, store: Store, core: Master) -> None:
        self._home = home
        self._store = store
        self._core = core
        self._is_checking = bool(os.environ.get("FAIRLEAD_CHECK"))
        self._publisher = Publisher(core)
        self._offer_watch = OfferWatch(core)
        self._server = server
        self._loop: StepLoop[Event] = StepLoop(self._step, core.next_deadline, clock.monotonic)
        self._numbers = itertools.count(1)
        self._sessions: dict[SessionId, Session] = {}
        self._orders: dict[SessionId, asyncio.Future[OperatorReply]] = {}
        self._failure: BaseException | None = None
        self._outbox: Outbox | None = None

    @classmethod
    async def open(cls, home: Home, port: int, settings: MasterSettings) -> "MasterServer":
        """Take over the registry, under a new epoch; the disk is waited for beside the loop."""
        server = Server.of(home, port)
        store, core = await asyncio.to_thread(_take_over, home, settings)
        return cls(home, server, store, core)

    async def run(self) -> None:
        """Lead until told to stop; raises what made it impossible to go on."""
        try:
            await self._lead()
        finally:
            await self._server.stop(grace_s=1.0)
            await asyncio.to_thread(self._store.close)
        if self._failure is not None:
            raise self._failure

    async def _lead(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_failed)
        self._outbox = Outbox(self._perform, records.encode, self._store, loop, self._fail)
        self._server.add_sessions(AGENT_SESSION, self._accept)
        self._server.add_sessions(FRAMEWORK_SESSION, self._accept)
        self._server.add_call(OPERATE, self._operate)
        self._server.add_call(GET_STATE, self._publisher.state)
        self._server.add_stream(WATCH_STATE, self._publisher.watch)
        self._server.add_stream(WATCH_OFFERS, self._offer_watch.watch)
        address = await self._server.start()
        epoch, cluster_id = self._core.epoch, self._core.cluster_id
        leader = Leader(address, epoch, cluster_id)
        await asyncio.to_thread(self._home.write_leader, leader)
        _log.info("leading address=%s epoch=%d cluster_id=%s", address, epoch, cluster_id)
        await self._loop.run()

    @property
    def waiting(self) -> int:
        """How many events have not had their step yet."""
        return self._loop.waiting

    def stop(self) -> None:
        """Say goodbye to everybody and end."""
        self._loop.end()

    # --- the loop

    def _step(self, event: Event, now: float) -> None:
        assert self._outbox is not None
        actions = self._core.step(event, now)
        if self._is_checking:
            self._core.check()
        if any(isinstance(action, Record) for action in actions):
            actions.append(self._publisher.withhold())
        self._outbox.push(actions)
        self._publisher.changed()
        self._offer_watch.changed()

    # --- what comes in

    def _accept(self, session: Session) -> Callbacks:
        number = SessionId(next(self._numbers))
        self._sessions[number] = session
        self._loop.put(SessionOpened(number))

        def on_closed(code: Code, message: str) -> None:
            self._sessions.pop(number, None)
            _log.info("session closed peer=%s code=%s %s", session.peer, code.name, message)
            self._loop.put(SessionClosed(number, code, message))

        def on_invalid(error: InvalidFieldError, call_id: str) -> None:
            # An agent has no call to be answered, so this line is all that is seen of it.
            _log.warning("message refused peer=%s call=%s %s", session.peer, call_id, error)
            self._loop.put(ReceivedInvalid(number, CallId(call_id), error.field, error.reason))

        return Callbacks(
            lambda message: self._loop.put(Received(number, message)),
            on_closed,
            on_invalid,
            ready=self._loop.room,
        )

    async def _operate(self, call: OperatorCall) -> OperatorReply:
        number = SessionId(next(self._numbers))
        future = asyncio.get_running_loop().create_future()
        self._orders[number] = future
        self._loop.put(Received(number, call))
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
            case Show():
                self._publisher.show()
            case _:
                raise AssertionError(f"no way to perform {action!r}")

    def _fail(self, error: BaseException) -> None:
        """What must be durable is not: nothing more may leave."""
        self._failure = self._failure or error
        self._loop.end()

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A bug of ours in a callback: better a new master than a half one."""
        loop.default_exception_handler(context)
        error = context.get("exception")
        if isinstance(error, Exception):
            self._fail(error)


def _take_over(home: Home, settings: MasterSettings) -> tuple[Store, Master]:
    store = Store.open(home.registry, "registry")
    try:
        kept = records.decode(store.load(), RECORDS, str(home.registry))
        epoch, now = store.begin_epoch(), clock.monotonic()
        settings = replace(settings, wall_offset_s=clock.wall() - now)
        random = Random(f"{store.cluster_id}/{epoch}")
        return store, Master.restore(settings, epoch, store.cluster_id, kept, now, random)
    except BaseException:
        store.close()
        raise


async def serve(home: Home, port: int, settings: MasterSettings) -> int:
    """Lead the cluster of this home until TERM or INT; the process's exit code."""
    master = await MasterServer.open(home, port, settings)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, master.stop)
    sparing = asyncio.create_task(garbage.spare())
    try:
        await master.run()
    finally:
        sparing.cancel()
    return 0
