"""Each law of the auditor, broken once by hand-made messages; and lives that break none."""

from dataclasses import dataclass, field

import pytest

from fairlead.common.ids import (
    AgentId,
    CallId,
    FrameworkId,
    GpuId,
    LaunchUuid,
    OfferId,
    Role,
    TaskId,
    UpdateUuid,
)
from fairlead.common.messages import (
    Accept,
    AcceptEnded,
    AcceptProgress,
    Acknowledge,
    AcknowledgeUpdate,
    AgentHeartbeat,
    AgentMessage,
    AgentRegistered,
    CallResult,
    Code,
    Decline,
    FrameworkAway,
    FrameworkMessage,
    Goodbye,
    Hello,
    Kill,
    MasterToAgent,
    MasterToFramework,
    OffersMade,
    OffersRescinded,
    Reconcile,
    RegisterAgent,
    Revive,
    RunAccept,
    StatusUpdated,
    Subscribe,
    Subscribed,
    Suppress,
    TaskUpdated,
)
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    AgentInfo,
    AgentTask,
    Command,
    FrameworkInfo,
    Launch,
    Offer,
    Operation,
    Resume,
    Source,
    Suspend,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.sim.auditor import Auditor, Terms, ViolationError

AGENT, FRAMEWORK, ROLE = AgentId("a-1"), FrameworkId("f-1"), Role("r")
CAPACITY = Resources.of(cpus=4, mem=1000, gpus={"g0": 1.0})
HELLO = Hello(1, "", "instance", 1)
AGENT_LINK, FRAMEWORK_LINK = 1, 2


