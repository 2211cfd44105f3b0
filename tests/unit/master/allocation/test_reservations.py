"""Reservations: who is offered what of an agent, who may change it, and what is refused."""

import pytest
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import ANY_GPU, AgentId, LaunchUuid, Role
from fairlead.common.messages import Accept, ChangeReservation, Code
from fairlead.common.operators import RoleView, SetQuota, SetReservation
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Launch,
    Operation,
    Predicate,
    Reservation,
    Reserve,
    RoleWish,
    Unreserve,
)
from fairlead.master.allocation.reservations import idle_on, idle_reserved, settle
from fairlead.master.entries import Agent
from fairlead.master.views import all_keys, view

ML, VISION, WEB = Role("ml"), Role("ml/vision"), Role("web")


def cpus(count: float) -> Resources:
    return Resources.of(cpus=count)


def gpus(count: int) -> Resources:
    return Resources.of(gpus=count)


def reserved(h: MasterHarness, a: AgentDouble, role: Role, resources: Resources) -> Code:
    return h.orders(SetReservation(a.id, role, resources)).code


def books_of(h: MasterHarness, a: AgentDouble) -> Agent:
    return h.master.books.agents[a.id]


def on(name: str) -> Constraints:
    return Constraints((AllOf((Predicate("name", Comparison.EQUALS, (name,)),)),))


def offered_cpus(f: FrameworkDouble) -> float:
    return f.offered.cpus / 1000


# --- arithmetic


def test_m25_what_a_role_holds_counts_first_against_its_reservation() -> None:
    idle, beyond = settle({ML: cpus(4)}, {ML: cpus(3), WEB: cpus(2)})
    assert idle == {ML: cpus(1)}
    assert beyond == {WEB: cpus(2)}
    assert settle({ML: cpus(4)}, {VISION: cpus(6)}) == ({ML: EMPTY}, {ML: cpus(2)})


def test_m25_the_lowest_reservation_is_used_first_and_the_one_above_by_the_rest() -> None:
    both = {ML: cpus(4), VISION: cpus(2)}
    assert settle(both, {VISION: cpus(3)})[0] == {VISION: EMPTY, ML: cpus(3)}
    assert settle(both, {ML: cpus(3)})[0] == {VISION: cpus(2), ML: cpus(1)}


# --- offers


def test_m25_only_the_role_and_those_below_it_are_offered_what_is_reserved() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    assert reserved(h, a, ML, cpus(6)) is Code.OK
    web = h.framework(role="web")
    assert offered_cpus(web) == 2
    assert web.offers[0].reserved == EMPTY
    vision = h.framework(role="ml/vision")
    assert offered_cpus(vision) == 6
    assert vision.offers[0].reserved == cpus(6)


def test_m25_the_role_above_is_not_offered_it() -> None:
    h = MasterHarness()
    reserved(h, h.agent(cpus=8), VISION, cpus(6))
    assert offered_cpus(h.framework(role="ml")) == 2


def test_m25_an_offer_says_what_of_it_is_reserved() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    reserved(h, a, ML, cpus(6))
    f = h.framework(role="ml")
    assert (offered_cpus(f), f.offers[0].reserved) == (8, cpus(6))
    f.launch(task("t1", cpus=5))
    h.advance(10)
    assert (offered_cpus(f), f.offers[0].reserved) == (3, cpus(1))


def test_m25_several_roles_in_one_allocation_keep_to_it() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    reserved(h, a, ML, cpus(4))
    web, ml = h.framework(role="web", demands=[]), h.framework(role="ml", demands=[])
    h.step_demands({web: [demand(8)], ml: [demand(8)]})
    assert (offered_cpus(web), offered_cpus(ml)) == (4, 4)


def test_m25_devices_are_reserved_by_name() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8, gpus=3)
    assert reserved(h, a, ML, gpus(2)) is Code.OK
    web, ml = h.framework(role="web"), h.framework(role="ml")
    assert [name for name, _ in web.offered.gpus] == ["GPU-host1-2"]
    assert web.decline() is Code.OK
    h.tick()
    assert ml.offers[0].reserved.gpus == (("GPU-host1-0", 1000), ("GPU-host1-1", 1000))


