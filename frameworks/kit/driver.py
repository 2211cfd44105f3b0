"""The driver's shell: one loop that takes an event, steps the core and performs the actions.

Everything that needs a socket, a clock or a disk is here; every decision is in `core`, or the
scheduler's. For the most, `run_scheduler(MyScheduler())` is all that a program needs.
"""

import asyncio
import itertools
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from fairlead.common import clock
from fairlead.common.client import Client, connect
from fairlead.common.dataclass import dataclass
from fairlead.common.errors import FairleadError, InvalidFieldError, UnavailableError
from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
)
from fairlead.common.home import Home
from fairlead.common.ids import SessionId
from fairlead.common.loop import StepLoop
from fairlead.common.messages import Code
from fairlead.common.outbox import Outbox
from fairlead.common.rpc import FRAMEWORK_SESSION
from fairlead.common.session import Callbacks, Session

from .core import FINAL, Driver
from .events import Dial, DriverEvent, DriverSettings, Happened, Perform
from .identity import ID, Disk, Identity, Known, no_store
from .scheduler import Scheduler, Stop

if TYPE_CHECKING:  # few schedulers have one
    from fairlead.common.store import Store
    from fairlead.common.tls import Tls

_log = logging.getLogger(__name__)

LEAVE_S = 2.0
"""How long the goodbye may take."""


