"""What a job's book knows of one worker: the calls it holds, and what it was asked to give back."""

from dataclasses import field, replace

from fairlead.common.dataclass import dataclass

from .call_events import Call

HOLD_S = 0.04
MAX_IN_FLIGHT = 256
MAX_BYTES_IN_FLIGHT = 32 << 20
RECALL_AFTER_S = 0.05
ASK_AGAIN_S = 1.0
"""An order that was not answered may have been lost on its way through the service."""
_GONE = -1
"""The id of a call that nobody waits for any more, though its worker has not let go of it."""


@dataclass(slots=True)
class WorkerLoad:
    """Calls by sequence, oldest first, with the seconds expected: the first one is running."""

    name: str
    heard_at: float
    in_flight: dict[int, tuple[Call, float]] = field(default_factory=dict)
    load_s: float = 0.0
    load_bytes: int = 0
    next_sequence: int = 0
    is_recalling: bool = False
    is_leaving: bool = False
    limit: tuple[int, float] | None = None
    """The sequence of the running call, and when it is to be stopped."""
    kills: dict[int, bool] = field(default_factory=dict)
    """The sequences of calls that are to be stopped, and whether the worker has answered that.

    Until it has, it may end the process at any moment, whatever that is doing by then.
    """
    asked_at: float = 0.0

    @property
    def is_half_empty(self) -> bool:
        return (
            self.load_s <= HOLD_S / 2
            and len(self.in_flight) <= MAX_IN_FLIGHT / 2
            and self.load_bytes <= MAX_BYTES_IN_FLIGHT / 2
        )

    @property
    def is_asked(self) -> bool:
        """And has not answered."""
        return self.is_recalling or bool(self.kills)

    def deadline(self) -> float | None:
        """When something has to be said to it, whatever happens elsewhere."""
        limit = self.limit[1] if self.limit else None
        again = self.asked_at + ASK_AGAIN_S if self.is_asked else None
        return min((at for at in (limit, again) if at is not None), default=None)

    def is_silent(self, now: float) -> bool:
        """It is busy with something long: what waits behind that may wait in vain."""
        return bool(self.in_flight) and self.heard_at + RECALL_AFTER_S <= now

    def has_room(self, call: Call, seconds: float) -> bool:
        return not self.in_flight or (
            self.load_s + seconds <= HOLD_S
            and len(self.in_flight) < MAX_IN_FLIGHT
            and self.load_bytes + call.size <= MAX_BYTES_IN_FLIGHT
        )

    def put(self, call: Call, seconds: float) -> None:
        self.in_flight[self.next_sequence] = (call, seconds)
        self.next_sequence += 1
        self.load_s += seconds
        self.load_bytes += call.size

    def take(self, sequence: int) -> Call | None:
        call, seconds = self.in_flight.pop(sequence, (None, 0.0))
        if call is None:
            return None
        # Sums of floats drift; an empty worker has no load, exactly.
        self.load_s = self.load_s - seconds if self.in_flight else 0.0
        self.load_bytes -= call.size
        if self.kills.get(sequence):
            del self.kills[sequence]
        if self.limit is not None and self.limit[0] == sequence:
            self.limit = None
        return None if call.id == _GONE else call

    def answered(self, kill: int | None) -> None:
        """The order is obeyed, or came too late."""
        self.is_recalling = False
        if kill in self.in_flight and kill in self.kills:
            self.kills[kill] = True
        elif kill is not None:
            self.kills.pop(kill, None)

    def sequence_of(self, call_id: int) -> int:
        return next(n for n, (call, _) in self.in_flight.items() if call.id == call_id)

    def let_go_of(self, sequence: int) -> Call:
        """Nobody waits for this one any more; its worker is still asked to stop it."""
        call, seconds = self.in_flight[sequence]
        self.in_flight[sequence] = (replace(call, id=_GONE), seconds)
        return call

    def calls(self) -> list[Call]:
        """That somebody waits for."""
        return [call for call, _ in self.in_flight.values() if call.id != _GONE]
