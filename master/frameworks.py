"""Frameworks and their sessions: subscribing, calling, going away, being torn down."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fairlead.common.events import Send
from fairlead.common.ids import CallId, FrameworkId, SessionId
from fairlead.common.messages import (
    KILL_SIGNALS,
    PROTOCOL_VERSION,
    Accept,
    Acknowledge,
    CallResult,
    Code,
    Decline,
    FrameworkAway,
    FrameworkMessage,
    Goodbye,
    Heartbeat,
    Kill,
    MasterToFramework,
    Reconcile,
    Revive,
    SetDemand,
    ShutdownFramework,
    Subscribe,
    Subscribed,
    Suppress,
    Teardown,
)
from fairlead.common.operators import OfferEventKind
from fairlead.common.roles import bad_role

from .accepting.accepts import DONE, Accepts, Answer
from .accepting.gang_accepts import GangAccepts
from .allocation import lent
from .allocation.gang_holds import end_gang_hold
from .allocation.holds import end_waits
from .allocation.keep_apart import offers_in_breach
from .context import Context
from .descriptions import bad_framework
from .entries import Agent, Framework
from .offers import Offers
from .reconciling import Reconciling
from .revoking.revocations import notices
from .tasks import Tasks
from .wants import bad_demands, bad_wishes, open_part, strange_role

NEWS_S = 1.0
"""By so much more than was known a framework has been away."""


class Frameworks:
    """One short handler per call; each call is answered by exactly one CallResult."""

    def __init__(
        self,
        context: Context,
        offers: Offers,
        tasks: Tasks,
        accepts: Accepts,
        gang_accepts: GangAccepts,
        *,
        reconciling: Reconciling,
    ) -> None:
        self._context = context
        self._offers = offers
        self._tasks = tasks
        self._accepts = accepts
        self._gang_accepts = gang_accepts
        self._reconciling = reconciling
        self.calls: Mapping[type, Callable[[Framework, Any], Answer]] = {
            Accept: accepts.accept,
            Decline: self._decline,
            Revive: self._revive,
            Suppress: self._suppress,
            SetDemand: self._set_demand,
            Kill: self._kill,
            Acknowledge: self._acknowledge,
            Reconcile: self._reconcile,
            Teardown: self._teardown,
            Heartbeat: lambda _framework, _call: DONE,
            Goodbye: lambda _framework, _call: DONE,
        }

    def received(self, session: SessionId, message: FrameworkMessage) -> None:
        framework = self._context.sessions.get(session)
        if isinstance(message.body, Subscribe):
            self._subscribe(session, message.call_id, message.body)
        elif not isinstance(framework, Framework):
            self._answer(session, message.call_id, (Code.NOT_SUBSCRIBED, "", "subscribe first"))
        else:
            framework.heard = self._context.awake
            if isinstance(message.body, Accept) and message.body.gang is not None:
                self._gang_accepts.accept(framework, message.call_id, message.body)
                return
            answer = self.calls[type(message.body)](framework, message.body)
            self._answer(session, message.call_id, answer)
            if framework.is_ended:
                self._release(framework, "it asked to end")
            elif isinstance(message.body, Goodbye):
                self._part(framework)

    def refused(self, session: SessionId, call_id: CallId, field: str, message: str) -> None:
        """A call with a value that may not stand there: that call alone is refused."""
        framework = self._context.sessions.get(session)
        if isinstance(framework, Framework):
            framework.heard = self._context.awake
        self._answer(session, call_id, (Code.INVALID, field, message))

    def _answer(self, session: SessionId, call_id: CallId, answer: Answer) -> None:
        if call_id:
            body = CallResult(call_id, *answer)
            self._context.actions.append(
                Send(session, MasterToFramework(self._context.epoch, body))
            )

    # --- subscribing

    def _subscribe(self, session: SessionId, call_id: CallId, call: Subscribe) -> None:
        """Same instance: the higher attempt wins. Another instance wins over the one before."""
        context = self._context
        if context.sessions.get(session) is not None:
            self._answer(session, call_id, (Code.REFUSED, "", "this session has subscribed"))
            return
        if (trouble := self._trouble(call)) is not None:
            self._answer(session, call_id, trouble)
            context.dismiss(session, trouble[0], trouble[2], agent=False)
            return
        framework = self._known_or_new(call)
        same = framework.instance_uuid == call.hello.instance_uuid != ""
        if same and call.hello.attempt <= framework.attempt:
            message = "a later attempt of this instance has subscribed"
            context.dismiss(session, Code.SUPERSEDED, message, agent=False)
            return
        if (loser := framework.session) is not None:
            self._detach(framework)
            why = "a newer session of this instance" if same else "another instance"
            context.dismiss(loser, Code.SUPERSEDED, f"{why} has subscribed", agent=False)
        self._attach(session, framework, call)

    def _trouble(self, call: Subscribe) -> Answer | None:
        info = call.framework
        if call.hello.protocol != PROTOCOL_VERSION:
            message = f"this master speaks protocol {PROTOCOL_VERSION}, not {call.hello.protocol}"
            return Code.VERSION, "hello.protocol", message
        if not info.roles:
            return Code.INVALID, "framework.roles", "names no role"
        for index, role in enumerate(info.roles):
            if trouble := bad_role(role):
                return Code.INVALID, f"framework.roles[{index}]", trouble
        if len(set(info.roles)) < len(info.roles):
            return Code.INVALID, "framework.roles", "names a role twice"
        if (odd := bad_framework(info)) is not None:
            return Code.INVALID, f"framework.{odd[0]}", odd[1]
        known = self._context.framework(info.framework_id)
        if info.framework_id in self._context.books.removed or (known and known.is_ended):
            message = f"framework {info.framework_id} was torn down; subscribe without an id"
            return Code.FRAMEWORK_REMOVED, "framework.framework_id", message
        return bad_wishes(info, call.wishes) or bad_demands(info, call.demands)

    def _known_or_new(self, call: Subscribe) -> Framework:
        info, books = call.framework, self._context.books
        if not info.framework_id:
            uuid = call.hello.instance_uuid
            for known in books.frameworks.values():
                if uuid and known.instance_uuid == uuid and not known.is_ended:
                    return known  # it was given an id, and never heard of it
            new_id = self._context.new_id("f", books.frameworks, books.removed)
            info = replace(info, framework_id=FrameworkId(new_id))
        return books.frameworks.get(info.framework_id) or books.enter(Framework(info))

    def _attach(self, session: SessionId, framework: Framework, call: Subscribe) -> None:
        context = self._context
        framework_id = framework.framework_id
        framework.info = replace(call.framework, framework_id=framework_id)
        framework.session = session
        framework.instance_uuid = call.hello.instance_uuid
        framework.attempt = call.hello.attempt
        framework.heard = context.awake
        self._offers.forget_filters(framework, framework.filters.roles)
        framework.wishes = {wish.role: wish for wish in call.wishes}
        self._keep_apart(framework)
        lent.note_borrower(context.books, framework)
        framework.suppressed = {wish.role: None for wish in call.wishes if wish.suppressed}
        stated = (wanted for wanted in call.demands if not wanted.unstated)
        framework.demands = {wanted.role: open_part(wanted) for wanted in stated}
        context.sessions[session] = framework
        context.books.touch_roles(framework)
        if framework.away_since is not None:
            framework.away_since = None
            self._tell_agents(framework, FrameworkAway(framework_id, back=True))
        heartbeat_s = context.settings.heartbeat_s
        body = Subscribed(framework_id, heartbeat_s, context.epoch, context.cluster_id)
        context.to_framework(framework, body)
        framework.look_at = context.now + heartbeat_s
        context.timers.at(framework.look_at, "framework", framework_id)
        self._tasks.resend(framework)
        self._tell_of_revocations(framework)
        context.books.want(framework)

    def _keep_apart(self, framework: Framework) -> None:
        if framework.framework_id in self._context.books.apart:
            del self._context.books.apart[framework.framework_id]
            self._context.books.look_everywhere()
        if any(wish.keep_apart for wish in framework.wishes.values()):
            self._context.books.apart[framework.framework_id] = None
            held = offers_in_breach(self._context.books, framework)
            self._offers.rescind(held, "somebody on that agent keeps apart from it")

    def _tell_of_revocations(self, framework: Framework) -> None:
        """It may have been away when notice was given."""
        context = self._context
        for revocation in context.books.revocations.values():
            for framework_id, notice in notices(context.books, revocation, context.awake):
                if framework_id == framework.framework_id:
                    context.to_framework(framework, notice)

    # --- calls

    def _decline(self, framework: Framework, call: Decline) -> Answer:
        unknown = [offer_id for offer_id in call.offer_ids if offer_id not in framework.offers]
        for offer_id in dict.fromkeys(call.offer_ids):
            if (held := framework.offers.get(offer_id)) is not None:
                self._offers.give_back(held)
                message = f"for {call.refuse_s:g} s{', like all such agents' * call.alike}"
                self._context.log_offer(OfferEventKind.DECLINED, held.offer, message)
                refused = held.offer.resources + held.offer.revocable
                self._offers.refuse(held.offer, refused, call.refuse_s, is_alike=call.alike)
                self._offers.distrust(framework, held)
        if unknown:
            return Code.NOT_FOUND, "offer_ids", f"{unknown[0]} is not held; the others are declined"
        return DONE

    def _revive(self, framework: Framework, call: Revive) -> Answer:
        roles = call.roles or framework.info.roles
        if (strange := strange_role(framework, roles)) is not None:
            return strange
        self._offers.forget_filters(framework, roles)
        for role in roles:
            framework.suppressed.pop(role, None)
        self._context.books.want(framework)
        return DONE

    def _suppress(self, framework: Framework, call: Suppress) -> Answer:
        roles = call.roles or framework.info.roles
        if (strange := strange_role(framework, roles)) is not None:
            return strange
        for role in roles:
            framework.suppressed[role] = None
        self._context.books.changed[framework.framework_id] = None
        return DONE

    def _set_demand(self, framework: Framework, call: SetDemand) -> Answer:
        if (trouble := bad_demands(framework.info, call.demands)) is not None:
            return trouble
        for wanted in call.demands:
            if wanted.unstated:  # whatever there is may be offered to it now
                framework.demands.pop(wanted.role, None)
            else:
                framework.demands[wanted.role] = open_part(wanted)
        self._context.books.ask(framework)
        return DONE

    def _kill(self, framework: Framework, call: Kill) -> Answer:
        if call.signal and call.signal not in KILL_SIGNALS:
            allowed = ", ".join(KILL_SIGNALS.values())
            return Code.INVALID, "signal", f"{call.signal} is none of {allowed}"
        code, message = self._tasks.kill(framework, call)
        return code, "" if code is Code.OK else "task_id", message

    def _acknowledge(self, framework: Framework, call: Acknowledge) -> Answer:
        self._tasks.acknowledged(framework, call.task_id, call.agent_id, call.update_uuid)
        return DONE

    def _reconcile(self, framework: Framework, call: Reconcile) -> Answer:
        self._reconciling.ask(framework, call.tasks)
        return DONE

    def _teardown(self, framework: Framework, call: Teardown) -> Answer:
        del call
        self._end(framework)
        return DONE

    # --- going away

    def _part(self, framework: Framework) -> None:
        """It leaves, and may come back within its failover timeout."""
        assert framework.session is not None
        self._context.dismiss(framework.session, Code.OK, "goodbye", agent=False)
        self._leave(framework)

    def closed(self, framework: Framework) -> None:
        self._leave(framework)

    def _detach(self, framework: Framework) -> None:
        self._gang_accepts.forget(framework)
        self._offers.void(framework)
        framework.session = None
        self._context.books.touch_framework(framework.framework_id)

    def _leave(self, framework: Framework) -> None:
        """Its tasks run on until its failover timeout."""
        self._detach(framework)
        if not framework.is_ended:
            self.count_away(framework, 0.0)

    def count_away(self, framework: Framework, away_s: float) -> None:
        """It has been away for so long already; its agents count on if we cannot."""
        context = self._context
        framework.away_since = context.awake - away_s
        self._tell_agents(framework, _away(framework, away_s))
        left = context.left(self._may_be_away_until(framework))
        context.timers.at(context.now + left, "failover", framework.framework_id)

    def still_away(self, framework: Framework, agent: Agent, away_s: float) -> None:
        """An agent with tasks of it has come, and has counted so far. The others are told only what
        is news to them: a new leader hears this of every framework from every agent.
        """
        since, awake = framework.away_since, self._context.awake
        if since is None or away_s > awake - since + NEWS_S:
            self.count_away(framework, away_s)
        else:
            framework.away_since = min(since, awake - away_s)
            self._context.to_agent(agent, _away(framework, awake - framework.away_since))

    def _may_be_away_until(self, framework: Framework) -> float:
        """Of one that has not come to this leader yet, an agent's count may be stale."""
        assert framework.away_since is not None
        until = framework.away_since + framework.info.failover_timeout_s
        if framework.instance_uuid:
            return until
        return max(until, self._context.began + self._context.settings.return_s)

    def _tell_agents(self, framework: Framework, body: FrameworkAway) -> None:
        agent_ids = dict.fromkeys(task.agent_id for task in framework.tasks.values())
        for agent_id in agent_ids:
            self._context.to_agent(self._context.books.agents[agent_id], body)

    def failover_due(self, framework: Framework) -> None:
        if framework.away_since is None or framework.is_ended:
            return
        context = self._context
        left = context.left(self._may_be_away_until(framework))
        if left:  # we stood still meanwhile, or this timer is of an absence before
            context.timers.at(context.now + left, "failover", framework.framework_id)
        else:
            self.tear_down(framework, "it was away beyond its failover timeout")

    def tear_down(self, framework: Framework, why: str) -> None:
        """Its tasks end everywhere, its id is refused from now on."""
        if not framework.is_ended:
            self._end(framework)
            self._release(framework, why)

    def _end(self, framework: Framework) -> None:
        context, framework_id = self._context, framework.framework_id
        context.record(f"removed/{framework_id}", framework.info)
        context.books.removed[framework_id] = framework.info
        self._offers.void(framework)
        framework.is_ended = True
        framework.away_since = None
        end_waits(context.books, framework)
        end_gang_hold(context.books, framework)
        for agent in self._agents_of(framework):
            context.to_agent(agent, ShutdownFramework(framework_id))
        context.books.touch_framework(framework_id)
        context.books.touch_roles(framework)
        self.forget_later(framework_id)
        self._forget_oldest()

    def _agents_of(self, framework: Framework) -> list[Agent]:
        """Where something of it runs or is begun, or may run without our knowing whose it is; of
        the others there may be very many.
        """
        living = [task.agent_id for task in framework.tasks.values() if not task.is_terminal]
        known = {*living, *(agent_id for agent_id, _ in framework.accepts)}
        agents = self._context.books.agents.items()
        return [agent for agent_id, agent in agents if agent.strays or agent_id in known]

    def _release(self, framework: Framework, why: str) -> None:
        """Whoever still speaks for it is told that it is over."""
        if framework.session is not None:
            session, framework.session = framework.session, None
            self._context.dismiss(session, Code.FRAMEWORK_REMOVED, why, agent=False)

    def _forget_oldest(self) -> None:
        kept = self._context.settings.ended_frameworks_kept
        while len(self._context.books.removed) > 10 * kept:
            oldest = next(iter(self._context.books.removed))
            del self._context.books.removed[oldest]
            self._context.record(f"removed/{oldest}", None)
        known = self._context.books.frameworks
        ended = [known[each] for each in self._context.books.removed if each in known]
        for framework in ended[: max(0, len(ended) - kept)]:
            self._forget(framework)

    def forget_later(self, framework_id: FrameworkId) -> None:
        context = self._context
        forget_at = context.now + context.settings.ended_framework_s
        context.timers.at(forget_at, "forget", framework_id)

    def forget_due(self, framework: Framework) -> None:
        if framework.is_ended and not self._forget(framework):
            self.forget_later(framework.framework_id)

    def _forget(self, framework: Framework) -> bool:
        """A finished framework is forgotten, once its tasks and accepts have ended too."""
        context = self._context
        if len(framework.ended) < len(framework.tasks) or framework.accepts:
            return False
        for task in tuple(framework.tasks.values()):
            context.books.drop_task(task)
        del context.books.frameworks[framework.framework_id]
        context.books.apart.pop(framework.framework_id, None)
        context.books.borrowers.pop(framework.framework_id, None)
        context.books.touch_framework(framework.framework_id)
        context.books.touch_roles(framework)
        return True

    # --- liveness

    def beat_due(self, framework: Framework) -> None:
        """Say that we are here, and judge its silence."""
        context, settings = self._context, self._context.settings
        if framework.session is None or context.now < framework.look_at:
            return  # gone, or looked at meanwhile for another reason
        if left := context.left(framework.heard + settings.silent_s):
            context.to_framework(framework, Heartbeat())
            left = min(settings.heartbeat_s, left)
        else:
            message = f"nothing heard for {settings.silent_s:g} s"
            context.dismiss(framework.session, Code.SILENT, message, agent=False)
            self._leave(framework)
            return
        framework.look_at = context.now + left
        context.timers.at(framework.look_at, "framework", framework.framework_id)


def _away(framework: Framework, away_s: float) -> FrameworkAway:
    limit_s = framework.info.failover_timeout_s
    return FrameworkAway(framework.framework_id, min(away_s, limit_s), limit_s)