def test_m25_who_holds_what_is_reserved_by_now_keeps_it() -> None:
    """What is reserved is kept from others as it comes free."""
    h = MasterHarness()
    a = h.agent(cpus=8)
    web = h.framework(role="web")
    web.launch(task("t1", cpus=6))
    a.runs("t1")
    a.disconnects()
    a.reservations[ML] = Reservation(ML, EMPTY, cpus(4))  # by its own configuration
    a.connects()
    h.tick()
    assert not web.offers
    ml = h.framework(role="ml")
    assert offered_cpus(ml) == 2
    a.finishes("t1")
    h.advance(10)
    assert offered_cpus(web) == 4
    ml.decline()
    h.advance(10)
    assert offered_cpus(ml) == 4


# --- operators


def test_m25_an_operator_waits_for_the_agents_answer() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    a.answers_changes = False
    f = h.framework(role="web")
    assert offered_cpus(f) == 8
    h.say(SetReservation(a.id, ML, cpus(4)))
    assert not h.replies
    assert f.rescinded, "it is kept from others at once"
    h.tick()
    assert offered_cpus(f) == 4
    assert not books_of(h, a).reservations, "the agent's word counts"
    (order,) = (body for body in a.orders if isinstance(body, ChangeReservation))
    a.reserves(ML, order.resources, order.order_id)
    assert h.replies[-1].result.code is Code.OK
    assert books_of(h, a).reservations == {ML: Reservation(ML, cpus(4))}


def test_m25_a_smaller_reservation_is_offered_to_others_when_the_agent_has_said_so() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    f = h.framework(role="web", demands=[demand(8)])
    reserved(h, a, ML, cpus(8))
    assert not f.offers
    reserved(h, a, ML, cpus(3))
    assert offered_cpus(f) == 5
    assert reserved(h, a, ML, EMPTY) is Code.OK
    assert not books_of(h, a).reservations
    assert not h.master.books.reserving
    assert offered_cpus(f) == 8


def test_m25_more_than_the_agent_has_free_for_it_is_refused_with_numbers() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    f = h.framework(role="web")
    f.launch(task("t1", cpus=3, mem="8GiB"))
    reserved(h, a, VISION, cpus(2))
    result = h.orders(SetReservation(a.id, ML, cpus(4)))
    assert (result.code, result.field) == (Code.REFUSED, "resources")
    assert result.message == "host1 has 3 cpus that ml could have, not 4 cpus"
    assert not books_of(h, a).changes
    assert reserved(h, a, ML, cpus(3)) is Code.OK


def test_m25_what_the_role_itself_uses_can_be_reserved_for_it() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    f = h.framework(role="ml")
    f.launch(task("t1", cpus=6))
    assert reserved(h, a, ML, cpus(8)) is Code.OK


@pytest.mark.parametrize(
    ("role", "resources", "code", "field"),
    [
        (Role("a//b"), cpus(1), Code.INVALID, "role"),
        (ML, Resources.of(gpus=0.5), Code.INVALID, "resources.gpus"),
        (ML, gpus(2), Code.REFUSED, "resources"),
        (ML, Resources.of(gpus={"nobody-has-it": 1}), Code.REFUSED, "resources"),
        (ML, cpus(9), Code.REFUSED, "resources"),
    ],
)
def test_m37_a_reservation_that_cannot_be_is_refused_by_its_field(
    role: Role, resources: Resources, code: Code, field: str
) -> None:
    h = MasterHarness()
    a = h.agent(cpus=8, gpus=1)
    result = h.orders(SetReservation(a.id, role, resources))
    assert (result.code, result.field) == (code, field)
    assert not a.orders


def test_m37_of_an_agent_that_is_unknown_or_away_nothing_is_reserved() -> None:
    h = MasterHarness()
    result = h.orders(SetReservation(AgentId("nobody"), ML, cpus(1)))
    assert (result.code, result.field) == (Code.NOT_FOUND, "agent_id")
    a = h.agent()
    a.disconnects()
    result = h.orders(SetReservation(a.id, ML, cpus(1)))
    assert (result.code, result.field) == (Code.REFUSED, "agent_id")


def test_m25_one_change_at_a_time() -> None:
    h = MasterHarness()
    a = h.agent()
    a.answers_changes = False
    h.say(SetReservation(a.id, ML, cpus(1)))
    result = h.orders(SetReservation(a.id, ML, cpus(2)))
    assert (result.code, result.field) == (Code.REFUSED, "role")


