"""The home of a local cluster: which file lies where, and how each is kept private and whole.

The command, the daemons and the drivers find one another through it, and it knows how far they
reach: this machine, or others over TLS. What the files of an
agent or the registry hold is their owners' business.
"""

import json
import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .dataclass import dataclass
from .errors import ConfigError
from .tls import Reach, Tls


@dataclass(frozen=True, slots=True)
class Leader:
    """Where the leading master listens."""

    address: str
    epoch: int
    cluster_id: str


@dataclass(frozen=True, slots=True)
class AgentHome:
    """The work directory of one agent."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.db"

    @property
    def launcher_socket(self) -> Path:
        return self.path / "launcher.sock"

    @property
    def sandboxes(self) -> Path:
        return self.path / "sandboxes"

    @property
    def removed(self) -> Path:
        """It is there once an operator has marked the agent gone: its name is used up."""
        return self.path / "removed"

    def sandbox(self, framework_id: str, task_id: str, launch_uuid: str) -> Path:
        return self.sandboxes / framework_id / task_id / launch_uuid


class Home:
    """The state directory of a local cluster: readable by its owner alone."""

    def __init__(self, path: str | os.PathLike[str], reach: Reach | None = None) -> None:
        self.path = Path(path).expanduser().absolute()
        self.reach = reach or Reach()

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """The home that the environment names, or the default one."""
        reach = Reach(Tls.find(environment=environment))
        if named := environment.get("FAIRLEAD_HOME"):
            return cls(named, reach)
        base = Path(environment.get("XDG_STATE_HOME", ""))
        if not base.is_absolute():  # the XDG specification says to ignore it then
            base = Path("~/.local/state")
        return cls(base / "fairlead", reach)

    @property
    def tls(self) -> Tls | None:
        return self.reach.tls

    @property
    def token_path(self) -> Path:
        """That which came with the certificates, if one did."""
        if self.tls is not None and self.tls.token.exists():
            return self.tls.token
        return self.path / "token"

    @property
    def cluster_path(self) -> Path:
        return self.path / "cluster.json"

    @property
    def leader_path(self) -> Path:
        return self.path / "leader.json"

    @property
    def master(self) -> Path:
        return self.path / "master"

    @property
    def registry(self) -> Path:
        return self.master / "registry.db"

    @property
    def agents(self) -> Path:
        return self.path / "agents"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def agent(self, name: str) -> AgentHome:
        return AgentHome(self.agents / name)

    def log(self, daemon: str) -> Path:
        return self.logs / f"{daemon}.log"

    def ensure(self) -> None:
        """Make the directories that are missing; refuse a home that others could read or own."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
            _check_private(self.path)
            for directory in (self.master, self.agents, self.logs):
                directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot use {self.path} as home: {error.strerror}",
                hint="set FAIRLEAD_HOME to a directory of your own",
            ) from error

    def token(self) -> str:
        """The secret that every call carries."""
        try:
            with self.token_path.open(encoding="ascii", errors="replace") as file:
                _check_private(self.token_path, os.fstat(file.fileno()))
                token = file.read().strip()
        except FileNotFoundError:
            raise ConfigError(
                f"there is no cluster in {self.path} (no token)", hint="start one: fairlead up"
            ) from None
        except OSError as error:
            raise ConfigError(f"cannot read {self.token_path}: {error.strerror}") from error
        if not token or not token.isascii() or not token.isprintable():
            raise ConfigError(
                f"{self.token_path} holds no usable token",
                hint=f"have a new one made: fairlead down; rm {self.token_path}; fairlead up",
            )
        return token

    def make_token(self) -> str:
        """The token; made now if there is none. Of two that make one at once, both get the same."""
        if not self.token_path.exists():
            draft = _write_draft(self.token_path, os.urandom(32).hex() + "\n")
            try:
                # Unlike a rename, a link never replaces the token that another made meanwhile.
                os.link(draft, self.token_path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return self.token()

    def write_leader(self, leader: Leader) -> None:
        write_json(self.leader_path, asdict(leader))

    def read_leader(self) -> Leader | None:
        """Where the master is, or was when it last led; None if none ever did."""
        fields = _read_json(self.leader_path)
        if fields is None:
            return None
        try:
            return Leader(str(fields["address"]), int(fields["epoch"]), str(fields["cluster_id"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(self.leader_path) from error

    def remove_leader(self) -> None:
        self.leader_path.unlink(missing_ok=True)

    def write_cluster(self, cluster: Mapping[str, object]) -> None:
        write_json(self.cluster_path, cluster)

    def read_cluster(self) -> dict[str, Any] | None:
        """What `fairlead up` wrote about the cluster it runs; None if it runs none."""
        return _read_json(self.cluster_path)

    def remove_cluster(self) -> None:
        self.cluster_path.unlink(missing_ok=True)


def _check_private(path: Path, found: os.stat_result | None = None) -> None:
    found = found or path.stat()
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to {_user(found.st_uid)}, not to {_user(os.geteuid())}",
            hint="set FAIRLEAD_HOME to a directory of your own",
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        wanted = 0o700 if stat.S_ISDIR(found.st_mode) else 0o600
        raise ConfigError(
            f"{path} is open to other users (mode {mode:04o})",
            hint=f"close it: chmod {wanted:o} {path}",
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _write_draft(path: Path, text: str) -> Path:
    """A private, complete file beside `path`, to be put in its place in one step."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):  # half of it helps nobody, and a full disk least
            draft.unlink()
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    return draft


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """In one step, and durable."""
    draft = _write_draft(path, json.dumps(value, indent=2) + "\n")
    draft.replace(path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}",
            hint="it is another user's; name a home of your own: --home DIR or FAIRLEAD_HOME",
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise _unusable(path) from error
    if not isinstance(value, dict):
        raise _unusable(path)
    return value


def _unusable(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is damaged", hint="end the cluster and start it again: fairlead down; fairlead up"
    )
