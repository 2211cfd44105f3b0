"""Real calls on loopback: nobody without the token, answers as values, errors as themselves."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.support.certificates import certificates
from tests.support.sessions import (
    TOKEN,
    Raw,
    beat,
    run,
    until,
    world,
)

from fairlead.common import rpc, wire
from fairlead.common.client import SyncClient, connect, connect_sync
from fairlead.common.errors import (
    ConfigError,
    FairleadError,
    InvalidFieldError,
    NotFoundError,
    NotLeaderError,
    UnauthenticatedError,
    UnavailableError,
)
from fairlead.common.ids import CallId, FrameworkId, TaskId
from fairlead.common.messages import CallResult, Code, MasterToFramework
from fairlead.common.operators import (
    LogChunk,
    LogQuery,
    OperatorCall,
    OperatorReply,
    StateQuery,
    StateReply,
    TeardownFramework,
)
from fairlead.common.server import Server
from fairlead.common.session import Callbacks, Limits, Session
from fairlead.common.tls import Party, Reach, Tls

ORDER = OperatorCall(TeardownFramework(FrameworkId("f")))


# --- the token


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((), "this call carries no token"),
        (((rpc.AUTHORIZATION, "Bearer wrong"),), "the token of this call is wrong"),
        (((rpc.AUTHORIZATION, TOKEN),), "the token of this call is wrong"),
        (((rpc.AUTHORIZATION, ""),), "the token of this call is wrong"),
    ],
)
def test_without_the_token_no_call_of_any_kind_is_let_in(metadata: Any, expected: str) -> None:
    async def scenario() -> None:
        async with world() as here:
            here.server.add_call(rpc.OPERATE, unreachable)
            here.server.add_stream(rpc.WATCH_STATE, unreachable)
            channel: Any
            async with grpc.aio.insecure_channel(here.address) as channel:
                calls: list[Any] = [
                    channel.unary_unary(rpc.OPERATE.path)(b"", metadata=metadata),
                    channel.unary_stream(rpc.WATCH_STATE.path)(b"", metadata=metadata),
                    channel.stream_stream(rpc.FRAMEWORK_SESSION.path)(metadata=metadata),
                    channel.unary_unary("/no.such/Method")(b"", metadata=metadata),
                ]
                for call in calls:
                    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
                    assert await call.details() == expected
            assert not here.sessions

    run(scenario)


def unreachable(_: object) -> Any:
    raise AssertionError("a call without the token got through")


def test_our_own_clients_say_which_token_to_use() -> None:
    async def scenario() -> None:
        async with world() as here, connect(here.address, "wrong") as client:
            with pytest.raises(UnauthenticatedError, match="token of this call is wrong") as caught:
                await client.call(rpc.OPERATE, ORDER)
            assert "FAIRLEAD_HOME" in caught.value.hint
            _, ears = here.dial(client)
            await until(lambda: ears.closed, "the session to be refused")
            assert ears.closed == [(Code.UNAUTHENTICATED, "the token of this call is wrong")]

    run(scenario)


# --- questions and streams


def test_an_answer_comes_back_as_a_value_or_as_bytes_made_before() -> None:
    state = StateReply(version=3, epoch=1, cluster_id="c")

    async def operate(call: OperatorCall) -> OperatorReply:
        return OperatorReply(CallResult(call.call_id, Code.OK), version=7)

    async def get_state(_: StateQuery) -> bytes:
        return wire.encode(state)

    async def scenario() -> None:
        async with world() as here:
            here.server.add_call(rpc.OPERATE, operate)
            here.server.add_call(rpc.GET_STATE, get_state)
            async with connect(here.address, TOKEN) as client:
                assert (await client.call(rpc.OPERATE, ORDER)).version == 7
                assert await client.call(rpc.GET_STATE, StateQuery()) == state

            def blocking() -> None:
                with connect_sync(here.address, TOKEN) as client:
                    assert client.call(rpc.GET_STATE, StateQuery()) == state

            await asyncio.to_thread(blocking)

    run(scenario)


def test_errors_cross_whole() -> None:
    errors: list[FairleadError] = [
        NotLeaderError("this master follows", leader="127.0.0.1:5051"),
        NotFoundError("there is no framework f — gone", hint="list them: fairlead frameworks list"),
        InvalidFieldError("kill.task_id", "is empty"),
        ConfigError("refused here"),
    ]

    async def refuse(_: OperatorCall) -> OperatorReply:
        raise errors[0]

    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            here.server.add_call(rpc.OPERATE, refuse)
            while errors:
                with pytest.raises(FairleadError) as caught:
                    await client.call(rpc.OPERATE, ORDER)
                sent, got = errors.pop(0), caught.value
                assert (got.code, got.message, got.hint) == (sent.code, sent.message, sent.hint)
                if isinstance(sent, NotLeaderError):
                    assert isinstance(got, NotLeaderError)
                    assert got.leader == sent.leader
                if isinstance(sent, InvalidFieldError):
                    assert isinstance(got, InvalidFieldError)
                    assert (got.field, got.reason) == (sent.field, sent.reason)

    run(scenario)


def test_a_bug_in_an_answer_goes_to_the_daemon_and_not_to_the_caller() -> None:
    async def broken(_: object) -> Any:
        raise ZeroDivisionError("secret")

    async def scenario() -> None:
        raised: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: raised.append(f"{context['message']}: {context['exception']!r}")
        )
        async with world() as here, connect(here.address, TOKEN) as client:
            here.server.add_call(rpc.OPERATE, broken)
            with pytest.raises(FairleadError, match=r"^internal error$"):
                await client.call(rpc.OPERATE, ORDER)
            assert raised == [
                "answering /fairlead.v1.Master/Operate failed: ZeroDivisionError('secret')"
            ]

    run(scenario)


def test_a_request_with_an_invalid_field_is_refused_by_name() -> None:
    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            here.server.add_call(rpc.OPERATE, unreachable)
            bad = OperatorCall(TeardownFramework(FrameworkId("not a name")))
            with pytest.raises(InvalidFieldError) as caught:
                await client.call(rpc.OPERATE, bad)
            assert caught.value.field == "teardown_framework.framework_id"

    run(scenario)


def test_a_session_may_be_refused_with_an_error() -> None:
    def refuse(_: Session) -> Callbacks:
        raise NotLeaderError("this master follows", leader="127.0.0.1:5051")

    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            here.server.add_sessions(rpc.FRAMEWORK_SESSION, refuse)
            _, ears = here.dial(client)
            await until(lambda: ears.closed, "the refusal")
            assert ears.closed == [(Code.NOT_LEADER, "this master follows")]

    run(scenario)


def test_a_method_that_is_not_served_is_one_clear_line() -> None:
    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            with pytest.raises(
                FairleadError, match=f"^{here.address}: Method not found!$"
            ) as error:
                await client.call(rpc.OPERATE, ORDER)
            assert error.value.code is Code.UNSUPPORTED

    run(scenario)


class Chunks:
    """A log without end, and whether its reader's leaving was noticed."""

    def __init__(self) -> None:
        self.is_left = False

    async def read(self, query: LogQuery) -> AsyncIterator[LogChunk]:
        try:
            for number in range(10**9):
                if query.stream == "short" and number == 3:
                    raise NotFoundError("that was all")
                yield LogChunk(b"x" * 10, number)
                await asyncio.sleep(0.001)
        finally:
            self.is_left = True


