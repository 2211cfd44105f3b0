"""The entries of the master's books: an agent, a framework, a task, an offer, an accept that runs.

What they hold is changed by `books` alone, so that the sums agree.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import (
    ANY_GPU,
    AgentId,
    CallId,
    FrameworkId,
    OfferId,
    Role,
    SessionId,
    TaskId,
)
from fairlead.common.messages import Kill
from fairlead.common.operators import AgentState, DrainAgent
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import (
    AgentInfo,
    Constraints,
    Demand,
    FrameworkInfo,
    HostUsage,
    Launch,
    Offer,
    Reason,
    Reservation,
    RoleWish,
    TaskRef,
    TaskStatus,
    Usage,
)

from .allocation.constraints import attributes_of
from .filters import Filters, Places, kind_of
from .gang_books import OfferSet


@dataclass(slots=True)
class Task:
    """A task as the master believes it to be; its agent knows better."""

    framework_id: FrameworkId
    launch: Launch
    agent_id: AgentId
    role: Role
    latest: TaskStatus
    held: Resources = EMPTY
    """What its agent's books carry for it: nothing once it is terminal or unreachable."""
    head: TaskStatus | None = None
    """The update that waits for the framework's acknowledgement."""
    is_end_said: bool = False
    """Its end was not only heard of, but has been its turn to be told."""
    kill_grace_s: float | None = None
    """Set: somebody wants it dead."""
    kill_signal: int = 0
    kill_reason: Reason = Reason.UNSPECIFIED
    kill_message: str = ""
    usage: Usage = Usage()
    sandbox: str = ""
    accept_id: str = ""

    @property
    def ref(self) -> TaskRef:
        return TaskRef(self.task_id, self.launch.launch_uuid, self.agent_id)

    @property
    def task_id(self) -> TaskId:
        return self.launch.task.task_id

    @property
    def is_terminal(self) -> bool:
        return self.latest.state.is_terminal


@dataclass(slots=True)
class HeldOffer:
    """An outstanding offer and when it times out."""

    offer: Offer
    until: float
    """In time that we were awake."""
    fits_demand: bool
    units: int = 0
    """So many tasks of a demand; 0: that is not known."""
    together: OfferSet | None = None
    """The offers that serve one gang with it."""


@dataclass(slots=True)
class RunningAccept:
    """An accept that its agent executes: what it brought and none of its tasks holds is its own.

    One that only launches is none: its tasks hold all of it from the start.
    """

    accept_id: str
    framework_id: FrameworkId
    agent_id: AgentId
    role: Role
    brought: Resources
    """By its offers and by its tasks; the same until it ends."""
    task_ids: tuple[TaskId, ...]
    refuse_s: float = 0.0
    """For so long its framework does not want what is left of it."""
    held: Resources = EMPTY
    """Its own part."""

    @property
    def key(self) -> tuple[AgentId, str]:
        """Its name; an agent may make one up."""
        return self.agent_id, self.accept_id


@dataclass(frozen=True, slots=True)
class Change:
    """Of a reservation: ordered by an operator, who waits a while until the agent has answered."""

    order_id: str
    whole: Resources
    session: SessionId | None
    """The operator's; None: it waits no longer."""
    call_id: CallId


@dataclass(slots=True)
class Agent:
    """An agent, its session if it has one, and what of it is in use."""

    info: AgentInfo
    state: AgentState
    heard: float
    session: SessionId | None = None
    instance_uuid: str = ""
    attempt: int = 0
    look_at: float = 0.0
    """When its silence is judged next."""
    since: float = 0.0
    """When it was given up, in wall time."""
    is_unheard: bool = False
    """Given up before it came to this master: what it ran is not known."""
    drain: DrainAgent | None = None
    """An operator's order, under which it is offered to nobody."""
    counted: Resources = EMPTY
    """Its part of the cluster's capacity."""
    used: Resources = EMPTY
    offered: Resources = EMPTY
    usage: HostUsage = HostUsage()
    revocable: Resources = EMPTY
    """What its tasks hold and do not use, by its last word: in no sum of ours."""
    unacknowledged: int = 0
    strays: dict[str, Resources] = field(default_factory=dict)
    """What it says is in use by launches that are not in our books."""
    accepts: dict[str, RunningAccept] = field(default_factory=dict)
    tasks: dict[tuple[FrameworkId, TaskId], Task] = field(default_factory=dict)
    offers: dict[OfferId, HeldOffer] = field(default_factory=dict)
    reservations: dict[Role, Reservation] = field(default_factory=dict)
    """As it said last."""
    changes: dict[Role, Change] = field(default_factory=dict)
    """Ordered, and not answered yet."""
    refused_by: dict[tuple[FrameworkId, Role], None] = field(default_factory=dict)
    """Who has refused of what is free here, since anything was used here or given up."""
    _free: tuple[Resources, Resources, Resources, Resources] | None = None
    """What is free, behind what that was counted from."""
    _said: tuple[AgentInfo, Places, Mapping[str, str]] | None = None
    """What follows from its description, behind that."""

    @property
    def places(self) -> Places:
        """Where it may be refused."""
        return self._derived[1]

    @property
    def attributes(self) -> Mapping[str, str]:
        """That predicates see."""
        return self._derived[2]

    @property
    def _derived(self) -> tuple[AgentInfo, Places, Mapping[str, str]]:
        info, known = self.info, self._said
        if known is None or known[0] is not info:
            places = info.agent_id, kind_of(info)
            known = self._said = info, places, attributes_of(info)
        return known

    @property
    def free(self) -> Resources:
        """What may be offered; an agent that shrank under its tasks has less, never below none."""
        if self.drain is not None:
            return EMPTY
        whole, used, offered, known = self.info.resources, self.used, self.offered, self._free
        if (
            known is None
            or known[0] is not whole
            or known[1] is not used
            or known[2] is not offered
        ):
            known = (whole, used, offered, whole.without(used).without(offered))
            self._free = known
        return known[3]

    @property
    def capacity(self) -> Resources:
        """What the cluster has while this agent is not given up; device names stripped."""
        return EMPTY if self.is_given_up else anonymous(self.info.resources)

    @property
    def is_open(self) -> bool:
        """It is there, and may be offered."""
        return self.session is not None and self.drain is None

    @property
    def is_given_up(self) -> bool:
        """Nothing of it is counted on."""
        return self.state in (AgentState.UNREACHABLE, AgentState.GONE)

    @property
    def is_expected(self) -> bool:
        """Away, but believed to come back."""
        return self.state in (AgentState.DISCONNECTED, AgentState.RECOVERING)


