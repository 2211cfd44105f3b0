"""Calls on a real cluster: workers are tasks from offers, and whatever dies, no call is lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.support.command import Command, processes_of, running_cluster, until
from tests.support.kernel_limits import need_groups

from fairlead.cli.cluster import read_record
from fairlead.common.client import SyncClient, connect_sync
from fairlead.common.errors import ConfigError, UnauthenticatedError, UnavailableError
from fairlead.common.home import Home
from fairlead.common.messages import Code
from fairlead.common.operators import (
    AgentState,
    FrameworkView,
    OperatorCall,
    StateQuery,
    StateReply,
    TaskView,
    TeardownFramework,
)
from fairlead.common.rpc import GET_STATE, OPERATE
from fairlead.common.values import TaskState
from fairlead.frameworks.batch import (
    Executor,
    NoSuchWorkerError,
    NotPicklableError,
    WorkerDiedError,
    pywren,
)

LIMIT_S = 30.0
GONE_S = 10.0


@pytest.fixture(scope="module")
def fairlead() -> Iterator[Command]:
    """Found by Executors through the environment, as by any program of this user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRLEAD_BATCH_IDLE_S", "60")  # however slow this machine is
        with running_cluster("--agents", "2", "--cpus", "2", "--mem", "2GiB") as up:
            patch.setenv("FAIRLEAD_HOME", str(up.home))
            yield up


@pytest.fixture
def executor(fairlead: Command) -> Iterator[Executor]:
    with Executor(max_workers=2) as running:
        yield running


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a program for which no cluster runs; all it may leave is under here."""
    for name in ("state", "temporary"):
        (tmp_path / name).mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "FAIRLEAD_HOME"}
    places = {"XDG_STATE_HOME": tmp_path / "state", "TMPDIR": tmp_path / "temporary"}
    return {**clean, **{key: str(path) for key, path in places.items()}}


def left_in(environment: Mapping[str, str]) -> list[Path]:
    return [*Path(environment["XDG_STATE_HOME"]).iterdir(), *Path(environment["TMPDIR"]).iterdir()]


def seen_by(seconds: float) -> Callable[[int], tuple[int, int]]:
    """A function that travels by value, and says which worker ran it."""

    def look(n: int) -> tuple[int, int]:
        time.sleep(seconds)
        return n, os.getppid()

    return look


@contextmanager
def master_of(fairlead: Command) -> Iterator[SyncClient]:
    home = Home(fairlead.home)
    leader = home.read_leader()
    assert leader is not None
    with connect_sync(leader.address, home.token()) as client:
        yield client


def state_of(fairlead: Command) -> StateReply:
    with master_of(fairlead) as master:
        return master.call(GET_STATE, StateQuery())


def batch_of(state: StateReply) -> FrameworkView:
    views = [view for view in state.frameworks if view.framework.name == "batch"]
    (batch,) = [view for view in views if not view.is_ended]
    return batch


def workers(fairlead: Command, *, ended: bool = False) -> dict[str, TaskView]:
    """The tasks of the batch framework by id: those that run, or those that have ended."""
    state = state_of(fairlead)
    framework_id = batch_of(state).framework.framework_id
    ours = [view for view in state.tasks if view.framework_id == framework_id]
    return {view.task_id: view for view in ours if view.latest.state.is_terminal == ended}


def ran_in(executor: Executor) -> set[int]:
    """The workers that take part."""
    return {pid for _, pid in executor.map(seen_by(0.01), range(40))}


def pids(fairlead: Command) -> set[int]:
    return {view.latest.pid for view in workers(fairlead).values()}


def run_python(
    environment: Mapping[str, str], *arguments: str, stdin: str = "", cwd: Path | None = None
) -> str:
    """A user's program; what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=dict(environment),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


# Workers are tasks


