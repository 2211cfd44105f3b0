"""What operators order, answered once and with the version that shows it (M36)."""

import math

import pytest
from tests.support.master_harness import MasterHarness, task

from fairlead.common.ids import FrameworkId, Role, TaskId
from fairlead.common.messages import Code, ShutdownFramework
from fairlead.common.operators import KillAnyTask, SetWeight, TeardownFramework


def test_m36_a_weight_is_set_and_durable() -> None:
    h = MasterHarness()
    assert h.orders(SetWeight(Role("a"), 2.0)).code is Code.OK
    assert h.master.books.weights == {"a": 2.0}
    assert h.records["weight/a"] == SetWeight(Role("a"), 2.0)


@pytest.mark.parametrize("weight", [0.0, -1.0, 1001.0, math.nan, math.inf])
def test_m37_a_weight_that_cannot_be_is_refused(weight: float) -> None:
    h = MasterHarness()
    result = h.orders(SetWeight(Role("a"), weight))
    assert (result.code, result.field) == (Code.INVALID, "weight")
    assert not h.master.books.weights
    assert not h.records


def test_m37_a_weight_of_no_role_is_refused() -> None:
    assert MasterHarness().orders(SetWeight(Role(""), 1.0)).field == "role"


def test_m36_any_task_is_killed() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.launch(task("t1"))
    assert h.orders(KillAnyTask(f.id, TaskId("t1"), 1.0)).code is Code.OK
    assert a.asked_to_kill() == ["t1"]


def test_m36_an_unknown_framework_or_task_is_named() -> None:
    h = MasterHarness()
    f = h.framework()
    nobody = FrameworkId("f-9-9")
    assert h.orders(KillAnyTask(nobody, TaskId("t1"))).field == "framework_id"
    assert h.orders(KillAnyTask(f.id, TaskId("t1"))).field == "task_id"
    assert h.orders(TeardownFramework(nobody)).code is Code.NOT_FOUND


def test_m36_a_framework_is_torn_down() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.accept(f.offers[0], task("t1"))
    assert h.orders(TeardownFramework(f.id)).code is Code.OK
    assert f.goodbyes[0].code is Code.FRAMEWORK_REMOVED
    assert ShutdownFramework(f.id) in a.orders


def test_m36_a_framework_that_is_away_is_torn_down_too() -> None:
    h = MasterHarness()
    f = h.framework()
    f.disconnects()
    assert h.orders(TeardownFramework(f.id)).code is Code.OK
    f.connects()
    assert f.goodbyes[-1].code is Code.FRAMEWORK_REMOVED


def test_m36_tearing_down_twice_is_done_once() -> None:
    h = MasterHarness()
    f = h.framework()
    h.orders(TeardownFramework(f.id))
    before = len(h.actions)
    assert h.orders(TeardownFramework(f.id)).code is Code.OK
    assert len(h.actions) == before + 1, "the answer"


def test_m36_the_answer_names_the_version_that_shows_the_change() -> None:
    h = MasterHarness()
    before = h.master.version
    h.orders(SetWeight(Role("a"), 2.0))
    assert h.replies[-1].version == before + 1
