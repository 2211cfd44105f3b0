"""Hostile bytes to a real master and a real agent over gRPC: whoever says them loses that session
or that call, with a reason, and a bystander goes on (M37). The wide net is in `tests/fuzz`.
"""

import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.fuzz.raw import nested
from tests.support.daemons import Daemons, daemons_of
from tests.support.sessions import Ears, run, until

from fairlead.common import rpc, wire
from fairlead.common.client import connect
from fairlead.common.ids import CallId, FrameworkId, Role, TaskId
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    CallResult,
    Code,
    FrameworkMessage,
    Heartbeat,
    Hello,
    Kill,
    MasterToFramework,
    OffersMade,
    Reconcile,
    Subscribe,
    Subscribed,
)
from fairlead.common.operators import AgentState, OperatorCall, SetWeight
from fairlead.common.rpc import AGENT_SESSION, FRAMEWORK_SESSION, OPERATE, READ_LOG
from fairlead.common.values import FrameworkInfo

MIB = 1024**2
GOOD = FRAMEWORK_SESSION.to_server.encode(FrameworkMessage(Heartbeat(1)))
UNREADABLE = {
    "garbage": (b"\xff" * 20, "cannot read a"),
    "cut": (GOOD[:-1], "cannot read a"),
    "deep": (GOOD + nested(), "cannot read a"),
    "5-mib": (bytes(5 * MIB), "exceeds the limit"),
    "17-mib": (bytes(17 * MIB), "larger than max"),
}


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """One cluster for all: nothing that is said here harms it."""
    path: Path = tmp_path_factory.mktemp("h")
    with daemons_of(path) as found:
        found.master()
        found.agent("a1", "--cpus", "2")
        yield found


class Bystander:
    """A framework that holds an offer, and asks whether it is still heard."""

    def __init__(self) -> None:
        self.ears = Ears()
        self.calls = 0
        self.session: Any = None

    async def subscribes(self, client: Any) -> None:
        self.session = client.dial(FRAMEWORK_SESSION, self.ears.callbacks)
        info = FrameworkInfo(FrameworkId(""), "bystander", roles=(Role("default"),))
        hello = Hello(PROTOCOL_VERSION, "test", uuid.uuid4().hex, 1)
        self.session.send(FrameworkMessage(Subscribe(hello, info), CallId("s")))
        await until(lambda: self.bodies(Subscribed), "to be subscribed")

    def bodies(self, kind: type) -> list[Any]:
        heard: list[MasterToFramework] = self.ears.heard
        return [each.body for each in heard if isinstance(each.body, kind)]

    async def is_heard(self) -> None:
        self.calls += 1
        call_id = CallId(f"c{self.calls}")
        self.session.send(FrameworkMessage(Reconcile(), call_id))
        ok = CallResult(call_id, Code.OK)
        await until(lambda: ok in self.bodies(CallResult), "the bystander to be answered")
        assert not self.ears.closed


async def _say(address: str, token: str, path: str, data: bytes) -> tuple[Any, str]:
    """On a session of its own; how it ended."""
    options = [("grpc.max_send_message_length", -1)]
    channel: Any
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call = channel.stream_stream(path)(metadata=_with(token))
        try:
            await call.write(data)
            while await call.read() is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError:
            pass
        return await call.code(), await call.details()


async def _ask(address: str, token: str, path: str, data: bytes) -> tuple[Any, str]:
    """One call, of either kind; how it was refused."""
    options = [("grpc.max_send_message_length", -1)]
    channel: Any
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stream = path == READ_LOG.path
        method = channel.unary_stream(path) if stream else channel.unary_unary(path)
        call = method(data, metadata=_with(token), timeout=20)
        return await call.code(), await call.details()


def _with(token: str) -> tuple[tuple[str, str], ...]:
    return ((rpc.AUTHORIZATION, f"Bearer {token}"),)


def _beside_a_bystander(
    daemons: Daemons, hostile: Callable[[str, str], Awaitable[None]], address: str = ""
) -> None:
    token = daemons.home.token()
    master = daemons.address()

    async def scenario() -> None:
        async with connect(master, token) as client:
            bystander = Bystander()
            await bystander.subscribes(client)
            await until(lambda: bystander.bodies(OffersMade), "an offer for the bystander")
            await hostile(address or master, token)
            await bystander.is_heard()
            bystander.session.close(Code.OK)

    run(scenario)
    assert daemons.lives("master")
    assert daemons.lives("a1")
    assert daemons.agents()["a1"].state is AgentState.CONNECTED


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("path", [FRAMEWORK_SESSION.path, AGENT_SESSION.path])
def test_m37_what_cannot_be_read_ends_that_session_alone(
    daemons: Daemons, path: str, kind: str
) -> None:
    data, expected = UNREADABLE[kind]

    async def hostile(address: str, token: str) -> None:
        code, details = await _say(address, token, path, data)
        assert code is not grpc.StatusCode.OK
        assert expected in details

    _beside_a_bystander(daemons, hostile)


@pytest.mark.parametrize("kind", [kind for kind in UNREADABLE if kind != "5-mib"])
@pytest.mark.parametrize("to", ["master", "agent"])
def test_m37_what_cannot_be_read_refuses_that_call_alone(
    daemons: Daemons, to: str, kind: str
) -> None:
    data, expected = UNREADABLE[kind]
    address = daemons.agents()["a1"].agent.address if to == "agent" else ""
    path = READ_LOG.path if to == "agent" else OPERATE.path

    async def hostile(address: str, token: str) -> None:
        code, details = await _ask(address, token, path, data)
        assert code is not grpc.StatusCode.OK
        assert expected in details

    _beside_a_bystander(daemons, hostile, address)


def test_m37_a_field_that_may_not_be_so_is_named(daemons: Daemons) -> None:
    async def hostile(address: str, token: str) -> None:
        bad = OperatorCall(SetWeight(Role("a"), float("nan")))
        code, details = await _ask(address, token, OPERATE.path, wire.encode(bad))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "set_weight.weight" in details
        async with connect(address, token) as client:
            rude = Bystander()
            await rude.subscribes(client)
            rude.session.send(FrameworkMessage(Kill(TaskId("../t")), CallId("k")))
            await until(lambda: rude.bodies(CallResult), "the refusal")
            refusal = rude.bodies(CallResult)[-1]
            assert (refusal.code, refusal.field) == (Code.INVALID, "kill.task_id")
            await rude.is_heard()

    _beside_a_bystander(daemons, hostile)
