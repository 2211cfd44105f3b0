"""The batch framework: an Executor whose calls run in workers obtained through offers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import NoSuchWorkerError, ServiceLostError, WorkerDied
    from .executor import Executor
    from .payloads import NotPicklableError, RemoteError, RemoteTraceback

__all__ = [
    "Executor",
    "NoSuchWorkerError",
    "NotPicklableError",
    "RemoteError",
    "RemoteTraceback",
    "ServiceLostError",
    "WorkerDied",
]

_HOMES = {
    "Executor": "executor",
    "NoSuchWorkerError": "errors",
    "NotPicklableError": "payloads",
    "RemoteError": "payloads",
    "RemoteTraceback": "payloads",
    "ServiceLostError": "errors",
    "WorkerDied": "errors",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: a worker imports this package too, and needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415  (the same reason)

    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
