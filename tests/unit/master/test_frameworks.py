"""Frameworks: subscribing, calling, going away, coming back, being torn down."""

from dataclasses import replace

import pytest
from tests.support.master_harness import CLUSTER, AgentDouble, FrameworkDouble, MasterHarness
from tests.support.master_peers import demand, task

from fairlead.common.ids import CallId, FrameworkId, Role, SessionId, TaskId
from fairlead.common.messages import (
    Accept,
    Code,
    Decline,
    FrameworkAway,
    FrameworkBody,
    FrameworkMessage,
    Goodbye,
    Heartbeat,
    Hello,
    Kill,
    Reconcile,
    Revive,
    SetDemand,
    ShutdownFramework,
    Subscribe,
    Suppress,
    Teardown,
)
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Demand,
    FrameworkInfo,
    Predicate,
    RoleDemand,
    RoleWish,
    TaskState,
)
from fairlead.master.core import ReceivedInvalid
from fairlead.master.settings import MasterSettings


def running(
    failover_timeout_s: float = 3600.0,
) -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    h = MasterHarness()
    a = h.agent()
    f = h.framework(failover_timeout_s=failover_timeout_s)
    f.launch(task("t1"))
    a.runs("t1")
    h.tick()
    return h, a, f


# --- M1: subscribe


def test_m1_the_first_event_is_subscribed() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    assert f.heard[0] == f.subscribed
    assert f.subscribed is not None
    assert f.subscribed.framework_id
    assert (f.subscribed.heartbeat_s, f.subscribed.epoch) == (2.0, 1)
    assert f.subscribed.cluster_id == CLUSTER


def test_m1_two_new_frameworks_get_different_ids() -> None:
    h = MasterHarness()
    assert h.framework().id != h.framework().id


def test_m1_a_framework_that_never_heard_its_id_is_given_it_again() -> None:
    h = MasterHarness()
    f = h.framework()
    given = f.id
    f.disconnects()
    f.info = replace(f.info, framework_id=FrameworkId(""))
    f.connects()
    assert f.id == given


def test_m1_no_new_id_is_one_that_somebody_made_up() -> None:
    h = MasterHarness()
    forged = h.framework(framework_id="f-1-1")
    f = h.framework()
    assert f.id != "f-1-1"
    assert forged.session is not None


def test_m1_ids_of_different_reigns_differ() -> None:
    h = MasterHarness()
    f = h.framework()
    h.fail_over(returns=False)
    assert h.framework().id != f.id


def test_m1_another_protocol_is_refused_with_a_reason() -> None:
    h = MasterHarness()
    f = h.framework(connects=False)
    f.session = h.open(f)
    result = f.call(Subscribe(Hello(99, "x", "i", 1), f.info))
    assert result is not None
    assert (result.code, result.field) == (Code.VERSION, "hello.protocol")
    assert f.goodbyes[0].code is Code.VERSION
    assert f.session is None


# --- M2: one live session


def test_m2_a_later_attempt_ends_the_session_before() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    (offer,) = f.offers
    f.connects()
    assert f.goodbyes[0].code is Code.SUPERSEDED
    assert f.accept(offer, task("t1")) is Code.REFUSED, "the offers of the first are void"


def test_m2_another_instance_wins() -> None:
    h = MasterHarness()
    f = h.framework()
    g = h.rival(f)
    g.connects()
    assert f.goodbyes[0].code is Code.SUPERSEDED
    assert f.session is None
    assert g.subscribed is not None
    assert g.subscribed.framework_id == f.id


def test_m2_calls_of_the_loser_are_not_heard() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    loser, (offer,) = f.session, f.offers
    assert loser is not None
    h.rival(f).connects()
    h.receive(loser, FrameworkMessage(Decline((offer.offer_id,)), CallId("c")))
    assert not h.framework_books(f).filters


@pytest.mark.parametrize("is_alive", [True, False])
def test_m2_an_attempt_that_was_overtaken_is_refused(*, is_alive: bool) -> None:
    h = MasterHarness()
    f = h.framework()
    f.connects()
    if not is_alive:
        f.disconnects()
    late = h.rival(f)
    late.instance_uuid = f.instance_uuid
    late.connects()
    assert late.goodbyes[0].code is Code.SUPERSEDED
    assert (f.session is not None) == is_alive


def test_m2_the_end_of_the_loser_does_not_end_the_winner() -> None:
    h = MasterHarness()
    f = h.framework()
    loser = f.session
    assert loser is not None
    f.connects()
    h.closed(loser)
    assert h.framework_books(f).session == f.session


# --- M3: heartbeats


def test_m3_a_silent_stream_carries_heartbeats() -> None:
    h = MasterHarness()
    f = h.framework()
    h.advance(10)
    assert f.count(Heartbeat) == 5


