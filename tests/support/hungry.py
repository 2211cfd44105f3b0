"""Frameworks that take what they are offered and want it again when they lose it: for tests of who
has to give back to whom, and whether that ever ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.support.master_harness import AgentDouble, FrameworkDouble, MasterHarness
from tests.support.master_peers import task

from fairlead.common.messages import Revoke, SetDemand
from fairlead.common.resources import Resources
from fairlead.common.values import Demand, Reason, RoleDemand, TaskState


@dataclass(eq=False)
class Hungry:
    """Wants so many units, all the time: what it loses it wants again."""

    h: MasterHarness
    role: str
    each: Resources
    count: int
    states_demand: bool = True
    """Else it takes whatever comes, as one task."""
    framework: FrameworkDouble = field(init=False)
    started: int = 0

    def __post_init__(self) -> None:
        demands = [Demand(self.each, self.count)] if self.states_demand else None
        self.framework = self.h.framework(role=self.role, demands=demands)

    @property
    def living(self) -> int:
        tasks = self.h.framework_books(self.framework).tasks.values()
        return sum(not known.is_terminal for known in tasks)

    @property
    def cpus(self) -> float:
        """That its tasks hold."""
        return self.h.framework_books(self.framework).used.cpus / 1000

    @property
    def notices(self) -> list[Revoke]:
        return [body for body in self.framework.heard if isinstance(body, Revoke)]

    def takes(self) -> None:
        """Launch what fits into each offer, and say what is still wanted."""
        for offer in self.framework.offers:
            sizes = [self.each] * self.count if self.states_demand else [offer.resources]
            room, launches = offer.resources, []
            for size in sizes[: max(0, self.count - self.living) if self.states_demand else 1]:
                if (picked := room.pick(size)) is None:
                    break
                room -= picked
                self.started += 1
                name = f"{self.role.replace('/', '-')}-{self.framework.id}-{self.started}"
                launches.append(replace(task(name), resources=size))
            self.framework.accept(offer, *launches)
        self.says()

    def says(self) -> None:
        """What it still wants."""
        if not self.states_demand:
            return
        left = self.count - self.living
        demands = (Demand(self.each, left),) if left > 0 else ()
        wanted = (RoleDemand(self.framework.role, demands),)
        if wanted != self.framework.demands:
            self.framework.demands = wanted
            self.framework.call(SetDemand(wanted))


def goes_on(h: MasterHarness, everybody: Sequence[Hungry], seconds: float) -> None:
    """Time passes; agents start and kill what they are told to, frameworks take what comes."""
    until = h.now + seconds
    settle(h, everybody)
    while h.now < until:
        h.advance(min(5.0, until - h.now))
        settle(h, everybody)


def settle(h: MasterHarness, everybody: Sequence[Hungry]) -> None:
    for _ in range(20):
        before = h.master.version
        for agent in h.agents:
            obey(agent)
        for hungry in everybody:
            hungry.takes()
        h.tick()
        if h.master.version == before:
            return


def obey(agent: AgentDouble) -> None:
    """What is to run runs, what is to end has ended."""
    doomed = agent.asked_to_kill()
    for task_id, known in tuple(agent.living.items()):
        if known.latest.state.is_terminal:
            continue
        if task_id in doomed:
            agent.becomes(task_id, TaskState.KILLED, Reason.REVOKED)
        elif known.latest.state is TaskState.STAGING:
            agent.runs(task_id)
