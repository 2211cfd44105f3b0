"""Where an Executor finds the batch service, and the key that opens it."""

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from fairlead.common import clock
from fairlead.common.errors import ConfigError
from fairlead.common.home import Home
from fairlead.common.processes import ProcessIdentity, is_alive

from .keys import service_key

START_S = 20.0
"""An embedded cluster serves batch calls by then, or something is wrong."""


def _nothing() -> None:
    """There is nothing to stop."""


@dataclass(frozen=True, slots=True)
class Service:
    """A batch service that can be dialled; `stop` ends what was started for its sake."""

    address: str
    key: bytes
    home: Home | None = None
    """Where the address was read; None if the caller gave it."""
    stop: Callable[[], None] = _nothing

    def again(self) -> "Service":
        """The same service, perhaps restarted elsewhere."""
        address = self.home and published_address(self.home)
        return replace(self, address=address) if address else self


def service_for(address: str | None) -> Service:
    """The service at `address`, or that of the running local cluster, or an embedded one."""
    home = Home.find()
    if address is not None:
        return Service(address, service_key(home.token()))
    address = published_address(home)
    if address is None or _is_abandoned(home):
        return start_embedded_cluster()
    return Service(address, service_key(home.token()), home)


def _is_abandoned(home: Home) -> bool:
    """Whether a local cluster ran here and died without tidying up, as in a reboot."""
    cluster = home.read_cluster()
    if cluster is None:  # its daemons were started one by one, or by another supervisor
        return False
    try:
        return not is_alive(ProcessIdentity.from_json(cluster["supervisor"]))
    except (KeyError, TypeError, ValueError):
        return False


def published_address(home: Home) -> str | None:
    """What the service of the cluster in `home` wrote about itself; None if there is none."""
    path = home.path / "frameworks" / "batch.json"
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
    home = Home(cluster.home)
    deadline = clock.monotonic() + START_S
    while (address := published_address(home)) is None:
        if clock.monotonic() > deadline:
            cluster.stop()
            raise ConfigError(f"the embedded cluster had no batch service after {START_S:g} s")
        time.sleep(0.01)
    return Service(address, service_key(home.token()), home, cluster.stop)