def test_m3_a_silent_framework_is_noticed_within_ten_seconds() -> None:
    h, a, f = running()
    f.decline()
    f.is_silent = True
    h.advance(9.9)
    assert f.session is not None
    h.advance(0.2)
    assert f.goodbyes[0].code is Code.SILENT
    assert list(a.living) == ["t1"], "its tasks are not touched"


def test_m3_any_word_counts_as_a_sign_of_life() -> None:
    h = MasterHarness()
    f = h.framework()
    f.is_silent = True
    for _ in range(5):
        h.advance(9)
        f.asks()
    assert f.session is not None


# --- M4: failover timeout


def test_m4_tasks_run_on_until_the_timeout_and_then_end() -> None:
    h, a, f = running(failover_timeout_s=60)
    f.disconnects()
    h.advance(59.9)
    assert ShutdownFramework(f.id) not in a.orders
    h.advance(0.2)
    assert ShutdownFramework(f.id) in a.orders


def test_m4_a_framework_that_returns_keeps_its_tasks() -> None:
    h, a, f = running(failover_timeout_s=60)
    for _ in range(3):
        f.disconnects()
        h.advance(50)
        f.connects()
    h.advance(100)
    assert ShutdownFramework(f.id) not in a.orders
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING


def test_m4_the_default_is_an_hour() -> None:
    assert FrameworkInfo(FrameworkId(""), "x").failover_timeout_s == 3600


def test_m4_agents_are_told_of_the_absence_and_of_the_return() -> None:
    _, a, f = running(failover_timeout_s=60)
    f.disconnects()
    assert a.orders[-1] == FrameworkAway(f.id, 0.0, 60)
    f.connects()
    assert a.orders[-1] == FrameworkAway(f.id, back=True)


def test_m4_an_agent_that_missed_the_return_is_told_when_it_registers() -> None:
    _, a, f = running(failover_timeout_s=60)
    f.disconnects()
    a.disconnects()
    f.connects()
    assert a.away
    a.connects()
    assert not a.away


def test_m4_a_timeout_of_nothing_ends_all_at_once() -> None:
    h, a, f = running(failover_timeout_s=0)
    f.disconnects()
    h.tick()
    assert ShutdownFramework(f.id) in a.orders


def test_m4_our_own_stall_is_not_its_absence() -> None:
    h, a, f = running(failover_timeout_s=60)
    f.disconnects()
    h.advance(10)
    h.stop_the_master(300)
    h.tick()
    assert ShutdownFramework(f.id) not in a.orders
    h.advance(50.1)
    assert ShutdownFramework(f.id) in a.orders


def test_m4_it_holds_across_any_number_of_failovers() -> None:
    """F3: Mesos forgets it. Agents report how long it has been away; the largest wins."""
    h, a, f = running(failover_timeout_s=60)
    f.disconnects()
    for _ in range(5):
        h.advance(11)
        a.away = {f.id: replace(a.away[f.id], away_s=a.away[f.id].away_s + 11)}
        h.fail_over()
    assert ShutdownFramework(f.id) not in a.orders
    h.advance(5.1)
    assert ShutdownFramework(f.id) in a.orders


@pytest.mark.parametrize("more_s", [0.0, 0.5])
def test_m4_agents_that_come_tell_the_others_nothing_new(more_s: float) -> None:
    """Ten thousand that come to a new leader would tell all the others each."""
    h, a, f = running(failover_timeout_s=60)
    b = h.agent()
    f.disconnects()
    h.fail_over(returns=False)
    b.frameworks = dict(a.frameworks)
    a.away, b.away = {}, {f.id: FrameworkAway(f.id, more_s, 60)}
    a.connects()
    before = len(a.orders)
    b.connects()
    assert a.orders[before:] == []
    assert b.orders[-1] == FrameworkAway(f.id, more_s, 60)


def test_m4_the_longest_absence_that_any_agent_reports_counts() -> None:
    h, a, f = running(failover_timeout_s=60)
    b = h.agent()
    f.disconnects()
    h.fail_over(returns=False)
    b.frameworks = dict(a.frameworks)
    b.away = {f.id: FrameworkAway(f.id, 50, 60)}
    a.connects()
    b.connects()
    assert a.orders[-1] == FrameworkAway(f.id, 50, 60), "the others hear of it"
    h.advance(9.9)
    assert not h.framework_books(f).is_ended
    h.advance(0.2)
    assert h.framework_books(f).is_ended


def test_m4_a_stale_count_of_absence_ends_nothing_before_it_could_return() -> None:
    """The agent was cut off when the framework came back, and tells a new leader first."""
    h, a, f = running(failover_timeout_s=6)
    h.fail_over(returns=False)
    a.away = {f.id: FrameworkAway(f.id, 6.2, 6)}
    a.connects()
    h.advance(1)
    f.connects()
    h.advance(10)
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING
    assert ShutdownFramework(f.id) not in a.orders


