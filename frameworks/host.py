"""One process for the built-in frameworks: each has its own driver and session, all share a loop.

`fairlead up` starts it. A built-in is a coroutine function `host(home, master, stop) -> exit code`
that runs until `stop` is set or its framework has ended.
"""

import asyncio
import importlib
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from fairlead.common.errors import NotFoundError
from fairlead.common.home import Home

Hosted = Callable[[Home, str, asyncio.Event], Awaitable[int]]

BUILT_IN: Mapping[str, str] = {
    "batch": "fairlead.frameworks.batch.hosting:host",
    "commands": "fairlead.frameworks.commands.service:host",
    "training": "fairlead.frameworks.training.hosting:host",
}
"""Where each is, imported only when it is asked for."""

_log = logging.getLogger(__name__)


async def serve(names: Sequence[str], home: Home, master: str = "") -> int:
    """Host these until TERM or INT, or until all have ended; the process's exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    return await host_all(names, home, master, stop)


async def host_all(names: Sequence[str], home: Home, master: str, stop: asyncio.Event) -> int:
    """A mistake in one ends them all: whoever started this process starts it again."""
    hosted = {name: find(name) for name in names}
    home.token()  # says best what is wrong with a home where nobody has begun a cluster
    (home.path / "frameworks").mkdir(mode=0o700, exist_ok=True)
    codes: list[int] = []
    try:
        async with asyncio.TaskGroup() as group:
            for name, run in hosted.items():
                group.create_task(_host(name, run(home, master, stop), codes), name=name)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return max(codes, default=0)


async def _host(name: str, running: Awaitable[int], codes: list[int]) -> None:
    code = await running
    _log.info("ended framework=%s code=%d", name, code)
    codes.append(code)


def find(name: str) -> Hosted:
    """The built-in of that name."""
    if name not in BUILT_IN:
        raise NotFoundError(
            f"no built-in framework is called {name!r}",
            hint=f"there are: {', '.join(sorted(BUILT_IN))}",
        )
    module, _, attribute = BUILT_IN[name].partition(":")
    return cast(Hosted, getattr(importlib.import_module(module), attribute))
