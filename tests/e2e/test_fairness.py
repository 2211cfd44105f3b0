"""Shares, absences and ends of frameworks, with real schedulers, agents and tasks."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.support.bag import Bag, End, Life, living
from tests.support.command import until
from tests.support.daemons import Daemons, daemons_of
from tests.support.witness import SMALL, Witness

from fairlead.common.home import Home
from fairlead.common.ids import FrameworkId, Role
from fairlead.common.messages import Code
from fairlead.common.operators import RoleView, SetWeight, TeardownFramework
from fairlead.common.resources import Resources
from fairlead.common.values import Reason, TaskInfo, TaskState
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.events import REFUSED_EXIT
from fairlead.frameworks.kit.identity import Identity, Known
from fairlead.frameworks.kit.scheduler import task

ROOT = Path(__file__).parents[2]
GB = 10**9
REST = ("--disk", "1GB", "--gpus", "none")
LIMIT_S = 2.0
LATE_S = 5.0  # what the promise allows beyond the limit


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        found.master()
        yield found


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


# --- shares


def test_the_example_of_the_drf_paper(daemons: Daemons, witness: Witness) -> None:
    """9 cpus and 18 GB; tasks of A take (1, 4), those of B (3, 1): A runs three and B two."""
    of_a = Resources.of(cpus=1, mem=4 * GB)
    of_b = Resources.of(cpus=3, mem=1 * GB)
    a = Bag("a", [witness.waits(f"a{n}", 3, of_a) for n in range(9)])
    b = Bag("b", [witness.waits(f"b{n}", 4, of_b) for n in range(9)])
    with living(a, daemons.home), living(b, daemons.home):
        until("both wait for offers", lambda: a.subscribed and b.subscribed)
        daemons.agent("a1", "--cpus", "9", "--mem", "18GB", *REST)
        until("no cpu is left", lambda: daemons.agents()["a1"].used.cpus == 9000)
        until("five tasks run", lambda: len(a.running()) + len(b.running()) == 5)
        assert (len(a.running()), len(b.running())) == (3, 2)
        shares = {name: view.dominant_share for name, view in daemons.frameworks().items()}
        assert shares == pytest.approx({"a": 12 / 18, "b": 6 / 9})

        ended_a, ended_b = min(a.running()), min(b.running())
        witness.release(ended_a)  # its place is A's again: B cannot use one cpu
        until("the next of A runs", lambda: ended_a in a.ended() and len(a.running()) == 3)
        witness.release(ended_b)
        until("the next of B runs", lambda: ended_b in b.ended() and len(b.running()) == 2)
        assert (len(a.running()), len(b.running())) == (3, 2)
        for name in (*a.running(), *b.running()):
            witness.began(name)


def roles(daemons: Daemons) -> dict[str, RoleView]:
    return {view.role: view for view in daemons.state().roles}


def counts(*bags: Bag) -> list[int]:
    return [len(bag.running()) for bag in bags]


def renew(witness: Witness, *bags: Bag) -> None:
    """Let each task that runs now end, one after another; another takes its place."""
    full = sum(counts(*bags))
    for name in [name for bag in bags for name in bag.running()]:
        witness.release(name)
        until(f"another runs in the place of {name}", partial(is_replaced, name, full, *bags))


def is_replaced(name: str, full: int, *bags: Bag) -> bool:
    return any(name in bag.ended() for bag in bags) and sum(counts(*bags)) == full


def test_weights_may_change_at_any_time_and_outlive_the_master(
    daemons: Daemons, witness: Witness
) -> None:
    a, b = (Bag(name, [witness.waits(f"{name}{n}") for n in range(40)], role=name) for name in "ab")
    with living(a, daemons.home), living(b, daemons.home):
        until("both wait for offers", lambda: a.subscribed and b.subscribed)
        daemons.agent("a1", "--cpus", "12", "--mem", "4GB", *REST)
        until("all cpus are used", lambda: sum(counts(a, b)) == 12)
        assert counts(a, b) == [6, 6]

        assert daemons.order(SetWeight(Role("a"), 2.0)).result.code is Code.OK
        renew(witness, a, b)
        assert counts(a, b) == [8, 4]
        daemons.kill("master")
        daemons.again("master")
        until("the weight is known", lambda: roles(daemons).get("a") is not None)
        assert roles(daemons)["a"].weight == 2.0
        until("both are back", lambda: len(a.subscribed) == len(b.subscribed) == 2)
        until("all tasks are known again", lambda: len(daemons.tasks()) >= 12)
        assert counts(a, b) == [8, 4]
        renew(witness, a, b)
        assert counts(a, b) == [8, 4]


def test_a_limit_and_a_guarantee_hold_for_real_tasks_and_outlive_the_master(
    daemons: Daemons, witness: Witness
) -> None:
    """Of 8 cpus `a` may have 2, and 3 are kept for `b`, which comes last."""
    a, b, c = (
        Bag(name, [witness.waits(f"{name}{n}") for n in range(9)], role=name) for name in "abc"
    )
    say = daemons.command.ok
    assert say("quota", "set", "a", "--limit", "cpus=2") == "a: at most 2 cpus\n"
    kept = ("--guarantee", "cpus=3", "--force")  # there is no agent yet
    assert say("quota", "set", "b", *kept) == "b: guaranteed 3 cpus\n"
    with living(a, daemons.home), living(c, daemons.home):
        until("both wait for offers", lambda: a.subscribed and c.subscribed)
        daemons.agent("a1", "--cpus", "8", "--mem", "4GB", *REST)
        until("all but three cpus are used", lambda: sum(counts(a, c)) == 5)
        daemons.kill("master")
        daemons.again("master")
        until("both are back", lambda: len(a.subscribed) == len(c.subscribed) == 2)
        with living(b, daemons.home):
            until("all cpus are used", lambda: sum(counts(a, b, c)) == 8)
            assert counts(a, b, c) == [2, 3, 3]
            shown = {row["role"]: row for row in daemons.command.json("roles", "list")}
            assert (shown["a"]["limits"]["cpus"], shown["a"]["held"]["cpus"]) == (2, 2)
            assert (shown["b"]["guarantees"]["cpus"], shown["b"]["held"]["cpus"]) == (3, 3)


# --- absences


@contextmanager
def process_of(
    daemons: Daemons, name: str, tasks: list[TaskInfo]
) -> "Iterator[subprocess.Popen[bytes]]":
    """A scheduler in a process of its own, as an operator starts one."""
    said = {
        "name": name,
        "failover_timeout_s": LIMIT_S,
        "tasks": [[each.task_id, each.command.argv, 1, 10**6] for each in tasks],
    }
    command = daemons.command
    with daemons.home.log(name).open("ab") as log:
        process = subprocess.Popen(
            command.argv("frameworks", "run", "--keep-id", "tests.support.bag:FromEnvironment"),
            env={**command.environment, "BAG": json.dumps(said)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def have_begun(witness: Witness, *names: str) -> bool:
    return all(witness.marks(name) for name in names)


@pytest.mark.parametrize(
    "who", ["the master", "the next master", "a master that never met it", "the agent alone"]
)
def test_who_stays_away_loses_its_tasks(daemons: Daemons, witness: Witness, who: str) -> None:
    """Within 5 s after its failover timeout, whoever of the cluster is there to count."""
    daemons.agent("a1", "--cpus", "8", "--mem", "1GB", *REST)
    other = Bag("other", [witness.waits("untouched")])
    tasks = [witness.waits("one"), witness.waits("two")]
    with living(other, daemons.home), process_of(daemons, "lost", tasks) as scheduler:
        until("all run", lambda: have_begun(witness, "one", "two", "untouched"))
        pids = [witness.began(name).pid for name in ("one", "two")]
        until("the master knows", lambda: len(daemons.tasks()) == 3)
        if who == "a master that never met it":
            daemons.kill("master")
        scheduler.kill()
        vanished = time.monotonic()
        if who in ("the next master", "the agent alone"):
            until("it is missed", lambda: not daemons.frameworks()["lost"].is_connected)
            daemons.kill("master")
        if who in ("the next master", "a master that never met it"):
            daemons.again("master")
        while time.monotonic() < vanished + LIMIT_S - 0.3:
            assert all(map(psutil.pid_exists, pids)), "ended too early"
            time.sleep(0.05)
        patience_s = vanished + LIMIT_S + LATE_S - time.monotonic()
        until("they are gone", lambda: not any(map(psutil.pid_exists, pids)), patience_s)
        assert psutil.pid_exists(witness.began("untouched").pid)
        if who != "the agent alone":
            until("their end is shown", lambda: ended(daemons, "one", "two"))


def ended(daemons: Daemons, *names: str) -> bool:
    """As their framework was removed; or they have not yet."""
    shown = daemons.tasks()
    latest = [shown[name].latest for name in names if name in shown]
    over = [status for status in latest if status.state.is_terminal]
    for status in over:
        assert (status.state, status.reason) == (TaskState.KILLED, Reason.FRAMEWORK_REMOVED)
    return len(over) == len(names)


def test_who_returns_in_time_keeps_its_tasks(daemons: Daemons, witness: Witness) -> None:
    daemons.agent("a1", "--cpus", "8", "--mem", "1GB", *REST)
    with process_of(daemons, "lost", [witness.waits("one", 5)]) as scheduler:
        until("it runs", lambda: have_begun(witness, "one"))
        until("the master knows", lambda: "one" in daemons.tasks())
        before = daemons.frameworks()["lost"].framework.framework_id
        scheduler.kill()
        until("it is missed", lambda: not daemons.frameworks()["lost"].is_connected)
    back = Bag("lost", failover_timeout_s=LIMIT_S)
    with living(back, daemons.home, keep_id=True):
        until("it hears of its task", lambda: "one" in back.running())
        assert back.framework_ids == {before}
        time.sleep(LIMIT_S + 0.5)
        witness.release("one")
        until("it hears of the end", lambda: "one" in back.ended())
        assert back.ended()["one"].exit_code == 5
    witness.ran_once("one")


# --- ends

DEAF = """
trap '' TERM
sleep 1000 &
echo "begin $FAIRLEAD_LAUNCH_UUID $$" >> "$1"
echo "child $FAIRLEAD_LAUNCH_UUID $!" >> "$1"
while :; do sleep 0.1; done
"""


def try_again(home: Home, framework_id: str, cluster_id: str) -> Life:
    """A framework that claims this id."""
    identity = Identity.of(home, "claims")
    identity.save(Known(framework_id, cluster_id))
    life = Life(FrameworkRunner(Bag("claims"), Whereabouts(home), identity=identity))
    life.begin()
    return life


@pytest.mark.parametrize("by", ["itself", "an operator"])
def test_the_end_of_a_framework(daemons: Daemons, witness: Witness, by: str) -> None:
    for name in ("a1", "a2"):
        daemons.agent(name, "--cpus", "3", "--mem", "1GB", *REST)
    argv = ("sh", "-c", DEAF, "sh", str(witness.path / "deaf"))
    deaf = replace(task("deaf", argv, SMALL), kill_grace_s=0.5)
    names = [f"t{n}" for n in range(5)]
    bag = Bag("bag", [*map(witness.waits, names), deaf])
    heir = Bag("heir", [witness.waits(f"heir{n}") for n in range(6)])
    with living(bag, daemons.home) as life:
        until("six tasks fill both agents", lambda: len(bag.running()) == 6)
        assert {status.agent_id for status in bag.statuses} == {
            view.agent.agent_id for view in daemons.agents().values()
        }
        until("the deaf one has a child", lambda: len(witness.marks("deaf")) == 2)
        pids = [mark.pid for name in [*names, "deaf"] for mark in witness.marks(name)]
        with living(heir, daemons.home):
            until("the heir waits", lambda: heir.subscribed)
            assert not heir.running()
            (framework_id,) = bag.framework_ids
            if by == "itself":
                life.feed(End())
                assert life.ends() == 0
            else:
                order = TeardownFramework(FrameworkId(framework_id))
                assert daemons.order(order).result.code is Code.OK
                assert life.ends() == REFUSED_EXIT
            until("all processes are gone", lambda: not any(map(psutil.pid_exists, pids)))
            until("their place is taken", lambda: len(heir.running()) == 6)

            cluster_id = daemons.state().cluster_id
            refused = try_again(daemons.home, framework_id, cluster_id)
            assert refused.ends() == REFUSED_EXIT
            assert refused.runner.was_removed
            daemons.kill("master")
            daemons.again("master")
            refused = try_again(daemons.home, framework_id, cluster_id)
            assert refused.ends() == REFUSED_EXIT
            assert "was torn down" in str(refused.runner.stopped)
