"""Who comes before a framework, what is taken back for it, and how its answer is found."""

from tests.support.hungry import Hungry, goes_on, settle
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.events import Received, Send, Tick
from fairlead.common.ids import Role, SessionId
from fairlead.common.messages import Code
from fairlead.common.operators import ExplainFramework, OperatorCall, OperatorReply, SetQuota
from fairlead.common.resources import Resources
from fairlead.master.filters import Filter
from fairlead.master.settings import MasterSettings

ALONE = MasterSettings(revoke_after_s=0, hold_after_s=0)


def answer(h: MasterHarness, framework: FrameworkDouble) -> str:
    assert h.orders(ExplainFramework(framework.id)).code is Code.OK
    return "\n".join(h.replies[-1].lines)


def test_m35_who_is_below_a_guarantee_comes_before_a_lower_share() -> None:
    h = MasterHarness(ALONE)
    h.agent(cpus=8, mem="64GiB")
    owed = h.framework(name="owed", role="owed", demands=[demand(6)])
    owed.launch(*(task(f"t{n}") for n in range(6)))
    h.orders(SetQuota(Role("owed"), {"cpus": 8000}))
    other = h.framework(name="other", role="other", demands=[demand(9)])
    owed.wants(demand(9, cpus=4))
    assert "come before it" not in answer(h, owed)
    first = "1 of 2 that want something come before it; the first is owed in role owed"
    assert f"{first}, which is below its guarantee" in answer(h, other)


def test_m35_a_turn_that_is_drawn() -> None:
    h = MasterHarness(MasterSettings(sorter="random", revoke_after_s=0))
    h.agent(cpus=4)
    demands = [demand(9, cpus=8)]
    one, _ = (h.framework(role=f"r{n}", demands=demands) for n in range(2))
    text = answer(h, one)
    assert "come before it" not in text
    assert "whose turn it is of the other 2 is drawn by weight" in text


def test_m35_what_is_taken_back_is_told_to_both_sides() -> None:
    h = MasterHarness()
    h.agent(cpus=4, mem="40GiB", name="here")
    size = Resources.of(cpus=1, mem=2**30)
    hog = Hungry(h, "hog", size, 100)
    settle(h, [hog])
    poor = Hungry(h, "poor", size, 100)
    settle(h, [poor])
    goes_on(h, [hog, poor], 80)
    assert hog.notices
    from_hog = "it has more than its share: what 2 tasks of it hold is taken back on here, at the"
    assert from_hog in answer(h, hog.framework)
    for_poor = "2 cpus, 2 GiB mem of here is being taken back for it, at the latest in"
    assert for_poor in answer(h, poor.framework)


def test_m35_only_what_refuses_says_when_the_first_comes_again() -> None:
    """Not a refusal of what others do not use, nor one that has ended."""
    h = MasterHarness(ALONE)
    a = h.agent(cpus=4)
    f = h.framework(demands=[demand(9)])
    f.decline(refuse_s=50)
    filters, places = h.framework_books(f).filters, h.master.books.agents[a.id].places
    unused = Filter(Resources.of(cpus=9, mem=2**40), h.now + 500, True)
    filters.add(f.role, places[0], unused, h.now)
    assert "the first comes again in 50 s" in answer(h, f)


def test_m35_an_explanation_is_found_in_small_steps() -> None:
    """However many agents there are: what comes meanwhile is read in between."""
    h = MasterHarness(MasterSettings(max_grants=10, revoke_after_s=0, hold_after_s=0))
    for _ in range(50):
        h.agent(cpus=4)
    f = h.framework(demands=[demand(1, cpus=8)])
    call = OperatorCall(ExplainFramework(f.id))
    actions, steps = h.master.step(Received(SessionId(7), call), h.now), 1
    while not actions:
        assert (h.master.next_deadline() or 0.0) <= h.now, "the rest is due at once"
        actions = h.master.step(Tick(), h.now)
        steps += 1
        assert steps < 20
    assert steps >= 5
    (sent,) = actions
    assert isinstance(sent, Send)
    assert isinstance(sent.message, OperatorReply)
    assert sent.message.agents == {"too small": 50}


def test_m35_of_many_roles_the_first_are_explained() -> None:
    h = MasterHarness(ALONE)
    h.agent(cpus=4)
    f = h.framework(roles=[f"r{n}" for n in range(25)])
    text = answer(h, f)
    assert "role r19:" in text
    assert "role r20:" not in text
    assert text.endswith("and 5 more roles")
