"""What is taken from whom, on which agent, for losers whose patience is over: see `losers`.

Units are given one after another in an imagined world, so each sees what those before have cost.
"""

from collections.abc import Iterator
from dataclasses import replace

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Demand

from ..allocation.rules import Case, part, passes, suits
from ..books import Books
from ..entries import Agent, Task, anonymous
from ..settings import MasterSettings
from .imagined import Imagined
from .losers import Shares, Wants, is_guaranteed, is_loser, may_take, owner, takeable
from .revocations import Claim

MOST_UNITS = 100
"""That losers are given by one plan."""
MOST_AGENTS = 16
"""Where a unit could be had, before the cheapest is chosen."""

Cost = tuple[int, int, int, int, int]
"""The heaviest burden of a taker, tasks that are not revocable, the highest priority, the share
that is lost, tasks.
"""
BURDENS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Taking:
    """These tasks are to end so that a unit of a demand fits on their agent."""

    claim: Claim
    agent: Agent
    each: Resources
    unit: Resources
    """The same, devices named."""
    tasks: tuple[Task, ...] = ()
    cost: Cost = (0, 0, 0, 0, 0)


def plan(
    books: Books, settings: MasterSettings, now: float, due: Wants, shares: Shares
) -> list[Taking]:
    """Unit by unit, until nobody can be given more."""
    with Imagined(books) as world:
        world.revoked()
        return list(_Plan(world, settings, now, due, shares).takings())


def unit_for(case: Case, each: Resources) -> Resources | None:
    """A unit of a demand out of what is free there, if it may be offered."""
    unit = part(case, case.agent.free).pick(each)
    return unit if unit is not None and passes(case, unit) else None


class _Plan:
    def __init__(
        self, world: Imagined, settings: MasterSettings, now: float, due: Wants, shares: Shares
    ) -> None:
        self._world = world
        self._settings = settings
        self._now = now
        self._shares = shares
        self._open = dict(due)
        self._takeable = {
            agent.info.agent_id: takeable(agent)
            for agent in world.books.agents.values()
            if agent.is_open
        }
        self._there: dict[AgentId, Resources] = {}
        """What could be taken, all of it."""
        self._used: dict[AgentId, None] = {}
        """Where something was taken or given: what is left over there comes first."""

    def takings(self) -> Iterator[Taking]:
        """What fits without taking is given as well, and not told."""
        for _ in range(MOST_UNITS):
            claim = min(self._open, key=self._turn, default=None)
            if claim is None:
                return
            loses = is_loser(self._world, self._shares, claim, self._open[claim])
            taking = self._next(claim) if loses else None
            if taking is None:
                del self._open[claim]
            elif taking.tasks:
                yield taking

    def _turn(self, claim: Claim) -> tuple[bool, object]:
        """What is guaranteed comes first, then whoever is furthest below its share."""
        is_first = is_guaranteed(self._world, claim, self._open[claim])
        return not is_first, self._world.standing.rank(claim)

    def _next(self, claim: Claim) -> Taking | None:
        """One unit more for it."""
        demands = self._open[claim]
        for index, demand in enumerate(demands):
            if (taking := self._place(claim, demand)) is not None:
                self._world.take(taking.tasks)
                self._world.give(claim, taking.agent, taking.unit)
                self._there.pop(taking.agent.info.agent_id, None)
                self._used[taking.agent.info.agent_id] = None
                rest = (replace(demand, count=demand.count - 1),) if demand.count > 1 else ()
                self._open[claim] = (*demands[:index], *rest, *demands[index + 1 :])
                return taking
        return None

    def _place(self, claim: Claim, demand: Demand) -> Taking | None:
        """Where a unit fits, or the least is lost for it."""
        found: list[Taking] = []
        for agent_id in (*self._used, *self._takeable):
            case = self._case(claim, self._world.books.agents[agent_id])
            if not self._has_enough(case, demand) or not suits(case, demand):
                continue
            if (unit := unit_for(case, demand.each)) is not None:
                return Taking(claim, case.agent, demand.each, unit)
            if (taking := self._take(claim, case, demand.each)) is not None:
                found.append(taking)
                if len(found) == MOST_AGENTS:
                    break
        return min(found, key=lambda taking: taking.cost, default=None)

    def _case(self, claim: Claim, agent: Agent) -> Case:
        books = self._world.books
        framework = books.frameworks[claim[0]]
        return Case(books, self._settings, self._now, framework, claim[1], agent)

    def _has_enough(self, case: Case, demand: Demand) -> bool:
        """A quick look, before each task is judged."""
        agent_id = case.agent.info.agent_id
        if (there := self._there.get(agent_id)) is None:
            there = total(anonymous(task.held) for task in self._left(case.agent))
            self._there[agent_id] = there
        return (anonymous(case.agent.free) + there).covers(anonymous(demand.each))

    def _left(self, agent: Agent) -> list[Task]:
        """Not taken by this plan."""
        tasks = self._takeable[agent.info.agent_id]
        return [task for task in tasks if (task.framework_id, task.task_id) in agent.tasks]

    def _take(self, claim: Claim, case: Case, each: Resources) -> Taking | None:
        """The cheapest tasks of this agent without which a unit fits."""
        chosen: list[Task] = []
        with self._world.trial():
            for task in self._candidates(case.agent):
                if may_take(self._world, claim, each, task):
                    self._world.take((task,))
                    chosen.append(task)
                    if unit_for(case, each) is not None:
                        break
            else:
                return None
        return self._least(claim, case, each, chosen)

    def _candidates(self, agent: Agent) -> Iterator[Task]:
        """Those that are too much first, as it is when their turn comes."""
        for burden in BURDENS:
            for task in self._left(agent):
                if self._burden(task) == burden:
                    yield task

    def _burden(self, task: Task) -> int:
        """What its taker has then: its fair share all the same, less than that, or less still."""
        standing, fair = self._world.standing, self._shares.get(owner(task), EMPTY)
        if standing.beyond(owner(task), fair, loses=task.held) >= 0:
            return 0
        return 1 if standing.beyond(owner(task), fair) > 0 else 2

    def _least(self, claim: Claim, case: Case, each: Resources, tasks: list[Task]) -> Taking:
        """Without those that turned out not to be needed, the dearest first."""
        needed = tasks
        for task in reversed(tasks[:-1]):
            without = [other for other in needed if other is not task]
            with self._world.trial():
                self._world.take(without)
                if unit_for(case, each) is not None:
                    needed = without
        with self._world.trial():
            cost = self._cost(needed)
            self._world.take(needed)
            unit = unit_for(case, each)
        assert unit is not None
        return Taking(claim, case.agent, each, unit, tuple(needed), cost)

    def _cost(self, tasks: list[Task]) -> Cost:
        return (
            max(self._burden(task) for task in tasks),
            sum(not task.launch.task.revocable for task in tasks),
            max(task.launch.task.priority for task in tasks),
            self._world.standing.share(total(anonymous(task.held) for task in tasks)),
            len(tasks),
        )
