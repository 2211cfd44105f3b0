"""What a caller of the batch framework may have to handle, beside what its own functions raise."""

from fairlead.common.errors import FairleadError, UnavailableError


class WorkerDiedError(FairleadError):
    """Workers ended while running the call, again and again: it is probably the call's doing."""


class ServiceLostError(UnavailableError):
    """The batch service went away, and the call had not been done."""


class NoSuchWorkerError(FairleadError):
    """There can be no worker of the size asked for: no agent holds one, or each ends at once."""
