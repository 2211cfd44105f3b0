"""Calls over gRPC with the token: sessions, questions and streams, for daemons and drivers.

`connect_sync` serves the command, which has no event loop.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc

from . import rpc, wire
from .errors import FairleadError, TlsError
from .loopback import check_address
from .messages import Code
from .rpc import CallMethod, Codec, SessionMethod
from .session import DEFAULT_LIMITS, FLUSH_S, Callbacks, Limits, Session
from .status import Failed, code_of, error_of
from .tls import Party, Tls

Request = TypeVar("Request")
Reply = TypeVar("Reply")

Judge = Callable[[Failed], Awaitable[FairleadError]]
_BROKEN = (grpc.aio.AioRpcError, grpc.aio.BaseError, asyncio.InvalidStateError)
_FAREWELL_S = 2.0
"""How long a server may take to answer the end of a session with its own."""


def connect(address: str, token: str, tls: Tls | None = None) -> "Client":
    """To be called on the event loop; the connection itself is made by the first call."""
    return Client(address, token, tls)


def connect_sync(address: str, token: str, tls: Tls | None = None) -> "SyncClient":
    """For callers without an event loop."""
    return SyncClient(address, token, tls)


class Client:
    """One connection to one server."""

    def __init__(self, address: str, token: str, tls: Tls | None = None) -> None:
        check_address(address, has_tls=tls is not None)
        self.address = address
        self._metadata = _metadata(token)
        self._tls = tls
        self._channels: dict[Party, grpc.aio.Channel] = {}
        self._sessions: dict[Session, asyncio.Task[None]] = {}

    def dial(
        self, method: SessionMethod, callbacks: Callbacks, limits: Limits = DEFAULT_LIMITS
    ) -> Session:
        """Open a session; may be sent on at once. If nobody answers, `on_closed` says so."""
        session = Session(
            Codec(sends=method.to_server, receives=method.to_client), limits, self.address
        )
        channel = self._channel(method.server)
        call: Any = channel.stream_stream(method.path)(metadata=self._metadata)
        stream = _ClientStream(call, functools.partial(self._judge, method.server), self.address)
        task = asyncio.create_task(session.run(stream, callbacks))
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._sessions.pop(session))
        return session

    async def call(
        self, method: CallMethod[Request, Reply], request: Request, timeout_s: float = 10.0
    ) -> Reply:
        """One question, one answer; raises the FairleadError of the other side."""
        ask: Any = self._channel(method.server).unary_unary(method.path)
        try:
            data = await ask(wire.encode(request), timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise await self._judge(method.server, error) from error
        return method.decode_reply(data)

    async def stream(
        self, method: CallMethod[Request, Reply], request: Request
    ) -> AsyncIterator[Reply]:
        """One question, many answers; leaving the loop ends it."""
        ask: Any = self._channel(method.server).unary_stream(method.path)
        call = ask(wire.encode(request), metadata=self._metadata)
        try:
            async for data in call:
                yield method.decode_reply(data)
        except grpc.aio.AioRpcError as error:
            raise await self._judge(method.server, error) from error
        finally:
            call.cancel()

    async def close(self) -> None:
        """Write what the sessions have queued, then let go."""
        tasks = list(self._sessions.values())
        for session in list(self._sessions):
            session.close(Code.OK)
        if tasks:
            await asyncio.wait(tasks, timeout=FLUSH_S + _FAREWELL_S)
        for channel in self._channels.values():
            await channel.close()
        if tasks:
            await asyncio.wait(tasks, timeout=FLUSH_S)

    def _channel(self, server: Party) -> grpc.aio.Channel:
        if server not in self._channels:
            options = _options(self._tls, server)
            self._channels[server] = (
                grpc.aio.insecure_channel(self.address, options=options)
                if self._tls is None
                else grpc.aio.secure_channel(self.address, _secrets(self._tls), options=options)
            )
        return self._channels[server]

    async def _judge(self, server: Party, failed: Failed) -> FairleadError:
        return await asyncio.to_thread(_explain, failed, self.address, self._tls, server)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class SyncClient:
    """One connection to one server, with calls that block."""

    def __init__(self, address: str, token: str, tls: Tls | None = None) -> None:
        check_address(address, has_tls=tls is not None)
        self.address = address
        self._metadata = _metadata(token)
        self._tls = tls
        self._channels: dict[Party, grpc.Channel] = {}

    def call(
        self, method: CallMethod[Request, Reply], request: Request, timeout_s: float = 10.0
    ) -> Reply:
        """One question, one answer; raises the FairleadError of the other side."""
        return self.begin(method, request, timeout_s)()

    def begin(
        self, method: CallMethod[Request, Reply], request: Request, timeout_s: float = 10.0
    ) -> Callable[[], Reply]:
        """The same, for who has something else to do until the answer is there."""
        ask: Any = self._channel(method.server).unary_unary(method.path)
        asked = ask.future(wire.encode(request), timeout=timeout_s, metadata=self._metadata)

        def answer() -> Reply:
            try:
                data = asked.result()
            except grpc.RpcError as error:
                raise self._error(error, method.server) from error
            return method.decode_reply(data)

        return answer

    def stream(
        self,
        method: CallMethod[Request, Reply],
        request: Request,
        timeout_s: float | None = None,
    ) -> Iterator[Reply]:
        """One question, many answers; leaving the loop ends it."""
        ask: Any = self._channel(method.server).unary_stream(method.path)
        call = ask(wire.encode(request), timeout=timeout_s, metadata=self._metadata)
        try:
            for data in call:
                yield method.decode_reply(data)
        except grpc.RpcError as error:
            raise self._error(error, method.server) from error
        finally:
            call.cancel()

    def check_health(self, server: Party, timeout_s: float) -> None:
        """The error that it has, if that party does not serve there."""
        ask: Any = self._channel(server).unary_unary(rpc.HEALTH)
        try:
            ask(b"", timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._error(error, server) from error

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def _channel(self, server: Party) -> grpc.Channel:
        if server not in self._channels:
            options = _options(self._tls, server)
            self._channels[server] = (
                grpc.insecure_channel(self.address, options=options)
                if self._tls is None
                else grpc.secure_channel(self.address, _secrets(self._tls), options=options)
            )
        return self._channels[server]

    def _error(self, error: grpc.RpcError, server: Party) -> FairleadError:
        return _explain(cast(Any, error), self.address, self._tls, server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _ClientStream:
    """A session's stream, seen from the side that dialled."""

    def __init__(self, call: Any, judge: Judge, address: str) -> None:
        self._call = call
        self._judge = judge
        self._address = address
        self._has_heard = False
        self._at_end = asyncio.Event()

    async def read(self) -> bytes | None:
        try:
            batch = await self._call.read()
        except grpc.aio.AioRpcError:
            batch = grpc.aio.EOF
        except asyncio.CancelledError:
            _raise_if_ours()
            batch = grpc.aio.EOF
        if batch is grpc.aio.EOF:
            self._at_end.set()
            return None
        self._has_heard = True
        return cast(bytes, batch)

    async def write(self, batch: bytes) -> bool:
        try:
            await self._call.write(batch)
        except _BROKEN:
            return False
        except asyncio.CancelledError:
            _raise_if_ours()
            return False
        return True

    async def finish(self, code: Code, message: str) -> None:
        """A client has no status to send: what is to be said, its last message said."""
        del code, message
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._call.done_writing()
                await self._at_end.wait()
        except (TimeoutError, *_BROKEN):
            self._call.cancel()
        except asyncio.CancelledError:
            _raise_if_ours()

    async def outcome(self) -> tuple[Code, str]:
        ended = await _Ended.of(self._call)
        code, message = code_of(ended, self._address)
        if code is Code.SILENT and not self._has_heard:
            message = (await self._judge(ended)).message
        return code, message


