"""Machines that an operator takes away, as a person does it: drained and had back, or given up."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.command import until
from tests.support.daemons import Daemons, daemons_of

AGENT = ("--cpus", "2", "--mem", "1GiB", "--disk", "1GiB", "--gpus", "none", "--ports", "")


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        found.master()
        found.agent("a1", *AGENT)
        yield found


def pid_of_the_task(daemons: Daemons) -> int:
    """Once it runs."""
    running = daemons.command.running
    until("the task runs", lambda: any(task["pid"] for task in running()))
    return int(running()[0]["pid"])


def state_of(daemons: Daemons, name: str) -> str:
    rows = daemons.command.json("agents", "list", "--all")
    return next(str(row["state"]) for row in rows if row["name"] == name)


def test_m14_a_machine_is_emptied_stays_so_over_restarts_and_is_had_back(daemons: Daemons) -> None:
    command = daemons.command
    with command.started("run", "--", "sleep", "1000") as process:
        pid_of_the_task(daemons)
        said = command.ok("agents", "drain", "a1", "--grace", "5")
        assert said == "nothing more of a1 is offered, and 1 task there to be ended\n"
        assert process.wait(15) == 143
    until("a1 is drained", lambda: state_of(daemons, "a1") == "DRAINED")
    daemons.kill("a1", "master")
    daemons.again("master", "a1")
    assert state_of(daemons, "a1") == "DRAINED"
    with command.started("run", "--", "echo", "hi") as process:
        assert process.stderr is not None
        assert "a1 is being drained" in process.stderr.readline()
        assert command.ok("agents", "drain", "a1", "--undo") == "a1 is offered again\n"
        assert process.wait(15) == 0


def test_m30_what_ran_on_a_machine_that_is_gone_ends_for_good_there_too(daemons: Daemons) -> None:
    command = daemons.command
    with command.started("run", "--", "sleep", "1000") as process:
        pid = pid_of_the_task(daemons)
        daemons.kill("a1")
        until("the master has noticed", lambda: state_of(daemons, "a1") == "DISCONNECTED")
        said = command.ok("agents", "gone", "a1")
        assert said == "a1 is gone for ever, and 1 task with it\n"
        assert process.wait(15) == 71
        assert process.stderr is not None
        assert "an operator marked its agent gone" in process.stderr.read()
    assert psutil.pid_exists(pid), "nobody was there to end it"
    daemons.kill("master")
    daemons.again("master")
    daemons.start("a1")
    assert daemons.ended("a1") == 76
    assert "start its agent under another name" in daemons.log("a1")
    assert daemons.home.agent("a1").removed.exists(), "so that `up` takes another name"
    until("it has ended with its agent", lambda: not psutil.pid_exists(pid))
    assert state_of(daemons, "a1") == "GONE"
    daemons.agent("a2", *AGENT)
    assert command.ok("run", "--", "echo", "hi") == "hi\n"