def query(stream: str) -> LogQuery:
    return LogQuery(FrameworkId("f"), TaskId("t"), stream=stream)


def test_a_stream_ends_with_its_error_after_all_that_came_before() -> None:
    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            chunks = Chunks()
            here.server.add_stream(rpc.READ_LOG, chunks.read)
            stream = client.stream(rpc.READ_LOG, query("short"))
            assert [(await anext(stream)).offset_bytes for _ in range(3)] == [0, 1, 2]
            with pytest.raises(NotFoundError, match="that was all"):
                await anext(stream)

    run(scenario)


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_reader_that_leaves_ends_the_stream(kind: str) -> None:
    def read_some(client: SyncClient) -> None:
        with client:
            stream = client.stream(rpc.READ_LOG, query("long"))
            assert [next(stream).offset_bytes for _ in range(3)] == [0, 1, 2]

    async def scenario() -> None:
        async with world() as here:
            chunks = Chunks()
            here.server.add_stream(rpc.READ_LOG, chunks.read)
            if kind == "sync":
                await asyncio.to_thread(read_some, connect_sync(here.address, TOKEN))
            else:
                async with connect(here.address, TOKEN) as client:
                    async for chunk in client.stream(rpc.READ_LOG, query("long")):
                        if chunk.offset_bytes == 2:
                            break
            await until(lambda: chunks.is_left, "the server's half of the stream to end")

    run(scenario)


