"""Who comes before a framework, what is taken back for it, and how its answer is found."""

from collections.abc import Callable

from tests.support.hungry import Hungry, goes_on, settle
from tests.support.master_harness import FrameworkDouble, MasterHarness, demand, task

from fairlead.common.events import Received, Send, Tick
from fairlead.common.ids import Role, SessionId
from fairlead.common.messages import Code
from fairlead.common.operators import ExplainFramework, OperatorCall, OperatorReply, SetQuota
from fairlead.common.resources import Resources
from fairlead.master.allocation.holds import end_wait
from fairlead.master.filters import Filter
from fairlead.master.revoking.revocations import add, drop
from fairlead.master.settings import MasterSettings

Change = Callable[[], Callable[[], None]]
"""Of the books; what comes back undoes it."""

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


def answers_though(h: MasterHarness, framework: FrameworkDouble, changes: Change) -> None:
    """Whichever step of the master something changes behind."""
    for pauses in range(12):
        before = len(h.replies)
        h.say(ExplainFramework(framework.id))
        for _ in range(pauses):
            h.step(Tick())
        undo = changes()
        while len(h.replies) == before:
            h.step(Tick())
        undo()


def test_m35_a_revocation_may_end_while_an_answer_is_found() -> None:
    h = MasterHarness(MasterSettings(max_grants=1, hold_after_s=0))
    h.agent(cpus=4, mem="40GiB")
    hog = Hungry(h, "hog", Resources.of(cpus=1, mem=2**30), 100)
    settle(h, [hog])
    poor = h.framework(role="poor", demands=[demand(1)])
    goes_on(h, [hog], 80)
    books = h.master.books
    (revocation,) = books.revocations.values()

    def ends() -> Callable[[], None]:
        drop(books, revocation)
        return lambda: add(books, revocation)

    answers_though(h, poor, ends)


def test_m35_a_hold_may_end_while_an_answer_is_found() -> None:
    h = MasterHarness(MasterSettings(max_grants=1, hold_after_s=20, revoke_after_s=0))
    a = h.agent(cpus=4, mem="40GiB")
    h.framework(role="hog", demands=[demand(4)]).launch(*(task(f"t{n}") for n in range(4)))
    a.runs(*(f"t{n}" for n in range(4)))
    large = h.framework(role="large", demands=[demand(1, cpus=2)])
    h.advance(30)
    books, framework = h.master.books, h.framework_books(large)
    ((want, wait),) = framework.waits.items()
    assert wait.hold == a.id

    def ends() -> Callable[[], None]:
        end_wait(books, framework, want)

        def again() -> None:
            framework.waits[want], wait.hold = wait, a.id
            books.holds[a.id] = framework.framework_id, want

        return again

    answers_though(h, large, ends)


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
