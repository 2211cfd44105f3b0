"""What a caller of the batch framework may have to handle, beside what its own functions raise."""

from concurrent.futures import CancelledError

from fairlead.common.errors import FairleadError, UnavailableError


class WorkerDiedError(FairleadError):
    """Workers ended while running the call, again and again: it is probably the call's doing."""


class CallTimeoutError(FairleadError, TimeoutError):
    """The call ran longer than its `timeout_s`; it was ended, with all that it had started."""


class CallKilledError(FairleadError, CancelledError):
    """Its future was told to `kill` the call, and it no longer runs."""


class ServiceLostError(UnavailableError):
    """The batch service went away, and the call had not been done."""


class NoSuchWorkerError(FairleadError):
    """There can be no worker of the size asked for: no agent holds one, or each ends at once."""
