"""Laws about gangs: none goes on with a part of it, and nobody ends one that is whole.

Members are known by the orders that agents heard, their ends by what agents say. A group of
launches is a gang of one agent.
"""

from dataclasses import dataclass, field

from fairlead.common.ids import FrameworkId, LaunchUuid
from fairlead.common.launches import launches_in
from fairlead.common.messages import RunAccept
from fairlead.common.values import TaskState, TaskStatus

from .laws import Facts, ViolationError

LATE_S = 75.0
"""For a gang to be ended, beyond the time after which an agent is given up: it takes a master and
the agents of all members to be back.
"""


@dataclass(slots=True)
class _Gang:
    size: int
    hosts: dict[LaunchUuid, str] = field(default_factory=dict)
    started: dict[LaunchUuid, None] = field(default_factory=dict)
    running: dict[LaunchUuid, None] = field(default_factory=dict)
    finished: dict[LaunchUuid, None] = field(default_factory=dict)
    has_lost: bool = False
    """An agent said of a member that it had ended badly."""
    half_since: float | None = None
    """When it was seen first that a part of it ran."""

    @property
    def is_half(self) -> bool:
        return bool(self.running) and (self.has_lost or len(self.started) < self.size)


class Gangs:
    """Keeps who is together, and who still runs."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._gangs: dict[tuple[FrameworkId, str], _Gang] = {}
        self._of: dict[LaunchUuid, _Gang] = {}

    def ordered(self, host: str, run: RunAccept) -> None:
        """An agent hears what it is to run."""
        for launch in launches_in(run.operations):
            if (mark := launch.task.gang) is not None:
                key = (run.framework.framework_id, mark.gang_id)
                gang = self._gangs.setdefault(key, _Gang(mark.size))
                gang.hosts[launch.launch_uuid] = host
                self._of[launch.launch_uuid] = gang

    def started(self, uuid: LaunchUuid) -> None:
        if (gang := self._of.get(uuid)) is not None:
            gang.started[uuid] = gang.running[uuid] = None

    def ended(self, uuid: LaunchUuid) -> None:
        """Its container has; how, its agent will say."""
        if (gang := self._of.get(uuid)) is not None:
            gang.running.pop(uuid, None)

    def said(self, latest: TaskStatus) -> None:
        """Where an agent says that a task is."""
        gang = self._of.get(latest.launch_uuid)
        if gang is None or not latest.state.is_terminal:
            return
        if latest.state is TaskState.FINISHED:
            gang.finished[latest.launch_uuid] = None
        else:
            gang.has_lost = True

    def may_end(self, uuid: LaunchUuid) -> bool:
        """Whether an agent may do so by itself: another member that it had may have ended badly."""
        gang = self._of.get(uuid)
        if gang is None:
            return False
        here = [other for other, host in gang.hosts.items() if host == gang.hosts[uuid]]
        return any(other not in gang.running and other not in gang.finished for other in here)

    def check(self, now: float) -> None:
        """For a while a part of a gang may run, and no longer."""
        for (framework_id, name), gang in self._gangs.items():
            if not gang.is_half or self._facts.is_over(framework_id, now):
                gang.half_since = None
                continue
            since = gang.half_since = now if gang.half_since is None else gang.half_since
            if now - since > self._facts.terms.agent_timeout_s + LATE_S:
                what = f"{len(gang.running)} of {gang.size} of the gang {name} of {framework_id}"
                raise ViolationError("no gang is half running", f"{what} run since {since:.1f} s")

    def restless(self) -> str:
        """A gang of which a part runs still; empty: none."""
        half = (name for (_, name), gang in self._gangs.items() if gang.half_since is not None)
        return f"the gang {name} is half running" if (name := next(half, "")) else ""
