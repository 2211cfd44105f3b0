"""PyWren's words over an `Executor`, for programs that know them: `map` returns futures here.

pywren = default_executor(max_workers=4)
futures = pywren.map(count_words, files)
total = pywren.reduce(sum, futures).result()
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures as stdlib
from concurrent.futures import Future
from typing import Any, Self

from .executor import Executor

ALL_COMPLETED = 1
ANY_COMPLETED = 2
ALWAYS = 3


class Pywren:
    """Calls by PyWren's names. Closing it shuts the executor down."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def call_async(self, func: Callable[[Any], Any], data: Any) -> Future[Any]:
        """The future of `func(data)`."""
        return self.executor.submit(func, data)

    def map(self, func: Callable[[Any], Any], iterdata: Iterable[Any]) -> list[Future[Any]]:
        """One future for each item, in order."""
        prepared = self.executor.prepare(func)
        return [self.executor.submit(prepared, item) for item in iterdata]

    def reduce(
        self, func: Callable[[list[Any]], Any], futures: Sequence[Future[Any]]
    ) -> Future[Any]:
        """The future of `func(results)`, called when all have come; one that failed fails it."""
        return self.executor.submit_after(futures, func)

    def map_reduce(
        self,
        map_func: Callable[[Any], Any],
        iterdata: Iterable[Any],
        reduce_func: Callable[[list[Any]], Any],
    ) -> Future[Any]:
        """`reduce_func` over the list of what `map_func` makes of each item."""
        return self.executor.map_reduce(map_func, iterdata, reduce_func)

    def close(self) -> None:
        self.executor.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def default_executor(max_workers: int | None = None, **options: Any) -> Pywren:
    """On this user's running cluster, or on one started for the purpose; options as `Executor`."""
    return Pywren(Executor(max_workers, **options))


def wait(
    fs: Sequence[Future[Any]], return_when: int = ALL_COMPLETED, timeout: float | None = None
) -> tuple[list[Future[Any]], list[Future[Any]]]:
    """Those done and those not, in order; waits for all, for any, or (ALWAYS) not at all."""
    if return_when not in (ALL_COMPLETED, ANY_COMPLETED, ALWAYS):
        raise ValueError("return_when must be ALL_COMPLETED, ANY_COMPLETED or ALWAYS")
    if fs and return_when != ALWAYS:
        until_all = return_when == ALL_COMPLETED
        stdlib.wait(fs, timeout, stdlib.ALL_COMPLETED if until_all else stdlib.FIRST_COMPLETED)
    return [f for f in fs if f.done()], [f for f in fs if not f.done()]


def get_result(fs: Sequence[Future[Any]], timeout: float | None = None) -> list[Any]:
    """The results in order, waiting for them; the first one that failed raises."""
    deadline = None if timeout is None else time.monotonic() + timeout
    return [f.result(None if deadline is None else deadline - time.monotonic()) for f in fs]
