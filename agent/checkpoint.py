"""What of an agent is on disk, and how: the first part of a record's key tells its kind."""

from collections.abc import Mapping

from fairlead.common import wire
from fairlead.common.errors import FairleadError, RegistryError
from fairlead.common.events import Record
from fairlead.common.messages import (
    AcceptProgress,
    AgentRegistered,
    FrameworkAway,
    Hello,
    KillTask,
    MasterToAgent,
    RunAccept,
)
from fairlead.common.outbox import Change
from fairlead.common.values import AgentTask, FrameworkInfo, TaskStatus

KINDS: Mapping[str, type] = {
    "identity": AgentRegistered,
    "epoch": MasterToAgent,
    "place": Hello,
    "framework": FrameworkInfo,
    "accept": RunAccept,
    "progress": AcceptProgress,
    "task": AgentTask,
    "update": TaskStatus,
    "kill": KillTask,
    "ended": AgentTask,
    "away": FrameworkAway,
}


def encode(record: Record) -> Change:
    """For the store."""
    return record.key, None if record.value is None else wire.encode(record.value)


def decode(rows: Mapping[str, bytes]) -> dict[str, object]:
    """Everything that the store has; RegistryError if it is not of this version."""
    records: dict[str, object] = {}
    for key, data in rows.items():
        kind = KINDS.get(key.partition("/")[0])
        try:
            if kind is None:
                raise RegistryError("its kind is not known")
            records[key] = wire.decode(kind, data)
        except FairleadError as error:
            raise RegistryError(
                f"the checkpoint has a record {key[:80]!r} that cannot be used: {error.message}",
                hint="start the version that wrote it, or move the work directory away",
            ) from None
    return records
