"""A Docker engine, asked through its SDK, which blocks: each question has a thread and a deadline.

An engine that hangs costs whoever asks it their time, and nobody else anything. What is asked is
the containerizer's affair.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from docker.api.client import APIClient
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from fairlead.common import clock
from fairlead.common.errors import ContainerError

from .docker_start import SCHEME

CALL_S = 60.0
"""A silence of so long is no answer; a start on a busy disk may take half of it."""
PATIENCE_S = 15.0
"""An engine that is started again comes back within it."""
PAUSE_S = 0.25
LISTEN_S = 2
Answer = TypeVar("Answer")
Event = dict[str, Any]


class EngineAwayError(ContainerError):
    """It does not answer: it does not run, or hangs."""

    def __init__(self, host: str) -> None:
        super().__init__(f"the Docker engine at {host} does not answer", temporary=True)


class EngineRefusedError(ContainerError):
    """It answered that it will not, with the status of HTTP and its own words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the Docker engine says: {reason}", temporary=status >= 500)
        self.status = status
        self.reason = reason


class DockerEngine:
    """One engine, at an address such as `unix:///var/run/docker.sock`."""

    def __init__(self, host: str, call_s: float = CALL_S) -> None:
        self.host = host
        self._call_s = call_s
        self._client: APIClient | None = None
        self._making = threading.Lock()
        self._is_closed = False

    async def ask(
        self,
        question: Callable[[APIClient], Answer],
        *,
        patience_s: float = 0.0,
        within_s: float = 0.0,
    ) -> Answer:
        """Again, while it is away, for as long as patience lasts. `within_s` is for who hurries."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                work = partial(self._put, question)
                return await in_thread(
                    work, within_s or self._call_s + 1.0, EngineAwayError(self.host)
                )
            except EngineAwayError:
                if self._is_closed or time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(PAUSE_S)

    def listen(self, filters: dict[str, Any], told: Callable[[Event | None], None]) -> None:
        """Every event from now on, from the loop, until `close`; None after a gap.

        In portions of `LISTEN_S`: an engine that is to end waits for whoever listens.
        """
        loop = asyncio.get_running_loop()

        def tell(event: Event | None) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(told, event)

        def run() -> None:
            since = int(clock.wall())
            while not self._is_closed:
                until = int(clock.wall()) + LISTEN_S
                try:
                    for event in self._events(filters, since, until):
                        tell(event)
                    since = until
                except Exception:  # noqa: BLE001 - whatever it is, there is a gap, and no more
                    tell(None)
                    since = min(since, int(clock.wall()))  # a clock may be set back
                    time.sleep(PAUSE_S)

            self._hang_up()

        threading.Thread(target=run, name="docker-events", daemon=True).start()

    def close(self) -> None:
        """Questions that are still open are left to end by themselves."""
        self._is_closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        """Also after the last answer: an engine that is to end waits for open connections."""
        if self._client is not None:
            self._client.close()

    def _put(self, question: Callable[[APIClient], Answer]) -> Answer:
        try:
            return question(self._connected())
        except APIError as error:
            status = 404 if isinstance(error, NotFound) else int(error.status_code or 500)
            raise EngineRefusedError(status, _reason(error)) from None
        except (DockerException, RequestException, HTTPError, OSError) as error:
            raise EngineAwayError(self.host) from error
        finally:
            if self._is_closed:
                self._hang_up()

    def _connected(self) -> APIClient:
        _reach(self.host, self._call_s)
        if not self._making.acquire(timeout=self._call_s):
            raise TimeoutError  # who asks it first hangs: no queue of threads behind it
        try:
            if self._client is None:
                self._client = _client(self.host, self._call_s)
            return self._client
        finally:
            self._making.release()

    def _events(self, filters: dict[str, Any], since: int, until: int) -> Iterator[Event]:
        stream = self._connected().events(since=since, until=until, filters=filters, decode=True)
        try:
            yield from stream
        finally:
            stream.close()


def _reach(host: str, timeout_s: float) -> None:
    """The SDK leaves a socket open that nobody answers: so it is tried here first."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout_s)
        probe.connect(host.removeprefix(SCHEME))


def _client(host: str, timeout_s: float) -> APIClient:
    return APIClient(base_url=host, version="auto", timeout=int(timeout_s))


def _reason(error: APIError) -> str:
    return str(error.explanation or error).strip()


async def in_thread(work: Callable[[], Answer], deadline_s: float, late: ContainerError) -> Answer:
    """A thread of its own, that nobody waits for at the end: the pool is for what must not wait."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer] = loop.create_future()

    def settle(result: Answer | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as problem:  # noqa: BLE001 - it is raised where it was asked
            error = problem
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="docker", daemon=True).start()
    try:
        async with asyncio.timeout(deadline_s):
            return await answer
    except TimeoutError:
        raise late from None
