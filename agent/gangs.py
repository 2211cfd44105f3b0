"""Members of a gang on this agent: who ends otherwise than FINISHED takes the others along.

A group of launches is a gang of one agent. What of a gang runs elsewhere is its master's business,
which the agent does not wait for. Members that were never ordered are DROPPED, the others killed.
"""

from fairlead.common.messages import GangFormed
from fairlead.common.values import Reason, TaskState

from .context import Context
from .life import Life


class Gangs:
    """Looks behind everything that may have ended a task."""

    def __init__(self, context: Context, life: Life) -> None:
        self._context = context
        self._life = life

    def look(self) -> bool:
        """Whether any member was ended."""
        lost, has_ended_any = self._context.lost_members, False
        while lost:
            name = next(iter(lost))
            message = lost.pop(name)
            for task in self._context.living(name[0]):
                gang = task.info.gang
                if gang is None or gang.gang_id != name[1] or task.state is TaskState.KILLING:
                    continue
                has_ended_any = True
                if task.state is TaskState.STAGING:
                    self._life.never_begin(task, Reason.GANG_BROKEN, message)
                else:
                    self._life.kill(task, task.info.kill_grace_s, Reason.GANG_BROKEN, message)
        return has_ended_any

    def formed(self, order: GangFormed) -> None:
        """A later master that hears of some of it knows that no other was lost to start with."""
        for task in self._context.living(order.framework_id):
            gang = task.info.gang
            if gang is not None and gang.gang_id == order.gang_id and not task.gang_formed:
                task.gang_formed = True
                self._context.record_task(task)

    def recover(self) -> None:
        """After a crash between the end of one and that of the others."""
        for key in (*self._context.tasks, *self._context.ended):
            self.note(key)
        self.look()

    def note(self, key: str) -> None:
        """A member that may have ended before the others were launched."""
        context = self._context
        if (task := context.tasks.get(key)) is not None:
            context.note_member(task.info, task.latest)
        elif key in context.ended:
            value = context.ended[key][1]
            context.note_member(value.task, value.latest)
