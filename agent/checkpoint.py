"""What of an agent is on disk: the kinds of its records, by the first part of their keys."""

from collections.abc import Mapping

from fairlead.common.messages import (
    AcceptProgress,
    AgentRegistered,
    FrameworkAway,
    Hello,
    KillTask,
    MasterToAgent,
    RunAccept,
)
from fairlead.common.values import AgentTask, FrameworkInfo, Reservation, TaskStatus

KINDS: Mapping[str, type] = {
    "identity": AgentRegistered,
    "epoch": MasterToAgent,
    "place": Hello,
    "framework": FrameworkInfo,
    "accept": RunAccept,
    "progress": AcceptProgress,
    "task": AgentTask,
    "update": TaskStatus,
    "kill": KillTask,
    "ended": AgentTask,
    "away": FrameworkAway,
    "reserved": Reservation,
}
