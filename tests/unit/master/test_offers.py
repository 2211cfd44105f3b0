"""Offers: made, filtered, timed out, taken back."""

from itertools import pairwise

from tests.support.master_harness import MasterHarness, demand, task

from fairlead.common.events import Tick
from fairlead.common.ids import Role
from fairlead.common.messages import Code, OffersMade, Revive, Suppress
from fairlead.common.resources import Resources
from fairlead.common.values import Demand, RoleWish
from fairlead.master.settings import MasterSettings


def test_m6_an_offer_says_all_about_one_agent() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4, mem="8GiB", gpus=2, attributes={"disk": "ssd"})
    f = h.framework()
    (offer,) = f.offers
    assert offer.agent_id == a.id
    assert offer.framework_id == f.id
    assert offer.role == "dl"
    assert offer.hostname == "host1"
    assert offer.attributes["disk"] == "ssd"
    assert offer.resources == a.info.resources
    assert [name for name, _ in offer.resources.gpus] == ["GPU-host1-0", "GPU-host1-1"]


def test_m6_what_is_free_is_told_by_gpu_identity() -> None:
    h = MasterHarness()
    h.agent(gpus=2)
    f = h.framework()
    f.accept(f.offers[0], task("t1", gpus=1), refuse_s=0)
    h.advance(1.5)
    assert f.offers[0].resources.gpus == (("GPU-host1-1", 1000),)


def test_m6_two_frameworks_never_hold_the_same() -> None:
    h = MasterHarness()
    h.agent()
    h.framework()
    assert not h.framework().offers


def test_m11_a_decline_holds_for_refuse_seconds() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.decline(refuse_s=5)
    h.advance(4.9)
    assert not f.offers
    h.advance(0.2)
    assert f.offers


def test_m11_a_decline_leaves_the_agent_to_others_at_once() -> None:
    h = MasterHarness()
    h.agent()
    f, g = h.framework(), h.framework()
    f.decline(refuse_s=5)
    h.tick()
    assert g.offers


def test_m11_no_decline_is_shorter_than_min_filter() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.decline(refuse_s=0)
    h.advance(0.9)
    assert not f.offers
    h.advance(0.2)
    assert f.offers


def test_m11_no_decline_is_longer_than_a_year() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.decline(refuse_s=10 * 365 * 86400)
    ((refused,),) = h.framework_books(f).filters.of(f.role).values()
    assert refused.until == h.now + 365 * 86400


def test_m11_what_an_accept_does_not_use_is_filtered() -> None:
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework()
    f.accept(f.offers[0], task("t1", cpus=1), refuse_s=10)
    h.advance(9.9)
    assert not f.offers
    h.advance(0.2)
    assert f.offered.cpus == 3000


def test_m11_more_becoming_free_is_offered_at_once() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    f.accept(f.offers[0], task("t1", cpus=1), refuse_s=3600)
    a.runs("t1")
    a.finishes("t1")
    h.tick()
    assert f.offered.cpus == 4000


def test_m11_less_than_what_was_refused_is_not_offered() -> None:
    """The filter compared the right way: refused contains offered → suppressed."""
    h = MasterHarness()
    h.agent(cpus=4)
    f = h.framework(role="dl")
    f.decline(refuse_s=3600)
    g = h.framework(role="other")
    g.launch(task("t1", cpus=3))
    h.tick()
    assert not f.offers, "one cpu of the four that it refused"


def test_m11_a_part_left_by_competition_is_filtered_too() -> None:
    """What counts is what would be offered, not what could have been if nobody else came."""
    h = MasterHarness()
    a = h.agent(cpus=4, mem="4GiB")
    f = h.framework(role="dl")
    f.accept(f.offers[0], task("t1", cpus=2, mem="2GiB"), refuse_s=3600)
    a.runs("t1")
    g = h.framework(role="other", demands=[])
    a.finishes("t1")
    g.wants(demand(3, cpus=1, mem="1GiB"))
    assert g.offered.cpus == 3000
    assert f.offered.cpus == 0, "one cpu of the two that it refused for an hour"


def test_m11_a_short_refusal_does_not_shorten_a_long_one() -> None:
    h = MasterHarness()
    a = h.agent(cpus=4)
    f = h.framework()
    f.accept(f.offers[0], task("t1", cpus=1), refuse_s=100)
    a.finishes("t1")
    h.tick()
    f.accept(f.offers[0], task("t2", cpus=1), refuse_s=1)
    h.advance(50)
    assert not f.offers, "3 cpus were refused for 100 s"
    h.advance(51)
    assert f.offered.cpus == 3000


def test_m11_who_declines_for_ever_gets_one_offer_a_second_per_agent() -> None:
    h = MasterHarness()
    h.agent()
    h.agent()
    f = h.framework(demands=[demand(100)])
    for _ in range(100):
        if f.offers:
            f.decline(refuse_s=0)
        h.advance(0.1)
    assert len(f.seen_offers) <= 2 * 11