def test_map_equals_the_builtin_on_workers_that_are_tasks(
    fairlead: Command, executor: Executor
) -> None:
    assert list(executor.map(lambda n: n * n, range(10_000))) == [n * n for n in range(10_000)]
    ran_in = {pid for _, pid in executor.map(seen_by(0.01), range(40))}
    tasks = workers(fairlead)
    state = state_of(fairlead)
    assert len(ran_in) == 2
    assert {view.latest.pid for view in tasks.values()} == ran_in
    for view in tasks.values():
        assert view.name == "batch worker"
        assert view.latest.state is TaskState.RUNNING
        assert view.agent_id in {each.agent.agent_id for each in state.agents}
        assert (view.resources.cpus, view.resources.mem) == (1000, 512 << 20)
    assert (batch_of(state).used.cpus, batch_of(state).tasks) == (2000, 2)


def by_command(fairlead: Command, view: TaskView) -> None:
    fairlead.ok("tasks", "kill", view.task_id)


def by_signal(_fairlead: Command, view: TaskView) -> None:
    os.kill(view.latest.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("kill", "ends"), [(by_command, TaskState.KILLED), (by_signal, TaskState.FAILED)]
)
def test_a_killed_worker_is_replaced_and_no_call_is_lost(
    fairlead: Command,
    executor: Executor,
    kill: Callable[[Command, TaskView], None],
    ends: TaskState,
) -> None:
    results = executor.map(seen_by(0.002), range(1000))
    seen = [next(results) for _ in range(200)]
    before = workers(fairlead)
    victim = next(view for view in before.values() if view.latest.pid == seen[-1][1])
    kill(fairlead, victim)
    seen += results
    assert [n for n, _ in seen] == list(range(1000))
    known = {view.latest.pid for view in before.values()}
    until(
        "another worker takes part",
        lambda: {pid for _, pid in executor.map(seen_by(0.01), range(40))} - known,
    )
    until("its end is known", lambda: victim.task_id in workers(fairlead, ended=True))
    assert workers(fairlead, ended=True)[victim.task_id].latest.state is ends
    assert len(set(workers(fairlead)) - set(before)) == 1


# Whatever dies


def daemon_pid(fairlead: Command, name: str) -> int:
    record = read_record(Home(fairlead.home))
    assert record is not None
    return record.daemons[name].pid if name in record.daemons else 0


def runs_again(fairlead: Command, name: str, before: int) -> bool:
    return daemon_pid(fairlead, name) not in (0, before)


def is_whole(fairlead: Command) -> bool:
    """Agents and frameworks are there, as the master sees it."""
    try:
        state = state_of(fairlead)
    except UnavailableError:
        return False
    return [view.state for view in state.agents] == [AgentState.CONNECTED] * 2 and {
        "batch",
        "commands",
    } <= {view.framework.name for view in state.frameworks if view.is_connected}


def test_whatever_is_killed_only_the_lost_calls_are_made_again(
    fairlead: Command, tmp_path: Path
) -> None:
    """A worker, an agent and the batch service, each in the middle of calls of 20 ms."""

    def call(n: int) -> tuple[int, int]:
        with (tmp_path / str(n)).open("a") as times:
            times.write("x")
        time.sleep(0.02)
        return n, os.getppid()

    with Executor(max_workers=4) as executor:
        until("all workers are there", lambda: len(ran_in(executor)) == 4)
        began = time.monotonic()
        results = executor.map(call, range(1000))
        seen = [next(results) for _ in range(200)]
        os.kill(seen[-1][1], signal.SIGKILL)
        for name in ("a1", "frameworks"):
            seen += [next(results) for _ in range(200)]
            os.kill(daemon_pid(fairlead, name), signal.SIGKILL)
        seen += results
        took_s = time.monotonic() - began
    assert [n for n, _ in seen] == list(range(1000))
    times = [len(path.read_text()) for path in tmp_path.iterdir()]
    assert len(times) == 1000
    assert sum(times) <= 1001, "more than the one that the killed worker was just running"
    assert took_s < 1000 * 0.02 / 4 + 10 * 3
    until("the cluster is whole", lambda: is_whole(fairlead))


