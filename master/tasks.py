"""Task life as the master sees it: launched, followed, forwarded, killed, asked for.

The agent is the authority; the books follow what it reports. Statuses made here carry no update
uuid: they need no acknowledgement, since they can be derived again at any time.
"""

from dataclasses import replace

from fairlead.common.ids import AgentId, FrameworkId, TaskId, UpdateUuid
from fairlead.common.messages import (
    AcknowledgeUpdate,
    AgentState,
    Code,
    KillTask,
    StatusUpdated,
    TaskUpdated,
)
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

from .books import Agent, Framework, Task
from .context import Context
from .program import Program

NO_UUID = UpdateUuid("")
"""Of statuses that need no acknowledgement."""


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
        )
        self._context.books.hold(task, EMPTY)
        self._context.books.touch_task(task)
        framework = self._context.books.frameworks[task.framework_id]
        self._context.to_framework(framework, StatusUpdated(task.latest))
        if state.is_terminal:
            self.retire(framework)

    # --- launched

    def launch(self, program: Program, launch: Launch, held: Resources) -> None:
        """Booked as STAGING; its files are the agent's business alone."""
        framework_id, agent_id = program.framework.framework_id, program.agent.info.agent_id
        info = launch.task
        latest = TaskStatus(
            framework_id, info.task_id, launch.launch_uuid, agent_id, TaskState.STAGING
        )
        shown = replace(launch, task=replace(info, files={}))
        task = Task(
            framework_id, shown, agent_id, program.role, latest, accept_id=program.accept_id
        )
        self._context.books.add_task(task, held)

    def adopt(self, agent: Agent, framework: Framework, report: AgentTask) -> Task:
        """A task that an agent brings when it registers: known or not, this is the truth."""
        books = self._context.books
        known = framework.tasks.get(report.task.task_id)
        if known is not None and known.launch.launch_uuid != report.launch_uuid:
            # The framework launched the id anew elsewhere: the report is of an older life.
            if not known.is_terminal or report.latest.state.is_terminal:
                return known
            books.drop_task(known)
            known = None
        if known is None:
            launch = Launch(report.task, report.launch_uuid)
            known = Task(
                framework.framework_id, launch, agent.info.agent_id, report.role, report.latest
            )
            books.add_task(known, EMPTY)
        if known.is_terminal and not report.latest.state.is_terminal:
            # We have told its framework that it ended, and that is never taken back.
            body = KillTask(known.framework_id, known.task_id, report.launch_uuid)
            self._context.to_agent(agent, body)
            return known
        was = known.latest.state
        known.launch = Launch(report.task, report.launch_uuid)
        known.latest = report.latest
        known.sandbox = report.sandbox
        known.accept_id = report.accept_id
        books.hold(known, EMPTY if report.latest.state.is_terminal else report.resources)
        books.touch_task(known)
        if was is TaskState.UNREACHABLE:
            back = replace(
                report.latest,
                source=Source.MASTER,
                reason=Reason.AGENT_REGISTERED,
                message="the agent is back",
                update_uuid=NO_UUID,
            )
            # A terminal state travels with its own update, which must be acknowledged.
            if not report.latest.state.is_terminal:
                self._context.to_framework(framework, StatusUpdated(back))
        return known

    # --- followed and forwarded

    def updated(self, agent: Agent, update: TaskUpdated) -> None:
        status = update.status
        framework = self._context.framework(status.framework_id)
        task = framework.tasks.get(status.task_id) if framework else None
        if framework is None or framework.is_ended:
            self._acknowledge(agent, status)
        if framework is None:
            return
        if task is None or task.launch.launch_uuid != status.launch_uuid:
            # Of a life that the books no longer hold: its framework may still wait for it.
            self._context.to_framework(framework, StatusUpdated(status))
            return
        self._follow(task, update)
        task.head = status
        self._context.to_framework(framework, StatusUpdated(status))
        if task.is_terminal:
            self.retire(framework)

    def _follow(self, task: Task, update: TaskUpdated) -> None:
        """The books go by the latest state, not by the head of the queue."""
        latest = update.latest
        if latest.sequence < task.latest.sequence or task.is_terminal:
            return
        task.latest = latest
        held = EMPTY if latest.state.is_terminal else update.resources
        self._context.books.hold(task, held)
        self._context.books.touch_task(task)

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

    def retire(self, framework: Framework) -> None:
        """Keep only so many ended tasks, the oldest go first."""
        excess = len(framework.tasks) - self._context.settings.ended_tasks_kept
        if excess <= 0:
            return
        ended = [t for t in framework.tasks.values() if t.is_terminal and t.head is None]
        for task in ended[:excess]:
            self._context.books.drop_task(task)

    # --- killed

    def kill(
        self, framework: Framework, task_id: TaskId, grace_s: float | None
    ) -> tuple[Code, str]:
        task = framework.tasks.get(task_id)
        if task is None:
            if any(agent.is_expected for agent in self._context.books.agents.values()):
                framework.early_kills[task_id] = grace_s
                return Code.OK, "will be killed if an agent that is expected back brings it"
            return Code.NOT_FOUND, f"no task {task_id!r} is known of this framework"
        if task.is_terminal:
            return Code.OK, f"had already ended: {task.latest.state.name}"
        grace = task.launch.task.kill_grace_s if grace_s is None else grace_s
        if task.kill_grace_s is None or grace < task.kill_grace_s:
            task.kill_grace_s = grace
        self.send_kill(task)
        return Code.OK, ""

    def send_kill(self, task: Task) -> None:
        """Now, or when its agent is back."""
        if task.kill_grace_s is not None and not task.is_terminal:
            agent = self._context.books.agents[task.agent_id]
            body = KillTask(
                task.framework_id, task.task_id, task.launch.launch_uuid, task.kill_grace_s
            )
            self._context.to_agent(agent, body)

    def came_back(self, framework: Framework, task: Task) -> None:
        """Kills that had to wait for this agent."""
        if task.task_id in framework.early_kills:
            grace_s = framework.early_kills.pop(task.task_id)
            self.kill(framework, task.task_id, grace_s)
        else:
            self.send_kill(task)

    # --- asked for

    def reconcile(self, framework: Framework, refs: tuple[TaskRef, ...]) -> None:
        if not refs:
            for task in framework.tasks.values():
                if not task.is_terminal:
                    self._tell_latest(framework, task)
            return
        for ref in refs:
            known = framework.tasks.get(ref.task_id)
            if known is not None and ref.launch_uuid in ("", known.launch.launch_uuid):
                self._tell_latest(framework, known)
            else:
                self._answer(framework, ref)

    def _answer(self, framework: Framework, ref: TaskRef) -> None:
        state, reason, message = self._fate(ref)
        if state is TaskState.RECOVERING:
            framework.questions[ref] = None
        self.tell(framework, ref, state, reason, message)

    def answer_questions(self, agent: Agent) -> None:
        """What was asked while this agent was expected back can be answered now."""
        for framework in self._context.books.frameworks.values():
            due = [r for r in framework.questions if r.agent_id in ("", agent.info.agent_id)]
            for ref in due:
                del framework.questions[ref]
            if due:
                self.reconcile(framework, tuple(due))

    def _tell_latest(self, framework: Framework, task: Task) -> None:
        if task.head is not None and task.is_terminal:
            # The end is told once, by the update that must be acknowledged.
            self._context.to_framework(framework, StatusUpdated(task.head))
            return
        latest = replace(
            task.latest, source=Source.MASTER, reason=Reason.RECONCILIATION, update_uuid=NO_UUID
        )
        self._context.to_framework(framework, StatusUpdated(latest))

    def _fate(self, ref: TaskRef) -> tuple[TaskState, Reason, str]:
        """Of a task that is not in the books."""
        agents = self._context.books.agents
        agent = agents.get(ref.agent_id)
        if agent is None:
            if not ref.agent_id and any(other.is_expected for other in agents.values()):
                return TaskState.RECOVERING, Reason.RECONCILIATION, "agents are expected back"
            return TaskState.UNKNOWN, Reason.RECONCILIATION, "no such task is known"
        if agent.is_expected:
            return TaskState.RECOVERING, Reason.RECONCILIATION, "its agent is expected back"
        if agent.state is AgentState.UNREACHABLE:
            return TaskState.UNREACHABLE, Reason.AGENT_UNREACHABLE, "its agent is unreachable"
        if ref.launch_uuid:
            return TaskState.DROPPED, Reason.LAUNCH_UNKNOWN, "its agent never saw this launch"
        return TaskState.GONE, Reason.RECONCILIATION, "its agent does not know it"