class Want(NamedTuple):
    """A kind of task that a framework wants, however many of them."""

    role: Role
    each: Resources
    constraints: Constraints

    @property
    def one(self) -> Demand:
        return Demand(self.each, 1, self.constraints)


@dataclass(slots=True)
class Wait:
    """For how long nothing of a kind was offered, and where room is kept for it."""

    since: float
    """Then it was wanted first, or most recently something became free of what is kept."""
    hold: AgentId | None = None
    missing: int = 0
    """Then."""
    tried: dict[AgentId, None] = field(default_factory=dict)


@dataclass(slots=True)
class Framework:
    """A framework, its session if it has one, and what it holds and wants."""

    info: FrameworkInfo
    session: SessionId | None = None
    instance_uuid: str = ""
    attempt: int = 0
    heard: float = 0.0
    look_at: float = 0.0
    """When its silence is judged next."""
    away_since: float | None = None
    """In time that we were awake: it could not come back while we stood still."""
    is_ended: bool = False
    number: int = 0
    """In the order in which frameworks came."""
    suppressed: dict[Role, None] = field(default_factory=dict)
    wishes: dict[Role, RoleWish] = field(default_factory=dict)
    demands: dict[Role, list[Demand]] = field(default_factory=dict)
    """A role that is missing here has stated nothing; an empty list wants nothing."""
    filters: Filters = field(default_factory=Filters)
    presences: dict[Role, tuple[FrameworkId, Role]] = field(default_factory=dict)
    """Its names in its roles: one object each, however many agents note them."""
    refusals: int = 0
    """Fitting offers refused in a row."""
    waits: dict[Want, Wait] = field(default_factory=dict)
    """For what it waits, looked at now and then."""
    allocations: dict[Role, int] = field(default_factory=dict)
    """Offers so far, per role."""
    held: dict[Role, Resources] = field(default_factory=dict)
    """Used and offered, per role."""
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    ended: dict[TaskId, Task] = field(default_factory=dict)
    """Those of its tasks that are terminal, the oldest first."""
    offers: dict[OfferId, HeldOffer] = field(default_factory=dict)
    accepts: dict[tuple[AgentId, str], RunningAccept] = field(default_factory=dict)
    early_kills: dict[TaskId, Kill] = field(default_factory=dict)
    """Kills of tasks whose agent is not back yet."""
    questions: dict[TaskRef, None] = field(default_factory=dict)
    """Tasks whose fate it asked for while their agent was expected back."""

    @property
    def framework_id(self) -> FrameworkId:
        return self.info.framework_id

    def presence(self, role: Role) -> tuple[FrameworkId, Role]:
        return self.presences.setdefault(role, (self.framework_id, role))

    @property
    def is_present(self) -> bool:
        """It may be offered something."""
        return self.session is not None and not self.is_ended

    @property
    def used(self) -> Resources:
        tasks = total(task.held for task in self.tasks.values() if task.held)
        return tasks + total(accept.held for accept in self.accepts.values())

    @property
    def offered(self) -> Resources:
        return total(held.offer.resources for held in self.offers.values())


def anonymous(resources: Resources) -> Resources:
    """Amounts only, without ports: devices and ports of different agents bear the same names."""
    if not resources.gpus and not resources.ports:
        return resources
    gpus = ((ANY_GPU, resources.gpu_millis),) if resources.gpus else ()
    return Resources(resources.cpus, resources.mem, resources.disk, gpus)
