"""Sessions that are late, stall, break or go silent, and never reorder, repeat or skip."""

from dataclasses import dataclass, field
from random import Random

import pytest

from fairlead.common.ids import SessionId
from fairlead.common.messages import Code
from fairlead.sim.clock import Clock
from fairlead.sim.network import End, Network


@dataclass
class FakePeer:
    """Writes down what it is told."""

    name: str
    is_alive: bool = True
    ends: list[End] = field(default_factory=list)
    heard: list[object] = field(default_factory=list)
    endings: list[tuple[Code, str]] = field(default_factory=list)
    sessions: int = 0

    @property
    def host(self) -> str:
        return self.name

    def new_session(self) -> SessionId:
        self.sessions += 1
        return SessionId(self.sessions)

    def opened(self, end: End) -> None:
        self.ends.append(end)

    def arrived(self, end: End, message: object) -> None:
        assert end in self.ends
        self.heard.append(message)

    def ended(self, session: SessionId, code: Code, message: str) -> None:
        assert session <= self.sessions
        self.endings.append((code, message))


@dataclass
class Pair:
    """A client and a server with one session between them."""

    clock: Clock = field(default_factory=Clock)
    client: FakePeer = field(default_factory=lambda: FakePeer("client"))
    server: FakePeer = field(default_factory=lambda: FakePeer("server"))

    def __post_init__(self) -> None:
        self.network = Network(self.clock, Random(1))
        self.network.dial(self.client, self.server)
        self.clock.run_until(1.0)
        (self.near,) = self.client.ends
        (self.far,) = self.server.ends

    def send(self, *messages: object) -> None:
        for message in messages:
            self.network.send(self.near, message)

    def wait(self, seconds: float = 1.0) -> None:
        self.clock.run_until(self.clock.now + seconds)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_messages_arrive_in_order_whatever_the_delays(pair: Pair) -> None:
    pair.network.slow["client"] = (0.5, 100.0)
    pair.send(*range(50))
    pair.wait(60.0)
    assert pair.server.heard == list(range(50))


def test_what_was_sent_before_a_close_still_arrives_then_its_reason(pair: Pair) -> None:
    pair.send("last words")
    pair.network.close(pair.near, Code.OK, "goodbye")
    pair.send("too late")
    pair.wait()
    assert pair.server.heard == ["last words"]
    assert pair.server.endings == [(Code.OK, "goodbye")]
    assert pair.client.endings == []


def test_a_break_loses_what_is_under_way_and_both_learn_of_it(pair: Pair) -> None:
    pair.send("lost")
    pair.network.cut(pair.near)
    pair.wait()
    assert pair.server.heard == []
    assert len(pair.server.endings) == len(pair.client.endings) == 1


def test_a_half_open_session_swallows_what_is_said(pair: Pair) -> None:
    pair.network.cut(pair.near, tell_near=False, tell_far=True)
    pair.wait()
    pair.send("into the void")
    pair.wait(100.0)
    assert pair.client.endings == []
    assert pair.server.heard == []
    assert len(pair.server.endings) == 1


def test_a_stall_delays_one_direction_only(pair: Pair) -> None:
    pair.network.stall(pair.near, pair.clock.now + 5.0)
    pair.send("stalled")
    pair.network.send(pair.far, "not stalled")
    pair.wait(4.0)
    assert pair.server.heard == []
    assert pair.client.heard == ["not stalled"]
    pair.wait(2.0)
    assert pair.server.heard == ["stalled"]


def test_a_stall_holds_what_was_under_way_already(pair: Pair) -> None:
    pair.send("under way")
    pair.network.stall(pair.near, pair.clock.now + 5.0)
    pair.wait(4.0)
    assert pair.server.heard == []


def test_a_dead_process_leaves_a_first_part_of_what_it_sent(pair: Pair) -> None:
    pair.send(*range(20))
    pair.client.is_alive = False
    pair.network.died(pair.client, silently=False)
    pair.wait()
    assert pair.server.heard == list(range(len(pair.server.heard)))
    assert len(pair.server.endings) == 1


def test_a_lost_host_says_nothing(pair: Pair) -> None:
    pair.network.died(pair.client, silently=True)
    pair.wait(100.0)
    assert pair.server.endings == []


def test_an_isolated_host_is_not_reached(pair: Pair) -> None:
    pair.network.isolate("server", pair.clock.now + 10.0)
    other = FakePeer("other")
    pair.network.dial(other, pair.server)
    pair.wait(5.0)
    assert other.ends == []
    assert len(other.endings) == 1


def test_nobody_listens_where_nobody_lives(pair: Pair) -> None:
    pair.server.is_alive = False
    pair.network.dial(pair.client, pair.server)
    pair.wait()
    assert pair.client.endings == [(Code.UNSPECIFIED, "connection refused")]


def test_a_full_queue_ends_the_session_of_the_slow_reader(pair: Pair) -> None:
    pair.near.out.limit = 3
    pair.network.stall(pair.near, pair.clock.now + 5.0)
    pair.send(*range(5))
    pair.wait(6.0)
    assert [code for code, _ in pair.client.endings] == [Code.SLOW_CONSUMER]
    assert [code for code, _ in pair.server.endings] == [Code.SLOW_CONSUMER]
    assert pair.server.heard == []
