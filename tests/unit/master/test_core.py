"""The core as a whole: failover, what is durable, determinism, and the promise of its own clock."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from tests.support.master_harness import CLUSTER, MasterHarness, task

from fairlead.common.events import CloseSession, SessionClosed, SessionOpened, Tick
from fairlead.common.ids import Role, SessionId, TaskId
from fairlead.common.messages import (
    AgentBody,
    Code,
    FrameworkBody,
    RegisterAgent,
    ShutdownFramework,
    Subscribe,
    Teardown,
)
from fairlead.common.operators import AgentState, OperatorBody, SetWeight
from fairlead.common.values import TaskState
from fairlead.master.core import Master
from fairlead.master.settings import MasterSettings

WALK = Path(__file__).parents[2] / "support" / "master_walk.py"


def test_f2_after_a_failover_the_same_tasks_run_under_the_same_ids() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"), task("t2"))
    a.runs("t1", "t2")
    before = f.id
    h.fail_over()
    assert f.id == before
    assert f.subscribed is not None
    assert f.subscribed.epoch == 2
    assert sorted(h.framework_books(f).tasks) == ["t1", "t2"]
    assert h.master.books.agents[a.id].used.cpus == 2000, "and none is counted twice"
    assert [type(order).__name__ for order in a.orders if "Away" not in type(order).__name__] == [
        "RunAccept"
    ], "no task was killed or started again"


def test_f2_agents_before_frameworks_or_after_makes_no_difference() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    a.runs("t1")
    for order in ((a, f), (f, a)):
        h.fail_over(returns=False)
        for peer in order:
            peer.connects()
        h.tick()
        assert h.believes(f, "t1").latest.state is TaskState.RUNNING
        assert h.framework_books(f).used.cpus == 1000


def test_f2_ended_tasks_stay_known() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    a.finishes("t1")
    h.fail_over()
    assert h.believes(f, "t1").latest.exit_code == 0
    assert h.believes(f, "t1").sandbox == "sandbox/t1"


def test_f2_the_registry_holds_no_task_and_no_offer() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    a.runs("t1")
    assert list(h.records) == [f"agent/{a.id}"]


def test_f2_offers_of_the_old_leader_are_void() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    (offer,) = f.offers
    h.fail_over()
    f.accept(offer, task("t1"))
    assert f.states == ["t1 DROPPED"]


def test_f2_a_launch_that_was_lost_with_the_leader_is_free_again() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    a.living.clear()
    h.fail_over()
    assert f.offered.cpus == 4000


def test_f2_nothing_is_offered_before_the_agent_has_said_what_it_runs() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    h.fail_over(returns=False)
    f.connects()
    h.tick()
    assert not f.offers
    a.connects()
    h.tick()
    assert f.offered.cpus == 3000


def test_f3_weights_are_the_same_afterwards() -> None:
    h = MasterHarness()
    h.orders(SetWeight(Role("a/b"), 2.5))
    h.fail_over()
    assert h.master.books.weights == {"a/b": 2.5}


def test_f3_removed_frameworks_stay_removed_oldest_first() -> None:
    h = MasterHarness()
    ids = []
    for _ in range(12):
        f = h.framework()
        ids.append(f.id)
        f.call(Teardown())
    h.fail_over()
    assert list(h.master.books.removed) == ids


def test_f3_a_given_up_agent_is_still_given_up() -> None:
    h = MasterHarness()
    a = h.agent()
    a.disconnects()
    h.advance(80)
    h.fail_over()
    assert h.master.books.agents[a.id].state is AgentState.UNREACHABLE
    assert h.master.books.capacity.cpus == 0


def test_no_record_of_a_kind_that_nobody_knows_is_read() -> None:
    with pytest.raises(KeyError):
        Master.restore(MasterSettings(), 2, CLUSTER, {"nonsense/x": object()}, 0.0, Random())


def test_a_removed_framework_is_shut_down_on_whoever_returns() -> None:
    h = MasterHarness()
    a, b = h.agent(), h.agent()
    f = h.framework()
    f.accept(f.offers[0], task("t1"))
    f.accept(f.offers[0], task("t2"))
    b.disconnects()
    f.call(Teardown())
    a.kills("t1")
    h.fail_over()
    b.connects()
    assert ShutdownFramework(f.id) in b.orders
    b.kills("t2")
    assert not b.updates
    assert h.master.books.agents[b.id].used.cpus == 0


def test_time_does_not_pass_for_an_idle_master_without_peers() -> None:
    assert MasterHarness().master.next_deadline() is None


def test_a_master_with_peers_looks_at_its_own_clock_often_enough() -> None:
    """So that a longer gap can only be its own stall."""
    h = MasterHarness()
    h.framework()
    deadline = h.master.next_deadline()
    assert deadline is not None
    assert deadline - h.now <= h.settings.stall_s


def test_a_session_that_said_nothing_ends_without_a_trace() -> None:
    h = MasterHarness()
    h.step(SessionClosed(SessionId(77)))
    h.step(Tick())
    assert not h.master.books.agents


def test_the_version_grows_with_what_operators_see() -> None:
    h = MasterHarness()
    before = h.master.version
    h.agent()
    assert h.master.version > before
    h.master.take_touched()
    quiet = h.master.version
    h.tick()
    h.tick()
    assert h.master.version == quiet


def test_a_quiet_tick_orders_nothing() -> None:
    h = MasterHarness()
    h.agent()
    h.framework()
    before = len(h.actions)
    h.tick()
    assert len(h.actions) == before


def test_a_long_allocation_is_cut_so_that_messages_are_read_in_between() -> None:
    h = MasterHarness(MasterSettings(max_grants=2))
    for _ in range(5):
        h.agent()
    f = h.framework(connects=False)
    f.connects()
    offered = []
    for _ in range(3):
        h.step(Tick())
        offered.append(len(f.offers))
    assert offered == [2, 4, 5]


def test_an_agent_that_is_known_only_by_name_is_expected() -> None:
    h = MasterHarness()
    a = h.agent()
    h.fail_over(returns=False)
    assert h.master.books.agents[a.id].is_expected
    assert replace(a.info, address="") == h.master.books.agents[a.id].info


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_events_give_the_same_actions_whatever_the_hash_seed(seed: int) -> None:
    digests = set()
    for hash_seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, str(WALK), str(seed)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=WALK.parents[2],
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1, digests
    assert len(digests.pop()) == 64


def test_task_ids_of_two_reigns_do_not_meet() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    h.fail_over()
    h.advance(6)
    f.launch(task("t2"))
    accepts = {known.accept_id for known in a.living.values()}
    assert len(accepts) == 2
    assert set(a.living) == {TaskId("t1"), TaskId("t2")}


def test_m37_every_message_of_the_protocol_has_a_handler() -> None:
    known = set(MasterHarness().master.handlers()) | {Subscribe, RegisterAgent}
    for bodies in (FrameworkBody, AgentBody, OperatorBody):
        assert set(get_args(bodies)) <= known


def test_a_session_on_which_nobody_says_who_it_is_is_ended() -> None:
    h = MasterHarness()
    h.step(SessionOpened(SessionId(77)))
    h.advance(9)
    assert not [a for a in h.actions if isinstance(a, CloseSession)]
    h.advance(2)
    assert [a.code for a in h.actions if isinstance(a, CloseSession)] == [Code.SILENT]


def test_the_version_grows_with_what_operators_see_and_not_with_every_step() -> None:
    h = MasterHarness()
    h.agent()
    h.tick()
    before = h.master.version
    h.tick()
    assert h.master.version == before
