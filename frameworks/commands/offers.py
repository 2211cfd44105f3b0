"""What both schedulers of this folder look at: how much room an agent offers, what became of a
launch.
"""

from collections.abc import Sequence

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import AgentId, Role
from fairlead.common.resources import Resources, total
from fairlead.common.values import (
    AllOf,
    Comparison,
    Constraints,
    Offer,
    Predicate,
    Reason,
    TaskInfo,
    TaskState,
    TaskStatus,
)
from fairlead.frameworks.kit.scheduler import ANYWHERE

IN_DOCKER = Constraints((AllOf((Predicate("docker", Comparison.EQUALS, ("true",)),)),))
"""What an agent says of itself that runs tasks with an image."""


@dataclass(frozen=True, slots=True)
class Room:
    """All that one agent offers to one role; may be accepted as one."""

    agent_id: AgentId
    address: str
    offers: tuple[Offer, ...]

    @property
    def resources(self) -> Resources:
        return total(offer.resources for offer in self.offers)

    def suits(self, task: TaskInfo) -> bool:
        """Whether its agent runs such tasks, wherever there is room."""
        is_docker = self.offers[0].attributes.get("docker") == "true"
        return task.container is None or is_docker


def rooms(offers: Sequence[Offer]) -> list[Room]:
    """One for each agent and role, in the order in which they were offered."""
    grouped: dict[tuple[AgentId, Role], list[Offer]] = {}
    for offer in offers:
        grouped.setdefault((offer.agent_id, offer.role), []).append(offer)
    return [
        Room(agent_id, held[0].agent_address, tuple(held))
        for (agent_id, _), held in grouped.items()
    ]


def constraints_of(task: TaskInfo) -> Constraints:
    """On the agents that are to be asked."""
    return ANYWHERE if task.container is None else IN_DOCKER


NEVER_RAN = (
    Reason.INVALID_OFFERS,
    Reason.AGENT_REFUSED,
    Reason.AGENT_DISCONNECTED,
    Reason.LAUNCH_UNKNOWN,
    Reason.OPERATION_FAILED,
)


def never_ran(status: TaskStatus) -> bool:
    """Whether it is certain that nothing of it has happened, so that it may be tried again."""
    return status.state is TaskState.DROPPED and status.reason in NEVER_RAN
