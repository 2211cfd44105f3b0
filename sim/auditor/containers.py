"""Laws about what runs: room for it, once per launch, ordered by a leader, ended for a reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairlead.common.ids import AgentId, FrameworkId, GpuId, LaunchUuid, TaskId
from fairlead.common.launches import launches_in
from fairlead.common.messages import KillTask, MasterToAgent, RegisterAgent, RunAccept
from fairlead.common.resources import MILLIS, Resources, total
from fairlead.common.values import Launch

from .ends import Ends
from .gangs import Gangs
from .laws import Facts, Link, ViolationError
from .parts import MOVES

OBEYED_LATE_S = 2.0
"""What an agent had already decided to say when a stale order came may take so long to leave."""


@dataclass(slots=True)
class Order:
    """A launch that an agent was told to run."""

    host: str
    framework_id: FrameworkId
    task_id: TaskId
    resources: Resources
    epoch: int
    revocable: bool
    limit_s: float
    agent_id: AgentId


@dataclass(slots=True)
class Running:
    """A container between its start and its end."""

    order: Order
    resources: Resources
    is_suspended: bool = False
    reported: Resources | None = None
    """Held by it, as its agent says."""

    @property
    def used(self) -> Resources:
        """A frozen process keeps its memory, and nothing that others could use meanwhile."""
        return replace(self.resources, cpus=0, gpus=()) if self.is_suspended else self.resources


class Containers:
    """Keeps the ledger of every host's containers."""

    def __init__(self, facts: Facts, gangs: Gangs, ends: Ends) -> None:
        self._facts = facts
        self.gangs = gangs
        self._ends = ends
        self._orders: dict[LaunchUuid, Order] = {}
        self._running: dict[LaunchUuid, Running] = {}
        self._started: dict[LaunchUuid, str] = {}
        self._capacity: dict[str, Resources] = {}
        self._epochs: dict[str, int] = {}
        self._stale: dict[int, float] = {}
        self._killed: dict[tuple[FrameworkId, TaskId], None] = {}
        self._condemned: dict[LaunchUuid, None] = {}
        """Signalled once for a good reason; the harder signal follows by itself."""
        self._to_end: dict[LaunchUuid, str] = {}
        """And which process of an agent was told so."""
        self.ended: dict[LaunchUuid, FrameworkId] = {}

    # --- said and heard

    def registering(self, link: Link, call: RegisterAgent) -> None:
        """An agent tells what it has on disk."""
        self._capacity[link.host] = call.agent.resources
        known = self._epochs.get(link.host, 0)
        if call.highest_epoch < known:
            raise ViolationError(
                "epochs only grow",
                f"{link.client} registers with epoch {call.highest_epoch}, had obeyed {known}",
            )
        self._epochs[link.host] = call.highest_epoch

    def said_by_agent(self, now: float, link: Link) -> None:
        stale_since = self._stale.get(link.number)
        if stale_since is not None and now > stale_since + OBEYED_LATE_S:
            raise ViolationError(
                "lower epochs are never obeyed",
                f"{link.client} goes on talking to {link.server}, whose epoch is behind",
            )

    def reported(self, uuid: LaunchUuid, resources: Resources) -> None:
        """An agent says what a task holds."""
        if (running := self._running.get(uuid)) is not None:
            running.reported = resources

    def heard_by_agent(self, now: float, link: Link, message: MasterToAgent) -> None:
        if message.epoch < self._epochs.get(link.host, 0):
            self._stale.setdefault(link.number, now)
            return
        if isinstance(message.body, RunAccept):
            self.gangs.ordered(link.host, message.body)
            for operation in message.body.operations:
                if isinstance(operation, MOVES):
                    self._ends.moved((message.body.framework.framework_id, operation.task_id))
            for launch in launches_in(message.body.operations):
                self._ordered(link, message.epoch, message.body, launch)
        elif isinstance(message.body, KillTask):
            self._to_end[message.body.launch_uuid] = link.client
            self._ends.told(now, message.body.launch_uuid)

    def _ordered(self, link: Link, epoch: int, accept: RunAccept, launch: Launch) -> None:
        uuid, host, agent_id = launch.launch_uuid, link.host, link.agent_id
        known = self._orders.get(uuid)
        if known is not None and known.host != host:
            raise ViolationError(
                "one agent per launch", f"{uuid} is ordered on {host} and on {known.host}"
            )
        info = launch.task
        order = Order(
            host,
            accept.framework.framework_id,
            info.task_id,
            info.resources,
            epoch,
            info.revocable,
            info.max_completion_s,
            agent_id,
        )
        self._orders[uuid] = order

    def kill_wanted(self, framework_id: FrameworkId, task_id: TaskId) -> None:
        self._killed[framework_id, task_id] = None

    def finish(self, processes: Sequence[str]) -> None:
        """Whoever was told to end something, and lives, has done it."""
        for uuid in self._running:
            if self._to_end.get(uuid) in processes:
                raise ViolationError(
                    "what was told to end ends", f"{uuid} runs, {self._to_end[uuid]} was to end it"
                )

    def disk_lost(self, host: str) -> None:
        """Nobody can tell any more how what ran there ended, nor whom its agent obeyed."""
        for uuid, order in self._orders.items():
            if order.host == host:
                self.ended.pop(uuid, None)
        self._epochs.pop(host, None)

    def is_member(self, uuid: LaunchUuid) -> bool:
        """Of a gang."""
        return uuid in self._facts.members

    # --- side effects

    def started(self, now: float, host: str, uuid: LaunchUuid, resources: Resources) -> None:
        order = self._orders.get(uuid)
        if order is None or order.host != host:
            raise ViolationError("what runs was ordered", f"{uuid} starts on {host} by nobody")
        if uuid in self._started:
            raise ViolationError("one container per launch", f"{uuid} starts again, on {host}")
        if not order.resources.covers(resources) or not resources.covers(order.resources):
            raise ViolationError(
                "what was ordered runs", f"{uuid} has {resources}, ordered: {order.resources}"
            )
        self._started[uuid] = host
        self._epochs[host] = max(self._epochs.get(host, 0), order.epoch)
        self._running[uuid] = Running(order, resources)
        name = (order.framework_id, order.task_id)
        self._ends.started(now, host, uuid, name, order.limit_s)
        self._check_room(host)

    def signalled(self, now: float, host: str, uuid: LaunchUuid, signum: int) -> None:
        running = self._running.get(uuid)
        if running is None:
            return
        order = running.order
        self._ends.signalled(uuid)
        was_asked = (order.framework_id, order.task_id) in self._killed
        is_of_broken = self.gangs.may_end(uuid)
        is_removed = order.agent_id in self._facts.retired
        may_end = order.revocable or is_removed or self._ends.is_overdue(now, uuid)
        if was_asked or is_of_broken or may_end or self._facts.is_over(order.framework_id, now):
            self._condemned[uuid] = None
        if uuid not in self._condemned:
            raise ViolationError(
                "no task is killed by a failover",
                f"{order.task_id} ({uuid}) on {host} gets signal {signum}; nobody asked for it",
            )

    def suspended(self, host: str, uuid: LaunchUuid) -> None:
        self._running[uuid].is_suspended = True
        self._check_room(host)

    def resumed(self, host: str, uuid: LaunchUuid) -> None:
        self._running[uuid].is_suspended = False
        self._check_room(host)

    def updated(self, host: str, uuid: LaunchUuid, cpus: int, mem: int) -> None:
        running = self._running[uuid]
        running.resources = replace(running.resources, cpus=cpus, mem=mem)
        self._check_room(host)

    def vanished(self, uuid: LaunchUuid) -> None:
        running = self._running.pop(uuid, None)
        if running is not None:
            self.ended[uuid] = running.order.framework_id

    def _check_room(self, host: str) -> None:
        capacity = self._capacity[host]
        cpus = mem = disk = 0
        devices: dict[GpuId, int] = {}
        for running in self._running.values():
            if running.order.host == host:
                held = running.used
                cpus, mem, disk = cpus + held.cpus, mem + held.mem, disk + held.disk
                for device, millis in held.gpus:
                    devices[device] = devices.get(device, 0) + millis
        if cpus > capacity.cpus or mem > capacity.mem or disk > capacity.disk:
            raise ViolationError(
                "no resource twice",
                f"{host} runs {cpus} cpus, {mem} mem, {disk} disk and has {capacity}",
            )
        there = dict(capacity.gpus)
        for device, millis in devices.items():
            if millis > min(MILLIS, there.get(device, 0)):
                raise ViolationError("no resource twice", f"{host} runs {millis} of gpu {device!r}")

    # --- at the end

    def used(self, host: str) -> Resources:
        """What runs there holds, in truth; of what is suspended its agent knows if it has cpus."""
        here = [running for running in self._running.values() if running.order.host == host]
        return total(
            running.reported if running.is_suspended and running.reported else running.used
            for running in here
        )

    def living(self) -> list[tuple[LaunchUuid, FrameworkId, TaskId]]:
        return [(uuid, r.order.framework_id, r.order.task_id) for uuid, r in self._running.items()]
