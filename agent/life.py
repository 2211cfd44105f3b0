"""Task life: launched, started, killed, ended; each step along the table in `state`.

In between a task may be suspended, resumed and resized: see `steps`.
"""

from dataclasses import replace

from fairlead.common.ids import FrameworkId, LaunchUuid, TaskId
from fairlead.common.messages import KILL_SIGNALS, TERM, KillTask, RunAccept
from fairlead.common.resources import format_bytes
from fairlead.common.values import (
    Launch,
    Reason,
    Source,
    TaskInfo,
    TaskState,
    TaskStatus,
)

from . import completion
from .context import Context, Task, accept_holder, task_key
from .events import (
    ContainerExited,
    ContainerNotStarted,
    ContainerStarted,
    DestroyContainer,
    ForgetContainer,
    SignalContainer,
    StartContainer,
)
from .limits import limits_of
from .state import Seen, after
from .updates import Updates

_SUSPENDED = (TaskState.SUSPENDING, TaskState.SUSPENDED, TaskState.RESUMING)


class Life:
    """A task's beginning and its end."""

    def __init__(self, context: Context, updates: Updates) -> None:
        self._context = context
        self._updates = updates
        self._early_kills: dict[str, tuple[KillTask, int, float]] = {}
        """Of launches not seen yet; each with its epoch, and when it is void."""

    # --- launched

    def launch(self, run: RunAccept, launch: Launch) -> str:
        """Book a launch, once; returns its key. What is unfit, or does not fit, ends here."""
        context = self._context
        task = self.make(run, launch)
        key = task.key
        if key in context.tasks or key in context.ended:
            if key in context.ended or context.tasks[key].is_ended:
                self._updates.send_latest_again(key)
            return key
        problem = self._problem(task)
        context.add_task(task)
        if problem:
            self._end(task, Seen.REFUSED, Reason.INVALID_TASK, problem)
        elif (kill := self._early_kill(task)) is not None:
            message = kill.message or "killed before it was launched"
            self._end(task, Seen.KILL, _reason_of(kill), message)
        else:
            self._book(task)
        return key

    def make(self, run: RunAccept, launch: Launch) -> Task:
        """Nothing is booked by that."""
        framework_id = run.framework.framework_id
        key = task_key(framework_id, launch.task.task_id, launch.launch_uuid)
        latest = TaskStatus(
            framework_id,
            launch.task.task_id,
            launch.launch_uuid,
            self._context.agent_id,
            TaskState.STAGING,
            Source.AGENT,
        )
        return Task(
            framework_id,
            launch.task,
            launch.launch_uuid,
            run.role,
            run.accept_id,
            f"{self._context.settings.sandboxes}/{key}",
            latest,
        )

    def _problem(self, task: Task) -> str:
        """What makes a launch unfit for any agent; the master refuses most of it before us."""
        if not (task.framework_id and task.info.task_id and task.launch_uuid):
            return "framework_id, task_id and launch_uuid must not be empty"
        if task.launch_uuid in self._context.launches:
            return f"launch uuid {task.launch_uuid} belongs to another task"
        if any(self.find(task.framework_id, task.info.task_id, LaunchUuid(""))):
            return f"task id {task.info.task_id} is in use"
        if not task.info.command.argv:
            return "command.argv: is empty"
        for name in task.info.files:
            if not name or "/" in name or name in (".", "..", "stdout", "stderr"):
                return f"files: {name[:40]!r} is not the name of a file of its own"
        return ""

    def _book(self, task: Task) -> None:
        """Hold what it asks for, out of what its accept has reserved, else of what is free."""
        context = self._context
        holder = accept_holder(task.accept_id)
        reserved = context.ledger.of(holder)
        picked = reserved.pick(task.info.resources)
        if picked is not None:
            context.ledger.hold(holder, reserved - picked)
        else:
            picked = context.ledger.pick(task.info.resources)
        if picked is None:
            message = f"resources: {task.info.resources} do not fit into what is free on this agent"
            self._end(task, Seen.REFUSED, Reason.AGENT_REFUSED, message)
            return
        task.info = replace(task.info, resources=picked)
        context.ledger.hold(task.key, picked)
        context.record_task(task)

    def drop(self, run: RunAccept, launch: Launch, reason: Reason, message: str) -> None:
        """A launch that is not carried out, unless it was already."""
        self._end_unbegun(self.make(run, launch), Seen.REFUSED, reason, message)

    def never_begin(self, task: Task, reason: Reason, message: str) -> None:
        """Booked and not ordered; it will not be."""
        self._end(task, Seen.REFUSED, reason, message)

    def _end_unbegun(self, task: Task, seen: Seen, reason: Reason, message: str) -> None:
        if task.key not in self._context.tasks and task.key not in self._context.ended:
            self._context.add_task(task)
            self._end(task, seen, reason, message)

    # --- started

    def order(self, task: Task) -> None:
        """What is durable is started."""
        task.state = after(task.state, Seen.ORDERED)
        self._context.containers[task.launch_uuid] = task.key
        self._context.do(
            StartContainer(
                task.launch_uuid,
                task.framework_id,
                task.info,
                self._context.ledger.of(task.key),
                task.role,
                task.sandbox,
            )
        )

    def started(self, event: ContainerStarted) -> None:
        task = self._context.owner(event.launch_uuid)
        if task is None:
            self._context.do(DestroyContainer(event.launch_uuid))
            return
        if task.state not in (TaskState.STARTING, TaskState.KILLING):
            return
        was_killed = task.state is TaskState.KILLING
        task.state = after(task.state, Seen.STARTED)
        task.drop_files()
        if was_killed:
            self._end_container(task)
        else:
            self._updates.report(task, Reason.UNSPECIFIED, pid=event.pid)

    def not_started(self, event: ContainerNotStarted) -> None:
        task = self._context.owner(event.launch_uuid)
        if task is None:
            return
        if task.state is TaskState.KILLING:
            self._end(task, Seen.NOT_STARTED, task.latest.reason, "killed before it started")
        else:
            self._end(task, Seen.NOT_STARTED, Reason.COMMAND_NOT_STARTED, event.message)

    # --- killed

    def kill_requested(self, message: KillTask) -> None:
        found = self.find(message.framework_id, message.task_id, message.launch_uuid)
        for task in found:
            self._kill(task, message)
        if self._kill_to_come(message):
            return
        key = task_key(message.framework_id, message.task_id, message.launch_uuid)
        if not found and key not in self._context.tasks and key not in self._context.ended:
            until = self._context.now + self._context.settings.early_kill_s
            self._early_kills[key] = (message, self._context.epoch, until)

    def _kill_to_come(self, message: KillTask) -> bool:
        """Launches that wait for their turn in an accept have none any more."""
        meant = [
            (accept.run, launch)
            for accept in self._context.accepts.values()
            if accept.run.framework.framework_id == message.framework_id
            for launch in accept.to_come()
            if launch.task.task_id == message.task_id
            and message.launch_uuid in ("", launch.launch_uuid)
        ]
        for run, launch in meant:
            why = message.message or "killed before its turn"
            self._end_unbegun(self.make(run, launch), Seen.KILL, _reason_of(message), why)
        return bool(meant)

    def find(
        self, framework_id: FrameworkId, task_id: TaskId, launch_uuid: LaunchUuid
    ) -> list[Task]:
        """Living launches of a task id; all of them if no uuid is given."""
        keys = self._context.names.get((framework_id, task_id), [])
        tasks = [self._context.tasks[key] for key in keys]
        return [t for t in tasks if not t.is_ended and launch_uuid in ("", t.launch_uuid)]

    def _early_kill(self, task: Task) -> KillTask | None:
        now = self._context.now
        for key in [k for k, (_, _, until) in self._early_kills.items() if until < now]:
            del self._early_kills[key]
        for uuid in (task.launch_uuid, ""):
            key = task_key(task.framework_id, task.info.task_id, uuid)
            if key in self._early_kills:
                kill, epoch, _ = self._early_kills.pop(key)
                return kill if epoch == self._context.epoch else None
        return None

    def _kill(self, task: Task, order: KillTask) -> None:
        reason, signum = _reason_of(order), _signal_of(order)
        self.kill(task, order.grace_s, reason, order.message, signum=signum)

    def kill(
        self, task: Task, grace_s: float, reason: Reason, message: str = "", *, signum: int = TERM
    ) -> None:
        """The signal now and KILL after the grace; whatever is suspended, or nearly, has none."""
        if task.state is TaskState.STAGING:
            self._end(task, Seen.KILL, reason, message or "killed before it started")
            return
        if task.state is TaskState.KILLING:
            self._kill_otherwise(task, grace_s, signum)
            return
        was = task.state
        task.state, task.undo = after(was, Seen.KILL), ""
        if was in _SUSPENDED:  # it lacks what it would need to end in good order
            self._context.timers.cancel("undo", task.key)
            grace_s = 0.0
        self._remember(task, grace_s, signum, reason, message)
        self._context.timers.set("kill", task.key, self._context.now + grace_s)
        self._updates.report(task, reason, message)
        if was is TaskState.RUNNING:
            self._context.do(SignalContainer(task.launch_uuid, signum))
        elif was in _SUSPENDED:
            self.grace_is_over(task.key)

    def _kill_otherwise(self, task: Task, grace_s: float, signum: int) -> None:
        """Of several kills the shortest grace wins, and a signal that is new is sent too."""
        context = self._context
        deadline = context.timers.get("kill", task.key)
        if deadline is None or task.kill is None:
            return
        is_sooner = context.now + grace_s < deadline
        is_other = signum != _signal_of(task.kill)
        if is_sooner or is_other:
            first = task.kill
            grace_left_s = grace_s if is_sooner else first.grace_s
            self._remember(task, grace_left_s, signum, first.reason, first.message)
        if is_sooner:
            context.timers.set("kill", task.key, context.now + grace_s)
        if is_other:
            context.do(SignalContainer(task.launch_uuid, signum))

    def _remember(
        self, task: Task, grace_s: float, signum: int, reason: Reason, message: str
    ) -> None:
        names = task.framework_id, task.info.task_id, task.launch_uuid
        task.kill = KillTask(*names, grace_s, signum, reason, message)
        self._context.record(f"kill/{task.key}", task.kill)

    def kill_again(self, task: Task, kill: KillTask) -> None:
        """After a restart: nobody knows how far the first attempt came."""
        if task.state is not TaskState.KILLING:
            self._kill(task, kill)
            return
        task.kill = kill
        self._context.timers.set("kill", task.key, self._context.now + kill.grace_s)
        self._context.do(SignalContainer(task.launch_uuid, _signal_of(kill)))

    def _end_container(self, task: Task) -> None:
        """Of a task that was to be killed while it was being started."""
        if task.kill is None or self._context.timers.get("kill", task.key) is None:
            self.grace_is_over(task.key)
        else:
            self._context.do(SignalContainer(task.launch_uuid, _signal_of(task.kill)))

    def time_is_over(self, key: str) -> None:
        """It has run for as long as it may: ended as by a kill, with a reason of its own."""
        task = self._context.tasks[key]
        self.kill(
            task, task.info.kill_grace_s, Reason.MAX_COMPLETION_TIME, completion.too_long(task)
        )

    def grace_is_over(self, key: str) -> None:
        task = self._context.tasks.get(key)
        if task is None or task.state is not TaskState.KILLING:
            return
        self._context.do(DestroyContainer(task.launch_uuid))
        again = self._context.now + self._context.settings.destroy_again_s
        self._context.timers.set("destroy", key, again)

    # --- ended

    def exited(self, event: ContainerExited) -> None:
        task = self._context.owner(event.launch_uuid)
        if task is None:
            self._context.containers.pop(event.launch_uuid, None)
            self._context.do(ForgetContainer(event.launch_uuid))
            return
        seen, reason, message = _verdict(event, task.info)
        if task.state is TaskState.KILLING:
            reason = task.latest.reason
            message = (task.kill and task.kill.message) or message
            if reason is Reason.MAX_COMPLETION_TIME:  # however it took the signal
                seen = Seen.OVERDUE
        self._end(task, seen, reason, message, event)
        self._context.do(ForgetContainer(event.launch_uuid))

    def _end(
        self,
        task: Task,
        seen: Seen,
        reason: Reason,
        message: str,
        event: ContainerExited | None = None,
    ) -> None:
        """Resources are free from here on, whenever the end is acknowledged."""
        context = self._context
        task.state = after(task.state, seen)
        assert task.is_ended, f"{seen} does not end a task"
        heir = context.inherit(task)
        if context.containers.get(task.launch_uuid) == task.key:
            del context.containers[task.launch_uuid]
        task.undo = ""
        for kind in ("kill", "destroy", "undo"):
            context.timers.cancel(kind, task.key)
        task.usage = None
        task.drop_files()
        self._updates.report(
            task,
            reason,
            message,
            source=Source.TASK if event is not None else Source.AGENT,
            exit_code=event.exit_code if event is not None else None,
            signal=event.signal if event is not None else None,
            max_rss_bytes=event.max_rss_bytes if event is not None else 0,
        )
        if heir is not None:
            context.record_progress(heir)
        context.note_member(task.info, task.latest)
        if task.kill is not None:
            task.kill = None
            context.record(f"kill/{task.key}", None)


