"""The `fairlead` command as a person types it, against one home; for tests of whole clusters."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

DEADLINE_S = 60.0
PATIENCE_S = 15.0
LOGGED = re.compile(r"\S+ \S+ (INFO|WARNING) ")


def until(what: str, is_true: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait for something that is about to happen."""
    deadline = time.monotonic() + patience_s
    while not is_true():
        assert time.monotonic() < deadline, f"waited {patience_s:g} s until {what}"
        time.sleep(0.05)


class Command:
    """`fairlead …` with FAIRLEAD_HOME set, and nothing else of ours in the environment."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        clean = {key: value for key, value in os.environ.items() if "FAIRLEAD_M" not in key}
        self.environment = {**clean, "FAIRLEAD_HOME": str(home), **environment}

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "fairlead.cli", *arguments]

    def __call__(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run it to its end; what it said and how it ended is the caller's to judge."""
        return subprocess.run(
            self.argv(*arguments),
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Its stdout; it must succeed."""
        done = self(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "-o", "json"))

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run it meanwhile, in a process group of its own, as a shell would."""
        with subprocess.Popen(
            self.argv(*arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def task(self, task_id: str) -> Mapping[str, Any]:
        shown: Mapping[str, Any] = self.json("tasks", "show", task_id)
        return shown

    def until_task(self, task_id: str, *states: str) -> Mapping[str, Any]:
        """The task when it is in one of these states."""
        seen: list[Mapping[str, Any]] = []

        def is_there() -> bool:
            seen[:] = [
                each for each in self.json("tasks", "list", "-a") if each["task_id"] == task_id
            ]
            return bool(seen) and seen[0]["state"] in states

        until(f"task {task_id} is {states}", is_there)
        return seen[0]

    def running(self) -> list[Mapping[str, Any]]:
        """Tasks that have not ended."""
        rows: list[Mapping[str, Any]] = self.json("tasks", "list")
        return rows


def words(command: Command, *arguments: str) -> tuple[int, str]:
    """Its exit code, and its one line with the hint that may follow."""
    done = command(*arguments)
    lines = [line for line in done.stderr.splitlines() if not LOGGED.match(line)]
    assert lines, done
    assert lines[0].startswith("fairlead: ")
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, "\n".join(lines)


def processes_of(home: Path) -> list[str]:
    """Whatever runs for the cluster of a home: its daemons, launchers and tasks."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            places = [*words, *process.environ().values()]
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
        except psutil.Error:
            continue
        if any(place.startswith(str(home)) for place in places):
            found.append(f"{process.pid} {' '.join(words)}")
    return found


def sockets_of(home: Path) -> list[Path]:
    """Unix sockets that lie in a home."""
    return [path for path in home.rglob("*") if path.is_socket()]


@contextmanager
def running_cluster(*options: str, **environment: str) -> Iterator[Command]:
    """A cluster in a home of its own, for all tests of a module; nothing of it may stay."""
    home = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    command = Command(home, **environment)
    try:
        command.ok("up", "--detach", *options)
        yield command
    finally:
        done = command("down")
        left = processes_of(home)
        sockets = sockets_of(home)
        if not left:
            shutil.rmtree(home)
    assert done.returncode == 0, done.stderr
    assert not left, f"still there after fairlead down: {left}"
    assert not sockets
