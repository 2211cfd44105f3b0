"""What may happen to the service's workers and drivers, and what is to be done: `Pool`'s words."""

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import Resources


@dataclass(frozen=True, slots=True)
class DriverJoined:
    """A job's driver has dialled in, perhaps again after this service was restarted."""

    job: str
    size: Resources
    max_workers: int
    wants: int


@dataclass(frozen=True, slots=True)
class DriverWants:
    """So many workers it could use now, those that it has included."""

    job: str
    count: int


@dataclass(frozen=True, slots=True)
class DriverLeft:
    """Its connection has ended."""

    job: str


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker has dialled in; `job` is whose lease runs in it, if one does."""

    worker: str
    size: Resources
    job: str | None


@dataclass(frozen=True, slots=True)
class WorkerFreed:
    """Its lease has ended; it is warm."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """Its task has ended, or it hung up: without a lease, or for longer than a lease can wait."""

    worker: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline has come."""


Event = DriverJoined | DriverWants | DriverLeft | WorkerJoined | WorkerFreed | WorkerLost | Tick


@dataclass(frozen=True, slots=True)
class Want:
    """So many workers of this size could be used now: see to it that no fewer exist."""

    size: Resources
    count: int


@dataclass(frozen=True, slots=True)
class Lease:
    """This worker is to dial the job's driver."""

    worker: str
    job: str


@dataclass(frozen=True, slots=True)
class EndLease:
    """Nobody waits for its results any more."""

    worker: str


@dataclass(frozen=True, slots=True)
class AskBack:
    """The job's driver is to give so many workers back."""

    job: str
    count: int


@dataclass(frozen=True, slots=True)
class Release:
    """Nobody has needed this worker for a while: its task may end."""

    worker: str


Action = Want | Lease | EndLease | AskBack | Release
