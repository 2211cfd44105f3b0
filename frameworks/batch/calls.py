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
has lost `max_losses` workers fails.

Considered and refused: a fixed chunk size (wrong by a factor of a thousand for one kind of call or
the other); workers that ask for each call (a round trip of idleness per call); stealing between
workers (they would have to know and trust one another).
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import field

from fairlead.common.dataclass import dataclass

from .call_events import (
    Action,
    Answered,
    Call,
    Cancelled,
    Event,
    Fail,
    Finish,
    GiveBack,
    Recall,
    Recalled,
    Release,
    Send,
    Submitted,
    Tick,
    WorkerJoined,
    WorkerLost,
)

HOLD_S = 0.04
MAX_IN_FLIGHT = 256
MAX_BYTES_IN_FLIGHT = 32 << 20
RECALL_AFTER_S = 0.05
MAX_LOSSES = 4
_LEAST_S = 20e-6
"""What even the smallest call costs."""
_KINDS_REMEMBERED = 1000


@dataclass(slots=True)
class _Worker:
    name: str
    heard_at: float
    in_flight: dict[int, tuple[Call, float]] = field(default_factory=dict)
    """By sequence, oldest first, with the seconds expected: the first one is running."""
    load_s: float = 0.0
    load_bytes: int = 0
    next_sequence: int = 0
    is_recalling: bool = False
    is_leaving: bool = False

    @property
    def is_half_empty(self) -> bool:
        return (
            self.load_s <= HOLD_S / 2
            and len(self.in_flight) <= MAX_IN_FLIGHT / 2
            and self.load_bytes <= MAX_BYTES_IN_FLIGHT / 2
        )

    def is_silent(self, now: float) -> bool:
        """It is busy with something long: what waits behind that may wait in vain."""
        return bool(self.in_flight) and self.heard_at + RECALL_AFTER_S <= now

    def has_room(self, call: Call, seconds: float) -> bool:
        return not self.in_flight or (
            self.load_s + seconds <= HOLD_S
            and len(self.in_flight) < MAX_IN_FLIGHT
            and self.load_bytes + call.size <= MAX_BYTES_IN_FLIGHT
        )

    def put(self, call: Call, seconds: float) -> None:
        self.in_flight[self.next_sequence] = (call, seconds)
        self.next_sequence += 1
        self.load_s += seconds
        self.load_bytes += call.size

    def take(self, sequence: int) -> Call | None:
        call, seconds = self.in_flight.pop(sequence, (None, 0.0))
        if call is not None:
            # Sums of floats drift; an empty worker has no load, exactly.
            self.load_s = self.load_s - seconds if self.in_flight else 0.0
            self.load_bytes -= call.size
        return call


