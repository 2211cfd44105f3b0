"""The shell of the framework `commands`: its own small server, its store, its life in a host."""

import asyncio
import uuid
from collections.abc import Callable

from fairlead.common import wire
from fairlead.common.home import Home
from fairlead.common.operators import (
    CommandSubmitted,
    CommandWithdrawn,
    SubmitCommand,
    SubmittedCommand,
    WithdrawCommand,
)
from fairlead.common.server import Server
from fairlead.common.store import Store
from fairlead.frameworks.kit.driver import FrameworkRunner, Whereabouts
from fairlead.frameworks.kit.identity import Identity
from fairlead.frameworks.kit.stores import opened_store
from fairlead.frameworks.kit.waiting import Waiting

from .methods import NAME, SUBMIT, WITHDRAW
from .scheduler import Answered, Asked, CommandsScheduler

Reply = CommandSubmitted | CommandWithdrawn


class CommandsService:
    """Takes the calls of clients to the scheduler, and its answers back."""

    def __init__(self, home: Home) -> None:
        self._server = Server.of(home)
        self._server.add_call(SUBMIT, self._submit)
        self._server.add_call(WITHDRAW, self._withdraw)
        self._waiting: Waiting[Reply] = Waiting(NAME)
        self._feed: Callable[[object], None] | None = None

    async def start(self) -> str:
        """The address to be told to clients."""
        return await self._server.start()

    def attach(self, feed: Callable[[object], None]) -> None:
        """From now on somebody decides."""
        self._feed = feed

    async def stop(self) -> None:
        await self._server.stop(0.5)

    def perform(self, action: object) -> None:
        """An answer of the scheduler."""
        assert isinstance(action, Answered), f"no way to perform {action!r}"
        self._waiting.answered(action.number, action.reply, action.field, action.refusal)

    async def _submit(self, call: SubmitCommand) -> CommandSubmitted:
        reply = await self._ask(call)
        assert isinstance(reply, CommandSubmitted)
        return reply

    async def _withdraw(self, call: WithdrawCommand) -> CommandWithdrawn:
        reply = await self._ask(call)
        assert isinstance(reply, CommandWithdrawn)
        return reply

    async def _ask(self, call: SubmitCommand | WithdrawCommand) -> Reply:
        def ask(number: int) -> None:
            if self._feed is not None:
                self._feed(Asked(number, call))

        return await self._waiting.answer_to(ask)


async def host(home: Home, master: str, stop: asyncio.Event) -> int:
    """Run the framework until told to stop; begin anew if an operator tears it down."""
    async with opened_store(home, NAME) as store:
        while True:
            runner, code = await _life(home, master, stop, store)
            if not runner.was_removed:
                return code


async def _life(
    home: Home, master: str, stop: asyncio.Event, store: Store
) -> tuple[FrameworkRunner, int]:
    """One id's worth of it."""
    instance_uuid = uuid.uuid4().hex
    where, identity = Whereabouts(home, master), Identity.of(home, NAME)
    is_known = bool(identity.load(where.cluster_id()))
    records = await asyncio.to_thread(_load, store, is_known=is_known)
    service = CommandsService(home)
    address = await service.start()
    runner = FrameworkRunner(
        CommandsScheduler.restore(instance_uuid, address, records),
        where,
        instance_uuid=instance_uuid,
        service=service,
        identity=identity,
        store=store,
    )
    service.attach(runner.feed)
    stopping = asyncio.create_task(_stop_when(stop, runner))
    try:
        return runner, await runner.run()
    finally:
        stopping.cancel()
        await service.stop()


def _load(store: Store, *, is_known: bool) -> dict[str, SubmittedCommand]:
    """What has not ended. Launches of an id that is no more have ended with it."""
    records = {key: wire.decode(SubmittedCommand, data) for key, data in store.load().items()}
    if is_known:
        return records
    lost = [key for key, command in records.items() if command.launch_uuid]
    store.commit([(key, None) for key in lost], lambda _error: None)
    return {key: command for key, command in records.items() if key not in lost}


async def _stop_when(stop: asyncio.Event, runner: FrameworkRunner) -> None:
    await stop.wait()
    runner.stop("the host ends")
