"""The tasks of one agent: forked, signalled, reaped, and ended with all that they started."""

from __future__ import annotations

import errno
import json
import os
import signal
import time

from . import MARK, MARK_DIRECTORY, VERSION, cgroup
from .endings import UNKILLABLE_S, Endings
from .memory import MemoryWatch
from .records import RecordFile
from .tree import (
    children_of,
    deliver,
    kill_tree,
    mark_of,
    own_identity,
    session_of,
    signal_session,
    start_time_of,
    tree_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Callable
    from typing import Any

    from .server import Client, Loop

    Json = dict[str, Any]

CHANGED_SIGNALS = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, step: str, number: int, message: str) -> None:
        super().__init__(message)
        self.reply = {"step": step, "errno": number, "message": message}


class Task:
    """A main process that has not been reaped. `pipe` is open until exec succeeded or failed."""

    __slots__ = ("failed", "groups", "is_written", "pid", "pipe", "start_time", "uuid", "waiting")

    def __init__(self, uuid: str, pid: int, pipe: int, groups: cgroup.Groups) -> None:
        self.uuid = uuid
        self.groups = groups
        self.pid = pid
        self.pipe = pipe
        self.start_time = start_time_of(pid)
        self.waiting: list[tuple[Client, object]] = []
        self.failed = False
        self.is_written = False