@dataclass
class Court:
    """One master, one agent, one framework, as the auditor sees them."""

    auditor: Auditor = field(default_factory=lambda: Auditor(Terms(agent_timeout_s=20.0)))
    now: float = 0.0
    epoch: int = 1
    server: str = "master#1"
    client: str = "f#1"

    def __post_init__(self) -> None:
        self.auditor.acts(0.0, self.server)
        self.agent_comes()
        self.framework_comes()

    # --- who speaks

    def agent_says(self, body: object) -> None:
        self.auditor.sent(self.now, "agent#1", AGENT_LINK, AgentMessage(body))  # type: ignore[arg-type]

    def master_hears_agent(self, body: object) -> None:
        self.agent_says(body)
        self.auditor.heard(self.now, self.server, AGENT_LINK, AgentMessage(body))  # type: ignore[arg-type]

    def tell_agent(self, body: object) -> None:
        message = MasterToAgent(self.epoch, body)  # type: ignore[arg-type]
        self.auditor.sent(self.now, self.server, AGENT_LINK, message)
        self.auditor.heard(self.now, "agent#1", AGENT_LINK, message)

    def call(self, body: object, call_id: str = "") -> None:
        message = FrameworkMessage(body, CallId(call_id))  # type: ignore[arg-type]
        self.auditor.sent(self.now, self.client, FRAMEWORK_LINK, message)
        self.auditor.heard(self.now, self.server, FRAMEWORK_LINK, message)

    def tell_framework(self, body: object) -> None:
        message = MasterToFramework(self.epoch, body)  # type: ignore[arg-type]
        self.auditor.sent(self.now, self.server, FRAMEWORK_LINK, message)
        self.auditor.heard(self.now, self.client, FRAMEWORK_LINK, message)

    # --- what they say

    def agent_comes(
        self,
        epoch: int = 0,
        tasks: tuple[AgentTask, ...] = (),
        accepts: tuple[AcceptProgress, ...] = (),
    ) -> None:
        for name in ("agent#1", self.server):
            self.auditor.opened(name, AGENT_LINK)
        info = AgentInfo(AgentId(""), "agent", CAPACITY)
        call = RegisterAgent(HELLO, info, tasks, accepts=accepts, highest_epoch=epoch)
        self.master_hears_agent(call)
        self.tell_agent(AgentRegistered(AGENT, "cluster", 2.0))

    def framework_comes(self, limit_s: float = 1000.0) -> None:
        for name in (self.client, self.server):
            self.auditor.opened(name, FRAMEWORK_LINK)
        info = FrameworkInfo(FrameworkId(""), "f", roles=(ROLE,), failover_timeout_s=limit_s)
        self.call(Subscribe(HELLO, info), "subscribe")
        self.tell_framework(Subscribed(FRAMEWORK, 2.0, self.epoch))

    def offer(self, offer_id: str, resources: Resources = CAPACITY) -> None:
        offer = Offer(OfferId(offer_id), AGENT, FRAMEWORK, ROLE, resources)
        self.tell_framework(OffersMade((offer,)))

    def launch(self, uuid: str, resources: Resources, *offer_ids: str) -> None:
        accepted = Accept(tuple(map(OfferId, offer_ids)), (launch_of(uuid, resources),))
        self.call(accepted, f"accept {uuid}")
        self.run(uuid, resources)

    def run(self, uuid: str, resources: Resources) -> None:
        info = FrameworkInfo(FRAMEWORK, "f", roles=(ROLE,))
        launch = launch_of(uuid, resources)
        self.tell_agent(RunAccept(f"x-{uuid}", info, ROLE, (launch,), resources))

    def order(self, *operations: Operation) -> None:
        """An accept of own tasks alone, which the master passes on."""
        named = [op.task_id for op in operations if isinstance(op, Suspend | Resume)]
        self.call(Accept((), operations, tuple(named)), "order")
        self.pass_on(*operations)

    def pass_on(self, *operations: Operation) -> None:
        info = FrameworkInfo(FRAMEWORK, "f", roles=(ROLE,))
        self.tell_agent(RunAccept("x-order", info, ROLE, operations, EMPTY))

    def holds(self, uuid: str, state: TaskState, sequence: int, resources: Resources) -> None:
        status = status_of(uuid, state, sequence)
        self.master_hears_agent(TaskUpdated(status, status, resources))
        self.call(Acknowledge(status.task_id, AGENT, status.update_uuid))

    def start(self, uuid: str, resources: Resources) -> None:
        self.auditor.container_started(self.now, "agent", LaunchUuid(uuid), resources)

    def signal(self, uuid: str, signum: int = 15) -> None:
        self.auditor.container_signalled(self.now, "agent", LaunchUuid(uuid), signum)

    def report(self, status: TaskStatus, latest: TaskStatus | None = None) -> None:
        self.master_hears_agent(TaskUpdated(status, latest or status))


def launch_of(uuid: str, resources: Resources) -> Launch:
    info = TaskInfo(TaskId(f"task-{uuid}"), "task", Command(("true",)), resources)
    return Launch(info, LaunchUuid(uuid))


def status_of(uuid: str, state: TaskState, sequence: int = 1) -> TaskStatus:
    return TaskStatus(
        FRAMEWORK,
        TaskId(f"task-{uuid}"),
        LaunchUuid(uuid),
        AGENT,
        state,
        Source.AGENT,
        sequence=sequence,
        update_uuid=UpdateUuid(f"{uuid}.{sequence}"),
    )


ONE = Resources.of(cpus=1)


@pytest.fixture
def court() -> Court:
    return Court()


