"""One job as the driver's event loop sees it: performs what `CallBook` asks for.

It joins the book, the connections from workers and the one to the service. Lives in one thread;
`Driver` is what other threads talk to.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.common.errors import FairleadError
from fairlead.common.resources import Resources

from .call_events import (
    Call,
    Cancelled,
    End,
    Event,
    Fail,
    Finish,
    GiveBack,
    KillRequested,
    Recall,
    Recalled,
    Release,
    Send,
    Submitted,
    Tick,
    TryAgain,
    Verdict,
    WorkerJoined,
    WorkerLost,
)
from .calls import CallBook
from .endings import Endings
from .errors import (
    CallKilledError,
    CallTimeoutError,
    NoSuchWorkerError,
    ServiceLostError,
    WorkerDiedError,
)
from .exits import Exit
from .failures import add_note, load_error
from .future import CallFuture
from .locate import Service
from .payloads import NotLoadableError, load_value
from .protocol import Kind, connection_name, split_connection_name
from .service_link import ServiceLink
from .sizes import size_to_fields
from .worker_links import WorkerLinks

logger = logging.getLogger(__name__)

_KEEP_S = 0.5
"""Workers are not given up for a pause in the calls shorter than this."""
_AWAY_S = 30.0
"""Without service and without workers for so long, calls fail."""


class Job:
    """The calls of one Executor."""

    def __init__(self, service: Service, size: Resources, max_workers: int) -> None:
        self._size = size
        self._max_workers = max_workers
        self._key = secrets.token_bytes(32)
        self._address = ""
        self._book = CallBook()
        self._futures: dict[int, CallFuture] = {}
        tls = service.tls
        context = tls.listening(asks_for_certificate=False) if tls else None
        self._links = WorkerLinks(self._key, self, context)
        self._endings = Endings(self._links.hang_up, self._on_lost)
        self._service = ServiceLink(service.again, secrets.token_hex(8), self._greeting, self)
        self._finished = asyncio.Event()
        self._is_closing = False
        self._tries_again = True
        self._broken: FairleadError | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._wanted = 0
        self._want_less: asyncio.TimerHandle | None = None
        self._away: asyncio.TimerHandle | None = None

    @property
    def broken(self) -> FairleadError | None:
        """Why no call can be done any more."""
        return self._broken

    async def start(self) -> None:
        """Returns when the service has welcomed us."""
        self._address = await self._links.listen(await self._service.own_host())
        await self._service.connect_first()

    async def stop(self) -> None:
        """Hang up on everybody."""
        self._endings.close()
        for timer in (self._tick, self._want_less, self._away):
            if timer is not None:
                timer.cancel()
        await asyncio.gather(self._links.stop(), self._service.stop())

    async def wait_finished(self) -> None:
        """Until `close` was called and all calls are done."""
        await self._finished.wait()

    def expect(self, future: CallFuture) -> None:
        """Its call comes later."""
        self._futures[future.call_id] = future

    def refuse(self, call_id: int, error: BaseException) -> None:
        """Its call does not come, for this reason."""
        future = self._futures.pop(call_id, None)
        if future is not None and future.start():
            future.set_exception(error)
        self._check_finished()

    def take(self, calls: Sequence[Call], cancelled: Sequence[int]) -> None:
        """What the callers' threads handed in."""
        for call in calls:
            assert isinstance(call.payload, CallFuture)
            self._futures[call.id] = call.payload
        if self._broken is not None:
            self.fail_all(self._broken)
            return
        if calls:
            self._step(Submitted(tuple(calls)))
        if cancelled:
            self._on_cancelled(cancelled)

    def kill(self, event: KillRequested) -> None:
        """A call that its caller wants no more."""
        self._step(event)

    def close(self, *, cancel_queued: bool, abandon: bool) -> None:
        """No more calls will come; with `abandon` nobody waits for those that run either."""
        self._is_closing = True
        if abandon:
            self.fail_all(ServiceLostError("the program was interrupted while the call ran"))
            return
        if cancel_queued:
            self._stop_trying()
            self._on_cancelled([n for n, future in self._futures.items() if future.cancel()])
        self._check_finished()

    def fail_all(self, error: FairleadError) -> None:
        """No call can be done any more."""
        self._broken = error
        futures = list(self._futures.values())
        self._futures.clear()
        self._book = CallBook()
        for future in futures:
            if future.start() and not future.done():
                future.forget_call()
                future.set_exception(error)
        self._check_finished()

    def filenos(self) -> list[int]:
        """Of every socket."""
        return [self._service.fileno(), *self._links.filenos()]

    # The book

    def _step(self, event: Event) -> None:
        now = asyncio.get_running_loop().time()
        settled: list[Finish | Fail | End] = []
        for action in self._book.step(event, now):
            # Workers first: they work while the answers are unpacked here.
            if isinstance(action, Finish | Fail | End):
                settled.append(action)
            else:
                self._perform(action)
        for action in settled:
            self._settle(action)
        self._plan_tick()
        self._tell_wants()
        self._check_finished()

    def _perform(self, action: Send | Recall | Release) -> None:
        match action:
            case Send(worker, first, calls):
                unwanted = self._links.send(worker, first, calls)
                if unwanted:
                    asyncio.get_running_loop().call_soon(self._on_cancelled, unwanted)
            case Recall(worker, upto, kill):
                name, number = split_connection_name(worker)
                fields = {"worker": name, "number": number, "upto": upto, "kill": kill}
                self._service.send(Kind.RECALL, fields)
            case Release(worker):
                self._links.hang_up(worker)

    def _settle(self, action: Finish | Fail | End) -> None:
        match action:
            case Finish(call, outcome):
                self._finish(call, outcome)
            case Fail(call):
                self._reject(call, _died(call))
            case End(call, Verdict.KILLED):
                self._reject(call, CallKilledError(f"{call.kind} was killed, as was asked for"))
            case End(call):
                message = f"{call.kind} was ended: it ran longer than {call.timeout_s:g} s"
                self._failed(call, CallTimeoutError(message))

    def _finish(self, call: Call, outcome: object) -> None:
        assert isinstance(outcome, tuple)
        ok, data = outcome
        if not ok:
            self._failed(call, load_error(data))
            return
        try:
            value = load_value(call.kind, data)
        except NotLoadableError as error:
            self._failed(call, error)
            return
        future = self._futures.pop(call.id)
        future.forget_call()
        future.set_result(value)

    def _failed(self, call: Call, error: BaseException) -> None:
        """It is tried again, or this is what became of it."""
        future = self._futures[call.id]
        try:
            pause_s = future.options.pause_s(error, call.tries) if self._tries_again else None
        except BaseException as problem:  # noqa: BLE001  (the caller's own function was asked)
            problem.__context__ = error
            self._reject(call, problem)
            return
        if pause_s is not None:
            future.last_error = error
            self._step(TryAgain(call, pause_s))
            return
        self._give_up(call, error, call.tries)

    def _give_up(self, call: Call, error: BaseException, tries: int) -> None:
        if tries > 1:
            add_note(error, f"(it was tried {tries} times)")
        self._reject(call, error)

    def _stop_trying(self) -> None:
        """What pauses before its next try has failed already, with its last one."""
        self._tries_again = False
        pausing = self._book.pausing
        self._step(Cancelled(tuple(call.id for call in pausing)))
        for call in pausing:
            error = self._futures[call.id].last_error
            assert error is not None
            self._give_up(call, error, call.tries - 1)

    def _reject(self, call: Call, error: BaseException) -> None:
        future = self._futures.pop(call.id)
        future.forget_call()
        future.set_exception(error)

    def _on_cancelled(self, call_ids: Sequence[int]) -> None:
        for call_id in call_ids:
            future = self._futures.get(call_id)
            if future is not None and not future.is_started:
                if future.cancelled():
                    future.start()  # tells those who wait in `concurrent.futures.wait`
                future.forget_call()
                del self._futures[call_id]
        self._step(Cancelled(tuple(call_ids)))

    def _plan_tick(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        deadline = self._book.next_deadline()
        if deadline is not None:
            self._tick = asyncio.get_running_loop().call_at(deadline, self._step, Tick())

    def _check_finished(self) -> None:
        if self._is_closing and not self._futures:
            self._finished.set()

    # The workers

    def worker_joined(self, worker: str) -> None:
        self._step(WorkerJoined(worker))

    def worker_said(self, event: Event) -> None:
        self._step(event)

    def worker_left(self, worker: str) -> None:
        self._endings.connection_ended(worker, reason_may_come=self._service.is_up)

    def _on_lost(self, worker: str, how: Exit) -> None:
        self._step(WorkerLost(worker, how.describe(), how.blame))

    # The service

    def _greeting(self) -> Mapping[str, Any]:
        return {
            "size": size_to_fields(self._size),
            "max_workers": self._max_workers,
            "wants": self._wanted,
            "address": self._address,
            "key": self._key.hex(),
        }

    def service_said(self, kind: Kind, fields: Mapping[str, Any]) -> None:
        match kind:
            case Kind.ENDED:
                worker = connection_name(fields["worker"], fields["number"])
                self._endings.process_ended(worker, Exit.from_fields(fields["exit"]))
            case Kind.RECALLED:
                worker = connection_name(fields["worker"], fields["number"])
                first, upto, kill = (fields[name] for name in ("first", "upto", "kill"))
                self._step(Recalled(worker, first, upto, is_answer=True, kill=kill))
            case Kind.GIVE_BACK:
                self._step(GiveBack(fields["count"]))
            case Kind.UNAVAILABLE:
                self.fail_all(NoSuchWorkerError(fields["message"]))
                self._tell_wants()
            case _:
                logger.warning("batch.service_said_unknown kind=%s", kind)

    def service_lost(self) -> None:
        logger.info("batch.service_lost job is going on without")
        self._away = asyncio.get_running_loop().call_later(_AWAY_S, self._on_away)

    def _on_away(self) -> None:
        if not self._service.is_up and not self._book.workers:
            self.fail_all(
                ServiceLostError(
                    f"the batch service has been away for {_AWAY_S:.0f} s",
                    hint="see whether the cluster runs: fairlead status",
                )
            )

    def _tell_wants(self) -> None:
        """More at once, less after a while: calls often come one after another."""
        wants = min(self._book.wanted, self._max_workers)
        if wants > self._wanted:
            self._want(wants)
        elif wants < self._wanted and self._want_less is None:
            loop = asyncio.get_running_loop()
            self._want_less = loop.call_later(_KEEP_S, self._on_want_less)

    def _on_want_less(self) -> None:
        self._want_less = None
        self._want(min(self._book.wanted, self._max_workers))

    def _want(self, wants: int) -> None:
        if wants != self._wanted:
            self._wanted = wants
            self._service.send(Kind.WANTS, {"count": wants})


def _died(call: Call) -> WorkerDiedError:
    count = len(call.losses)
    workers = "a worker" if count == 1 else f"{count} workers"
    last = "it" if count == 1 else "the last one"
    return WorkerDiedError(
        f"{call.kind} was given up after {workers} ended while running it: "
        f"{last} {call.losses[-1]}",
        hint="if it needs more memory, ask for it: Executor(mem=…)",
    )
