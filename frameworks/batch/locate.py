"""Where an Executor finds the batch service, and the key that opens it."""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fairlead.common import clock
from fairlead.common.dataclass import dataclass
from fairlead.common.errors import (
    ConfigError,
    FairleadError,
    UnauthenticatedError,
    UnavailableError,
)
from fairlead.common.home import Home
from fairlead.common.processes import ProcessIdentity, is_alive
from fairlead.common.tls import Reach, Tls

from .keys import service_key
from .protocol import split_address

START_S = 20.0
"""A cluster that is being started serves batch calls by then, or something is wrong."""
ASK_S = 20.0
LOOK_S = 0.01
_KINDS = {kind.__name__: kind for kind in (ConfigError, UnauthenticatedError, UnavailableError)}


def _nothing() -> None:
    """There is nothing to stop."""


@dataclass(frozen=True, slots=True)
class Service:
    """A batch service that can be dialled; `stop` ends what was started for its sake."""

    address: str
    key: bytes
    home: Home | None = None
    """Where the address was read; None if a master told it."""
    stop: Callable[[], None] = _nothing
    tls: Tls | None = None

    def again(self) -> "Service":
        """The same service, perhaps restarted elsewhere: it keeps its port if it can."""
        address = self.home and published_address(self.home)
        return replace(self, address=address) if address else self


def service_for(master: str | None) -> Service:
    """That of the cluster whose master is named, of the running local one, or an embedded one."""
    home = Home.find()
    if named := master or os.environ.get("FAIRLEAD_MASTER"):
        return _service_of(named, home)
    is_running = _is_running(home)
    if is_running is False:
        return start_embedded_cluster()
    address = _await_address(home) if is_running else published_address(home)
    if address is None:
        return start_embedded_cluster()
    return Service(address, service_key(home.token()), home, tls=home.tls)


def _service_of(master: str, home: Home) -> Service:
    """Ask a master. Another process does, so that ours, which may fork, need not import grpc."""
    try:
        split_address(master)
    except ValueError as error:
        raise ConfigError(
            f"{master!r} is not the address of a master", hint="write address='127.0.0.1:5050'"
        ) from error
    asked = subprocess.run(
        (sys.executable, "-P", "-m", "fairlead.frameworks.batch.ask", str(home.path), master),
        capture_output=True,
        text=True,
        timeout=ASK_S,
        check=False,
    )
    try:
        answer = json.loads(asked.stdout)
    except ValueError:
        raise FairleadError(f"cannot ask the master at {master}: {asked.stderr}") from None
    if "address" not in answer:
        raise _KINDS.get(answer["kind"], FairleadError)(answer["error"], hint=answer["hint"])
    return Service(answer["address"], service_key(home.token()), tls=home.tls)


def _is_running(home: Home) -> bool | None:
    """Whether the cluster of this home does; None if nobody supervises it."""
    cluster = home.read_cluster()
    if cluster is None:  # its daemons may have been started one by one
        return None
    try:
        return is_alive(ProcessIdentity.from_json(cluster["supervisor"]))
    except (KeyError, TypeError, ValueError):
        return None


def _await_address(home: Home) -> str:
    """The cluster may only just be starting."""
    deadline = clock.monotonic() + START_S
    while (address := published_address(home)) is None:
        if clock.monotonic() > deadline:
            raise UnavailableError(
                f"the cluster in {home.path} has no batch service after {START_S:g} s",
                hint=f"look into {home.log('frameworks')}",
            )
        time.sleep(LOOK_S)
    return address


def published_path(home: Home) -> Path:
    """The file in which the service of a home says where it is."""
    return home.path / "frameworks" / "batch.json"


def published_address(home: Home) -> str | None:
    """What the service of the cluster in `home` wrote about itself; None if there is none."""
    path = published_path(home)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return str(fields["address"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"cannot read where the batch service is from {path}: {error}",
            hint="start the cluster again: fairlead down; fairlead up",
        ) from error


def start_embedded_cluster() -> Service:
    """Start a cluster for this process alone; its `stop` ends it."""
    # The arrows point from the command to the frameworks. This one call goes the other way, at
    # run time: a cluster is the command's to start.
    cluster = importlib.import_module("fairlead.cli.cluster").start_embedded()
    home = Home(cluster.home, Reach(Tls.find()))
    try:
        address = _await_address(home)
    except FairleadError:
        cluster.stop()
        raise
    return Service(address, service_key(home.token()), home, cluster.stop, home.tls)