def test_an_ordinary_life_breaks_no_law(court: Court) -> None:
    court.offer("o1")
    court.launch("u1", ONE, "o1")
    court.start("u1", ONE)
    running, ended = status_of("u1", TaskState.RUNNING), status_of("u1", TaskState.FINISHED, 2)
    court.report(running)
    court.tell_framework(StatusUpdated(running))
    court.auditor.told(court.client, running)
    court.call(Acknowledge(running.task_id, AGENT, running.update_uuid))
    court.tell_agent(AcknowledgeUpdate(FRAMEWORK, running.task_id, running.update_uuid))
    court.auditor.container_ended(court.now, LaunchUuid("u1"))
    court.report(ended)
    court.tell_framework(StatusUpdated(ended))
    court.auditor.told(court.client, ended)
    court.call(Acknowledge(ended.task_id, AGENT, ended.update_uuid))
    court.tell_agent(AcknowledgeUpdate(FRAMEWORK, ended.task_id, ended.update_uuid))
    court.tell_framework(CallResult(CallId("accept u1"), Code.OK))
    court.agent_says(AgentHeartbeat(unacknowledged=0))
    court.now = 10.0
    court.auditor.finish(court.now, [court.client], court.server)
    assert court.auditor.used("agent") == Resources()


# --- offers


def test_offered_and_used_never_exceed_capacity(court: Court) -> None:
    court.offer("o1", ONE)
    with pytest.raises(ViolationError, match="offered and used never exceed capacity"):
        court.offer("o2", CAPACITY)


def test_what_an_agent_reports_is_used(court: Court) -> None:
    task = AgentTask(
        FRAMEWORK,
        launch_of("u1", ONE).task,
        LaunchUuid("u1"),
        status_of("u1", TaskState.RUNNING),
        ONE,
    )
    court.agent_comes(tasks=(task,))
    with pytest.raises(ViolationError, match="offered and used never exceed capacity"):
        court.offer("o1", CAPACITY)


def test_a_device_is_not_offered_twice(court: Court) -> None:
    court.offer("o1", Resources.of(gpus={"g0": 0.6}))
    with pytest.raises(ViolationError, match="offered and used never exceed capacity"):
        court.offer("o2", Resources.of(gpus={"g0": 0.6}))


@pytest.mark.parametrize("end", ["used", "rescinded", "declined", "lost"])
def test_an_offer_is_used_once_and_only_while_it_stands(court: Court, end: str) -> None:
    court.offer("o1", ONE)
    if end == "used":
        court.launch("u1", ONE, "o1")
    elif end == "rescinded":
        court.tell_framework(OffersRescinded((OfferId("o1"),)))
    elif end == "declined":
        court.call(Decline((OfferId("o1"),)))
    else:
        court.auditor.closed(court.server, FRAMEWORK_LINK)
    with pytest.raises(ViolationError, match="offers are used once"):
        court.launch("u2", ONE, "o1")


def test_filters_are_honoured_until_they_end_or_are_cleared(court: Court) -> None:
    court.offer("o1", ONE)
    court.call(Decline((OfferId("o1"),), 5.0))
    court.now = 4.9
    with pytest.raises(ViolationError, match="filters are honoured"):
        court.offer("o2", ONE)
    court.offer("o3", Resources.of(cpus=2))  # more than was refused
    court.call(Revive())
    court.offer("o4", ONE)


def test_what_an_accept_leaves_over_is_filtered_too(court: Court) -> None:
    court.offer("o1", Resources.of(cpus=3))
    court.launch("u1", ONE, "o1")
    with pytest.raises(ViolationError, match="filters are honoured"):
        court.offer("o2", Resources.of(cpus=2))


def test_who_is_suppressed_is_offered_nothing(court: Court) -> None:
    court.call(Suppress())
    with pytest.raises(ViolationError, match="who is suppressed"):
        court.offer("o1", ONE)


def test_an_agent_that_is_away_is_not_offered(court: Court) -> None:
    court.auditor.closed(court.server, AGENT_LINK)
    with pytest.raises(ViolationError, match="agents that are away"):
        court.offer("o1", ONE)


def test_an_offer_that_nobody_answers_ends(court: Court) -> None:
    court.offer("o1", ONE)
    court.now = 40.0
    with pytest.raises(ViolationError, match="offers end"):
        court.auditor.finish(court.now, [court.client], court.server)


# --- accepts that are under way

