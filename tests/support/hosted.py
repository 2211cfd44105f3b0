"""A built-in framework hosted in the test's own process, beside a served master, and its client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.fake_master import ServedMaster, ends
from tests.support.sessions import TOKEN

from fairlead.common.client import Client, connect
from fairlead.common.home import Home
from fairlead.common.messages import Subscribe
from fairlead.frameworks.host import host_all


@asynccontextmanager
async def hosting(name: str, home: Home) -> AsyncIterator["asyncio.Task[int]"]:
    """Told to stop at the end."""
    stop = asyncio.Event()
    hosted = asyncio.create_task(host_all([name], home, "", stop))
    try:
        yield hosted
    finally:
        stop.set()
        assert await ends(hosted) == 0


@asynccontextmanager
async def client_of(master: ServedMaster, lives: int = 1) -> AsyncIterator[Client]:
    """Of the framework, at the address that its latest Subscribe told the master."""
    subscribes = await master.hears(Subscribe, lives)
    async with connect(subscribes[-1].framework.address, TOKEN) as client:
        yield client
