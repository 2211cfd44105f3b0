"""Which call goes where: situations in a few lines each, then whatever hypothesis thinks of."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.frameworks.batch.call_events import (
    Action,
    Answer,
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
from fairlead.frameworks.batch.calls import END_AFTER_S, MAX_DEATHS, CallBook
from fairlead.frameworks.batch.worker_load import (
    ASK_AGAIN_S,
    MAX_BYTES_IN_FLIGHT,
    MAX_IN_FLIGHT,
    RECALL_AFTER_S,
)

TWO_MS = 1 / 512  # a sum of these is exact


class Bench:
    """A book with its workers, which answer when they are told to."""

    def __init__(self, workers: str = "", *, loss_retries: int = 4) -> None:
        self.book = CallBook()
        self.loss_retries = loss_retries
        self.now = 100.0
        self.at: dict[str, dict[int, Call]] = {}
        """What each worker was sent and has not answered, by sequence."""
        self.next_sequence: dict[str, int] = {}
        self.finished: dict[int, object] = {}
        self.failed: dict[int, tuple[str, ...]] = {}
        self.ended: dict[int, Verdict] = {}
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
                assert call.id not in self.failed | self.ended
                self.finished[call.id] = outcome
            case Fail(call):
                assert call.id not in self.finished
                self.failed[call.id] = call.losses
            case End(call, verdict):
                assert call.id not in self.finished | self.failed | self.ended
                self.ended[call.id] = verdict
            case Recall():
                self.recalls.append(action)
            case Release(worker):
                assert not self.at.pop(worker), "released with calls in its hands"
                self.released.append(worker)

    def join(self, worker: str) -> None:
        self.at[worker] = {}
        self.next_sequence[worker] = 0
        self.step(WorkerJoined(worker))

    def submit(
        self, count: int, *, kind: str = "f", size: int = 10, timeout_s: float | None = None
    ) -> list[int]:
        ids = list(range(self.ids, self.ids + count))
        self.ids += count
        more: dict[str, Any] = {"timeout_s": timeout_s, "loss_retries": self.loss_retries}
        self.step(Submitted(tuple(Call(n, kind, size, **more) for n in ids)))
        return ids

    def answer(self, worker: str, count: int = 1, *, seconds: float = 0.001) -> None:
        """The oldest calls of a worker are done."""
        sequences = list(self.at[worker])[:count]
        calls = {n: self.at[worker].pop(n) for n in sequences}
        self.step(
            Answered(worker, tuple(Answer(n, seconds, f"of {c.id}") for n, c in calls.items()))
        )

    def lose(
        self, worker: str, cause: str = "was killed", blame: Blame = Blame.OUTSIDE
    ) -> list[int]:
        calls = [call.id for call in self.at.pop(worker).values()]
        self.step(WorkerLost(worker, cause, blame))
        return calls

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.step(Tick())

    def cancel_some_queued(self, every: int) -> set[int]:
        sent = {call.id for calls in self.at.values() for call in calls.values()}
        queued = sorted(
            set(range(self.ids)) - sent - set(self.finished) - set(self.failed) - set(self.ended)
        )
        some = tuple(queued[::every])
        self.step(Cancelled(some))
        return set(some)

    def obey(self, worker: str) -> None:
        """Take back what waits behind the running call; end that one, if it is to be killed."""
        orders = [
            order for order in self.recalls if order.worker == worker and order.kill is not None
        ]
        running, *behind = [*self.at[worker]] or [self.next_sequence[worker]]
        if running in {order.kill for order in orders} and running in self.at[worker]:
            self.lose(worker, blame=Blame.NOBODY)
            return
        upto = self.next_sequence[worker]
        for sequence in behind:
            del self.at[worker][sequence]
        for kill in [None, *(order.kill for order in orders)]:
            self.step(Recalled(worker, running + 1, upto, is_answer=True, kill=kill))
            upto = running + 1  # more may have been sent

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
    assert bench.book.wanted == 3
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


def test_a_recall_is_asked_again_when_nobody_has_answered() -> None:
    bench = Bench("ab")
    bench.teach(50e-6)
    bench.submit(40)
    while bench.at["b"]:
        bench.answer("b", seconds=50e-6)
    bench.wait(RECALL_AFTER_S)
    assert len(bench.recalls) == 1
    bench.wait(ASK_AGAIN_S / 2)
    assert len(bench.recalls) == 1
    assert bench.book.next_deadline() == pytest.approx(bench.now + ASK_AGAIN_S / 2)
    bench.wait(ASK_AGAIN_S / 2)
    assert bench.recalls == [Recall("a", bench.next_sequence["a"])] * 2
    bench.obey("a")
    bench.wait(ASK_AGAIN_S)
    assert len(bench.recalls) == 2


def test_a_silent_worker_gets_nothing_new() -> None:
    bench = Bench("a")
    bench.teach(50e-6)
    bench.submit(2)
    held = len(bench.at["a"])
    bench.now += 1
    bench.submit(10)
    assert len(bench.at["a"]) == held


def test_of_a_lost_workers_calls_only_the_oldest_is_charged() -> None:
    bench = Bench("a", loss_retries=1)
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


def losses_until_it_fails(blame: Blame, loss_retries: int) -> int:
    bench = Bench(loss_retries=loss_retries)
    (call,) = bench.submit(1)
    for n in range(100):
        if call in bench.failed:
            return n
        bench.join(f"w{n}")
        bench.lose(f"w{n}", blame=blame)
    raise AssertionError("it never fails")


def test_a_call_fails_when_it_has_lost_one_worker_more_than_its_budget() -> None:
    assert losses_until_it_fails(Blame.OUTSIDE, 4) == 5
    assert losses_until_it_fails(Blame.OUTSIDE, 0) == 1


def test_a_call_that_ends_its_workers_itself_fails_the_third_time_whatever_its_budget() -> None:
    assert losses_until_it_fails(Blame.CALL, 4) == MAX_DEATHS == 3
    assert losses_until_it_fails(Blame.CALL, 100) == 3
    assert losses_until_it_fails(Blame.CALL, 0) == 1


def test_a_loss_that_we_ordered_is_charged_to_nobody() -> None:
    bench = Bench("a", loss_retries=0)
    ids = bench.submit(1)
    bench.lose("a", blame=Blame.NOBODY)
    bench.join("b")
    bench.finish()
    assert list(bench.finished) == ids


# Trying again


def test_a_call_that_is_tried_again_waits_and_holds_no_worker_meanwhile() -> None:
    bench = Bench("a")
    (call_id,) = bench.submit(1)
    call = next(iter(bench.at["a"].values()))
    bench.answer("a")
    del bench.finished[call_id]
    bench.step(TryAgain(call, 2.0))
    assert bench.book.wanted == 0
    assert bench.book.next_deadline() == 102.0
    bench.wait(1.9)
    assert bench.ids_at("a") == []
    bench.wait(0.1)
    assert [call.tries for call in bench.at["a"].values()] == [2]
    bench.finish()
    assert list(bench.finished) == [call_id]
    assert bench.book.next_deadline() is None


def test_what_a_call_has_lost_counts_for_all_its_tries() -> None:
    bench = Bench("a", loss_retries=1)
    (call_id,) = bench.submit(1)
    bench.lose("a")
    bench.join("b")
    call = next(iter(bench.at["b"].values()))
    bench.answer("b")
    del bench.finished[call_id]
    bench.step(TryAgain(call, 0.0))
    bench.lose("b")
    assert len(bench.failed[call_id]) == 2


def test_a_call_may_be_killed_while_it_waits_for_its_next_try() -> None:
    bench = Bench("a")
    ids = bench.submit(2)
    calls = {}
    for _ in ids:
        call = next(iter(bench.at["a"].values()))
        calls[call.id] = call
        bench.answer("a")
    bench.finished.clear()
    for call in calls.values():
        bench.step(TryAgain(call, 1.0 + call.id))
    bench.step(KillRequested(ids[1]))
    assert bench.ended == {ids[1]: Verdict.KILLED}
    bench.wait(1.0)
    assert bench.ids_at("a") == [ids[0]]
    bench.step(TryAgain(replace(calls[ids[0]], id=99), 1.0))
    bench.step(Cancelled((99,)))
    assert bench.book.wanted == 1


def test_a_call_that_waits_for_its_next_try_may_be_cancelled() -> None:
    bench = Bench("a")
    ids = bench.submit(2)
    call = next(iter(bench.at["a"].values()))
    bench.answer("a")
    bench.step(TryAgain(call, 60.0))
    assert [call.id for call in bench.book.pausing] == [ids[0]]
    bench.step(Cancelled((ids[0],)))
    assert bench.book.pausing == []
    assert bench.ids_at("a") == [ids[1]]
    bench.finish()
    assert bench.book.next_deadline() is None


# Stopping


def test_a_running_call_is_stopped_with_the_process_that_runs_it_and_nobody_is_charged() -> None:
    bench = Bench("a", loss_retries=0)
    bench.teach(TWO_MS)
    ids = bench.submit(3)
    first = next(iter(bench.at["a"]))
    bench.step(KillRequested(ids[0]))
    assert bench.recalls == [Recall("a", bench.next_sequence["a"], first)]
    assert bench.ended == {}, "its process may still run"
    bench.lose("a", blame=Blame.NOBODY)
    assert bench.ended == {ids[0]: Verdict.KILLED}
    bench.join("b")
    bench.finish()
    assert set(bench.finished) >= set(ids[1:])
    assert not bench.failed


def test_a_killed_call_that_had_not_begun_is_just_taken_back() -> None:
    bench = Bench("a")
    bench.teach(TWO_MS)
    ids = bench.submit(3)
    second = list(bench.at["a"])[1]
    bench.step(KillRequested(ids[1]))
    assert bench.recalls == [Recall("a", bench.next_sequence["a"], second)]
    bench.obey("a")
    assert bench.ended == {ids[1]: Verdict.KILLED}
    bench.finish()
    assert set(bench.finished) >= {ids[0], ids[2]}


def test_a_killed_call_that_was_just_done_ends_as_killed() -> None:
    bench = Bench("a")
    ids = bench.submit(1)
    bench.step(KillRequested(ids[0]))
    bench.answer("a")
    assert bench.ended == {ids[0]: Verdict.KILLED}
    assert bench.finished == {}
    later = bench.submit(1)
    assert bench.ids_at("a") == [], "its process may still be ended"
    bench.step(Recalled("a", 1, 1, is_answer=True, kill=0))
    assert bench.ids_at("a") == later
    assert bench.book.next_deadline() is None


def test_a_worker_is_free_when_order_and_call_are_answered_in_whatever_order() -> None:
    bench = Bench("a")
    ids = bench.submit(1)
    bench.step(KillRequested(ids[0]))
    bench.step(Recalled("a", 1, 1, is_answer=True, kill=0))
    assert bench.ended == {}, "its answer is on its way"
    later = bench.submit(1)
    assert bench.ids_at("a") == ids
    bench.answer("a")
    assert bench.ids_at("a") == later


def test_what_a_process_skipped_answers_no_order() -> None:
    bench = Bench("a")
    bench.teach(TWO_MS)
    ids = bench.submit(3)
    second = list(bench.at["a"])[1]
    bench.step(KillRequested(ids[0]))
    del bench.at["a"][second]
    bench.step(Recalled("a", second, second + 1))
    assert bench.ids_at("a") == ids[:1], "it gets nothing while it may still be ended"
    bench.lose("a", blame=Blame.NOBODY)
    bench.join("b")
    bench.finish()
    assert set(bench.finished) >= set(ids[1:])


def test_a_queued_call_is_killed_at_once_and_one_that_is_done_is_not() -> None:
    bench = Bench()
    ids = bench.submit(2)
    bench.step(KillRequested(ids[0]))
    assert bench.ended == {ids[0]: Verdict.KILLED}
    bench.join("a")
    bench.finish()
    bench.step(KillRequested(ids[1]))
    assert list(bench.finished) == [ids[1]]
    assert bench.ended == {ids[0]: Verdict.KILLED}


def test_a_worker_that_is_to_stop_a_call_gets_no_others() -> None:
    bench = Bench("a")
    bench.teach(TWO_MS)
    ids = bench.submit(1)
    bench.step(KillRequested(ids[0]))
    bench.submit(1)
    assert bench.ids_at("a") == ids


def test_an_order_to_stop_is_given_again_and_the_call_is_over_after_a_while() -> None:
    bench = Bench("a")
    ids = bench.submit(1)
    sequence = next(iter(bench.at["a"]))
    bench.step(KillRequested(ids[0]))
    bench.wait(ASK_AGAIN_S)
    bench.wait(END_AFTER_S - ASK_AGAIN_S)
    assert bench.recalls == [Recall("a", sequence + 1, sequence)] * 3
    assert bench.ended == {ids[0]: Verdict.KILLED}
    others = bench.submit(1)
    assert bench.book.wanted == 1
    bench.wait(ASK_AGAIN_S)
    assert len(bench.recalls) == 4, "its process is still to be ended"
    bench.lose("a", blame=Blame.OUTSIDE)
    bench.join("b")
    bench.finish()
    assert list(bench.finished) == others
    assert not bench.failed


def test_a_call_is_stopped_when_it_has_run_too_long_not_when_it_has_waited() -> None:
    bench = Bench("a")
    bench.teach(TWO_MS)
    ids = bench.submit(3, timeout_s=5.0)
    first, second = bench.at["a"]
    bench.wait(100.0)
    assert bench.recalls == []
    bench.step(Started("a", first))
    assert bench.book.next_deadline() == bench.now + 5.0
    bench.wait(4.0)
    bench.answer("a")
    bench.step(Started("a", second))
    bench.wait(4.0)
    assert bench.recalls == []
    bench.wait(1.0)
    assert bench.recalls == [Recall("a", bench.next_sequence["a"], second)]
    bench.lose("a", blame=Blame.NOBODY)
    assert bench.ended == {ids[1]: Verdict.TIMED_OUT}
    bench.join("b")
    bench.finish()
    assert ids[2] in bench.finished


def test_a_call_that_timed_out_may_be_tried_again_before_its_worker_let_go_of_it() -> None:
    bench = Bench("a")
    (call_id,) = bench.submit(1, timeout_s=1.0)
    ((sequence, call),) = bench.at["a"].items()
    bench.step(Started("a", sequence))
    bench.wait(1.0)
    bench.wait(END_AFTER_S)
    assert bench.ended.pop(call_id) is Verdict.TIMED_OUT
    bench.step(TryAgain(call, 0.0))
    bench.join("b")
    assert bench.ids_at("b") == [call_id]
    bench.answer("a")  # too late, and nobody is told
    assert bench.finished == {}
    bench.finish()
    assert list(bench.finished) == [call_id]


def test_what_nobody_limited_is_not_limited() -> None:
    bench = Bench("a")
    bench.submit(1)
    bench.step(Started("a", next(iter(bench.at["a"]))))
    bench.step(Started("a", 77))
    bench.step(Started("z", 0))
    assert bench.book.next_deadline() is None


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
    assert bench.book.wanted == 0


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


def happen_to(bench: Bench, worker: str, what: str, amount: int) -> None:
    if what == "started" and bench.at[worker]:
        bench.step(Started(worker, next(iter(bench.at[worker]))))
    elif what == "stop":
        bench.lose(worker, blame=Blame.NOBODY)
    elif what == "answer":
        bench.answer(worker, amount, seconds=amount / 1000)
    elif what == "lose":
        bench.lose(worker, blame=Blame.CALL if amount % 2 else Blame.OUTSIDE)
    elif what == "recalled":
        bench.obey(worker)


def simulate(choices: Iterable[tuple[str, int]]) -> Bench:
    """Whatever may happen, in whatever order; then everything calms down and must finish."""
    bench = Bench(loss_retries=2)
    names = iter(f"w{n}" for n in range(10_000))
    cancelled: set[int] = set()
    submitted: set[int] = set()
    for what, amount in choices:
        workers = sorted(bench.at)
        worker = workers[amount % len(workers)] if workers else None
        if what == "submit":
            timeout_s = amount / 50 if amount % 2 else None
            more = bench.submit(amount, kind=f"k{amount % 3}", size=amount, timeout_s=timeout_s)
            submitted |= set(more)
        elif what == "join":
            bench.join(next(names))
        elif what == "wait":
            bench.now += amount / 100
            bench.step(Tick())
        elif what == "give-back":
            bench.step(GiveBack(amount % 4))
        elif what == "cancel":
            cancelled |= bench.cancel_some_queued(1 + amount % 5)
        elif what == "kill" and submitted:
            bench.step(KillRequested(amount * 7 % (max(submitted) + 1)))
        elif worker is not None:
            happen_to(bench, worker, what, amount)
    for worker in list(bench.at):
        bench.obey(worker)
    while bench.book.workers < 2:  # those that were asked back leave at once
        bench.join(next(names))
    bench.finish()
    assert bench.book.wanted == 0
    assert set(bench.finished) | set(bench.failed) | set(bench.ended) | cancelled == submitted
    assert not cancelled & (set(bench.finished) | set(bench.failed) | set(bench.ended))
    assert all(len(causes) == 3 for causes in bench.failed.values())
    return bench


WHAT = "submit join answer answer lose wait cancel recalled give-back kill started stop"
EVENTS = st.tuples(st.sampled_from(WHAT.split()), st.integers(1, 40))


@settings(max_examples=300)
@given(st.lists(EVENTS, max_size=60))
def test_no_call_is_lost_and_none_is_answered_twice(choices: list[tuple[str, int]]) -> None:
    simulate(choices)


@given(st.lists(EVENTS, max_size=40))
def test_the_same_events_give_the_same_actions(choices: list[tuple[str, int]]) -> None:
    one, other = simulate(choices), simulate(choices)
    assert list(one.finished) == list(other.finished)
    assert one.recalls == other.recalls
