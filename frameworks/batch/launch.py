"""What a worker's task runs, and the private file that it finds beside it."""

import sys

from fairlead.common.ids import TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Command, TaskInfo

from .keys import WORKER_FILE, WorkerPass, worker_key
from .sizes import size_to_fields


def worker_command(service_address: str) -> list[str]:
    """What a worker's task runs."""
    return [sys.executable, "-P", "-m", "fairlead.frameworks.batch.worker", service_address]


def worker_pass(key: bytes, worker: str, size: Resources, authority: str = "") -> WorkerPass:
    """What goes into the task's private file `keys.WORKER_FILE`, encoded."""
    return WorkerPass(worker, worker_key(key, worker), size_to_fields(size), authority)


def worker_task(
    service_address: str, key: bytes, authority: str, worker: str, size: Resources
) -> TaskInfo:
    """A worker as a task; `key` is the service's, `authority` that of its certificates, if any."""
    files = {WORKER_FILE: worker_pass(key, worker, size, authority).encode()}
    command = Command(tuple(worker_command(service_address)))
    return TaskInfo(TaskId(worker), "batch worker", command, size, files=files)
