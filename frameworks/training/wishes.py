"""What is wished of a training program by signals, heard at once and looked at between two steps.

SIGUSR1 wishes it to come to rest, SIGTERM to save and end. Both reach every process of a task: the
ones that the program forks, such as a loader's workers, leave them to the program itself.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Wishes:
    """A handler does no more than `hurry`: the program might be anywhere in a step."""

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._hurry = hurry
        self.is_rest = False
        self.is_end = False
        self._term: Any = None  # what SIGTERM did before

    def listen(self) -> None:
        try:
            self._term = signal.signal(signal.SIGTERM, self._hear_end)
            signal.signal(signal.SIGUSR1, self._hear_rest)
        except ValueError as error:
            raise RuntimeError(
                "steps() was begun in a thread; begin it in the main one, which alone hears signals"
            ) from error
        os.register_at_fork(after_in_child=_leave_to_parent)

    def close(self) -> None:
        """There are no steps any more: SIGTERM means again what it meant before."""
        if self._term is not None:
            signal.signal(signal.SIGTERM, self._term)

    def _hear_rest(self, _signum: int, _frame: FrameType | None) -> None:
        self.is_rest = True
        self._hurry()

    def _hear_end(self, _signum: int, _frame: FrameType | None) -> None:
        """Those that it forked end of the same signal, which is no failure of theirs: torch's
        loaders would raise an exception at once, in the middle of a step.
        """
        self.is_end = True
        self._hurry()
        signal.signal(signal.SIGCHLD, _hear_nothing)


def _hear_nothing(_signum: int, _frame: FrameType | None) -> None:
    """Not SIG_DFL: of a signal that has come already Python would then say that it is ignored."""


def _leave_to_parent() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
