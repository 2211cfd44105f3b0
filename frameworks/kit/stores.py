"""The store of a framework whose scheduler records, opened and closed beside the loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fairlead.common.home import Home
from fairlead.common.store import Store


@asynccontextmanager
async def opened_store(home: Home, name: str) -> AsyncIterator[Store]:
    """The disk may take its time, and the loop belongs to other frameworks too."""
    path = home.path / "frameworks" / f"{name}.db"
    opening = asyncio.create_task(asyncio.to_thread(Store.open, path, "checkpoint"))
    try:
        yield await asyncio.shield(opening)
    finally:
        # Whoever is cancelled while it is opened has to let go of it all the same.
        store = await opening
        await asyncio.to_thread(store.close)
