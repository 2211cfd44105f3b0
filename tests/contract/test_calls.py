"""Calls at the master and at the kit's fake of it: the same answers, the same fates."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import pytest
from tests.support.master_harness import MasterHarness, demand, task

from fairlead.common.ids import AgentId, CallId, FrameworkId, LaunchUuid, OfferId, Role, TaskId
from fairlead.common.messages import (
    Accept,
    CallResult,
    Code,
    Decline,
    FrameworkBody,
    FrameworkMessage,
    Hello,
    Kill,
    Revive,
    SetDemand,
    StatusUpdated,
    Subscribe,
    Suppress,
)
from fairlead.common.resources import Resources
from fairlead.common.values import (
    Command,
    FrameworkInfo,
    Launch,
    LaunchGroup,
    Offer,
    RoleDemand,
    TaskInfo,
    TaskStatus,
)
from fairlead.frameworks.kit.fake_master import FakeMaster

ROLE = Role("dl")
EACH = Resources.of(cpus=2, mem=8 * 2**30)


class Side(Protocol):
    """Two agents of two cpus, each of which is offered whole."""

    offers: Sequence[Offer]

    def say(self, call: FrameworkBody) -> CallResult: ...

    def ends(self) -> list[str]:
        """What was told of tasks that are not launched."""
        ...

    def launched(self) -> list[str]: ...


def _ends(statuses: Sequence[TaskStatus]) -> list[str]:
    return [f"{s.task_id} {s.state.name} {s.reason.name}" for s in statuses if s.state.is_terminal]


class Real:
    """The master's core."""

    def __init__(self) -> None:
        self._harness = h = MasterHarness()
        self._agents = [h.agent(cpus=2) for _ in range(2)]
        self._framework = h.framework(roles=(ROLE,))
        self.offers: Sequence[Offer] = self._framework.offers

    def say(self, call: FrameworkBody) -> CallResult:
        return self._framework.result(call)

    def ends(self) -> list[str]:
        return _ends(self._framework.statuses)

    def launched(self) -> list[str]:
        return sorted(name for agent in self._agents for name in agent.living)


class Fake:
    """The one that authors of schedulers test with."""

    def __init__(self) -> None:
        self._master = FakeMaster()
        self._master.answer(
            FrameworkMessage(
                Subscribe(Hello(1, "", "i", 1), FrameworkInfo(FrameworkId(""), "f", roles=(ROLE,)))
            )
        )
        self.offers: Sequence[Offer] = [
            Offer(OfferId(f"o-{n}"), AgentId(f"a-{n}"), FrameworkId("f-1-1"), ROLE, EACH)
            for n in range(2)
        ]
        self._master.offers.update((offer.offer_id, offer) for offer in self.offers)
        self._statuses: list[TaskStatus] = []

    def say(self, call: FrameworkBody) -> CallResult:
        answers = self._master.answer(FrameworkMessage(call, CallId("c1")))
        self._statuses += [each.status for each in answers if isinstance(each, StatusUpdated)]
        (result,) = (each for each in answers if isinstance(each, CallResult))
        return result

    def ends(self) -> list[str]:
        return _ends(self._statuses)

    def launched(self) -> list[str]:
        return sorted(self._master.tasks)


@pytest.fixture(params=[Real, Fake])
def side(request: pytest.FixtureRequest) -> Side:
    make: Callable[[], Side] = request.param
    return make()


def launch(info: TaskInfo) -> Launch:
    return Launch(info, LaunchUuid(f"u-{info.task_id}"))


def said(result: CallResult) -> tuple[Code, str]:
    return result.code, result.field


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (Revive((Role("web"),)), (Code.INVALID, "roles")),
        (Suppress((ROLE, Role("web"))), (Code.INVALID, "roles")),
        (Suppress(), (Code.OK, "")),
        (SetDemand((RoleDemand(Role("web"), (demand(1),)),)), (Code.INVALID, "demands[0].role")),
        (SetDemand((RoleDemand(ROLE, (demand(1),)),)), (Code.OK, "")),
        (Decline((OfferId("o-9-9"),)), (Code.NOT_FOUND, "offer_ids")),
        (Kill(TaskId("t9")), (Code.NOT_FOUND, "task_id")),
        (Kill(TaskId("t9"), signal=9), (Code.INVALID, "signal")),
        (Accept(()), (Code.REFUSED, "offer_ids")),
        (Accept((OfferId("o-9-9"),), (launch(task("t1")),)), (Code.REFUSED, "offer_ids")),
        (Accept((), task_ids=(TaskId("t9"),)), (Code.REFUSED, "task_ids[0]")),
    ],
)
def test_a_call_has_the_same_answer(
    side: Side, call: FrameworkBody, answer: tuple[Code, str]
) -> None:
    assert said(side.say(call)) == answer
    assert side.launched() == []


def test_offers_that_do_not_belong_together_are_refused(side: Side) -> None:
    first, second = (offer.offer_id for offer in side.offers)
    assert said(side.say(Accept((first, second), (launch(task("t1")),)))) == (
        Code.REFUSED,
        "offer_ids",
    )
    assert side.ends() == ["t1 DROPPED INVALID_OFFERS"]


def test_an_offer_that_is_named_twice_is_refused(side: Side) -> None:
    first = side.offers[0].offer_id
    result = side.say(Accept((first, first), (launch(task("t1")),)))
    assert said(result) == (Code.REFUSED, "offer_ids")
    assert side.launched() == []


@pytest.mark.parametrize(
    "bad",
    [
        task("t2", cpus=1.5),
        task("t2", mem="9GiB"),
        task("t1"),
        replace(task("t2"), command=Command(())),
        replace(task("t2"), resources=Resources()),
        replace(task("t2"), revocable=True),
    ],
)
def test_a_launch_that_cannot_be_ends_alone(side: Side, bad: TaskInfo) -> None:
    call = Accept((side.offers[0].offer_id,), tuple(map(launch, (task("t1"), bad, task("t3")))))
    assert side.say(call).code is Code.OK
    assert side.ends() == [f"{bad.task_id} ERROR INVALID_TASK"]
    assert side.launched() == ["t1", "t3"]


def test_of_a_group_with_a_bad_launch_none_is_launched(side: Side) -> None:
    group = LaunchGroup(tuple(map(launch, (task("t1"), task("t2", cpus=4)))))
    call = Accept((side.offers[0].offer_id,), (group, launch(task("t3", cpus=2))))
    assert side.say(call).code is Code.OK
    assert sorted(side.ends()) == ["t1 DROPPED GANG_BROKEN", "t2 ERROR INVALID_TASK"]
    assert side.launched() == ["t3"]
