"""Task life as the master sees it: launched, followed, forwarded, killed.

The agent is the authority; the books follow what it reports. Statuses made here carry no update
uuid: they need no acknowledgement, since they can be derived again at any time.
"""

from dataclasses import replace
from itertools import islice

from fairlead.common.ids import AgentId, FrameworkId, TaskId, UpdateUuid
from fairlead.common.messages import (
    AcknowledgeUpdate,
    Code,
    Kill,
    KillTask,
    StatusUpdated,
    TaskUpdated,
)
from fairlead.common.operators import AgentState
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import (
    AgentTask,
    Launch,
    Reason,
    Source,
    TaskRef,
    TaskState,
    TaskStatus,
)

from .accepting.program import Program
from .context import Context
from .entries import Agent, Framework, Task

NO_UUID = UpdateUuid("")
"""Of statuses that need no acknowledgement."""
MOST_GRACE_S = 300.0
"""For an end that the master orders itself, whatever the task asks for."""


class Tasks:
    """Keeps the tasks in the books true and their frameworks informed."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # --- statuses made by the master

    def status(
        self,
        framework_id: FrameworkId,
        ref: TaskRef,
        state: TaskState,
        reason: Reason,
        message: str,
    ) -> TaskStatus:
        return TaskStatus(
            framework_id,
            ref.task_id,
            ref.launch_uuid,
            ref.agent_id,
            state,
            Source.MASTER,
            reason,
            message,
            wall_time=self._context.wall_time,
        )

    def tell(
        self, framework: Framework, ref: TaskRef, state: TaskState, reason: Reason, message: str
    ) -> None:
        status = self.status(framework.framework_id, ref, state, reason, message)
        self._context.to_framework(framework, StatusUpdated(status))

    def decide(self, task: Task, state: TaskState, reason: Reason, message: str) -> None:
        """The master's own verdict on a task: booked, and told."""
        latest = task.latest
        task.latest = replace(
            latest,
            state=state,
            source=Source.MASTER,
            reason=reason,
            message=message,
            update_uuid=NO_UUID,
            exit_code=None,
            signal=None,
            wall_time=self._context.wall_time,
        )
        self._context.books.hold(task, EMPTY)
        self._context.books.touch_task(task)
        framework = self._context.books.frameworks[task.framework_id]
        self._context.to_framework(framework, StatusUpdated(task.latest))
        if state.is_terminal:
            # What its agent said before, and nobody acknowledged, would be told instead.
            task.head, task.is_end_said = None, True
            self._retire(framework, task)

    def never_seen(self, task: Task) -> None:
        """Its agent has come without it, and ran nothing of it."""
        state, reason, message = unseen(is_killed=task.kill_grace_s is not None)
        if task.kill_message:
            reason, message = task.kill_reason, task.kill_message
        self.decide(task, state, reason, message)

    # --- launched

    def launch(self, program: Program, launch: Launch, held: Resources) -> None:
        """Booked as STAGING; its files are the agent's business alone.

        It holds nothing yet if the agent has to make room for it first.
        """
        framework_id, agent_id = program.framework.framework_id, program.agent.info.agent_id
        info = launch.task
        latest = TaskStatus(
            framework_id, info.task_id, launch.launch_uuid, agent_id, TaskState.STAGING
        )
        shown = replace(launch, task=replace(info, files={}))
        task = Task(
            framework_id, shown, agent_id, program.role, latest, accept_id=program.accept_id
        )
        program.framework.early_kills.pop(info.task_id, None)  # of an earlier life
        self._context.books.add_task(task, held)

    def adopt(self, agent: Agent, framework: Framework, report: AgentTask) -> Task:
        """A task that an agent brings when it registers: known or not, this is the truth."""
        books = self._context.books
        is_over = report.latest.state.is_terminal
        known = framework.tasks.get(report.task.task_id)
        ref = TaskRef(report.task.task_id, report.launch_uuid, agent.info.agent_id)
        if known is not None and known.ref != ref:
            if not known.is_terminal or is_over:
                # The framework launched the id anew elsewhere: the report is of another life.
                self._hold_stray(agent, report.latest, report.resources)
                return known
            books.drop_task(known)
            known = None
        if known is None:
            launch = Launch(report.task, report.launch_uuid)
            known = Task(
                framework.framework_id, launch, agent.info.agent_id, report.role, report.latest
            )
            books.add_task(known, EMPTY)
        elif known.is_terminal and not is_over:
            # We have told its framework that it ended, and that is never taken back.
            self._hold_stray(agent, report.latest, report.resources)
            grace_s = report.task.kill_grace_s
            body = KillTask(known.framework_id, known.task_id, report.launch_uuid, grace_s)
            self._context.to_agent(agent, body)
            return known
        self._believe(framework, known, report)
        return known

    def _believe(self, framework: Framework, task: Task, report: AgentTask) -> None:
        books, latest = self._context.books, report.latest
        was_unreachable = task.latest.state is TaskState.UNREACHABLE
        task.launch = Launch(replace(report.task, files={}), report.launch_uuid)
        _follow_size(task, latest, report.resources)
        task.latest = latest
        task.sandbox = report.sandbox
        task.accept_id = report.accept_id
        books.hold(task, EMPTY if latest.state.is_terminal else report.resources)
        books.gangs.reported(task, has_formed=report.gang_formed)
        books.touch_task(task)
        if latest.state.is_terminal:
            self._retire(framework, task)  # it is told by its own update, to be acknowledged
        elif was_unreachable:
            back = replace(
                latest,
                source=Source.MASTER,
                reason=Reason.AGENT_REGISTERED,
                message="the agent is back",
                update_uuid=NO_UUID,
            )
            self._context.to_framework(framework, StatusUpdated(back))

    def _hold_stray(self, agent: Agent, latest: TaskStatus, resources: Resources) -> None:
        """Of a launch that has no place in the books: what it uses is not free all the same."""
        held = EMPTY if latest.state.is_terminal else resources
        self._context.books.hold_stray(agent, f"task/{latest.launch_uuid}", held)

    def begun(self, task: Task) -> None:
        """Its accept has ended, so it was launched; its own word follows."""
        if task.latest.state is TaskState.STAGING:
            self._context.books.hold(task, task.launch.task.resources)

    # --- followed and forwarded

    def updated(self, agent: Agent, update: TaskUpdated) -> None:
        status = update.status
        framework = self._context.framework(status.framework_id)
        task = framework.tasks.get(status.task_id) if framework else None
        if framework is None or framework.is_ended:
            self._acknowledge(agent, status)  # nobody else ever will
        if framework is not None and task is not None and task.ref == _ref(status):
            task.head = status
            task.is_end_said = task.is_end_said or status.state.is_terminal
            self._follow(framework, agent, task, update)
        else:
            self._hold_stray(agent, update.latest, update.resources)
        if framework is not None:
            # Even of a life that the books do not hold: its framework may wait for it.
            self._context.to_framework(framework, StatusUpdated(status))

    def _follow(self, framework: Framework, agent: Agent, task: Task, update: TaskUpdated) -> None:
        """The books go by the latest state, not by the head of the queue."""
        latest = update.latest
        if task.is_terminal:
            self._hold_stray(agent, latest, update.resources)
        elif latest.sequence >= task.latest.sequence:
            _follow_size(task, latest, update.resources)
            task.latest = latest
            task.sandbox = update.sandbox or task.sandbox
            is_over = latest.state.is_terminal
            self._context.books.hold(task, EMPTY if is_over else update.resources)
            self._context.books.touch_task(task)
            if is_over:
                self._retire(framework, task)

    def _acknowledge(self, agent: Agent, status: TaskStatus) -> None:
        self._context.to_agent(
            agent, AcknowledgeUpdate(status.framework_id, status.task_id, status.update_uuid)
        )

    def acknowledged(
        self, framework: Framework, task_id: TaskId, agent_id: AgentId, update_uuid: UpdateUuid
    ) -> None:
        """Pass it on; an agent that is away sends its update again, and is answered again."""
        task = framework.tasks.get(task_id)
        if task is not None and task.head is not None and task.head.update_uuid == update_uuid:
            task.head = None
        agent = self._context.books.agents.get(agent_id)
        if agent is not None:
            body = AcknowledgeUpdate(framework.framework_id, task_id, update_uuid)
            self._context.to_agent(agent, body)

    def resend(self, framework: Framework) -> None:
        """What waits for an acknowledgement is said at once to a framework that came back."""
        for task in framework.tasks.values():
            if task.head is not None:
                self._context.to_framework(framework, StatusUpdated(task.head))

    def _retire(self, framework: Framework, task: Task) -> None:
        """It has ended. Only so many are kept, the oldest go first."""
        framework.ended[task.task_id] = task
        excess = len(framework.ended) - self._context.settings.ended_tasks_kept
        if excess > 0:
            settled = (ended for ended in framework.ended.values() if ended.head is None)
            for old in tuple(islice(settled, excess)):
                self._context.books.drop_task(old)

    # --- killed

    def kill(self, framework: Framework, kill: Kill) -> tuple[Code, str]:
        task = framework.tasks.get(kill.task_id)
        if task is None:
            if self._may_return(kill.agent_id):
                earlier = framework.early_kills.get(kill.task_id)
                if earlier is None or _grace_of(kill) <= _grace_of(earlier):
                    framework.early_kills[kill.task_id] = kill
                return Code.OK, "will be killed if an agent that is away brings it"
            return Code.NOT_FOUND, f"no task {kill.task_id!r} is known of this framework"
        if task.is_terminal:
            return Code.OK, f"had already ended: {task.latest.state.name}"
        grace = task.launch.task.kill_grace_s if kill.grace_s is None else kill.grace_s
        if task.kill_grace_s is None or grace < task.kill_grace_s:
            task.kill_grace_s = grace
        task.kill_signal = kill.signal
        self.send_kill(task)
        return Code.OK, ""

    def end_drained(self, agent: Agent) -> None:
        """An operator wants it empty; nothing to do if nobody does."""
        if agent.drain is not None:
            for task in tuple(agent.tasks.values()):
                message = "an operator drains its agent"
                self.end(task, Reason.AGENT_DRAINING, message, agent.drain.grace_s)

    def end(self, task: Task, reason: Reason, message: str, grace_s: float | None = None) -> None:
        """The master's own order, with the grace that the task itself asks for, within bounds: it
        may not keep for a year what is to be somebody else's.
        """
        if grace_s is None:
            grace_s = min(task.launch.task.kill_grace_s, MOST_GRACE_S)
        if not task.is_terminal and (task.kill_grace_s is None or grace_s < task.kill_grace_s):
            task.kill_grace_s = grace_s
            task.kill_reason, task.kill_message = reason, message
            self.send_kill(task)

    def send_kill(self, task: Task) -> None:
        """Now, or when its agent is back."""
        if task.kill_grace_s is not None and not task.is_terminal:
            agent = self._context.books.agents[task.agent_id]
            body = KillTask(
                task.framework_id,
                task.task_id,
                task.launch.launch_uuid,
                task.kill_grace_s,
                task.kill_signal,
                task.kill_reason,
                task.kill_message,
            )
            self._context.to_agent(agent, body)

    def came_back(self, framework: Framework, task: Task) -> None:
        """Kills that had to wait for this agent."""
        early = framework.early_kills.pop(task.task_id, None)
        if early is not None:
            self.kill(framework, early)
        else:
            self.send_kill(task)

    def forget_kills(self, framework: Framework) -> None:
        """Those that wait for an agent which brings nothing any more."""
        for kill in tuple(framework.early_kills.values()):
            if not self._may_return(kill.agent_id):
                del framework.early_kills[kill.task_id]

    def _may_return(self, agent_id: AgentId) -> bool:
        """Whether an agent may still come that brings what we do not know."""
        agents = self._context.books.agents
        if agent_id:
            agent = agents.get(agent_id)
            return agent is not None and (
                agent.is_expected or agent.state is AgentState.UNREACHABLE
            )
        return any(agent.is_expected for agent in agents.values())

    # --- told again

    def tell_end(self, task: Task) -> None:
        """It waits behind another update, and its agent may never come to say it."""
        framework = self._context.framework(task.framework_id)
        task.head, task.is_end_said = None, True
        if framework is not None:
            self.tell_latest(framework, task)

    def tell_latest(self, framework: Framework, task: Task) -> None:
        if task.head is not None and task.is_terminal:
            # The end is told once, by the update that must be acknowledged.
            self._context.to_framework(framework, StatusUpdated(task.head))
            return
        # Why it ended decides what its framework does next.
        reason = task.latest.reason if task.is_terminal else Reason.RECONCILIATION
        latest = replace(task.latest, source=Source.MASTER, reason=reason, update_uuid=NO_UUID)
        self._context.to_framework(framework, StatusUpdated(latest))


def _follow_size(task: Task, latest: TaskStatus, resources: Resources) -> None:
    """What it has when it runs is what it gets back when it is resumed."""
    info = task.launch.task
    if latest.state is TaskState.RUNNING and resources and resources != info.resources:
        task.launch = replace(task.launch, task=replace(info, resources=resources))


def _grace_of(kill: Kill) -> float:
    """Unsaid, it is the task's own, which is not known yet: behind whatever was said."""
    return float("inf") if kill.grace_s is None else kill.grace_s


def _ref(status: TaskStatus) -> TaskRef:
    return TaskRef(status.task_id, status.launch_uuid, status.agent_id)


def unseen(*, is_killed: bool) -> tuple[TaskState, Reason, str]:
    """Whoever had it killed is not to have it launched again."""
    if is_killed:
        return TaskState.KILLED, Reason.KILL_REQUESTED, "killed before its agent saw this launch"
    return TaskState.DROPPED, Reason.LAUNCH_UNKNOWN, "its agent never saw this launch"