class Service(Protocol):
    """What a scheduler orders beside calls to the master goes here, on the loop."""

    def perform(self, action: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the master is: told once, or looked up in a home at each attempt."""

    home: Home | None = None
    master: str = ""
    token: str = ""

    def find(self) -> tuple[str, str]:
        """Address and token; a FairleadError says what is missing."""
        home = self.home or Home.find()
        token = self.token or home.token()
        if self.master:
            return self.master, token
        leader = home.read_leader()
        if leader is None:
            raise UnavailableError(f"no master has led in {home.path}")
        return leader.address, token

    @property
    def tls(self) -> "Tls | None":
        """For calls to anybody of this cluster."""
        return (self.home or Home.find()).tls

    def cluster_id(self) -> str:
        """Of whoever led last in this home; empty: not known."""
        if self.master or self.home is None:
            return ""
        leader = self.home.read_leader()
        return leader.cluster_id if leader else ""

    def __str__(self) -> str:
        return self.master or str((self.home or Home.find()).path)


class FrameworkRunner:
    """One life of one framework: its scheduler, the driver, a session, perhaps a service."""

    def __init__(
        self,
        scheduler: Scheduler,
        where: Whereabouts | None = None,
        *,
        instance_uuid: str | None = None,
        service: Service | None = None,
        identity: Identity | None = None,
        store: "Store | None" = None,
        give_up_s: float | None = None,
        settings: DriverSettings | None = None,
    ) -> None:
        """`identity` keeps the framework's id, `store` its Records; `give_up_s` is for people
        who wait: it raises UnavailableError if no master has answered by then.
        """
        self._where = where or Whereabouts()
        known = identity.load(self._where.cluster_id()) if identity else Known()
        instance = instance_uuid or os.urandom(16).hex()
        self.driver = Driver(scheduler, instance, known.framework_id, settings)
        # So that a former leader that does not know it yet is not believed.
        self.driver.epoch, self.driver.cluster_id = known.epoch, known.cluster_id
        self.stopped: Stop | None = None
        """How it ended, if it has."""
        self._saved = known
        self._service = service
        self._keeps_id = identity is not None
        self._disk = Disk(identity, store) if identity or store else None
        self._give_up_s = give_up_s
        self._is_checking = bool(os.environ.get("FAIRLEAD_CHECK"))
        self._loop: StepLoop[DriverEvent] = StepLoop(
            self._step, self.driver.next_deadline, clock.monotonic
        )
        self._giving_up: asyncio.TimerHandle | None = None
        self._numbers = itertools.count(1)
        self._sessions: dict[SessionId, Session] = {}
        self._clients: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._perform_now: Callable[[Sequence[object]], None] = self._perform_all
        self._is_complaining = False
        self._trouble = ""

    @property
    def was_removed(self) -> bool:
        """Its id is refused for ever: to go on it needs another, in another life."""
        return self.driver.refused_with is Code.FRAMEWORK_REMOVED

    async def run(self) -> int:
        """Until the scheduler or the master says Stop; the exit code it said."""
        loop = asyncio.get_running_loop()
        if self._disk is not None:
            outbox = Outbox(self._perform, self._disk.encode, self._disk, loop, self._fail)
            self._perform_now = outbox.push
        if self._give_up_s is not None:
            self._giving_up = loop.call_later(self._give_up_s, self._give_up)
        try:
            await self._loop.run()
        finally:
            self._wait_on()
            await self._leave()
            if self._disk is not None:
                self._disk.close()
        if self._failure is not None:
            raise self._failure
        assert self.stopped is not None
        if self.stopped.message:
            is_failure = 0 < self.stopped.exit_code < 128  # beyond, somebody interrupted it
            level = logging.ERROR if is_failure else logging.INFO
            _log.log(level, "stopped: %s", self.stopped.message)
        return self.stopped.exit_code

    def feed(self, event: object) -> None:
        """Tell the scheduler, from whichever thread."""
        self._loop.put_from_outside(Happened(event))

    def stop(self, message: str = "", exit_code: int = 0) -> None:
        """End as if the scheduler had said so; from whichever thread. Tasks run on for a while."""
        self._loop.put_from_outside(Stop(message, exit_code))

    # --- the loop

    def _step(self, event: DriverEvent, now: float) -> None:
        try:
            actions = self.driver.step(event, now)
            if self._is_checking:
                self.driver.check()
            self._perform_now(self._id_to_keep())
            self._perform_now(actions)
            if self.driver.is_subscribed:
                self._wait_on()
        except Exception as error:  # noqa: BLE001 - a scheduler's own mistake ends its driver
            self._fail(error)

    def _give_up(self) -> None:
        error = UnavailableError(
            f"no master answers at {self._where} ({self._trouble or 'no answer yet'})",
            hint="start one with: fairlead up",
        )
        self._fail(error)

    def _wait_on(self) -> None:
        """A master has answered: if it is away one day, it is waited for."""
        if self._giving_up is not None:
            self._giving_up.cancel()

    def _id_to_keep(self) -> Sequence[Record]:
        """An id is worth something only if the next life knows it, so before anything is done."""
        driver = self.driver
        known = Known(driver.framework_id, driver.cluster_id, driver.epoch)
        if self.was_removed:
            known = Known()
        if not self._keeps_id or known == self._saved or not (known or self.was_removed):
            return ()
        self._saved = known
        return (Record(ID, known),)

    # --- what goes out

    def _perform_all(self, actions: Sequence[object]) -> None:
        for action in actions:
            if isinstance(action, Record):
                raise no_store(action)
            self._perform(action)

    def _perform(self, action: object) -> None:
        match action:
            case Dial():
                self._dial()
            case Send(session=number, message=message):
                if (session := self._sessions.get(number)) is not None:
                    session.send(message)
            case CloseSession(session=number, code=code, message=text):
                if (session := self._sessions.get(number)) is not None:
                    session.close(code, text)
            case Perform(action=order):
                assert self._service is not None, f"nobody here performs {order!r}"
                self._service.perform(order)
            case Stop():
                self.stopped = action
                self._loop.end()
            case _:
                raise AssertionError(f"no way to perform {action!r}")

    def _dial(self) -> None:
        number = SessionId(next(self._numbers))
        try:
            client = connect(*self._where.find(), self._where.tls)
        except FairleadError as error:
            self._closed(number, Code.UNSPECIFIED, error.message)
            return
        task = asyncio.create_task(self._hold(number, client))
        self._clients.add(task)
        task.add_done_callback(self._let_go)

    async def _hold(self, number: SessionId, client: Client) -> None:
        """One session on a connection of its own, until it has ended."""
        ended = asyncio.Event()

        def on_message(message: object) -> None:
            self._is_complaining = False
            self._loop.put(Received(number, message))

        def on_closed(code: Code, message: str) -> None:
            self._sessions.pop(number, None)
            self._closed(number, code, message)
            ended.set()

        def on_invalid(error: InvalidFieldError, call_id: str) -> None:
            _log.warning("the master said something invalid: %s %s", error, call_id)

        callbacks = Callbacks(on_message, on_closed, on_invalid, ready=self._loop.room)
        async with client:
            try:
                self._sessions[number] = client.dial(FRAMEWORK_SESSION, callbacks)
            except FairleadError as error:  # its certificates: perhaps they are being renewed
                self._closed(number, Code.UNSPECIFIED, error.message)
                return
            self._loop.put(SessionOpened(number))
            await ended.wait()

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._clients.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _closed(self, number: SessionId, code: Code, message: str) -> None:
        self._trouble = message
        if code is not Code.OK and self.stopped is None and not self._is_complaining:
            self._is_complaining = True  # once, not at each attempt
            what_next = "" if code in FINAL else "; trying again"
            _log.warning("no master: %s%s", message or code.name, what_next)
        self._loop.put(SessionClosed(number, code, message))

    async def _leave(self) -> None:
        """Write what was said last, then let go of everything."""
        for session in list(self._sessions.values()):
            session.close(Code.OK)
        if self._clients:
            _, left = await asyncio.wait(self._clients, timeout=LEAVE_S)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._loop.end()


class Printer:
    """A service for schedulers that have none: what they order of it is printed."""

    def perform(self, action: object) -> None:
        sys.stdout.write(f"{action}\n")
        sys.stdout.flush()


def run_scheduler(
    scheduler: Scheduler, master: str = "", home: Home | None = None, *, keep_id: bool = False
) -> int:
    """Run it until it stops; its exit code. Ctrl-C ends it, its tasks after failover_timeout.

    An action that the kit does not know, such as a line of text, is printed. With `keep_id` it
    goes on as the same framework when it is started again.
    """
    return asyncio.run(_run(scheduler, Whereabouts(home or Home.find(), master), keep_id))


async def _run(scheduler: Scheduler, where: Whereabouts, keep_id: bool) -> int:
    assert where.home is not None
    identity = Identity.of(where.home, scheduler.framework.name) if keep_id else None
    runner = FrameworkRunner(scheduler, where, identity=identity, service=Printer())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, runner.stop, "interrupted", 128 + signal.SIGINT)
    loop.add_signal_handler(signal.SIGTERM, runner.stop, "told to end", 0)
    return await runner.run()
