"""Connections of the batch framework: what becomes of those that meet their listener's end."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Sequence

import pytest

from fairlead.frameworks.batch.async_channel import AsyncChannel, ChannelListener
from fairlead.frameworks.batch.frames import CONTROL_LIMIT, Frame


class _Nobody:
    def opened(self, channel: AsyncChannel, /) -> None: ...
    def received(self, channel: AsyncChannel, frames: Sequence[Frame], /) -> None: ...
    def closed(self, channel: AsyncChannel, error: Exception | None, /) -> None: ...


@pytest.mark.parametrize("turns", range(6))
def test_whoever_is_being_accepted_at_the_end_is_hung_up_on(turns: int) -> None:
    async def live() -> None:
        listener = ChannelListener(lambda _: None, _Nobody(), limit=CONTROL_LIMIT, read_size=4096)
        host, _, port = (await listener.listen()).rpartition(":")
        with socket.create_connection((host, int(port))):
            for _ in range(turns):
                await asyncio.sleep(0)
            await listener.stop()

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        asyncio.run(live())
        gc.collect()
    assert not seen, [str(each.message) for each in seen]
