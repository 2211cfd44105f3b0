"""Clients that called a framework's service, and wait until its scheduler has answered."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

from fairlead.common.errors import InvalidFieldError, UnavailableError

Reply = TypeVar("Reply")

ANSWER_S = 8.0
"""A client is answered by then, the disk and the first Subscribe included."""


class Waiting(Generic[Reply]):
    """Of one framework, which is named to those who wait in vain."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = itertools.count(1)
        self._clients: dict[int, asyncio.Future[Reply]] = {}

    async def answer_to(self, ask: Callable[[int], None]) -> Reply:
        """What is said to the question that bears the number it is asked with."""
        number = next(self._numbers)
        client: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._clients[number] = client
        ask(number)
        try:
            return await asyncio.wait_for(client, ANSWER_S)
        except TimeoutError:
            raise UnavailableError(
                f"the framework {self._name!r} has found no master within {ANSWER_S:g} s",
                hint="look at: fairlead status",
            ) from None
        finally:
            self._clients.pop(number, None)

    def answered(self, number: int, reply: Reply | None, field: str, refusal: str) -> None:
        """A reply, or why there is none."""
        client = self._clients.pop(number, None)
        if client is None or client.done():
            return  # it did not wait
        if reply is not None:
            client.set_result(reply)
        else:
            client.set_exception(InvalidFieldError(field, refusal))
