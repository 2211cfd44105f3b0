"""One system and its calls: `python benchmarks/call_systems.py fairlead|pool|ray|dask|parsl`.

`calls.py` runs it, each system with the Python of its own environment, so only the standard library
is imported before the clock starts. It prints one JSON object; before that, when all is idle, the
line "idle", and waits for a line in answer.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

WORKERS = 2
CALLS = 10_000
SINGLE = 300
LARGE = 200
LARGE_BYTES = 1 << 20
IDLE_S = 3.0

Submit = Callable[..., Any]
Gather = Callable[[Iterable[Any]], Any]
System = Callable[[], AbstractContextManager[tuple[Submit, Gather]]]


def nothing(_: object = None) -> None:
    """What a no-op call does."""


def same(data: bytes) -> bytes:
    """In and out."""
    return data


def results(submitted: Iterable[Any]) -> list[Any]:
    return [future.result() for future in submitted]


# --- the systems


@contextmanager
def fairlead() -> Iterator[tuple[Submit, Gather]]:
    from fairlead.frameworks.batch import Executor  # noqa: PLC0415 - its import is measured

    with Executor(max_workers=WORKERS) as executor:
        yield executor.submit, results


@contextmanager
def pool() -> Iterator[tuple[Submit, Gather]]:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    with ProcessPoolExecutor(max_workers=WORKERS) as executor:
        yield executor.submit, results


@contextmanager
def ray() -> Iterator[tuple[Submit, Gather]]:
    import logging  # noqa: PLC0415

    import ray  # type: ignore[import-not-found]  # noqa: PLC0415

    ray.init(
        num_cpus=WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    remote = {function: ray.remote(function) for function in (nothing, same)}
    yield (
        lambda function, *arguments: remote[function].remote(*arguments),
        lambda submitted: ray.get(list(submitted)),
    )
    ray.shutdown()


@contextmanager
def dask() -> Iterator[tuple[Submit, Gather]]:
    from distributed import Client  # type: ignore[import-not-found]  # noqa: PLC0415

    with Client(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as client:

        def submit(function: Callable[..., Any], *arguments: object) -> Any:
            return client.submit(function, *arguments, pure=False)

        yield submit, lambda submitted: client.gather(list(submitted))


@contextmanager
def parsl() -> Iterator[tuple[Submit, Gather]]:
    import tempfile  # noqa: PLC0415

    import parsl  # type: ignore[import-not-found]  # noqa: PLC0415
    from parsl.executors import HighThroughputExecutor  # type: ignore[import-not-found]  # noqa: PLC0415
    from parsl.providers import LocalProvider  # type: ignore[import-not-found]  # noqa: PLC0415

    executor = HighThroughputExecutor(
        label="htex",
        address="127.0.0.1",
        max_workers_per_node=WORKERS,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    with tempfile.TemporaryDirectory(prefix="parsl-") as directory:
        parsl.load(parsl.Config(executors=[executor], run_dir=directory, strategy="none"))
        apps = {function: parsl.python_app(function) for function in (nothing, same)}
        yield lambda function, *arguments: apps[function](*arguments), results
        parsl.dfk().cleanup()


SYSTEMS: dict[str, System] = {
    "fairlead": fairlead,
    "pool": pool,
    "ray": ray,
    "dask": dask,
    "parsl": parsl,
}


# --- the workload


def measure(system: System) -> dict[str, float]:
    began = time.monotonic()
    with system() as (submit, gather):
        gather([submit(nothing, 0)])
        first_s = time.monotonic() - began
        gather([submit(nothing, number) for number in range(20 * WORKERS)])
        ask("idle")
        singles = [took(lambda: gather([submit(nothing, 0)])) for _ in range(SINGLE)]
        many_s = took(lambda: gather([submit(nothing, number) for number in range(CALLS)]))
        data = bytes(LARGE_BYTES)
        large_s = took(lambda: gather([submit(same, data) for _ in range(LARGE)]))
    return {
        "first_s": first_s,
        "p50_ms": 1000 * statistics.median(singles),
        "p99_ms": 1000 * statistics.quantiles(singles, n=100)[98],
        "calls_per_s": CALLS / many_s,
        "mb_per_s": 2 * LARGE * LARGE_BYTES / large_s / 1e6,
    }


def took(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def ask(what: str) -> None:
    time.sleep(IDLE_S)
    print(what, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    print(json.dumps(measure(SYSTEMS[sys.argv[1]])), flush=True)