def test_a_goodbye_leaves_as_a_broken_session_does() -> None:
    h, a, f = running()
    result = f.call(Goodbye(Code.OK))
    assert result is not None
    assert result.code is Code.OK
    assert f.session is None
    assert a.orders[-1] == FrameworkAway(f.id, 0.0, 3600)
    f.connects()
    assert h.believes(f, "t1").latest.state is TaskState.RUNNING


# --- M5: teardown


def test_m5_teardown_is_answered_first_and_then_the_session_ends() -> None:
    h, a, f = running()
    result = f.call(Teardown())
    assert result is not None
    assert result.code is Code.OK
    assert [type(body).__name__ for body in f.heard[-2:]] == ["CallResult", "Goodbye"]
    assert f.goodbyes[0].code is Code.FRAMEWORK_REMOVED
    assert a.orders[-1] == ShutdownFramework(f.id)
    assert f"removed/{f.id}" in h.records


def test_m5_the_removal_is_durable_before_anybody_hears_of_it() -> None:
    h, _, f = running()
    before = len(h.actions)
    f.call(Teardown())
    assert type(h.actions[before]).__name__ == "Record"


def test_m5_the_id_is_refused_afterwards() -> None:
    _, _, f = running()
    f.call(Teardown())
    f.connects()
    assert f.goodbyes[-1].code is Code.FRAMEWORK_REMOVED
    assert "torn down" in f.results[-1].message


def test_m5_the_id_is_refused_after_a_failover_too() -> None:
    h, _, f = running()
    f.call(Teardown())
    h.fail_over(returns=False)
    f.goodbyes.clear()
    f.connects()
    assert [goodbye.code for goodbye in f.goodbyes] == [Code.FRAMEWORK_REMOVED]


def test_m5_resources_are_offered_again_once_the_tasks_have_ended() -> None:
    h, a, f = running()
    g = h.framework()
    f.call(Teardown())
    h.tick()
    assert g.offered.cpus == 3000
    a.kills("t1")
    h.tick()
    assert g.offered.cpus == 4000


def test_m5_updates_of_a_removed_framework_are_acknowledged_by_the_master() -> None:
    _, a, f = running()
    f.call(Teardown())
    a.kills("t1")
    assert not a.updates


def test_m5_agents_that_have_nothing_of_it_are_not_told() -> None:
    h, a, f = running()
    idle = h.agent()
    f.call(Teardown())
    assert ShutdownFramework(f.id) in a.orders
    assert ShutdownFramework(f.id) not in idle.orders


def test_m5_a_task_that_is_to_be_launched_is_ended_too() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.accept(f.offers[0], task("t1"))
    f.call(Teardown())
    assert a.orders[-1] == ShutdownFramework(f.id)


def test_m5_agents_that_return_are_told_to_end_its_tasks() -> None:
    _, a, f = running()
    a.disconnects()
    f.call(Teardown())
    assert ShutdownFramework(f.id) not in a.orders
    a.connects()
    assert a.orders[-1] == ShutdownFramework(f.id)


def test_m5_agents_that_return_after_a_failover_are_told_too() -> None:
    h, a, f = running()
    a.disconnects()
    f.call(Teardown())
    h.fail_over()
    a.connects()
    assert a.orders[-1] == ShutdownFramework(f.id)
    a.kills("t1")
    assert not a.updates


def test_m5_its_outstanding_offers_are_free() -> None:
    h = MasterHarness()
    h.agent()
    f, g = h.framework(), h.framework()
    f.call(Teardown())
    h.tick()
    assert g.offers


def test_finished_frameworks_are_forgotten_after_a_while() -> None:
    h, a, f = running()
    f.call(Teardown())
    h.advance(601)
    assert f.id in h.master.books.frameworks, "one of its tasks has not ended"
    a.kills("t1")
    h.advance(601)
    assert f.id not in h.master.books.frameworks
    f.connects()
    assert f.goodbyes[-1].code is Code.FRAMEWORK_REMOVED, "its id is refused all the same"


def test_finished_frameworks_that_agents_bring_back_are_forgotten_too() -> None:
    h, a, f = running()
    a.finishes("t1")
    f.call(Teardown())
    h.fail_over()
    assert f.id in h.master.books.frameworks
    h.advance(601)
    assert f.id not in h.master.books.frameworks


def test_of_finished_frameworks_those_that_ended_first_are_forgotten_first() -> None:
    h = MasterHarness(MasterSettings(ended_frameworks_kept=2))
    first, second, third = (h.framework() for _ in range(3))
    for f in (third, second, first):
        f.call(Teardown())
    assert list(h.master.books.frameworks) == [first.id, second.id]