TRAINS = Resources.of(cpus=1, gpus={"g0": 1.0})
PAUSES = Resources.of(cpus=1)
GPU = Resources.of(gpus={"g0": 1.0})


def suspended(court: Court) -> None:
    """By an accept that has not ended."""
    court.offer("o1", TRAINS)
    court.launch("u1", TRAINS, "o1")
    court.holds("u1", TaskState.RUNNING, 1, TRAINS)
    court.order(Suspend(TaskId("task-u1")))
    court.holds("u1", TaskState.SUSPENDING, 2, TRAINS)
    court.holds("u1", TaskState.SUSPENDED, 3, PAUSES)


def test_what_is_given_up_is_free_when_the_accept_ends(court: Court) -> None:
    suspended(court)
    court.master_hears_agent(AcceptEnded("x-order", FRAMEWORK))
    court.offer("o2", GPU)


def test_what_is_given_up_is_the_accepts_until_then(court: Court) -> None:
    suspended(court)
    with pytest.raises(ViolationError, match="offered and used never exceed capacity"):
        court.offer("o2", GPU)


def test_what_is_given_up_is_the_accepts_for_a_new_leader_too(court: Court) -> None:
    progress = AcceptProgress("x-order", FRAMEWORK, 1, GPU, ROLE, (TaskId("task-u1"),))
    court.agent_comes(accepts=(progress,))
    with pytest.raises(ViolationError, match="offered and used never exceed capacity"):
        court.offer("o2", GPU)


def test_what_was_launched_has_its_part_before_it_says_so(court: Court) -> None:
    court.offer("o1", TRAINS)
    court.launch("u1", TRAINS, "o1")
    court.holds("u1", TaskState.RUNNING, 1, TRAINS)
    court.order(Suspend(TaskId("task-u1")), launch_of("u2", GPU))
    court.holds("u1", TaskState.SUSPENDING, 2, TRAINS)
    court.holds("u1", TaskState.SUSPENDED, 3, PAUSES)
    court.master_hears_agent(AcceptEnded("x-order", FRAMEWORK))
    with pytest.raises(ViolationError, match="offered and used never exceed capacity"):
        court.offer("o2", GPU)


def test_nobody_but_its_framework_orders_a_task_about(court: Court) -> None:
    court.offer("o1", TRAINS)
    court.launch("u1", TRAINS, "o1")
    with pytest.raises(ViolationError, match="tasks are moved by their framework"):
        court.pass_on(Suspend(TaskId("task-u1")))


def test_what_is_suspended_holds_no_device(court: Court) -> None:
    with pytest.raises(ViolationError, match="what is suspended holds no device"):
        court.holds("u1", TaskState.SUSPENDED, 3, TRAINS)


def test_an_agent_tells_every_passage(court: Court) -> None:
    court.holds("u1", TaskState.SUSPENDED, 3, PAUSES)
    with pytest.raises(ViolationError, match="states follow the table"):
        court.holds("u1", TaskState.RUNNING, 4, TRAINS)


# --- containers


def test_a_host_runs_no_more_than_it_has(court: Court) -> None:
    for uuid in ("u1", "u2"):
        court.auditor.heard(
            0.0,
            "agent#1",
            AGENT_LINK,
            MasterToAgent(
                1,
                RunAccept(
                    uuid,
                    FrameworkInfo(FRAMEWORK, "f"),
                    ROLE,
                    (launch_of(uuid, CAPACITY),),
                    CAPACITY,
                ),
            ),
        )
    court.start("u1", CAPACITY)
    with pytest.raises(ViolationError, match="no resource twice"):
        court.start("u2", CAPACITY)


def test_a_launch_starts_once(court: Court) -> None:
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    court.start("u1", ONE)
    court.auditor.container_ended(court.now, LaunchUuid("u1"))
    with pytest.raises(ViolationError, match="one container per launch"):
        court.start("u1", ONE)


