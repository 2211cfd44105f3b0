"""The calls of a job, what may happen to them, and what is to be done: the words of `CallBook`."""

from enum import Enum

from fairlead.common.dataclass import dataclass


class Blame(Enum):
    """Whose doing the end of a worker was."""

    CALL = "call"
    """The process that runs calls ended by itself: it exited, or a signal or its limit hit it."""
    OUTSIDE = "outside"
    """The worker was killed, or its machine went away."""
    NOBODY = "nobody"
    """We asked for it."""


class Verdict(Enum):
    """Why a call ends without having been done."""

    TIMED_OUT = "timed out"
    KILLED = "killed"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call. `kind` groups calls expected to take equally long; `payload` is not looked into."""

    id: int
    kind: str
    size: int
    payload: object = None
    timeout_s: float | None = None
    loss_retries: int = 4
    tries: int = 1
    """The one that is made now included; each may take several workers."""
    losses: tuple[str, ...] = ()
    """What became of the workers that it has lost, oldest first."""
    deaths: int = 0
    """How many of those losses were its own doing."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """New calls, in order."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Calls that the caller no longer wants: never started, or not to be tried again."""

    calls: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KillRequested:
    """The caller no longer wants the call, running or not."""

    call_id: int


@dataclass(frozen=True, slots=True)
class TryAgain:
    """A call that was finished is to be made again, but not before some time has passed."""

    call: Call
    pause_s: float


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """It is ours until it is lost or released."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """It ended while it was ours; `cause` is for people."""

    worker: str
    cause: str
    blame: Blame = Blame.OUTSIDE


@dataclass(frozen=True, slots=True)
class Started:
    """The worker has begun this call, which has a timeout."""

    worker: str
    sequence: int


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
    is_answer: bool = False
    """To the order with this `kill`; else a call was skipped meanwhile."""
    kill: int | None = None


@dataclass(frozen=True, slots=True)
class GiveBack:
    """So many workers are wanted elsewhere."""

    count: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline has come."""


Event = (
    Submitted
    | Cancelled
    | KillRequested
    | TryAgain
    | WorkerJoined
    | WorkerLost
    | Started
    | Answered
    | Recalled
    | GiveBack
    | Tick
)


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
    """It has cost too many workers."""

    call: Call


@dataclass(frozen=True, slots=True)
class End:
    """It was stopped, or need not be begun."""

    call: Call
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Recall:
    """Take back what waits at this worker; `upto` is the next sequence to be sent there.

    If it is just running `kill`, end the process that does.
    """

    worker: str
    upto: int
    kill: int | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """It has nothing more to do for us."""

    worker: str


Action = Send | Finish | Fail | End | Recall | Release