# --- beginnings and ends


def test_a_server_that_stops_tells_everyone_and_waits_for_nobody_who_sleeps() -> None:
    async def scenario() -> None:
        async with world(Limits(queued_messages=5000)) as here, Raw(here.address) as sleeper:
            chunks = Chunks()
            here.server.add_stream(rpc.READ_LOG, chunks.read)
            await sleeper.call.write(rpc.FRAMEWORK_SESSION.to_server.encode(beat(0)))
            await until(lambda: here.sessions, "the sleeper's session")
            for _ in range(3000):
                here.sessions[0].send(
                    MasterToFramework(1, CallResult(CallId("c"), Code.OK, message="x" * 5000))
                )
            async with connect(here.address, TOKEN) as client:
                session, ears = here.dial(client)
                session.send(beat(1))
                stream = client.stream(rpc.READ_LOG, query("long"))
                await anext(stream)
                await until(lambda: ears.heard, "the session to be open")
                async with asyncio.timeout(10):
                    await here.server.stop(1.0)
                await until(lambda: ears.closed, "the end to arrive")
                assert ears.closed == [(Code.SHUTTING_DOWN, "the server is stopping")]
                with pytest.raises(UnavailableError, match="the server is stopping"):
                    async for _ in stream:
                        pass
            await until(lambda: here.ears[0].closed, "the sleeper's end to be reported")

    run(scenario)


def test_where_nobody_listens_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # has no say in loopback

    async def scenario() -> None:
        async with world() as here:
            address = here.address
            async with connect(address, TOKEN) as client:
                session, ears = here.dial(client)
                session.send(beat(1))
                await until(lambda: ears.heard, "the session to be open")
        async with connect(address, TOKEN) as client:
            with pytest.raises(UnavailableError, match=f"no answer from {address}: .*refused"):
                await client.call(rpc.OPERATE, ORDER)
            session, ears = here.dial(client)
            session.send(beat(1))
            await until(lambda: ears.closed, "the session to fail")
            assert ears.closed[0][0] is Code.SILENT
            assert "refused" in ears.closed[0][1]

        def blocking() -> None:
            with connect_sync(address, TOKEN) as client:
                with pytest.raises(UnavailableError, match=f"no answer from {address}"):
                    client.call(rpc.OPERATE, ORDER)
                with pytest.raises(UnavailableError, match=f"no answer from {address}"):
                    list(client.stream(rpc.READ_LOG, query("long")))

        await asyncio.to_thread(blocking)

    run(scenario)


def test_an_answer_that_does_not_come_in_time_is_one_line() -> None:
    asked = threading.Event()

    async def sleep(_: object) -> OperatorReply:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError("never")

    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            here.server.add_call(rpc.OPERATE, sleep)
            with pytest.raises(UnavailableError, match=f"no answer from {here.address} in time"):
                await client.call(rpc.OPERATE, ORDER, timeout_s=1.5)
            assert asked.is_set()

    run(scenario)


def test_a_port_in_use_names_its_holder() -> None:
    async def scenario() -> None:
        async with world() as here:
            port = int(here.address.rpartition(":")[2])
            other = Server(TOKEN, port=port)
            expected = rf"port {port} is already in use \(by process {os.getpid()}, .*\): choose"
            with pytest.raises(ConfigError, match=expected) as caught:
                await other.start()
            assert "another with --port or stop the other process" in caught.value.message
            await other.stop()
        again = Server(TOKEN, port=port)
        assert await again.start() == here.address
        await again.stop()

    run(scenario)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])  # noqa: S104
def test_any_other_interface_is_refused(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Server(TOKEN, host)
    assert caught.value.message == f"refusing to listen on {host} without TLS"
    assert "fairlead certs init" in caught.value.hint


def test_a_port_that_is_none_is_refused() -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigError, match="65536 is not a port"):
            await Server(TOKEN, port=65536).start()

    run(scenario)


def test_who_does_not_begin_tls_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "grpc.server_handshake_timeout_ms"
    options = [(key, 100 if key == name else value) for key, value in rpc.SERVER_OPTIONS]
    monkeypatch.setattr(rpc, "SERVER_OPTIONS", options)

    async def scenario() -> None:
        server = Server(TOKEN, reach=Reach(Tls(certificates(tmp_path), Party.MASTER)))
        host, _, port = (await server.start()).rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            assert not await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()
            await server.stop(0)

    run(scenario)