def test_m11_a_changed_agent_is_offered_in_spite_of_a_refusal() -> None:
    h = MasterHarness()
    a = h.agent(attributes={"disk": "hdd"})
    f = h.framework()
    f.decline(refuse_s=3600)
    a.disconnects()
    a.info = type(a.info)(a.id, "host1", a.info.resources, {"disk": "ssd"}, name="host1")
    a.connects()
    h.tick()
    assert f.offers


def test_m11_filters_are_lost_with_the_session_on_purpose() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.decline(refuse_s=3600)
    f.disconnects()
    f.connects()
    h.tick()
    assert f.offers


def test_refusals_for_a_year_leave_one_timer_however_many() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    for n in range(40):
        f.accept(f.offers[0], task(f"t{n}", cpus=1), refuse_s=365 * 86400)
        f.call(Revive())
        h.tick()
        f.decline(refuse_s=1)
        a.finishes(f"t{n}")
        h.tick()
        h.advance(1.1)
    a.disconnects()
    f.disconnects()
    h.advance(100)
    assert len(h.master._context.timers._heap) < 25


def test_m12_revive_clears_filters_within_one_allocation() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    f.decline(refuse_s=3600)
    f.call(Revive())
    h.tick()
    assert f.offers


def test_m12_suppress_stops_offers_and_nothing_else() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    f.call(Suppress())
    h.agent()
    h.tick()
    assert len(f.offers) == 1, "the outstanding one stays valid, no other comes"
    f.launch(task("t1"))
    a.runs("t1")
    assert f.states == ["t1 RUNNING"]


def test_m12_suppress_and_revive_go_by_role() -> None:
    h = MasterHarness()
    f = h.framework(roles=("red", "blue"))
    f.call(Suppress((Role("red"),)))
    h.agent()
    h.tick()
    assert [offer.role for offer in f.offers] == ["blue"]
    f.call(Suppress((Role("blue"),)))
    f.call(Revive((Role("red"),)))
    h.agent()
    h.tick()
    assert [offer.role for offer in f.offers] == ["blue", "red"]


def test_m12_a_role_of_others_is_refused() -> None:
    f = MasterHarness().framework()
    result = f.result(Revive((Role("other"),)))
    assert (result.code, result.field) == (Code.INVALID, "roles")


def test_m13_a_silent_framework_is_told_that_its_offer_is_gone() -> None:
    h = MasterHarness()
    h.agent()
    f, g = h.framework(), h.framework()
    (offer,) = f.offers
    h.advance(29.9)
    assert not f.rescinded
    h.advance(0.2)
    assert f.rescinded == [offer.offer_id]
    assert g.offers, "another framework gets the resources"


def test_m13_an_offer_that_timed_out_was_refused() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    h.advance(30.1)
    assert not f.offers, "not again at once"
    h.advance(29.8)
    assert not f.offers, "others have as long as it had"
    h.advance(0.2)
    assert f.offers


def test_m13_a_later_accept_is_invalid_offers() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    (offer,) = f.offers
    h.advance(30.1)
    assert f.accept(offer, task("t1")) is Code.REFUSED
    assert f.states == ["t1 DROPPED"]
    assert f.statuses[0].reason.name == "INVALID_OFFERS"


def test_m13_our_own_stall_times_no_offer_out() -> None:
    h = MasterHarness()
    h.agent()
    f = h.framework()
    h.stop_the_master(300)
    f.beats()
    assert f.accept(f.offers[0], task("t1")) is Code.OK


def test_m14_offers_are_rescinded_when_their_agent_is_lost() -> None:
    h = MasterHarness()
    a = h.agent()
    f = h.framework()
    (offer,) = f.offers
    a.disconnects()
    assert f.rescinded == [offer.offer_id]
    assert f.accept(offer, task("t1")) is Code.REFUSED


def test_m14_offers_are_free_again_when_their_framework_is_lost() -> None:
    h = MasterHarness()
    h.agent()
    f, g = h.framework(), h.framework()
    f.disconnects()
    h.tick()
    assert g.offers


def test_a_demand_that_lost_its_offer_is_served_by_another_agent() -> None:
    h = MasterHarness()
    a, b = h.agent(), h.agent()
    f = h.framework(demands=[demand(1)])
    assert [offer.agent_id for offer in f.offers] == [a.id]
    a.disconnects()
    h.tick()
    assert [offer.agent_id for offer in f.offers] == [b.id]


def test_a_demand_whose_offer_was_declined_is_served_by_another_agent() -> None:
    h = MasterHarness()
    _, b = h.agent(), h.agent()
    f = h.framework(demands=[demand(1)])
    f.decline(refuse_s=60)
    h.tick()
    assert [offer.agent_id for offer in f.offers] == [b.id]


