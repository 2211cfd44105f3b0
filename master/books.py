"""What the master knows: agents, frameworks, tasks, offers, and who holds what.

The one place where held quantities change, so that the sums always agree; `proof` checks it.
`touched` names what operators should see anew.
"""

from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import (
    AgentId,
    FrameworkId,
    OfferId,
    Role,
)
from fairlead.common.operators import SetQuota
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.roles import lineage
from fairlead.common.values import (
    FrameworkInfo,
    Offer,
)

from .allocation.shares import Scale
from .entries import Agent, Framework, HeldOffer, RunningAccept, Task, Want, anonymous
from .gang_books import GangHold, GangIndex
from .revoking.revocations import Revocation

Who = dict[FrameworkId, None] | None
"""Frameworks; None: everybody."""


@dataclass(slots=True)
class Books:
    """Everything the master knows. Counters serve for ids under the leader's epoch."""

    agents: dict[AgentId, Agent] = field(default_factory=dict)
    frameworks: dict[FrameworkId, Framework] = field(default_factory=dict)
    offers: dict[OfferId, HeldOffer] = field(default_factory=dict)
    weights: dict[Role, float] = field(default_factory=dict)
    quotas: dict[Role, SetQuota] = field(default_factory=dict)
    apart: dict[FrameworkId, None] = field(default_factory=dict)
    """Frameworks that share no agent with some others."""
    borrowers: dict[FrameworkId, None] = field(default_factory=dict)
    """Frameworks that can bear to lose what they are lent (`lent`)."""
    revocations: dict[str, Revocation] = field(default_factory=dict)
    """What is being taken back."""
    revoking: dict[AgentId, dict[str, Revocation]] = field(default_factory=dict)
    """The same by agent."""
    gangs: GangIndex = field(default_factory=GangIndex)
    gang_hold: GangHold | None = None
    reserving: dict[AgentId, None] = field(default_factory=dict)
    """Agents with reservations, ordered ones included."""
    removed: dict[FrameworkId, FrameworkInfo] = field(default_factory=dict)
    """Frameworks that were torn down and are refused for ever."""
    capacity: Resources = EMPTY
    """Amounts of all agents that are not unreachable; device names stripped."""
    excluded: tuple[str, ...] = ()
    """Resources that count in no share."""
    held: dict[Role, Resources] = field(default_factory=dict)
    """Used and offered by each role and all below it."""
    holds: dict[AgentId, tuple[FrameworkId, Want]] = field(default_factory=dict)
    """For whom, and for what, the free part of an agent is kept."""
    touched: dict[str, None] = field(default_factory=dict)
    changed: dict[FrameworkId, None] = field(default_factory=dict)
    """Frameworks that may stand elsewhere than at the last allocation (`standings`)."""
    dirty: dict[AgentId, None] = field(default_factory=dict)
    """Agents where something became free."""
    wanted: dict[AgentId, Who] = field(default_factory=dict)
    """Agents of whose rest somebody may want more, and who: looked at behind those."""
    idle: dict[AgentId, None] = field(default_factory=dict)
    """Agents that an allocation has looked at: nothing may be free elsewhere, but where it is
    dirty."""
    wanting: dict[FrameworkId, None] = field(default_factory=dict)
    """By these they all are wanted,"""
    is_wanted_everywhere: bool = False
    """or by everybody."""
    is_asked: bool = False
    """Somebody wants something else than before; the next allocation sees if that is more."""

    @property
    def scale(self) -> Scale:
        """What shares are measured by."""
        return Scale(self.capacity, self.excluded)

    came: int = 0
    """Frameworks, so far."""

    def enter(self, framework: Framework) -> Framework:
        """It is known from now on."""
        self.came += 1
        framework.number = self.came
        self.frameworks[framework.framework_id] = framework
        return framework

    # --- quantities, always changed in pairs

    def hold(self, task: Task, resources: Resources) -> None:
        """From now on this task holds `resources`, no more and no less."""
        if task.held == resources:
            return
        was, task.held = task.held, resources
        self._use(task, was, resources)
        for accept in self.accepts_of(task):
            self._settle(accept)

    def accepts_of(self, task: Task) -> list[RunningAccept]:
        """The accept that is under way with this task; two only if an agent says so."""
        return [
            accept
            for accept in self.agents[task.agent_id].accepts.values()
            if accept.framework_id == task.framework_id and task.task_id in accept.task_ids
        ]

    def tasks_of(self, accept: RunningAccept) -> list[Task]:
        """Those of its tasks that are known and on its agent."""
        known = self.frameworks[accept.framework_id].tasks
        tasks = [known[task_id] for task_id in accept.task_ids if task_id in known]
        return [task for task in tasks if task.agent_id == accept.agent_id]

    def add_accept(self, accept: RunningAccept) -> None:
        """From now on it holds what its tasks do not."""
        self.agents[accept.agent_id].accepts[accept.accept_id] = accept
        self.frameworks[accept.framework_id].accepts[accept.key] = accept
        self._settle(accept)

    def drop_accept(self, accept: RunningAccept) -> None:
        """Its own part is free."""
        was, accept.held = accept.held, EMPTY
        del self.agents[accept.agent_id].accepts[accept.accept_id]
        del self.frameworks[accept.framework_id].accepts[accept.key]
        self._use(accept, was, EMPTY)

    def _settle(self, accept: RunningAccept) -> None:
        was, held = accept.held, own_part(self, accept)
        if was != held:
            accept.held = held
            self._use(accept, was, held)

    def _use(self, user: Task | RunningAccept, was: Resources, now: Resources) -> None:
        agent = self.agents[user.agent_id]
        agent.used = agent.used.without(was) + now
        agent.refused_by.clear()
        self._carry(self.frameworks[user.framework_id], user.role, was, now)
        self.dirty[user.agent_id] = None
        self.touch_agent(user.agent_id)
        self.touch_framework(user.framework_id)

    def hold_stray(self, agent: Agent, name: str, resources: Resources) -> None:
        """What an agent says is in use, though we know of no such task: it is not free."""
        was = agent.strays.pop(name, EMPTY)
        if resources:
            agent.strays[name] = resources
        if was != resources:
            agent.used = agent.used.without(was) + resources
            self.dirty[agent.info.agent_id] = None
            self.touch_agent(agent.info.agent_id)

    def add_task(self, task: Task, resources: Resources) -> None:
        """Into all indexes, holding `resources`."""
        self.frameworks[task.framework_id].tasks[task.task_id] = task
        self.agents[task.agent_id].tasks[task.framework_id, task.task_id] = task
        self.gangs.add(task)
        self.hold(task, resources)
        self.touch_task(task)

    def drop_task(self, task: Task) -> None:
        """Out of all indexes: nobody asks for it any more."""
        self.hold(task, EMPTY)
        framework = self.frameworks[task.framework_id]
        framework.tasks.pop(task.task_id, None)
        framework.ended.pop(task.task_id, None)
        if agent := self.agents.get(task.agent_id):
            agent.tasks.pop((task.framework_id, task.task_id), None)
        self.gangs.drop(task)
        self.touch_task(task)

    def add_offer(self, held: HeldOffer) -> None:
        offer = held.offer
        agent = self.agents[offer.agent_id]
        framework = self.frameworks[offer.framework_id]
        for index in (self.offers, agent.offers, framework.offers):
            index[offer.offer_id] = held
        agent.offered += offer.resources
        self._carry(framework, offer.role, EMPTY, offer.resources)
        self._touch_offer(offer)

    def drop_offer(self, held: HeldOffer) -> None:
        """Its resources are free again."""
        offer = held.offer
        agent = self.agents[offer.agent_id]
        framework = self.frameworks[offer.framework_id]
        for index in (self.offers, agent.offers, framework.offers):
            del index[offer.offer_id]
        agent.offered = agent.offered - offer.resources
        self._carry(framework, offer.role, offer.resources, EMPTY)
        self.dirty[offer.agent_id] = None
        self._touch_offer(offer)

    def _carry(self, framework: Framework, role: Role, was: Resources, now: Resources) -> None:
        was, now = anonymous(was), anonymous(now)
        if now.gpus and not any(held.gpus for held in framework.held.values()):
            self.want(framework)  # it may have of agents with GPUs from now on
        _settle(framework.held, role, was, now)
        for above in lineage(role):
            _settle(self.held, above, was, now)
        self.touch_role(role)

    def count(self, agent: Agent) -> None:
        """After it came, changed or was given up."""
        was, agent.counted = agent.counted, agent.capacity
        self.capacity = self.capacity.without(was) + agent.counted
        is_missed = bool(self.capacity.gpus) and not agent.counted.covers(was)
        if self.quotas or is_missed:  # others may serve now what was not for them
            self.look_everywhere()

    def kept_for(self, agent_id: AgentId) -> FrameworkId | None:
        """For whom there is room kept on an agent, for a gang or a single task."""
        if self.gang_hold is not None and agent_id in self.gang_hold.agents:
            return self.gang_hold.framework_id
        holder, _ = self.holds.get(agent_id, (None, None))
        return holder

    # --- what is to be looked at. What an allocation has left free somewhere nobody else took: so
    # --- only who wants more since needs to be asked there again, as long as no more becomes free.

    def ask(self, framework: Framework) -> None:
        """This framework wants something else, be it less."""
        self.is_asked = True
        self.touch_framework(framework.framework_id)

    def want(self, framework: Framework) -> None:
        """This framework may want more of what is free anywhere."""
        self.touch_framework(framework.framework_id)
        self.want_more(framework.framework_id)

    def want_more(self, framework_id: FrameworkId) -> None:
        if self.idle:
            self.wanting[framework_id] = None

    def want_on(self, agent_id: AgentId, who: Who) -> None:
        """They may want more there. Agents may share `who`: to ask too many does no harm."""
        known = self.wanted.setdefault(agent_id, who)
        if who is None:
            self.wanted[agent_id] = None
        elif known is not None and known is not who:
            known.update(who)

    def look_beyond(self) -> None:
        """At others than the agent that changed: quotas count what is reserved or free there, and
        agents with GPUs serve those whom it leaves no other.
        """
        if self.quotas or self.capacity.gpus:
            self.look_everywhere()

    def look_everywhere(self) -> None:
        """Every agent with something free is looked at again: those that are not dirty are idle."""
        self.is_wanted_everywhere = bool(self.idle)

    @property
    def is_due(self) -> bool:
        """Something may be offered."""
        is_wanted = self.wanted or self.wanting or self.is_wanted_everywhere
        return bool(self.dirty or is_wanted or self.is_asked)

    def name_wanted(self) -> None:
        """One by one, if all agents with something free are."""
        self.is_asked = False
        if not (self.wanting or self.is_wanted_everywhere):
            return
        who = None if self.is_wanted_everywhere else self.wanting
        self.wanting, self.is_wanted_everywhere = {}, False
        for agent_id in tuple(self.idle):
            agent = self.agents.get(agent_id)
            if agent is None or agent.session is None or not agent.free:
                del self.idle[agent_id]
            else:
                self.want_on(agent_id, who)

    # --- what operators should see anew

    def take_touched(self) -> dict[str, None]:
        """Since it was asked last."""
        touched, self.touched = self.touched, {}
        return touched

    def touch_agent(self, agent_id: AgentId) -> None:
        self.touched[f"agents/{agent_id}"] = None

    def touch_framework(self, framework_id: FrameworkId) -> None:
        self.touched[f"frameworks/{framework_id}"] = None
        self.changed[framework_id] = None

    def touch_roles(self, framework: Framework) -> None:
        """It has come, or is forgotten."""
        for role in framework.info.roles:
            self.touch_role(role)

    def touch_role(self, role: Role) -> None:
        """With those above it."""
        for above in lineage(role):
            self.touched[f"roles/{above}"] = None

    def touch_task(self, task: Task) -> None:
        self.touched[f"tasks/{task.framework_id}/{task.task_id}"] = None
        self.gangs.touch(task)

    def _touch_offer(self, offer: Offer) -> None:
        touched = self.touched
        touched[f"offers/{offer.offer_id}"] = None
        touched[f"agents/{offer.agent_id}"] = None
        touched[f"frameworks/{offer.framework_id}"] = None
        self.changed[offer.framework_id] = None


def _settle(sums: dict[Role, Resources], role: Role, was: Resources, now: Resources) -> None:
    if left := sums.get(role, EMPTY).without(was) + now:
        sums[role] = left
    else:
        sums.pop(role, None)


def own_part(books: Books, accept: RunningAccept) -> Resources:
    """What an accept brought and none of its tasks holds now."""
    return accept.brought.without(total(task.held for task in books.tasks_of(accept)))
