"""Whatever is set, wanted, launched and lost: no limit is passed, and guarantees are met."""

from collections.abc import Mapping, Sequence

import hypothesis
import hypothesis.strategies as st
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import Role
from fairlead.common.messages import Code
from fairlead.common.operators import SetQuota, SetReservation
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import is_below, lineage
from fairlead.master.allocation.reservations import held_on, idle_reserved, reserved_on, used_on

CPU = 1000
ROLES = ("a", "a/x", "a/y", "b", "c")
MANY = 100

DEEDS = (
    *("launch", "launch", "launch", "end", "end", "decline", "want", "quota", "wait"),
    *("break", "return", "fail over", "reserve"),
)

limits = st.one_of(st.none(), st.integers(0, 6))
Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(DEEDS),
        st.integers(0, 11),
        st.integers(0, 6),
    ),
    max_size=30,
)


class Life:
    """A framework in each role, tasks of one cpu each."""

    def __init__(self, agents: Sequence[int]) -> None:
        self.h = MasterHarness()
        for cpus in agents:
            self.h.agent(cpus=cpus, mem="64GiB")
        self.frameworks = [self.h.framework(role=role, demands=[]) for role in ROLES]
        self.launched = 0

    def held(self, role: str) -> int:
        return self.h.master.books.held.get(Role(role), EMPTY).cpus

    def set_quota(self, role: str, limit: int | None, guarantee: int) -> bool:
        most = {} if limit is None else {"cpus": limit * CPU}
        call = SetQuota(Role(role), {"cpus": guarantee * CPU}, most)
        return self.h.orders(call).code is Code.OK

    def launch(self, framework: FrameworkDouble) -> None:
        for offer in framework.offers:
            names = [f"t{self.launched + n}" for n in range(offer.resources.cpus // CPU)]
            self.launched += len(names)
            framework.accept(offer, *(task(name, mem="0GiB") for name in names), refuse_s=0)
            for agent in self.h.agents:
                agent.runs(*(name for name in names if name in agent.living))

    def end(self, count: int) -> None:
        names = [(agent, name) for agent in self.h.agents for name in agent.living]
        for agent, name in names[:count]:
            agent.finishes(name)

    def take(self, step: Step) -> None:
        deed, which, much = step
        framework = self.frameworks[which % len(self.frameworks)]
        agent = self.h.agents[which % len(self.h.agents)]
        match deed:
            case "launch":
                self.launch(framework)
            case "end" if all(each.session is not None for each in self.h.agents):
                self.end(much)
            case "decline" if framework.offers:
                framework.decline(refuse_s=much)
            case "want":
                framework.wants(demand(10 * much, mem="0GiB")) if much else framework.wants()
            case "quota":
                self.set_quota(ROLES[which % len(ROLES)], much, min(much, which % 3))
            case "wait":
                self.h.advance(much * 20)
            case "break" if agent.session is not None:
                agent.disconnects()
            case "return" if agent.session is None:
                agent.connects()
            case "reserve" if agent.session is not None:
                role, amount = Role(ROLES[which % len(ROLES)]), Resources.of(cpus=much)
                self.h.orders(SetReservation(agent.id, role, amount))
            case "fail over":
                self.h.fail_over()
            case _:
                pass  # not possible just now
        self.h.tick()
        self.check()

    def check(self) -> None:
        """Above a limit is what runs at most, and then nothing more of that is offered; with what
        idles in reservations it is what runs and what is reserved.
        """
        books = self.h.master.books
        for role, quota in books.quotas.items():
            most = quota.limits.get("cpus")
            offered = sum(
                held.offer.resources.cpus
                for held in books.offers.values()
                if is_below(held.offer.role, role)
            )
            if most is None or not offered:
                continue
            assert self.held(role) <= most, role
            if self.held(role) + idle_reserved(books, role).cpus > most:
                assert not any(self.offered_loose(agent, role) for agent in self.h.agents), role

    def offered_loose(self, agent: AgentDouble, role: Role) -> int:
        """Of what is offered there to a role and those below it, what is not reserved for them."""
        there = self.h.master.books.agents[agent.id]
        kept, used, held = (
            sum(each.cpus for owner, each in of(there).items() if is_below(owner, role))
            for of in (reserved_on, used_on, held_on)
        )
        return max(0, held - kept) - max(0, used - kept)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(
    agents=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    quotas=st.dictionaries(st.sampled_from(ROLES), limits),
    happens=steps,
)
@hypothesis.example([4, 4], {"a": 2}, [("reserve", 0, 1), ("reserve", 5, 1)]).via(
    "both cpus of its limit are offered where it has less reserved"
)
def test_m23_no_limit_is_passed_whatever_happens(
    agents: Sequence[int], quotas: Mapping[str, int | None], happens: Sequence[Step]
) -> None:
    life = Life(agents)
    for role, limit in quotas.items():
        life.set_quota(role, limit, 0)
    for framework in life.frameworks:
        framework.wants(demand(5, mem="0GiB"))
    for step in happens:
        life.take(step)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(
    agents=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    quotas=st.dictionaries(st.sampled_from(ROLES), st.tuples(limits, st.integers(0, 4))),
    idle=st.sets(st.sampled_from(ROLES)),
)
def test_m24_guarantees_are_met_when_they_are_wanted(
    agents: Sequence[int], quotas: Mapping[str, tuple[int | None, int]], idle: set[str]
) -> None:
    life = Life(agents)
    busy = [framework for framework in life.frameworks if framework.role not in idle]
    for _ in range(2):  # before there is any quota, and with them
        for framework in busy:
            framework.wants(demand(MANY, mem="0GiB"))
        for framework in busy:
            life.launch(framework)
        life.h.tick()
        for role, (limit, guarantee) in quotas.items():
            life.set_quota(role, limit, guarantee)
        while any(agent.living for agent in life.h.agents):
            life.end(1)
            for framework in busy:
                framework.wants(demand(MANY, mem="0GiB"))
            life.check()
    set_quotas = life.h.master.books.quotas
    for role, quota in set_quotas.items():
        below = [f.role for f in busy if is_below(f.role, role)]
        is_met = life.held(role) >= quota.guarantees.get("cpus", 0)
        assert is_met or all(at_limit(life, each) for each in below), f"{role}: {life.held(role)}"


def at_limit(life: Life, role: Role) -> bool:
    """It, or a role above it, may have no more."""
    quotas = life.h.master.books.quotas
    most = {each: quotas[each].limits.get("cpus") for each in lineage(role) if each in quotas}
    return any(limit is not None and life.held(each) >= limit for each, limit in most.items())
