"""`Executor`: a `concurrent.futures.Executor` whose calls run in workers all over the cluster."""

import copy
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

from .call_events import Call
from .code_set import LocalCode
from .driver import Driver
from .future import CallFuture
from .locate import service_for
from .options import CallOptions, Options, refuse_unknown
from .payloads import Function, NotPicklableError, check_size, dump_arguments, dump_function
from .sizes import size_of

DEFAULT_MEM = 512 << 20


class Executor(futures.Executor):
    """Runs calls in workers of a Fairlead cluster; used as `concurrent.futures` documents.

    `address` is that of a master, as in `fairlead --master`; FAIRLEAD_MASTER says the same. With
    neither it finds this user's running local cluster, or starts one for itself and stops it at
    the end. `cpus`, `mem` (bytes) and `gpus` are those of one worker, which does one
    call at a time. Calls travel in batches by themselves, so `chunksize` of `map` is not needed
    and has no effect, as with threads. The caller's own modules travel with the calls that need
    them, so does what `include` names, and nothing that `exclude` names; see `docs/batch.md`.
    `options` are those of every call, see `CallOptions`.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        address: str | None = None,
        cpus: float = 1,
        mem: int = DEFAULT_MEM,
        gpus: float = 0,
        include: Sequence[str | Path] = (),
        exclude: Sequence[str] = (),
        **options: Unpack[Options],
    ) -> None:
        if max_workers is None:
            max_workers = os.cpu_count() or 1
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        refuse_unknown(options, "Executor")
        size = size_of(cpus, mem, gpus)
        self._options = CallOptions(**options)
        self._code = LocalCode(include, exclude)
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._driver = Driver(service_for(address), size, max_workers)
        self._driver.start()
        # Nobody can submit to an executor that was forgotten: let its thread end.
        self._forgotten = weakref.finalize(self, self._driver.close)
        self._forgotten.atexit = False
        self._whole: Executor | None = None

    def with_options(self, **options: Unpack[Options]) -> "Executor":
        """This executor and its workers, with other options for the calls submitted through it.

        Shutting one of the two down is shutting down both.
        """
        refuse_unknown(options, "with_options")
        view = copy.copy(self)
        # The whole must not be forgotten before its view.
        vars(view).update(_options=replace(self._options, **options), _whole=self)
        return view

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> CallFuture:
        """The future of `fn(*args, **kwargs)`; both are as they are now, whatever changes later."""
        future = CallFuture(next(self._ids), self._driver, self._options)
        call = None
        try:
            call = _pack(self._code, future, fn, args, kwargs)
        except NotPicklableError as error:
            future.set_exception(error)
        with self._lock:
            self._check_usable()
            if call is not None:
                self._driver.submit(call)
        return future

    def submit_after(
        self, earlier: Sequence[futures.Future[Any]], fn: Callable[[list[Any]], Any], /
    ) -> CallFuture:
        """The future of `fn([their results])`, called when all are there; one that fails fails it.

        Nobody waits for it meanwhile, and an executor that is shut down still does it.
        """
        future = CallFuture(next(self._ids), self._driver, self._options)
        after = _After(self._driver, self._code, future, self.prepare(fn), earlier)
        with self._lock:
            self._check_usable()
            self._driver.expect(future)
        after.watch()
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        """As `concurrent.futures` documents it; `fn` is pickled once for all its calls."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        return super().map(self.prepare(fn), *iterables, timeout=timeout)

    def map_reduce(
        self,
        map_fn: Callable[[Any], Any],
        data: Iterable[Any],
        reduce_fn: Callable[[list[Any]], Any],
    ) -> CallFuture:
        """The future of `reduce_fn([map_fn(item) for item in data])`, every call on a worker."""
        prepared = self.prepare(map_fn)
        return self.submit_after([self.submit(prepared, item) for item in data], reduce_fn)

    def prepare(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn` as it is now, pickled, with its code, to be submitted many times."""
        try:
            return dump_function(fn, self._code.now)
        except NotPicklableError:
            return fn  # each of its calls will fail, and say why

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As `concurrent.futures` documents it."""
        with self._lock:
            self._forgotten.detach()
            self._driver.close(cancel_queued=cancel_futures)
        if wait and not self._driver.is_copy:
            self._driver.join()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """As documented; but Ctrl-C ends the calls that run, like those of a process pool."""
        if kind is KeyboardInterrupt:
            self._driver.close(abandon=True)
        return super().__exit__(kind, error, traceback)

    def _check_usable(self) -> None:
        if self._driver.is_closing:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self._driver.is_copy:
            raise RuntimeError("an Executor cannot be used in a forked copy of its process")
        if self._driver.broken is not None:
            raise futures.BrokenExecutor(str(self._driver.broken)) from self._driver.broken


class _After:
    """Sends a call off when the last of the futures that it waits for is done."""

    def __init__(
        self,
        driver: Driver,
        code: LocalCode,
        future: CallFuture,
        fn: Callable[[list[Any]], Any],
        earlier: Sequence[futures.Future[Any]],
    ) -> None:
        self._driver = driver
        self._code = code
        self._future = future
        self._fn = fn
        self._earlier = list(earlier)
        self._lock = threading.Lock()
        self._missing = len(self._earlier) + 1

    def watch(self) -> None:
        for future in self._earlier:
            future.add_done_callback(self._count)
        self._count(None)

    def _count(self, _: object) -> None:
        with self._lock:
            self._missing -= 1
            if self._missing:
                return
        if self._future.cancelled():
            return
        try:
            results = [future.result() for future in self._earlier]
            call = _pack(self._code, self._future, self._fn, (results,), {})
        except BaseException as error:  # noqa: BLE001  (whatever it was, it is ours now)
            self._driver.fail(self._future.call_id, error)
        else:
            self._driver.submit(call)


def _pack(
    code: LocalCode,
    future: CallFuture,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Call:
    """The call, ready to travel."""
    function = fn if isinstance(fn, Function) else dump_function(fn, code.now)
    future.arguments, modules = dump_arguments(function.name, args, kwargs)
    check_size(function, future.arguments)
    future.code = code.complete(function.code, modules)
    future.function = function
    options = future.options
    return Call(
        future.call_id,
        function.name,
        len(future.arguments),
        future,
        options.timeout_s,
        options.loss_retries,
    )
