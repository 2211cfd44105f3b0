"""Accepts of a gang at the master and at the kit's fake of it: the same answers, the same fates."""

from collections.abc import Callable, Sequence
from typing import Protocol

import pytest
from tests.support.master_harness import MasterHarness, demand, task

from fairlead.common.ids import AgentId, CallId, FrameworkId, LaunchUuid, OfferId, Role, TaskId
from fairlead.common.launches import launches_in
from fairlead.common.messages import Accept, CallResult, Code, FrameworkMessage, StatusUpdated
from fairlead.common.values import Gang, Launch, Offer, TaskState
from fairlead.frameworks.kit.fake_master import FakeMaster

EACH = task().resources


class Side(Protocol):
    """Two agents, of each an offer for one task."""

    offers: Sequence[Offer]

    def say(self, call: Accept) -> list[CallResult]:
        """The answers that came at once."""
        ...

    def launched(self) -> list[str]: ...

    def dropped(self) -> list[str]: ...


class Real:
    """The master's core."""

    def __init__(self) -> None:
        self._harness = h = MasterHarness()
        self._agents = [h.agent(cpus=1, mem="1GiB") for _ in range(2)]
        self._framework = h.framework(demands=[demand(2, gang=True)])
        self.offers: Sequence[Offer] = self._framework.offers

    def say(self, call: Accept) -> list[CallResult]:
        before = len(self._framework.results)
        self._framework.call(call)
        return self._framework.results[before:]

    def launched(self) -> list[str]:
        return sorted(name for agent in self._agents for name in agent.living)

    def dropped(self) -> list[str]:
        statuses = self._framework.statuses
        return sorted(each.task_id for each in statuses if each.state is TaskState.DROPPED)


class Fake:
    """The one that authors of schedulers test with."""

    def __init__(self) -> None:
        self._master = FakeMaster()
        self.offers: Sequence[Offer] = [
            Offer(OfferId(f"o-{n}"), AgentId(f"a-{n}"), FrameworkId("f-1-1"), Role("dl"), EACH)
            for n in range(2)
        ]
        self._master.offers.update((offer.offer_id, offer) for offer in self.offers)
        self._calls = 0
        self._dropped: list[str] = []

    def say(self, call: Accept) -> list[CallResult]:
        self._calls += 1
        answers = self._master.answer(FrameworkMessage(call, CallId(f"c{self._calls}")))
        statuses = [each.status for each in answers if isinstance(each, StatusUpdated)]
        self._dropped += [s.task_id for s in statuses if s.state is TaskState.DROPPED]
        return [each for each in answers if isinstance(each, CallResult)]

    def launched(self) -> list[str]:
        return sorted(self._master.tasks)

    def dropped(self) -> list[str]:
        return sorted(self._dropped)


@pytest.fixture(params=[Real, Fake])
def side(request: pytest.FixtureRequest) -> Side:
    make: Callable[[], Side] = request.param
    return make()


def accept(offer_id: str, *names: str, size: int = 2, gang_id: str = "g") -> Accept:
    launches = tuple(Launch(task(name), LaunchUuid(f"u-{name}")) for name in names)
    return Accept((OfferId(offer_id),), launches, gang=Gang(gang_id, size))


def said(results: list[CallResult]) -> list[tuple[Code, str]]:
    return [(result.code, result.field) for result in results]


def test_a_gang_is_taken_when_its_last_accept_is_there(side: Side) -> None:
    assert side.say(accept(side.offers[0].offer_id, "t1")) == []
    assert side.launched() == []
    assert said(side.say(accept(side.offers[1].offer_id, "t2"))) == [(Code.OK, "")] * 2
    assert side.launched() == ["t1", "t2"]
    assert side.dropped() == []


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (accept("o-9-9", "t2"), "offer_ids"),
        (accept("", "t2", size=3), "gang.size"),
        (accept("", "t2", "t3"), "gang.size"),
    ],
)
def test_one_wrong_accept_refuses_all(side: Side, second: Accept, field: str) -> None:
    if second.offer_ids == ("",):
        second = Accept((side.offers[1].offer_id,), second.operations, gang=second.gang)
    side.say(accept(side.offers[0].offer_id, "t1"))
    assert said(side.say(second)) == [(Code.REFUSED, "gang"), (Code.REFUSED, field)]
    assert side.launched() == []
    names = [launch.task.task_id for launch in launches_in(second.operations)]
    assert side.dropped() == sorted([TaskId("t1"), *names])


def test_an_id_of_a_gang_is_used_once(side: Side) -> None:
    side.say(accept(side.offers[0].offer_id, "t1", size=1))
    results = side.say(accept(side.offers[1].offer_id, "t2", size=1))
    assert said(results) == [(Code.REFUSED, "gang.gang_id")]
    assert side.launched() == ["t1"]
    assert side.dropped() == ["t2"]
