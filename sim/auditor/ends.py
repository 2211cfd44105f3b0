"""Laws about ends that are due: what an agent was told to end, or what has run for as long as it
may, it ends soon, and nothing before its time.

An agent that was dead or stood still has all its time anew.
"""

from dataclasses import dataclass

from fairlead.common.ids import FrameworkId, LaunchUuid, TaskId

from .laws import NEVER, Facts, ViolationError, host_of

SOON_S = 3.0
"""A signal may have to wait for a slow disk."""
Name = tuple[FrameworkId, TaskId]


@dataclass(slots=True)
class _Life:
    """A container between its start and its end."""

    host: str
    name: Name
    limit_s: float
    """0 is for ever."""
    begun: float
    since: float | None
    """It runs since then; None: it is suspended."""
    ran_s: float = 0.0
    """Before that."""
    is_signalled: bool = False

    def whole_s(self, now: float) -> float:
        return self.ran_s + (0.0 if self.since is None else now - self.since)


class Ends:
    """Keeps the clocks of all containers."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._lives: dict[LaunchUuid, _Life] = {}
        self._told: dict[LaunchUuid, float] = {}
        """When its agent heard that it should end it."""
        self._awake: dict[str, float] = {}
        """Since when the agent of a host has been awake; NEVER: it is not."""
        self._moved: dict[Name, None] = {}
        """Perhaps suspended: then only its agent knows when it counted."""

    # --- agents

    def awake(self, now: float, name: str) -> None:
        self._awake[host_of(name)] = now

    def asleep(self, name: str) -> None:
        self._awake[host_of(name)] = NEVER

    def leapt(self, host: str, seconds: float) -> None:
        """By the clock of the host whatever runs there has run for so much longer."""
        for life in self._lives.values():
            if life.host == host and life.since is not None:
                life.ran_s += seconds

    def told(self, now: float, uuid: LaunchUuid) -> None:
        self._told[uuid] = now

    def moved(self, name: Name) -> None:
        self._moved[name] = None

    # --- containers

    def started(self, now: float, host: str, uuid: LaunchUuid, name: Name, limit_s: float) -> None:
        self._lives[uuid] = _Life(host, name, limit_s, now, now)

    def suspended(self, now: float, uuid: LaunchUuid) -> None:
        life = self._lives[uuid]
        life.ran_s, life.since = life.whole_s(now), None

    def resumed(self, now: float, uuid: LaunchUuid) -> None:
        life = self._lives[uuid]
        life.ran_s, life.since = life.whole_s(now), now

    def signalled(self, uuid: LaunchUuid) -> None:
        self._lives[uuid].is_signalled = True

    def is_overdue(self, now: float, uuid: LaunchUuid) -> bool:
        """It has run for as long as it may."""
        life = self._lives[uuid]
        return bool(life.limit_s) and life.whole_s(now) > life.limit_s - 0.001

    def ended(self, now: float, uuid: LaunchUuid) -> None:
        """By itself, unless it was signalled."""
        life = self._lives.pop(uuid, None)
        if life is None or life.is_signalled:
            return
        awake = self._awake.get(life.host, NEVER)
        told = self._told.get(uuid, NEVER)
        if awake <= told < now - SOON_S:
            raise ViolationError(
                "what was told to end ends",
                f"{uuid} on {life.host} ran until {now:.3f}, and was to be ended at {told:.3f}",
            )
        at_least_s = now - max(awake, life.begun)
        if 0 < life.limit_s < at_least_s - SOON_S and life.name not in self._moved:
            raise ViolationError(
                "nothing runs for longer than it may",
                f"{uuid} on {life.host} ran for {at_least_s:.3f} s and more, its limit is"
                f" {life.limit_s:g} s",
            )