@pytest.mark.parametrize(
    "daemons", [["master"], ["master", "a1", "a2", "frameworks"]], ids="-".join
)
def test_killed_daemons_cost_neither_a_call_nor_a_worker(
    fairlead: Command, executor: Executor, daemons: Sequence[str]
) -> None:
    list(executor.map(seen_by(0.01), range(40)))  # both workers are there
    before = set(workers(fairlead))
    results = executor.map(seen_by(0.002), range(1500))
    seen = [next(results) for _ in range(100)]
    killed = {name: daemon_pid(fairlead, name) for name in daemons}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    seen += results
    assert [n for n, _ in seen] == list(range(1500))
    for name, pid in killed.items():
        until(f"{name} runs again", partial(runs_again, fairlead, name, pid))
    until("the cluster is whole", lambda: is_whole(fairlead))
    more = list(executor.map(seen_by(0.01), range(40)))
    assert {pid for _, pid in more} == {pid for _, pid in seen}
    assert set(workers(fairlead)) == before


def test_an_executor_may_be_made_while_the_service_is_away(fairlead: Command) -> None:
    killed = daemon_pid(fairlead, "frameworks")
    os.kill(killed, signal.SIGKILL)
    with Executor(max_workers=1) as executor:
        assert executor.submit(abs, -3).result(LIMIT_S) == 3
    until("it runs again", lambda: runs_again(fairlead, "frameworks", killed))


def test_a_framework_that_is_torn_down_begins_anew(fairlead: Command, executor: Executor) -> None:
    results = executor.map(seen_by(0.002), range(1000))
    seen = [next(results) for _ in range(100)]
    before = batch_of(state_of(fairlead)).framework.framework_id
    with master_of(fairlead) as master:
        reply = master.call(OPERATE, OperatorCall(TeardownFramework(before)))
    assert reply.result.code is Code.OK
    seen += results
    assert [n for n, _ in seen] == list(range(1000))
    assert batch_of(state_of(fairlead)).framework.framework_id != before
    assert len({pid for _, pid in seen}) > 2


# Bad input


def test_a_worker_that_no_agent_can_hold(fairlead: Command, executor: Executor) -> None:
    began = time.monotonic()
    with Executor(cpus=100) as large:
        error = large.submit(abs, -1).exception(LIMIT_S)
    assert isinstance(error, NoSuchWorkerError)
    assert str(error) == (
        "a worker asks for 100 cpus, the largest agent has 2: ask for less or start a larger agent"
    )
    assert time.monotonic() - began < 5
    assert executor.submit(abs, -1).result(LIMIT_S) == 1


def test_what_cannot_be_pickled_is_named_and_fails_alone(executor: Executor) -> None:
    lock = threading.Lock()

    def guarded() -> bool:
        return lock.locked()

    error = executor.submit(guarded).exception(LIMIT_S)
    assert isinstance(error, NotPicklableError)
    assert "guarded" in str(error)
    assert "lock" in str(error)
    with pytest.raises(NotPicklableError, match="argument 1"):
        executor.submit(abs, lock).result(LIMIT_S)
    assert executor.submit(abs, -1).result(LIMIT_S) == 1


def test_a_call_that_needs_too_much_memory_fails_alone_and_says_so(fairlead: Command) -> None:
    need_groups()

    def take(mebibytes: int) -> int:
        return sum(len(bytes([1]) * (1 << 20)) for _ in range(mebibytes)) >> 20

    def hoard() -> int:
        sys.stderr.write("taking much\n")
        return len([bytes([1]) * (1 << 20) for _ in range(2000)])

    with Executor(max_workers=2) as executor:
        before = [executor.submit(take, 100) for _ in range(10)]
        greedy = executor.submit(hoard)
        after = [executor.submit(take, 100) for _ in range(10)]
        error = greedy.exception(LIMIT_S)
        assert isinstance(error, WorkerDiedError)
        assert "hoard was given up after 3 workers ended while running it" in str(error)
        assert "memory" in str(error)
        assert "limit" in str(error)
        assert "512 MiB" in str(error)
        assert "taking much" in str(error)
        assert [call.result(LIMIT_S) for call in before + after] == [100] * 20


# Where the cluster is


