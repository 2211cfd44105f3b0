"""The queue on which a simulated world waits."""

from fairlead.sim.clock import Clock


def test_calls_happen_in_order_of_time_and_then_of_asking() -> None:
    clock, happened = Clock(), list[str]()
    clock.at(2.0, lambda: happened.append("late"))
    clock.at(1.0, lambda: happened.append("first"))
    clock.at(1.0, lambda: happened.append("second"))
    clock.run_until(1.5)
    assert happened == ["first", "second"]
    assert clock.now == 1.5
    clock.run_until(2.0)
    assert happened == ["first", "second", "late"]


def test_a_cancelled_call_never_happens() -> None:
    clock, happened = Clock(), list[str]()
    clock.after(1.0, lambda: happened.append("no")).cancel()
    clock.run_until(5.0)
    assert happened == []


def test_a_call_sees_its_own_time_and_may_ask_for_more() -> None:
    clock, times = Clock(), list[float]()

    def again() -> None:
        times.append(clock.now)
        if len(times) < 3:
            clock.after(0.5, again)

    clock.after(0.5, again)
    clock.run_until(10.0)
    assert times == [0.5, 1.0, 1.5]


def test_what_is_asked_for_the_past_happens_now() -> None:
    clock, times = Clock(), list[float]()
    clock.run_until(3.0)
    clock.at(1.0, lambda: times.append(clock.now))
    clock.run_until(3.0)
    assert times == [3.0]
