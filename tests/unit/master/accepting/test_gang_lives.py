"""Random lives of gangs: nobody ever holds offers for a part of one, and none is half alive."""

import random
from collections import Counter
from collections.abc import Callable

import hypothesis
import hypothesis.strategies as st
from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness, demand, task

from fairlead.common.ids import FrameworkId, TaskId
from fairlead.common.messages import KillTask
from fairlead.common.values import Gang, Reason, TaskState
from fairlead.frameworks.kit.scheduler import gang

STEPS = 120
SETTLE_S = 200
Seen = dict[TaskId, TaskState]


class Life:
    """One seed's: agents of few cpus, and frameworks that want gangs of several."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.h = MasterHarness()
        self.numbers = Counter[str]()
        self.sizes: dict[FrameworkDouble, int] = {}
        self.deeds: list[Callable[[], None]] = [
            *[self.gang_is_taken] * 4,
            self.gang_is_taken_in_part,
            self.offer_is_declined,
            *[self.member_begins] * self.random.choice((3, 12)),
            self.member_ends,
            *[self.agents_obey] * 3,
            self.member_is_killed_by_its_framework,
            self.agent_comes_or_goes,
            self.agent_forgets_what_it_was_told,
            self.framework_comes_or_goes,
            self.master_fails_over,
            *[self.time_passes] * 3,
        ]
        for _ in range(self.random.choice((2, 3, 4))):
            self.h.agent(cpus=self.random.choice((1, 2, 3)))
        for role in ("a", "b"):
            size = self.random.choice((2, 3, 4))
            double = self.h.framework(role=role, demands=[demand(size, gang=True)])
            self.sizes[double] = size

    def run(self) -> None:
        for _ in range(STEPS):
            deed = self.random.choice(self.deeds)
            self.numbers[deed.__name__] += 1
            deed()
            self.h.tick()
            self.check_offers()
        self.come_to_rest()

    # --- deeds

    def a_framework(self) -> FrameworkDouble | None:
        here = [each for each in self.sizes if each.session is not None]
        return self.random.choice(here) if here else None

    def gang_is_taken(self, leave_out: int = 0) -> None:
        framework = self.a_framework()
        if framework is None or not framework.offers:
            return
        self.numbers["gang"] += 1
        name, size = f"g{self.numbers['gang']}", self.sizes[framework]
        tasks = [task(f"{name}-{number}") for number in range(size)]
        if not gang(name, framework.offers, tasks):
            return  # some of its offers are in accepts that wait for one
        framework.takes_gang(name, *tasks, leave_out=leave_out)
        framework.wants(*framework.demands[0].demands)

    def gang_is_taken_in_part(self) -> None:
        self.gang_is_taken(leave_out=1)

    def offer_is_declined(self) -> None:
        framework = self.a_framework()
        if framework is not None and framework.offers:
            refuse_s = self.random.choice((0.0, 2.0, 20.0))
            framework.decline(self.random.choice(framework.offers), refuse_s=refuse_s)

    def some_living(self, *states: TaskState) -> tuple[AgentDouble, TaskId] | None:
        found = [
            (agent, name)
            for agent in self.h.agents
            for name, known in agent.living.items()
            if known.latest.state in states
        ]
        return self.random.choice(found) if found else None

    def member_begins(self) -> None:
        if (one := self.some_living(TaskState.STAGING)) is not None:
            one[0].runs(one[1])

    def member_ends(self) -> None:
        if (one := self.some_living(TaskState.RUNNING)) is not None:
            states = (TaskState.FINISHED, TaskState.FAILED)
            one[0].becomes(one[1], self.random.choice(states))

    def agents_obey(self) -> None:
        for agent in self.h.agents:
            for order in agent.orders:
                known = agent.living.get(order.task_id) if isinstance(order, KillTask) else None
                if known is not None and not known.latest.state.is_terminal:
                    agent.becomes(known.task.task_id, TaskState.KILLED, Reason.GANG_BROKEN)

    def member_is_killed_by_its_framework(self) -> None:
        framework = self.a_framework()
        names = self.h.framework_books(framework).tasks if framework is not None else {}
        if framework is not None and names:
            framework.kill(self.random.choice([*names]))

    def agent_comes_or_goes(self) -> None:
        agent = self.random.choice(self.h.agents)
        if agent.session is None:
            agent.connects()
        else:
            agent.disconnects()

    def agent_forgets_what_it_was_told(self) -> None:
        """Its session broke with the order in it."""
        if (one := self.some_living(TaskState.STAGING)) is not None and one[0].session is not None:
            one[0].disconnects()
            del one[0].living[one[1]]

    def framework_comes_or_goes(self) -> None:
        framework = self.random.choice([*self.sizes])
        if framework.session is None:
            framework.connects()
        else:
            framework.disconnects()

    def master_fails_over(self) -> None:
        if self.random.random() < 0.5:
            self.h.fail_over()

    def time_passes(self) -> None:
        self.h.advance(self.random.choice((0.5, 2, 10, 35, 80)))

    # --- laws

    def check_offers(self) -> None:
        for framework, size in self.sizes.items():
            books = self.h.master.books.frameworks.get(framework.id)
            offered = 0 if books is None else books.offered.cpus
            assert offered in (0, 1000 * size), f"{framework.info.name} is offered {offered}"

    def come_to_rest(self) -> None:
        for agent in self.h.agents:
            if agent.session is None:
                agent.connects()
        for framework in self.sizes:
            if framework.session is None:
                framework.connects()
        for _ in range(SETTLE_S // 10):
            while (one := self.some_living(TaskState.STAGING)) is not None:
                one[0].runs(one[1])
            self.agents_obey()
            self.h.advance(10)
        gangs: dict[tuple[FrameworkId, Gang], Seen] = {}
        for agent in self.h.agents:
            for known in (*agent.living.values(), *agent.ended_tasks.values()):
                assert known.task.gang is not None
                members = gangs.setdefault((known.framework_id, known.task.gang), {})
                members[known.task.task_id] = known.latest.state
        for (_, mark), members in gangs.items():
            if TaskState.RUNNING in members.values():
                assert len(members) == mark.size, f"{mark}: {members}"
                well = (TaskState.RUNNING, TaskState.FINISHED)
                assert all(state in well for state in members.values()), f"{mark}: {members}"
                self.numbers["whole at the end"] += 1
            elif any(state is TaskState.KILLED for state in members.values()):
                self.numbers["broken"] += 1


def live(seed: int) -> Counter[str]:
    life = Life(seed)
    try:
        life.run()
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    return life.numbers


def test_m9_no_gang_is_ever_half_offered_or_half_alive() -> None:
    numbers: Counter[str] = Counter()
    for seed in range(15):
        numbers += live(seed)
    assert min(numbers[deed.__name__] for deed in Life(0).deeds) > 0
    assert numbers["gang"] > 40, numbers
    assert numbers["broken"] > 5, numbers
    assert numbers["whole at the end"] > 2, numbers


@hypothesis.settings(max_examples=5)
@hypothesis.given(st.integers(min_value=1000, max_value=10**6))
def test_m9_nor_in_other_lives(seed: int) -> None:
    live(seed)