class CallBook:
    """The calls that are not finished, and the workers of one job."""

    def __init__(self, max_losses: int = MAX_LOSSES) -> None:
        self._max_losses = max_losses
        self._queue: deque[Call] = deque()
        """In order. Calls cancelled here are left until they come to the front."""
        self._places: dict[int, _Worker | None] = {}
        """Where each unfinished call is; None is the queue."""
        self._queued = 0
        self._workers: dict[str, _Worker] = {}
        self._leaving: dict[str, _Worker] = {}
        self._owed = 0
        """Workers that were asked back while still on their way to us."""
        self._causes: dict[int, tuple[str, ...]] = {}
        self._seconds: OrderedDict[str, float] = OrderedDict()

    @property
    def unfinished(self) -> int:
        """How many calls are queued or in flight."""
        return len(self._places)

    @property
    def workers(self) -> int:
        """How many workers we have and keep."""
        return len(self._workers) - len(self._leaving)

    def step(self, event: Event, now: float) -> list[Action]:
        """The only door."""
        actions: list[Action] = []
        match event:
            case Answered():
                hungry = self._on_answered(event, now, actions)
            case Submitted():
                hungry = self._on_submitted(event)
            case WorkerJoined():
                hungry = self._on_joined(event, now)
            case WorkerLost():
                hungry = self._on_lost(event, actions)
            case Recalled():
                hungry = self._on_recalled(event)
            case Cancelled():
                hungry = self._on_cancelled(event)
            case GiveBack():
                hungry = self._on_give_back(event)
            case Tick():
                hungry = ()
        self._fill(hungry, now, actions)
        self._let_go(actions)
        self._recall(now, actions)
        return actions

    def next_deadline(self) -> float | None:
        """When a Tick will recall something, if nothing happens before."""
        return min((worker.heard_at + RECALL_AFTER_S for worker in self._stuck()), default=None)

    def check(self) -> None:
        """Every unfinished call is in exactly one place."""
        queued = [call.id for call in self._queue if self._is_queued(call)]
        assert len(queued) == len(set(queued)) == self._queued
        flying = 0
        for worker in self._workers.values():
            calls = [call for call, _ in worker.in_flight.values()]
            flying += len(calls)
            assert all(self._places[call.id] is worker for call in calls)
            assert list(worker.in_flight) == sorted(worker.in_flight)
            assert worker.load_bytes == sum(call.size for call in calls)
        assert flying + self._queued == len(self._places)
        assert set(self._causes) <= set(self._places)
        assert not self._queued or all(
            worker.in_flight for worker in self._workers.values() if not worker.is_leaving
        ), "a worker idles while calls wait"

    # Events

    def _on_answered(self, event: Answered, now: float, actions: list[Action]) -> Iterable[_Worker]:
        worker = self._workers.get(event.worker)
        if worker is None:
            return ()  # it was lost before; its calls are elsewhere
        worker.heard_at = now
        for answer in event.answers:
            call = worker.take(answer.sequence)
            if call is not None:
                self._learn(call.kind, answer.seconds)
                self._forget(call)
                actions.append(Finish(call, answer.outcome))
        return (worker,)

    def _on_submitted(self, event: Submitted) -> Iterable[_Worker]:
        for call in event.calls:
            assert call.id not in self._places, "ids are given once"
            self._places[call.id] = None
        self._queue.extend(event.calls)
        self._queued += len(event.calls)
        return self._by_load()

    def _on_joined(self, event: WorkerJoined, now: float) -> Iterable[_Worker]:
        assert event.worker not in self._workers, "a lost worker comes back under another name"
        worker = self._workers[event.worker] = _Worker(event.worker, now)
        if self._owed:
            self._owed -= 1
            self._part_with(worker)
        return (worker,)

    def _on_lost(self, event: WorkerLost, actions: list[Action]) -> Iterable[_Worker]:
        worker = self._workers.pop(event.worker, None)
        if worker is None:
            return ()
        self._leaving.pop(event.worker, None)
        calls = [call for call, _ in worker.in_flight.values()]
        if calls:
            causes = (*self._causes.get(calls[0].id, ()), event.cause)
            self._causes[calls[0].id] = causes
            if len(causes) >= self._max_losses:
                self._forget(calls[0])
                actions.append(Fail(calls.pop(0), causes))
        self._put_back(calls)
        return self._by_load()

    def _on_recalled(self, event: Recalled) -> Iterable[_Worker]:
        worker = self._workers.get(event.worker)
        if worker is None:
            return ()
        worker.is_recalling = False
        sequences = [n for n in worker.in_flight if event.first <= n < event.upto]
        self._put_back([call for n in sequences if (call := worker.take(n))])
        return self._by_load()

    def _on_cancelled(self, event: Cancelled) -> Iterable[_Worker]:
        touched: dict[str, _Worker] = {}
        for call_id in event.calls:
            if call_id not in self._places:
                continue
            worker = self._places.pop(call_id)
            self._causes.pop(call_id, None)
            if worker is None:
                self._queued -= 1
            else:
                touched[worker.name] = worker
                flying = worker.in_flight.items()
                worker.take(next(n for n, (call, _) in flying if call.id == call_id))
        return touched.values()

    def _on_give_back(self, event: GiveBack) -> Iterable[_Worker]:
        staying = [worker for worker in self._by_load() if not worker.is_leaving]
        for worker in staying[: event.count]:
            self._part_with(worker)
        self._owed += max(event.count - len(staying), 0)
        return ()

    # What follows from them

    def _fill(self, hungry: Iterable[_Worker], now: float, actions: list[Action]) -> None:
        for worker in hungry:
            if not self._queued:
                return
            if worker.is_leaving or worker.is_silent(now) or not worker.is_half_empty:
                continue
            share = -(-self._queued // (2 * max(self.workers, 1)))
            first, was_idle = worker.next_sequence, not worker.in_flight
            calls = self._take_from_queue(worker, share)
            if calls:
                actions.append(Send(worker.name, first, calls))
            if was_idle:
                worker.heard_at = now

    def _take_from_queue(self, worker: _Worker, share: int) -> tuple[Call, ...]:
        calls: list[Call] = []
        while self._queued and len(calls) < share:
            call = self._queue[0]
            if self._is_queued(call):
                seconds = self._expected(call)
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
                actions.append(Release(worker.name))

    def _recall(self, now: float, actions: list[Action]) -> None:
        for worker in list(self._stuck()):
            if worker.heard_at + RECALL_AFTER_S <= now:
                worker.is_recalling = True
                actions.append(Recall(worker.name, worker.next_sequence))

    def _stuck(self) -> Iterator[_Worker]:
        """Workers at which calls wait while another worker has nothing to do."""
        if self._queued or not self._places:
            return
        if all(worker.in_flight or worker.is_leaving for worker in self._workers.values()):
            return
        for worker in self._workers.values():
            if len(worker.in_flight) > 1 and not worker.is_recalling:
                yield worker

    # The books

    def _part_with(self, worker: _Worker) -> None:
        """It gets nothing more, and leaves when it has done what it has."""
        worker.is_leaving = True
        self._leaving[worker.name] = worker

    def _is_queued(self, call: Call) -> bool:
        return self._places.get(call.id, self) is None

    def _put_back(self, calls: list[Call]) -> None:
        """To the front of the queue, in their order."""
        for call in calls:
            self._places[call.id] = None
        self._queue.extendleft(reversed(calls))
        self._queued += len(calls)

    def _forget(self, call: Call) -> None:
        del self._places[call.id]
        self._causes.pop(call.id, None)

    def _by_load(self) -> list[_Worker]:
        return sorted(self._workers.values(), key=lambda worker: worker.load_s)

    def _expected(self, call: Call) -> float:
        return self._seconds.get(call.kind, HOLD_S)

    def _learn(self, kind: str, seconds: float) -> None:
        seconds = max(seconds, _LEAST_S)
        known = self._seconds.pop(kind, seconds)
        self._seconds[kind] = known + (seconds - known) / 4
        if len(self._seconds) > _KINDS_REMEMBERED:
            self._seconds.popitem(last=False)