def test_nothing_starts_unordered(court: Court) -> None:
    with pytest.raises(ViolationError, match="what runs was ordered"):
        court.start("u1", ONE)


def test_what_runs_has_what_was_ordered(court: Court) -> None:
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    with pytest.raises(ViolationError, match="what was ordered runs"):
        court.start("u1", Resources(cpus=500, gpus=((GpuId("g0"), 1000),)))


def test_a_signal_needs_somebody_who_wanted_it(court: Court) -> None:
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    court.start("u1", ONE)
    with pytest.raises(ViolationError, match="no task is killed by a failover"):
        court.signal("u1")
    court.call(Kill(TaskId("task-u1")), "kill")
    court.signal("u1")


def test_who_was_away_beyond_its_limit_may_be_ended() -> None:
    court = Court()
    court.framework_comes(limit_s=5.0)
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    court.start("u1", ONE)
    court.now = 4.0
    with pytest.raises(ViolationError, match="no task is killed by a failover"):
        court.signal("u1")
    court.now = 5.0
    court.signal("u1")


def test_an_agent_that_was_told_of_an_absence_counts_on_by_itself(court: Court) -> None:
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    court.start("u1", ONE)
    court.auditor.closed(court.server, FRAMEWORK_LINK)
    court.tell_agent(FrameworkAway(FRAMEWORK, 1.0, 5.0))
    court.now = 4.0
    court.signal("u1")


def test_who_is_there_is_not_called_away(court: Court) -> None:
    with pytest.raises(ViolationError, match="who is there is not away"):
        court.tell_agent(FrameworkAway(FRAMEWORK, 1.0, 5.0))


# --- epochs


def test_an_order_of_a_lower_epoch_starts_nothing(court: Court) -> None:
    court.agent_comes(epoch=2)
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    with pytest.raises(ViolationError, match="what runs was ordered"):
        court.start("u1", ONE)


def test_an_agent_stops_talking_to_a_former_leader(court: Court) -> None:
    court.agent_comes(epoch=2)
    court.now = 1.0
    court.agent_says(Goodbye(Code.STALE_EPOCH))
    court.now = 10.0
    with pytest.raises(ViolationError, match="lower epochs are never obeyed"):
        court.agent_says(AgentHeartbeat())


def test_an_agent_never_forgets_an_epoch(court: Court) -> None:
    court.agent_comes(epoch=2)
    with pytest.raises(ViolationError, match="epochs only grow"):
        court.agent_comes(epoch=1)


# --- statuses


def test_an_update_is_kept_until_its_framework_acknowledged_it(court: Court) -> None:
    court.report(status_of("u1", TaskState.RUNNING, 1))
    with pytest.raises(ViolationError, match="an update is kept until acknowledged"):
        court.report(status_of("u1", TaskState.FINISHED, 2))


def test_only_frameworks_acknowledge(court: Court) -> None:
    with pytest.raises(ViolationError, match="only frameworks acknowledge"):
        court.tell_agent(AcknowledgeUpdate(FRAMEWORK, TaskId("t"), UpdateUuid("u1.1")))


def test_updates_come_in_order(court: Court) -> None:
    court.tell_framework(StatusUpdated(status_of("u1", TaskState.FINISHED, 2)))
    with pytest.raises(ViolationError, match="updates come in order"):
        court.tell_framework(StatusUpdated(status_of("u1", TaskState.RUNNING, 1)))


@pytest.mark.parametrize(
    ("told", "law"),
    [
        (((TaskState.FINISHED, 1), (TaskState.FINISHED, 1)), "nothing follows an end"),
        (((TaskState.FINISHED, 1), (TaskState.RUNNING, 2)), "nothing follows an end"),
        (((TaskState.KILLING, 2), (TaskState.RUNNING, 3)), "states follow the table"),
        (((TaskState.RUNNING, 2), (TaskState.KILLING, 1)), "sequence numbers only grow"),
    ],
)
def test_a_scheduler_hears_a_story_that_makes_sense(
    court: Court, told: tuple[tuple[TaskState, int], ...], law: str
) -> None:
    *before, last = told
    for state, sequence in before:
        court.auditor.told(court.client, status_of("u1", state, sequence))
    with pytest.raises(ViolationError, match=law):
        court.auditor.told(court.client, status_of("u1", *last))