def test_m25_an_operator_does_not_wait_for_ever() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    a.answers_changes = False
    h.say(SetReservation(a.id, ML, cpus(6)))
    h.advance(6)
    (reply,) = h.replies
    assert reply.result.code is Code.REFUSED
    assert reply.result.message == "host1 has not answered within 5 s; it may do it yet"
    assert offered_cpus(h.framework(role="web")) == 2, "for it may"
    (order,) = (body for body in a.orders if isinstance(body, ChangeReservation))
    a.reserves(ML, order.resources, order.order_id)
    assert len(h.replies) == 1
    assert books_of(h, a).reservations == {ML: Reservation(ML, cpus(6))}


def test_m25_an_agent_that_is_lost_before_its_answer_leaves_nobody_waiting() -> None:
    h = MasterHarness()
    a = h.agent()
    a.answers_changes = False
    h.say(SetReservation(a.id, ML, cpus(1)))
    a.disconnects()
    assert h.replies[-1].result.code is Code.REFUSED
    assert h.replies[-1].result.message == "host1 was lost before it answered"
    assert not books_of(h, a).changes


def test_m25_what_the_agent_fixed_ends_with_its_configuration_alone() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8, connects=False)
    a.reservations[ML] = Reservation(ML, EMPTY, cpus(2))
    a.connects()
    result = h.orders(SetReservation(a.id, ML, cpus(1)))
    assert "2 cpus is fixed" in result.message
    assert reserved(h, a, ML, cpus(5)) is Code.OK
    assert a.reservations == {ML: Reservation(ML, cpus(3), cpus(2))}


def test_m25_a_larger_reservation_keeps_its_devices() -> None:
    h = MasterHarness()
    a = h.agent(gpus=3, connects=False)
    a.reservations[ML] = Reservation(ML, EMPTY, Resources.of(gpus={"GPU-host1-2": 1}))
    a.connects()
    assert reserved(h, a, ML, gpus(2)) is Code.OK
    assert a.reservations[ML].resources == Resources.of(gpus={"GPU-host1-0": 1})


# --- accepts


def in_ml(total_cpus: float = 8) -> tuple[MasterHarness, AgentDouble, FrameworkDouble]:
    h = MasterHarness()
    a = h.agent(cpus=total_cpus)
    return h, a, h.framework(role="ml")


def test_m25_an_accept_reserves_what_its_framework_was_offered() -> None:
    h, a, f = in_ml()
    assert f.orders(Reserve(ML, cpus(5)), offers=f.offers, refuse_s=0).code is Code.OK
    web = h.framework(role="web")
    assert offered_cpus(web) == 3, "the accept holds the rest until it has ended"
    a.programs.finish()
    h.advance(2)
    assert books_of(h, a).reservations == {ML: Reservation(ML, cpus(5))}
    assert offered_cpus(web) == 3
    assert f.offers[0].reserved == cpus(5)


def test_m25_launch_and_reserve_in_one_accept() -> None:
    h, a, f = in_ml()
    steps: list[Operation] = [Launch(task("t1", cpus=2), LaunchUuid("u1")), Reserve(ML, cpus(4))]
    assert f.orders(*steps, offers=f.offers).code is Code.OK
    a.programs.finish()
    a.runs("t1")
    assert idle_on(books_of(h, a)) == {ML: cpus(2)}, "what it runs counts first"


def test_m25_an_accept_unreserves_what_nobody_uses() -> None:
    h, a, f = in_ml()
    reserved(h, a, ML, cpus(5))
    f.orders(Launch(task("t1", cpus=2), LaunchUuid("u1")), Unreserve(ML, cpus(3)), offers=f.offers)
    a.programs.finish()
    assert books_of(h, a).reservations == {ML: Reservation(ML, cpus(2))}


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        ([Reserve(WEB, cpus(1))], "role: 'web' is not that of the accept, 'ml'"),
        ([Reserve(ML, EMPTY)], "resources: asks for nothing"),
        ([Reserve(ML, cpus(4))], "3 cpus, 8 GiB mem is left that is not reserved"),
        ([Unreserve(ML, cpus(6))], "5 cpus is reserved for ml and not in use"),
        (
            [Launch(task("t1", cpus=2), LaunchUuid("u1")), Unreserve(ML, cpus(4))],
            "3 cpus is reserved for ml and not in use",
        ),
        ([Unreserve(ML, cpus(3)), Reserve(ML, cpus(7))], "6 cpus, 8 GiB mem is left that is not"),
    ],
)
def test_m25_an_accept_that_reserves_what_it_cannot_is_refused_whole(
    operations: list[Operation], words: str
) -> None:
    h, a, f = in_ml()
    reserved(h, a, ML, cpus(5))
    a.orders.clear()
    offers = tuple(offer.offer_id for offer in f.offers)
    result = f.result(Accept(offers, tuple(operations)))
    assert result.code is Code.REFUSED
    assert result.field == f"operations[{len(operations) - 1}]"
    assert words in result.message
    assert not a.orders
    h.tick()
    assert offered_cpus(f) == 8, "nothing is done, and the offer is made again"


