"""Actions near which processes are made to die: those in the middle of an accept."""

from fairlead.agent.events import ResumeContainer, SuspendContainer, UpdateContainer
from fairlead.common.events import Record, Send
from fairlead.common.messages import RunAccept, StatusUpdated
from fairlead.common.values import Launch, TaskState

_PASSAGES = (TaskState.SUSPENDING, TaskState.SUSPENDED, TaskState.RESUMING)


def is_step(action: object) -> bool:
    """Between any two actions of an accept at its agent."""
    is_progress = isinstance(action, Record) and action.key.startswith("progress/")
    return is_progress or isinstance(action, SuspendContainer | ResumeContainer | UpdateContainer)


def is_program(action: object) -> bool:
    """A master orders more than launches, or tells a framework what came of it."""
    if not isinstance(action, Send):
        return False
    body = getattr(action.message, "body", None)
    if isinstance(body, RunAccept):
        return any(not isinstance(operation, Launch) for operation in body.operations)
    return isinstance(body, StatusUpdated) and body.status.state in _PASSAGES
