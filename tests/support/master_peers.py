"""Doubles of an agent and of a framework, as the master's core meets them: for `MasterHarness`.

The agent's is faithful in what the protocol promises: updates in order, only the head in flight,
kept until acknowledged, all of it told again at each registration.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.support.master_programs import Programs

from fairlead.common.ids import (
    AgentId,
    CallId,
    FrameworkId,
    LaunchUuid,
    OfferId,
    Role,
    TaskId,
    UpdateUuid,
)
from fairlead.common.launches import launches_in
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    Accept,
    Acknowledge,
    AcknowledgeUpdate,
    AgentBody,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    CallResult,
    ChangeReservation,
    Code,
    Decline,
    FrameworkAway,
    FrameworkBody,
    FrameworkMessage,
    GangFormed,
    Goodbye,
    Heartbeat,
    Hello,
    Kill,
    KillTask,
    OffersMade,
    OffersRescinded,
    Reconcile,
    RegisterAgent,
    ReservationChanged,
    RunAccept,
    SetDemand,
    StatusUpdated,
    Subscribe,
    Subscribed,
    TaskUpdated,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.roles import is_below
from fairlead.common.values import (
    AgentInfo,
    AgentTask,
    AllOf,
    Command,
    Comparison,
    Demand,
    FrameworkInfo,
    Launch,
    LaunchGroup,
    Offer,
    Operation,
    Reason,
    Reservation,
    Resize,
    Resume,
    RoleDemand,
    RoleWish,
    Source,
    Suspend,
    TaskInfo,
    TaskRef,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.scheduler import gang

if TYPE_CHECKING:
    from tests.support.master_harness import MasterHarness

GIB = 2**30
HEARTBEAT_S = 2.0


def gib(text: str) -> int:
    """`8GiB` in bytes."""
    return int(float(text.removesuffix("GiB")) * GIB)


def task(task_id: str = "t1", *, cpus: float = 1, mem: str = "1GiB", gpus: float = 0) -> TaskInfo:
    """A task of the common kind."""
    resources = Resources.of(cpus=cpus, mem=gib(mem), gpus=gpus)
    return TaskInfo(TaskId(task_id), task_id, Command(("sleep", "1")), resources)


def demand(
    count: int = 1, *, cpus: float = 1, mem: str = "1GiB", gpus: float = 0, gang: bool = False
) -> Demand:
    """So many tasks of that size are wanted."""
    return Demand(Resources.of(cpus=cpus, mem=gib(mem), gpus=gpus), count, gang=gang)


@dataclass(eq=False)
class Peer:
    """One end of a session with the master."""

    harness: "MasterHarness"
    instance_uuid: str
    attempt: int = 0
    session: int | None = None
    is_silent: bool = False
    heard: list[object] = field(default_factory=list)
    goodbyes: list[Goodbye] = field(default_factory=list)
    beat_at: float = 0.0

    def hello(self) -> Hello:
        return Hello(PROTOCOL_VERSION, "test", self.instance_uuid, self.attempt)

    def count(self, kind: type) -> int:
        return sum(isinstance(body, kind) for body in self.heard)

    def disconnects(self) -> None:
        """The session breaks."""
        session, self.session = self.session, None
        assert session is not None, "it is not connected"
        self.harness.closed(session)

    def ended(self) -> None:
        """The master ended the session."""
        self.session = None


class AgentDouble(Peer):
    """An agent that does as it is told, and what the test says."""

    def __init__(self, harness: "MasterHarness", info: AgentInfo, instance_uuid: str) -> None:
        super().__init__(harness, instance_uuid)
        self.info = info
        self.orders: list[object] = []
        self.away: dict[FrameworkId, FrameworkAway] = {}
        self.frameworks: dict[FrameworkId, FrameworkInfo] = {}
        self.living: dict[TaskId, AgentTask] = {}
        self.ended_tasks: dict[TaskId, AgentTask] = {}
        self.updates: dict[TaskId, list[TaskStatus]] = {}
        self.programs = Programs(self)
        self.revocable = EMPTY
        """What it says that its tasks do not use."""
        self.reservations: dict[Role, Reservation] = {}
        self.answers_changes = True
        """At once, when the master orders what is to be reserved."""
        self.epoch = 0

    @property
    def id(self) -> AgentId:
        return self.info.agent_id

    # --- sessions

    def connects(self, *, chunks: int = 1) -> None:
        """Register with all it knows, in so many parts."""
        self.attempt += 1
        self.session = self.harness.open(self)
        for part in self.registrations(chunks):
            if self.session is not None:
                self.says(part)

    def registrations(self, chunks: int = 1) -> list[RegisterAgent]:
        whole = RegisterAgent(
            self.hello(),
            self.info,
            tuple(self.living.values()),
            tuple(self.ended_tasks.values()),
            self.programs.progress(),
            frameworks=tuple(self.frameworks.values()),
            away=tuple(self.away.values()),
            highest_epoch=self.epoch,
            reservations=tuple(self.reservations.values()),
        )
        parts = [
            replace(
                whole,
                tasks=whole.tasks[n::chunks],
                ended=whole.ended[n::chunks],
                frameworks=whole.frameworks if n == 0 else (),
                away=whole.away if n == 0 else (),
                accepts=whole.accepts if n == 0 else (),
                reservations=whole.reservations if n == 0 else (),
                more=True,
            )
            for n in range(chunks)
        ]
        return [*parts[:-1], replace(parts[-1], more=False)]

    def says(self, body: AgentBody) -> None:
        assert self.session is not None, f"agent {self.id} is not connected: {self.goodbyes}"
        self.harness.receive(self.session, AgentMessage(body))

    def beats(self) -> None:
        self.says(AgentHeartbeat(revocable=self.revocable))

    # --- what the master says

    def hears(self, body: object) -> None:
        self.heard.append(body)
        match body:
            case AgentRegistered():
                self.info = replace(self.info, agent_id=body.agent_id)
                for task_id in tuple(self.updates):
                    self.harness.later(self._sender(task_id))
            case RunAccept():
                self.orders.append(body)
                self._run(body)
            case AcknowledgeUpdate():
                self._acknowledged(body)
            case GangFormed(framework_id, gang_id):
                self.orders.append(body)
                self._formed(framework_id, gang_id)
            case FrameworkAway():
                self.orders.append(body)
                self.away.pop(body.framework_id, None)
                if not body.back:
                    self.away[body.framework_id] = body
            case Goodbye():
                self.goodbyes.append(body)
            case ChangeReservation():
                self.orders.append(body)
                if self.answers_changes:
                    self.harness.later(
                        lambda: self.reserves(body.role, body.resources, body.order_id)
                    )
            case _:
                if not isinstance(body, Heartbeat):
                    self.orders.append(body)

    def _formed(self, framework_id: FrameworkId, gang_id: str) -> None:
        for name, known in self.living.items():
            gang = known.task.gang
            if gang and (known.framework_id, gang.gang_id) == (framework_id, gang_id):
                self.living[name] = replace(known, gang_formed=True)

    def reserved(self, role: Role) -> Reservation:
        return self.reservations.get(role, Reservation(role, EMPTY))

    def reserves(self, role: Role, resources: Resources, order_id: str = "") -> None:
        """Durably, and tells the master."""
        self.reservations[role] = replace(self.reserved(role), resources=resources)
        if self.session is not None:
            self.says(ReservationChanged(self.reservations[role], order_id))

    def _run(self, run: RunAccept) -> None:
        self.frameworks[run.framework.framework_id] = run.framework
        launches = tuple(launches_in(run.operations))
        is_program = not all(isinstance(each, Launch | LaunchGroup) for each in run.operations)
        if is_program:
            self.programs.begin(run)
        for operation in launches:
            info = operation.task
            status = TaskStatus(
                run.framework.framework_id,
                info.task_id,
                operation.launch_uuid,
                self.id,
                TaskState.STAGING,
                Source.AGENT,
            )
            self.living[info.task_id] = AgentTask(
                run.framework.framework_id,
                info,
                operation.launch_uuid,
                status,
                EMPTY if is_program else info.resources,
                f"sandbox/{info.task_id}",
                run.role,
                run.accept_id,
            )

    def _acknowledged(self, body: AcknowledgeUpdate) -> None:
        queue = self.updates.get(body.task_id, [])
        if queue and queue[0].update_uuid == body.update_uuid:
            queue.pop(0)
            if queue:
                self.harness.later(self._sender(body.task_id))
            else:
                del self.updates[body.task_id]
                if self.living[body.task_id].latest.state.is_terminal:
                    self.ended_tasks[body.task_id] = self.living.pop(body.task_id)

    # --- what happens to its tasks

    def runs(self, *task_ids: str) -> None:
        for task_id in task_ids:
            self.becomes(task_id, TaskState.RUNNING)

    def finishes(self, *task_ids: str) -> None:
        for task_id in task_ids:
            self.becomes(task_id, TaskState.FINISHED, exit_code=0)

    def kills(self, task_id: str) -> None:
        self.becomes(task_id, TaskState.KILLED, Reason.KILL_REQUESTED)

    def becomes(
        self,
        task_id: str,
        state: TaskState,
        reason: Reason = Reason.UNSPECIFIED,
        exit_code: int | None = None,
        resources: Resources | None = None,
    ) -> None:
        known = self.living[TaskId(task_id)]
        sequence = known.latest.sequence + 1
        status = replace(
            known.latest,
            state=state,
            reason=reason,
            sequence=sequence,
            update_uuid=UpdateUuid(f"{known.launch_uuid}.{sequence}"),
            exit_code=exit_code,
        )
        held = known.resources if resources is None else resources
        held = EMPTY if state.is_terminal else held
        self.living[TaskId(task_id)] = replace(known, latest=status, resources=held)
        self.updates.setdefault(TaskId(task_id), []).append(status)
        self.send_head(TaskId(task_id))

    def send_head(self, task_id: TaskId) -> None:
        queue = self.updates.get(task_id)
        if self.session is not None and queue:
            known = self.living[task_id]
            self.says(TaskUpdated(queue[0], known.latest, known.resources, known.sandbox))

    def _sender(self, task_id: TaskId) -> Callable[[], None]:
        return lambda: self.send_head(task_id)

    def asked_to_kill(self) -> list[str]:
        return [body.task_id for body in self.orders if isinstance(body, KillTask)]


class FrameworkDouble(Peer):
    """A framework's driver, without a will of its own but to acknowledge."""

    def __init__(
        self,
        harness: "MasterHarness",
        info: FrameworkInfo,
        instance_uuid: str,
        demands: Iterable[RoleDemand],
        wishes: Iterable[RoleWish],
    ) -> None:
        super().__init__(harness, instance_uuid)
        self.info = info
        self.demands = tuple(demands)
        self.wishes = tuple(wishes)
        self.subscribed: Subscribed | None = None
        self.open_offers: dict[OfferId, Offer] = {}
        self.seen_offers: list[Offer] = []
        self.rescinded: list[str] = []
        self.statuses: list[TaskStatus] = []
        self.results: list[CallResult] = []
        self.is_acknowledging = True
        self._calls = 0

    @property
    def id(self) -> FrameworkId:
        return self.info.framework_id

    @property
    def role(self) -> Role:
        return self.info.roles[0]

    @property
    def offers(self) -> list[Offer]:
        return list(self.open_offers.values())

    @property
    def offered(self) -> Resources:
        return sum((offer.resources for offer in self.offers), EMPTY)

    def may_be_on(self, offer: Offer) -> bool:
        """By its wishes for hosts, matched by another library than the master's."""
        return all(
            not wish.constraints.any_of
            or any(self._fits(group, offer) for group in wish.constraints.any_of)
            for wish in self.wishes
            if wish.role == offer.role
        )

    @staticmethod
    def _fits(group: AllOf, offer: Offer) -> bool:
        return all(
            re.fullmatch(predicate.values[0], offer.hostname) is not None
            for predicate in group.predicates
            if (predicate.attribute, predicate.comparison) == ("hostname", Comparison.MATCHES)
        )

    def keeps_from(self, role: Role, other: Role) -> bool:
        """In that role, from the other."""
        return any(
            is_below(other, named)
            for wish in self.wishes
            if wish.role == role
            for named in wish.keep_apart
        )

    @property
    def states(self) -> list[str]:
        """Of its statuses, in order: `t1 RUNNING`."""
        return [f"{status.task_id} {status.state.name}" for status in self.statuses]

    def state(self, task_id: str) -> TaskState:
        """What it was told last of a task."""
        return next(s.state for s in reversed(self.statuses) if s.task_id == task_id)

    # --- sessions

    def connects(self) -> None:
        self.attempt += 1
        self.session = self.harness.open(self)
        self.open_offers.clear()
        self.call(Subscribe(self.hello(), self.info, self.wishes, self.demands))

    def ended(self) -> None:
        super().ended()
        self.open_offers.clear()

    def disconnects(self) -> None:
        self.open_offers.clear()
        super().disconnects()

    def call(self, body: FrameworkBody) -> CallResult | None:
        """Say it; the result, if it came at once."""
        self._calls += 1
        named = body.offer_ids if isinstance(body, Accept | Decline) else ()
        used = {key: self.open_offers.pop(key) for key in {*named} & self.open_offers.keys()}
        call_id = CallId(f"c{self._calls}")
        self.says(body, call_id)
        found = [result for result in self.results if result.call_id == call_id]
        if found and found[0].code in (Code.UNSUPPORTED, Code.INVALID):
            self.open_offers.update(used)  # nothing else has changed
        assert len(found) <= 1, f"a call was answered twice: {found}"
        return found[0] if found else None

    def says(self, body: FrameworkBody, call_id: str = "") -> None:
        assert self.session is not None, f"{self.info.name} is not connected: {self.goodbyes}"
        self.harness.receive(self.session, FrameworkMessage(body, CallId(call_id)))

    def beats(self) -> None:
        self.says(Heartbeat())

    def hears(self, body: object) -> None:
        self.heard.append(body)
        match body:
            case Subscribed():
                self.subscribed = body
                self.info = replace(self.info, framework_id=body.framework_id)
            case CallResult():
                self.results.append(body)
            case OffersMade():
                self.seen_offers += body.offers
                self.open_offers.update((offer.offer_id, offer) for offer in body.offers)
            case OffersRescinded():
                self.rescinded += body.offer_ids
                for offer_id in body.offer_ids:
                    self.open_offers.pop(offer_id, None)
            case StatusUpdated():
                self.statuses.append(body.status)
                if self.is_acknowledging and body.status.update_uuid:
                    self.harness.later(lambda: self.acknowledge(body.status))
            case Goodbye():
                self.goodbyes.append(body)
            case _:
                pass

    # --- calls

    def result(self, body: FrameworkBody) -> CallResult:
        result = self.call(body)
        assert result is not None, f"no answer to {body}"
        return result

    def accept(
        self, offers: Offer | Iterable[Offer], *tasks: TaskInfo, refuse_s: float = 5
    ) -> Code:
        """Launch these tasks; the uuid of each is its id with a prefix."""
        chosen = (offers,) if isinstance(offers, Offer) else tuple(offers)
        launches = tuple(Launch(info, LaunchUuid(f"u-{info.task_id}")) for info in tasks)
        offer_ids = tuple(offer.offer_id for offer in chosen)
        return self.result(Accept(offer_ids, launches, refuse_s=refuse_s)).code

    def orders(
        self, *operations: Operation, offers: Iterable[Offer] = (), refuse_s: float = 5
    ) -> CallResult:
        """An accept with these operations, which names the tasks that they are about."""
        named = (o.task_id for o in operations if isinstance(o, Suspend | Resume | Resize))
        offer_ids = tuple(offer.offer_id for offer in offers)
        task_ids = tuple(dict.fromkeys(named))
        return self.result(Accept(offer_ids, operations, task_ids, refuse_s))

    def takes_gang(
        self,
        gang_id: str,
        *tasks: TaskInfo,
        offers: Iterable[Offer] | None = None,
        leave_out: int = 0,
    ) -> list[CallResult]:
        """All of these tasks over the offers that it holds; the answers, which may come later.

        Of the accepts the first few may be left out.
        """
        chosen = tuple(self.offers if offers is None else offers)
        before = len(self.results)
        for order in gang(gang_id, chosen, tasks)[leave_out:]:
            if isinstance(order, Accept):
                named = (f"u-{each.task.task_id}" for each in launches_in(order.operations))
                pairs = zip(launches_in(order.operations), named, strict=True)
                launches = tuple(replace(each, launch_uuid=LaunchUuid(u)) for each, u in pairs)
                self.call(replace(order, operations=launches))
            else:
                self.call(order)
        return self.results[before:]

    def launch(self, *tasks: TaskInfo) -> None:
        """On the one offer that it holds."""
        (offer,) = self.offers
        assert self.accept(offer, *tasks) is Code.OK

    def decline(self, *offers: Offer, refuse_s: float = 5) -> Code:
        chosen = offers or tuple(self.offers)
        offer_ids = tuple(offer.offer_id for offer in chosen)
        return self.result(Decline(offer_ids, refuse_s)).code

    def wants(self, *demands: Demand) -> None:
        self.demands = (RoleDemand(self.role, demands),)
        assert self.result(SetDemand(self.demands)).code is Code.OK
        self.harness.tick()

    def kill(
        self, task_id: str, grace_s: float | None = None, agent_id: str = "", signal: int = 0
    ) -> CallResult:
        return self.result(Kill(TaskId(task_id), AgentId(agent_id), grace_s, signal))

    def acknowledge(self, status: TaskStatus) -> None:
        if self.session is not None:
            self.says(Acknowledge(status.task_id, status.agent_id, status.update_uuid))

    def asks(self, *refs: TaskRef) -> list[TaskStatus]:
        """What a reconciliation is answered with at once."""
        before = len(self.statuses)
        assert self.result(Reconcile(refs)).code is Code.OK
        return self.statuses[before:]
