"""Where a job goes when it comes: Algorithm 1 of the Gandiva paper (OSDI 2018), reconstructed from
its text. A pure function of what the scheduler knows of each server.

A server bears the size of the first job that was placed there as its *affinity*, so that jobs of
one size meet on one server and share its devices evenly. The paper's "height < 1" is read as "has
room": what is allocated and what is wanted are together no more than there is.

Unlike the paper's scheduler this one sees only what it is offered: a server has room for a job if
an offer of that server holds all that the job asks for.
"""

from collections.abc import Iterable
from enum import Enum

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId


class Way(Enum):
    """By which of the algorithm's lines a job got its server."""

    AFFINE = "with the same affinity and room"
    UNASSIGNED = "without jobs"
    RELAXED = "with free GPUs, whatever its affinity"
    SHARED = "with the same affinity, shared by slices"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server as it stands for one job."""

    agent_id: AgentId
    gpus: int
    """That it has."""
    held: int
    """That the framework holds there."""
    wanted: int
    """By the jobs that are there."""
    affinity: int
    """0: no job is there."""
    has_room: bool

    @property
    def load(self) -> float:
        return self.wanted / max(1, self.gpus)

    @property
    def shared_load(self) -> float:
        """Beyond 1 its jobs take turns."""
        return self.wanted / self.held if self.held else 0.0


def place(
    size: int, servers: Iterable[Candidate], *, may_share: bool
) -> tuple[Candidate, Way] | None:
    """The server for a job of so many GPUs; None: it queues."""
    known = list(servers)
    room = [each for each in known if each.has_room]
    affine = [each for each in room if each.affinity == size]
    unassigned = [each for each in room if not each.affinity]
    shared = [each for each in known if each.affinity == size and each.held >= size > 0]
    if affine:
        return min(affine, key=lambda each: (each.load, each.agent_id)), Way.AFFINE
    if unassigned:
        return min(unassigned, key=lambda each: (each.gpus, each.agent_id)), Way.UNASSIGNED
    if room:
        return min(room, key=lambda each: (each.load, each.agent_id)), Way.RELAXED
    if may_share and shared:
        return min(shared, key=lambda each: (each.shared_load, each.agent_id)), Way.SHARED
    return None
