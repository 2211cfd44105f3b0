"""Which call goes to which worker, and when: the driver's side of a job, without I/O.

**The rule.** A worker holds calls worth at most 40 ms of work, by what such calls have taken so
far, and gets more when half of that is done. So tiny calls travel in batches and workers never
idle, while slow calls are sent one at a time and stay balanced. A call of unknown cost travels
alone. No worker gets more than its fair half of what is queued, so a short queue is spread.

**An example.** 10,000 calls of 250 µs, two workers. Each first gets one call. The first answer
says 250 µs; a worker may now hold 160 calls, and gets 80 more whenever 80 are left. Near the end
60 are queued: no worker gets more than 15 of them, then 12, 9 …, and both end together.

**Estimates err.** If a worker falls silent over one call while others wait behind it and some other
worker has nothing to do, the waiting ones are recalled and go where there is room.

**Loss.** Calls are answered in order and each at once, so of a lost worker's calls only the oldest
can have been its undoing: it is charged, the others just go to the front of the queue. A call that
has lost more workers than its `loss_retries` fails, and so does one whose own doing it was for the
`MAX_DEATHS`th time.

**Stopping.** A running call can be stopped only with the process that runs it. The worker is asked
to take back what waits behind it, and then to end that process if the call still runs; so nobody
else is hit. A call is over when that is known, or after a while without an answer. Orders that are
not answered are given again.

Considered and refused: a fixed chunk size (wrong by a factor of a thousand for one kind of call or
the other); workers that ask for each call (a round trip of idleness per call); stealing between
workers (they would have to know and trust one another).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from .call_events import (
    Action,
    Answered,
    Blame,
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
    Started,
    Submitted,
    Tick,
    TryAgain,
    Verdict,
    WorkerJoined,
    WorkerLost,
)
from .estimates import Estimates
from .pauses import Pauses
from .worker_load import HOLD_S, RECALL_AFTER_S, WorkerLoad

MAX_DEATHS = 3
END_AFTER_S = 2.0
"""A call that is to be stopped is given up then, though nobody has said that it was."""


class CallBook:
    """The calls that are not finished, and the workers of one job."""

    def __init__(self) -> None:
        self._queue: deque[Call] = deque()
        """In order. Calls cancelled here are left until they come to the front."""
        self._pauses = Pauses()
        self._places: dict[int, WorkerLoad | Pauses | None] = {}
        """Where each unfinished call is; None is the queue."""
        self._verdicts: dict[int, tuple[Verdict, float]] = {}
        """On calls in flight, and when they are over at the latest."""
        self._watched: dict[str, WorkerLoad] = {}
        """Workers with a limit, or with orders that they have not answered."""
        self._queued = 0
        self._workers: dict[str, WorkerLoad] = {}
        self._leaving: dict[str, WorkerLoad] = {}
        self._owed = 0
        """Workers that were asked back while still on their way to us."""
        self._estimates = Estimates(HOLD_S)

    @property
    def wanted(self) -> int:
        """How many calls are queued or in flight: no worker is kept for those that pause."""
        return len(self._places) - len(self._pauses)

    @property
    def workers(self) -> int:
        """How many workers we have and keep."""
        return len(self._workers) - len(self._leaving)

    @property
    def pausing(self) -> list[Call]:
        """Those that wait for their next try."""
        return self._pauses.calls()

    def step(self, event: Event, now: float) -> list[Action]:
        """The only door."""
        actions: list[Action] = []
        hungry = self._handle(event, now, actions)
        if self._pauses and self._wake(now):
            hungry = self._by_load()
        if self._watched:
            self._watch(now, actions)
        self._fill(hungry, now, actions)
        self._let_go(actions)
        self._recall(now, actions)
        return actions

    def next_deadline(self) -> float | None:
        """When a Tick will have something to do, if nothing happens before."""
        return min(self._deadlines(), default=None)

    def check(self) -> None:
        """Every unfinished call is in exactly one place."""
        queued = [call.id for call in self._queue if self._is_queued(call)]
        assert len(queued) == len(set(queued)) == self._queued
        flying = 0
        for worker in self._workers.values():
            calls = worker.calls()
            flying += len(calls)
            assert all(self._places[call.id] is worker for call in calls)
            assert list(worker.in_flight) == sorted(worker.in_flight)
            assert worker.load_bytes == sum(call.size for call, _ in worker.in_flight.values())
            assert worker.deadline() is None or self._watched[worker.name] is worker
        assert flying + self._queued + len(self._pauses) == len(self._places)
        assert all(isinstance(self._places[n], WorkerLoad) for n in self._verdicts)
        assert not self._queued or all(
            worker.in_flight or worker.kills or worker.is_leaving
            for worker in self._workers.values()
        ), "a worker idles while calls wait"

    # Events

    def _handle(self, event: Event, now: float, actions: list[Action]) -> Iterable[WorkerLoad]:
        """Returns the workers that may now have room for more."""
        match event:
            case Answered():
                return self._on_answered(event, now, actions)
            case Submitted():
                return self._on_submitted(event)
            case WorkerJoined():
                return self._on_joined(event, now)
            case WorkerLost():
                return self._on_lost(event, actions)
            case Recalled():
                return self._on_recalled(event, actions)
            case Started():
                return self._on_started(event, now)
            case Cancelled():
                return self._on_cancelled(event)
            case KillRequested():
                return self._on_kill(event, now, actions)
            case TryAgain():
                return self._on_try_again(event, now)
            case GiveBack():
                return self._on_give_back(event)
            case Tick():
                return ()

    def _on_answered(
        self, event: Answered, now: float, actions: list[Action]
    ) -> Iterable[WorkerLoad]:
        worker = self._workers.get(event.worker)
        if worker is None:
            return ()  # it was lost before; its calls are elsewhere
        worker.heard_at = now
        for answer in event.answers:
            call = worker.take(answer.sequence)
            if call is None or (self._verdicts and self._ends(call, actions)):
                continue
            self._estimates.learn(call.kind, answer.seconds)
            del self._places[call.id]
            actions.append(Finish(call, answer.outcome))
        return (worker,)

    def _on_submitted(self, event: Submitted) -> Iterable[WorkerLoad]:
        for call in event.calls:
            assert call.id not in self._places, "ids are given once"
            self._places[call.id] = None
        self._queue.extend(event.calls)
        self._queued += len(event.calls)
        return self._by_load()

    def _on_joined(self, event: WorkerJoined, now: float) -> Iterable[WorkerLoad]:
        assert event.worker not in self._workers, "a lost worker comes back under another name"
        worker = self._workers[event.worker] = WorkerLoad(event.worker, now)
        if self._owed:
            self._owed -= 1
            self._part_with(worker)
        return (worker,)

    def _on_lost(self, event: WorkerLost, actions: list[Action]) -> Iterable[WorkerLoad]:
        worker = self._workers.pop(event.worker, None)
        if worker is None:
            return ()
        self._leaving.pop(event.worker, None)
        self._watched.pop(event.worker, None)
        calls = worker.calls()
        oldest = next(iter(worker.in_flight.values()), (None, 0.0))[0]
        if calls and calls[0] is oldest and event.blame is not Blame.NOBODY:
            self._charge(calls, event, actions)
        self._put_back(calls, actions)
        return self._by_load()

    def _charge(self, calls: list[Call], event: WorkerLost, actions: list[Action]) -> None:
        """The first of these."""
        deaths = calls[0].deaths + (event.blame is Blame.CALL)
        losses = (*calls[0].losses, event.cause)
        call = calls[0] = replace(calls[0], losses=losses, deaths=deaths)
        if call.id in self._verdicts:
            return
        if len(losses) > call.loss_retries or deaths >= MAX_DEATHS:
            del self._places[call.id]
            actions.append(Fail(calls.pop(0)))

    def _on_started(self, event: Started, now: float) -> Iterable[WorkerLoad]:
        worker = self._workers.get(event.worker)
        if worker is not None and event.sequence in worker.in_flight:
            timeout_s = worker.in_flight[event.sequence][0].timeout_s
            if timeout_s is not None:
                worker.limit = (event.sequence, now + timeout_s)
                self._watched[worker.name] = worker
        return ()

    def _on_recalled(self, event: Recalled, actions: list[Action]) -> Iterable[WorkerLoad]:
        worker = self._workers.get(event.worker)
        if worker is None:
            return ()
        sequences = [n for n in worker.in_flight if event.first <= n < event.upto]
        self._put_back([call for n in sequences if (call := worker.take(n))], actions)
        if event.is_answer:
            worker.answered(event.kill)
        return self._by_load()

    def _on_cancelled(self, event: Cancelled) -> Iterable[WorkerLoad]:
        touched: dict[str, WorkerLoad] = {}
        for call_id in event.calls:
            if call_id not in self._places:
                continue
            place = self._places.pop(call_id)
            if isinstance(place, WorkerLoad):
                touched[place.name] = place
                self._verdicts.pop(call_id, None)
                place.take(place.sequence_of(call_id))
            elif place is None:
                self._queued -= 1
            else:
                place.take(call_id)
        return touched.values()

    def _on_kill(
        self, event: KillRequested, now: float, actions: list[Action]
    ) -> Iterable[WorkerLoad]:
        if event.call_id not in self._places:
            return ()
        place = self._places[event.call_id]
        if isinstance(place, WorkerLoad):
            self._condemn(place, place.sequence_of(event.call_id), Verdict.KILLED, now)
        elif place is None:
            call = next(call for call in self._queue if call.id == event.call_id)
            self._queued -= 1
            self._end(call, Verdict.KILLED, actions)
        else:
            self._end(place.take(event.call_id), Verdict.KILLED, actions)
        return ()

    def _on_try_again(self, event: TryAgain, now: float) -> Iterable[WorkerLoad]:
        call = replace(event.call, tries=event.call.tries + 1)
        assert call.id not in self._places, "only what is finished is tried again"
        self._places[call.id] = self._pauses
        self._pauses.put(call, now + event.pause_s)
        return ()

    def _on_give_back(self, event: GiveBack) -> Iterable[WorkerLoad]:
        staying = [worker for worker in self._by_load() if not worker.is_leaving]
        for worker in staying[: event.count]:
            self._part_with(worker)
        self._owed += max(event.count - len(staying), 0)
        return ()

    # What follows from them

    def _wake(self, now: float) -> bool:
        """Whether calls that have paused are queued again."""
        calls = self._pauses.over(now)
        for call in calls:
            self._places[call.id] = None
        self._queue.extend(calls)
        self._queued += len(calls)
        return bool(calls)

    def _watch(self, now: float, actions: list[Action]) -> None:
        """Limits that are reached, orders that wait for an answer."""
        for worker in list(self._watched.values()):
            if worker.limit is not None and worker.limit[1] <= now:
                self._condemn(worker, worker.limit[0], Verdict.TIMED_OUT, now)
            deadline = worker.deadline()
            if deadline is None:
                del self._watched[worker.name]
            elif deadline <= now:
                self._order(worker, now, actions)
        for call_id, (verdict, end_at) in list(self._verdicts.items()):
            if end_at <= now:
                place = self._places[call_id]
                assert isinstance(place, WorkerLoad)
                del self._verdicts[call_id]
                self._end(place.let_go_of(place.sequence_of(call_id)), verdict, actions)

    def _condemn(self, worker: WorkerLoad, sequence: int, verdict: Verdict, now: float) -> None:
        call_id = worker.in_flight[sequence][0].id
        if call_id not in self._verdicts:
            self._verdicts[call_id] = (verdict, now + END_AFTER_S)
        worker.kills[sequence] = False
        worker.limit = None
        worker.asked_at = float("-inf")
        self._watched[worker.name] = worker

    def _order(self, worker: WorkerLoad, now: float, actions: list[Action]) -> None:
        worker.asked_at = now
        self._watched[worker.name] = worker
        kills = worker.kills or (None,)
        actions.extend(Recall(worker.name, worker.next_sequence, kill) for kill in kills)

    def _fill(self, hungry: Iterable[WorkerLoad], now: float, actions: list[Action]) -> None:
        for worker in hungry:
            if not self._queued:
                return
            if worker.is_leaving or worker.kills:
                continue
            if worker.is_silent(now) or not worker.is_half_empty:
                continue
            share = -(-self._queued // (2 * max(self.workers, 1)))
            first, was_idle = worker.next_sequence, not worker.in_flight
            calls = self._take_from_queue(worker, share)
            if calls:
                actions.append(Send(worker.name, first, calls))
            if was_idle:
                worker.heard_at = now

    def _take_from_queue(self, worker: WorkerLoad, share: int) -> tuple[Call, ...]:
        calls: list[Call] = []
        while self._queued and len(calls) < share:
            call = self._queue[0]
            if self._is_queued(call):
                seconds = self._estimates.expected(call.kind)
                if not worker.has_room(call, seconds):
                    break
                worker.put(call, seconds)
                self._places[call.id] = worker
                self._queued -= 1
                calls.append(call)
            self._queue.popleft()
        return tuple(calls)

    def _let_go(self, actions: list[Action]) -> None:
        for worker in list(self._leaving.values()):
            if not worker.in_flight:
                del self._workers[worker.name], self._leaving[worker.name]
                self._watched.pop(worker.name, None)
                actions.append(Release(worker.name))

    def _recall(self, now: float, actions: list[Action]) -> None:
        for worker in list(self._stuck()):
            if worker.heard_at + RECALL_AFTER_S <= now:
                worker.is_recalling = True
                self._order(worker, now, actions)

    def _stuck(self) -> Iterator[WorkerLoad]:
        """Workers at which calls wait while another worker has nothing to do."""
        if self._queued or not self._places:
            return
        if all(worker.in_flight or worker.is_leaving for worker in self._workers.values()):
            return
        for worker in self._workers.values():
            if len(worker.in_flight) > 1 and not worker.is_asked:
                yield worker

    def _deadlines(self) -> Iterator[float]:
        for worker in self._stuck():
            yield worker.heard_at + RECALL_AFTER_S
        for worker in self._watched.values():
            if (deadline := worker.deadline()) is not None:
                yield deadline
        for _, end_at in self._verdicts.values():
            yield end_at
        if (next_time := self._pauses.next_time) is not None:
            yield next_time

    # The books

    def _part_with(self, worker: WorkerLoad) -> None:
        """It gets nothing more, and leaves when it has done what it has."""
        worker.is_leaving = True
        self._leaving[worker.name] = worker

    def _is_queued(self, call: Call) -> bool:
        return self._places.get(call.id, self) is None

    def _put_back(self, calls: list[Call], actions: list[Action]) -> None:
        """To the front of the queue, in their order; but for those that nobody wants."""
        wanted = [call for call in calls if not self._ends(call, actions)]
        for call in wanted:
            self._places[call.id] = None
        self._queue.extendleft(reversed(wanted))
        self._queued += len(wanted)

    def _ends(self, call: Call, actions: list[Action]) -> bool:
        """Whether it was to be stopped, and now has been."""
        if call.id not in self._verdicts:
            return False
        self._end(call, self._verdicts.pop(call.id)[0], actions)
        return True

    def _end(self, call: Call, verdict: Verdict, actions: list[Action]) -> None:
        del self._places[call.id]
        actions.append(End(call, verdict))

    def _by_load(self) -> list[WorkerLoad]:
        return sorted(self._workers.values(), key=lambda worker: worker.load_s)