def test_a_later_life_of_a_framework_hears_the_same_end(court: Court) -> None:
    court.auditor.told("f#1", status_of("u1", TaskState.FINISHED))
    court.auditor.told("f#2", status_of("u1", TaskState.FINISHED))
    with pytest.raises(ViolationError, match="one terminal status per launch"):
        court.auditor.told("f#3", status_of("u1", TaskState.FAILED))


def test_who_was_unreachable_returns_to_where_it_was(court: Court) -> None:
    for state in (TaskState.RUNNING, TaskState.UNREACHABLE, TaskState.RUNNING):
        court.auditor.told(court.client, status_of("u1", state))


# --- sessions


def test_a_call_is_answered_once(court: Court) -> None:
    court.call(Reconcile(), "c1")
    court.tell_framework(CallResult(CallId("c1"), Code.OK))
    with pytest.raises(ViolationError, match="a call has one answer"):
        court.tell_framework(CallResult(CallId("c1"), Code.OK))


def test_a_call_is_answered_at_all(court: Court) -> None:
    court.call(Reconcile(), "c1")
    court.now = 30.0
    with pytest.raises(ViolationError, match="a call has one answer"):
        court.auditor.finish(court.now, [court.client], court.server)


def unreachable(court: Court) -> None:
    status = status_of("u1", TaskState.UNREACHABLE)
    court.auditor.acts(court.now, court.server)
    court.tell_framework(StatusUpdated(status))


def test_an_agent_is_condemned_after_its_time_not_before(court: Court) -> None:
    court.master_hears_agent(AgentHeartbeat())
    court.now = 19.0
    with pytest.raises(ViolationError, match="silence before a verdict"):
        unreachable(court)
    court.now = 20.0
    unreachable(court)


def test_the_masters_own_stall_is_nobodys_silence(court: Court) -> None:
    court.master_hears_agent(AgentHeartbeat())
    court.auditor.stopped(1.0, court.server)
    court.auditor.resumed(16.0, court.server)
    court.now = 25.0
    with pytest.raises(ViolationError, match="silence before a verdict"):
        unreachable(court)


# --- at the end


def test_every_launch_is_answered(court: Court) -> None:
    court.offer("o1", ONE)
    court.call(Accept((OfferId("o1"),), (launch_of("u1", ONE),)))
    court.now = 10.0
    with pytest.raises(ViolationError, match="every launch is answered"):
        court.auditor.finish(court.now, [court.client], court.server)
    court.auditor.finish(court.now, [], court.server)  # nobody is left to be answered


def test_every_end_is_told(court: Court) -> None:
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    court.start("u1", ONE)
    court.tell_framework(StatusUpdated(status_of("u1", TaskState.RUNNING)))
    court.auditor.container_ended(court.now, LaunchUuid("u1"))
    with pytest.raises(ViolationError, match="every end is told"):
        court.auditor.finish(court.now, [court.client], court.server)


def test_what_is_told_to_have_ended_does_not_run(court: Court) -> None:
    court.offer("o1", ONE)
    court.launch("u1", ONE, "o1")
    court.start("u1", ONE)
    court.auditor.told(court.client, status_of("u1", TaskState.DROPPED))
    with pytest.raises(ViolationError, match="an end is an end"):
        court.auditor.finish(court.now, [court.client], court.server)


def test_updates_come_to_rest(court: Court) -> None:
    court.agent_says(AgentHeartbeat(unacknowledged=1))
    with pytest.raises(ViolationError, match="updates come to rest"):
        court.auditor.finish(court.now, [court.client], court.server)
