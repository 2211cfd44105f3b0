"""Who does not read, stands still, or lives twice loses a session, and nobody else does.

One master and one agent for all; a framework that works on the side is never kept waiting.
"""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.support.bag import Bag, living
from tests.support.command import Command, until
from tests.support.daemons import Daemons, daemons_of
from tests.support.sessions import Raw
from tests.support.witness import Witness

from fairlead.common.ids import CallId, FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    FrameworkMessage,
    Hello,
    Reconcile,
    Subscribe,
)
from fairlead.common.resources import Resources
from fairlead.common.rpc import FRAMEWORK_SESSION
from fairlead.common.values import Demand, FrameworkInfo, RoleDemand, TaskInfo, TaskRef, TaskState
from fairlead.frameworks.kit.scheduler import SchedulerEvent, StatusReceived, task

AGENT = ("--cpus", "4", "--mem", "1GB", "--disk", "1GB", "--gpus", "none")
SUPERSEDED_EXIT = 76
ASKED_AT_ONCE = 2000
LONG_S = 20.0
"""Whoever waits for a holder of offers waits for 30 s; usual is a fraction of one."""
MEMORY_BYTES = 150 * 10**6
"""What the master may need more than before, twice the bytes that one session may have queued."""


@pytest.fixture(scope="module")
def daemons() -> Iterator[Daemons]:
    home = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    with daemons_of(home) as found:
        found.master()
        found.agent("a1", *AGENT)
        yield found
    shutil.rmtree(home)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


class Busy(Bag):
    """Runs one short task after the other, and remembers when each ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        super().__init__("busy", [self._next()])

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        if isinstance(event, StatusReceived) and event.status.state is TaskState.FINISHED:
            self.ends.append(time.monotonic())
            self.waiting += (self._next(),)
            self._want()
        return super().step(event, now)

    def _next(self) -> TaskInfo:
        return task(f"busy-{len(self.ends)}", ["true"], Resources.of(cpus=1, mem=10**6))

    def longest_wait_s(self) -> float:
        ends = [*self.ends, time.monotonic()]
        return max(b - a for a, b in itertools.pairwise(ends))


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """It exists, and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def closings(daemons: Daemons, code: str) -> int:
    """How many sessions the master has ended so."""
    return daemons.log("master").count(f"code={code} ")


# --- who does not read


def subscribes() -> FrameworkMessage:
    info = FrameworkInfo(FrameworkId(""), "deaf", failover_timeout_s=0.0)
    wants = RoleDemand(Role("default"), (Demand(Resources.of(cpus=1)),))
    hello = Hello(PROTOCOL_VERSION, "test", "deaf", 1)
    return FrameworkMessage(Subscribe(hello, info, demands=(wants,)))


def asks(number: int) -> FrameworkMessage:
    """After tasks that nobody knows; the master says so of each."""
    refs = (TaskRef(TaskId(f"t{number}-{n}"), LaunchUuid("u")) for n in range(ASKED_AT_ONCE))
    return FrameworkMessage(Reconcile(tuple(refs)), CallId(f"c{number}"))


async def asks_and_never_listens(daemons: Daemons) -> tuple[str, str]:
    """Until the master has had enough; how it ended it, read at last."""
    before = closings(daemons, "SLOW_CONSUMER")
    async with Raw(daemons.address(), daemons.home.token()) as raw:
        encode = FRAMEWORK_SESSION.to_server.encode
        await raw.call.write(encode(subscribes()))
        for number in range(1000):
            await raw.call.write(encode(asks(number)))
            await asyncio.sleep(0.02)
            if closings(daemons, "SLOW_CONSUMER") > before:
                break
        code, details = await raw.status()
        return code.name, details


def test_who_never_reads_is_ended_and_others_do_not_wait_for_it(daemons: Daemons) -> None:
    busy = Busy()
    master = psutil.Process(daemons.pid("master"))
    with living(busy, daemons.home):
        until("somebody works", lambda: len(busy.ends) > 3)
        memory = master.memory_info().rss
        code, details = asyncio.run(asks_and_never_listens(daemons))
        assert code == "RESOURCE_EXHAUSTED", details
        assert "not read in time" in details
        done = len(busy.ends)
        until("the work goes on", lambda: len(busy.ends) > done + 3)
        assert busy.longest_wait_s() < LONG_S
        assert master.memory_info().rss - memory < MEMORY_BYTES
    until("it is gone", lambda: "deaf" not in daemons.frameworks())


# --- who stands still


@contextmanager
def scheduler(daemons: Daemons, name: str, *tasks: TaskInfo) -> Iterator["subprocess.Popen[str]"]:
    """A driver in a process of its own, which keeps its id."""
    said = {"name": name, "tasks": [[t.task_id, t.command.argv, 1, 10**6] for t in tasks]}
    command = Command(daemons.home.path, BAG=json.dumps(said))
    run = ("frameworks", "run", "--keep-id", "tests.support.bag:FromEnvironment")
    with command.started(*run) as process:
        yield process


def test_a_driver_that_was_stopped_is_missed_and_comes_back(
    daemons: Daemons, witness: Witness
) -> None:
    busy = Busy()
    with scheduler(daemons, "still", witness.waits("kept", 3)) as process:
        pid = witness.began("kept").pid
        with living(busy, daemons.home):
            with stopped(process.pid):
                until("it is missed", lambda: not is_connected(daemons, "still"), 30)
                done = len(busy.ends)
                until("others work", lambda: len(busy.ends) > done + 3)
            until("it is back", lambda: is_connected(daemons, "still"), 30)
        assert busy.longest_wait_s() < LONG_S
        shown = daemons.tasks()["kept"].latest
        assert (shown.state, shown.pid) == (TaskState.RUNNING, pid)
        witness.release("kept")
        until("its task has ended", lambda: daemons.tasks()["kept"].latest.exit_code == 3)
    witness.ran_once("kept")


def is_connected(daemons: Daemons, name: str) -> bool:
    view = daemons.frameworks().get(name)
    return view is not None and view.is_connected


# --- who lives twice


def test_of_two_schedulers_with_one_id_the_later_wins_at_once_and_for_good(
    daemons: Daemons, witness: Witness
) -> None:
    before = closings(daemons, "SUPERSEDED")
    with scheduler(daemons, "twice", witness.waits("t1")) as first:
        witness.began("t1")
        with scheduler(daemons, "twice") as second:
            said = first.communicate(timeout=30)[1].splitlines()
            assert first.returncode == SUPERSEDED_EXIT
            assert "twice" in said[-1], said
            assert "another instance" in said[-1], said
            assert sum("another instance" in line for line in said) <= 2, said
            until("the second is there", lambda: is_connected(daemons, "twice"))
            witness.release("t1")
            until("the task has ended", lambda: daemons.tasks()["t1"].latest.state.is_terminal)
            assert second.poll() is None
    assert closings(daemons, "SUPERSEDED") == before + 1, "they took turns"
    assert [f.framework.name for f in daemons.state().frameworks].count("twice") == 1
    witness.ran_once("t1")
