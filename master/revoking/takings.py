"""What is taken from whom, on which agent, for losers whose patience is over: see `losers`.

Units are given one after another in an imagined world, so each sees what those before have cost.
A plan looks only so far, so that no step takes long; `notices` goes on with who is left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from heapq import heapify, heappop, heapreplace
from itertools import islice

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Demand

from ..allocation.rules import Case, part, passes, suits
from ..books import Books
from ..entries import Agent, Task, anonymous
from ..settings import MasterSettings
from .fair import Rank
from .imagined import Imagined
from .losers import Shares, Wants, is_guaranteed, is_loser, may_take, owner, takeable, whole_of
from .revocations import Claim, Revocation, living

MOST_LOOKS = 1000
"""At agents, and at what could be taken there, by one plan: some hundredths of a second."""
MOST_AGENTS = 16
"""Where a unit could be had, before the cheapest is chosen."""

Cost = tuple[int, int, int, int, int]
"""The heaviest burden of a taker, tasks that are not revocable, the highest priority, the share
that is lost, tasks.
"""
BURDENS = (0, 1, 2)
Whole = tuple[Task, ...]
"""Tasks that end together."""


@dataclass(frozen=True, slots=True)
class Taking:
    """These tasks are to end so that a unit of a demand fits on their agent."""

    claim: Claim
    agent: Agent
    each: Resources
    unit: Resources
    """The same, devices named."""
    tasks: Whole = ()
    """None: it fits without, or in what is left over where another unit is had."""
    cost: Cost = (0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Scene:
    """By what is decided who gets what."""

    books: Books
    settings: MasterSettings
    now: float
    wants: Wants
    shares: Shares


@dataclass(slots=True)
class Planned:
    """What is to be taken, and who has had its turn."""

    takings: list[Taking] = field(default_factory=list)
    done: dict[Claim, None] = field(default_factory=dict)
    """They want nothing more, or nothing more can be had for them."""


def plan(scene: Scene, number: int = 0) -> Planned:
    """Unit by unit, as far as it looks. Where that is not all of the cluster, the plan with the
    next number looks elsewhere.
    """
    with Imagined(scene.books) as world:
        world.revoked()
        agents = [agent for agent in scene.books.agents.values() if agent.is_open]
        first = number * MOST_LOOKS % len(agents) if len(agents) > MOST_LOOKS else 0
        return _Plan(world, scene, [*agents[first:], *agents[:first]]).planned()


def still_due(scene: Scene, due: Sequence[Revocation]) -> list[list[Taking]]:
    """What of each revocation is right when its time has come: some may have been given back, the
    loser served elsewhere, or the taker have lost more than was foreseen. A unit that is free by
    now costs nothing.
    """
    with Imagined(scene.books) as world:
        world.revoked(besides=due)
        return [list(_rest_of(world, scene, revocation)) for revocation in due]


def _rest_of(world: Imagined, scene: Scene, revocation: Revocation) -> Iterator[Taking]:
    agent = world.books.agents[revocation.agent_id]
    wants = scene.wants.get(revocation.claim, ())
    demands = tuple(demand for demand in wants if demand.each == revocation.each)
    if agent.is_open and demands:
        named = dict.fromkeys(task.ref for task in living(world.books, revocation))
        rest = _Plan(world, replace(scene, wants={revocation.claim: demands}), [agent])
        rest.tasks[agent.info.agent_id] = [t for t in takeable(agent) if t.ref in named]
        yield from islice(rest.takings(), len(revocation.units))


def unit_for(case: Case, each: Resources) -> Resources | None:
    """A unit of a demand out of what is free there, if it may be offered."""
    unit = part(case, case.agent.free).pick(each)
    return unit if unit is not None and passes(case, unit) else None


class _Plan:
    def __init__(self, world: Imagined, scene: Scene, agents: Sequence[Agent]) -> None:
        self._world = world
        self._scene = scene
        self._agents = {agent.info.agent_id: agent for agent in agents}
        self.tasks: dict[AgentId, list[Task]] = {}
        """What could be taken of an agent, once somebody has looked."""
        self._most: dict[AgentId, tuple[int, ...]] = {}
        """What would be free of an agent without all that."""
        self._used: dict[AgentId, None] = {}
        """Where something was taken or given: what is left over there comes first."""
        self._open = dict(scene.wants)
        self._turns = [(self._turn(claim), claim) for claim in self._open]
        heapify(self._turns)
        self._looks = 0
        self._price = 1 + len(world.books.quotas)
        """Of judging a task: each guarantee is looked at."""
        self._done: dict[Claim, None] = {}

    def planned(self) -> Planned:
        return Planned(list(self.takings()), self._done)

    def takings(self) -> Iterator[Taking]:
        """Unit by unit."""
        while self._looks < MOST_LOOKS and (claim := self._whose_turn()) is not None:
            is_first = not self._looks
            loses = is_loser(self._world, self._scene.shares, claim, self._open[claim])
            taking = self._next(claim) if loses else None
            if taking is not None:
                yield taking
            elif is_first or self._looks < MOST_LOOKS:  # it has seen what there is to see
                heappop(self._turns)
                self._done[claim] = None

    def _whose_turn(self) -> Claim | None:
        """What is guaranteed comes first, then whoever is furthest below its share."""
        while self._turns:
            noted, claim = self._turns[0]
            if (turn := self._turn(claim)) == noted:
                return claim
            heapreplace(self._turns, (turn, claim))  # it has moved since
        return None

    def _turn(self, claim: Claim) -> tuple[bool, Rank]:
        is_first = is_guaranteed(self._world, claim, self._open[claim])
        return not is_first, self._world.standing.rank(claim)

    def _next(self, claim: Claim) -> Taking | None:
        """One unit more for it."""
        demands = self._open[claim]
        for index, demand in enumerate(demands):
            if (taking := self._place(claim, demand)) is not None:
                self._world.take(taking.tasks)
                self._world.give(claim, taking.agent, taking.unit)
                for agent_id in (taking.agent.info.agent_id, *(t.agent_id for t in taking.tasks)):
                    self._most.pop(agent_id, None)
                    if agent_id in self._agents:
                        self._used[agent_id] = None
                rest = (replace(demand, count=demand.count - 1),) if demand.count > 1 else ()
                self._open[claim] = (*demands[:index], *rest, *demands[index + 1 :])
                return taking
        return None

    def _place(self, claim: Claim, demand: Demand) -> Taking | None:
        """Where a unit fits, or the least is lost for it."""
        found: list[Taking] = []
        for agent_id in (*self._used, *self._agents):
            if len(found) == MOST_AGENTS or self._looks >= MOST_LOOKS:
                break
            self._looks += 1
            case = self._case(claim, self._agents[agent_id])
            if not self._has_enough(case, demand) or not suits(case, demand):
                continue
            if (unit := unit_for(case, demand.each)) is not None:
                return Taking(claim, case.agent, demand.each, unit)
            if (taking := self._take(claim, case, demand.each)) is not None:
                found.append(taking)
        return min(found, key=lambda taking: taking.cost, default=None)

    def _case(self, claim: Claim, agent: Agent) -> Case:
        books, scene = self._world.books, self._scene
        framework, outlook = books.frameworks[claim[0]], self._world.outlook
        return Case(books, scene.settings, scene.now, framework, claim[1], agent, outlook=outlook)

    def _has_enough(self, case: Case, demand: Demand) -> bool:
        """A quick look, before each task is judged."""
        agent = case.agent
        if (most := self._most.get(agent.info.agent_id)) is None:
            there = total(anonymous(task.held) for task in self._left(agent))
            most = (anonymous(agent.free) + there).vector
            self._most[agent.info.agent_id] = most
        wanted = anonymous(demand.each).vector
        return all(have >= want for have, want in zip(most, wanted, strict=True))

    def _left(self, agent: Agent) -> list[Task]:
        """Not taken by this plan."""
        if (tasks := self.tasks.get(agent.info.agent_id)) is None:
            tasks = self.tasks[agent.info.agent_id] = takeable(agent)
        return [task for task in tasks if self._world.has(task)]

    def _take(self, claim: Claim, case: Case, each: Resources) -> Taking | None:
        """The cheapest tasks of this agent without which a unit fits."""
        chosen: list[Whole] = []
        with self._world.trial():
            for whole in self._candidates(case.agent):
                self._looks += self._price
                if may_take(self._world, claim, each, whole):
                    self._world.take(whole)
                    chosen.append(whole)
                    if unit_for(case, each) is not None:
                        break
            else:
                return None
        return self._least(claim, case, each, chosen)

    def _candidates(self, agent: Agent) -> Iterator[Whole]:
        """Those that are too much first, as it is when their turn comes."""
        for burden in BURDENS:
            for task in self._left(agent):
                whole = whole_of(self._world.books, task) if self._world.has(task) else ()
                if whole and self._burden(whole) == burden:
                    yield whole

    def _burden(self, whole: Whole) -> int:
        """What its taker has then: its fair share all the same, less than that, or less still."""
        standing, taker = self._world.standing, owner(whole[0])
        fair = self._scene.shares.get(taker, EMPTY)
        if standing.beyond(taker, fair, loses=_held(whole)) >= 0:
            return 0
        return 1 if standing.beyond(taker, fair) > 0 else 2

    def _least(self, claim: Claim, case: Case, each: Resources, chosen: list[Whole]) -> Taking:
        """Without those that turned out not to be needed, the dearest first."""
        needed = chosen
        for whole in reversed(chosen[:-1]):
            without = [other for other in needed if other is not whole]
            with self._world.trial():
                self._world.take(_tasks(without))
                if unit_for(case, each) is not None:
                    needed = without
        with self._world.trial():
            cost = self._cost(needed)
            self._world.take(_tasks(needed))
            unit = unit_for(case, each)
        assert unit is not None
        return Taking(claim, case.agent, each, unit, _tasks(needed), cost)

    def _cost(self, needed: Sequence[Whole]) -> Cost:
        tasks = _tasks(needed)
        return (
            max(self._burden(whole) for whole in needed),
            sum(not task.launch.task.revocable for task in tasks),
            max(task.launch.task.priority for task in tasks),
            self._world.standing.share(_held(tasks)),
            len(tasks),
        )


def _tasks(wholes: Sequence[Whole]) -> Whole:
    return tuple(task for whole in wholes for task in whole)


def _held(tasks: Whole) -> Resources:
    return total(anonymous(task.held) for task in tasks)
