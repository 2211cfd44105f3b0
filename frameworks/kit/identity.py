"""Who a framework is when its process has been started again: a small file of its home.

`Disk` writes it for the driver's outbox, beside the loop.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.common import records
from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError
from fairlead.common.events import Record
from fairlead.common.home import Home, write_json
from fairlead.common.outbox import Change

if TYPE_CHECKING:  # few frameworks have one, and all would have to import it
    from fairlead.common.store import Store

ID = "framework id"
"""The key of the Record that holds what is Known; nothing Known forgets it."""


@dataclass(frozen=True, slots=True)
class Known:
    """The id that a cluster gave it, and the latest leader's epoch: none before it is believed."""

    framework_id: str = ""
    cluster_id: str = ""
    epoch: int = 0

    def __bool__(self) -> bool:
        return bool(self.framework_id)

    @property
    def checksum(self) -> str:
        """A changed id might be somebody else's."""
        told = f"{self.framework_id} {self.cluster_id} {self.epoch}"
        return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Identity:
    """One file; what it says counts only within the cluster that gave the id."""

    path: Path

    @classmethod
    def of(cls, home: Home, name: str) -> "Identity":
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
        return cls(home.path / "frameworks" / f"{safe}.id.json")

    def load(self, cluster_id: str = "") -> Known:
        """What is known; nothing if there is no file, or another cluster than this gave the id."""
        try:
            fields = json.loads(self.path.read_text(encoding="utf-8"))
            checksum = fields.pop("checksum")
            known = Known(**fields)
        except FileNotFoundError:
            return Known()
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._damaged() from error
        if checksum != known.checksum:
            raise self._damaged()
        return known if cluster_id in ("", known.cluster_id) else Known()

    def _damaged(self) -> ConfigError:
        return ConfigError(f"{self.path} is damaged", hint=f"remove it: rm {self.path}")

    def save(self, known: Known) -> None:
        """In one step, and durable."""
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            write_json(self.path, {**asdict(known), "checksum": known.checksum})
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror}") from error

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def no_store(record: Record) -> ConfigError:
    """Of a scheduler that was started as one that need not remember anything."""
    return ConfigError(
        f"the scheduler records {record.key!r}, and has no store",
        hint="give its FrameworkRunner one: see frameworks/commands/service.py",
    )


class Disk:
    """Where a driver's Records go: its id to the file, its scheduler's own to a store.

    An id is always a commit of its own.
    """

    def __init__(self, identity: Identity | None, store: "Store | None") -> None:
        self._identity = identity
        self._store = store
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="framework id")

    def encode(self, record: Record) -> Change:
        if isinstance(known := record.value, Known):
            return record.key, json.dumps(asdict(known)).encode() if known else None
        if self._store is None:
            raise no_store(record)
        return records.encode(record)

    def commit(
        self, changes: Sequence[Change], on_done: Callable[[BaseException | None], None]
    ) -> None:
        key, known = changes[0]
        if key != ID:
            assert self._store is not None, "encode has refused it"
            self._store.commit(changes, on_done)
            return
        assert self._identity is not None, "an id that nobody keeps"
        write = self._identity.forget
        if known is not None:
            write = partial(self._identity.save, Known(**json.loads(known)))
        self._writer.submit(write).add_done_callback(lambda done: on_done(done.exception()))

    def close(self) -> None:
        self._writer.shutdown(wait=False)
