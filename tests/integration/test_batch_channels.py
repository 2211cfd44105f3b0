"""Connections of the batch framework: what becomes of those that meet their listener's end."""

import asyncio
import gc
import select
import socket
import ssl
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.certificates import certificates

from fairlead.common.tls import Party, Tls, dialling_to
from fairlead.frameworks.batch.async_channel import (
    STRANGERS,
    AsyncChannel,
    ChannelListener,
)
from fairlead.frameworks.batch.frames import CONTROL_LIMIT, DATA_LIMIT, Frame
from fairlead.frameworks.batch.protocol import Kind
from fairlead.frameworks.batch.sync_channel import ServerTls, SyncChannel

KEY = b"k" * 32
PATIENCE_S = 20.0
SIZES = [1, 3_000, 10_000, 17_000, 50_000]


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


class _Collector:
    """Keeps what it hears, and answers a BIG of n bytes with three frames at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.refused: list[str] = []

    def opened(self, channel: AsyncChannel, /) -> None: ...

    def received(self, channel: AsyncChannel, frames: Sequence[Frame], /) -> None:
        for frame in frames:
            self.sizes.append(len(frame.buffers[0]))
            for number in range(3):
                channel.send(Kind.RESULT, {"number": number}, frame.buffers)

    def closed(self, channel: AsyncChannel, error: Exception | None, /) -> None: ...


@pytest.mark.parametrize("limit", [1 << 16, CONTROL_LIMIT])
@pytest.mark.parametrize("name", [Party.CLIENT, Party.FRAMEWORK])
def test_frames_of_all_sizes_travel_over_tls(tmp_path: Path, name: Party, limit: int) -> None:
    """A worker's blocking end, which has to look for what TLS has read beyond what was asked."""
    tls = Tls(certificates(tmp_path / "tls"), Party.CLIENT)
    heard = _Collector()

    def work(address: str) -> list[int]:
        trusted = ServerTls(dialling_to(tls.authority_text()), name.host)
        channel = SyncChannel.dial(
            address, KEY, "w", limit=limit, timeout_s=PATIENCE_S, tls=trusted
        )
        sizes = []
        for size in SIZES:
            channel.send(Kind.CALLS, {}, [bytes(size)])
            frames: list[Frame] = []
            while len(frames) < 3:
                assert select.select([channel], [], [], PATIENCE_S)[0], f"{size}: {len(frames)}"
                frames += channel.receive_waiting()
            sizes += [len(frame.buffers[0]) for frame in frames]
        channel.close()
        return sizes

    async def live() -> list[int]:
        context = tls.listening(asks_for_certificate=False)
        listener = ChannelListener(
            lambda _: KEY, heard, limit=DATA_LIMIT, read_size=1 << 17, context=context
        )
        try:
            return await asyncio.to_thread(work, await listener.listen())
        finally:
            await listener.stop()

    if name is Party.CLIENT:
        sizes = asyncio.run(live())
        assert sizes == [size for size in heard.sizes for _ in range(3)]
        assert heard.sizes == SIZES
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            asyncio.run(live())


def test_of_strangers_who_say_nothing_the_oldest_are_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before TLS, too; and none of them holds up the end."""
    monkeypatch.setattr("fairlead.frameworks.batch.async_channel.HANDSHAKE_S", 600.0)
    tls = Tls(certificates(tmp_path / "tls"), Party.CLIENT)

    async def live() -> None:
        listener = ChannelListener(
            lambda _: None,
            _Nobody(),
            limit=CONTROL_LIMIT,
            read_size=4096,
            context=tls.listening(asks_for_certificate=False),
        )
        host, _, port = (await listener.listen()).rpartition(":")
        loop = asyncio.get_running_loop()
        silent = [socket.create_connection((host, int(port))) for _ in range(STRANGERS + 2)]
        try:
            for each in silent[:2]:
                each.setblocking(False)
                assert not await asyncio.wait_for(loop.sock_recv(each, 1), PATIENCE_S)
            silent[2].setblocking(False)
            with pytest.raises(BlockingIOError):
                silent[2].recv(1)
            await asyncio.wait_for(listener.stop(), PATIENCE_S)
        finally:
            for each in silent:
                each.close()

    asyncio.run(live())
