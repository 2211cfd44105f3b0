"""A driver's connection to the batch service: made, kept, and made again when it was lost."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from fairlead.common.errors import (
    ConfigError,
    FairleadError,
    UnauthenticatedError,
    UnavailableError,
)
from fairlead.common.loopback import LOOPBACK, check_address
from fairlead.common.tls import Party

from .async_channel import AsyncChannel, dial
from .frames import CONTROL_LIMIT, Frame
from .handshake import Dialler, KeyRefusedError
from .locate import Service
from .protocol import DRIVER, VERSION, Kind, host_towards

logger = logging.getLogger(__name__)

_ANSWER_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_RESTART_S = 5.0
"""A local cluster has started a service again by then that was only just killed."""


class LinkUser(Protocol):
    """Who wants the connection."""

    def service_said(self, kind: Kind, fields: Mapping[str, Any]) -> None: ...

    def service_lost(self) -> None:
        """It is being looked for again."""


class ServiceLink:
    """The connection; `greeting` is asked anew for what the hello says each time."""

    def __init__(
        self,
        find: Callable[[], Service],
        job: str,
        greeting: Callable[[], Mapping[str, Any]],
        user: LinkUser,
    ) -> None:
        self._find = find
        self._job = job
        self._greeting = greeting
        self._user = user
        self._channel: AsyncChannel | None = None
        self._welcome: asyncio.Future[None] | None = None
        self._redialling: asyncio.Task[None] | None = None
        self._is_closing = False

    @property
    def is_up(self) -> bool:
        """The service knows us."""
        return self._channel is not None and self._welcome is None

    async def connect_first(self) -> None:
        """Dial until welcomed; an error for people if nobody is there and nobody will be."""
        loop = asyncio.get_running_loop()
        patience_s = _RESTART_S if self._find().home is not None else 0.0
        deadline = loop.time() + patience_s
        while True:
            try:
                return await self.connect()
            except UnavailableError:
                if loop.time() >= deadline:
                    raise
            await asyncio.sleep(_FIRST_PAUSE_S)

    async def own_host(self) -> str:
        """The address of this machine from which the service is reached: workers reach it too."""
        service = self._find()
        if service.tls is None:
            return LOOPBACK
        try:
            return await asyncio.to_thread(host_towards, service.address)
        except OSError as error:
            raise await self._unavailable(service, error) from error

    async def connect(self) -> None:
        """Dial once and be welcomed; else an error for people."""
        service = self._find()
        check_address(service.address, has_tls=service.tls is not None)
        is_welcome = False
        self._welcome = asyncio.get_running_loop().create_future()
        try:
            await dial(
                service.address,
                Dialler(service.key, DRIVER + self._job),
                self,
                limit=CONTROL_LIMIT,
                read_size=1 << 14,
                context=service.tls.dialling() if service.tls else None,
                name=Party.FRAMEWORK.host if service.tls else "",
            )
            await asyncio.wait_for(self._welcome, _ANSWER_S)
            is_welcome = True
        except TimeoutError:
            raise UnavailableError(
                f"the batch service at {service.address} did not answer in {_ANSWER_S:.0f} s"
            ) from None
        except OSError as error:
            raise await self._unavailable(service, error) from error
        except ValueError as error:
            raise ConfigError(str(error)) from error
        finally:
            self._welcome = None
            if not is_welcome and self._channel is not None:
                self._channel.close()

    async def _unavailable(self, service: Service, error: OSError) -> UnavailableError:
        why = ""
        if service.tls is not None:
            from fairlead.common.handshakes import why_not  # noqa: PLC0415 - imports ssl

            address = service.address
            why = await asyncio.to_thread(why_not, address, service.tls, Party.FRAMEWORK)
        return UnavailableError(
            f"no batch service answers at {service.address}: {why or error.strerror or error}",
            hint="see whether the cluster runs: fairlead status",
        )

    def send(self, kind: Kind, fields: Mapping[str, Any]) -> None:
        """Lost if the service is away: what matters is in the greeting too."""
        if self._channel is not None and self._welcome is None:
            self._channel.send(kind, fields)

    async def stop(self) -> None:
        """For good."""
        self._is_closing = True
        if self._redialling is not None:
            self._redialling.cancel()
        if self._channel is not None:
            await self._channel.hang_up()

    def fileno(self) -> int:
        return self._channel.fileno() if self._channel is not None else -1

    # As the user of the channel

    def opened(self, channel: AsyncChannel) -> None:
        self._channel = channel
        channel.send(
            Kind.HELLO,
            {"version": VERSION, "python": list(sys.version_info[:2]), **self._greeting()},
        )

    def received(self, _channel: AsyncChannel, frames: Sequence[Frame], /) -> None:
        for frame in frames:
            kind = Kind(frame.kind)
            if kind is Kind.WELCOME and self._welcome is not None:
                self._welcome.set_result(None)
            elif kind is Kind.REFUSED:
                self._fail(ConfigError(frame.fields["message"]))
            else:
                self._user.service_said(kind, frame.fields)

    def closed(self, _channel: AsyncChannel, error: Exception | None, /) -> None:
        self._channel = None
        if self._welcome is not None and not self._welcome.done():
            if isinstance(error, KeyRefusedError):
                self._fail(
                    UnauthenticatedError(
                        f"the batch service does not accept this user's token: {error}",
                        hint="is it another cluster, or another user's? see: fairlead status",
                    )
                )
            else:
                self._fail(
                    UnavailableError(
                        f"the batch service hung up: {error or 'no reason'}",
                        hint="if it speaks TLS, name its certificates: FAIRLEAD_TLS",
                    )
                )
        elif not self._is_closing:
            self._user.service_lost()
            self._redialling = asyncio.get_running_loop().create_task(self._redial())

    def _fail(self, error: FairleadError) -> None:
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(error)

    async def _redial(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._is_closing:
            await asyncio.sleep(pause_s)
            try:
                await self.connect()
            except FairleadError as error:
                logger.info("batch.service_away reason=%s", error)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            else:
                return
