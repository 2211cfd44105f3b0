"""What the driver's core is told and what it orders, beside the events and actions of every core.

Its shell performs them, the simulator too.
"""

from fairlead.common.dataclass import dataclass
from fairlead.common.events import (
    CloseSession,
    Received,
    Record,
    Send,
    SessionClosed,
    SessionOpened,
    Tick,
)

from .scheduler import Stop


@dataclass(frozen=True, slots=True)
class Happened:
    """Something outside that is the scheduler's own business: a client asked, a child ended."""

    event: object


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a session to whoever leads now; SessionOpened or SessionClosed is the answer."""


@dataclass(frozen=True, slots=True)
class Perform:
    """An action that the kit does not know: for the scheduler's own service."""

    action: object


DriverEvent = SessionOpened | Received | SessionClosed | Happened | Tick | Stop
"""Stop as an event: whoever runs the driver wants it to end as if its scheduler had said so."""
DriverAction = Dial | Send | CloseSession | Record | Perform | Stop


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """How patient a driver is; times in seconds."""

    redial_s: float = 0.05
    """Before the first attempt to come back; doubles, each time jittered."""
    max_redial_s: float = 2.0
    silent_s: float = 10.0
    """A master silent for so long is taken for gone."""
    stall_s: float = 1.0
    """A tick later than that was our own stall, and is nobody's silence."""
    reconcile_s: float = 600.0
    ask_s: float = 1.0
    """Before a launch whose fate is still unknown is asked for again; doubles."""
    max_ask_s: float = 30.0
    teardown_s: float = 5.0
    """How long a Stop waits for the answer to the Teardown before it."""
    ended_kept: int = 10_000
    """Ended launches that are remembered, so that none ends twice."""


IN_STEP = "raised in a step of the scheduler"
"""A note on an exception that is no mistake of the kit."""
UNAVAILABLE_EXIT = 69
LOST_EXIT = 71
REFUSED_EXIT = 76
UNAUTHENTICATED_EXIT = 77
"""Exit codes that a driver may end with; the command's own table has the same numbers."""