def _signal_of(kill: KillTask) -> int:
    """A master says only what is known; any other number must not reach a process."""
    return kill.signal if kill.signal in KILL_SIGNALS else TERM


def _reason_of(kill: KillTask) -> Reason:
    return Reason.KILL_REQUESTED if kill.reason is Reason.UNSPECIFIED else kill.reason


def _verdict(event: ContainerExited, info: TaskInfo) -> tuple[Seen, Reason, str]:
    if event.is_out_of_memory:  # whatever its main process says: a part of the work is missing
        limit, peak = limits_of(info).memory_bytes, event.max_rss_bytes
        message = (
            f"out of memory: the limit is {format_bytes(limit)}, the peak {format_bytes(peak)}"
        )
        return Seen.FAILED, Reason.MEMORY_LIMIT, message
    if event.signal is not None:
        return Seen.FAILED, Reason.COMMAND_EXITED, f"ended by signal {event.signal}"
    if event.exit_code is None:
        return Seen.VANISHED, Reason.EXIT_STATUS_UNKNOWN, "ended while nobody watched"
    if event.exit_code == 0:
        return Seen.SUCCEEDED, Reason.COMMAND_EXITED, ""
    return Seen.FAILED, Reason.COMMAND_EXITED, f"exited with code {event.exit_code}"
