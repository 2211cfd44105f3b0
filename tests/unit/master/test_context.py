"""Timers, ids and the time that counts for others."""

from random import Random

from fairlead.master.context import GRAIN_S, Context, Timers
from fairlead.master.settings import MasterSettings


def test_timers_come_due_in_order_and_once() -> None:
    timers = Timers()
    timers.at(2.0, "offer", "b")
    timers.at(1.0, "offer", "a")
    timers.at(9.0, "offer", "c")
    assert timers.next() == 1.0
    assert timers.due(2.0) == [("offer", "a"), ("offer", "b")]
    assert timers.due(2.0) == []
    assert timers.next() == 9.0


def test_ids_carry_the_epoch_and_are_never_given_twice() -> None:
    context = Context(MasterSettings(), 7, "c", Random())
    assert context.new_id("f", {"f-7-1": None}) == "f-7-2"
    assert context.new_id("f") == "f-7-3"
    assert context.new_id("a") == "a-7-1"


def test_our_own_stall_is_not_time_for_others() -> None:
    context = Context(MasterSettings(), 1, "c", Random(), now=100.0, stalled_s=30.0)
    assert context.awake == 70.0
    assert context.left(75.0) == 5.0


def test_a_crumb_of_time_is_none() -> None:
    context = Context(MasterSettings(), 1, "c", Random(), now=100.0)
    assert context.left(100.0 + GRAIN_S / 2) == 0.0
