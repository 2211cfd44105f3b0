"""What an operator may set of a master; times in seconds."""

from fairlead.common.dataclass import dataclass
from fairlead.common.resources import Resources


@dataclass(frozen=True, slots=True)
class MasterSettings:
    """Defaults suit a handful of machines and grow with the number of agents."""

    wall_offset_s: float = 0.0
    """Wall time less the clock of `now`, for people."""
    heartbeat_s: float = 2.0
    max_heartbeat_s: float = 10.0
    agents_per_heartbeat_s: int = 500
    """The interval grows by one second for every so many agents."""
    silent_s: float = 10.0
    """A peer silent for so long is disconnected."""
    agent_timeout_s: float = 75.0
    """An agent silent for so long is unreachable, and its resources are given up."""
    return_s: float = 5.0
    """A new leader believes no absence before a framework has had so long to return to it."""
    offer_timeout_s: float = 30.0
    gang_timeout_s: float = 30.0
    """For the accepts of a gang to come together, and for its members to run."""
    min_filter_s: float = 1.0
    max_filter_s: float = 365 * 86400.0
    sorter: str = "drf"
    """Or "random": whose turn it is is drawn by weight, whatever anybody holds."""
    excluded_resources: tuple[str, ...] = ()
    """They count in no share: of `resources.NAMES`."""
    minimum_offers: tuple[Resources, ...] = ()
    """An offer is at least one of these; none: as small as may be."""
    gpu_agents_for_all: bool = False
    """Not only for frameworks that use GPUs, where others could be served elsewhere."""
    hold_after_s: float = 30.0
    """A demand of which nothing fitted for so long has room kept for it; 0: never."""
    fair_refusals: int = 3
    """So many fitting offers refused in a row, and a demand is not believed until an accept."""
    revoke_after_s: float = 60.0
    """Whoever was below its guarantee or fair share for so long, with demand, is given what others
    hold too much of; 0: never.
    """
    revoke_grace_s: float = 30.0
    """Notice that those others have, to give back in their own way."""
    stall_s: float = 1.0
    """A longer gap between steps was our own stall, and is nobody's silence."""
    max_grants: int = 500
    """Grants in one step, or looks in vain at an agent; then messages are read before the
    allocation goes on.
    """
    max_delay_s: float = 0.05
    """Under a flood of messages an allocation waits no longer than this for a quiet moment."""
    max_grants_in_quiet: int = 100
    """In one step: who comes meanwhile waits for all that is answered to them at once."""
    max_grants_in_flood: int = 25
    """Then, in one step: what is offered is answered, by more messages than the master can take."""
    ended_tasks_kept: int = 1000
    """Per framework."""
    ended_frameworks_kept: int = 200
    ended_framework_s: float = 600.0
    """An ended framework is forgotten after so long."""

    def believes(self, refusals: int) -> bool:
        """Whether a demand counts after so many fitting offers in a row that were not used."""
        return refusals < self.fair_refusals