def test_what_an_accept_left_of_a_demand_is_served_by_another_agent() -> None:
    h = MasterHarness()
    _, b = h.agent(), h.agent()
    f = h.framework(demands=[demand(2)])
    f.launch(task("t1"))
    h.tick()
    assert [offer.agent_id for offer in f.offers] == [b.id]


def test_m28_resources_come_in_one_message_per_allocation() -> None:
    h = MasterHarness()
    for _ in range(5):
        h.agent()
    f = h.framework()
    assert len(f.offers) == 5
    assert f.count(OffersMade) == 1


def test_m29_freed_resources_are_offered_in_the_next_tick() -> None:
    h = MasterHarness()
    a = h.agent(cpus=1, mem="1GiB")
    f = h.framework()
    f.launch(task("t1"))
    h.tick()
    a.finishes("t1")
    assert h.master.next_deadline() == h.now
    h.tick()
    assert f.offers


def test_m29_a_flood_of_messages_delays_an_offer_by_no_more_than_50_ms() -> None:
    """A Tick is taken only when no message waits; an allocation does not wait for ever."""
    h = MasterHarness()
    a = h.agent(cpus=1, mem="1GiB")
    f = h.framework()
    f.launch(task("t1"))
    h.tick()
    a.finishes("t1")
    for _ in range(6):
        h.now += 0.01
        a.beats()
    assert f.offers


def test_m29_a_flood_is_answered_with_few_offers_at_a_time() -> None:
    """Each brings further messages: so many that nobody else gets a turn."""
    h = MasterHarness(MasterSettings(max_grants=3, max_grants_in_flood=2))
    agents = [h.agent() for _ in range(9)]
    f = h.framework(connects=False)
    f.connects()
    offered = []
    for _ in range(16):
        h.now += 0.01
        agents[0].beats()
        offered.append(len(f.offers))
    assert max(after - before for before, after in pairwise(offered)) == 2
    assert offered[-1] == 4
    h.step(Tick())
    assert len(f.offers) == 7


def test_m18_no_offer_is_smaller_than_a_framework_takes() -> None:
    wish = RoleWish(Role("dl"), minimum_offers=(Resources.of(cpus=2),))
    h = MasterHarness()
    h.agent(cpus=1)
    b = h.agent(cpus=2)
    f = h.framework(wishes=[wish])
    assert [offer.agent_id for offer in f.offers] == [b.id]


def test_m18_no_offer_is_smaller_than_the_operator_has_any_made() -> None:
    """Any of the sets suffices; a framework may ask for more, not for less."""
    either = (Resources.of(cpus=2, mem=2**30), Resources.of(gpus=1))
    h = MasterHarness(MasterSettings(minimum_offers=either))
    h.agent(cpus=1)
    h.agent(cpus=2, mem="0.5GiB")
    b, c = h.agent(cpus=2), h.agent(cpus=1, gpus=1)
    less = RoleWish(Role("dl"), minimum_offers=(Resources.of(cpus=1),))
    f = h.framework(wishes=[less], capabilities=["gpus"])
    assert [offer.agent_id for offer in f.offers] == [b.id, c.id]
    more = RoleWish(Role("dl"), minimum_offers=(Resources.of(cpus=2, gpus=1),))
    f.disconnects()
    assert not h.framework(wishes=[more]).offers


def test_m18_what_is_left_on_an_agent_is_offered_once_it_is_enough() -> None:
    h = MasterHarness(MasterSettings(minimum_offers=(Resources.of(cpus=2),)))
    a = h.agent(cpus=4)
    f = h.framework()
    f.launch(task("t1", cpus=3))
    h.advance(10)
    assert not f.offers
    a.runs("t1")
    a.finishes("t1")
    h.tick()
    assert f.offered.cpus == 4000


def test_m18_a_demand_that_grew_to_the_minimum_is_served() -> None:
    h = MasterHarness(MasterSettings(minimum_offers=(Resources.of(cpus=2),)))
    h.agent(cpus=4)
    f = h.framework(demands=[demand(1)])
    assert not f.offers
    f.wants(demand(3))
    assert f.offered.cpus == 3000


def test_m29_who_wants_more_is_heard_although_more_becomes_free_than_a_step_looks_at() -> None:
    h = MasterHarness(MasterSettings(max_grants=5))
    busy = [h.agent(cpus=1) for _ in range(6)]
    f = h.framework(demands=[demand(6)])
    f.wants()
    h.agent(cpus=4)
    g = h.framework(role="other", demands=[])
    h.tick()
    wanting = h.framework_books(g)
    wanting.demands[Role("other")] = [Demand(Resources.of(cpus=4))]
    h.master.books.ask(wanting)
    for _ in range(20):
        for agent in busy:
            h.master.books.dirty[agent.id] = None
        h.step(Tick())
    assert g.offers
