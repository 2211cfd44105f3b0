"""A framework that says more than the master can hear: it waits, and nobody else does."""

import asyncio
import time
from pathlib import Path

from tests.support.sessions import Ears, run, until

from fairlead.common.client import Client, connect
from fairlead.common.home import Home
from fairlead.common.ids import FrameworkId
from fairlead.common.loop import BREATH, MOST_WAITING
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    FrameworkMessage,
    Heartbeat,
    Hello,
    MasterToFramework,
    Subscribe,
    Subscribed,
)
from fairlead.common.rpc import FRAMEWORK_SESSION
from fairlead.common.session import Session
from fairlead.common.values import FrameworkInfo
from fairlead.master.server import MasterServer
from fairlead.master.settings import MasterSettings

BEATS = 200_000
SLACK = 10
"""Sessions open and close whether there is room or not."""


def subscribes(client: Client, name: str) -> tuple[Session, Ears]:
    ears = Ears()
    session = client.dial(FRAMEWORK_SESSION, ears.callbacks)
    info = FrameworkInfo(FrameworkId(""), name)
    session.send(FrameworkMessage(Subscribe(Hello(PROTOCOL_VERSION, "test", name, 1), info)))
    return session, ears


def is_subscribed(ears: Ears) -> bool:
    said = (each.body for each in ears.heard if isinstance(each, MasterToFramework))
    return any(isinstance(body, Subscribed) for body in said)


async def flood(session: Session) -> None:
    beat = FrameworkMessage(Heartbeat(1))
    for number in range(BEATS):
        session.send(beat)
        if number % 500 == 0:
            await asyncio.sleep(0)
        while session.queued > 20_000:  # noqa: ASYNC110 - nothing tells when it is written
            await asyncio.sleep(0.001)


async def most_waiting(master: MasterServer) -> int:
    """Looked at again and again, until cancelled."""
    most = 0
    try:
        while True:
            most = max(most, master.waiting)
            await asyncio.sleep(0.0005)  # without a rest gRPC's own thread would have none
    except asyncio.CancelledError:
        return most


async def floods(master: MasterServer, client: Client) -> None:
    noisy, noisy_ears = subscribes(client, "noisy")
    await until(lambda: is_subscribed(noisy_ears), "the noisy one's welcome")
    watching = asyncio.create_task(most_waiting(master))
    flooding = asyncio.create_task(flood(noisy))
    await until(lambda: master.waiting >= MOST_WAITING // 2, "a master that is behind")
    began = time.monotonic()
    quiet, quiet_ears = subscribes(client, "quiet")
    await until(lambda: is_subscribed(quiet_ears), "the quiet one's welcome")
    assert not flooding.done() or noisy.queued or master.waiting, "the flood is over: no proof"
    assert time.monotonic() - began < 10
    await flooding
    await until(lambda: not noisy.queued and not master.waiting, "the end of the flood", 40)
    watching.cancel()
    assert MOST_WAITING - BREATH <= await watching <= MOST_WAITING + SLACK, "looked at in between"
    assert not noisy.closed, "who says much is slowed, not ended"
    quiet.send(FrameworkMessage(Heartbeat(2)))
    assert not quiet.closed


def test_a_flood_fills_no_more_than_the_bound_and_others_are_answered(fairlead_home: Path) -> None:
    async def scenario() -> None:
        home = Home(fairlead_home)
        home.ensure()
        home.make_token()
        master = await MasterServer.open(home, 0, MasterSettings())
        serving = asyncio.create_task(master.run())
        try:
            await until(lambda: home.read_leader() is not None, "a master that leads")
            leader = home.read_leader()
            assert leader is not None
            async with connect(leader.address, home.token()) as client:
                await floods(master, client)
        finally:
            master.stop()
            await serving

    run(scenario)
