"""Status updates, told at least once: kept on disk until acknowledged, one stream per task.

Only the head of a stream is in flight. It is sent again with back-off, at each registration, and
when the task has moved on meanwhile, because the master's books follow the latest state.
"""

from fairlead.common.ids import UpdateUuid
from fairlead.common.messages import AcknowledgeUpdate, TaskUpdated
from fairlead.common.resources import EMPTY
from fairlead.common.sizes import shorten
from fairlead.common.values import Reason, Source, TaskStatus

from .completion import follow
from .context import Context, Task

_UUID_LENGTH = 150
"""Of a launch uuid in an update uuid: the wire takes no more than 200 characters."""

_MESSAGE_LENGTH = 4096
"""Of a status. One that the master refused for its length would be refused for ever."""


class Updates:
    """Makes statuses, and sees to it that they arrive."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def report(
        self,
        task: Task,
        reason: Reason,
        message: str = "",
        *,
        source: Source = Source.AGENT,
        exit_code: int | None = None,
        signal: int | None = None,
        pid: int = 0,
        max_rss_bytes: int = 0,
    ) -> None:
        """Where the task is now, durably and then to the master."""
        context = self._context
        follow(context, task)
        sequence = task.latest.sequence + 1
        status = TaskStatus(
            task.framework_id,
            task.info.task_id,
            task.launch_uuid,
            context.agent_id,
            task.state,
            source,
            reason,
            shorten(message, _MESSAGE_LENGTH),
            sequence,
            UpdateUuid(f"{task.launch_uuid[:_UUID_LENGTH]}.{sequence}"),
            exit_code,
            signal,
            pid or task.latest.pid,
            max_rss_bytes,
            context.now + context.settings.wall_offset_s,
        )
        task.latest = status
        task.updates.append(status)
        context.record(_record_key(task, status), status)
        context.record_task(task)
        if len(task.updates) == 1:
            self.send_first(task)
        else:
            self._send(task)

    def send_first(self, task: Task) -> None:
        """The head, as if never sent before."""
        task.resend_s = self._context.settings.resend_first_s
        self._send(task)

    def send_all(self) -> None:
        """Every head: the master has just registered us, and may be another one."""
        for task in self._context.tasks.values():
            if task.updates:
                self.send_first(task)

    def resend_due(self, key: str) -> None:
        task = self._context.tasks.get(key)
        if task is not None and task.updates:
            task.resend_s = min(2 * task.resend_s, self._context.settings.resend_longest_s)
            self._send(task)

    def send_latest_again(self, key: str) -> None:
        """To a master that launches what has ended here: it has missed the end."""
        task = self._context.tasks.get(key)
        if task is not None:
            self._send(task)
        elif key in self._context.ended:
            ended = self._context.ended[key][1]
            self._context.say(TaskUpdated(ended.latest, ended.latest, EMPTY, ended.sandbox))

    def acknowledged(self, message: AcknowledgeUpdate) -> None:
        """Only of the head: whatever else is acknowledged is not under way."""
        names = self._context.names.get((message.framework_id, message.task_id), [])
        for key in list(names):
            task = self._context.tasks[key]
            if task.updates and task.updates[0].update_uuid == message.update_uuid:
                self._drop_head(task)

    def _drop_head(self, task: Task) -> None:
        status = task.updates.popleft()
        self._context.record(_record_key(task, status), None)
        self._context.timers.cancel("resend", task.key)
        if task.updates:
            self.send_first(task)
        elif task.is_ended:
            self._context.retire(task)

    def _send(self, task: Task) -> None:
        context = self._context
        if not context.is_registered:
            return
        held = context.ledger.of(task.key)
        context.say(TaskUpdated(task.updates[0], task.latest, held, task.sandbox))
        context.timers.set("resend", task.key, context.now + task.resend_s)

    def stop_sending(self) -> None:
        """Nobody listens."""
        for task in self._context.tasks.values():
            self._context.timers.cancel("resend", task.key)

    def count(self) -> int:
        """Not acknowledged yet, of all tasks."""
        return sum(len(task.updates) for task in self._context.tasks.values())

    def check(self) -> None:
        for key, task in self._context.tasks.items():
            numbers = [status.sequence for status in task.updates]
            last = task.latest.sequence
            assert numbers == list(range(last - len(numbers) + 1, last + 1)), (
                f"the updates of {key} are numbered {numbers}, the latest {last}"
            )
            assert not numbers or task.updates[-1] == task.latest, f"{key}: an update is missing"
            assert task.updates or not task.is_ended, f"{key} has ended and is acknowledged"


def _record_key(task: Task, status: TaskStatus) -> str:
    return f"update/{task.key}/{status.sequence:08}"
