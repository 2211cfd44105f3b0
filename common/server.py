"""A gRPC server on loopback or over TLS, whose every call must carry the token.

A daemon lends one function per method of `common.rpc`; what they do is its business.
"""

import asyncio
import errno
import hmac
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc
import psutil

from . import rpc
from .errors import ConfigError, FairleadError, UnauthenticatedError, UnavailableError
from .home import Home
from .loopback import LOOPBACK, advertised, check_host
from .messages import Code
from .rpc import CallMethod, Codec, SessionMethod
from .session import DEFAULT_LIMITS, PEER_GONE, Callbacks, Limits, Session
from .status import status_of, status_of_error
from .tls import Party, Reach

Request = TypeVar("Request")
Reply = TypeVar("Reply")
if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]  # a generic in the stubs only
Accept = Callable[[Session], Callbacks]
"""Takes in a new session, and says who listens to it."""

_STOPPING = "the server is stopping"


class Server:
    """Add methods, start, stop. An exception that is no FairleadError, out of a function lent to
    it, goes to the exception handler of the loop: there a daemon decides to end itself.
    """

    def __init__(
        self, token: str, host: str = LOOPBACK, port: int = 0, reach: Reach | None = None
    ) -> None:
        self._tls = reach.tls if reach else None
        self._host = check_host(host, has_tls=self._tls is not None)
        self._name = reach.advertise if reach else ""
        self._port = port
        self._token = token
        self._methods: dict[str, Any] = {
            rpc.HEALTH: grpc.unary_unary_rpc_method_handler(_answer_that_we_serve)
        }
        self._sessions: set[Session] = set()
        self._streams: set[asyncio.Task[None]] = set()
        self._server: grpc.aio.Server | None = None
        self._is_stopping = False

    @classmethod
    def of(cls, home: Home, port: int = 0) -> "Server":
        """As the home says: where to listen, with which certificates, for whose token."""
        return cls(home.token(), home.reach.host, port, home.reach)

    def add_sessions(
        self, method: SessionMethod, accept: Accept, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        """Sessions, each taken in by `accept`, which may refuse it with a FairleadError."""
        codec = Codec(sends=method.to_client, receives=method.to_server)

        async def handle(_: object, context: "Context") -> None:
            session = Session(codec, limits, context.peer())
            try:
                self._check_caller(context, method.callers)
                callbacks = accept(session)
            except Exception as error:  # noqa: BLE001 - judged there
                await _refuse(context, _judged(error, method.path))
            self._sessions.add(session)
            try:
                await session.run(_ServerStream(context), callbacks)
            finally:
                self._sessions.discard(session)

        self._methods[method.path] = grpc.stream_stream_rpc_method_handler(handle)

    def add_call(
        self,
        method: CallMethod[Request, Reply],
        answer: Callable[[Request], Awaitable[Reply | bytes]],
    ) -> None:
        """One question, one answer; given as bytes it is sent as it is."""

        async def handle(data: bytes, context: "Context") -> bytes:
            try:
                self._check_caller(context, method.callers)
                return rpc.encode_reply(await answer(method.decode_request(data)))
            except Exception as error:  # noqa: BLE001 - judged below
                refusal = _judged(error, method.path)
            return await _refuse(context, refusal)

        self._methods[method.path] = grpc.unary_unary_rpc_method_handler(handle)

    def add_stream(
        self,
        method: CallMethod[Request, Reply],
        answer: Callable[[Request], AsyncIterator[Reply | bytes]],
    ) -> None:
        """One question, many answers; the next is asked for when the one before has left."""

        async def pump(data: bytes, context: "Context") -> None:
            self._check_caller(context, method.callers)
            async for reply in answer(method.decode_request(data)):
                await context.write(rpc.encode_reply(reply))

        async def handle(data: bytes, context: "Context") -> None:
            refusal: FairleadError
            task = asyncio.create_task(pump(data, context))
            self._streams.add(task)
            try:
                await task
            except grpc.aio.BaseError:
                return  # the caller is gone
            except asyncio.CancelledError:
                task.cancel()
                if not self._is_stopping:
                    raise
                refusal = UnavailableError(_STOPPING)
            except Exception as error:  # noqa: BLE001 - judged below
                refusal = _judged(error, method.path)
            else:
                return
            finally:
                self._streams.discard(task)
            await _refuse(context, refusal)

        self._methods[method.path] = grpc.unary_stream_rpc_method_handler(handle)

    async def start(self) -> str:
        """Listen; returns the address for others. ConfigError if the port cannot be had."""
        _check_port(self._host, self._port)
        secrets = self._secrets()
        server = grpc.aio.server(
            handlers=[_Handlers(self._methods)],
            interceptors=[_Authenticate(self._token)],
            options=rpc.SERVER_OPTIONS,
        )
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            where = f"{host}:{self._port}"
            port = (
                server.add_secure_port(where, secrets)
                if secrets
                else server.add_insecure_port(where)
            )
        except RuntimeError as error:
            raise ConfigError(f"cannot listen on {host}:{self._port}: {error}") from error
        await server.start()
        self._server = server
        return f"{advertised(self._host, self._name)}:{port}"

    def _check_caller(self, context: "Context", callers: Sequence[Party]) -> None:
        """A certificate is good for its party's calls only; without TLS the token has to do."""
        if self._tls is None:
            return
        names = context.auth_context().get("x509_subject_alternative_name") or ()
        if not any(party.host.encode() in names for party in callers):
            said = ", ".join(name.decode(errors="replace") for name in names) or "nobody"
            raise FairleadError(
                f"the certificate of {said} may not make this call",
                hint=f"it takes that of {' or '.join(party.host for party in callers)}",
            )

    def _secrets(self) -> grpc.ServerCredentials | None:
        if self._tls is None:
            return None
        pem = self._tls.read()
        pair = (pem.key, pem.certificate)
        return grpc.ssl_server_credentials([pair], pem.authority, require_client_auth=True)

    async def stop(self, grace_s: float = 5.0) -> None:
        """End every session and stream with SHUTTING_DOWN; calls may finish within the grace."""
        self._is_stopping = True
        for session in list(self._sessions):
            session.close(Code.SHUTTING_DOWN, _STOPPING)
        for stream in list(self._streams):
            stream.cancel()
        if self._server is not None:
            await self._server.stop(grace_s)


def _check_port(host: str, port: int) -> None:
    """Say clearly why the port cannot be had; gRPC would tell it to the log only."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"{port} is not a port: choose one from 0 (any free one) to 65535")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(
                    f"cannot listen on {host}:{port}: {error.strerror}",
                    hint="choose an address of this machine, or 0.0.0.0 for all, and a free port",
                ) from error
            raise ConfigError(
                f"port {port} is already in use ({_holder(port)}):"
                " choose another with --port or stop the other process"
            ) from None


def _holder(port: int) -> str:
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if not connection.pid or not connection.laddr:
                continue
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return f"by process {connection.pid}, {psutil.Process(connection.pid).name()}"
    return "by a process that is not yours"


def _judged(error: Exception, path: str) -> FairleadError:
    """An error to tell the caller; our own bugs go to whoever watches over this process."""
    if isinstance(error, FairleadError):
        return error
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"answering {path} failed", "exception": error}
    )
    internal = FairleadError("internal error", hint="look into the log of the daemon")
    internal.code = Code.UNSPECIFIED
    return internal


async def _answer_that_we_serve(_: bytes, _context: "Context") -> bytes:
    return rpc.SERVING


async def _refuse(context: "Context", error: FairleadError) -> NoReturn:
    await context.abort(*status_of_error(error))


class _Handlers(grpc.GenericRpcHandler):
    """Finds the method of a call."""

    def __init__(self, methods: dict[str, Any]) -> None:
        self._methods = methods

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._methods.get(handler_call_details.method)


class _Authenticate(grpc.aio.ServerInterceptor):
    """Lets nobody in without the token, whatever is called."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        for key, value in handler_call_details.invocation_metadata or ():
            if key == rpc.AUTHORIZATION:
                given = value if isinstance(value, bytes) else value.encode()
                if hmac.compare_digest(given, self._expected):
                    return await continuation(handler_call_details)
                return _refusal("the token of this call is wrong")
        return _refusal("this call carries no token")


def _refusal(message: str) -> Any:
    """Refuses a call of any kind before anything of it has been read."""
    error = UnauthenticatedError(
        message, hint="use the token in the home of the cluster (FAIRLEAD_HOME)"
    )

    async def handle(_: object, context: "Context") -> None:
        await _refuse(context, error)

    return grpc.stream_stream_rpc_method_handler(handle)


class _ServerStream:
    """A session's stream, seen from the side that was dialled."""

    def __init__(self, context: "Context") -> None:
        self._context = context

    async def read(self) -> bytes | None:
        try:
            batch: Any = await self._context.read()
        except grpc.aio.BaseError:
            return None
        return None if batch is grpc.aio.EOF else batch

    async def write(self, batch: bytes) -> bool:
        try:
            await self._context.write(batch)
        except grpc.aio.BaseError:
            return False
        return True

    async def finish(self, code: Code, message: str) -> None:
        if code is not Code.OK:
            await self._context.abort(*status_of(code, message))

    async def outcome(self) -> tuple[Code, str]:
        return Code.UNSPECIFIED, PEER_GONE
