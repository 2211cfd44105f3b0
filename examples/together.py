"""A gang: all copies of a command run at the same time, on any agents, or it begins again.

PYTHONPATH=examples fairlead frameworks run together:Together
"""

from fairlead.frameworks.kit.scheduler import (
    Offer,
    OffersLost,
    OffersReceived,
    Resources,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    Stop,
    TaskState,
    TaskStatus,
    Teardown,
    framework,
    gang,
    task,
    wanting,
)

EACH = Resources.of(cpus=0.5, mem=64 * 2**20)


class Together(SchedulerBase):
    """Wants a gang, takes it whole, stops when all of one have finished."""

    def __init__(self, copies: int = 3, command: tuple[str, ...] = ("sleep", "1")) -> None:
        self.framework, self.copies, self.command = framework("together"), copies, command
        self.offers: dict[str, Offer] = {}
        self.living, self.attempt, self.has_failed = dict[str, None](), 0, True
        self.demands = wanting(EACH, copies, gang=True)

    def step(self, event: SchedulerEvent, _now: float) -> tuple[object, ...]:
        match event:
            case OffersReceived(offers):
                self.offers |= {offer.offer_id: offer for offer in offers}
                return self.start()
            case OffersLost(ids):
                self.offers = {i: each for i, each in self.offers.items() if i not in ids}
            case StatusReceived(status) if status.state.is_terminal:
                return self.ended(status)
        return ()

    def start(self) -> tuple[object, ...]:
        tasks = [task(f"{self.attempt + 1}-{n}", self.command, EACH) for n in range(self.copies)]
        if orders := gang(f"gang-{self.attempt + 1}", list(self.offers.values()), tasks):
            self.living, self.offers, self.demands = {t.task_id: None for t in tasks}, {}, ()
            self.attempt, self.has_failed = self.attempt + 1, False
        return orders  # nothing, as long as some of its offers are still on their way

    def ended(self, status: TaskStatus) -> tuple[object, ...]:
        self.living.pop(status.task_id, None)
        self.has_failed |= status.state is not TaskState.FINISHED
        if not self.living and self.has_failed:
            self.demands = wanting(EACH, self.copies, gang=True)
        line = f"{status.task_id} {status.state.name} {status.message}".strip()
        return (line,) if self.living or self.has_failed else (line, Teardown(), Stop())
