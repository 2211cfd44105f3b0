"""What a master says and to whom, one short line each: for the scripts of conversations.

Heartbeats, greetings and acknowledgements are left out unless a script asks to be shown them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tests.support.master_harness import MasterHarness
from tests.support.master_peers import AgentDouble, FrameworkDouble, Peer

from fairlead.common.events import CloseSession, Send
from fairlead.common.launches import launches_in
from fairlead.common.messages import (
    AcknowledgeUpdate,
    AgentRegistered,
    CallResult,
    ChangeReservation,
    Code,
    FrameworkAway,
    GangFormed,
    Goodbye,
    Heartbeat,
    KillTask,
    MasterToAgent,
    MasterToFramework,
    OffersMade,
    OffersRescinded,
    Revoke,
    RunAccept,
    ShutdownFramework,
    Spared,
    StatusUpdated,
    Subscribed,
)
from fairlead.common.operators import OperatorReply
from fairlead.common.values import (
    Launch,
    LaunchGroup,
    Offer,
    Operation,
    Reason,
    Reserve,
    Resize,
    Resume,
    Suspend,
    TaskStatus,
    Unreserve,
)

HIDDEN: Mapping[type, str] = {
    Subscribed: "greetings",
    AgentRegistered: "greetings",
    Heartbeat: "heartbeats",
    AcknowledgeUpdate: "acknowledgements",
}
SHOWABLE = (*dict.fromkeys(HIDDEN.values()), "attributes", "yes", "devices")


class TracedHarness(MasterHarness):
    """Writes down what the master says while it says it."""

    trace: list[str]
    shown: set[str]

    def begin_trace(self) -> None:
        self.trace, self.shown = [], set()

    def _perform(self, action: object) -> None:
        match action:
            case Send(_, OperatorReply() as reply):
                self.trace += [self._named(line) for line in _reply(reply)]
            case Send(session, MasterToAgent(_, body) | MasterToFramework(_, body)):
                peer = self._sessions.get(session)
                if peer is not None:
                    self._write(peer, body)
            case CloseSession(session, code, message):
                peer = self._sessions.get(session)
                if peer is not None and not self._has_said_goodbye(peer):
                    line = f"end of session to {name(peer)}: {code.name}, {message}"
                    self.trace.append(self._named(line))
            case _:
                pass
        super()._perform(action)

    def _has_said_goodbye(self, peer: Peer) -> bool:
        return bool(self.trace) and self.trace[-1].startswith(f"goodbye to {name(peer)}:")

    def _write(self, peer: Peer, body: object) -> None:
        if HIDDEN.get(type(body), "") in {"", *self.shown}:
            lines = _LINES[type(body)](name(peer), body, self.shown)
            self.trace += [self._named(line) for line in lines]

    def _named(self, line: str) -> str:
        """With names where a master says ids."""
        peers: Iterable[AgentDouble | FrameworkDouble] = (*self.agents, *self.frameworks)
        names = {str(peer.id): name(peer) for peer in peers if peer.id}
        return re.sub(
            r"(?<!id )\b[af]-\d+-\d+\b", lambda found: names.get(found[0], found[0]), line
        )


def name(peer: Peer) -> str:
    info: Any = vars(peer)["info"]
    return str(info.name)


def _offer(who: str, offer: Offer, shown: set[str]) -> str:
    line = f"offer {offer.offer_id} to {who}: {offer.resources} on {offer.agent_id}"
    if offer.reserved:
        line += f", {offer.reserved} of it reserved"
    if offer.revocable:
        line += f", beside {offer.revocable} revocable"
    if "devices" in shown and offer.resources.gpus:
        line += f" ({', '.join(gpu for gpu, _ in offer.resources.gpus)})"
    if "attributes" in shown:
        own = {k: v for k, v in offer.attributes.items() if k not in ("hostname", "name")}
        said = "".join(f", {key} {value}" for key, value in sorted(own.items()))
        line += f" (role {offer.role}, host {offer.hostname}{said})"
    return line


def _offers(who: str, body: OffersMade, shown: set[str]) -> Iterator[str]:
    for offer in body.offers:
        yield _offer(who, offer, shown)


def _rescinded(who: str, body: OffersRescinded, _shown: set[str]) -> Iterator[str]:
    yield f"rescind {', '.join(body.offer_ids)} to {who}: {body.message}"


def _status(who: str, body: StatusUpdated, _shown: set[str]) -> Iterator[str]:
    yield f"status to {who}: {_seen(body.status)}"


def _seen(status: TaskStatus) -> str:
    why = [] if status.reason is Reason.UNSPECIFIED else [status.reason.name]
    why += [f"says the {status.source.name.lower()}"]
    why += [status.message] if status.message else []
    return f"{status.task_id} {status.state.name} ({', '.join(why)})"


def _result(who: str, body: CallResult, shown: set[str]) -> Iterator[str]:
    if body.code is Code.OK:
        if "yes" in shown:
            yield f"answer to {who}: OK"
    else:
        where = f" {body.field}:" if body.field else ""
        yield f"answer to {who}: {body.code.name},{where} {body.message}"


def _goodbye(who: str, body: Goodbye, _shown: set[str]) -> Iterator[str]:
    yield f"goodbye to {who}: {body.code.name}, {body.message}"


def _revoke(who: str, body: Revoke, _shown: set[str]) -> Iterator[str]:
    tasks = ", ".join(ref.task_id for ref in body.tasks)
    yield f"revoke to {who}: {body.resources} within {body.deadline_s:g} s, of {tasks}"


def _spared(who: str, body: Spared, _shown: set[str]) -> Iterator[str]:
    yield f"spared to {who}: {', '.join(ref.task_id for ref in body.tasks)}"


def _subscribed(who: str, body: Subscribed, _shown: set[str]) -> Iterator[str]:
    beat = f"heartbeat every {body.heartbeat_s:g} s"
    yield f"subscribed to {who}: id {body.framework_id}, {beat}, epoch {body.epoch}"


def _registered(who: str, body: AgentRegistered, _shown: set[str]) -> Iterator[str]:
    yield f"registered to {who}: id {body.agent_id}, heartbeat every {body.heartbeat_s:g} s"


def _heartbeat(who: str, _body: Heartbeat, _shown: set[str]) -> Iterator[str]:
    yield f"heartbeat to {who}"


def _run(who: str, body: RunAccept, _shown: set[str]) -> Iterator[str]:
    steps = "; ".join(map(operation, body.operations))
    yield f"order to {who}: {steps}, with {body.resources}"


def operation(step: Operation) -> str:
    """In the words in which a script orders it."""
    match step:
        case Launch(task):
            return f"launch {task.task_id}"
        case LaunchGroup():
            tasks = " and ".join(one.task.task_id for one in launches_in((step,)))
            return f"launch together {tasks}"
        case Suspend(task_id):
            return f"suspend {task_id}"
        case Resume(task_id):
            return f"resume {task_id}"
        case Resize(task_id, resources):
            return f"resize {task_id} to {resources}"
        case Reserve(role, resources):
            return f"reserve {resources} for {role}"
        case Unreserve(role, resources):
            return f"unreserve {resources} for {role}"


def _kill(who: str, body: KillTask, _shown: set[str]) -> Iterator[str]:
    why = "" if body.reason is Reason.UNSPECIFIED else f", {body.reason.name}"
    yield f"order to {who}: kill {body.task_id}, grace {body.grace_s:g} s{why}"


def _acknowledged(who: str, body: AcknowledgeUpdate, _shown: set[str]) -> Iterator[str]:
    yield f"acknowledged to {who}: an update of {body.task_id}"


def _shutdown(who: str, body: ShutdownFramework, _shown: set[str]) -> Iterator[str]:
    yield f"order to {who}: end all tasks of {body.framework_id}"


def _away(who: str, body: FrameworkAway, _shown: set[str]) -> Iterator[str]:
    where = "back" if body.back else f"away for {body.away_s:g} s of {body.limit_s:g} s"
    yield f"word to {who}: {body.framework_id} is {where}"


def _change(who: str, body: ChangeReservation, _shown: set[str]) -> Iterator[str]:
    yield f"order to {who}: reserve {body.resources} for {body.role}"


def _formed(who: str, body: GangFormed, _shown: set[str]) -> Iterator[str]:
    yield f"word to {who}: the gang {body.gang_id} of {body.framework_id} has formed"


def _reply(reply: OperatorReply) -> Iterator[str]:
    result = reply.result
    where = f" {result.field}:" if result.field else ""
    said = "" if result.code is Code.OK else f",{where} {result.message}"
    yield f"answer to the operator: {result.code.name}{said}"
    yield from (f"  {line}" for line in reply.lines)


_LINES: Mapping[type, Callable[[str, Any, set[str]], Iterator[str]]] = {
    OffersMade: _offers,
    OffersRescinded: _rescinded,
    StatusUpdated: _status,
    CallResult: _result,
    Goodbye: _goodbye,
    Revoke: _revoke,
    Spared: _spared,
    Subscribed: _subscribed,
    AgentRegistered: _registered,
    Heartbeat: _heartbeat,
    RunAccept: _run,
    KillTask: _kill,
    AcknowledgeUpdate: _acknowledged,
    ShutdownFramework: _shutdown,
    FrameworkAway: _away,
    ChangeReservation: _change,
    GangFormed: _formed,
}
