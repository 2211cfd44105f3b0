"""Laws about offers, as the messages of one leader show them: never more than there is, used once,
never against a filter, never to who is suppressed, never of an agent that is away. What an accept
brought and no task holds is its own until it ends.

The ledger is of one master process; what another leader promised is void with it.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from fairlead.common.ids import AgentId, CallId, FrameworkId, LaunchUuid, OfferId
from fairlead.common.launches import launches_in
from fairlead.common.messages import (
    Accept,
    AcceptEnded,
    AgentHeartbeat,
    ChangeReservation,
    Decline,
    OffersMade,
    OffersRescinded,
    RegisterAgent,
    ReservationChanged,
    Revive,
    Revoke,
    RunAccept,
    SetDemand,
    Spared,
    Subscribe,
    Suppress,
    TaskUpdated,
)
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Offer

from . import capabilities, fairness, limits, wishes
from .fairness import Scene
from .laws import Facts, Link, ViolationError, reign_of
from .parties import Agent, Framework, Owner, reported
from .parts import MOVES, Move, is_followed, move_of, part_of
from .reserved import check_offers

HOUR_S = 3600.0
LEFT_OVER_S = 60.0
"""Nobody here refuses what an accept left over for longer."""


class Offers:
    """The ledger of one master process."""

    def __init__(self, facts: Facts, server: str) -> None:
        self._facts = facts
        self._server = server
        self._agents: dict[AgentId, Agent] = {}
        self._frameworks: dict[FrameworkId, Framework] = {}
        self._outstanding: dict[OfferId, Offer] = {}
        self._made: dict[OfferId, float] = {}
        self._reports: dict[int, list[RegisterAgent]] = {}
        self._accepted: dict[LaunchUuid, None] = {}
        self._gathered: dict[tuple[int, CallId], tuple[OfferId, ...]] = {}
        self._used_by: dict[LaunchUuid, tuple[OfferId, ...]] = {}
        """By the accepts of gangs, until they are taken or refused."""
        self._ordered: Counter[str] = Counter()
        """Moves of tasks that their frameworks asked for and no agent was told yet."""
        self._notice: dict[LaunchUuid, float] = {}
        self.has_revoked = False
        """From then on it may keep room for whoever it takes something back for."""
        self._fresh: list[Offer] = []
        """Made in the step that is under way."""

    # --- agents

    def reported(self, link: Link, call: RegisterAgent) -> None:
        """Counts once the master has said yes."""
        self._reports.setdefault(link.number, []).append(call)

    def registered(self, link: Link, agent_id: AgentId) -> None:
        calls = self._reports.pop(link.number, [])
        if not calls:
            raise ViolationError("agents ask first", f"{self._server} registers {agent_id} unasked")
        gone_by = self._facts.gone.get(agent_id)
        if gone_by is not None and reign_of(self._server) >= reign_of(gone_by):
            raise ViolationError(
                "what is gone never comes back", f"{self._server} registers {agent_id}"
            )
        before = self._agents.get(agent_id)
        self._agents[agent_id] = reported(calls, agent_id, link.number, before)
        self._void(lambda offer: offer.agent_id == agent_id)

    def updated(self, link: Link, update: TaskUpdated) -> None:
        agent = self._agents.get(link.agent_id)
        if agent is None or agent.link != link.number:
            return
        uuid = update.latest.launch_uuid
        if update.resources != agent.used.get(uuid, EMPTY):
            agent.refused_by.clear()
        if update.latest.state.is_terminal:
            agent.used.pop(uuid, None)
            agent.lent.pop(uuid, None)
        else:
            agent.used[uuid] = update.resources

    def measured(self, link: Link, message: AgentHeartbeat) -> None:
        agent = self._agents.get(link.agent_id)
        if agent is not None and agent.link == link.number:
            agent.idle = message.revocable

    def accept_ended(self, now: float, link: Link, message: AcceptEnded) -> None:
        """What is left over is refused, however much that is."""
        agent = self._agents.get(link.agent_id)
        owner = agent.owners.get(message.accept_id) if agent is not None else None
        framework = self._frameworks.get(owner[0]) if owner is not None else None
        if agent is not None and owner is not None and framework is not None:
            agent.refused_by[owner] = None
            framework.doubtful[owner[1], link.agent_id] = now + LEFT_OVER_S
        if agent is not None and agent.link == link.number:
            part = agent.accepts.pop(message.accept_id, None)
            if part is not None:
                part.end(agent.used)

    def change_ordered(self, link: Link, order: ChangeReservation) -> None:
        agent = self._agents.get(link.agent_id)
        if agent is not None and agent.link == link.number:
            agent.changes[order.role] = order.resources

    def reservation_changed(self, link: Link, message: ReservationChanged) -> None:
        agent = self._agents.get(link.agent_id)
        if agent is not None and agent.link == link.number:
            agent.reservations[message.reservation.role] = message.reservation
            if message.order_id:
                agent.changes.pop(message.reservation.role, None)

    # --- frameworks

    def subscribed(self, link: Link, framework_id: FrameworkId, call: Subscribe) -> None:
        self._void(lambda offer: offer.framework_id == framework_id)
        before = self._frameworks.get(framework_id)
        framework = Framework(link.number, call.framework)
        framework.refusals = before.refusals if before is not None else 0
        framework.wishes = {wish.role: wish for wish in call.wishes}
        framework.demands = {each.role: each.demands for each in call.demands}
        framework.suppressed = {wish.role: None for wish in call.wishes if wish.suppressed}
        self._frameworks[framework_id] = framework

    def closed(self, link: Link) -> None:
        """The master has learnt, or decided, that a session is over."""
        framework = self._frameworks.get(link.framework_id)
        if framework is not None and framework.link == link.number:
            self._void(lambda offer: offer.framework_id == link.framework_id)
            framework.link = -1
        agent = self._agents.get(link.agent_id)
        if agent is not None and agent.link == link.number:
            agent.link = -1
            agent.changes.clear()

    def over(self, framework_id: FrameworkId) -> None:
        self._void(lambda offer: offer.framework_id == framework_id)

    def declined(self, now: float, link: Link, call: Decline) -> None:
        for offer_id in call.offer_ids:
            offer = self._take(link, offer_id)
            if offer is not None:
                whole = offer.resources + offer.revocable
                self._filter(now, offer, whole, call.refuse_s, is_alike=call.alike)

    def gathered(self, link: Link, call_id: CallId, call: Accept) -> None:
        """Of a gang: its offers are outstanding until the master has answered."""
        uuids = [launch.launch_uuid for launch in launches_in(call.operations)]
        held = [self._outstanding.get(offer_id) for offer_id in call.offer_ids]
        mine = [o for o in held if o is not None and o.framework_id == link.framework_id]
        if len(mine) == len(call.offer_ids):
            self._accepted.update(dict.fromkeys(uuids))
            names = tuple(offer.offer_id for offer in mine)
            self._gathered[link.number, call_id] = names
            self._used_by.update(dict.fromkeys(uuids, names))

    def answered(self, link: Link, call_id: CallId) -> None:
        """Taken or refused, these are no offers any more."""
        self._drop(self._gathered.pop((link.number, call_id), ()))

    def _drop(self, offer_ids: tuple[OfferId, ...]) -> None:
        for offer_id in offer_ids:
            self._outstanding.pop(offer_id, None)

    def accepted(self, now: float, link: Link, call: Accept) -> None:
        offers = [self._take(link, offer_id) for offer_id in dict.fromkeys(call.offer_ids)]
        held = [offer for offer in offers if offer is not None]
        launches = list(launches_in(call.operations))
        if held:  # until the master orders what uses them
            self._frameworks[link.framework_id].refusals += 1
        if len(held) < len(offers) or not (held or call.task_ids):
            return
        moves = [op for op in call.operations if isinstance(op, MOVES)]
        self._accepted.update((launch.launch_uuid, None) for launch in launches)
        if is_followed(call.operations):
            self._ordered += Counter(move_of(link.framework_id, move) for move in moves)
            for offer in held:  # what no operation needs is refused at once, the rest at its end
                self._agents[offer.agent_id].refused_by[link.framework_id, offer.role] = None
                doubtful = self._frameworks[link.framework_id].doubtful
                doubtful[offer.role, offer.agent_id] = now + LEFT_OVER_S
            return
        left: Resources = total(offer.resources for offer in held)
        framework = self._frameworks[link.framework_id]
        framework.may_overstate = framework.holds_fewer(held, len(launches))
        for launch in launches:
            framework.launched.setdefault(held[0].role, []).append(launch.task.resources)
        for launch in launches:
            picked = left.pick(launch.task.resources)
            if picked is None or launch.task.revocable:
                return  # the master answers for it; what is left over is not known here
            left = left - picked
        self._filter(now, held[0], left, call.refuse_s)

    def revived(self, link: Link, call: Revive) -> None:
        framework = self._frameworks.get(link.framework_id)
        if framework is not None:
            roles = call.roles or framework.roles
            for role in roles:
                framework.suppressed.pop(role, None)
            framework.refused.clear(roles)

    def demanded(self, link: Link, call: SetDemand) -> None:
        framework = self._frameworks.get(link.framework_id)
        if framework is not None:
            for each in call.demands:
                framework.demands.pop(each.role, None)
                if not each.unstated:
                    framework.demands[each.role] = each.demands
                framework.launched.pop(each.role, None)
                framework.earlier[each.role] = dict.fromkeys(self._outstanding)

    def suppressed(self, link: Link, call: Suppress) -> None:
        framework = self._frameworks.get(link.framework_id)
        if framework is not None:
            framework.suppressed.update(dict.fromkeys(call.roles or framework.roles))

    # --- what the master says

    def made(self, now: float, link: Link, message: OffersMade) -> None:
        for offer in message.offers:
            self._check_offer(now, link, offer)
            self._outstanding[offer.offer_id] = offer
            self._made[offer.offer_id] = now
            self._fresh.append(offer)
            self._check_room(offer.agent_id)
            agent, offers = self._agents[offer.agent_id], self._outstanding.values()
            here = (each for each in offers if each.agent_id == offer.agent_id)
            check_offers(self._server, agent, here)
            limits.check(self._facts, self._server, self._agents, offers, offer)
            wishes.check(self._facts, self._agents, self._frameworks, offers, offer)
            framework = self._frameworks[offer.framework_id]
            capabilities.check(self._facts, self._agents, framework, offers, offer)

    def rescinded(self, now: float, message: OffersRescinded) -> None:
        """Some because nobody answered: then whoever held them waits as if it had refused."""
        for offer_id in message.offer_ids:
            offer = self._outstanding.pop(offer_id, None)
            if offer is not None:
                self._refused(offer)
                framework = self._frameworks[offer.framework_id]
                key = (offer.role, offer.agent_id)
                framework.doubtful[key] = now + self._facts.terms.offer_timeout_s

    def shares(self, now: float) -> Mapping[Owner, float]:
        offers = list(self._outstanding.values())
        scene = Scene(now, self._server, self._agents, self._frameworks, offers, ())
        return fairness.shares(self._facts, scene)

    def decided(self, now: float) -> None:
        """Of one step nothing more comes: was anybody passed over?"""
        if self._fresh and not self.has_revoked:
            fresh, self._fresh = self._fresh, []
            offers = list(self._outstanding.values())
            scene = Scene(now, self._server, self._agents, self._frameworks, offers, fresh)
            fairness.check(self._facts, scene)

    def run(self, link: Link, message: RunAccept) -> None:
        agent = self._agents.get(link.agent_id)
        framework = self._frameworks.get(message.framework.framework_id)
        if framework is not None and message.resources:
            framework.refusals = framework.refusals + 1 if framework.may_overstate else 0
        owner = (message.framework.framework_id, message.role)
        moves = [operation for operation in message.operations if isinstance(operation, MOVES)]
        self._check_moves(message.framework.framework_id, moves)
        for launch in launches_in(message.operations):
            uuid = launch.launch_uuid
            if uuid not in self._accepted:
                raise ViolationError(
                    "offers are used once",
                    f"{self._server} launches {uuid} on offers that were void",
                )
            del self._accepted[uuid]
            self._drop(self._used_by.pop(uuid, ()))
            if agent is not None:
                is_later = is_followed(message.operations)
                agent.used[uuid] = EMPTY if is_later else launch.task.resources
                agent.owners[uuid] = owner
                agent.lend(uuid, launch.task)
                name = (message.framework.framework_id, launch.task.task_id)
                agent.names[name] = uuid
        if agent is not None and is_followed(message.operations):
            agent.accepts[message.accept_id] = part_of(message, agent.names, agent.used)
            agent.owners[message.accept_id] = owner
        self._check_room(link.agent_id)

    def check_away(self, framework_id: FrameworkId) -> None:
        """The master says that a framework is away."""
        framework = self._frameworks.get(framework_id)
        if framework is not None and framework.link >= 0:
            raise ViolationError(
                "who is there is not away", f"{self._server} calls {framework_id} away"
            )

    def leapt(self, seconds: float) -> None:
        """By the master's own clock what was to last is over so much earlier."""
        for framework in self._frameworks.values():
            framework.refused.leapt(seconds)
        for uuid in self._notice:
            self._notice[uuid] -= seconds

    def noticed(self, now: float, notice: Revoke) -> None:
        """These tasks may be taken back, and not before it is over."""
        for ref in notice.tasks:
            self._notice.setdefault(ref.launch_uuid, now + notice.deadline_s)
        self.has_revoked = True

    def spared(self, message: Spared) -> None:
        """From then on it takes another notice."""
        for ref in message.tasks:
            self._notice.pop(ref.launch_uuid, None)

    def check_notice(self, now: float, uuid: LaunchUuid) -> None:
        until = self._notice.get(uuid, now)
        if now < until - 0.001:
            raise ViolationError(
                "nothing is taken back without notice",
                f"{self._server} ends {uuid}, which had until {until:.3f}",
            )

    def finish(self, now: float) -> None:
        for offer_id, offer in self._outstanding.items():
            age = now - self._made[offer_id]
            if age > self._facts.terms.offer_timeout_s + 1.0:
                raise ViolationError(
                    "offers end", f"{offer_id} of {offer.framework_id} is {age:.1f} s old"
                )

    # --- inside

    def _check_offer(self, now: float, link: Link, offer: Offer) -> None:
        framework = self._frameworks.get(offer.framework_id)
        agent = self._agents.get(offer.agent_id)
        if framework is None or framework.link != link.number:
            raise ViolationError(
                "offers go to who subscribed", f"{offer.offer_id} of {self._server}"
            )
        if agent is None or agent.link < 0:
            raise ViolationError(
                "agents that are away are not offered", f"{offer.offer_id}: {offer.agent_id}"
            )
        drained_by = self._facts.drained.get(offer.agent_id)
        if drained_by is not None and reign_of(self._server) >= reign_of(drained_by):
            raise ViolationError(
                "what is drained is not offered", f"{offer.offer_id} of {self._server}"
            )
        if offer.offer_id in self._made:
            raise ViolationError("an offer id is given once", offer.offer_id)
        if offer.role in framework.suppressed:
            raise ViolationError(
                "who is suppressed is offered nothing", f"{offer.offer_id} in {offer.role}"
            )
        framework.refused.check(now, offer, agent.info)

    def _check_moves(self, framework_id: FrameworkId, moves: list[Move]) -> None:
        for move in moves:
            name = move_of(framework_id, move)
            if not self._ordered[name]:
                raise ViolationError(
                    "tasks are moved by their framework", f"{self._server}: {name}, unasked"
                )
            self._ordered[name] -= 1

    def _check_room(self, agent_id: AgentId) -> None:
        if (agent := self._agents.get(agent_id)) is not None:
            agent.check_room([o for o in self._outstanding.values() if o.agent_id == agent_id])

    def _take(self, link: Link, offer_id: OfferId) -> Offer | None:
        offer = self._outstanding.get(offer_id)
        if offer is None or offer.framework_id != link.framework_id:
            return None
        return self._outstanding.pop(offer_id)

    def _filter(
        self,
        now: float,
        offer: Offer,
        refused: Resources,
        refuse_s: float,
        *,
        is_alike: bool = False,
    ) -> None:
        framework = self._frameworks.get(offer.framework_id)
        if framework is None or refused == EMPTY:
            return
        self._refused(offer)
        lasts_s = min(max(refuse_s, self._facts.terms.min_filter_s), HOUR_S)
        info = self._agents[offer.agent_id].info
        framework.refused.add(now, offer, info, refused, lasts_s, is_alike=is_alike)

    def _refused(self, offer: Offer) -> None:
        """It was not used, or not all of it."""
        agent = self._agents.get(offer.agent_id)
        if agent is not None:
            agent.refused_by[offer.framework_id, offer.role] = None
        self._frameworks[offer.framework_id].refusals += 1

    def _void(self, applies: Callable[[Offer], bool]) -> None:
        for offer_id in [key for key, offer in self._outstanding.items() if applies(offer)]:
            del self._outstanding[offer_id]
