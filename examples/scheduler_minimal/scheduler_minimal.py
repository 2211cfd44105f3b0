"""A complete scheduler: runs some copies of a command and prints what became of each."""

from collections.abc import Sequence

from fairlead.frameworks.kit.scheduler import (
    Offer,
    OffersReceived,
    Resources,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Stop,
    TaskStatus,
    Teardown,
    accept,
    decline,
    fitting,
    framework,
    task,
    wanting,
)

EACH = Resources.of(cpus=0.5, mem=64 * 2**20)
COMMAND = ("sh", "-c", "echo this is a copy; sleep 1")


class Minimal(SchedulerBase):
    """Wants what still waits, uses whatever fits, stops when all have ended."""

    def __init__(self, copies: int = 4, command: Sequence[str] = COMMAND) -> None:
        self.framework = framework("minimal")
        self.waiting = [task(f"copy-{n}", command, EACH) for n in range(1, copies + 1)]
        self.unfinished = copies
        self.demands = wanting(EACH, copies)

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        match event:
            case OffersReceived(offers):
                return [self.use(offer) for offer in offers]
            case StatusReceived(status) if status.state.is_terminal:
                return self.ended(status)
            case _:
                return []

    def use(self, offer: Offer) -> object:
        chosen = fitting(offer.resources, self.waiting)
        self.waiting = self.waiting[len(chosen) :]  # all alike, so they fit in order
        self.demands = wanting(EACH, len(self.waiting))
        return accept([offer], *chosen) if chosen else decline([offer])

    def ended(self, status: TaskStatus) -> list[object]:
        self.unfinished -= 1
        result = f"{status.task_id} {status.state.name} on {status.agent_id}"
        return [result] if self.unfinished else [result, Teardown(), Stop()]
