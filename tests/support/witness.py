"""Tasks that bear witness: each writes its launch uuid and pid when it begins and when it ends.

A task waits at a pipe of its own until it is released, at no cost, and ends with a code of its own.
"""

import errno
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from tests.support.command import until

from fairlead.common.resources import Resources
from fairlead.common.values import TaskInfo
from fairlead.frameworks.kit.scheduler import task

SCRIPT = """
echo "this is $2"
echo "begin $FAIRLEAD_LAUNCH_UUID $$" >> "$1/$2"
if [ -e "$1/$2.go" ]; then read word < "$1/$2.go"; else sleep 0.1; fi
echo "end $FAIRLEAD_LAUNCH_UUID $$" >> "$1/$2"
exit "$3"
"""
SMALL = Resources.of(cpus=1, mem=10**6)


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of a task's own."""

    word: str
    launch_uuid: str
    pid: int


class Witness:
    """The directory that they write to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)

    def argv(self, name: str, code: int = 0) -> tuple[str, ...]:
        """Of a task that waits until it is released, if it is to wait at all."""
        return ("sh", "-c", SCRIPT, "sh", str(self.path), name, str(code))

    def waits(self, name: str, code: int = 0, resources: Resources = SMALL) -> TaskInfo:
        os.mkfifo(self.path / f"{name}.go")
        return task(name, self.argv(name, code), resources)

    def passes(self, name: str, code: int = 0, resources: Resources = SMALL) -> TaskInfo:
        """Of a task that ends by itself, soon."""
        return task(name, self.argv(name, code), resources)

    def release(self, *names: str) -> None:
        """Let these end; they must be there."""
        for name in names:
            until(f"{name} waits to be released", partial(self._released, name))

    def _released(self, name: str) -> bool:
        try:
            pipe = os.open(self.path / f"{name}.go", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return False  # nobody reads
        with open(pipe, "w") as file:
            file.write("go\n")
        return True

    def marks(self, name: str) -> list[Mark]:
        """What this task did, and how often."""
        try:
            lines = (self.path / name).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Mark(word, uuid, int(pid)) for word, uuid, pid in map(str.split, lines)]

    def began(self, name: str) -> Mark:
        """Its one beginning; RUNNING is told before the program has come so far."""
        until(f"{name} has begun", lambda: self.marks(name))
        (mark,) = [mark for mark in self.marks(name) if mark.word == "begin"]
        return mark

    def ran_once(self, name: str) -> Mark:
        """It began once and ended once, as one process."""
        begin, end = self.marks(name)
        assert (begin.word, end.word) == ("begin", "end"), self.marks(name)
        assert (begin.launch_uuid, begin.pid) == (end.launch_uuid, end.pid), self.marks(name)
        return begin

    def are_gone(self, *names: str) -> None:
        """Wait until the processes of these are no more."""
        pids = {name: self.began(name).pid for name in names}
        until(
            f"the processes of {names} are gone",
            lambda: not any(psutil.pid_exists(pid) for pid in pids.values()),
        )
