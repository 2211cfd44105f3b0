"""Which key opens which connection of the batch framework, and how a worker gets its own.

All keys come from the cluster's token, except a job's, which its Executor makes at random.
A worker finds its key in a private file of its sandbox: arguments and environment can be read
by others.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path

from fairlead.common.dataclass import dataclass

WORKER_FILE = "worker.key"
"""Name of the file in a worker's sandbox; the worker removes it once read."""


def service_key(token: str) -> bytes:
    """What drivers and the service share: whoever may read the token may use the service."""
    return _derive(token.encode(), "batch service")


def worker_key(service: bytes, worker: str) -> bytes:
    """What one worker and the service share; a restarted service derives it again."""
    return _derive(service, f"batch worker {worker}")


@dataclass(frozen=True, slots=True)
class WorkerPass:
    """Who a worker is and how it proves it: what its launch puts into `WORKER_FILE`."""

    worker: str
    key: bytes
    size: Mapping[str, int]
    authority: str = ""
    """Who makes certificates for the cluster, if service and drivers are reached over TLS."""

    def encode(self) -> bytes:
        fields = {"worker": self.worker, "key": self.key.hex(), "size": dict(self.size)}
        return json.dumps({**fields, "authority": self.authority}).encode()

    @classmethod
    def take(cls, directory: Path) -> "WorkerPass":
        """Read the file and remove it, so that user code finds no key in its directory."""
        path = directory / WORKER_FILE
        fields = json.loads(path.read_bytes())
        path.unlink()
        key = bytes.fromhex(fields["key"])
        return cls(fields["worker"], key, fields["size"], fields["authority"])

    def write(self, directory: Path) -> None:
        """For whoever starts workers without an agent."""
        descriptor = os.open(directory / WORKER_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(self.encode())


def _derive(key: bytes, label: str) -> bytes:
    return hmac.digest(key, label.encode(), hashlib.sha256)
