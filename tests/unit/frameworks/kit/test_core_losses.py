"""Whatever is lost with a session: each launch ends once, truly, and is told in order.

A small world stands behind the driver: an agent that keeps every update until it is acknowledged, a
master that may forget everything, and a session that takes what is under way down with it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.schedulers import one_cpu

from fairlead.common.events import CloseSession, Received, Send, SessionClosed, SessionOpened, Tick
from fairlead.common.ids import (
    AgentId,
    FrameworkId,
    LaunchUuid,
    OfferId,
    Role,
    SessionId,
    UpdateUuid,
)
from fairlead.common.messages import (
    Accept,
    Acknowledge,
    CallResult,
    Code,
    Decline,
    FrameworkMessage,
    MasterToFramework,
    OffersMade,
    Reconcile,
    StatusUpdated,
    Subscribe,
    Subscribed,
    ToFrameworkBody,
)
from fairlead.common.resources import Resources
from fairlead.common.values import (
    FrameworkInfo,
    Launch,
    Offer,
    Reason,
    Source,
    TaskRef,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.core import Driver
from fairlead.frameworks.kit.events import Dial, DriverEvent
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    accept,
)

ME = FrameworkId("f")
AGENT = AgentId("a")


class Eager(SchedulerBase):
    """A task for every offer."""

    framework = FrameworkInfo(FrameworkId(""), "eager")

    def __init__(self) -> None:
        self.statuses: list[TaskStatus] = []
        self.wanted: list[str] = []

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        del now
        if isinstance(event, StatusReceived):
            self.statuses.append(event.status)
        if not isinstance(event, OffersReceived):
            return ()
        self.wanted.append(f"t{len(self.wanted)}")
        return [accept(event.offers, one_cpu(self.wanted[-1]))]


@dataclass
class AgentTask:
    """A task where it really runs."""

    launch: Launch
    sequence: int = 0
    updates: deque[TaskStatus] = field(default_factory=deque)

    def moves_on(self) -> None:
        """STAGING, RUNNING, FINISHED."""
        if self.sequence < 2:
            self.sequence += 1
            state = (TaskState.RUNNING, TaskState.FINISHED)[self.sequence - 1]
            uuid = f"{self.launch.launch_uuid}-u{self.sequence}"
            update = status(
                self.launch, state, Source.AGENT, sequence=self.sequence, update_uuid=uuid
            )
            self.updates.append(update)


def status(
    launch: Launch,
    state: TaskState,
    source: Source = Source.MASTER,
    *,
    sequence: int = 0,
    reason: Reason = Reason.UNSPECIFIED,
    update_uuid: str = "",
) -> TaskStatus:
    return TaskStatus(
        ME,
        launch.task.task_id,
        launch.launch_uuid,
        AGENT,
        state,
        source,
        reason,
        sequence=sequence,
        update_uuid=UpdateUuid(update_uuid),
    )


class World:
    """Everything that may happen, one method each."""

    def __init__(self) -> None:
        self.scheduler = Eager()
        self.driver = Driver(self.scheduler, "i")
        self.now = 0.0
        self.epoch = 1
        self.tasks: dict[LaunchUuid, AgentTask] = {}
        self.offers: dict[OfferId, Offer] = {}
        self.is_agent_here = True
        self.session: SessionId | None = None
        self.sessions = 0
        self.offers_made = 0
        self.to_master: deque[FrameworkMessage] = deque()
        self.to_driver: deque[ToFrameworkBody] = deque()

    # --- operations of a test

    def offer(self) -> None:
        if self.driver.is_subscribed and self.is_agent_here:
            self.offers_made += 1
            offer_id = OfferId(f"o{self.offers_made}")
            resources = Resources.of(cpus=1)
            self.offers[offer_id] = Offer(offer_id, AGENT, ME, Role("default"), resources)
            self.to_driver.append(OffersMade((self.offers[offer_id],)))

    def driver_hears(self) -> None:
        if self.to_driver and self.session is not None:
            message = MasterToFramework(self.epoch, self.to_driver.popleft())
            self._step(Received(self.session, message))

    def master_hears(self) -> None:
        if self.to_master:
            self._answer(self.to_master.popleft())

    def session_breaks(self) -> None:
        self.to_master.clear()
        self.to_driver.clear()
        self.offers.clear()
        if self.session is not None:
            session, self.session = self.session, None
            self._step(SessionClosed(session))

    def master_dies(self) -> None:
        self.epoch += 1
        self.is_agent_here = False  # until it has found the new one
        self.session_breaks()

    def agent_leaves(self) -> None:
        self.is_agent_here = False
        self.offers.clear()

    def agent_returns(self) -> None:
        self.is_agent_here = True
        self.agent_repeats()

    def a_task_moves_on(self) -> None:
        for task in self.tasks.values():
            if task.sequence < 2:
                task.moves_on()
                return

    def agent_repeats(self) -> None:
        """The head of each queue, as often as it likes."""
        if self.is_agent_here and self.driver.is_subscribed:
            heads = [task.updates[0] for task in self.tasks.values() if task.updates]
            self.to_driver.extend(StatusUpdated(head) for head in heads)

    def time_passes(self) -> None:
        due = self.driver.next_deadline()
        if due is not None and due <= self.now + 60:
            self.now = max(self.now, due)
            self._step(Tick())

    # --- the works

    def _step(self, event: DriverEvent) -> None:
        actions = self.driver.step(event, self.now)
        self.driver.check()
        for action in actions:
            if isinstance(action, Dial):
                self.sessions += 1
                self.session = SessionId(self.sessions)
                self._step(SessionOpened(self.session))
            elif isinstance(action, Send) and action.session == self.session:
                assert isinstance(action.message, FrameworkMessage)
                self.to_master.append(action.message)
            elif isinstance(action, CloseSession) and action.session == self.session:
                self.session = None
                self.session_breaks()

    def _answer(self, message: FrameworkMessage) -> None:
        body = message.body
        if isinstance(body, Subscribe):
            self.to_driver.append(Subscribed(ME, 2.0, self.epoch, "c"))
            return
        if message.call_id:
            self.to_driver.append(CallResult(message.call_id, Code.OK))
        if isinstance(body, Accept):
            self._launch(body)
        elif isinstance(body, Decline):
            self.offers.clear()
        elif isinstance(body, Reconcile):
            self.to_driver.extend(StatusUpdated(self._where(ref)) for ref in body.tasks)
        elif isinstance(body, Acknowledge) and self.is_agent_here:
            for task in self.tasks.values():
                if task.updates and task.updates[0].update_uuid == body.update_uuid:
                    task.updates.popleft()

    def _launch(self, call: Accept) -> None:
        (launch,) = call.operations
        assert isinstance(launch, Launch)
        assert launch.launch_uuid not in self.tasks, "an accept was replayed"
        if self.offers.pop(call.offer_ids[0], None) is None or not self.is_agent_here:
            reason = Reason.INVALID_OFFERS
            self.to_driver.append(StatusUpdated(status(launch, TaskState.DROPPED, reason=reason)))
        else:
            self.tasks[launch.launch_uuid] = AgentTask(launch)

    def _where(self, ref: TaskRef) -> TaskStatus:
        launch = Launch(one_cpu(ref.task_id), ref.launch_uuid)
        task = self.tasks.get(ref.launch_uuid)
        if not self.is_agent_here:
            return status(launch, TaskState.RECOVERING)
        if task is None:
            return status(launch, TaskState.DROPPED, reason=Reason.LAUNCH_UNKNOWN)
        if task.updates and task.sequence == 2:
            return task.updates[0]
        state = (TaskState.STAGING, TaskState.RUNNING, TaskState.FINISHED)[task.sequence]
        return status(launch, state, sequence=task.sequence, reason=Reason.RECONCILIATION)

    def heal(self) -> None:
        """No more faults: everything must come to its end."""
        for _ in range(400):
            self.agent_returns()
            self.a_task_moves_on()
            while self.to_driver or self.to_master:
                self.driver_hears()
                self.master_hears()
            self.time_passes()
            ended = {s.launch_uuid for s in self.scheduler.statuses if s.state.is_terminal}
            if len(ended) == len(self.scheduler.wanted) and self.driver.is_subscribed:
                return
        raise AssertionError("the world did not come to rest")


OPERATIONS = (
    World.offer,
    World.driver_hears,
    World.master_hears,
    World.session_breaks,
    World.master_dies,
    World.agent_leaves,
    World.agent_returns,
    World.a_task_moves_on,
    World.agent_repeats,
    World.time_passes,
)
OFTEN = (World.offer, World.driver_hears, World.master_hears, World.time_passes) * 3


@settings(max_examples=300)
@given(st.lists(st.sampled_from(OPERATIONS + OFTEN), max_size=80))
def test_each_launch_ends_once_and_truly_and_is_told_in_order(operations: list[object]) -> None:
    world = World()
    for operation in operations:
        assert callable(operation)
        operation(world)
    world.heal()
    told: dict[LaunchUuid, list[TaskStatus]] = {}
    for one in world.scheduler.statuses:
        told.setdefault(one.launch_uuid, []).append(one)
    assert len(told) == len(world.scheduler.wanted)
    for launch_uuid, statuses in told.items():
        sequences = [one.sequence for one in statuses if one.sequence]
        assert sequences == sorted(set(sequences)), "told twice, or out of order"
        assert [one.state.is_terminal for one in statuses].index(True) == len(statuses) - 1
        really = TaskState.FINISHED if launch_uuid in world.tasks else TaskState.DROPPED
        assert statuses[-1].state is really
    assert not any(task.updates for task in world.tasks.values()), "not acknowledged"


def test_the_world_is_not_empty() -> None:
    """What the property says is said of tasks that ran, and of accepts that were lost."""
    world = World()
    for operation in (World.time_passes, World.master_hears, World.driver_hears):
        operation(world)
    for _ in range(3):
        world.offer()
        for _ in range(9):
            world.driver_hears()
        if world.offers_made == 2:
            world.session_breaks()
            world.time_passes()
            for _ in range(9):
                world.master_hears()
                world.driver_hears()
        for _ in range(9):
            world.master_hears()
    world.heal()
    states = sorted(one.state.name for one in world.scheduler.statuses if one.state.is_terminal)
    assert states == ["DROPPED", "FINISHED", "FINISHED"]