def test_only_so_many_finished_frameworks_are_kept() -> None:
    h = MasterHarness(MasterSettings(ended_frameworks_kept=2))
    frameworks = [h.framework() for _ in range(25)]
    for f in frameworks:
        f.call(Teardown())
    assert list(h.master.books.frameworks) == [f.id for f in frameworks[-2:]]
    assert len(h.records) == 20
    assert f"removed/{frameworks[-1].id}" in h.records
    assert f"removed/{frameworks[0].id}" not in h.records


# --- M37: bad input


def test_m37_every_call_has_exactly_one_answer() -> None:
    h = MasterHarness()
    f = h.framework()
    calls: list[FrameworkBody] = [
        Accept(()),
        Decline(()),
        Revive(),
        Suppress(),
        SetDemand(()),
        Kill(TaskId("t")),
        Reconcile(),
        Heartbeat(),
        Subscribe(f.hello(), f.info),
        Teardown(),
    ]
    for call in calls:
        f.result(call)


def test_m37_a_call_without_an_id_has_no_answer() -> None:
    f = MasterHarness().framework()
    f.says(Revive())
    assert not f.results


def test_m37_nothing_is_heard_before_a_subscribe() -> None:
    h = MasterHarness()
    f = h.framework(connects=False)
    f.session = h.open(f)
    assert f.result(Revive()).code is Code.NOT_SUBSCRIBED
    assert f.session is not None


def test_m37_a_value_that_may_not_stand_there_refuses_that_call_alone() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    assert f.session is not None
    event = ReceivedInvalid(SessionId(f.session), CallId("c9"), "accept.refuse_s", "nan is not")
    h.step(event)
    assert (f.results[-1].call_id, f.results[-1].code) == ("c9", Code.INVALID)
    assert f.results[-1].field == "accept.refuse_s"
    assert f.accept(f.offers[0], task("t1")) is Code.OK, "nothing else has changed"


def test_m37_a_first_message_that_may_not_be_ends_its_session() -> None:
    h = MasterHarness()
    f = h.framework(connects=False)
    f.session = h.open(f)
    h.step(ReceivedInvalid(SessionId(f.session), CallId(""), "agent.agent_id", "holds a NUL"))
    assert f.session is None


def refused(info: FrameworkInfo, *, wishes: tuple[RoleWish, ...] = ()) -> tuple[Code, str]:
    h = MasterHarness()
    f = h.framework(connects=False)
    session = f.session = h.open(f)
    result = f.result(Subscribe(f.hello(), info, wishes))
    assert f.session != session
    assert not h.master.books.frameworks
    return result.code, result.field


def test_m37_subscribes_that_make_no_sense_are_refused_naming_the_field() -> None:
    info = FrameworkInfo(FrameworkId(""), "x")
    dl = Role("default")
    regex = Constraints((AllOf((Predicate("a", Comparison.MATCHES, ("(",)),)),))
    assert refused(replace(info, roles=())) == (Code.INVALID, "framework.roles")
    assert refused(replace(info, roles=(dl, dl))) == (Code.INVALID, "framework.roles")
    strange = RoleWish(Role("other"))
    assert refused(info, wishes=(strange,)) == (Code.INVALID, "wishes[0].role")
    matching = RoleWish(dl, constraints=regex)
    pattern = "constraints.any_of[0].predicates[0].values[0]"
    assert refused(info, wishes=(matching,)) == (Code.INVALID, f"wishes[0].{pattern}")


def test_m37_demands_that_make_no_sense_are_refused_naming_the_field() -> None:
    f = MasterHarness().framework(demands=[demand(1)])
    dl, other, each = Role("dl"), Role("other"), demand().each
    regex = Constraints((), (AllOf((Predicate("a", Comparison.MATCHES, ("b" * 257,)),)),))
    predicates = (Predicate("a", Comparison.MATCHES, (str(number),)) for number in range(101))
    hundred = Constraints(tuple(AllOf((predicate,)) for predicate in predicates))
    pattern = "constraints.preferred[0].predicates[0].values[0]"
    wrong = {
        "demands[0].role": (RoleDemand(other, ()),),
        "demands[1].role": (RoleDemand(dl, ()), RoleDemand(dl, ())),
        f"demands[0].demands[0].{pattern}": (RoleDemand(dl, (Demand(each, 1, regex),)),),
        "demands": (RoleDemand(dl, (Demand(each, 1, hundred),)),),
        "demands[0].demands": (RoleDemand(dl, (demand(),) * 1001),),
    }
    for field, demands in wrong.items():
        result = f.result(SetDemand(demands))
        assert result.field == field
        assert result.code in (Code.INVALID, Code.UNSUPPORTED)
    assert f.result(SetDemand(f.demands)).code is Code.OK


def test_a_demand_of_nothing_is_no_demand() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework(demands=[demand(0)])
    assert not f.offers
