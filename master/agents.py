"""Agents and their sessions: they register with all they know, report, fall silent, return."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fairlead.common.ids import AgentId, SessionId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    AcceptEnded,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    Code,
    FrameworkAway,
    Goodbye,
    Heartbeat,
    RegisterAgent,
    ReservationChanged,
    ShutdownFramework,
    TaskUpdated,
)
from fairlead.common.operators import AgentState, AgentVerdict
from fairlead.common.resources import EMPTY
from fairlead.common.values import AgentInfo, FrameworkInfo, Reason, TaskState

from .accepting.accepts import Accepts
from .allocation.constraints import attributes_of
from .allocation.reservations import encroached
from .context import Context
from .departures import Departures
from .descriptions import bad_registration, bad_reservations, bad_update
from .entries import Agent, Framework, RunningAccept
from .offers import Offers
from .reconciling import GONE, Reconciling
from .reserving import Reserving
from .tasks import Tasks


class Agents:
    """One short handler per message of an agent."""

    def __init__(
        self,
        context: Context,
        offers: Offers,
        tasks: Tasks,
        accepts: Accepts,
        departures: Departures,
        *,
        reserving: Reserving,
        reconciling: Reconciling,
    ) -> None:
        self._context = context
        self._reserving = reserving
        self._reconciling = reconciling
        self._offers = offers
        self._tasks = tasks
        self._accepts = accepts
        self._departures = departures
        self._chunks: dict[SessionId, RegisterAgent] = {}
        self._instances: dict[str, AgentId] = {}
        """Which id each instance has."""
        self.messages: Mapping[type, Callable[[Agent, Any], None]] = {
            AgentHeartbeat: self._heartbeat,
            TaskUpdated: self._task_updated,
            AcceptEnded: self._accept_ended,
            ReservationChanged: self._reservation_changed,
            Goodbye: self._goodbye,
        }

    def received(self, session: SessionId, message: AgentMessage) -> None:
        if isinstance(message.body, RegisterAgent):
            self._chunk(session, message.body)
            return
        agent = self._context.sessions.get(session)
        if not isinstance(agent, Agent):
            self._context.dismiss(session, Code.NOT_SUBSCRIBED, "register first", agent=True)
            return
        agent.heard = self._context.awake
        self.messages[type(message.body)](agent, message.body)

    # --- registering

    def _chunk(self, session: SessionId, part: RegisterAgent) -> None:
        """A large registration comes in parts; only the whole counts."""
        registered = self._context.sessions.get(session)
        if isinstance(registered, Agent):
            message = "this session has registered"
            self._context.dismiss(session, Code.INVALID, message, agent=True)
            self.closed(registered)
            return
        before = self._chunks.pop(session, None)
        whole = part if before is None else _joined(before, part)
        if whole.more:
            self._chunks[session] = whole
            return
        whole = self._named(whole)
        if (refusal := self._refusal(session, whole)) is not None:
            self._context.dismiss(session, *refusal, agent=True)
        else:
            self._register(session, whole)

    def _refusal(self, session: SessionId, call: RegisterAgent) -> tuple[Code, str] | None:
        context = self._context
        if context.sessions.get(session) is not None:
            return Code.INVALID, "this session has registered"
        if call.hello.protocol != PROTOCOL_VERSION:
            return Code.VERSION, f"this master speaks protocol {PROTOCOL_VERSION}"
        if call.cluster_id and call.cluster_id != context.cluster_id:
            message = (
                f"it belongs to cluster {call.cluster_id}, this is {context.cluster_id}:"
                " start it under another name, or with the home of its cluster"
            )
            return Code.WRONG_CLUSTER, message
        if call.highest_epoch > context.epoch:
            message = f"the agent has obeyed epoch {call.highest_epoch}, this is {context.epoch}"
            return Code.STALE_EPOCH, message
        if (trouble := bad_registration(call)) is not None:
            return Code.INVALID, f"register.{trouble[0]}: {trouble[1]}"
        known = context.books.agents.get(call.agent.agent_id)
        if known is None:
            return None
        if known.state is AgentState.GONE:
            return Code.AGENT_REMOVED, why_gone(known)
        if known.instance_uuid != call.hello.instance_uuid:
            if known.session is not None:
                return Code.DUPLICATE_AGENT, "another instance of this agent is alive"
        elif call.hello.instance_uuid and call.hello.attempt <= known.attempt:
            return Code.SUPERSEDED, "a later attempt of this instance has registered"
        return None

    def _register(self, session: SessionId, call: RegisterAgent) -> None:
        context, books = self._context, self._context.books
        agent = self._known_or_new(call.agent)
        if agent.session is not None:
            message = "a newer session of this instance has registered"
            context.dismiss(agent.session, Code.SUPERSEDED, message, agent=True)
            self._offers.rescind_agent(agent, "its agent has registered again")
            self._reserving.lost(agent)
        agent.session = session
        if agent.instance_uuid:
            self._instances.pop(agent.instance_uuid, None)
        agent.instance_uuid = call.hello.instance_uuid
        if agent.instance_uuid:
            self._instances[agent.instance_uuid] = agent.info.agent_id
        agent.attempt = call.hello.attempt
        agent.heard = context.awake
        if agent.state is AgentState.UNREACHABLE:
            context.record(f"unreachable/{agent.info.agent_id}", None)
        agent.state, agent.is_unheard = AgentState.CONNECTED, False
        context.sessions[session] = agent
        interval = self.heartbeat_s()
        agent_id = agent.info.agent_id
        body = AgentRegistered(agent_id, context.cluster_id, interval)
        context.to_agent(agent, body)
        books.count(agent)
        self._take_in(agent, call)
        self._tasks.end_drained(agent)
        agent.look_at = context.now + interval
        context.timers.at(agent.look_at, "agent", agent_id)
        books.dirty[agent_id] = None
        books.touch_agent(agent_id)

    def _known_or_new(self, info: AgentInfo) -> Agent:
        """A change of what an agent is, is durable; a return is not worth a write."""
        books = self._context.books
        agent = books.agents.get(info.agent_id)
        if agent is None:
            agent = Agent(info, AgentState.CONNECTED, self._context.awake)
            books.agents[info.agent_id] = agent
            self._context.record(f"agent/{info.agent_id}", _lasting(info))
        elif _lasting(agent.info) != _lasting(info):
            self._context.record(f"agent/{info.agent_id}", _lasting(info))
            if attributes_of(agent.info) != attributes_of(info):
                self._offers.forget_refusals_of(info.agent_id)
                books.look_beyond()
        agent.info = info
        return agent

    def _named(self, call: RegisterAgent) -> RegisterAgent:
        """With its id, a new one if need be; or the one that it was given and never heard of."""
        if call.agent.agent_id:
            return call
        agents = self._context.books.agents
        given = self._instances.get(call.hello.instance_uuid)
        agent_id = given or AgentId(self._context.new_id("a", agents))
        return replace(call, agent=replace(call.agent, agent_id=agent_id))

    def _take_in(self, agent: Agent, call: RegisterAgent) -> None:
        """The agent is the authority on its tasks: what it brings is booked, the rest is not."""
        books = self._context.books
        before = dict(agent.accepts)
        self._forget_uses(agent)
        self._reserving.brought(agent, call.reservations)
        for info in call.frameworks:
            self._meet(info)
        reported = {}
        for report in (*call.ended, *call.tasks):
            framework = books.frameworks.get(report.framework_id)
            if framework is None:
                framework = self._meet(FrameworkInfo(report.framework_id, "", roles=(report.role,)))
            task = self._tasks.adopt(agent, framework, report)
            reported[report.framework_id, report.task.task_id] = report.launch_uuid
            self._tasks.came_back(framework, task)
        for key, task in tuple(agent.tasks.items()):
            if not task.is_terminal and reported.get(key) != task.launch.launch_uuid:
                self._tasks.never_seen(task)
        self._take_in_accepts(agent, call, before)
        self._compare_absences(agent, call)
        self._reconciling.settle(agent)

    def _take_in_accepts(
        self, agent: Agent, call: RegisterAgent, before: Mapping[str, RunningAccept]
    ) -> None:
        for progress in call.accepts:
            self._meet(FrameworkInfo(progress.framework_id, "", roles=(progress.role,)))
            known = before.get(progress.accept_id)
            self._accepts.go_on(agent, progress, 0.0 if known is None else known.refuse_s)
        for accept_id, accept in before.items():
            if accept_id not in agent.accepts:
                self._accepts.lost(accept)

    def _forget_uses(self, agent: Agent) -> None:
        """What an agent alone can say of itself, and will say again."""
        for name in tuple(agent.strays):
            self._context.books.hold_stray(agent, name, EMPTY)
        for accept in tuple(agent.accepts.values()):
            self._context.books.drop_accept(accept)

    def _meet(self, info: FrameworkInfo) -> Framework:
        """Agents may know of a framework before it has come to this leader itself."""
        books = self._context.books
        framework = books.frameworks.get(info.framework_id)
        if framework is None:
            removed = books.removed.get(info.framework_id)
            framework = books.enter(Framework(removed or info, is_ended=removed is not None))
            if framework.is_ended:
                self._departures.forget_later(info.framework_id)
            else:
                self._departures.count_away(framework, 0.0)
        return framework

    def _compare_absences(self, agent: Agent, call: RegisterAgent) -> None:
        """Of the frameworks it has tasks of: who is gone, who is away, and for how long."""
        context, books = self._context, self._context.books
        told = {away.framework_id: away.away_s for away in call.away}
        for info in call.frameworks:
            framework_id = info.framework_id
            framework = books.frameworks.get(framework_id)
            if framework is None or framework.is_ended:
                context.to_agent(agent, ShutdownFramework(framework_id))
            elif framework.session is not None:
                context.to_agent(agent, FrameworkAway(framework_id, back=True))
            else:
                self._departures.still_away(framework, agent, told.get(framework_id, 0.0))

    # --- reporting

    def _heartbeat(self, agent: Agent, message: AgentHeartbeat) -> None:
        agent.usage = message.host
        agent.unacknowledged = message.unacknowledged
        agent.revocable = message.revocable
        self._context.books.touch_agent(agent.info.agent_id)
        for measured in message.tasks:
            task = agent.tasks.get((measured.framework_id, measured.task_id))
            if task is not None:
                task.usage = measured.usage
                self._context.books.touch_task(task)
        if agent.revocable or any(held.offer.revocable for held in agent.offers.values()):
            self._offers.lend(agent)

    def _task_updated(self, agent: Agent, message: TaskUpdated) -> None:
        if (trouble := bad_update(agent.info, message)) is not None:
            self._dismiss(agent, Code.INVALID, f"task_updated.{trouble[0]}: {trouble[1]}")
            return
        self._tasks.updated(agent, message)
        rest = agent.info.resources.without(agent.used)
        if not rest.contains(agent.offered) or encroached(agent):
            self._offers.rescind_agent(agent, "its agent uses more than was known")

    def _accept_ended(self, agent: Agent, message: AcceptEnded) -> None:
        if (accept := agent.accepts.get(message.accept_id)) is not None:
            self._accepts.ended(accept)

    def _reservation_changed(self, agent: Agent, message: ReservationChanged) -> None:
        reservation = message.reservation
        known = {**agent.reservations, reservation.role: reservation}
        if trouble := bad_reservations(known.values()):
            self._dismiss(agent, Code.INVALID, f"reservation_changed.reservation: {trouble}")
        else:
            self._reserving.changed(agent, message)

    def _goodbye(self, agent: Agent, message: Goodbye) -> None:
        self._dismiss(agent, Code.OK, message.message)

    def _dismiss(self, agent: Agent, code: Code, message: str) -> None:
        if agent.session is not None:
            self._context.dismiss(agent.session, code, message, agent=True)
        self.closed(agent)

    # --- falling silent

    def closed(self, agent: Agent) -> None:
        """Disconnected: its offers are taken back, nothing else happens."""
        agent.session = None
        agent.state = AgentState.DISCONNECTED
        self._offers.rescind_agent(agent, "its agent is disconnected")
        self._reserving.lost(agent)
        context, agent_id = self._context, agent.info.agent_id
        agent.look_at = context.now
        context.timers.at(agent.look_at, "agent", agent_id)
        context.books.touch_agent(agent_id)

    def forget_chunks(self, session: SessionId) -> None:
        self._chunks.pop(session, None)

    def heartbeat_s(self) -> float:
        """The interval grows with the number of agents, so that all of them cost the same."""
        settings = self._context.settings
        grown = settings.heartbeat_s + len(self._context.books.agents) / max(
            1, settings.agents_per_heartbeat_s
        )
        steps_s = max(settings.heartbeat_s, grown // 0.5 * 0.5)
        return min(steps_s, settings.max_heartbeat_s)

    def due(self, agent: Agent) -> None:
        """Say that we are here, and judge its silence."""
        context, settings = self._context, self._context.settings
        if context.now < agent.look_at:
            return  # looked at meanwhile, for another reason
        if agent.is_given_up:
            return
        interval = self.heartbeat_s()
        silent_s = max(settings.silent_s, 2.5 * interval)
        is_here = agent.session is not None
        patience_s = silent_s if is_here else settings.agent_timeout_s
        if left := context.left(agent.heard + patience_s):
            if is_here:
                context.to_agent(agent, Heartbeat())
                left = min(interval, left)
        elif agent.session is not None:
            message = f"nothing heard for {silent_s:g} s"
            context.dismiss(agent.session, Code.SILENT, message, agent=True)
            self.closed(agent)
            return
        else:
            message = f"its agent {agent.info.agent_id} has been silent for too long"
            self.give_up(agent, AgentState.UNREACHABLE, message)
            return
        agent.look_at = context.now + left
        context.timers.at(agent.look_at, "agent", agent.info.agent_id)

    def mark_gone(self, agent: Agent) -> None:
        """An operator's word, for ever: its reservations and what was ordered of it are no more."""
        context, agent_id = self._context, agent.info.agent_id
        for order in ("unreachable", "drain"):
            context.record(f"{order}/{agent_id}", None)
        self._instances.pop(agent.instance_uuid, None)
        agent.drain = None
        self.give_up(agent, AgentState.GONE, GONE)
        self._reserving.brought(agent, ())

    def give_up(self, agent: Agent, state: AgentState, message: str) -> None:
        """What it holds is not counted on. If it is only UNREACHABLE, its tasks may return."""
        context, agent_id = self._context, agent.info.agent_id
        agent.since = context.wall_time
        agent.is_unheard |= agent.state is AgentState.RECOVERING
        context.record(f"{state.name.lower()}/{agent_id}", AgentVerdict(agent_id, agent.since))
        if agent.session is not None:
            self._dismiss(agent, Code.AGENT_REMOVED, why_gone(agent))
        agent.state = state
        self._forget_uses(agent)
        for task in tuple(agent.tasks.values()):
            if not task.is_terminal:
                self._tasks.decide(task, *_LOST[state], message)
            elif not task.is_end_said:
                self._tasks.tell_end(task)
        context.books.count(agent)
        context.books.touch_agent(agent_id)
        self._reconciling.settle(agent)


_LOST = {
    AgentState.UNREACHABLE: (TaskState.UNREACHABLE, Reason.AGENT_UNREACHABLE),
    AgentState.GONE: (TaskState.GONE_BY_OPERATOR, Reason.AGENT_GONE),
}


def why_gone(agent: Agent) -> str:
    """To itself: there is one way back, as another."""
    info = agent.info
    return (
        f"an operator marked {info.name} ({info.agent_id}) gone, for ever;"
        " to use this machine again, start its agent under another name"
    )


def _joined(before: RegisterAgent, part: RegisterAgent) -> RegisterAgent:
    return replace(
        part,
        tasks=before.tasks + part.tasks,
        ended=before.ended + part.ended,
        accepts=before.accepts + part.accepts,
        frameworks=before.frameworks + part.frameworks,
        away=before.away + part.away,
        reservations=before.reservations + part.reservations,
    )


def _lasting(info: AgentInfo) -> AgentInfo:
    """What of an agent is worth a write: not where it listens just now."""
    return replace(info, address="")