def test_m25_what_is_fixed_is_unreserved_by_nobody() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8, connects=False)
    a.reservations[ML] = Reservation(ML, cpus(1), cpus(4))
    a.connects()
    f = h.framework(role="ml")
    result = f.orders(Unreserve(ML, cpus(2)), offers=f.offers)
    assert "1 cpu is reserved for ml and not in use, and not fixed" in result.message


def test_m25_a_step_that_fails_on_the_agent_changes_nothing() -> None:
    h, a, f = in_ml()
    f.orders(Reserve(ML, cpus(5)), offers=f.offers, refuse_s=0)
    a.programs.fail()
    h.advance(10)
    assert not books_of(h, a).reservations
    assert offered_cpus(f) == 8
    assert f.offers[0].reserved == EMPTY


# --- through restarts


def test_m25_a_new_master_learns_it_from_the_agents() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    reserved(h, a, ML, cpus(6))
    web = h.framework(role="web")
    h.fail_over()
    assert offered_cpus(web) == 2
    assert books_of(h, a).reservations == {ML: Reservation(ML, cpus(6))}


def test_m25_an_accept_under_way_ends_under_the_next_master() -> None:
    h, a, f = in_ml()
    f.orders(Reserve(ML, cpus(5)), offers=f.offers)
    h.fail_over()
    assert (offered_cpus(f), f.offers[0].reserved) == (3, EMPTY)
    a.programs.finish()
    h.advance(2)
    assert offered_cpus(f) == 8
    assert books_of(h, a).reservations == {ML: Reservation(ML, cpus(5))}


def test_m25_what_is_idle_counts_for_its_role_and_those_above_it() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8, gpus=1)
    reserved(h, a, VISION, Resources.of(cpus=4, gpus=1))
    f = h.framework(role="ml/vision", demands=[demand(3)])
    f.launch(task("t1"), task("t2"), task("t3"))
    b = h.agent(cpus=2)
    reserved(h, b, ML, cpus(2))
    books = h.master.books
    assert idle_reserved(books, VISION) == Resources(1000, gpus=((ANY_GPU, 1000),))
    assert idle_reserved(books, ML) == Resources(3000, gpus=((ANY_GPU, 1000),))
    assert idle_reserved(books, WEB) == EMPTY
    b.disconnects()
    h.advance(100)
    assert idle_reserved(books, ML) == Resources(1000, gpus=((ANY_GPU, 1000),))


# --- quotas


def test_m25_what_is_reserved_counts_against_a_limit_wherever_it_is() -> None:
    h = MasterHarness()
    a, b = h.agent(cpus=8), h.agent(cpus=8)
    h.orders(SetQuota(ML, limits={"cpus": 4000}))
    assert reserved(h, a, ML, cpus(3)) is Code.OK
    f = h.framework(role="ml", demands=[])
    h.step_demands({f: [demand(8)]})
    here = {offer.agent_id: offer.resources.cpus for offer in f.offers}
    assert sum(here.values()) == 4000
    assert here.get(b.id, 0) <= 1000, "three of its four are reserved on the other"


def test_m25_what_is_reserved_no_more_makes_room_below_a_limit_elsewhere() -> None:
    h = MasterHarness()
    a, b = h.agent(cpus=4), h.agent(cpus=4)
    h.orders(SetQuota(ML, limits={"cpus": 4000}))
    reserved(h, a, ML, cpus(4))
    wish = RoleWish(ML, constraints=on("host2"))
    f = h.framework(role="ml", demands=[demand(4)], wishes=[wish])
    assert not f.offers
    reserved(h, a, ML, EMPTY)
    assert offered_cpus(f) == 4
    assert f.offers[0].agent_id == b.id


def test_m25_a_reservation_may_be_used_though_it_counts_against_the_limit() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    h.orders(SetQuota(ML, limits={"cpus": 4000}))
    reserved(h, a, ML, cpus(4))
    assert offered_cpus(h.framework(role="ml", demands=[demand(8)])) == 4


