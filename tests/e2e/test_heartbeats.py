"""Daemons that are stopped for a while (SIGSTOP): noticed in time, and no task pays for it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.support.bag import Bag, Holder, living
from tests.support.command import until
from tests.support.daemons import Daemons, daemons_of
from tests.support.witness import Witness

from fairlead.common.operators import AgentState
from fairlead.common.values import TaskState

AGENT = ("--cpus", "4", "--mem", "1GB", "--disk", "1GB", "--gpus", "none")
NOTICED_S = 10.0
SLACK_S = 1.0  # for asking the master
STOPPED_S = 12.0


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        found.master()
        found.agent("a1", *AGENT)
        yield found


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """It exists, and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def states(bag: Bag, name: str) -> list[str]:
    return [status.state.name for status in bag.told()[name]]


def test_m3_a_stopped_agent_is_disconnected_in_time_and_nothing_else(
    daemons: Daemons, witness: Witness
) -> None:
    bag = Bag("bag", [witness.waits("t1", 5)])
    with living(bag, daemons.home):
        until("it runs", lambda: "t1" in bag.running())
        with living(Holder(), daemons.home):
            until("the rest is offered", lambda: daemons.state().offers)
            with stopped(daemons.pid("a1")):
                began = time.monotonic()
                until(
                    "it is missed",
                    lambda: daemons.agents()["a1"].state is AgentState.DISCONNECTED,
                    NOTICED_S + SLACK_S,
                )
                assert time.monotonic() - began > 1, "a pause is no absence"
                assert daemons.state().offers == (), "nothing of it is on offer"
                assert daemons.tasks()["t1"].latest.state is TaskState.RUNNING
                assert psutil.pid_exists(witness.began("t1").pid)
            until("it is back", lambda: daemons.agents()["a1"].state is AgentState.CONNECTED)
            until("the rest is offered again", lambda: daemons.state().offers)
        assert states(bag, "t1") == ["RUNNING"]
        witness.release("t1")
        until("it has ended", lambda: "t1" in bag.ended())
    assert bag.ended()["t1"].exit_code == 5
    witness.ran_once("t1")


def test_m3_a_master_that_was_stopped_changes_no_tasks_state(
    daemons: Daemons, witness: Witness
) -> None:
    """It was away for longer than anybody may be silent; so were all others, to its eyes."""
    bag = Bag("bag", [witness.waits("t1", 5), witness.waits("meanwhile", 6)])
    with living(bag, daemons.home):
        until("both run", lambda: len(bag.running()) == 2)
        with stopped(daemons.pid("master")):
            witness.release("meanwhile")
            time.sleep(STOPPED_S)
        until("the agent is there", lambda: has_agent(daemons))
        until("the end meanwhile is told", lambda: "meanwhile" in bag.ended())
        assert daemons.lives("master")
        assert states(bag, "t1") == ["RUNNING"]
        assert states(bag, "meanwhile") == ["RUNNING", "FAILED"]
        assert daemons.tasks()["t1"].latest.state is TaskState.RUNNING
        assert daemons.state().epoch == 1, "it leads as before"
        witness.release("t1")
        until("it has ended", lambda: "t1" in bag.ended())
    assert bag.ended()["t1"].exit_code == 5
    assert bag.ended()["meanwhile"].exit_code == 6
    for name in ("t1", "meanwhile"):
        witness.ran_once(name)


def has_agent(daemons: Daemons) -> bool:
    return [view.state for view in daemons.agents().values()] == [AgentState.CONNECTED]
