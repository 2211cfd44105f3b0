"""The auditor's laws about ends that are due, and about what a framework is able to use."""

import pytest

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, OfferId, Role, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import AgentInfo, FrameworkInfo, Offer
from fairlead.sim.auditor import Facts, Terms, ViolationError, capabilities
from fairlead.sim.auditor.ends import Ends
from fairlead.sim.auditor.parties import Agent, Framework

HOST, AGENT, UUID = "a", "a#1", LaunchUuid("u")
NAME = FrameworkId("f"), TaskId("t")
OVERDUE, TOLD = "nothing runs for longer than it may", "what was told to end ends"


def ends(limit_s: float = 0.0) -> Ends:
    """A task has been running since 0."""
    it = Ends(Facts(Terms()))
    it.awake(0.0, AGENT)
    it.started(0.0, HOST, UUID, NAME, limit_s)
    return it


def test_what_an_agent_was_told_to_end_does_not_go_on() -> None:
    it = ends()
    it.told(1.0, UUID)
    with pytest.raises(ViolationError, match=TOLD):
        it.ended(5.0, UUID)


@pytest.mark.parametrize("way", ["soon", "signalled", "another process was told", "it stood still"])
def test_whoever_was_told_to_end_something_has_time(way: str) -> None:
    it = ends()
    it.told(1.0, UUID)
    if way == "signalled":
        it.signalled(UUID)
    elif way != "soon":
        it.asleep(AGENT)
    if way == "another process was told":
        it.awake(2.0, "a#2")
    it.ended(3.9 if way == "soon" else 9.0, UUID)


def test_nothing_runs_for_longer_than_it_may() -> None:
    with pytest.raises(ViolationError, match=OVERDUE):
        ends(limit_s=2.0).ended(5.1, UUID)
    ends(limit_s=2.0).ended(4.9, UUID)


def test_of_what_is_suspended_its_agent_knows_how_long_it_ran() -> None:
    it = ends(limit_s=2.0)
    it.moved(NAME)
    it.ended(9.0, UUID)


def test_time_that_is_over_counts_what_was_spent_running() -> None:
    it = ends(limit_s=2.0)
    assert not it.is_overdue(1.9, UUID)
    it.suspended(1.9, UUID)
    assert not it.is_overdue(9.0, UUID)
    it.resumed(9.0, UUID)
    assert it.is_overdue(9.2, UUID)


def test_a_host_that_was_asleep_counts_that_as_well() -> None:
    it = ends(limit_s=20.0)
    it.leapt(HOST, 19.5)
    assert it.is_overdue(1.0, UUID)


# --- what frameworks are able to use

MEM, LENT = Resources.of(mem=1), Resources.of(cpus=1)


def agent(name: str, gpus: int = 0) -> Agent:
    devices = {f"{name}-{n}": 1.0 for n in range(gpus)}
    info = AgentInfo(AgentId(name), name, Resources.of(4, 1000, gpus=devices))
    return Agent(info, 1, idle=LENT)


def check(*capable_of: str, offered: Resources = MEM, lent: bool = False, plain: int = 1) -> None:
    """An offer of an agent with a GPU, beside which there are so many without one."""
    agents = [agent("gpu", 1), *(agent(f"plain-{n}") for n in range(plain))]
    info = FrameworkInfo(FrameworkId("f"), "f", roles=(Role("r"),), capabilities=capable_of)
    made = Offer(
        OfferId("o"),
        AgentId("gpu"),
        info.framework_id,
        Role("r"),
        offered,
        revocable=LENT if lent else Resources(),
    )
    known = {each.info.agent_id: each for each in agents}
    facts = Facts(Terms(gpu_agents_for_all=False))
    capabilities.check(facts, known, Framework(1, info), [made], made)


def test_agents_with_gpus_are_for_who_uses_them() -> None:
    check("gpus")
    with pytest.raises(ViolationError, match="agents with gpus are for who uses them"):
        check()


def test_where_no_other_agent_would_do_everybody_is_offered_them() -> None:
    check(plain=0)


def test_what_is_lent_goes_to_who_can_lose_it() -> None:
    check("revocable", lent=True)
    with pytest.raises(ViolationError, match="what is lent goes to who can lose it"):
        check(lent=True)


def test_no_more_is_lent_than_is_idle() -> None:
    lender = agent("gpu")
    lender.lent[LaunchUuid("u")] = 1
    info = FrameworkInfo(FrameworkId("f"), "f", capabilities=("revocable",))
    made = Offer(OfferId("o"), AgentId("gpu"), FrameworkId("f"), Role("r"), MEM, revocable=LENT)
    with pytest.raises(ViolationError, match="no more is lent than is idle"):
        capabilities.check(
            Facts(Terms()), {lender.info.agent_id: lender}, Framework(1, info), [made], made
        )
