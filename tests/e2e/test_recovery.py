"""kill -9 of master, agent, or both: the same tasks, the same processes, their true ends.

What tasks write themselves decides whether anything ran twice or was ended; what their framework
was told decides whether anything was lost or said twice.
"""

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.support.bag import Bag, Holder, living
from tests.support.command import until
from tests.support.daemons import Daemons, daemons_of
from tests.support.witness import Witness

from fairlead.common.home import Home
from fairlead.common.ids import TaskId
from fairlead.common.values import TaskState
from fairlead.frameworks.kit.scheduler import SchedulerEvent, StatusReceived

AGENT = ("--cpus", "40", "--mem", "4GB", "--disk", "1GB", "--gpus", "none")
BEFORE = {f"before-{n}": n for n in range(4)}
AWAY = {f"away-{n}": 10 + n for n in range(6)}
LONG = {f"long-{n}": 20 + n for n in range(14)}
LONG["long-0"] = 0
CODES = {**BEFORE, **AWAY, **LONG}


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        yield found


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


def registry(home: Home) -> dict[str, bytes]:
    """All that it holds, read past its owner."""
    with closing(sqlite3.connect(f"file:{home.registry}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT key, value FROM records"))


def holds_promises_only(home: Home, forbidden: set[str]) -> None:
    """No task and no offer, not even as a part of something else."""
    records = registry(home)
    assert {key.partition("/")[0] for key in records} == {"agent"}, records
    content = b"".join(records.values()) + "".join(records).encode()
    assert not [word for word in forbidden if word.encode() in content]


def exits_seen(daemons: Daemons) -> int:
    return daemons.log("a1").count("container-exited") - len(BEFORE)


def ids_of(daemons: Daemons) -> dict[str, str]:
    """Of the frameworks that are connected."""
    found = daemons.frameworks().items()
    return {name: view.framework.framework_id for name, view in found if view.is_connected}


@pytest.mark.parametrize(
    ("victims", "later"),
    [(["master"], []), (["a1"], []), (["master", "a1"], []), (["master"], ["a1"])],
    ids=["master", "agent", "both", "agent with updates that no master heard"],
)
def test_nothing_is_killed_told_twice_or_lost(
    daemons: Daemons, witness: Witness, victims: list[str], later: list[str]
) -> None:
    daemons.master()
    daemons.agent("a1", *AGENT)
    bag = Bag("bag", [witness.waits(name, code) for name, code in CODES.items()])
    with ExitStack() as lives:
        lives.enter_context(living(bag, daemons.home))
        until("all tasks run", lambda: bag.running().keys() == CODES.keys())
        lives.enter_context(living(Holder(), daemons.home))
        pids = {name: witness.began(name).pid for name in CODES}
        assert {name: status.pid for name, status in bag.running().items()} == pids
        witness.release(*BEFORE)
        until("the first have ended", lambda: bag.ended().keys() == BEFORE.keys())
        until("somebody holds an offer", lambda: daemons.state().offers)
        before = daemons.state()
        ids = ids_of(daemons)

        daemons.kill(*victims)
        forbidden = {*CODES, *ids.values(), *(offer.offer_id for offer in before.offers)}
        holds_promises_only(daemons.home, forbidden)
        witness.release(*AWAY)
        witness.are_gone(*AWAY)
        if later:
            until("the agent has seen the ends", lambda: exits_seen(daemons) >= len(AWAY))
            daemons.kill(*later)
        daemons.again(*victims, *later)

        until(
            "those that ended meanwhile are known",
            lambda: bag.ended().keys() == BEFORE.keys() | AWAY.keys(),
        )
        until("the frameworks are back under their ids", lambda: ids_of(daemons) == ids)
        shown = daemons.tasks()
        assert shown.keys() == CODES.keys()
        assert {name: view.latest.pid for name, view in shown.items()} == pids
        assert {n for n, v in shown.items() if v.latest.state is TaskState.RUNNING} == LONG.keys()
        assert daemons.command.ok("tasks", "logs", "before-3") == "this is before-3\n"
        assert daemons.command.ok("tasks", "logs", "away-0") == "this is away-0\n"

        witness.release(*LONG)
        until("all have ended", lambda: bag.ended().keys() == CODES.keys())
        until(
            "the master shows it",
            lambda: all(view.latest.state.is_terminal for view in daemons.tasks().values()),
        )
        shown = daemons.tasks()
    assert {name: view.latest.exit_code for name, view in shown.items()} == CODES
    assert {name: witness.ran_once(name).pid for name in CODES} == pids
    for name, told in bag.told().items():
        end = "FAILED" if CODES[name] else "FINISHED"
        assert [status.state.name for status in told] == ["RUNNING", end], told
        assert told[-1].exit_code == CODES[name]
    assert bag.framework_ids == {ids["bag"]}
    assert len(bag.subscribed) == (2 if "master" in victims else 1)


