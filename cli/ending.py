"""Ends what runs in a home: supervisor, daemons, launchers with their tasks, and what those lost.

A process is known by its recorded identity, or by the mark that launchers give, never by its name,
so that no stranger is ever hit. Works whatever is dead already.
"""

import fcntl
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import FairleadError
from fairlead.common.home import AgentHome, Home
from fairlead.common.processes import ProcessIdentity, identity_of, is_alive, send_signal
from fairlead.common.resources import counted

from .cluster import LET_GO, is_supervised, read_whole_record, supervisor_of

BATCH = "batch"
SUPERVISOR_S = 5.0  # what the supervisor may take to let go
DAEMON_S = 10.0  # what a daemon may take to end
TASK_GRACE_S = 5.0  # what tasks may take to end
KILLED_S = 5.0  # what a killed process may take to be gone
LAUNCHER_S = 1.0  # what a launcher that does not answer may take to end by itself


@dataclass(frozen=True, slots=True)
class Ended:
    """What `down` has to tell. Workers are the tasks of the batch framework: most stay warm for
    calls that may come, so nobody counts them among the tasks that were running.
    """

    tasks: int = 0
    workers: int = 0
    processes: int = 0
    problems: tuple[str, ...] = ()

    def __add__(self, other: "Ended") -> "Ended":
        return Ended(
            self.tasks + other.tasks,
            self.workers + other.workers,
            self.processes + other.processes,
            self.problems + other.problems,
        )

    def __str__(self) -> str:
        workers = f" and {counted(self.workers, 'worker')}" if self.workers else ""
        tasks, processes = counted(self.tasks, "running task"), counted(self.processes, "process")
        return f"ended {tasks}{workers}, stopped {processes}"


def take_down(home: Home) -> Ended:
    """End everything that runs in this home; works whatever is dead already."""
    ended = release(home)
    record = read_whole_record(home)
    daemons = [] if record is None else list(record.daemons.values())
    # Daemons may also have been started by hand; those hold the locks of what they write.
    # One may hold several.
    daemons = list(dict.fromkeys([*daemons, *holders(home).values()]))
    ended += Ended(processes=end(daemons))
    ended += end_launchers(home, agents_of(home))
    forget(home)
    return ended


def holders(home: Home) -> dict[str, ProcessIdentity]:
    """The daemons that run in this home, whoever started them, by the file that each holds."""
    files = [home.registry, *(agent.checkpoint for agent in agents_of(home))]
    files += sorted((home.path / "frameworks").glob("*.db"))
    held = {str(path.relative_to(home.path)): holder_of(path) for path in files}
    return {name: identity for name, identity in held.items() if identity is not None}


def holder_of(path: Path) -> ProcessIdentity | None:
    """Whoever has the store at this path open; its lock file names it."""
    try:
        with path.with_name(path.name + ".lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return identity_of(int(lock.read(32)))
    except (OSError, ValueError):
        pass
    return None


def forget(home: Home) -> None:
    """Remove what the daemons wrote about where they are, so that nobody looks for them there."""
    with suppress(OSError):  # a read-only home keeps them: who looks there finds nobody
        home.remove_leader()
        home.remove_cluster()
        for path in (home.path / "frameworks").glob("*.json"):
            if not path.name.endswith(".id.json"):  # who a framework is outlives the cluster
                path.unlink(missing_ok=True)


def release(home: Home) -> Ended:
    """End the supervisor, and only it, so that it starts nothing again."""
    deadline = time.monotonic() + SUPERVISOR_S
    while is_supervised(home) and not home.cluster_path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)  # it is only just starting
    record = read_whole_record(home)
    # The record may be damaged or removed; the lock is held for as long as a supervisor lives.
    known = {supervisor_of(home), record.supervisor if record is not None else None}
    living = [each for each in known if each is not None and is_alive(each)]
    for each in living:
        send_signal(each, LET_GO)
    end(wait_for_end(living, SUPERVISOR_S))
    return Ended(processes=len(living))


