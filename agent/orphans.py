"""Tasks whose launcher was killed: found by the mark in their environment, ended with all they own.

Used by `process_containerizer`, and by `fairlead down`. Nobody can learn how such a task ends.
"""

import os
import signal
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from fairlead.common.ids import LaunchUuid
from fairlead.common.processes import ProcessIdentity, identity_of, is_alive

from .launcher.tree import deliver, kill_tree, mark_of, session_of, signal_session, tree_of


def find_marked(work_dir: Path) -> dict[LaunchUuid, ProcessIdentity]:
    """The main process of each launch of this directory that lives, whoever is its parent now."""
    found = {}
    for uuid, pids in _marked(work_dir).items():
        leaders = [pid for pid in pids if session_of(pid) == pid] or pids
        identities = [each for each in map(identity_of, leaders) if each and is_alive(each)]
        if identities:
            found[uuid] = min(identities, key=lambda each: (each.start_time, each.pid))
    return found


def signal_orphan(main: ProcessIdentity, signum: int) -> None:
    """To its session, provided that it is still the same process."""
    if is_alive(main):
        signal_session(main.pid, signum)


def kill_orphan(main: ProcessIdentity) -> None:
    """With everything that can be seen to descend from it."""
    if is_alive(main):
        victims = tree_of(main.pid)  # looked for first: once it is dead, nothing does
        deliver(os.killpg, main.pid, signal.SIGKILL)
        for pid in victims:
            deliver(os.kill, pid, signal.SIGKILL)


def kill_marked(work_dir: Path, uuids: Collection[LaunchUuid]) -> None:
    """Whatever is left of these launches, wherever it went."""
    marked = _marked(work_dir) if uuids else {}
    for uuid in uuids:
        for pid in marked.get(uuid, ()):
            kill_tree(pid)


def _marked(work_dir: Path) -> dict[LaunchUuid, list[int]]:
    """By launch; other users' processes cannot be read, and cannot be ours."""
    directory = str(work_dir.resolve())
    found: dict[LaunchUuid, list[int]] = defaultdict(list)
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            uuid = mark_of(int(entry.name), directory)
            if uuid:
                found[LaunchUuid(uuid)].append(int(entry.name))
    return found
