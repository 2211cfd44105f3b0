"""Plans over random clusters: the lowest share grows with each, so there is a last one."""

from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
from tests.support.master_peers import task

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, SessionId
from fairlead.common.operators import AgentState, SetQuota
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AgentInfo,
    Demand,
    FrameworkInfo,
    Launch,
    TaskState,
    TaskStatus,
)
from fairlead.master.books import Books
from fairlead.master.entries import Agent, Framework, Task
from fairlead.master.revoking.losers import losers, open_wants, shares_of
from fairlead.master.revoking.takings import Scene, Taking, plan
from fairlead.master.settings import MasterSettings

SETTINGS = MasterSettings()


class Cluster:
    """Agents full of tasks; each framework wants so many of one size, and takes what it gets."""

    def __init__(self, agents: list[int], guests: list[tuple[str, int, int]]) -> None:
        self.books = Books()
        self.tasks = 0
        for number, cpus in enumerate(agents):
            agent_id = AgentId(f"a-{number}")
            info = AgentInfo(agent_id, agent_id, cpus_of(cpus), name=agent_id)
            agent = Agent(info, AgentState.CONNECTED, 0.0, SessionId(number + 1))
            self.books.agents[agent_id] = agent
            self.books.count(agent)
        self.sizes: dict[FrameworkId, tuple[int, int]] = {}
        for number, (role, size, count) in enumerate(guests):
            info_ = FrameworkInfo(FrameworkId(f"f-{number}"), f"f{number}", roles=(Role(role),))
            framework = self.books.enter(Framework(info_, SessionId(1000 + number)))
            self.sizes[framework.framework_id] = size, count
            for agent in self.books.agents.values():  # who comes first has what there is
                while self.wanted(framework) and agent.free.contains(cpus_of(size)):
                    self.launch(framework, agent)
        self.states()

    def wanted(self, framework: Framework) -> int:
        return self.sizes[framework.framework_id][1] - len(framework.tasks)

    def states(self) -> None:
        for framework in self.books.frameworks.values():
            size, left = self.sizes[framework.framework_id][0], self.wanted(framework)
            demands = [Demand(cpus_of(size), left)] if left else []
            framework.demands[framework.info.roles[0]] = demands

    def launch(self, framework: Framework, agent: Agent) -> None:
        self.tasks += 1
        name, (size, _) = f"t-{self.tasks}", self.sizes[framework.framework_id]
        info = replace(task(name), resources=cpus_of(size))
        launch, agent_id = Launch(info, LaunchUuid(name)), agent.info.agent_id
        status = TaskStatus(
            framework.framework_id, info.task_id, launch.launch_uuid, agent_id, TaskState.RUNNING
        )
        role = framework.info.roles[0]
        entry = Task(framework.framework_id, launch, agent_id, role, status)
        self.books.add_task(entry, info.resources)

    def plan(self) -> list[Taking]:
        """Of all that is due, whatever anybody's patience."""
        wants = open_wants(self.books, SETTINGS)
        shares = shares_of(self.books, wants)
        due = {claim: wants[claim] for claim in losers(self.books, wants, shares)}
        return plan(Scene(self.books, SETTINGS, 0.0, due, shares)).takings

    def follow(self, takings: list[Taking]) -> None:
        for taking in takings:
            for ended in taking.tasks:
                self.books.drop_task(ended)
            self.launch(self.books.frameworks[taking.claim[0]], taking.agent)
        self.states()

    def shares(self) -> list[int]:
        """The lowest first."""
        held = (framework.used for framework in self.books.frameworks.values())
        return sorted(each.cpus for each in held)


def cpus_of(count: int) -> Resources:
    return Resources.of(cpus=count, mem=count * 2**20)


SIZES = st.sampled_from((1, 1, 2, 3, 5))
CLUSTERS = st.lists(st.integers(1, 8), min_size=1, max_size=4)
COUNTS = st.integers(1, 12)


def guests(*roles: str) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    return st.lists(st.tuples(st.sampled_from(roles), SIZES, COUNTS), min_size=2, max_size=6)


@hypothesis.given(CLUSTERS, guests("a"))
def test_m27_each_plan_raises_the_lowest_of_those_whom_it_concerns(
    agents: list[int], come: list[tuple[str, int, int]]
) -> None:
    cluster = Cluster(agents, come)
    for _ in range(sum(agents)):
        before, takings = cluster.shares(), cluster.plan()
        if not any(taking.tasks for taking in takings):
            return
        cluster.follow(takings)
        assert cluster.shares() > before, "as numbers are compared: by the first that differs"
    raise AssertionError("it never ends")


@hypothesis.given(
    CLUSTERS,
    guests("a", "b", "c", "c/x", "c/y"),
    st.sampled_from((0.5, 1, 3)),
    st.sampled_from((0, 0, 1, 3)),
)
def test_m27_with_weights_a_tree_and_a_guarantee_plans_come_to_an_end(
    agents: list[int], come: list[tuple[str, int, int]], weight: float, guaranteed: int
) -> None:
    cluster = Cluster(agents, come)
    cluster.books.weights[Role("a")] = weight
    if guaranteed:
        cluster.books.quotas[Role("b")] = SetQuota(Role("b"), {"cpus": guaranteed * 1000})
    for _ in range(2 * sum(agents)):
        takings = cluster.plan()
        if not any(taking.tasks for taking in takings):
            return
        cluster.follow(takings)
    raise AssertionError("it never ends")
