"""The batch service in a cluster: its workers are tasks obtained through offers.

Joins the service, its scheduler and the driver in one event loop. The service keeps its port from
one life to the next, so that workers and leases outlive it. FAIRLEAD_BATCH_IDLE_S in the
environment says how long a worker that nobody needs stays warm.
"""

import asyncio
import functools
import json
import logging
import os
import uuid
from pathlib import Path

from fairlead.common.errors import ConfigError
from fairlead.common.home import Home
from fairlead.common.loopback import advertised
from fairlead.common.tls import Reach
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.identity import Identity

from .keys import service_key
from .launch import worker_task
from .locate import published_address, published_path
from .offered import OfferedWorkers
from .pool import IDLE_S
from .protocol import split_address
from .scheduler import NAME, BatchScheduler
from .service import BatchService

_log = logging.getLogger(__name__)

IDLE_VARIABLE = "FAIRLEAD_BATCH_IDLE_S"


async def host(home: Home, master: str, stop: asyncio.Event) -> int:
    """The batch framework of this home, until told to stop; an exit code."""
    idle_s = _idle_s()
    while True:
        runner, code = await _life(home, master, stop, idle_s)
        if not runner.was_removed:
            return code
        _log.warning("the framework was torn down: beginning anew")


async def _life(
    home: Home, master: str, stop: asyncio.Event, idle_s: float
) -> tuple[FrameworkRunner, int]:
    """One id's worth of it."""
    where, identity = Whereabouts(home, master), Identity.of(home, NAME)
    key, tls = service_key(home.token()), home.tls
    workers = OfferedWorkers(where)
    # Callers prove themselves by their keys: workers, beside code of users, get no certificate.
    context = tls.listening(asks_for_certificate=False) if tls else None
    service = BatchService(workers, key, idle_s=idle_s, context=context)
    address = await _listen(service, home)
    scheduler = BatchScheduler(
        address,
        uuid.uuid4().hex[:8],
        functools.partial(worker_task, address, key, tls.authority_text() if tls else ""),
        is_successor=bool(identity.load(where.cluster_id())),
    )
    runner = FrameworkRunner(scheduler, where, service=workers, identity=identity)
    workers.join(service, scheduler, runner)
    stopper = asyncio.create_task(_stop(stop, runner))
    _publish(home, address)
    try:
        return runner, await runner.run()
    finally:
        stopper.cancel()
        await workers.close()
        await service.stop()


async def _stop(stop: asyncio.Event, runner: FrameworkRunner) -> None:
    await stop.wait()
    runner.stop("told to end")


async def _listen(service: BatchService, home: Home) -> str:
    """On the port of the life before, if it is still free."""
    reach = home.reach
    try:
        if (before := published_address(home)) is not None:
            return _advertised(reach, await service.start(reach.host, split_address(before)[1]))
    except (OSError, ConfigError, ValueError) as error:
        _log.warning("cannot listen where it did before, so clients have to look: %s", error)
    return _advertised(reach, await service.start(reach.host))


def _advertised(reach: Reach, address: str) -> str:
    """Where others find what listens there."""
    return f"{advertised(reach.host, reach.advertise)}:{split_address(address)[1]}"


def _publish(home: Home, address: str) -> None:
    path = published_path(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = Path(f"{path}.draft")
    draft.write_text(json.dumps({"address": address}), encoding="utf-8")
    draft.replace(path)


def _idle_s() -> float:
    text = os.environ.get(IDLE_VARIABLE, "")
    try:
        idle_s = float(text) if text else IDLE_S
    except ValueError:
        idle_s = -1.0
    if not 0 <= idle_s < float("inf"):
        raise ConfigError(
            f"{IDLE_VARIABLE} is {text!r}, not a number of seconds",
            hint=f"leave it out for {IDLE_S:g}",
        )
    return idle_s
