"""Real sessions on loopback: what is said arrives, and trouble stays with its own."""

import asyncio
import os
import signal
import sys
from typing import Any

import grpc
import pytest
from tests.support.sessions import (
    DEADLINE_S,
    TOKEN,
    Ears,
    Raw,
    answer,
    beat,
    run,
    still_works,
    until,
    world,
)

from fairlead.common import rpc
from fairlead.common.client import connect
from fairlead.common.ids import CallId, TaskId
from fairlead.common.messages import (
    CallResult,
    Code,
    FrameworkMessage,
    Goodbye,
    Kill,
    MasterToFramework,
)
from fairlead.common.session import Limits
from fairlead.protos import framework_pb2

# --- sessions


def test_ten_thousand_messages_come_back_in_order() -> None:
    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            session, ears = here.dial(client)
            for number in range(10_000):
                session.send(beat(number))
            await until(lambda: len(ears.heard) >= 10_000, "10,000 echoes")
            assert ears.heard == [answer(number) for number in range(10_000)]
            assert not ears.closed

    run(scenario)


def test_what_was_sent_before_the_end_arrives_before_the_reason() -> None:
    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            session, ears = here.dial(client)
            session.send(beat(0))
            await until(lambda: ears.heard, "the session to be open")
            for number in range(1, 5000):
                here.sessions[0].send(answer(number))
            here.sessions[0].close(Code.SUPERSEDED, "another instance has subscribed")
            here.sessions[0].send(answer(5000))
            await until(lambda: ears.closed, "the end to arrive")
            assert ears.heard == [answer(number) for number in range(5000)]
            assert ears.closed == [(Code.SUPERSEDED, "another instance has subscribed")]
            assert session.closed
            assert here.ears[0].closed == ears.closed

    run(scenario)


def test_a_client_that_ends_its_session_has_its_last_words_heard() -> None:
    async def scenario() -> None:
        async with world() as here, connect(here.address, TOKEN) as client:
            session, ears = here.dial(client)
            goodbye = FrameworkMessage(Goodbye(Code.OK, "done"))
            session.send(goodbye)
            session.close(Code.OK)
            assert await session.wait_finished(DEADLINE_S)
            await until(lambda: here.ears[0].closed, "the server to notice")
            assert here.ears[0].heard == [goodbye]
            assert here.ears[0].closed == [(Code.UNSPECIFIED, "the peer is gone")]
            assert ears.closed == [(Code.OK, "")]

    run(scenario)


def test_a_client_that_vanishes_is_noticed_once() -> None:
    async def scenario() -> None:
        async with world() as here:
            async with Raw(here.address) as raw:
                await raw.call.write(rpc.FRAMEWORK_SESSION.to_server.encode(beat(1)))
                await until(lambda: here.ears and here.ears[0].heard, "the message")
            await until(lambda: here.ears[0].closed, "the server to notice")
            await here.sessions[0].wait_finished(DEADLINE_S)
            assert here.ears[0].closed == [(Code.UNSPECIFIED, "the peer is gone")]

    run(scenario)


def test_a_message_with_an_invalid_field_ends_nothing() -> None:
    async def scenario() -> None:
        async with world() as here, Raw(here.address) as raw:
            batch = framework_pb2.FrameworkBatch()
            batch.messages.add(call_id="c1").kill.task_id = "not a name"
            batch.messages.add(call_id="not an id").kill.task_id = "t"
            batch.messages.add(call_id="c3").kill.task_id = "t"
            await raw.call.write(batch.SerializeToString())
            await until(lambda: here.ears and here.ears[0].heard, "the good one")
            assert here.ears[0].heard == [FrameworkMessage(Kill(TaskId("t")), CallId("c3"))]
            assert here.ears[0].invalid == [("kill.task_id", "c1"), ("call_id", "")]
            assert not here.ears[0].closed

    run(scenario)


def test_bytes_that_cannot_be_parsed_end_that_session_alone() -> None:
    async def scenario() -> None:
        async with world() as here, Raw(here.address) as raw:
            await raw.call.write(b"\xff" * 20)
            code, details = await raw.status()
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert details.startswith("cannot read a FrameworkBatch")
            assert here.ears[0].closed == [(Code.UNREADABLE, details)]
            await still_works(here)

    run(scenario)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (5 * 1024**2, "a message of 5242880 bytes exceeds the limit of 4194304"),
        (17 * 1024**2, "SERVER: Received message larger than max (17825792 vs. 16777216)"),
    ],
)
def test_a_message_that_is_too_large_ends_that_session_alone(size: int, expected: str) -> None:
    async def scenario() -> None:
        async with world() as here, Raw(here.address) as raw:
            await raw.call.write(bytes(size))
            _, details = await raw.status()
            assert details == expected
            await until(lambda: here.ears[0].closed, "the server to end it")
            await still_works(here)

    run(scenario)


