"""The calls of the framework `training`, and how its clients find it; imported by both sides."""

from collections.abc import Sequence

from fairlead.common.jobs import (
    JobOrdered,
    JobsQuery,
    JobsReply,
    JobSubmitted,
    OrderJob,
    SubmitJob,
)
from fairlead.common.operators import FrameworkView
from fairlead.common.rpc import CallMethod
from fairlead.frameworks.kit import clients

NAME = "training"
SUBMIT = CallMethod("Jobs", "Submit", SubmitJob, JobSubmitted)
LIST = CallMethod("Jobs", "List", JobsQuery, JobsReply)
ORDER = CallMethod("Jobs", "Order", OrderJob, JobOrdered)


def address_of(frameworks: Sequence[FrameworkView]) -> str:
    """Where the framework listens; UnavailableError if it does not run now."""
    return clients.address_of(NAME, frameworks)