class Stubborn(Bag):
    """Launches again, under another id, what was never run."""

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        if isinstance(event, StatusReceived) and event.status.state is TaskState.DROPPED:
            (dropped,) = [t for t in self.launched if t.task_id == event.status.task_id]
            self.waiting += (replace(dropped, task_id=TaskId(f"{dropped.task_id}+")),)
        return super().step(event, now)


def test_kills_at_any_moment_of_many_short_lives(daemons: Daemons, witness: Witness) -> None:
    """Each command runs to its end exactly once, and its framework hears of it exactly once."""
    daemons.master()
    daemons.agent("a1", "--cpus", "4", *AGENT[2:])
    codes = {f"t{n}": n % 7 for n in range(90)}
    bag = Stubborn("bag", [witness.passes(name, code) for name, code in codes.items()])
    chance = random.Random(7)
    with living(bag, daemons.home):
        for victims in (["master"], ["a1"], ["a1", "master"], ["master"], ["a1"]):
            goal = len(bag.ended()) + 5
            until("some more have ended", partial(has_ended, bag, goal))
            time.sleep(chance.uniform(0, 0.05))
            daemons.kill(*victims)
            daemons.again(*victims)
        until(
            "every command has been run",
            lambda: {name.rstrip("+") for name in real_ends(bag)} == codes.keys(),
        )
    assert len(real_ends(bag)) == len(codes)
    for name, told in bag.told().items():
        assert [status.state.is_terminal for status in told].count(True) == 1, told
        if name in real_ends(bag):
            assert told[-1].exit_code == codes[name.rstrip("+")], told
    for name in codes:
        witness.ran_once(name)


def has_ended(bag: Bag, count: int) -> bool:
    return len(bag.ended()) >= count


def real_ends(bag: Bag) -> set[str]:
    """Tasks that ended in any other way than being dropped."""
    return {name for name, end in bag.ended().items() if end.state is not TaskState.DROPPED}


def test_a_kill_said_while_the_agent_is_away_is_carried_out_when_it_is_back(
    daemons: Daemons, witness: Witness
) -> None:
    daemons.master()
    daemons.agent("a1", *AGENT)
    bag = Bag("bag", [witness.waits("kept"), witness.waits("killed")])
    with living(bag, daemons.home):
        until("both run", lambda: len(bag.running()) == 2)
        daemons.kill("a1")
        daemons.command.ok("tasks", "kill", "killed")
        daemons.again("a1")
        until("it has ended", lambda: "killed" in bag.ended())
        witness.are_gone("killed")
        states = [status.state.name for status in bag.told()["killed"]]
        assert states in (["RUNNING", "KILLING", "KILLED"], ["RUNNING", "KILLED"])
        witness.release("kept")
        until("the other has ended", lambda: "kept" in bag.ended())
        assert bag.ended()["kept"].state is TaskState.FINISHED
