"""Calls through the real data path: real sockets, real worker processes, real deaths."""

import asyncio
import contextlib
import importlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from tests.support.batch import PATIENCE_S, LocalBatch, local_batch, wait_until

from fairlead.common.errors import ConfigError, UnauthenticatedError, UnavailableError
from fairlead.common.resources import Resources
from fairlead.frameworks.batch import (
    CallKilledError,
    CallTimeoutError,
    Executor,
    NoSuchWorkerError,
    NotLoadableError,
    NotPicklableError,
    RemoteError,
    RemoteTraceback,
    WorkerDiedError,
    pywren,
)
from fairlead.frameworks.batch import service as batch_service
from fairlead.frameworks.batch.handshake import MAGIC, REFUSAL


@pytest.fixture
def batch(fairlead_home: Path) -> Iterator[LocalBatch]:
    with local_batch(fairlead_home) as running:
        yield running


@pytest.fixture
def executor(batch: LocalBatch) -> Iterator[Executor]:
    with Executor(max_workers=2) as running:
        yield running


def slowly(seconds: float) -> Callable[[int], int]:
    """A function that travels by value, so that workers need not import this module."""

    def same(n: int) -> int:
        time.sleep(seconds)
        return n

    return same


def runs(process: psutil.Process) -> bool:
    """And is not merely waiting to be reaped."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


# What concurrent.futures documents


def test_map_equals_the_builtin(executor: Executor) -> None:
    assert list(executor.map(lambda n: n * n, range(10_000))) == [n * n for n in range(10_000)]


def test_map_takes_several_iterables_of_which_the_shortest_decides(executor: Executor) -> None:
    assert list(executor.map(pow, [2, 3, 4], [5, 6])) == [32, 729]


def test_map_times_out(executor: Executor) -> None:
    executor.submit(int).result(PATIENCE_S)  # from now on a worker is warm
    results = executor.map(time.sleep, [0, 4], timeout=2, chunksize=3)
    assert next(results) is None
    with pytest.raises(TimeoutError):
        next(results)


def test_submit_takes_any_arguments(executor: Executor) -> None:
    def shape(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return args, kwargs

    future = executor.submit(shape, 1, [2], fn=3, self=4)
    assert future.result(PATIENCE_S) == ((1, [2]), {"fn": 3, "self": 4})


def test_arguments_are_as_they_were_when_submitted(executor: Executor) -> None:
    changing = [1]
    future = executor.submit(sum, changing)
    changing.append(100)
    assert future.result(PATIENCE_S) == 1


def test_wait_as_completed_callbacks_and_asyncio(executor: Executor) -> None:
    several = [executor.submit(abs, -n) for n in range(5)]
    assert {f.result() for f in futures.as_completed(several, PATIENCE_S)} == set(range(5))
    done, missing = futures.wait(several, PATIENCE_S)
    assert (len(done), len(missing)) == (5, 0)

    seen: list[int] = []
    future = executor.submit(abs, -7)
    future.add_done_callback(lambda f: seen.append(f.result()))
    future.result(PATIENCE_S)
    wait_until("the callback was called", lambda: seen == [7])

    async def through_asyncio() -> int:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, abs, -8)

    assert asyncio.run(through_asyncio()) == 8


def test_a_callback_may_submit(executor: Executor) -> None:
    second: futures.Future[Any] = futures.Future()
    first = executor.submit(abs, -1)
    first.add_done_callback(lambda f: second.set_result(executor.submit(abs, -f.result() - 1)))
    assert second.result(PATIENCE_S).result(PATIENCE_S) == 2


def test_nothing_is_taken_after_shutdown_and_everything_before_is_done(batch: LocalBatch) -> None:
    executor = Executor(max_workers=2)
    several = [executor.submit(time.sleep, 0.02) for _ in range(20)]
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(abs, 1)
    with pytest.raises(RuntimeError):
        executor.map(abs, [1])
    executor.shutdown()
    assert all(future.done() for future in several)
    executor.shutdown()


def test_max_workers_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        Executor(max_workers=0)
    with pytest.raises(ConfigError, match="mem='900TB' is not a number of bytes"):
        Executor(mem="900TB")  # type: ignore[arg-type]


def test_ctrl_c_while_an_executor_is_made_leaves_no_thread(
    batch: LocalBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    monkeypatch.setattr(futures.Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Executor(max_workers=1)
    wait_until("its thread has ended", lambda: set(threading.enumerate()) <= before)


def test_a_forgotten_executor_still_does_its_calls_and_ends(batch: LocalBatch) -> None:
    before = threading.active_count()
    assert Executor(max_workers=1).submit(abs, -3).result(PATIENCE_S) == 3
    wait_until("its thread has ended", lambda: threading.active_count() == before)


def test_calls_are_done_before_the_interpreter_ends(batch: LocalBatch, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from fairlead.frameworks.batch import Executor\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "Executor().submit(path.write_text, 'done')\n"
        "kept = Executor()\n"
        "kept.submit(path.with_suffix('.kept').write_text, 'done')\n"
    )
    path = tmp_path / "result"
    subprocess.run([sys.executable, "-c", program, path], check=True, timeout=PATIENCE_S)
    assert path.read_text() == "done"
    assert path.with_suffix(".kept").read_text() == "done"


# Cancelling


def test_a_cancelled_call_never_runs(batch: LocalBatch, tmp_path: Path) -> None:
    with Executor(max_workers=1) as executor:
        slow = executor.submit(time.sleep, 0.5)
        queued = [executor.submit((tmp_path / str(n)).touch) for n in range(10)]
        assert all(future.cancel() for future in queued[1::2])
        wait_until("the first call runs", slow.running)
        assert not slow.cancel()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "2", "4", "6", "8"]
    assert futures.wait(queued, PATIENCE_S).not_done == set()


def test_a_call_may_be_cancelled_at_any_moment_and_nothing_else_is_affected(
    executor: Executor,
) -> None:
    """Cancelled before it was handed over, while it was, or too late: each ends one way."""
    executor.submit(int).result(PATIENCE_S)
    random = Random(7)
    pairs = []
    for number in range(300):
        future, sibling = executor.submit(abs, -number), executor.submit(abs, -number)
        time.sleep(random.choice([0, 0, 0.0001, 0.001]))
        pairs.append((future, future.cancel(), sibling))
    for number, (future, was_cancelled, sibling) in enumerate(pairs):
        assert sibling.result(PATIENCE_S) == number
        assert future.cancelled() == was_cancelled
        assert was_cancelled or future.result(PATIENCE_S) == number
    assert any(was_cancelled for _, was_cancelled, _ in pairs)


def test_shutdown_can_cancel_what_is_queued(batch: LocalBatch, tmp_path: Path) -> None:
    executor = Executor(max_workers=1)
    slow = executor.submit(time.sleep, 0.5)
    wait_until("the first call runs", slow.running)
    queued = [executor.submit((tmp_path / str(n)).touch) for n in range(10)]
    executor.shutdown(cancel_futures=True)
    assert slow.result(0) is None
    assert all(future.cancelled() for future in queued)
    assert list(tmp_path.iterdir()) == []


def test_cancelled_calls_hold_up_no_shutdown_when_no_worker_comes(fairlead_home: Path) -> None:
    with local_batch(fairlead_home, workers=0), Executor(max_workers=1) as executor:
        assert executor.submit(abs, 1).cancel()


# Killing, and limits


def begun_tree(tmp_path: Path) -> Callable[[], None]:
    """A function that never returns, and neither does the program that it starts."""

    def work() -> None:
        with (tmp_path / "log").open("a") as log:
            log.write("begun\n")
        sleep = subprocess.Popen(["sleep", "100"], start_new_session=True)
        (tmp_path / "draft").write_text(f"{os.getpid()} {sleep.pid}")
        (tmp_path / "draft").replace(tmp_path / "pids")
        time.sleep(100)

    return work


def pids_in(tmp_path: Path) -> list[int]:
    wait_until("the call has begun", (tmp_path / "pids").exists)
    return [int(pid) for pid in (tmp_path / "pids").read_text().split()]


def test_a_killed_call_is_gone_with_all_that_it_started_and_its_worker_is_free(
    batch: LocalBatch, tmp_path: Path
) -> None:
    with Executor(max_workers=1) as executor:
        list(executor.map(abs, range(200)))  # such calls are quick, it seems
        future = executor.submit(begun_tree(tmp_path))
        behind = [executor.submit(abs, -n) for n in range(20)]
        pids = pids_in(tmp_path)
        assert not future.cancel()
        assert future.kill()
        with pytest.raises(futures.CancelledError, match="work was killed, as was asked for"):
            future.result(PATIENCE_S)
        assert isinstance(future.exception(), CallKilledError)
        assert not [pid for pid in pids if psutil.pid_exists(pid)]
        assert [f.result(PATIENCE_S) for f in behind] == list(range(20))
        assert not future.kill()
        assert not behind[0].kill()
    assert len(batch.workers.pids) == 1
    assert (tmp_path / "log").read_text() == "begun\n"


def test_a_queued_call_is_killed_as_it_is_cancelled(executor: Executor, tmp_path: Path) -> None:
    slow = [executor.submit(time.sleep, 0.5) for _ in range(2)]
    queued = executor.submit((tmp_path / "never").touch)
    assert queued.kill()
    assert queued.cancelled()
    assert not futures.wait(slow, PATIENCE_S).not_done
    assert list(tmp_path.iterdir()) == []


def test_killing_a_call_that_waits_at_a_worker_does_not_hit_the_one_that_runs(
    batch: LocalBatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def nap(seconds: float, number: int) -> None:
        with log.open("a") as file:
            file.write(f"{number}\n")
        time.sleep(seconds)

    with Executor(max_workers=1) as executor:
        for _ in range(20):
            list(executor.map(nap, [0] * 200, [0] * 200))  # such calls are quick, it seems
            log.unlink()
            running = executor.submit(nap, 1, 0)
            behind = [executor.submit(nap, 0, number) for number in range(1, 21)]
            wait_until("the first one runs", log.exists)
            if behind[0].running():  # it waits at the worker, unless this machine is very busy
                break
            futures.wait(behind, PATIENCE_S)
        assert behind[0].kill()
        assert isinstance(behind[0].exception(PATIENCE_S), CallKilledError)
        assert running.running()
        assert not futures.wait([running, *behind], PATIENCE_S).not_done
    assert sorted(map(int, log.read_text().split())) == [0, *range(2, 21)]


def test_any_call_may_be_killed_at_any_moment_and_nothing_else_is_affected(
    executor: Executor,
) -> None:
    random = Random(11)
    siblings, killed = [], []
    for number in range(60):
        killed.append(executor.submit(time.sleep, random.choice([0, 0.001, 100])))
        siblings.append(executor.submit(abs, -number))
        time.sleep(random.choice([0, 0, 0.001, 0.01]))
        killed[-1].kill()
    assert [f.result(PATIENCE_S) for f in siblings] == list(range(60))
    for future in killed:
        assert (
            future.cancelled()
            or future.exception(PATIENCE_S) is None
            or isinstance(future.exception(), CallKilledError)
        )


def test_a_call_that_takes_too_long_is_ended_alone(executor: Executor, tmp_path: Path) -> None:
    limited = executor.with_options(timeout_s=2)
    (tmp_path / "slow").mkdir()
    begun = [limited.submit((tmp_path / str(n)).touch) for n in range(50)]
    slow = limited.submit(begun_tree(tmp_path / "slow"))
    begun += [limited.submit((tmp_path / str(n)).touch) for n in range(50, 100)]
    with pytest.raises(CallTimeoutError, match="work was ended: it ran longer than 2 s"):
        slow.result(PATIENCE_S)
    assert isinstance(slow.exception(), TimeoutError)
    assert not [pid for pid in pids_in(tmp_path / "slow") if psutil.pid_exists(pid)]
    assert not futures.wait(begun, PATIENCE_S).not_done
    assert all(future.exception() is None for future in begun)


def test_the_time_that_a_call_waits_does_not_count(batch: LocalBatch) -> None:
    with Executor(max_workers=1) as executor:
        list(executor.map(time.sleep, [0] * 100))  # such calls are quick, it seems
        slow = executor.submit(time.sleep, 1.5)
        limited = executor.with_options(timeout_s=1)
        behind = [limited.submit(time.sleep, 0) for _ in range(20)]
        assert [future.exception(PATIENCE_S) for future in [slow, *behind]] == [None] * 21


# Trying again


def test_what_a_call_raises_is_retried_if_it_was_asked_for(
    executor: Executor, tmp_path: Path
) -> None:
    def fails_twice(path: Path, error: type[Exception]) -> int:
        with path.open("a") as file:
            file.write("x")
        tries = len(path.read_text())
        if tries < 3:
            raise error(tries)
        return tries

    patient = executor.with_options(retries=2, backoff_s=0.01, retry_on=(KeyError, OSError))
    assert patient.submit(fails_twice, tmp_path / "a", KeyError).result(PATIENCE_S) == 3
    with pytest.raises(ValueError, match="1"):
        patient.submit(fails_twice, tmp_path / "b", ValueError).result(PATIENCE_S)
    with pytest.raises(KeyError):
        executor.submit(fails_twice, tmp_path / "c", KeyError).result(PATIENCE_S)
    less = patient.with_options(retries=1)
    with pytest.raises(KeyError, match="2") as caught:
        less.submit(fails_twice, tmp_path / "d", KeyError).result(PATIENCE_S)
    assert caught.value.__notes__ == ["(it was tried 2 times)"]
    assert list(patient.map(fails_twice, [tmp_path / "e"], [KeyError])) == [3]


def test_timeouts_are_retried_and_a_pause_holds_no_worker(
    batch: LocalBatch, tmp_path: Path
) -> None:
    def first_time_long() -> str:
        with contextlib.suppress(FileExistsError):
            (tmp_path / "begun").touch(exist_ok=False)
            time.sleep(100)
        return "done"

    with Executor(max_workers=1) as executor:
        limited = executor.with_options(retries=1, timeout_s=1, backoff_s=2)
        future = limited.submit(first_time_long)
        wait_until("it has begun", (tmp_path / "begun").exists)
        others = [executor.submit(abs, -n) for n in range(10)]
        assert [other.result(PATIENCE_S) for other in others] == list(range(10))
        assert not future.done()
        assert future.result(PATIENCE_S) == "done"


def test_shutdown_that_cancels_does_not_wait_for_the_next_try(
    batch: LocalBatch, tmp_path: Path
) -> None:
    def fail() -> None:
        (tmp_path / "begun").touch()
        while not (tmp_path / "go on").exists():
            time.sleep(0.01)
        raise KeyError

    executor = Executor(max_workers=1, retries=5, backoff_s=60)
    pausing = executor.submit(int, "x")
    running = executor.submit(fail)
    wait_until("the first one has failed", (tmp_path / "begun").exists)
    executor.shutdown(wait=False, cancel_futures=True)
    assert isinstance(pausing.exception(PATIENCE_S), ValueError)
    (tmp_path / "go on").touch()
    assert isinstance(running.exception(PATIENCE_S), KeyError)
    executor.shutdown()


def test_a_filter_that_fails_is_what_comes_out(executor: Executor) -> None:
    odd = executor.with_options(retries=3, retry_on=lambda _: 1 // 0 == 0)
    error = odd.submit(int, "x").exception(PATIENCE_S)
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(error.__context__, ValueError)


def test_a_call_that_may_not_run_twice_does_not(
    batch: LocalBatch, executor: Executor, tmp_path: Path
) -> None:
    def work() -> None:
        with (tmp_path / "log").open("a") as log:
            log.write("begun\n")
        time.sleep(100)

    future = executor.with_options(loss_retries=0).submit(work)
    log = tmp_path / "log"
    wait_until("it has begun", lambda: log.exists() and log.read_text())
    for pid in batch.workers.pids.values():
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="work was given up after a worker ended while"):
        future.result(PATIENCE_S)
    assert (tmp_path / "log").read_text() == "begun\n"


def test_a_view_shares_its_executor_and_keeps_it_alive(batch: LocalBatch) -> None:
    view = Executor(max_workers=1).with_options(retries=1)
    with view:
        assert view.submit(abs, -1).result(PATIENCE_S) == 1
        assert batch.service.drivers == 1
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        view.with_options(retries=0).submit(abs, -1)


# Frozen


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "PING_S", 0.4)


def sleeps_first_time(begun: Path) -> Callable[[], int]:
    def work() -> int:
        with contextlib.suppress(FileExistsError):
            begun.touch(exist_ok=False)
            time.sleep(100)
        return os.getpid()

    return work


@pytest.mark.parametrize("who", ["the worker", "its child", "both"])
def test_a_frozen_worker_does_not_keep_its_call(
    impatient: None, batch: LocalBatch, executor: Executor, tmp_path: Path, who: str
) -> None:
    future = executor.submit(sleeps_first_time(tmp_path / "begun"))
    wait_until("it has begun", (tmp_path / "begun").exists)
    (worker,) = batch.workers.pids.values()
    (child,) = psutil.Process(worker).children()
    if who != "its child":
        os.kill(worker, signal.SIGSTOP)
    if who != "the worker":
        child.suspend()
    assert future.result(PATIENCE_S) != child.pid
    wait_until("the frozen one is gone", lambda: not runs(child))


def test_a_recall_that_was_lost_with_a_connection_is_given_again(
    batch: LocalBatch, executor: Executor, tmp_path: Path
) -> None:
    def nap(seconds: float, path: Path) -> None:
        path.touch()
        time.sleep(seconds)

    list(executor.map(nap, [0] * 200, [tmp_path / "quick"] * 200))
    slow = executor.submit(nap, 30, tmp_path / "slow")
    quick = [executor.submit(nap, 0, tmp_path / str(n)) for n in range(100)]
    wait_until("the slow one has begun", (tmp_path / "slow").exists)

    async def hang_up() -> None:
        for each in batch.service._workers.values():
            each.channel.close()

    batch.call(hang_up)
    assert not futures.wait(quick, PATIENCE_S).not_done
    assert slow.running()
    assert slow.kill()
    assert isinstance(slow.exception(PATIENCE_S), CallKilledError)


# Errors


def test_an_exception_carries_the_traceback_of_the_worker(executor: Executor) -> None:
    def fails(n: int) -> float:
        return 1 / n

    with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
        executor.submit(fails, 0).result(PATIENCE_S)
    cause = caught.value.__cause__
    assert isinstance(cause, RemoteTraceback)
    assert "in fails" in str(cause)
    assert "test_batch_path.py" in str(cause)
    assert "return 1 / n" in str(cause)
    assert "lease.py" not in str(cause)


def test_system_exit_and_keyboard_interrupt_are_the_calls_own_affair(executor: Executor) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        executor.submit(sys.exit, 3).result(PATIENCE_S)
    with pytest.raises(KeyboardInterrupt):
        executor.submit(interrupt).result(PATIENCE_S)
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1


def test_exceptions_of_all_kinds_fail_their_call_alone(executor: Executor) -> None:
    class NeedsTwoError(Exception):
        def __init__(self, one: str, two: str) -> None:
            super().__init__(one + two)

    class HoldsALockError(Exception):
        def __init__(self) -> None:
            super().__init__("held")
            self.lock = threading.Lock()

    def fails(kind: int) -> None:
        if kind == 0:
            raise NeedsTwoError("one", "two")
        if kind == 1:
            raise HoldsALockError
        if kind == 2:
            raise ExceptionGroup("several", [KeyError("a"), NeedsTwoError("b", "c")])
        try:
            int("x")
        except ValueError as error:
            raise KeyError("of it") from error

    several = [executor.submit(fails, kind) for kind in range(4)]
    with pytest.raises(NeedsTwoError, match="onetwo") as caught:
        several[0].result(PATIENCE_S)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    with pytest.raises(RemoteError, match=r"HoldsALockError: held .*cannot be sent: .*lock"):
        several[1].result(PATIENCE_S)
    group = several[2].exception(PATIENCE_S)
    assert isinstance(group, ExceptionGroup)
    assert [type(error) for error in group.exceptions] == [KeyError, NeedsTwoError]
    chained = several[3].exception(PATIENCE_S)
    assert isinstance(chained, KeyError)
    assert isinstance(chained.__context__, ValueError)
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1


def test_a_call_may_do_to_its_output_what_it_likes(executor: Executor) -> None:
    def spoil(stream: object) -> None:
        setattr(sys, "stdout", stream)  # noqa: B010  (it is no stream)

    single = executor.with_options(loss_retries=0)
    for stream in (None, 5):
        assert single.submit(spoil, stream).result(PATIENCE_S) is None
        assert single.submit(abs, -1).result(PATIENCE_S) == 1


def test_a_result_that_cannot_be_loaded_here_fails_alone(executor: Executor) -> None:
    pid = os.getpid()

    class Homesick:
        def __reduce__(self) -> Any:
            return (leave_at_home, (pid,))

    def leave_at_home(home: int) -> str:
        if os.getpid() == home:
            sys.exit("never here")
        return "elsewhere"

    with pytest.raises(NotLoadableError, match="Homesick returned cannot be loaded here: Sys"):
        executor.submit(Homesick).result(PATIENCE_S)
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1


def test_what_cannot_be_sent_fails_alone_and_is_named(executor: Executor) -> None:
    def use(lock: Any, other: int) -> None:
        """Would use it."""

    lock = threading.Lock()
    by_position = executor.submit(use, 1, lock)
    by_name = executor.submit(use, 1, other=lock)
    with pytest.raises(NotPicklableError, match=r"argument 2 \(lock\) of .*use cannot be sent"):
        by_position.result(PATIENCE_S)
    with pytest.raises(pickle.PicklingError, match=r"argument 'other' \(lock\) of .*use"):
        by_name.result(PATIENCE_S)

    def holds_a_lock() -> object:
        return lock

    with pytest.raises(NotPicklableError, match="holds_a_lock cannot be sent to a worker"):
        executor.submit(holds_a_lock).result(PATIENCE_S)
    with pytest.raises(NotPicklableError, match="<lambda> cannot be sent to a worker"):
        list(executor.map(lambda _: lock, [1]))
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1


def test_a_result_that_cannot_be_sent_fails_alone_and_is_named(executor: Executor) -> None:
    def makes_a_lock() -> Any:
        return threading.Lock()

    with pytest.raises(NotPicklableError, match="makes_a_lock returned a lock"):
        executor.submit(makes_a_lock).result(PATIENCE_S)
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1


def test_a_function_that_cannot_be_loaded_there(executor: Executor) -> None:
    class Picky:
        def __reduce__(self) -> Any:
            return (__import__, ("a_module_that_is_nowhere",))

    def use(_: object) -> None:
        """Would use it."""

    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_nowhere"):
        executor.submit(use, Picky()).result(PATIENCE_S)
    picky = Picky()
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_nowhere"):
        executor.submit(lambda: picky).result(PATIENCE_S)


# Deaths


def test_killed_workers_lose_no_call(batch: LocalBatch, executor: Executor) -> None:
    results = executor.map(slowly(0.002), range(2000))
    assert [next(results) for _ in range(100)] == list(range(100))
    for pid in batch.workers.pids.values():
        os.kill(pid, signal.SIGKILL)
    assert list(results) == list(range(100, 2000))


def test_a_killed_child_loses_no_call(batch: LocalBatch, executor: Executor) -> None:
    results = executor.map(slowly(0.002), range(1000))
    assert [next(results) for _ in range(50)] == list(range(50))
    for pid in batch.workers.pids.values():
        for child in psutil.Process(pid).children():
            child.kill()
    assert list(results) == list(range(50, 1000))


def test_a_call_dies_with_its_worker_and_is_done_again(
    batch: LocalBatch, executor: Executor, tmp_path: Path
) -> None:
    def first_time_long() -> int:
        with contextlib.suppress(FileExistsError):
            (tmp_path / "begun").touch(exist_ok=False)
            time.sleep(60)
        return os.getpid()

    future = executor.submit(first_time_long)
    wait_until("it has begun", (tmp_path / "begun").exists)
    (worker,) = batch.workers.pids.values()
    (child,) = psutil.Process(worker).children()
    os.kill(worker, signal.SIGKILL)
    wait_until("the child has died with it", lambda: not runs(child), 1)
    assert future.result(PATIENCE_S) != child.pid


@pytest.mark.parametrize(
    ("death", "says"),
    [
        (lambda: os._exit(3), "exited with code 3 having used .* MiB"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "was killed by SIGSEGV having used"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL having used"),
    ],
)
def test_a_call_that_ends_its_workers_fails_alone(
    executor: Executor, death: Any, says: str
) -> None:
    before = [executor.submit(abs, -n) for n in range(50)]
    deadly = executor.submit(lambda: sys.stdout.write("last words\n") and death())
    after = [executor.submit(abs, -n) for n in range(50)]
    with pytest.raises(WorkerDiedError, match=says) as caught:
        deadly.result(PATIENCE_S)
    assert "<lambda> was given up after 3 workers" in str(caught.value)
    assert "the end of its log:" in str(caught.value)
    assert "last words" in str(caught.value)
    assert [f.result(PATIENCE_S) for f in before + after] == [*range(50), *range(50)]


def test_calls_that_need_one_another_are_not_put_behind_one_another(
    executor: Executor, tmp_path: Path
) -> None:
    def meet(mine: Path, other: Path) -> bool:
        mine.touch()
        deadline = time.monotonic() + 10
        while not other.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        return other.exists()

    paths = [tmp_path / str(n) for n in range(40)]
    for path in paths[:30:2]:
        path.touch()  # the first calls are quick, so that later ones travel in batches
    several = [executor.submit(meet, path, path) for path in paths[:30]]
    futures.wait(several, PATIENCE_S)
    a, b = tmp_path / "a", tmp_path / "b"
    pairs = [executor.submit(meet, a, b), executor.submit(meet, b, a)]
    fillers = [executor.submit(meet, path, path) for path in paths]
    assert all(f.result(PATIENCE_S) for f in pairs + fillers)


def test_calls_waiting_behind_a_slow_one_are_done_by_others_once(
    executor: Executor, tmp_path: Path
) -> None:
    done = tmp_path / "done"

    def nap(seconds: float, number: int) -> None:
        time.sleep(seconds)
        with done.open("a") as file:
            file.write(f"{number}\n")

    list(executor.map(nap, [0] * 200, range(200)))  # such calls are quick, it seems
    slow = executor.submit(nap, 2, 200)
    quick = [executor.submit(nap, 0, number) for number in range(201, 301)]
    assert not futures.wait(quick, 1.5).not_done
    assert slow.running()
    slow.result(PATIENCE_S)
    assert sorted(map(int, done.read_text().split())) == list(range(301))


def test_the_service_may_be_restarted_in_the_middle(batch: LocalBatch, executor: Executor) -> None:
    results = executor.map(slowly(0.002), range(1500))
    assert [next(results) for _ in range(50)] == list(range(50))
    pids = batch.workers.pids
    batch.restart_service()
    assert list(results) == list(range(50, 1500))
    assert batch.workers.pids == pids  # nobody was lost
    wait_until("the driver is known again", lambda: batch.service.drivers == 1)
    with Executor(max_workers=1) as other:
        executor.shutdown()
        assert other.submit(abs, -1).result(PATIENCE_S) == 1


def test_a_lease_outlives_the_workers_connection_to_the_service(
    batch: LocalBatch, executor: Executor, tmp_path: Path
) -> None:
    """Longer than a driver waits for the connection of a process that has ended."""
    log = tmp_path / "begun"

    def long() -> int:
        with log.open("a") as file:
            file.write("once\n")
        time.sleep(3)
        return os.getpid()

    future = executor.submit(long)
    wait_until("it has begun", log.exists)
    (worker,) = batch.workers.pids.values()
    (child,) = psutil.Process(worker).children()

    async def hang_up() -> None:
        for each in batch.service._workers.values():
            each.channel.close()

    batch.call(hang_up)
    assert future.result(PATIENCE_S) == child.pid
    assert log.read_text() == "once\n"
    assert executor.submit(os.getppid).result(PATIENCE_S) == worker


def test_a_worker_that_does_not_dial_again_is_given_up(
    batch: LocalBatch, executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_service, "REDIAL_S", 0.2)

    def first_time_long(begun: Path) -> None:
        with contextlib.suppress(FileExistsError):
            begun.touch(exist_ok=False)
            time.sleep(60 if begun.name == "long" else 1)

    calls = [executor.submit(first_time_long, tmp_path / "long")]
    wait_until("the first has begun", (tmp_path / "long").exists)
    ((name, pid),) = batch.workers.pids.items()
    calls.append(executor.submit(first_time_long, tmp_path / "short"))
    wait_until("both have begun", (tmp_path / "short").exists)

    async def hang_up() -> None:
        batch.service._workers[name].channel.close()

    os.kill(pid, signal.SIGSTOP)
    batch.call(hang_up)
    assert not futures.wait(calls, PATIENCE_S).not_done
    assert batch.workers.pids[name] == pid, "its process has not even ended"


def test_no_agent_can_hold_such_a_worker(fairlead_home: Path) -> None:
    with local_batch(fairlead_home, workers=0) as batch, Executor(cpus=64) as executor:
        future = executor.submit(abs, -1)

        async def refuse() -> None:
            batch.service.size_unavailable(Resources.of(cpus=64, mem=512 << 20), "too large")

        batch.call(refuse)
        with pytest.raises(NoSuchWorkerError, match="too large"):
            future.result(PATIENCE_S)
        with pytest.raises(futures.BrokenExecutor, match="too large"):
            executor.submit(abs, -1)


# Keys


def test_a_wrong_token_is_refused(batch: LocalBatch, fairlead_home: Path) -> None:
    (fairlead_home / "token").write_text("another token")
    with pytest.raises(UnauthenticatedError, match="does not accept this user's token"):
        Executor()


def test_nobody_where_the_home_says_is_said(batch: LocalBatch, fairlead_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    published = fairlead_home / "frameworks" / "batch.json"
    published.write_text(json.dumps({"address": f"127.0.0.1:{free}"}))
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=f"no batch service answers at 127.0.0.1:{free}"):
        Executor()
    assert time.monotonic() - began > 1  # it might have been about to be started again


def test_nobody_at_the_address_is_said(batch: LocalBatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(UnavailableError, match=f"no master answers at 127.0.0.1:{free}"):
        Executor(address=f"127.0.0.1:{free}")
    with pytest.raises(ConfigError, match="'nonsense' is not the address of a master"):
        Executor(address="nonsense")


def driver_ports(batch: LocalBatch) -> list[int]:
    ours = psutil.Process().net_connections("tcp")
    listening = [c.laddr.port for c in ours if c.status == psutil.CONN_LISTEN]
    return [port for port in listening if f"127.0.0.1:{port}" != batch.address]


def test_a_stranger_at_any_port_is_refused_and_learns_nothing(
    batch: LocalBatch, executor: Executor
) -> None:
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1
    service = int(batch.address.rpartition(":")[2])
    (driver,) = driver_ports(batch)
    for port, identity in ((service, b"driver:x"), (service, b"nobody"), (driver, b"worker-1#9")):
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as stranger:
            stream = stranger.makefile("rwb")
            challenge = stream.read(36)
            assert challenge.startswith(MAGIC)
            stream.write(MAGIC + bytes(32) + bytes(32) + bytes([len(identity)]) + identity)
            stream.flush()
            assert stream.read() == REFUSAL
            stream.close()
    assert executor.submit(abs, -2).result(PATIENCE_S) == 2


def test_a_stranger_who_sends_a_pickle_runs_nothing(
    batch: LocalBatch, executor: Executor, tmp_path: Path
) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "evil",))

    (driver,) = driver_ports(batch)
    with socket.create_connection(("127.0.0.1", driver), PATIENCE_S) as stranger:
        stranger.sendall(pickle.dumps(Evil()) * 100)
        with contextlib.suppress(ConnectionResetError):
            while stranger.recv(1000):
                pass
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1
    assert list(tmp_path.iterdir()) == []


def test_keys_are_neither_in_arguments_nor_environment_nor_left_in_the_sandbox(
    batch: LocalBatch, executor: Executor
) -> None:
    def look() -> tuple[list[str], dict[str, str], list[str]]:
        arguments = psutil.Process(os.getppid()).cmdline()
        return arguments, dict(os.environ), [path.name for path in Path().iterdir()]

    arguments, environment, files = executor.submit(look).result(PATIENCE_S)
    assert arguments[1:] == ["-P", "-m", "fairlead.frameworks.batch.worker", batch.address]
    assert not [name for name in environment if "KEY" in name or "TOKEN" in name]
    assert sorted(files) == ["stderr", "stdout"]


# Workers


def test_two_drivers_share_the_workers_in_turn(batch: LocalBatch) -> None:
    pids: set[int] = set()
    for _ in range(3):
        with Executor(max_workers=2) as executor:
            pids |= set(executor.map(lambda _: os.getppid(), range(50)))
    assert pids <= set(batch.workers.pids.values())


def test_a_busy_driver_gives_a_worker_to_one_that_waits(batch: LocalBatch) -> None:
    with Executor(max_workers=2) as rich, Executor(max_workers=2) as poor:
        many = [rich.submit(time.sleep, 0.005) for _ in range(1200)]
        wait_until("both workers are there", lambda: len(batch.workers.pids) == 2)
        assert poor.submit(abs, -1).result(PATIENCE_S) == 1
        assert not many[-1].done()
        assert not futures.wait(many, PATIENCE_S).not_done


def test_an_idle_worker_is_released(fairlead_home: Path) -> None:
    with local_batch(fairlead_home, idle_s=0.3) as batch:
        with Executor(max_workers=1) as executor:
            assert executor.submit(abs, -1).result(PATIENCE_S) == 1
        wait_until("the worker has gone", lambda: not batch.workers.pids)


def test_user_code_may_fork_and_what_it_forks_ends_with_the_lease(
    batch: LocalBatch, tmp_path: Path
) -> None:
    def fork() -> int:
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        return os.getpid()

    def fork_and_return() -> int:
        pid = os.fork()
        return pid or -1

    def grandchildren() -> list[int]:
        parents = [psutil.Process(pid) for pid in batch.workers.pids.values()]
        return [child.pid for parent in parents for child in parent.children(recursive=True)]

    with Executor(max_workers=1) as executor:
        assert executor.submit(fork).result(PATIENCE_S) > 0
        assert executor.submit(fork_and_return).result(PATIENCE_S) > 0
        assert executor.submit(abs, -1).result(PATIENCE_S) == 1
        assert len(grandchildren()) >= 2
    wait_until("everything forked has gone", lambda: not grandchildren())


def test_what_calls_print_goes_to_the_tasks_output(batch: LocalBatch, executor: Executor) -> None:
    executor.submit(print, "hello from a call").result(PATIENCE_S)
    wait_until("it is there", lambda: "hello from a call\n" in batch.workers.output())


def test_workers_import_from_where_the_driver_does(
    batch: LocalBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local_module.py").write_text("def f(n):\n    return n + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    local_module = importlib.import_module("local_module")
    with Executor(max_workers=1) as executor:
        assert executor.submit(local_module.f, 1).result(PATIENCE_S) == 2


def test_a_driver_that_is_killed_leaves_no_call_running(batch: LocalBatch) -> None:
    program = (
        "import os, time\n"
        "from fairlead.frameworks.batch import Executor\n"
        "executor = Executor(max_workers=1)\n"
        "future = executor.submit(time.sleep, 60)\n"
        "while not future.running(): time.sleep(0.01)\n"
        "copy = os.fork()\n"  # it outlives the driver, and holds on to nothing of it
        "if copy: print(copy, flush=True)\n"
        "time.sleep(60)\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    copy = int(driver.stdout.readline())
    (worker,) = batch.workers.pids.values()
    driver.kill()
    driver.wait()
    driver.stdout.close()
    wait_until("the call has ended", lambda: not psutil.Process(worker).children())
    os.kill(copy, signal.SIGKILL)
    with Executor(max_workers=1) as executor:
        assert executor.submit(os.getppid).result(PATIENCE_S) == worker


def test_opening_and_closing_leaves_nothing_behind(batch: LocalBatch) -> None:
    def look() -> tuple[int, int]:
        return threading.active_count(), psutil.Process().num_fds()

    def cycle() -> None:
        with Executor(max_workers=2) as executor:
            assert executor.submit(abs, -1).result(PATIENCE_S) == 1

    cycle()
    wait_until("the service has noticed", lambda: batch.service.drivers == 0)
    threads, descriptors = look()
    for _ in range(20):
        cycle()
    wait_until("nothing is left", lambda: look() <= (threads, descriptors))
    (pid,) = batch.workers.pids.values()
    wait_until("no child is left", lambda: not psutil.Process(pid).children())
    assert psutil.Process(pid).num_fds() < 12


def test_a_forked_copy_cannot_use_the_executor_and_does_it_no_harm(executor: Executor) -> None:
    assert executor.submit(abs, -1).result(PATIENCE_S) == 1
    pid = os.fork()
    if pid == 0:
        try:
            executor.submit(abs, -1)
        except RuntimeError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert executor.submit(abs, -2).result(PATIENCE_S) == 2


# PyWren's words


def test_pywrens_words(batch: LocalBatch) -> None:
    with pywren.default_executor(max_workers=2) as words:
        assert words.call_async(abs, -1).result(PATIENCE_S) == 1
        mapped = words.map(lambda n: n * n, range(10))
        assert pywren.get_result(mapped, PATIENCE_S) == [n * n for n in range(10)]
        assert pywren.wait(mapped) == (mapped, [])
        slow = words.map(time.sleep, [0, 1])
        done, missing = pywren.wait(slow, pywren.ANY_COMPLETED, PATIENCE_S)
        assert (done, missing) == (slow[:1], slow[1:])
        assert pywren.wait(slow[1:], pywren.ALWAYS) == ([], slow[1:])
        assert words.reduce(sum, mapped).result(PATIENCE_S) == 285
        assert words.map_reduce(len, ["a", "bb"], max).result(PATIENCE_S) == 2
        with pytest.raises(ValueError, match="return_when must be"):
            pywren.wait(mapped, 4)


def test_a_reduction_is_still_done_after_shutdown(batch: LocalBatch) -> None:
    with Executor(max_workers=2) as executor:
        total = executor.map_reduce(slowly(0.05), range(10), sum)
    assert total.result(0) == 45


def test_a_reduction_of_something_failed_fails_the_same_way(executor: Executor) -> None:
    total = executor.map_reduce(lambda n: 1 // n, [1, 0], sum)
    with pytest.raises(ZeroDivisionError):
        total.result(PATIENCE_S)


def test_a_reduction_may_be_cancelled_while_it_waits(executor: Executor) -> None:
    total = executor.map_reduce(time.sleep, [0.3], len)
    assert total.cancel()
    assert total.cancelled()


def test_a_reduction_that_cannot_be_made_fails_and_holds_up_nothing(executor: Executor) -> None:
    class Exits:
        def __reduce__(self) -> str:
            raise SystemExit(3)

    def count(results: list[Any], odd: Any) -> Any:
        return len(results), odd

    with pytest.raises(SystemExit):
        executor.submit_after([], partial(count, odd=Exits()))
    first: futures.Future[Any] = futures.Future()
    future = executor.submit_after([first], len)
    first.set_result(Exits())
    assert isinstance(future.exception(PATIENCE_S), SystemExit)
    first = futures.Future()
    executor.submit_after([first], len).cancel()
    first.set_result(1)
    executor.shutdown()


def test_a_reduction_of_nothing(executor: Executor) -> None:
    assert executor.map_reduce(abs, [], sum).result(PATIENCE_S) == 0
