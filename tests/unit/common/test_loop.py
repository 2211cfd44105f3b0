"""A shell's loop: steps in the order and at the time in which events came, and Ticks in between."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fairlead.common.events import Tick
from fairlead.common.loop import BREATH, MOST_WAITING, PATIENCE_S, StepLoop


@dataclass
class Core:
    """Remembers its steps; a Tick moves its deadline by `beat`."""

    now: float = 100.0
    beat: float = 10.0
    deadline: float | None = None
    steps: list[tuple[object, float]] = field(default_factory=list)
    then: Callable[[object], None] = lambda _event: None

    def __post_init__(self) -> None:
        self.loop: StepLoop[str] = StepLoop(self.step, lambda: self.deadline, lambda: self.now)

    def step(self, event: object, now: float) -> None:
        self.steps.append((event, now))
        if isinstance(event, Tick):
            self.deadline = now + self.beat
        self.then(event)

    def put(self, event: str, at: float) -> None:
        self.now = at
        self.loop.put(event)

    def ends_with(self, last: str) -> None:
        def then(event: object) -> None:
            if event == last:
                self.loop.end()

        self.then = then

    def run(self) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await self.loop.run()

        asyncio.run(limited())

    @property
    def events(self) -> list[str]:
        return ["tick" if isinstance(event, Tick) else str(event) for event, _ in self.steps]


def test_a_step_has_the_time_at_which_its_event_came() -> None:
    core = Core()
    core.put("a", 101.0)
    core.put("last", 102.0)
    core.now = 150.0  # it was busy with something else
    core.ends_with("last")
    core.run()
    assert core.steps == [("a", 101.0), ("last", 102.0)]


def test_a_tick_waits_for_those_that_came_together_with_its_deadline() -> None:
    """A hundred tasks that end together lead to one allocation."""
    core = Core(deadline=101.0)
    for number in range(5):
        core.put(f"e{number}", 101.0 + number * PATIENCE_S / 10)
    core.then = lambda event: core.loop.end() if isinstance(event, Tick) else None
    core.run()
    assert core.events == ["e0", "e1", "e2", "e3", "e4", "tick"]


def test_a_flood_delays_a_tick_by_no_more_than_a_breath_and_its_patience() -> None:
    """And whatever had come before the deadline has had its step by then."""
    core = Core(deadline=150.0)
    for number in range(1000):
        core.put(f"e{number}", 100.0 + number)
    core.put("last", 2000.0)
    core.now = 2000.0
    core.ends_with("last")
    core.run()
    first = core.events.index("tick")
    assert core.events[:first] == [f"e{number}" for number in range(first)]
    assert 50 < first <= 50 + BREATH
    _, at = core.steps[first]
    assert core.steps[first + 1][1] == at, "no event that came earlier had to wait for it"
    assert core.events.count("tick") == 1000 // BREATH


def test_a_tick_that_leaves_its_deadline_behind_does_not_keep_events_waiting() -> None:
    core = Core(deadline=100.0, beat=-50.0)
    for number in range(BREATH * 3):
        core.put(f"e{number}", 200.0)
    core.put("last", 201.0)
    core.ends_with("last")
    core.run()
    assert core.events.count("tick") <= 4


def test_without_events_the_tick_comes_at_its_deadline() -> None:
    core = Core(deadline=99.0)
    core.then = lambda event: core.loop.end() if isinstance(event, Tick) else None
    core.run()
    assert core.steps == [(Tick(), 100.0)]


def test_time_never_goes_back_however_threads_put_in() -> None:
    core = Core()
    core.put("late", 105.0)
    core.put("early", 104.0)
    core.put("last", 106.0)
    core.ends_with("last")
    core.run()
    assert [now for _, now in core.steps] == [105.0, 105.0, 106.0]


def test_nothing_steps_after_the_end() -> None:
    core = Core()
    for event in ("a", "last", "never"):
        core.put(event, 101.0)
    core.ends_with("last")
    core.run()
    assert core.events == ["a", "last"]


def test_another_thread_wakes_it() -> None:
    core = Core()
    core.ends_with("last")
    timer = threading.Timer(0.05, core.loop.put_from_outside, ["last"])
    timer.start()
    core.run()
    timer.join()
    assert core.events == ["last"]
    core.loop.put_from_outside("too late")  # its asyncio loop is closed


def test_room_is_given_again_when_half_is_done_to_who_waited_longest_first() -> None:
    core = Core()
    let_in: list[str] = []

    async def asks(name: str) -> None:
        await core.loop.room()
        let_in.append(name)

    async def scenario() -> None:
        for number in range(MOST_WAITING):
            core.loop.put(str(number))
        waiting = [asyncio.create_task(asks(name)) for name in ("a", "b")]
        await asyncio.sleep(0)
        assert not let_in
        core.then = lambda _: core.loop.end() if core.loop.waiting < MOST_WAITING // 2 else None
        await core.loop.run()
        await asyncio.gather(*waiting)

    asyncio.run(scenario())
    assert let_in == ["a", "b"]
