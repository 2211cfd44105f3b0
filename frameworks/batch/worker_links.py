"""A driver's connections from its workers: calls out, answers in. `CallBook` says which calls."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .async_channel import AsyncChannel, ChannelListener
from .call_events import Answer, Answered, Call, Event, Recalled, Started
from .code_offers import CodeOffers
from .code_places import import_paths
from .code_set import CodeSet
from .frames import DATA_LIMIT, Buffer, Frame
from .future import CallFuture
from .payloads import code_of_key, function_key
from .protocol import Kind

if TYPE_CHECKING:
    from ssl import SSLContext

_FUNCTIONS_KEPT = 64
"""A worker keeps so many functions; one that is used again later is sent again."""


class LinksUser(Protocol):
    """Who gives the calls and hears what becomes of them."""

    def worker_joined(self, worker: str) -> None: ...

    def worker_said(self, event: Event) -> None: ...

    def worker_left(self, worker: str) -> None:
        """Its connection has ended."""


class _Link:
    """One worker's child."""

    def __init__(self, channel: AsyncChannel) -> None:
        self.channel = channel
        self.code = CodeOffers(channel)
        self._functions: OrderedDict[str, None] = OrderedDict()

    def welcome(self) -> None:
        self.channel.send(Kind.WELCOME, {"paths": import_paths()})

    def send(self, first: int, calls: Sequence[Call]) -> list[int]:
        """Send those that are still wanted; returns the ids of the others."""
        unwanted = []
        wanted: list[tuple[int, CallFuture]] = []
        for sequence, call in enumerate(calls, first):
            future = call.payload
            assert isinstance(future, CallFuture)
            if future.start():
                wanted.append((sequence, future))
            else:
                unwanted.append(call.id)
        for code, group in itertools.groupby(wanted, lambda entry: entry[1].code):
            if code is not None:
                self._use(code)
            self._send(group, code)
        return unwanted

    def _send(self, calls: Iterable[tuple[int, CallFuture]], code: CodeSet | None) -> None:
        entries: list[tuple[int, int]] = []
        functions: dict[str, tuple[int, bool]] = {}
        new: list[Buffer] = []
        arguments: list[Buffer] = []
        timed: list[int] = []
        for sequence, future in calls:
            function = future.function
            assert function is not None
            key = function_key(function, code)
            if key not in functions:
                is_new = key not in self._functions
                functions[key] = (len(functions), is_new)
                if is_new:
                    new.append(function.data)
            entries.append((sequence, functions[key][0]))
            arguments.append(future.arguments)
            if future.options.timeout_s is not None:
                timed.append(sequence)
        fields: Mapping[str, Any] = {
            "functions": [(key, is_new) for key, (_, is_new) in functions.items()],
            "forget": self._remember(functions),
            "calls": entries,
            "timed": timed,
        }
        self.channel.send(Kind.CALLS, fields, new + arguments)

    def _use(self, code: CodeSet) -> None:
        for forgotten in self.code.use(code):
            for key in [key for key in self._functions if code_of_key(key) == forgotten]:
                del self._functions[key]

    def _remember(self, functions: Mapping[str, object]) -> list[str]:
        """Returns those that the worker is to forget."""
        for key in functions:
            self._functions[key] = None
            self._functions.move_to_end(key)
        surplus = max(len(self._functions) - max(_FUNCTIONS_KEPT, len(functions)), 0)
        return [self._functions.popitem(last=False)[0] for _ in range(surplus)]


class WorkerLinks:
    """The listener that workers dial, and their connections."""

    def __init__(self, key: bytes, user: LinksUser, context: "SSLContext | None" = None) -> None:
        self._user = user
        self._links: dict[str, _Link] = {}
        self._listener = ChannelListener(
            lambda _identity: key, self, limit=DATA_LIMIT, read_size=1 << 17, context=context
        )

    async def listen(self, host: str) -> str:
        return await self._listener.listen(host)

    def names(self) -> list[str]:
        return list(self._links)

    def send(self, worker: str, first: int, calls: Sequence[Call]) -> list[int]:
        """As `_Link.send`."""
        return self._links[worker].send(first, calls)

    def hang_up(self, worker: str) -> bool:
        """Whether it was connected."""
        if worker not in self._links:
            return False
        self._links[worker].channel.close()
        return True

    async def stop(self) -> None:
        await self._listener.stop()

    def filenos(self) -> list[int]:
        channels = [link.channel.fileno() for link in self._links.values()]
        return [self._listener.fileno(), *channels]

    # As the user of channels

    def opened(self, channel: AsyncChannel) -> None:
        if channel.identity in self._links:
            channel.close()
            return
        link = self._links[channel.identity] = _Link(channel)
        link.welcome()
        self._user.worker_joined(channel.identity)

    def received(self, channel: AsyncChannel, frames: Sequence[Frame]) -> None:
        answers = []
        for frame in frames:
            fields = frame.fields
            if frame.kind == Kind.RESULT:
                outcome = (fields["ok"], frame.buffers[0])
                answers.append(Answer(fields["sequence"], fields["seconds"], outcome))
            elif frame.kind == Kind.MISSING:
                self._links[channel.identity].code.on_missing(fields)
            elif frame.kind == Kind.STARTED:
                self._user.worker_said(Started(channel.identity, fields["sequence"]))
            elif frame.kind == Kind.SKIPPED:
                sequence = fields["sequence"]
                self._user.worker_said(Recalled(channel.identity, sequence, sequence + 1))
        if answers:
            self._user.worker_said(Answered(channel.identity, tuple(answers)))

    def closed(self, channel: AsyncChannel, _error: Exception | None, /) -> None:
        link = self._links.get(channel.identity)
        if link is not None and link.channel is channel:
            del self._links[channel.identity]
            self._user.worker_left(channel.identity)
