"""Which call goes where: situations in a few lines each, then whatever hypothesis thinks of."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.frameworks.batch.call_events import (
    Action,
    Answer,
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
from fairlead.frameworks.batch.calls import (
    MAX_BYTES_IN_FLIGHT,
    MAX_IN_FLIGHT,
    RECALL_AFTER_S,
    CallBook,
)

TWO_MS = 1 / 512  # a sum of these is exact


class Bench:
    """A book with its workers, which answer when they are told to."""

    def __init__(self, workers: str = "", *, max_losses: int = 4) -> None:
        self.book = CallBook(max_losses)
        self.now = 100.0
        self.at: dict[str, dict[int, Call]] = {}
        """What each worker was sent and has not answered, by sequence."""
        self.next_sequence: dict[str, int] = {}
        self.finished: dict[int, object] = {}
        self.failed: dict[int, tuple[str, ...]] = {}
        self.recalls: list[Recall] = []
        self.released: list[str] = []
        self.ids = 0
        for worker in workers:
            self.join(worker)

    def step(self, event: Event) -> list[Action]:
        actions = self.book.step(event, self.now)
        self.book.check()
        for action in actions:
            self._note(action)
        return actions

    def _note(self, action: Action) -> None:
        match action:
            case Send(worker, first, calls):
                assert first == self.next_sequence[worker]
                assert calls
                self.next_sequence[worker] += len(calls)
                self.at[worker] |= dict(enumerate(calls, first))
            case Finish(call, outcome):
                assert call.id not in self.finished, "answered twice"
                assert call.id not in self.failed
                self.finished[call.id] = outcome
            case Fail(call, causes):
                assert call.id not in self.finished
                self.failed[call.id] = causes
            case Recall():
                self.recalls.append(action)
            case Release(worker):
                assert not self.at.pop(worker), "released with calls in its hands"
                self.released.append(worker)

    def join(self, worker: str) -> None:
        self.at[worker] = {}
        self.next_sequence[worker] = 0
        self.step(WorkerJoined(worker))

    def submit(self, count: int, *, kind: str = "f", size: int = 10) -> list[int]:
        ids = list(range(self.ids, self.ids + count))
        self.ids += count
        self.step(Submitted(tuple(Call(n, kind, size) for n in ids)))
        return ids

    def answer(self, worker: str, count: int = 1, *, seconds: float = 0.001) -> None:
        """The oldest calls of a worker are done."""
        sequences = list(self.at[worker])[:count]
        calls = {n: self.at[worker].pop(n) for n in sequences}
        self.step(
            Answered(worker, tuple(Answer(n, seconds, f"of {c.id}") for n, c in calls.items()))
        )

    def lose(self, worker: str, cause: str = "was killed") -> list[int]:
        calls = [call.id for call in self.at.pop(worker).values()]
        self.step(WorkerLost(worker, cause))
        return calls

    def cancel_some_queued(self, every: int) -> set[int]:
        sent = {call.id for calls in self.at.values() for call in calls.values()}
        queued = sorted(set(range(self.ids)) - sent - set(self.finished) - set(self.failed))
        some = tuple(queued[::every])
        self.step(Cancelled(some))
        return set(some)

    def take_back_all_but_the_oldest(self, worker: str) -> None:
        behind = list(self.at[worker])[1:]
        for sequence in behind:
            del self.at[worker][sequence]
        if behind:
            self.step(Recalled(worker, behind[0], self.next_sequence[worker]))

    def ids_at(self, worker: str) -> list[int]:
        return [call.id for call in self.at[worker].values()]

    def teach(self, seconds: float, kind: str = "f") -> None:
        """Let the book learn what such calls cost."""
        worker = next(iter(self.at))
        for _ in range(30):
            self.submit(1, kind=kind)
            holder = next(name for name, calls in self.at.items() if calls)
            self.answer(holder, seconds=seconds)
        assert not self.at[worker]

    def finish(self, seconds: Callable[[Call], float] = lambda _: 0.001) -> None:
        """Every worker answers, in turn, until nothing is left."""
        while any(self.at.values()):
            for worker in list(self.at):
                if self.at.get(worker):
                    oldest = next(iter(self.at[worker].values()))
                    self.answer(worker, seconds=seconds(oldest))


def test_calls_of_unknown_cost_travel_alone() -> None:
    bench = Bench("ab")
    bench.submit(10)
    assert [len(bench.at[w]) for w in "ab"] == [1, 1]


def test_tiny_calls_travel_in_batches() -> None:
    bench = Bench("ab")
    bench.teach(50e-6)
    bench.submit(10_000)
    assert [len(bench.at[w]) for w in "ab"] == [MAX_IN_FLIGHT, MAX_IN_FLIGHT]


def test_a_worker_holds_about_40_ms_of_work() -> None:
    bench = Bench("ab")
    bench.teach(TWO_MS)
    bench.submit(1000)
    assert [len(bench.at[w]) for w in "ab"] == [20, 20]


def test_more_comes_when_half_is_done_not_before() -> None:
    bench = Bench("a")
    bench.teach(TWO_MS)
    bench.submit(1000)
    bench.answer("a", 9, seconds=TWO_MS)
    assert len(bench.at["a"]) == 11
    bench.answer("a", 1, seconds=TWO_MS)
    assert len(bench.at["a"]) == 20


def test_slow_calls_are_sent_one_at_a_time() -> None:
    bench = Bench("ab")
    bench.teach(3.0)
    bench.submit(10)
    assert [len(bench.at[w]) for w in "ab"] == [1, 1]
    bench.answer("a", seconds=3.0)
    assert [len(bench.at[w]) for w in "ab"] == [1, 1]


def test_calls_of_20_ms_leave_no_worker_idle_between_two() -> None:
    bench = Bench("a")
    bench.teach(0.0199)
    bench.submit(10)
    assert len(bench.at["a"]) == 2


def test_a_short_queue_is_spread_over_the_workers() -> None:
    bench = Bench("abcd")
    bench.teach(50e-6)
    bench.submit(4)
    assert [len(bench.at[w]) for w in "abcd"] == [1, 1, 1, 1]


def test_the_end_of_a_long_queue_comes_in_ever_smaller_batches() -> None:
    bench = Bench("ab")
    bench.teach(50e-6)
    batches = []
    actions = bench.step(Submitted(tuple(Call(10_000 + n, "f", 1) for n in range(1000))))
    while any(bench.at.values()):
        batches += [len(action.calls) for action in actions if isinstance(action, Send)]
        worker = max(bench.at, key=lambda w: len(bench.at[w]))
        held = [bench.at[worker].pop(n) for n in list(bench.at[worker])]
        first = bench.next_sequence[worker] - len(held)
        answers = tuple(Answer(first + n, 50e-6, None) for n in range(len(held)))
        actions = bench.step(Answered(worker, answers))
    assert sum(batches) == 1000
    assert batches[-1] == 1
    assert batches == sorted(batches, reverse=True)


def test_large_arguments_limit_what_a_worker_holds() -> None:
    bench = Bench("a")
    bench.teach(50e-6)
    bench.submit(100, size=MAX_BYTES_IN_FLIGHT // 4)
    assert len(bench.at["a"]) == 4


def test_one_argument_beyond_the_limit_still_travels() -> None:
    bench = Bench("a")
    bench.submit(1, size=10 * MAX_BYTES_IN_FLIGHT)
    assert len(bench.at["a"]) == 1


def test_kinds_are_judged_apart() -> None:
    bench = Bench("a")
    bench.teach(50e-6, kind="quick")
    bench.teach(1.0, kind="slow")
    bench.submit(1, kind="slow")
    bench.submit(5, kind="quick")
    assert len(bench.at["a"]) == 1  # nothing is put behind a call that takes a second
    bench.answer("a", seconds=1.0)
    assert len(bench.at["a"]) > 1


def test_calls_wait_for_a_worker() -> None:
    bench = Bench()
    bench.submit(3)
    assert bench.book.unfinished == 3
    bench.join("a")
    bench.finish()
    assert list(bench.finished) == [0, 1, 2]


def test_calls_behind_a_slow_one_are_recalled_when_another_worker_is_idle() -> None:
    bench = Bench("ab")
    bench.teach(50e-6)
    bench.submit(40)
    while bench.at["b"]:
        bench.answer("b", seconds=50e-6)
    waiting = bench.ids_at("a")
    assert len(waiting) > 1
    assert bench.book.next_deadline() == pytest.approx(100.0 + RECALL_AFTER_S)
    bench.now += RECALL_AFTER_S
    bench.step(Tick())
    assert bench.recalls == [Recall("a", bench.next_sequence["a"])]

    first = next(iter(bench.at["a"]))
    behind = {n: bench.at["a"].pop(n) for n in list(bench.at["a"]) if n != first}
    bench.step(Recalled("a", first + 1, bench.next_sequence["a"]))
    assert bench.ids_at("a") == waiting[:1]
    assert set(bench.ids_at("b")) <= {call.id for call in behind.values()}
    while bench.at["b"]:
        bench.answer("b", seconds=50e-6)
    assert set(bench.finished) >= set(waiting[1:])


def test_nothing_is_recalled_while_every_worker_has_something_to_do() -> None:
    bench = Bench("ab")
    bench.teach(50e-6)
    bench.submit(100)
    bench.now += 10
    bench.step(Tick())
    assert bench.recalls == []
    assert bench.book.next_deadline() is None


def test_a_recall_is_asked_once() -> None:
    bench = Bench("ab")
    bench.teach(50e-6)
    bench.submit(40)
    while bench.at["b"]:
        bench.answer("b", seconds=50e-6)
    for _ in range(5):
        bench.now += 1
        bench.step(Tick())
    assert len(bench.recalls) == 1


def test_a_silent_worker_gets_nothing_new() -> None:
    bench = Bench("a")
    bench.teach(50e-6)
    bench.submit(2)
    held = len(bench.at["a"])
    bench.now += 1
    bench.submit(10)
    assert len(bench.at["a"]) == held


def test_of_a_lost_workers_calls_only_the_oldest_is_charged() -> None:
    bench = Bench("a", max_losses=2)
    bench.teach(0.001)
    ids = bench.submit(10)
    bench.lose("a", "exited with code 3")
    bench.join("b")
    assert bench.ids_at("b")[0] == ids[0]  # to the front, in their order
    bench.lose("b", "was killed by SIGSEGV")
    assert bench.failed == {ids[0]: ("exited with code 3", "was killed by SIGSEGV")}
    bench.join("c")
    bench.finish()
    assert set(bench.finished) >= set(ids[1:])


def test_what_a_lost_worker_still_says_is_ignored() -> None:
    bench = Bench("ab")
    ids = bench.submit(2)
    sequence = next(iter(bench.at["a"]))
    bench.lose("a")
    bench.finish()
    before = dict(bench.finished)
    bench.step(Answered("a", (Answer(sequence, 0.1, "too late"),)))
    bench.step(Recalled("a", 0, 10))
    assert bench.finished == before
    assert set(before) == set(ids)


def test_an_answer_that_nobody_asked_for_is_ignored() -> None:
    bench = Bench("a")
    bench.submit(1)
    bench.step(Answered("a", (Answer(99, 0.1, "whose?"),)))
    assert bench.finished == {}


def test_a_worker_lost_while_idle_harms_nobody() -> None:
    bench = Bench("ab")
    bench.lose("a")
    bench.submit(3)
    bench.finish()
    assert len(bench.finished) == 3


def test_a_cancelled_call_is_never_sent() -> None:
    bench = Bench()
    ids = bench.submit(5)
    bench.step(Cancelled((ids[0], ids[3])))
    bench.join("a")
    bench.finish()
    assert list(bench.finished) == [ids[1], ids[2], ids[4]]


def test_a_call_cancelled_at_the_last_moment_leaves_room_for_others() -> None:
    bench = Bench("a")
    ids = bench.submit(2)
    bench.at["a"].clear()  # the shell found it cancelled, and did not send it
    bench.step(Cancelled((ids[0],)))
    assert bench.ids_at("a") == [ids[1]]


def test_cancelling_twice_or_too_late_changes_nothing() -> None:
    bench = Bench("a")
    ids = bench.submit(1)
    bench.finish()
    bench.step(Cancelled((ids[0], ids[0], 12345)))
    assert bench.book.unfinished == 0


def test_the_idle_are_given_back_first_and_at_once() -> None:
    bench = Bench("abc")
    bench.submit(1)
    busy = next(w for w in "abc" if bench.at[w])
    bench.step(GiveBack(2))
    assert sorted(bench.released) == sorted(set("abc") - {busy})


def test_a_busy_worker_is_given_back_when_its_calls_are_done() -> None:
    bench = Bench("ab")
    bench.teach(50e-6)
    bench.submit(300)
    bench.step(GiveBack(1))
    assert bench.released == []
    assert bench.book.workers == 1
    bench.finish(lambda _: 50e-6)
    assert len(bench.released) == 1
    assert len(bench.finished) == 330


def test_a_worker_asked_back_before_it_came_leaves_at_once() -> None:
    bench = Bench("a")
    bench.submit(3)
    bench.step(GiveBack(2))
    bench.join("b")
    assert bench.released == ["b"]
    bench.finish()
    assert bench.released == ["b", "a"]
    bench.join("c")
    bench.finish()
    assert len(bench.finished) == 3


def test_estimates_follow_what_calls_have_taken_lately() -> None:
    bench = Bench("a")
    bench.teach(1.0)
    bench.teach(50e-6)
    bench.submit(10_000)
    assert len(bench.at["a"]) > 100


def simulate(choices: Iterable[tuple[str, int]]) -> Bench:
    """Whatever may happen, in whatever order; then everything calms down and must finish."""
    bench = Bench(max_losses=3)
    names = iter(f"w{n}" for n in range(10_000))
    cancelled: set[int] = set()
    submitted: set[int] = set()
    for what, amount in choices:
        workers = sorted(bench.at)
        worker = workers[amount % len(workers)] if workers else None
        if what == "submit":
            submitted |= set(bench.submit(amount, kind=f"k{amount % 3}", size=amount))
        elif what == "join":
            bench.join(next(names))
        elif what == "wait":
            bench.now += amount / 100
            bench.step(Tick())
        elif what == "give back":
            bench.step(GiveBack(amount % 4))
        elif what == "cancel":
            cancelled |= bench.cancel_some_queued(1 + amount % 5)
        elif worker is None:
            continue
        elif what == "answer":
            bench.answer(worker, amount, seconds=amount / 1000)
        elif what == "lose":
            bench.lose(worker)
        elif what == "recalled":
            bench.take_back_all_but_the_oldest(worker)
    while bench.book.workers < 2:  # those that were asked back leave at once
        bench.join(next(names))
    bench.finish()
    assert bench.book.unfinished == 0
    assert set(bench.finished) | set(bench.failed) | cancelled == submitted
    assert not cancelled & (set(bench.finished) | set(bench.failed))
    assert all(len(causes) == 3 for causes in bench.failed.values())
    return bench


EVENTS = st.tuples(
    st.sampled_from(
        ["submit", "join", "answer", "answer", "lose", "wait", "cancel", "recalled", "give back"]
    ),
    st.integers(1, 40),
)


@settings(max_examples=300)
@given(st.lists(EVENTS, max_size=60))
def test_no_call_is_lost_and_none_is_answered_twice(choices: list[tuple[str, int]]) -> None:
    simulate(choices)


@given(st.lists(EVENTS, max_size=40))
def test_the_same_events_give_the_same_actions(choices: list[tuple[str, int]]) -> None:
    one, other = simulate(choices), simulate(choices)
    assert list(one.finished) == list(other.finished)
    assert one.recalls == other.recalls
