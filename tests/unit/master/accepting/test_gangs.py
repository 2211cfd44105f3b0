"""Groups on one agent (M8) and gangs over several (M9): whole or not at all, from offer to end."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import LaunchUuid, OfferId, Role, TaskId
from fairlead.common.messages import Accept, Code, GangFormed, KillTask, RunAccept, SetDemand
from fairlead.common.operators import AgentState, SetQuota, SetReservation
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    Gang,
    Launch,
    LaunchGroup,
    Operation,
    Reason,
    RoleDemand,
    RoleWish,
    Suspend,
    TaskInfo,
    TaskState,
)
from fairlead.master.allocation import gang_offers
from fairlead.master.allocation.gang_offers import place
from fairlead.master.settings import MasterSettings

FOUR = tuple(task(f"t{n}") for n in range(1, 5))


def launch(info: TaskInfo) -> Launch:
    return Launch(info, LaunchUuid(f"u-{info.task_id}"))


def group(*tasks: TaskInfo) -> LaunchGroup:
    return LaunchGroup(tuple(map(launch, tasks)))


def four_agents() -> tuple[MasterHarness, list[AgentDouble], FrameworkDouble]:
    """Each has room for one of a gang of four."""
    h = MasterHarness()
    agents = [h.agent(cpus=1, mem="1GiB") for _ in range(4)]
    return h, agents, h.framework(demands=[demand(4, gang=True)])


def forming() -> tuple[MasterHarness, list[AgentDouble], FrameworkDouble]:
    """Accepted, and each member is on its agent."""
    h, agents, f = four_agents()
    assert [result.code for result in f.takes_gang("g", *FOUR)] == [Code.OK] * 4
    f.wants()
    return h, [next(a for a in agents if info.task_id in a.living) for info in FOUR], f


def running() -> tuple[MasterHarness, list[AgentDouble], FrameworkDouble]:
    h, agents, f = forming()
    for agent, info in zip(agents, FOUR, strict=True):
        agent.runs(info.task_id)
    return h, agents, f


def kill_of(agent: AgentDouble) -> KillTask:
    (kill,) = [body for body in agent.orders if isinstance(body, KillTask)]
    return kill


def is_ending(agent: AgentDouble) -> bool:
    return any(isinstance(body, KillTask) for body in agent.orders)


# --- M8: groups


def test_m8_a_group_is_one_operation_of_its_agent() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    assert f.orders(group(*FOUR[:2]), launch(FOUR[2]), offers=f.offers).code is Code.OK
    (run,) = [body for body in a.orders if isinstance(body, RunAccept)]
    whole, single = run.operations
    assert isinstance(whole, LaunchGroup)
    assert isinstance(single, Launch)
    gangs = [each.task.gang for each in whole.launches]
    assert gangs == [Gang(f"{run.accept_id}.0", 2)] * 2
    assert single.task.gang is None
    assert run.resources.cpus == 3000


def test_m8_one_bad_launch_is_the_end_of_its_group_and_of_nothing_else() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    large = task("large", cpus=4)
    f.orders(launch(FOUR[0]), group(FOUR[1], large), launch(FOUR[2]), offers=f.offers)
    assert list(a.living) == ["t1", "t3"]
    told = {status.task_id: (status.state, status.reason) for status in f.statuses}
    assert told == {
        "large": (TaskState.ERROR, Reason.INVALID_TASK),
        "t2": (TaskState.DROPPED, Reason.GANG_BROKEN),
    }
    assert f.statuses[-1].message == "large of its group cannot be launched"
    assert h.master.books.agents[a.id].used.cpus == 2000


def test_m8_what_a_bad_group_would_have_had_serves_what_comes_behind_it() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    f.orders(
        group(task("a", cpus=3), task("b", cpus=3)), launch(task("c", cpus=4)), offers=f.offers
    )
    assert list(a.living) == ["c"]


def test_m8_an_empty_group_is_refused() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    result = f.orders(group(), offers=f.offers)
    assert (result.code, result.field) == (Code.REFUSED, "operations[0]")


def test_m8_a_task_makes_up_no_gang_of_its_own() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    info = TaskInfo(TaskId("t1"), "t1", FOUR[0].command, FOUR[0].resources, gang=Gang("g", 2))
    f.accept(f.offers, info)
    assert f.state("t1") is TaskState.ERROR
    assert "gang" in f.statuses[-1].message
    assert not a.living


def test_m8_one_that_ends_badly_ends_the_others() -> None:
    """Its agent does so by itself; the master sees to it that it was done."""
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    f.orders(group(*FOUR[:2]), offers=f.offers)
    a.runs("t1", "t2")
    a.becomes("t1", TaskState.FAILED, exit_code=1)
    kill = kill_of(a)
    assert (kill.task_id, kill.reason) == ("t2", Reason.GANG_BROKEN)
    assert kill.message.endswith("t1 is FAILED")
    assert kill.grace_s == FOUR[1].kill_grace_s


def test_m8_who_has_finished_ends_nobody() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    f.orders(group(*FOUR[:2]), offers=f.offers)
    a.runs("t1")
    a.finishes("t1")
    a.runs("t2")
    h.advance(40)
    assert not is_ending(a)


def test_m8_a_group_stands_in_a_program() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, gpus=1)
    f = h.framework()
    f.launch(task("t0", gpus=1))
    a.runs("t0")
    h.advance(6)
    result = f.orders(Suspend(TaskId("t0")), group(task("t1", gpus=1), FOUR[1]), offers=f.offers)
    assert result.code is Code.OK
    a.programs.finish()
    a.runs("t1", "t2")
    assert h.master.books.agents[a.id].used.cpus == 3000


# --- M9: offers


def test_m9_a_gang_is_offered_all_at_once() -> None:
    h, _, f = four_agents()
    del h
    assert len(f.offers) == 4
    assert f.offered.cpus == 4000


def test_m9_what_has_room_for_a_part_only_is_not_offered() -> None:
    h = MasterHarness()
    for _ in range(3):
        h.agent(cpus=1)
    f = h.framework(demands=[demand(4, gang=True)])
    assert not f.offers
    h.agent(cpus=1)
    h.tick()
    assert len(f.offers) == 4


def test_m9_a_gang_takes_as_few_agents_as_can_be_and_no_more_than_it_needs() -> None:
    h = MasterHarness()
    for cpus in (1, 2, 3):
        h.agent(cpus=cpus)
    f = h.framework(demands=[demand(4, gang=True)])
    assert sorted(offer.resources.cpus for offer in f.offers) == [1000, 3000]


def test_m9_of_two_gangs_that_each_fit_alone_one_runs_and_then_the_other() -> None:
    h = MasterHarness()
    agents = [h.agent(cpus=3), h.agent(cpus=2)]
    first = h.framework(role="a", demands=[demand(4, gang=True)])
    second = h.framework(role="b", demands=[demand(4, gang=True)])
    assert (first.offered.cpus, second.offered) == (4000, EMPTY)
    first.takes_gang("g", *FOUR)
    first.wants()
    assert not second.offers
    for agent in agents:
        for name in tuple(agent.living):
            agent.runs(name)
            h.tick()
            assert not second.offers
    for agent in agents:
        for name in tuple(agent.living):
            agent.finishes(name)
    h.tick()
    assert second.offered.cpus == 4000


def test_m9_two_gangs_of_one_framework_are_two() -> None:
    h = MasterHarness()
    for _ in range(3):
        h.agent(cpus=2)
    f = h.framework(demands=[demand(3, gang=True), demand(3, gang=True)])
    assert f.offered.cpus == 6000


def test_m9_gangs_of_like_members_are_told_apart_by_their_offers() -> None:
    """The smaller one is offered, and taken; the larger one is still wanted."""
    h = MasterHarness()
    for _ in range(2):
        h.agent(cpus=1)
    larger, smaller = demand(3, gang=True), demand(2, gang=True)
    f = h.framework(demands=[larger, smaller])
    assert f.offered.cpus == 2000
    for _ in range(3):
        h.agent(cpus=1)
    h.tick()
    assert f.offered.cpus == 5000
    both = sorted(f.offers, key=lambda offer: offer.agent_id)
    f.takes_gang("g", *FOUR[:2], offers=both[:2])
    assert h.framework_books(f).demands[Role("dl")] == [larger]
    f.takes_gang("h", *(task(f"u{n}") for n in range(3)), offers=both[2:])
    assert h.framework_books(f).demands[Role("dl")] == []


def test_m9_of_two_gangs_that_are_alike_one_is_taken_at_a_time() -> None:
    h = MasterHarness()
    for _ in range(2):
        h.agent(cpus=1)
    gang = demand(2, gang=True)
    f = h.framework(demands=[gang, gang])
    f.takes_gang("g", *FOUR[:2])
    assert h.framework_books(f).demands[Role("dl")] == [gang]


def test_m9_a_gang_fills_its_own_reservations_up_to_the_limit_beside_a_guarantee() -> None:
    """What the first of it takes of a reservation is idle no more when the second is placed."""
    h = MasterHarness()
    for _ in range(2):
        agent = h.agent(cpus=4)
        h.orders(SetReservation(agent.id, Role("ml"), Resources.of(cpus=4)))
    h.agent(cpus=2)
    h.orders(SetQuota(Role("ml"), limits={"cpus": 8000}))
    h.orders(SetQuota(Role("web"), {"cpus": 2000}))
    f = h.framework(role="ml", demands=[demand(2, cpus=4, gang=True)])
    assert f.offered.cpus == 8000


def test_m9_a_gang_passes_no_limit_and_takes_no_guarantee_with_its_parts_together() -> None:
    h = MasterHarness()
    for _ in range(3):
        h.agent(cpus=2)
    h.orders(SetQuota(Role("ml"), limits={"cpus": 4000}))
    f = h.framework(role="ml", demands=[demand(3, cpus=2, gang=True)])
    assert not f.offers
    h.orders(SetQuota(Role("ml")))
    assert f.offered.cpus == 6000
    f.decline()
    h.orders(SetQuota(Role("web"), {"cpus": 1000}))
    h.advance(10)
    assert not f.offers


def test_m9_an_allocation_looks_once_for_room_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    h = MasterHarness()
    for _ in range(2):
        h.agent(cpus=1)
    h.framework(demands=[demand(3, gang=True)])
    h.framework(role="other")
    looks = Counter[int]()

    def counted(*asked: Any) -> Any:
        looks[asked[5].count] += 1
        return place(*asked)

    monkeypatch.setattr(gang_offers, "place", counted)
    h.master.books.look_everywhere()
    h.tick()
    assert looks == {3: 1}


def test_m9_gangs_for_which_there_is_no_room_are_put_in_order_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    h = MasterHarness()
    h.agent(cpus=1)
    for number in range(20):
        h.framework(role=f"r{number}", demands=[demand(2 + number, gang=True)])
    ranks, rank = Counter[str](), gang_offers._rank

    def counted(*of: Any) -> Any:
        ranks["asked"] += 1
        return rank(*of)

    monkeypatch.setattr(gang_offers, "_rank", counted)
    h.master.books.look_everywhere()
    h.tick()
    assert ranks["asked"] == 20


def test_m9_a_gang_and_single_tasks_are_wanted_side_by_side() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1), demand(2, gang=True)])
    assert sorted(offer.resources.cpus for offer in f.offers) == [1000, 2000]


def test_m9_a_gang_waits_for_who_is_further_below_its_share() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, mem="4GiB")
    poor = h.framework(role="poor", demands=[])
    rich = h.framework(role="rich", demands=[demand(2)])
    rich.launch(task("r1"), task("r2"))
    a.runs("r1", "r2")
    h.step_demands({rich: [demand(2, gang=True)], poor: [demand(1)]})
    assert poor.offered.cpus == 1000
    assert not rich.offers


def test_m9_a_gang_that_waits_its_turn_comes_before_who_stated_no_demand() -> None:
    """Also when it is not the first of those who did."""
    h = MasterHarness()
    a = h.agent(cpus=2, mem="2GiB")
    rich = h.framework(role="rich", demands=[demand(2)])
    rich.launch(task("r1"), task("r2"))
    a.runs("r1", "r2")
    idle = h.framework(role="idle")
    poor = h.framework(role="poor", demands=[demand(2)])
    rich.wants(demand(3, gang=True))
    h.agent(cpus=6)
    h.tick()
    assert (poor.offered.cpus, rich.offered.cpus, idle.offered.cpus) == (2000, 3000, 1000)


@pytest.mark.parametrize(("agents", "for_gang"), [(5, 0), (7, 2)])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_m9_a_gang_waits_for_all_who_come_before_it_however_few_are_served_in_a_step(
    most: int, agents: int, for_gang: int
) -> None:
    """And those who stated no demand for what these leave."""
    h = MasterHarness(MasterSettings(max_grants_in_quiet=most))
    a = h.agent(cpus=2, mem="2GiB")
    rich = h.framework(role="rich", demands=[demand(2)])
    rich.launch(task("r1"), task("r2"))
    a.runs("r1", "r2")
    idle = h.framework(role="idle", demands=[])
    poor = [h.framework(role=f"poor{n}", demands=[demand(1)]) for n in range(4)]
    rich.wants(demand(2, gang=True))
    assert idle.result(SetDemand((RoleDemand(Role("idle"), (), unstated=True),))).code is Code.OK
    h.tick()
    for _ in range(agents):
        h.agent(cpus=1, mem="1GiB")
    h.tick()
    assert [each.offered.cpus for each in poor] == [1000] * 4
    assert (rich.offered.cpus, idle.offered.cpus) == (1000 * for_gang, 1000)


def test_m9_a_gang_comes_before_who_is_further_above_its_share() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, mem="4GiB")
    poor = h.framework(role="poor", demands=[])
    rich = h.framework(role="rich", demands=[demand(2)])
    rich.launch(task("r1"), task("r2"))
    a.runs("r1", "r2")
    h.step_demands({rich: [demand(1)], poor: [demand(2, gang=True)]})
    assert poor.offered.cpus == 2000
    assert not rich.offers


def test_m9_when_one_offer_of_a_gang_is_gone_all_are() -> None:
    """Nobody holds what serves a part."""
    h, agents, f = four_agents()
    agents[2].disconnects()
    h.tick()
    assert not f.offers
    agents[2].connects()
    h.tick()
    assert len(f.offers) == 4


def test_m9_declining_one_offer_gives_all_back_and_counts_once() -> None:
    h, _, f = four_agents()
    f.decline(f.offers[0], refuse_s=0)
    assert not f.offers
    assert h.framework_books(f).refusals == 1
    h.advance(1.1)
    assert len(f.offers) == 4
    f.decline(refuse_s=0)
    assert h.framework_books(f).refusals == 2


def test_m9_a_gang_that_is_never_taken_is_not_believed() -> None:
    h, _, f = four_agents()
    for _ in range(3):
        f.decline(refuse_s=0)
        h.advance(1.1)
    assert h.framework_books(f).refusals == 3
    other = h.framework(role="other", demands=[demand(1)])
    f.decline(refuse_s=0)
    h.advance(1.1)
    assert other.offered.cpus == 1000
    assert not f.offers


def test_m9_offers_of_a_gang_that_are_not_answered_are_taken_back_together() -> None:
    h, _, f = four_agents()
    h.advance(30.5)
    assert not f.offers
    assert len(f.rescinded) == 4
    assert h.framework_books(f).refusals == 1


def test_m9_keep_apart_and_constraints_hold_for_gangs() -> None:
    h = MasterHarness()
    for _ in range(2):
        h.agent(cpus=2)
    other = h.framework(role="noisy", demands=[demand(1)])
    other.launch(task("n"))
    wish = RoleWish(Role("dl"), keep_apart=(Role("noisy"),))
    f = h.framework(demands=[demand(3, gang=True)], wishes=[wish])
    assert not f.offers
    f.wants(demand(2, gang=True))
    assert len({offer.agent_id for offer in f.offers}) == 1


# --- M9: accepts


def test_m9_accepts_of_a_gang_wait_for_each_other() -> None:
    h, agents, f = four_agents()
    offers = f.offers
    for index, offer in enumerate(offers[:3]):
        assert f.call(Accept((offer.offer_id,), (launch(FOUR[index]),), gang=Gang("g", 4))) is None
    h.tick()
    assert not any(agent.living for agent in agents)
    assert h.framework_books(f).offered.cpus == 4000, "its offers are outstanding"
    f.call(Accept((offers[3].offer_id,), (launch(FOUR[3]),), gang=Gang("g", 4)))
    assert [result.code for result in f.results[-4:]] == [Code.OK] * 4
    assert all(agent.living for agent in agents)


def test_m9_one_accept_may_be_a_whole_gang() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework(demands=[demand(3, gang=True)])
    assert [result.code for result in f.takes_gang("g", *FOUR[:3])] == [Code.OK]
    assert {each.task.gang for each in a.living.values()} == {Gang("g", 3)}
    assert not h.framework_books(f).demands[Role("dl")], "the demand has shrunk"


def test_m9_members_may_come_in_groups() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    call = Accept((f.offers[0].offer_id,), (group(*FOUR[:2]), launch(FOUR[2])), gang=Gang("g", 3))
    assert f.result(call).code is Code.OK
    assert {each.task.gang for each in a.living.values()} == {Gang("g", 3)}


def test_m9_what_is_not_complete_in_time_is_refused_whole() -> None:
    h, agents, f = four_agents()
    f.call(Accept((f.offers[0].offer_id,), (launch(FOUR[0]),), gang=Gang("g", 4)))
    h.advance(30.5)
    (result,) = [result for result in f.results if result.code is Code.REFUSED]
    assert result.message == "1 of its 4 tasks were accepted for in time"
    assert f.state("t1") is TaskState.DROPPED
    assert not any(agent.living for agent in agents)
    h.advance(40)
    assert len(f.offers) == 4


BAD_OFFER = OfferId("o-9-9")


@pytest.mark.parametrize(
    ("operations", "offer", "gang", "field"),
    [
        ((launch(FOUR[1]),), BAD_OFFER, Gang("g", 2), "offer_ids"),
        ((launch(FOUR[1]),), None, Gang("g", 3), "gang.size"),
        ((launch(FOUR[1]), launch(FOUR[2])), None, Gang("g", 2), "gang.size"),
        ((), None, Gang("g", 2), "operations"),
        ((Suspend(TaskId("t9")),), None, Gang("g", 2), "operations[0]"),
        ((launch(task("t2", cpus=9)),), None, Gang("g", 2), "operations"),
        ((launch(FOUR[0]),), None, Gang("g", 2), "operations"),
    ],
)
def test_m9_one_bad_accept_refuses_the_whole_gang(
    operations: tuple[Operation, ...], offer: OfferId | None, gang: Gang, field: str
) -> None:
    h = MasterHarness()
    agents = [h.agent(cpus=1) for _ in range(2)]
    f = h.framework(demands=[demand(2, gang=True)])
    first, second = f.offers
    f.call(Accept((first.offer_id,), (launch(FOUR[0]),), gang=Gang("g", 2)))
    f.call(Accept((offer or second.offer_id,), operations, gang=gang))
    one, other = f.results[-2:]
    assert (one.code, one.field) == (Code.REFUSED, "gang")
    assert (other.code, other.field) == (Code.REFUSED, field)
    assert not any(agent.living for agent in agents)
    assert f.statuses[0].state in (TaskState.DROPPED, TaskState.ERROR)
    assert all(status.state.is_terminal for status in f.statuses)
    h.tick()
    assert len(f.offers) == 2, "the offers came back"


def test_m9_an_id_of_a_gang_is_used_once() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1, gang=True)])
    f.takes_gang("g", FOUR[0])
    f.wants(demand(1, gang=True))
    (result,) = f.takes_gang("g", FOUR[1])
    assert (result.code, result.field) == (Code.REFUSED, "gang.gang_id")


def test_m9_an_offer_serves_one_gang_only() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework()
    (offer,) = f.offers
    f.call(Accept((offer.offer_id,), (launch(FOUR[0]),), gang=Gang("g", 2)))
    f.call(Accept((offer.offer_id,), (launch(FOUR[1]),), gang=Gang("h", 2)))
    assert (f.results[-1].code, f.results[-1].field) == (Code.REFUSED, "offer_ids")


def test_m9_with_its_session_a_half_accepted_gang_is_forgotten() -> None:
    h, agents, f = four_agents()
    f.call(Accept((f.offers[0].offer_id,), (launch(FOUR[0]),), gang=Gang("g", 4)))
    f.disconnects()
    f.connects()
    h.tick()
    assert [result.code for result in f.takes_gang("g", *FOUR)] == [Code.OK] * 4
    assert all(agent.living for agent in agents)


# --- M9: forming and breaking


def test_m9_one_of_four_agents_is_gone_just_before_the_accept() -> None:
    h, agents, f = four_agents()
    offers = f.offers
    agents[3].disconnects()
    results = f.takes_gang("g", *FOUR, offers=offers)
    assert {result.code for result in results} == {Code.REFUSED}
    assert {f.state(info.task_id) for info in FOUR} == {TaskState.DROPPED}
    assert not any(agent.living for agent in agents)
    del h


def test_m9_one_of_four_agents_is_stopped_just_before_the_accept() -> None:
    """The master cannot know: it takes the gang, and ends it when that one is silent."""
    h, agents, f = four_agents()
    stopped = agents[3]
    stopped.is_silent = True
    f.takes_gang("g", *FOUR)
    f.wants()
    for agent in agents[:3]:
        agent.runs(*agent.living)
    lost = next(iter(stopped.living))
    stopped.living.clear()  # it never reads the order
    h.advance(29)
    assert not any(map(is_ending, agents))
    h.advance(2)
    for agent in agents[:3]:
        kill = kill_of(agent)
        assert kill.reason is Reason.GANG_BROKEN
        assert kill.message == f"gang g: {lost} did not run within 30 s"
    stopped.is_silent = False
    stopped.connects()
    h.tick()
    assert f.state(lost) is TaskState.KILLED
    assert f.statuses[-1].reason is Reason.GANG_BROKEN


def test_m9_a_member_that_is_dropped_ends_the_others() -> None:
    _, agents, _ = forming()
    agents[0].becomes("t1", TaskState.DROPPED, Reason.AGENT_REFUSED)
    assert [kill_of(agent).task_id for agent in agents[1:]] == ["t2", "t3", "t4"]
    assert not is_ending(agents[0])


def test_m9_a_gang_that_runs_is_left_alone() -> None:
    h, agents, _ = running()
    h.advance(120)
    assert not any(map(is_ending, agents))
    agents[0].finishes("t1")
    h.advance(120)
    assert not any(map(is_ending, agents))


def test_m9_a_gang_that_ran_breaks_with_a_member_too() -> None:
    _, agents, f = running()
    f.kill("t2")
    agents[1].kills("t2")
    assert [kill_of(agents[i]).message for i in (0, 2, 3)] == ["gang g: t2 is KILLED"] * 3


def test_m9_a_member_whose_agent_is_unreachable_ends_the_others_and_itself_on_its_return() -> None:
    h, agents, f = running()
    agents[0].disconnects()
    h.advance(74)
    assert not any(map(is_ending, agents))
    h.advance(3)
    assert f.state("t1") is TaskState.UNREACHABLE
    for agent in agents[1:]:
        name = kill_of(agent).task_id
        agent.becomes(name, TaskState.KILLED, Reason.GANG_BROKEN)
    agents[0].connects()
    assert kill_of(agents[0]).reason is Reason.GANG_BROKEN


def test_m9_a_gang_that_runs_outlives_a_failover() -> None:
    h, agents, _ = running()
    h.fail_over()
    h.advance(120)
    assert not any(map(is_ending, agents))


def forgets_the_first(h: MasterHarness, agents: list[AgentDouble]) -> None:
    """It has finished, long ago; and so has a master."""
    agents[0].finishes("t1")
    agents[0].ended_tasks.clear()
    h.fail_over(returns=False)


def test_m9_a_gang_of_which_one_has_finished_and_is_forgotten_outlives_a_failover() -> None:
    """Its agents remember that all of it has run: who is missing was not lost."""
    h, agents, _ = running()
    forgets_the_first(h, agents)
    for agent in agents:
        agent.connects()
    h.advance(200)
    assert not any(map(is_ending, agents[1:]))
    h.fail_over()
    h.advance(200)
    assert not any(map(is_ending, agents[1:]))
    agents[1].becomes("t2", TaskState.FAILED)
    assert is_ending(agents[2])
    assert is_ending(agents[3])


def test_m9_what_an_agent_ran_that_never_comes_back_may_have_been_lost() -> None:
    h, agents, _ = running()
    h.fail_over(returns=False)
    for agent in agents[1:]:
        agent.connects()
    h.advance(60)
    assert not any(map(is_ending, agents[1:]))
    h.advance(90)
    assert all(map(is_ending, agents[1:]))


def test_m9_what_was_lost_under_a_master_before_ends_the_others_all_the_same() -> None:
    """They were away when it gave up an agent, and came back to the next one."""
    h, agents, _ = running()
    agents[0].disconnects()
    h.advance(60)
    for agent in agents[1:]:
        agent.disconnects()
    h.advance(20)
    assert h.master.books.agents[agents[0].id].state is AgentState.UNREACHABLE
    h.fail_over(returns=False)
    for agent in agents[1:]:
        agent.connects()
    h.advance(60)
    assert all(map(is_ending, agents[1:]))


def test_m9_an_agent_that_was_away_is_told_when_it_comes_that_its_gang_has_formed() -> None:
    _, agents, _ = forming()
    for agent, info in zip(agents[:3], FOUR, strict=False):
        agent.runs(info.task_id)
    agents[0].disconnects()
    agents[3].runs("t4")
    told = [sum(isinstance(body, GangFormed) for body in agent.orders) for agent in agents]
    assert told == [0, 1, 1, 1]
    agents[0].connects()
    assert agents[0].living[TaskId("t1")].gang_formed
    agents[1].disconnects()
    agents[1].connects()
    told = [sum(isinstance(body, GangFormed) for body in agent.orders) for agent in agents]
    assert told == [1, 1, 1, 1]


def test_m9_an_agent_that_was_lost_before_it_heard_is_told_again() -> None:
    _, agents, _ = running()
    known = agents[1].living[TaskId("t2")]
    agents[1].disconnects()
    agents[1].living[TaskId("t2")] = replace(known, gang_formed=False)
    agents[1].connects()
    assert agents[1].living[TaskId("t2")].gang_formed


def test_m9_a_new_leader_waits_for_members_whose_agents_are_expected_back() -> None:
    h, agents, _ = running()
    agents[3].disconnects()
    h.fail_over()
    h.advance(60)
    assert not any(map(is_ending, agents))
    agents[3].connects()
    h.advance(60)
    assert not any(map(is_ending, agents))


def test_m9_a_gang_of_which_a_failover_lost_a_part_is_ended_by_the_new_leader() -> None:
    """Its orders to some agents left before the master died, those to one did not."""
    h, agents, _ = forming()
    agents[3].living.clear()
    for agent, info in zip(agents[:3], FOUR, strict=False):
        agent.runs(info.task_id)
    h.fail_over()
    h.advance(29)
    assert not any(map(is_ending, agents))
    h.advance(3)
    messages = [kill_of(agent).message for agent in agents[:3]]
    assert messages == ["gang g: 1 of its 4 members did not run within 30 s"] * 3


def test_m9_a_loss_during_a_failover_ends_the_others() -> None:
    h, agents, _ = running()
    for agent in agents:
        agent.disconnects()
    agents[2].becomes("t3", TaskState.FAILED, exit_code=1)
    h.fail_over(returns=False)
    for agent in agents:
        agent.connects()
    h.tick()
    assert [kill_of(agents[i]).message for i in (0, 1, 3)] == ["gang g: t3 is FAILED"] * 3


def test_m9_a_master_that_stood_still_condemns_no_gang() -> None:
    h, agents, _ = forming()
    h.advance(20)
    h.stop_the_master(100)
    h.tick()
    h.advance(5)
    assert not any(map(is_ending, agents))
    h.advance(10)
    assert all(map(is_ending, agents))
