"""A local cluster as its home tells of it: who runs there, and whether anybody does.

`up` and its supervisor write the record; `down`, `status` and the clients of a home read it.
`start_embedded` is for programs that want a cluster of their own for a while.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError, FairleadError
from fairlead.common.home import Home
from fairlead.common.processes import ProcessIdentity, identity_of

END_S = 30.0
LET_GO = signal.SIGUSR1
"""Tells the supervisor to leave without ending anything: somebody else is about to."""


@dataclass(frozen=True, slots=True)
class Record:
    """cluster.json: the supervisor, the port that all restarts keep, and the daemons."""

    supervisor: ProcessIdentity
    port: int
    started_at: float
    agents: tuple[str, ...] = ()
    daemons: Mapping[str, ProcessIdentity] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return {
            "supervisor": self.supervisor.to_json(),
            "port": self.port,
            "started_at": self.started_at,
            "agents": list(self.agents),
            "daemons": {name: identity.to_json() for name, identity in self.daemons.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Record":
        daemons = {
            str(name): ProcessIdentity.from_json(identity)
            for name, identity in dict(value["daemons"]).items()
        }
        return cls(
            ProcessIdentity.from_json(value["supervisor"]),
            int(value["port"]),
            float(value["started_at"]),
            tuple(str(name) for name in value["agents"]),
            daemons,
        )


def read_record(home: Home) -> Record | None:
    """Of the cluster that runs there, or ran there and was not ended properly."""
    fields = home.read_cluster()
    if fields is None:
        return None
    try:
        return Record.from_json(fields)
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            f"{home.cluster_path} is damaged",
            hint="end what runs and start it again: fairlead down; fairlead up",
        ) from None


def read_whole_record(home: Home) -> Record | None:
    """The same, but a damaged one is as good as none."""
    try:
        return read_record(home)
    except ConfigError:
        return None


# --- the one supervisor of a home


def take_lock(home: Home) -> int | None:
    """A descriptor that holds the home's lock, or None while another supervisor has it.

    The lock ends with the last process that holds the descriptor, however that process ends.
    """
    return _locked(home, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)


def is_supervised(home: Home) -> bool:
    """Whether a supervisor holds the home now."""
    try:
        # So opened, it can be asked for where nothing can be written, too.
        descriptor = _locked(home, os.O_RDONLY, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _locked(home: Home, mode: int, lock: int) -> int | None:
    """Its lock file, opened so and locked; None while somebody else has the lock."""
    path = _lock_of(home)
    try:
        descriptor = os.open(path, mode | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot open {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def sign_lock(descriptor: int) -> None:
    """The supervisor names itself in the lock, for when the record is damaged or gone."""
    identity = identity_of(os.getpid())
    assert identity is not None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(identity.to_json()).encode(), 0)


def supervisor_of(home: Home) -> ProcessIdentity | None:
    """Whoever signed the lock last; it may have ended."""
    try:
        return ProcessIdentity.from_json(json.loads(_lock_of(home).read_bytes()))
    except (OSError, ValueError):
        return None


def _lock_of(home: Home) -> Path:
    return home.path / "cluster.lock"


# --- a cluster for one program


class Embedded:
    """A cluster in a home of its own, which ends and is removed with `stop`, or with its owner.

    The owner holds a pipe: when that is closed, for whatever reason, the cluster ends itself.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", home: Path, address: str) -> None:
        self._process = process
        self.home = home
        self.address = address
        _embedded.add(self)

    def let_go(self) -> None:
        """In a forked copy of the owner: the pipe is the original's, and closes with that."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """End it, and return when nothing is left."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:  # its supervisor notices, and ends the rest
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


_embedded: weakref.WeakSet[Embedded] = weakref.WeakSet()


def _let_all_go() -> None:
    for each in list(_embedded):
        each.let_go()
    _embedded.clear()


os.register_at_fork(after_in_child=_let_all_go)


def start_embedded(*options: str) -> Embedded:
    """A cluster of one agent, unless `options` (those of `fairlead up`) say otherwise."""
    process = subprocess.Popen(
        python("up", "--embedded", *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for its owner, who then stops it
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        answer = json.loads(line)
        return Embedded(process, Path(answer["home"]), str(answer["address"]))
    except (ValueError, KeyError, TypeError):
        process.communicate()
        raise FairleadError(
            f"no local cluster could be started for this program (exit code {process.returncode})",
            hint="what went wrong stands above; start one by hand: fairlead up --detach",
        ) from None


def python(*arguments: str) -> tuple[str, ...]:
    """The argv of this same command, whatever lies in the current directory (-P)."""
    return (sys.executable, "-P", "-m", "fairlead.cli", *arguments)