def end(identities: Iterable[ProcessIdentity], patience_s: float | None = None) -> int:
    """TERM all that live, KILL those that stay; says how many there were."""
    living = [identity for identity in identities if send_signal(identity, signal.SIGTERM)]
    left = wait_for_end(living, DAEMON_S if patience_s is None else patience_s)
    for identity in left:
        send_signal(identity, signal.SIGKILL)
    wait_for_end(left, KILLED_S)
    return len(living)


def wait_for_end(identities: Sequence[ProcessIdentity], patience_s: float) -> list[ProcessIdentity]:
    """Those that still live when all others have ended, or the time is up."""
    deadline = time.monotonic() + patience_s
    while True:
        left = [identity for identity in identities if is_alive(identity)]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(0.01)


def agents_of(home: Home) -> list[AgentHome]:
    """The work directories of all agents that ever ran there."""
    with suppress(FileNotFoundError):
        return [AgentHome(path) for path in sorted(home.agents.iterdir()) if path.is_dir()]
    return []


def end_launchers(home: Home, agents: Sequence[AgentHome]) -> Ended:
    """End the launchers with their tasks, all at once: each grants its tasks the same grace."""
    workers = sum(count_workers(home, agent) for agent in agents)
    ended = _end_launchers(agents)
    workers = min(workers, ended.tasks)
    return replace(ended, tasks=ended.tasks - workers, workers=workers)


def count_workers(home: Home, agent: AgentHome) -> int:
    """How many of its tasks are workers of the batch framework."""
    from fairlead.agent.orphans import find_marked
    from fairlead.frameworks.kit.identity import Identity

    with suppress(FairleadError):
        batch = Identity.of(home, BATCH).load().framework_id
        if batch and agent.path.is_dir():
            launches = {path.name for path in (agent.sandboxes / batch).glob("*/*")}
            return len(launches & find_marked(agent.path).keys())
    return 0


def _end_launchers(agents: Sequence[AgentHome]) -> Ended:
    from concurrent.futures import ThreadPoolExecutor

    from fairlead.agent.launcher_client import find_launcher

    running = [agent for agent in agents if find_launcher(agent.path) is not None]
    ended = Ended()
    if running:
        with ThreadPoolExecutor(len(running)) as threads:
            ended = sum(threads.map(_end_launcher, running), ended)
    for agent in agents:
        ended += Ended(tasks=_end_orphans(agent)) + _end_containers(agent)
        if find_launcher(agent.path) is None:
            with suppress(OSError):
                agent.launcher_socket.unlink()  # left by one that was killed
    return ended


def _end_launcher(agent: AgentHome) -> Ended:
    from fairlead.agent.launcher_client import find_launcher, shutdown_launcher

    identity = find_launcher(agent.path)
    if identity is None:
        return Ended()
    try:
        return Ended(tasks=shutdown_launcher(agent.path, TASK_GRACE_S), processes=1)
    except FairleadError as error:
        if not wait_for_end([identity], LAUNCHER_S):
            return Ended(processes=1)  # another `down` was there first, and it hung up on us
        end([identity], 0.0)
        return Ended(processes=1, problems=(str(error),))


def _end_containers(agent: AgentHome) -> Ended:
    from fairlead.agent.docker_ending import end_docker_tasks

    try:
        return Ended(tasks=end_docker_tasks(agent.path, TASK_GRACE_S))
    except FairleadError as error:
        return Ended(problems=(str(error),))


def _end_orphans(agent: AgentHome) -> int:
    """What a killed launcher left running; says how many tasks that was."""
    from fairlead.agent.cgroups import remove_all
    from fairlead.agent.orphans import find_marked, kill_orphan, kill_remains

    left = find_marked(agent.path)
    for main in left.values():
        kill_orphan(main)
    kill_remains(agent.path, left.keys())
    wait_for_end(list(left.values()), KILLED_S)
    remove_all(agent.path)
    return len(left)
