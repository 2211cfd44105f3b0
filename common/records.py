"""What of a core is on disk, and how: the first part of a record's key tells its kind.

Master, agent and driver encode their Records alike; which kinds there are each says itself.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import wire
from .errors import FairleadError, RegistryError
from .events import Record

if TYPE_CHECKING:  # whoever has no store need not import one
    from .table import Change


def encode(record: Record) -> "Change":
    """For the store."""
    return record.key, None if record.value is None else wire.encode(record.value)


def decode(rows: Mapping[str, bytes], kinds: Mapping[str, type], where: str) -> dict[str, object]:
    """Everything that the store has; RegistryError if it is not of this version."""
    records: dict[str, object] = {}
    for key, data in rows.items():
        kind = kinds.get(key.partition("/")[0])
        try:
            if kind is None:
                raise RegistryError("its kind is not known")
            records[key] = wire.decode(kind, data)
        except FairleadError as error:
            raise RegistryError(
                f"{where} has a record {key[:80]!r} that cannot be used: {error.message}",
                hint="start the version that wrote it, or move the file away to begin without it",
            ) from None
    return records