class Launcher:
    """The tasks: `running` by uuid and by pid; the records of those that have `ended`, and of those
    that were `lost` with a former launcher, until forgotten. As long as a record cannot be
    written, because the disk is full, it waits in `unwritten`, and nobody is told of it.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.directory = os.getcwd()
        self.here = own_identity()
        self.starts = RecordFile("starts")
        self.exits = RecordFile("exits")
        self.ended = self.exits.load()
        started = self.starts.load().items()
        self.lost = {uuid: {**record, "lost": True} for uuid, record in started}
        for uuid in self.ended:
            self.lost.pop(uuid, None)
        self.exits.begin(self.ended.values())
        self.starts.begin(self.lost.values())
        self.running: dict[str, Task] = {}
        self.by_pid: dict[int, Task] = {}
        self.untold: dict[str, Task] = {}
        self.endings = Endings(self.write_exit)
        self.memory = MemoryWatch(loop, self.kill)
        self.unwritten: list[tuple[RecordFile, Json, Callable[[], None]]] = []
        self.stop_at: float | None = None
        self.give_up_at = 0.0
        self.stop_count = 0
        self.stop_waiting: list[tuple[Client, object]] = []
        self.reply: Callable[[Client, Json], None] = lambda _client, _message: None
        self.tell_all: Callable[[Json], None] = lambda _message: None

    # --- operations: each returns the reply, or None when it will come later

    def do_ping(self, _client: Client, _request: Json) -> Json:
        return {"version": VERSION, "pid": os.getpid()}

    def do_start(self, client: Client, request: Json) -> Json | None:
        uuid = request["uuid"]
        record = self.ended.get(uuid) or self.lost.get(uuid)
        if record is not None:
            return record
        task = self.running.get(uuid) or self.untold.get(uuid)
        if task is None:
            if self.stop_at is not None:
                raise RefusedError("start", errno.ESHUTDOWN, "the launcher is shutting down")
            task = self.fork(request)
        elif task.is_written:
            return self.record(task)
        task.waiting.append((client, request["id"]))
        return None

    def do_signal(self, _client: Client, request: Json) -> Json:
        task = self.running.get(request["uuid"])
        if task is not None:
            self.signal(task, int(request["signal"]))
        return {"found": task is not None}

    def do_destroy(self, _client: Client, request: Json) -> Json:
        task = self.running.get(request["uuid"])
        if task is not None:
            self.kill(task)
        return {"found": task is not None}

    def do_list(self, _client: Client, _request: Json) -> Json:
        return {"tasks": [*self.ended.values(), *self.lost.values(), *self.records()]}

    def do_forget(self, _client: Client, request: Json) -> Json:
        for uuid in request["uuids"]:
            self.ended.pop(uuid, None)
            self.lost.pop(uuid, None)
        self.exits.keep(self.ended.values())
        self.forget_starts()
        return {}

    def do_shutdown(self, client: Client, request: Json) -> None:
        grace_s = float(request["grace_s"])
        self.stop_waiting.append((client, request["id"]))
        self.stop(grace_s)

    # --- records: first written, then told

    def record(self, task: Task) -> Json:
        return {**self.here, "uuid": task.uuid, "pid": task.pid, "start_time": task.start_time}

    def records(self) -> list[Json]:
        """Of all that run, or of whose end nobody may know yet."""
        tasks = (*self.running.values(), *self.untold.values())
        return [self.record(task) for task in tasks]

    def forget_starts(self) -> None:
        if len(self.running) + len(self.untold) + len(self.lost) < self.starts.lines / 4:
            self.starts.keep([*self.lost.values(), *self.records()])

    def write(self, file: RecordFile, record: Json, tell: Callable[[], None]) -> None:
        self.unwritten.append((file, record, tell))
        self.write_waiting()

    def write_waiting(self) -> None:
        """As far as it goes, in order; called again from time to time while anything waits."""
        while self.unwritten and self.unwritten[0][0].append(self.unwritten[0][1]):
            self.unwritten.pop(0)[2]()

    def tell_start(self, task: Task, answer: Json) -> None:
        task.is_written = True
        for client, request_id in task.waiting:
            self.reply(client, {"id": request_id, **answer})
        task.waiting.clear()

    def write_exit(self, record: Json) -> None:
        self.write(self.exits, record, lambda: self.tell_exit(record))

    def tell_exit(self, record: Json) -> None:
        del self.untold[record["uuid"]]
        self.ended[record["uuid"]] = record
        self.tell_all({"exit": record})

    # --- life and death of a task

    def fork(self, request: Json) -> Task:
        step = "cgroup"
        groups: cgroup.Groups = request.get("groups") or {}
        signal.pthread_sigmask(signal.SIG_BLOCK, CHANGED_SIGNALS)
        try:
            self.endings.claim(groups)
            cgroup.make(groups, request.get("limits") or ())
            step = "pipe"
            reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            step = "fork"
            pid = os.fork()
            if pid == 0:
                become(request, writer, self.directory)
            os.close(writer)
        except OSError as problem:
            if step == "fork":
                os.close(reader)
                os.close(writer)
            if step != "cgroup":
                self.endings.discard(groups)
            number = problem.errno or errno.EIO
            raise RefusedError(step, number, os.strerror(number)) from None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, CHANGED_SIGNALS)
        task = Task(request["uuid"], pid, reader, groups)
        self.running[task.uuid] = self.by_pid[pid] = task
        self.memory.watch(task)
        self.loop.watch(reader, lambda _mask: self.settle(task))
        return task

    def settle(self, task: Task) -> None:
        """The pipe says whether exec worked: closed without a word means that it did."""
        if task.pipe < 0:
            return
        try:
            problem = os.read(task.pipe, 4096)
        except BlockingIOError:
            return
        self.loop.unwatch(task.pipe)
        os.close(task.pipe)
        task.pipe = -1
        if problem:
            task.failed = True
            self.running.pop(task.uuid, None)
            self.tell_start(task, {"error": json.loads(problem)})
        else:
            record = self.record(task)
            self.write(self.starts, record, lambda: self.tell_start(task, {"ok": record}))

    def reap(self) -> None:
        sessions: set[int] = set()
        found = False
        while pid := next_ended_child():
            found = True
            task = self.by_pid.get(pid)
            if task is None:
                os.waitpid(pid, 0)
                continue
            deliver(os.killpg, pid, signal.SIGKILL)  # not reaped yet: the group can be no other's
            sessions.add(pid)
            _, status, usage = os.wait4(pid, 0)
            del self.by_pid[pid]
            self.settle(task)
            self.memory.unwatch(task)
            if not task.failed:
                self.untold[task.uuid] = self.running.pop(task.uuid)
                self.endings.begin(task, {**self.record(task), **describe_exit(status, usage)})
            elif task.uuid not in self.running:  # as after another attempt, in the same groups
                self.endings.discard(task.groups)
        if found:
            self.sweep(sessions)
        self.endings.go_on()
        self.forget_starts()

    def sweep(self, ended_sessions: set[int]) -> None:
        """Kill whatever came to us, unless it belongs to a task that runs."""
        for pid in children_of(os.getpid()):
            if pid not in self.by_pid and not self.is_wanted(pid, ended_sessions):
                kill_tree(pid)

    def is_wanted(self, pid: int, ended_sessions: set[int]) -> bool:
        uuid = mark_of(pid, self.directory)
        if uuid:
            return uuid in self.running
        session = session_of(pid)
        return session in self.by_pid or (bool(self.by_pid) and session not in ended_sessions)

    def signal(self, task: Task, signum: int) -> None:
        """To all that it started; without control groups, to all that stayed in its session."""
        if not task.groups:
            signal_session(task.pid, signum)
            return
        if task.pid not in cgroup.members(task.groups):  # it is only just starting
            deliver(os.kill, task.pid, signum)
        cgroup.send(task.groups, signum)

    def kill(self, task: Task) -> None:
        """All of it; without control groups, what can be seen to descend from its main process,
        and `sweep` sees to the others.
        """
        victims = [task.pid] if task.groups else tree_of(task.pid)
        if task.groups:
            cgroup.kill(task.groups)
        deliver(os.killpg, task.pid, signal.SIGKILL)
        for pid in victims:
            deliver(os.kill, pid, signal.SIGKILL)

    # --- the end

    def stop(self, grace_s: float) -> None:
        """End all tasks; `has_stopped` says when it is done."""
        deadline = time.monotonic() + max(0.0, grace_s)
        if self.stop_at is None:
            self.stop_count = len(self.running)
            for task in self.running.values():
                if cgroup.is_frozen(cgroup.freezable(task.groups)):  # it could not hear
                    self.kill(task)
                    continue
                self.signal(task, signal.SIGTERM)
                self.signal(task, signal.SIGCONT)
            self.sweep(set())
        self.stop_at = min(deadline, self.stop_at or deadline)
        self.give_up_at = self.stop_at + UNKILLABLE_S

    def has_stopped(self) -> bool:
        if self.stop_at is None:
            return False
        now = time.monotonic()
        if now >= self.stop_at:
            for task in self.running.values():
                self.kill(task)
        return now >= self.give_up_at or not (
            self.running or self.untold or self.endings.is_busy() or children_of(os.getpid())
        )

    def look_again(self) -> bool:
        """After a moment, at what the kernel does not tell; whether there is anything."""
        self.endings.go_on()
        self.memory.look()
        return self.endings.is_busy() or bool(self.memory.suspects)


def become(request: Json, writer: int, directory: str) -> None:
    """In the forked child: turn into the task. What fails is told through the pipe."""
    step = "setsid"
    try:
        signal.set_wakeup_fd(-1)
        for signum in CHANGED_SIGNALS:
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setsid()
        step = "cgroup"
        cgroup.join(request.get("groups") or {})
        os.umask(request.get("umask", 0o022))
        step = "cwd"
        os.chdir(request["cwd"])
        step = "stdin"
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        for number, step in ((1, "stdout"), (2, "stderr")):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            os.dup2(os.open(request[step], flags, 0o600), number)
        step = "exec"
        marks = {MARK: request["uuid"], MARK_DIRECTORY: directory}
        os.execvpe(request["argv"][0], request["argv"], {**request["env"], **marks})
    except (OSError, ValueError, TypeError, KeyError, IndexError) as problem:
        number = getattr(problem, "errno", None) or errno.EINVAL
        reason = getattr(problem, "strerror", None) or str(problem)
        report = {"step": step, "errno": number, "message": reason[:1000]}
        os.write(writer, json.dumps(report).encode())
    finally:
        os._exit(127)


def next_ended_child() -> int:
    """Its pid, still a zombie so that nobody else can get that pid; 0 if there is none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return found.si_pid if found else 0


def describe_exit(status: int, usage: Any) -> Json:
    """The peak memory is never less than the launcher's own few MiB."""
    code = os.waitstatus_to_exitcode(status)
    return {
        "code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "time": time.time(),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "max_rss_bytes": usage.ru_maxrss * 1024,
    }
