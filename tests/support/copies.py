"""Copies of one training job inside the test's own process, one after another."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fairlead.frameworks.training.hook import Steps

HEARD = (signal.SIGTERM, signal.SIGUSR1)


class Copies:
    """Where a job's copies find their directory, and how one is told to end."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.run = 0
        self._monkeypatch = monkeypatch

    def begin(self) -> None:
        """What is called after this is the next copy."""
        self.run += 1
        self._monkeypatch.setenv("FAIRLEAD_JOB_DIR", str(self.directory))
        self._monkeypatch.setenv("FAIRLEAD_JOB_RUN", str(self.run))

    def ended_after(self, count: int, steps: Steps[Any], learn: Callable[[Any], object]) -> bool:
        """Go through the steps and end after so many; False if there were no more than these."""
        code = 0
        try:
            for done, batch in enumerate(steps, 1):
                learn(batch)
                if done == count:
                    os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit as end:
            code = int(end.code or 0)
        assert code in (0, 75)
        return bool(code)

    def checkpoints(self) -> list[Path]:
        return sorted(self.directory.glob("checkpoint-*"), key=lambda path: path.stat().st_mtime_ns)


@contextmanager
def copies_in(directory: Path) -> Iterator[Copies]:
    """With the signals as they were, afterwards."""
    handlers = {signum: signal.getsignal(signum) for signum in HEARD}
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Copies(directory, monkeypatch)
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