def test_a_master_can_be_named(fairlead: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = Home(fairlead.home).read_leader()
    assert leader is not None
    with Executor(max_workers=1, address=leader.address) as executor:
        assert executor.submit(os.getppid).result(LIMIT_S) in pids(fairlead)
    monkeypatch.setenv("FAIRLEAD_MASTER", leader.address)
    with Executor(max_workers=1) as executor:
        assert executor.submit(os.getppid).result(LIMIT_S) in pids(fairlead)
    monkeypatch.setenv("FAIRLEAD_MASTER", "127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"no master answers at 127\.0\.0\.1:1$"):
        Executor()
    with pytest.raises(ConfigError, match="'5050' is not the address of a master"):
        Executor(address="5050")


def test_the_token_is_that_of_the_home(
    fairlead: Command, fairlead_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = Home(fairlead.home).read_leader()
    assert leader is not None
    with pytest.raises(ConfigError, match=r"there is no cluster in .* \(no token\)"):
        Executor(address=leader.address)
    Home(fairlead_home).make_token()
    with pytest.raises(UnauthenticatedError, match="does not accept the token of") as caught:
        Executor(address=leader.address)
    assert "FAIRLEAD_HOME" in (caught.value.hint or "")


# Workers are shared


ASK = """
import os
from fairlead.frameworks.batch import Executor
with Executor(max_workers=1) as executor:
    print(executor.submit(os.getppid).result())
"""


def test_programs_one_after_another_share_a_warm_worker(fairlead: Command) -> None:
    first, second = (run_python(fairlead.environment, "-c", ASK) for _ in range(2))
    assert first == second
    assert int(first) in pids(fairlead)


def test_programs_at_the_same_time_share_what_there_is(fairlead: Command) -> None:
    """One that holds all workers gives some back to one that comes later."""
    with Executor(max_workers=4) as rich:
        results = rich.map(seen_by(0.01), range(1600))
        next(results)
        until("it has all workers", lambda: len(pids(fairlead)) == 4)
        poor = int(run_python(fairlead.environment, "-c", ASK))
        assert poor in {pid for _, pid in results}


def test_idle_workers_are_released_and_their_resources_offered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAIRLEAD_BATCH_IDLE_S", "0.3")
    with running_cluster("--cpus", "1", "--mem", "1GiB") as fairlead:
        monkeypatch.setenv("FAIRLEAD_HOME", str(fairlead.home))
        with Executor() as executor:
            assert executor.submit(abs, -1).result(LIMIT_S) == 1
            (held,) = workers(fairlead)
        until("it is released", lambda: not workers(fairlead))
        assert workers(fairlead, ended=True)[held].latest.exit_code == 0
        fairlead.ok("run", "--cpus", "1", "--", "true")
        with Executor() as executor:
            assert executor.submit(abs, -2).result(LIMIT_S) == 2


# Programs


PROGRAM = """
import sys
from fairlead.frameworks.batch import Executor
{imports}
factor = 3

def times(n):
    return factor * n + {extra}

if __name__ == "__main__":
    with Executor(max_workers=2) as executor:
        print(sum(executor.map(times, range(100))))
"""
PLAIN = PROGRAM.format(imports="", extra="0")


def test_a_plain_script_with_its_own_modules(fairlead: Command, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def one():\n    return 1\n")
    (tmp_path / "script.py").write_text(
        PROGRAM.format(imports="from beside import one", extra="one()")
    )
    printed = run_python(fairlead.environment, str(tmp_path / "script.py"))
    assert int(printed) == 3 * 4950 + 100


def test_a_program_from_stdin_and_from_the_command_line(fairlead: Command, tmp_path: Path) -> None:
    assert int(run_python(fairlead.environment, "-", stdin=PLAIN, cwd=tmp_path)) == 14850
    assert int(run_python(fairlead.environment, "-c", PLAIN, cwd=tmp_path)) == 14850


def test_pywrens_words(fairlead: Command) -> None:
    with pywren.default_executor(max_workers=2) as words:
        counts = words.map(lambda text: len(text.split()), ["a b", "c", "d e f"])
        done, missing = pywren.wait(counts, pywren.ALL_COMPLETED, LIMIT_S)
        assert (len(done), missing) == (3, [])
        assert pywren.get_result(counts, LIMIT_S) == [2, 1, 3]
        assert words.reduce(sum, counts).result(LIMIT_S) == 6
        total = words.map_reduce(lambda n: n * n, range(5), sum)
        assert pywren.get_result([total, words.call_async(abs, -7)], LIMIT_S) == [30, 7]
        assert isinstance(total, futures.Future)


# Nothing is left behind


CYCLES = """
import os, threading
import psutil
from fairlead.frameworks.batch import Executor

def held():
    me = psutil.Process()
    descriptors = len(os.listdir("/proc/self/fd"))
    return threading.enumerate(), descriptors, me.net_connections(), me.children(recursive=True)

def cycle():
    with Executor(max_workers=2) as executor:
        assert executor.submit(abs, -1).result() == 1

cycle()
before = held()
for _ in range({count}):
    cycle()
    assert held() == before, (before, held())
"""


def held_by_the_cluster(fairlead: Command) -> tuple[object, ...]:
    """By those that serve executors, and on disk."""
    serving = [psutil.Process(pid) for pid in (daemon_pid(fairlead, "frameworks"), *pids(fairlead))]
    descriptors = [(process.pid, process.num_fds()) for process in serving]
    children = [process.children() for process in serving[1:]]
    return sorted(descriptors), children, sorted(fairlead.home.rglob("*"))


def test_200_executors_one_after_another_leave_nothing_behind(fairlead: Command) -> None:
    run_python(fairlead.environment, "-c", CYCLES.format(count=1))
    before = held_by_the_cluster(fairlead)
    run_python(fairlead.environment, "-c", CYCLES.format(count=200))
    until("nothing is left", lambda: held_by_the_cluster(fairlead) == before)


def test_embedded_clusters_one_after_another_leave_nothing_behind(nowhere: dict[str, str]) -> None:
    run_python(nowhere, "-c", CYCLES.format(count=2))
    assert left_in(nowhere) == []
    assert processes_below(nowhere) == []


# An embedded cluster


def test_without_a_cluster_one_is_started_and_nothing_is_left(nowhere: dict[str, str]) -> None:
    assert int(run_python(nowhere, "-c", PLAIN)) == 14850
    assert left_in(nowhere) == []


READY = """
import os, signal, time
from fairlead.frameworks.batch import Executor
{begin}
    executor.submit(abs, -1).result()
    print("ready", flush=True)
    {then}
"""
MAPPING = "list(executor.map(time.sleep, [60] * 5))"


def test_an_embedded_cluster_ends_with_its_owner_however_that_ends(
    nowhere: dict[str, str],
) -> None:
    program = READY.format(
        begin="with Executor(max_workers=1) as executor:",
        then="os.kill(os.getpid(), signal.SIGKILL)",
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=nowhere,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("ready\n", -signal.SIGKILL), done.stderr
    began = time.monotonic()
    until("its files are gone", lambda: not left_in(nowhere), GONE_S)
    until("all processes have ended", lambda: not processes_below(nowhere), GONE_S)
    assert time.monotonic() - began < GONE_S


def processes_below(environment: Mapping[str, str]) -> list[str]:
    return processes_of(Path(environment["TMPDIR"]) / "fairlead-")


FORKING = """
import os, time
from fairlead.frameworks.batch import Executor
with Executor() as executor:
    executor.submit(abs, -1).result()
    if not os.fork():
        time.sleep({seconds})
        os._exit(0)
"""


def test_a_forked_copy_keeps_no_embedded_cluster_alive(nowhere: dict[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING.format(seconds=GONE_S)], env=nowhere, process_group=0
    ) as program:
        began = time.monotonic()
        assert program.wait(LIMIT_S) == 0
        assert time.monotonic() - began < GONE_S
        assert left_in(nowhere) == []
        os.killpg(program.pid, signal.SIGKILL)


@pytest.mark.parametrize("begin", ["with Executor() as executor:", "if executor := Executor():"])
def test_ctrl_c_ends_a_program_and_the_calls_that_run(nowhere: dict[str, str], begin: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", READY.format(begin=begin, then=MAPPING)],
        env=nowhere,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "ready\n"
        assert processes_below(nowhere)
        time.sleep(0.3)
        program.send_signal(signal.SIGINT)
        program.wait(GONE_S)
        assert program.stderr.read().endswith("\nKeyboardInterrupt\n")
    assert processes_below(nowhere) == []
    assert left_in(nowhere) == []