class _Ended:
    """A finished call as `common.status` looks at it; grpc.aio only gives awaitables."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: Any) -> None:
        self._code = code
        self._details = details
        self._metadata = metadata

    @classmethod
    async def of(cls, call: Any) -> "_Ended":
        return cls(await call.code(), await call.details(), await call.trailing_metadata())

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._metadata


def _raise_if_ours() -> None:
    """For a CancelledError, which grpc.aio raises also when only the call was cancelled."""
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise asyncio.CancelledError


def _options(tls: Tls | None, server: Party) -> list[tuple[str, Any]]:
    if tls is None:
        return [*rpc.CLIENT_OPTIONS]
    return [*rpc.CLIENT_OPTIONS, ("grpc.ssl_target_name_override", server.host)]


def _secrets(tls: Tls) -> grpc.ChannelCredentials:
    tls.dialling()  # says what is wrong with the files, over which gRPC would abort the process
    pem = tls.read()
    return grpc.ssl_channel_credentials(pem.authority, pem.key, pem.certificate)


def _explain(failed: Failed, address: str, tls: Tls | None, server: Party) -> FairleadError:
    """The error of a call; or what is wrong with TLS there, of which gRPC says next to nothing."""
    error = error_of(failed, address)
    if failed.code() is not grpc.StatusCode.UNAVAILABLE or error.code is not Code.SILENT:
        return error
    from .handshakes import why_not  # noqa: PLC0415 - imports ssl

    why = why_not(address, tls, server)
    return TlsError(f"no answer from {address}: {why}") if why else error


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return ((rpc.AUTHORIZATION, f"Bearer {token}"),)
