"""The calls of a job, what may happen to them, and what is to be done: the words of `CallBook`."""

from fairlead.common.dataclass import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call. `kind` groups calls expected to take equally long; `payload` is not looked into."""

    id: int
    kind: str
    size: int
    payload: object = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """New calls, in order."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Calls that the caller no longer wants and that were never started."""

    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """It is ours until it is lost or released."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """It ended while it was ours; `cause` is for people."""

    worker: str
    cause: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the call with this sequence; `outcome` is not looked into."""

    sequence: int
    seconds: float
    outcome: object


@dataclass(frozen=True, slots=True)
class Answered:
    """Some of a worker's calls are done."""

    worker: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Recalled:
    """These sequences, from first up to but without upto, did not and will not run there."""

    worker: str
    first: int
    upto: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """So many workers are wanted elsewhere."""

    count: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline has come."""


Event = Submitted | Cancelled | WorkerJoined | WorkerLost | Answered | Recalled | GiveBack | Tick


@dataclass(frozen=True, slots=True)
class Send:
    """Send these calls; each has the next sequence of that worker's connection, from `first` on."""

    worker: str
    first: int
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """It is done, once and for all."""

    call: Call
    outcome: object


@dataclass(frozen=True, slots=True)
class Fail:
    """It has cost too many workers; one cause for each, oldest first."""

    call: Call
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """Take back what waits at this worker; `upto` is the next sequence to be sent there."""

    worker: str
    upto: int


@dataclass(frozen=True, slots=True)
class Release:
    """It has nothing more to do for us."""

    worker: str


Action = Send | Finish | Fail | Recall | Release
