"""The life of an offer: made by the allocation, ended by its framework, by time or by loss."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from fairlead.common.ids import AgentId, OfferId, Role
from fairlead.common.messages import OffersMade, OffersRescinded
from fairlead.common.operators import OfferEventKind
from fairlead.common.resources import Resources
from fairlead.common.values import Offer

from .allocation import lent
from .allocation.allocator import Grant, Look, allocate
from .allocation.gang_offers import InVain, gang_grants, is_room_for_any
from .allocation.holds import served
from .allocation.limits import to_rescind
from .allocation.preferences import liked_first
from .allocation.reservations import reserved_part
from .allocation.standings import Standings
from .books import Who
from .context import Context
from .entries import Agent, Framework, HeldOffer, RunningAccept
from .filters import Filter
from .gang_books import OfferSet
from .revoking import revocations

if TYPE_CHECKING:
    from random import Random

MOST_AT_ONCE = 40
"""Offers in one message: each describes its agent, and a message has a limit."""
FEW = 5
"""Agents of whose rest somebody wants more, and that wait no longer behind all others."""
MANY = 100
"""Agents that are not all put into random order when some of them are looked at."""


class Offers:
    """Makes offers and takes them back."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.standings = Standings(context.books, context.settings)
        self._dirty_since: float | None = None
        self._was_cut = False
        """The last step did not get to all where something became free: a few others come first."""
        self._looks_at: float | None = None
        """When the oldest offer is looked at next."""
        self._broken: list[tuple[Framework, OfferSet]] = []
        """An offer of these was not used."""
        self._passed: dict[AgentId, Who] = {}
        """Agents of whose rest a gang comes next, before who stated no demand."""

    def next_allocation(self) -> float | None:
        """At once, when something is free: in the next quiet moment, which a Tick is."""
        return self._context.now if self._is_due() else None

    def is_overdue(self) -> bool:
        """Messages came without a pause for so long that the allocation no longer waits."""
        context = self._context
        if not self._is_due():
            self._dirty_since = None
            return False
        if self._dirty_since is None:
            self._dirty_since = context.now
        return context.now - self._dirty_since >= context.settings.max_delay_s

    def allocate(self, most: int) -> None:
        """Offer what is free on the agents that changed; a bounded number at a time."""
        context = self._context
        self._dirty_since = None
        if not self._is_due():
            return
        if context.books.dirty and context.books.quotas:
            context.books.look_everywhere()  # what came back here may be due to somebody elsewhere
        made: dict[str, list[Offer]] = {}
        for grants in self._grants(most):
            for grant in grants:
                offer = self._make(grant)
                made.setdefault(offer.framework_id, []).append(offer)
        for framework_id, offers in made.items():
            framework = context.books.frameworks[offers[0].framework_id]
            assert framework.framework_id == framework_id
            for first in range(0, len(offers), MOST_AT_ONCE):
                several = tuple(offers[first : first + MOST_AT_ONCE])
                context.to_framework(framework, OffersMade(several))

    def lend(self, agent: Agent) -> None:
        """Offer what is held there and not used, by the word of its agent."""
        context = self._context
        loans = [held for held in agent.offers.values() if held.offer.revocable]
        if loans and lent.cpus_lent(agent) > agent.revocable.cpus:
            self.rescind(loans, "who holds it uses it again")
        for grant in lent.grants(context.books, context.settings, context.now, agent):
            context.to_framework(grant.framework, OffersMade((self._make(grant),)))

    def _grants(self, most: int) -> Iterator[list[Grant]]:
        """Each list is booked before the next is asked for. A gang whose turn it is not comes
        behind all other demand, however many steps that takes, and before who stated none: then
        they wait for the next look.
        """
        books, settings, now = self._context.books, self._context.settings, self._context.now
        chance, standings = self._context.random, self.standings
        standings.renew()
        books.name_wanted()
        has_gangs, in_vain = bool(standings.ganging), InVain()
        if has_gangs:
            yield from gang_grants(books, settings, now, in_vain, in_turn=True)
        fits = has_gangs and is_room_for_any(books, settings, now, in_vain)
        due: dict[AgentId, Who] = {**books.wanted, **books.dirty} if fits else {}
        looks, left, again = self._take_due(), settings.max_grants, dict[AgentId, None]()
        for grants in allocate(
            books,
            looks,
            settings,
            now,
            chance,
            standings=standings,
            again=again,
            stated_only=fits,
        ):
            yield grants
            left, most = left - max(1, len(grants)), most - len(grants)
            if left <= 0 or most <= 0:
                break
        self._was_cut = bool(books.dirty) and not self._was_cut
        for agent_id in again:
            books.want_on(agent_id, None)
        for agent_id, who in due.items():
            if agent_id not in books.wanted and agent_id not in books.dirty:
                self._passed[agent_id] = who
        if books.wanted or books.dirty:
            return  # the next step goes on
        if has_gangs:
            yield from gang_grants(books, settings, now, in_vain, in_turn=False)
        passed, self._passed = self._passed, {}
        for agent_id, who in passed.items():
            books.want_on(agent_id, who)

    def _is_due(self) -> bool:
        return self._context.books.is_due

    def _take_due(self) -> Iterator[Look]:
        """What became free comes first: it is what somebody waits for. A few of the others, the
        oldest, come before it in every second step if there is always more. Agents come in random
        order, so that nobody gets the same ones each time, but for those that are preferred.
        """
        books, is_chosen = self._context.books, bool(self.standings.preferring)
        oldest = dict.fromkeys(islice(books.wanted, FEW if self._was_cut else 0))
        for due in (oldest, books.dirty, books.wanted):  # when its turn comes: there may be many
            order = shuffled(list(due), self._context.random)
            for agent_id in liked_first(books, order) if is_chosen else order:
                who = books.wanted.pop(agent_id, None)
                if agent_id in books.dirty:
                    del books.dirty[agent_id]
                    who = None
                books.idle[agent_id] = None
                yield agent_id, who

    def _make(self, grant: Grant) -> Offer:
        context, info = self._context, grant.agent.info
        offer = Offer(
            OfferId(context.new_id("o")),
            info.agent_id,
            grant.framework.framework_id,
            grant.role,
            grant.resources,
            reserved_part(grant.agent, grant.role, grant.resources),
            grant.revocable,
            hostname=info.hostname,
            attributes=grant.agent.attributes,
            utilisation=grant.agent.usage,
            agent_address=info.address,
            gpus=info.gpus,
        )
        timeout_s = context.settings.offer_timeout_s
        allocations = grant.framework.allocations
        allocations[grant.role] = allocations.get(grant.role, 0) + 1
        until = context.awake + timeout_s
        if context.books.revocations:
            for taker, message in revocations.offered(context.books, offer):
                context.to_framework(context.books.frameworks[taker], message)
        if grant.framework.waits:
            served(context.books, grant.framework, grant.role, grant.resources)
        context.books.add_offer(
            HeldOffer(offer, until, grant.fits_demand, grant.units, grant.together)
        )
        if len(context.books.offers) == 1:
            self._look_again_at_offers()
        context.log_offer(OfferEventKind.MADE, offer)
        return offer

    # --- ends

    def refuse(
        self,
        of: Offer | RunningAccept,
        refused: Resources,
        refuse_s: float,
        *,
        is_alike: bool = False,
    ) -> None:
        """What is refused of it, lent or free, is not offered it again for a while; with `is_alike`
        of no such agent.
        """
        context, is_loan = self._context, isinstance(of, Offer) and bool(of.revocable)
        if not refused:
            return
        framework = context.books.frameworks[of.framework_id]
        agent = context.books.agents[of.agent_id]
        agent.refused_by[framework.presence(of.role)] = None
        lasts = min(max(refuse_s, context.settings.min_filter_s), context.settings.max_filter_s)
        given = Filter(refused, context.now + lasts, is_loan)
        if is_alike:
            framework.filters.add_alike(of.role, agent.places, given, context.now)
        else:
            framework.filters.add(of.role, of.agent_id, given, context.now)
        self._look_again(framework)

    def _look_again(self, framework: Framework) -> None:
        """When the first of them expires, or before: an earlier look sets the next timer."""
        first, timers = framework.filters.first_end(), framework.filters.timers
        if first is not None and all(when > first for when in timers):
            timers[first] = None
            self._context.timers.at(first, "filter", framework.framework_id)

    def give_back(self, held: HeldOffer) -> None:
        """Not taken."""
        books, offer = self._context.books, held.offer
        books.drop_offer(held)
        if held.together is not None:
            self._broken.append((books.frameworks[offer.framework_id], held.together))

    def distrust(self, framework: Framework, held: HeldOffer) -> None:
        """A fitting offer was not used: a demand that is never honoured stops counting."""
        whole = held.together
        if held.fits_demand and not (whole and whole.is_distrusted):
            framework.refusals += 1
        if whole is not None:
            whole.is_distrusted = True

    def rescind(
        self,
        helds: Sequence[HeldOffer],
        message: str,
        kind: OfferEventKind = OfferEventKind.RESCINDED,
    ) -> None:
        """Take offers back and say so to whoever holds them."""
        told: dict[str, list[OfferId]] = {}
        for held in helds:
            self.give_back(held)
            self._context.log_offer(kind, held.offer, message)
            told.setdefault(held.offer.framework_id, []).append(held.offer.offer_id)
        for held in helds:
            ids = told.pop(held.offer.framework_id, None)
            if ids is not None:
                framework = self._context.books.frameworks[held.offer.framework_id]
                self._context.to_framework(framework, OffersRescinded(tuple(ids), message))

    def keep_limits(self) -> None:
        """Whoever holds more than it may gives offers back: a limit was lowered, or an agent came
        back with more. What runs goes on.
        """
        books = self._context.books
        for role in [role for role in books.quotas if f"roles/{role}" in books.touched]:
            self.rescind(to_rescind(books, role), f"{role} has reached its limit")

    def rescind_broken(self) -> None:
        """Nobody holds what serves a part of a gang."""
        while self._broken:
            framework, whole = self._broken.pop()
            left = tuple(held for held in framework.offers.values() if held.together is whole)
            self.rescind(left, "another offer for its gang is gone")

    def rescind_agent(self, agent: Agent, message: str) -> None:
        self.rescind(tuple(agent.offers.values()), message)

    def void(self, framework: Framework) -> None:
        """With the session, its offers are gone; nobody needs to be told."""
        for held in tuple(framework.offers.values()):
            self._context.books.drop_offer(held)
            self._context.log_offer(OfferEventKind.VOID, held.offer, "its session has ended")

    def forget_filters(self, framework: Framework, roles: Iterable[Role]) -> None:
        agents = self._context.books.agents
        for role in roles:
            places = tuple(framework.filters.of(role))
            for place in places:
                framework.filters.forget_on(role, place)
            known = [agents[AgentId(place)] for place in places if place in agents]
            self._forget(framework, role, known if len(known) == len(places) else agents.values())

    def forget_refusals_of(self, agent_id: AgentId) -> None:
        """The agent is another than the one that was refused."""
        agent = self._context.books.agents[agent_id]
        for framework in self._context.books.frameworks.values():
            for role in framework.info.roles:
                framework.filters.forget_on(role, agent_id)
                self._forget(framework, role, (agent,))

    def _forget(self, framework: Framework, role: Role, agents: Iterable[Agent]) -> None:
        """With a refusal goes that it comes behind all others for it."""
        for agent in agents:
            agent.refused_by.pop((framework.framework_id, role), None)

    # --- timers

    def due(self) -> None:
        """The oldest have been there for long enough, if we did not stand still meanwhile."""
        context, offers = self._context, self._context.books.offers
        self._looks_at = None
        for held in list(takewhile(lambda each: not context.left(each.until), offers.values())):
            if held.offer.offer_id in offers:
                self._time_out(held)
        self._look_again_at_offers()

    def _look_again_at_offers(self) -> None:
        """They end in the order in which they were made: one timer is enough for all."""
        oldest = next(iter(self._context.books.offers.values()), None)
        if oldest is not None and self._looks_at is None:
            self._looks_at = self._context.now + self._context.left(oldest.until)
            self._context.timers.at(self._looks_at, "offers")

    def _time_out(self, held: HeldOffer) -> None:
        context = self._context
        framework = context.books.frameworks[held.offer.framework_id]
        self.distrust(framework, held)
        timeout_s = context.settings.offer_timeout_s
        # For as long as it was kept from others: who never answers is at most half of their time.
        self.refuse(held.offer, held.offer.resources + held.offer.revocable, timeout_s)
        why = f"not answered within {timeout_s:g} s"
        self.rescind((held,), why, OfferEventKind.TIMED_OUT)

    def filters_due(self, framework: Framework) -> None:
        """Refusals have expired: their agents are looked at again."""
        now, books = self._context.now, self._context.books
        filters = framework.filters
        filters.timers = {when: None for when in filters.timers if when > now}
        for _, place in filters.ended(now):
            if place in books.agents:
                books.want_on(AgentId(place), {framework.framework_id: None})
            else:  # a whole kind
                books.want(framework)
        self._look_again(framework)


def shuffled(agent_ids: list[AgentId], random: "Random") -> Iterable[AgentId]:
    """In random order; to ask for a few of many costs no more than those few."""
    if len(agent_ids) > MANY:
        return _drawn(agent_ids, random)
    random.shuffle(agent_ids)
    return agent_ids


def _drawn(agent_ids: list[AgentId], random: "Random") -> Iterator[AgentId]:
    while agent_ids:
        place = int(random.random() * len(agent_ids))
        agent_ids[place], agent_ids[-1] = agent_ids[-1], agent_ids[place]
        yield agent_ids.pop()
