"""For authors of schedulers: a scheduler under the real driver, beside a master made of a few
lines, without a process, a socket or a clock.

```python
h = Harness(MyScheduler())
h.offer(cpus=2)
assert h.launched == ["t1", "t2"]
h.status("t1", TaskState.FINISHED, exit_code=0)
```
"""

from collections import deque
from collections.abc import Iterable, Mapping

from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)
from fairlead.common.ids import (
    AgentId,
    OfferId,
    Role,
    SessionId,
    TaskId,
)
from fairlead.common.messages import (
    Acknowledge,
    Code,
    FrameworkBody,
    FrameworkMessage,
    Goodbye,
    Heartbeat,
    MasterToFramework,
    OffersMade,
    OffersRescinded,
    Reconcile,
    Revoke,
    Spared,
    StatusUpdated,
    Subscribe,
    ToFrameworkBody,
)
from fairlead.common.resources import Resources, total
from fairlead.common.values import (
    Offer,
    Reason,
    TaskInfo,
    TaskRef,
    TaskState,
    TaskStatus,
)

from .core import Driver
from .events import Dial, DriverEvent, DriverSettings, Happened, Perform
from .fake_master import FakeMaster
from .scheduler import Scheduler, Stop

GIB = 2**30
MANY = 10_000


class Harness:
    """A scheduler, its driver and a fake master, in one place and in no time."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        framework_id: str = "",
        settings: DriverSettings | None = None,
        is_reachable: bool = True,
    ) -> None:
        self.scheduler = scheduler
        self.driver = Driver(scheduler, "test", framework_id, settings)
        self.master = FakeMaster()
        self.is_reachable = is_reachable
        self.now = 0.0
        self.said: list[FrameworkBody] = []
        """Everything that was said to the master, heartbeats aside."""
        self.calls: list[FrameworkBody] = []
        """The same without what the driver says of itself: the scheduler's part."""
        self.performed: list[object] = []
        """What the scheduler ordered of its own service, Records included."""
        self.stopped: Stop | None = None
        self._inbox: deque[DriverEvent] = deque()
        self._session: SessionId | None = None
        self._sessions = 0
        self._offers = 0
        self.pass_time(0)

    # --- what happens to the scheduler

    def offer(
        self,
        cpus: float = 1,
        mem: int = GIB,
        gpus: float = 0,
        agent: str = "agent-1",
        role: str = "default",
        *,
        attributes: Mapping[str, str] | None = None,
    ) -> Offer:
        """Offer these resources of an agent."""
        self._offers += 1
        named = {f"{agent}-gpu-{n}": min(1.0, gpus - n) for n in range(-int(-gpus // 1))}
        offer = Offer(
            OfferId(f"o-{self.master.epoch}-{self._offers}"),
            AgentId(agent),
            self.driver.framework_id,
            Role(role),
            Resources.of(cpus=cpus, mem=mem, gpus=named),
            hostname=agent,
            attributes=attributes or {},
            agent_address=f"{agent}:1",
        )
        self.master.offers[offer.offer_id] = offer
        self._hear(OffersMade((offer,)))
        return offer

    def rescind(self, *offers: Offer) -> None:
        """Take offers back."""
        ids = tuple(offer.offer_id for offer in offers)
        for offer_id in ids:
            self.master.offers.pop(offer_id, None)
        self._hear(OffersRescinded(ids, "by the test"))

    def status(
        self,
        task_id: str,
        state: TaskState,
        *,
        exit_code: int | None = None,
        signal: int | None = None,
        reason: Reason = Reason.UNSPECIFIED,
        message: str = "",
    ) -> TaskStatus:
        """A task of an accepted launch is in this state, as its agent tells."""
        status = self.master.follow(
            task_id, state, exit_code=exit_code, signal=signal, reason=reason, message=message
        )
        self._hear(StatusUpdated(status))
        for other in list(self.master.drag(status)) if self.master.is_prompt else ():
            self._hear(StatusUpdated(other))
        return status

    def revoke(self, *task_ids: str, deadline_s: float = 30.0) -> None:
        """These tasks are to be given back; `deadline_s` is when the test says how they ended."""
        tasks = [self.master.tasks[TaskId(task_id)] for task_id in task_ids]
        resources = total(task.info.resources for task in tasks)
        self._hear(Revoke(self._refs(task_ids), resources, deadline_s))

    def spare(self, *task_ids: str) -> None:
        """They may stay after all."""
        self._hear(Spared(self._refs(task_ids)))

    def _refs(self, task_ids: Iterable[str]) -> tuple[TaskRef, ...]:
        tasks = (self.master.tasks[TaskId(task_id)] for task_id in task_ids)
        return tuple(
            TaskRef(task.info.task_id, task.launch.launch_uuid, task.latest.agent_id)
            for task in tasks
        )

    def repeat(self, status: TaskStatus) -> None:
        """Say again what was said before."""
        self._hear(StatusUpdated(status))

    def happen(self, event: object) -> None:
        """Something outside, as the scheduler's own service would feed it in."""
        self._step(Happened(event))

    def refuse_next(
        self, code: Code = Code.INVALID, message: str = "refused by the test", field: str = ""
    ) -> None:
        """The scheduler's next call gets this answer and has no effect."""
        self.master.refusals.append((code, message, field))

    def disconnect(self, message: str = "the master is away") -> None:
        """From now on no master answers."""
        self.is_reachable = False
        self.master.offers.clear()
        if self._session is not None:
            session, self._session = self._session, None
            self._step(SessionClosed(session, Code.SILENT, message))

    def reconnect(self) -> None:
        """A master answers again, and the driver has found it."""
        self.is_reachable = True
        self.pass_time(2.5)
        assert self.driver.is_subscribed, "the driver did not come back within 2.5 s"

    def fail_over(self) -> None:
        """Another master leads; it knows the same tasks."""
        self.disconnect()
        self.master.epoch += 1
        self.reconnect()

    def pass_time(self, seconds: float) -> None:
        """Tick whenever something is due."""
        until = self.now + seconds
        for _ in range(MANY):
            due = self.driver.next_deadline()
            if due is None or due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            self._step(Tick())
        raise AssertionError(f"still due at {self.now} after {MANY} ticks: next_deadline too early")

    # --- what the scheduler did

    def state(self, task_id: str) -> TaskState:
        """Where a task is by now."""
        return self.master.tasks[TaskId(task_id)].latest.state

    @property
    def tasks(self) -> dict[str, TaskInfo]:
        """All tasks that were launched, by id."""
        return {task_id: task.info for task_id, task in self.master.tasks.items()}

    @property
    def launched(self) -> list[str]:
        """The ids of all tasks that were launched, in order."""
        return list(self.master.tasks)

    @property
    def acknowledged(self) -> list[str]:
        """The updates that were acknowledged, in order."""
        return [body.update_uuid for body in self.said if isinstance(body, Acknowledge)]

    def take_calls(self) -> list[FrameworkBody]:
        """The scheduler's calls since the last time."""
        taken, self.calls = self.calls, []
        return taken

    # --- the works

    def _hear(self, body: ToFrameworkBody) -> None:
        assert self._session is not None, "no session: reconnect() first"
        self._step(Received(self._session, MasterToFramework(self.master.epoch, body)))

    def _step(self, event: DriverEvent) -> None:
        self._inbox.append(event)
        for _ in range(MANY):
            if not self._inbox:
                return
            for action in self.driver.step(self._inbox.popleft(), self.now):
                self._perform(action)
            self.driver.check()
        raise AssertionError(f"{MANY} steps without a pause: the scheduler answers itself")

    def _perform(self, action: object) -> None:
        match action:
            case Dial():
                self._dialled()
            case Send(session, FrameworkMessage() as message) if session == self._session:
                self._sent(session, message)
            case CloseSession(session) if session == self._session:
                self._session = None
            case Stop():
                self.stopped = action
            case Perform(order):
                self.performed.append(order)
            case Record():
                self.performed.append(action)
            case _:
                pass

    def _dialled(self) -> None:
        self._sessions += 1
        session = SessionId(self._sessions)
        if self.is_reachable:
            self._session = session
            self._inbox.append(SessionOpened(session))
        else:
            self._inbox.append(SessionClosed(session, Code.SILENT, "no answer"))

    def _sent(self, session: SessionId, message: FrameworkMessage) -> None:
        body = message.body
        if not isinstance(body, Heartbeat):
            self.said.append(body)
        if not isinstance(body, Heartbeat | Subscribe | Acknowledge | Reconcile | Goodbye):
            self.calls.append(body)
        for answer in self.master.answer(message):
            self._inbox.append(Received(session, MasterToFramework(self.master.epoch, answer)))
        if isinstance(body, Heartbeat):
            self._inbox.append(Received(session, MasterToFramework(self.master.epoch, body)))
