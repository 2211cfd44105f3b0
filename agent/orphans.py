"""Tasks whose launcher was killed: found by their mark or control groups, ended with all they own.

Used by `process_containerizer`, and by `fairlead down`. Nobody can learn how such a task ends.
"""

import os
import signal
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from fairlead.common.ids import LaunchUuid
from fairlead.common.processes import ProcessIdentity, identity_of, is_alive

from .cgroups import end_groups, find_groups
from .containerizer import ContainerExit
from .launcher import cgroup
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


def signal_orphan(work_dir: Path, uuid: LaunchUuid, main: ProcessIdentity, signum: int) -> None:
    """To its control groups; else to its session, provided that it is still the same process."""
    groups = find_groups(work_dir, uuid)
    if groups:
        cgroup.send(groups, signum)
    elif is_alive(main):
        signal_session(main.pid, signum)


def kill_orphan(main: ProcessIdentity) -> None:
    """With everything that can be seen to descend from it."""
    if is_alive(main):
        victims = tree_of(main.pid)  # looked for first: once it is dead, nothing does
        deliver(os.killpg, main.pid, signal.SIGKILL)
        for pid in victims:
            deliver(os.kill, pid, signal.SIGKILL)


def kill_remains(work_dir: Path, uuids: Collection[LaunchUuid]) -> None:
    """Whatever is left of these launches, wherever it went."""
    marked = _marked(work_dir) if uuids else {}
    for uuid in uuids:
        cgroup.kill(find_groups(work_dir, uuid))
        for pid in marked.get(uuid, ()):
            kill_tree(pid)


def end_remains(work_dir: Path, uuids: Collection[LaunchUuid]) -> dict[LaunchUuid, ContainerExit]:
    """The same, and then their control groups; what these say of launches nobody saw end."""
    kill_remains(work_dir, uuids)
    used = {uuid: end_groups(work_dir, uuid) for uuid in uuids}
    return {uuid: ContainerExit(uuid, **used[uuid]) for uuid in uuids}


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
