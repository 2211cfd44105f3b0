"""The agent's own count of what is held, and by whom, whatever a master believes.

A recovered agent may hold more than it has, if its capacity was lowered: then nothing new fits.
"""

from fairlead.common.resources import EMPTY, Resources, total


class Ledger:
    """Holders and what each holds."""

    def __init__(self, capacity: Resources) -> None:
        self.capacity = capacity
        self._held: dict[str, Resources] = {}
        self._free: Resources | None = capacity

    def pick(self, request: Resources) -> Resources | None:
        """The request with its devices named, or None if it does not fit into what is free."""
        return None if self._free is None else self._free.pick(request)

    def hold(self, holder: str, resources: Resources) -> None:
        """From now on the holder has exactly this; recovered tasks keep theirs even if too much."""
        self.release(holder)
        if resources:
            self._held[holder] = resources
            fits = self._free is not None and self._free.contains(resources)
            self._free = self._free - resources if self._free is not None and fits else None

    def release(self, holder: str) -> None:
        """The holder has nothing any more."""
        resources = self._held.pop(holder, EMPTY)
        if self._free is None:
            self._settle()
        else:
            self._free = self._free + resources

    def of(self, holder: str) -> Resources:
        return self._held.get(holder, EMPTY)

    def _settle(self) -> None:
        """Count anew, holder by holder: a sum would hide a port that two of them hold."""
        free = self.capacity
        for resources in self._held.values():
            if not free.contains(resources):
                self._free = None
                return
            free = free - resources
        self._free = free

    def check(self, expected: dict[str, Resources]) -> None:
        """The books balance, holder by holder and in sum."""
        wanted = {holder: resources for holder, resources in expected.items() if resources}
        assert self._held == wanted, f"the ledger has {self._held}, the tasks {wanted}"
        if self._free is not None:
            held = total(self._held.values())
            assert (self._free + held).vector == self.capacity.vector, (
                f"{held} held and {self._free} free do not make {self.capacity}"
            )