def test_m25_no_more_is_reserved_than_a_limit_allows() -> None:
    """Whoever has it: what it uses elsewhere counts, what it is offered can be taken back."""
    h = MasterHarness()
    a, b = h.agent(cpus=4), h.agent(cpus=4)
    h.orders(SetQuota(ML, limits={"cpus": 5000}))
    f = h.framework(
        role="ml/vision", demands=[demand(2)], wishes=[RoleWish(VISION, constraints=on("host2"))]
    )
    f.launch(task("t1"), task("t2"))
    f.wants(demand(3))
    assert offered_cpus(f) == 2
    result = h.orders(SetReservation(a.id, VISION, cpus(4)))
    assert (result.code, result.field) == (Code.REFUSED, "resources")
    assert result.message == "the limit of ml is 5 cpus, and it would have 6 cpus"
    assert reserved(h, a, VISION, cpus(3)) is Code.OK
    assert f.offered == EMPTY, "given back for it"
    assert reserved(h, b, VISION, cpus(2)) is Code.OK, "what it uses there is counted once"
    assert reserved(h, b, ML, cpus(1)) is Code.REFUSED
    assert reserved(h, a, VISION, cpus(2)) is Code.OK


def test_m25_what_is_reserved_and_a_lowered_limit_take_offers_back_elsewhere() -> None:
    """Not those of what is reserved: they would leave it idle."""
    h = MasterHarness()
    _, b = h.agent(cpus=4), h.agent(cpus=4)
    reserved(h, b, ML, cpus(4))
    f = h.framework(role="ml", demands=[demand(3)], wishes=[RoleWish(ML, constraints=on("host1"))])
    g = h.framework(role="ml", demands=[demand(2)], wishes=[RoleWish(ML, constraints=on("host2"))])
    assert (offered_cpus(f), offered_cpus(g)) == (3, 2)
    h.orders(SetQuota(ML, limits={"cpus": 6000}))
    assert (offered_cpus(f), offered_cpus(g)) == (2, 2)
    assert not g.rescinded


def test_m25_a_limit_below_what_is_reserved_takes_back_what_is_offered_of_that() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    reserved(h, a, ML, cpus(4))
    f = h.framework(role="ml", demands=[demand(2), demand(2)])
    assert offered_cpus(f) == 4
    h.orders(SetQuota(ML, limits={"cpus": 3000}))
    assert offered_cpus(f) == 3


def test_m25_what_is_ordered_counts_against_a_limit_before_the_agent_has_answered() -> None:
    h = MasterHarness()
    a, _ = h.agent(cpus=4), h.agent(cpus=4)
    h.orders(SetQuota(ML, limits={"cpus": 4000}))
    a.answers_changes = False
    h.say(SetReservation(a.id, ML, cpus(3)))
    f = h.framework(role="ml", demands=[demand(4)], wishes=[RoleWish(ML, constraints=on("host2"))])
    assert offered_cpus(f) == 1
    a.disconnects()
    h.tick()
    assert offered_cpus(f) == 4


def test_m25_what_is_reserved_for_a_role_fills_its_guarantee() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    h.orders(SetQuota(ML, {"cpus": 4000}))
    reserved(h, a, ML, cpus(3))
    assert offered_cpus(h.framework(role="web", demands=[demand(8)])) == 4


def test_m25_what_is_reserved_for_others_fills_no_guarantee() -> None:
    h = MasterHarness()
    a = h.agent(cpus=8)
    h.orders(SetQuota(WEB, {"cpus": 3000}))
    reserved(h, a, ML, cpus(4))
    other = h.framework(role="other", demands=[demand(8)])
    assert offered_cpus(other) == 1, "8 less 4 reserved, less 3 guaranteed"
    ml = h.framework(role="ml", demands=[demand(8)])
    assert offered_cpus(ml) == 4, "its own"
    assert offered_cpus(h.framework(role="web", demands=[demand(8)])) == 3


def test_m25_views_show_it() -> None:
    h = MasterHarness()
    a = h.agent()
    reserved(h, a, ML, cpus(1))
    shown = view(h.master.books, f"agents/{a.id}")
    assert getattr(shown, "reservations", None) == (Reservation(ML, cpus(1)),)
    role = view(h.master.books, f"roles/{ML}")
    assert isinstance(role, RoleView)
    assert role.reserved == cpus(1)
    assert f"roles/{ML}" in all_keys(h.master.books)
