"""What the end of a job's copy means for the job; a pure function of the terminal status."""

from enum import Enum

from fairlead.common.dataclass import dataclass
from fairlead.common.values import Reason, TaskState, TaskStatus

from .events import SAVED_EXIT

SIGKILL, SIGTERM = 9, 15
OVERTAKEN = "resources:"
"""What the scheduler asks for is there when it asks; then a task that was to make room had ended by
itself, and what it had held was the master's before the accept came.
"""
UNREADABLE_EXIT, SUPERSEDED_EXIT = 65, 76
"""What the hook ends a program with, beside SAVED_EXIT."""
_LAST_WORDS = {
    UNREADABLE_EXIT: "none of its checkpoints can be read; its log says why",
    SUPERSEDED_EXIT: "a copy with a higher number writes to its directory",
}
_NAMES = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 10: "SIGUSR1", 11: "SIGSEGV"}


class Meaning(Enum):
    """Of an end that was not ordered."""

    DONE = "done"
    SAVED = "saved"
    """It asks to be started again."""
    LOST = "lost"
    """By no fault of its own: it is started again, from its last checkpoint."""
    FAILED = "failed"
    """By itself: it is started again as often as it may be."""
    HOPELESS = "hopeless"
    """It would end so again."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended, and in words."""

    meaning: Meaning
    text: str


def judge(status: TaskStatus) -> Ending:
    """Killed from outside counts as lost: whoever did it, it was not the program."""
    text = _words(status)
    if status.exit_code in _LAST_WORDS:
        return Ending(Meaning.HOPELESS, f"{text}: {_LAST_WORDS[status.exit_code]}")
    if status.state is TaskState.FINISHED:
        return Ending(Meaning.DONE, text)
    if status.exit_code == SAVED_EXIT:
        return Ending(Meaning.SAVED, text)
    if status.state is TaskState.ERROR and status.message.startswith(OVERTAKEN):
        return Ending(Meaning.LOST, text)
    if status.state is TaskState.ERROR or status.reason is Reason.COMMAND_NOT_STARTED:
        return Ending(Meaning.HOPELESS, text)
    if status.state is not TaskState.FAILED:
        return Ending(Meaning.LOST, text)
    by_others = status.signal in (SIGKILL, SIGTERM) and status.reason is not Reason.MEMORY_LIMIT
    if by_others or status.reason is Reason.EXIT_STATUS_UNKNOWN:
        return Ending(Meaning.LOST, text)
    return Ending(Meaning.FAILED, text)


def _words(status: TaskStatus) -> str:
    if status.message and status.reason is Reason.COMMAND_NOT_STARTED:
        return status.message
    is_plain = status.reason in (Reason.COMMAND_EXITED, Reason.KILL_REQUESTED)
    said = f": {status.message}" if status.message and not is_plain else ""
    if status.reason is Reason.MEMORY_LIMIT:
        said += "; submit it with more --mem"
    if status.exit_code == SAVED_EXIT:
        return f"saved (exit code {SAVED_EXIT})"
    if status.exit_code is not None:
        return f"exit code {status.exit_code}{said}"
    if status.signal is not None:
        return f"ended by {_NAMES.get(status.signal, f'signal {status.signal}')}{said}"
    return f"{status.state.name}, {status.reason.name}{said}"