def test_a_message_too_large_to_be_sent_ends_the_session_here() -> None:
    async def scenario() -> None:
        limits = Limits(message_bytes=1000)
        async with world(limits) as here, connect(here.address, TOKEN) as client:
            session, ears = here.dial(client)
            session.send(beat(0))
            await until(lambda: ears.heard, "the session to be open")
            here.sessions[0].send(
                MasterToFramework(1, CallResult(CallId("c"), Code.OK, message="x" * 1000))
            )
            await until(lambda: ears.closed, "the end to arrive")
            assert ears.closed[0][0] is Code.REFUSED
            assert "a MasterToFramework of 10" in ears.closed[0][1]
            assert ears.closed[0][1].endswith("bytes exceeds the limit of 1000")

    run(scenario)


def test_who_reads_nothing_loses_its_session_however_slowly_its_queue_fills() -> None:
    async def scenario() -> None:
        async with world(Limits(unread_s=1.0)) as here, Raw(here.address) as raw:
            await raw.call.write(rpc.FRAMEWORK_SESSION.to_server.encode(beat(0)))
            await until(lambda: here.ears and here.ears[0].heard, "the session to be open")
            long = MasterToFramework(1, CallResult(CallId("c"), Code.OK, message="x" * 5000))
            while not here.sessions[0].closed:  # more slowly than the queue can take
                here.sessions[0].send(long)
                await asyncio.sleep(0.001)
            await until(lambda: here.ears[0].closed, "the end to be reported")
            assert here.ears[0].closed == [(Code.SLOW_CONSUMER, "nothing was read for 1 s")]
            code, details = await raw.status()
            assert (code, details) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "nothing was read for 1 s",
            )

    run(scenario)


def test_a_slow_consumer_loses_its_session_while_others_go_on() -> None:
    async def scenario() -> None:
        limits = Limits(queued_messages=5000)
        async with world(limits) as here, Raw(here.address) as raw:
            await raw.call.write(rpc.FRAMEWORK_SESSION.to_server.encode(beat(0)))
            await until(lambda: here.ears and here.ears[0].heard, "the session to be open")
            long = MasterToFramework(1, CallResult(CallId("c"), Code.OK, message="x" * 5000))
            sent = 0
            while not here.sessions[0].closed:
                here.sessions[0].send(long)
                sent += 1
                assert sent < 100_000, "the queue has no bound"
                if sent % 100 == 0:
                    await asyncio.sleep(0)
            await until(lambda: here.ears[0].closed, "the end to be reported")
            assert here.ears[0].closed[0][0] is Code.SLOW_CONSUMER
            await still_works(here)
            # When at last it reads, it learns why.
            code, details = await raw.status()
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert details.endswith("messages were not read in time")

    run(scenario)


class Unhearing(list[Any]):
    def append(self, _: object) -> None:
        raise AssertionError("the books do not balance")


def test_a_callback_that_raises_goes_to_the_daemon_and_ends_that_session_alone() -> None:
    async def scenario() -> None:
        raised: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: raised.append(context["exception"]))
        async with world() as here, connect(here.address, TOKEN) as client:
            session, ears = here.dial(client)
            session.send(beat(0))
            await until(lambda: ears.heard, "the session to be open")
            here.ears[0].heard = Unhearing()
            session.send(beat(1))
            await until(lambda: ears.closed, "the end to arrive")
            assert [str(error) for error in raised] == ["the books do not balance"]
            assert ears.closed == [(Code.UNSPECIFIED, "internal error")]
            await still_works(here)

    run(scenario)


def test_a_peer_that_is_stopped_is_noticed_on_both_sides() -> None:
    """The stopped process holds a server that we dialled, and a session that it dialled here."""
    script = """
import asyncio, sys
from fairlead.common import rpc
from fairlead.common.client import connect
from fairlead.common.messages import FrameworkMessage, Heartbeat
from fairlead.common.server import Server
from fairlead.common.session import Callbacks

quiet = Callbacks(lambda message: None, lambda code, message: None, lambda error, call_id: None)

async def main():
    server = Server(sys.argv[2])
    server.add_sessions(rpc.FRAMEWORK_SESSION, lambda session: quiet)
    print(await server.start(), flush=True)
    session = connect(sys.argv[1], sys.argv[2]).dial(rpc.FRAMEWORK_SESSION, quiet)
    session.send(FrameworkMessage(Heartbeat(1)))
    await asyncio.sleep(100)

asyncio.run(main())
"""

    async def scenario() -> None:
        async with world() as here:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, here.address, TOKEN, stdout=asyncio.subprocess.PIPE
            )
            try:
                assert child.stdout is not None
                address = (await child.stdout.readline()).decode().strip()
                client = connect(address, TOKEN)
                ears = Ears()
                session = client.dial(rpc.FRAMEWORK_SESSION, ears.callbacks)
                session.send(beat(1))
                await until(lambda: here.ears and here.ears[0].heard, "its session here")
                await until(lambda: not session.queued, "our session there")
                os.kill(child.pid, signal.SIGSTOP)
                await until(lambda: here.ears[0].closed, "to notice a stopped client", 12)
                await until(lambda: ears.closed, "to notice a stopped server", 12)
                assert ears.closed[0][0] is Code.SILENT
                await client.close()
            finally:
                child.kill()
                await child.communicate()

    run(scenario)
