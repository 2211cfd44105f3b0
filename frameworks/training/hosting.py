"""The training framework in a cluster: its scheduler, driver, service and store in one loop."""

import asyncio
import time
import uuid

from fairlead.common import clock, records
from fairlead.common.home import Home
from fairlead.common.jobs import JobRecord
from fairlead.common.store import Store
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.identity import Identity
from fairlead.frameworks.kit.stores import opened_store

from .events import KEY, TrainingSettings
from .methods import NAME
from .options import TrainingOptions, read_options
from .scheduler import TrainingScheduler
from .service import TrainingService

KINDS = {KEY.rstrip("/"): JobRecord}


async def host(home: Home, master: str, stop: asyncio.Event) -> int:
    """Run the framework until told to stop; begin anew if an operator tears it down."""
    options = read_options(home)
    async with opened_store(home, NAME) as store:
        while True:
            runner, code = await _life(home, master, stop, store, options)
            if not runner.was_removed:
                return code


async def _life(
    home: Home, master: str, stop: asyncio.Event, store: Store, options: TrainingOptions
) -> tuple[FrameworkRunner, int]:
    """One id's worth of it."""
    instance_uuid = uuid.uuid4().hex
    where, identity = Whereabouts(home, master), Identity.of(home, NAME)
    is_successor = bool(identity.load(where.cluster_id()))
    rows = await asyncio.to_thread(store.load)
    kept = records.decode(rows, KINDS, f"the store of {NAME}")
    service = TrainingService(home, options)
    scheduler = TrainingScheduler.restore(
        instance_uuid,
        options.checkpoints,
        kept,
        TrainingSettings(slice_s=options.slice_s),
        address=await service.start(),
        wall_offset_s=time.time() - clock.monotonic(),
        role=NAME,
        is_successor=is_successor,
    )
    runner = FrameworkRunner(
        scheduler,
        where,
        instance_uuid=instance_uuid,
        service=service,
        identity=identity,
        store=store,
    )
    service.attach(scheduler, runner)
    stopping = asyncio.create_task(_stop_when(stop, runner))
    try:
        return runner, await runner.run()
    finally:
        stopping.cancel()
        await service.stop()


async def _stop_when(stop: asyncio.Event, runner: FrameworkRunner) -> None:
    await stop.wait()
    runner.stop("the host ends")
