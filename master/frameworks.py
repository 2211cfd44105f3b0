"""Frameworks and their sessions: subscribing, calling, going away."""

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
    FrameworkMessage,
    Goodbye,
    Heartbeat,
    Kill,
    MasterToFramework,
    Reconcile,
    Revive,
    SetDemand,
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
from .allocation.keep_apart import offers_in_breach
from .context import Context
from .departures import Departures
from .descriptions import bad_framework
from .entries import Framework
from .offers import Offers
from .reconciling import Reconciling
from .revoking.revocations import notices
from .tasks import Tasks
from .wants import bad_demands, bad_wishes, open_part, strange_role


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
        departures: Departures,
    ) -> None:
        self._context = context
        self._offers = offers
        self._tasks = tasks
        self._gang_accepts = gang_accepts
        self._reconciling = reconciling
        self._departures = departures
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
                self._departures.release(framework, "it asked to end")
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
            self._departures.is_back(framework)
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
        self._departures.end(framework)
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
            self._departures.count_away(framework, 0.0)

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
