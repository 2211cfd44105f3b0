"""What tasks hold and do not use: lent to revocable tasks, and taken back when it is needed (M26).

Only cpus are lent, since memory cannot be squeezed. A revocable task holds no cpus in the ledger
and has the least weight on the machine; how many cpus it may use at most are its limits. Use is
measured: what counts is the most that a task has used in any of the last few windows, and a task
that was not measured so often yet uses all that it holds.

When the use of all others and what revocable tasks may use is more than the agent has, revocable
tasks end, the lowest priority first, then the youngest. That needs no master.
"""

from collections import deque
from itertools import pairwise

from fairlead.common.resources import MILLIS, Resources
from fairlead.common.values import Reason, TaskState

from .context import Context, Task
from .life import Life

WINDOWS = 5
"""So many are looked back on; without so many nothing is known."""
LEAST_S = 0.5
"""Of a window: a shorter one says little."""
MARGIN = 0.1
"""Of what a task holds is not lent, whatever it uses."""

Sample = tuple[float, float]
"""When, and cpu time until then."""


class Idle:
    """Knows how much of its cpus each task uses."""

    def __init__(self, context: Context, life: Life) -> None:
        self._context = context
        self._life = life
        self._samples: dict[str, deque[Sample]] = {}
        self._count = 0
        """Of measurements."""

    def measured(self) -> None:
        """Behind each measurement of all tasks."""
        context, samples = self._context, self._samples
        self._count += 1
        for key in [key for key in samples if key not in context.tasks]:
            del samples[key]
        for task in context.living():
            if task.usage is None:
                continue
            known = samples.setdefault(task.key, deque(maxlen=WINDOWS + 1))
            if not known or context.now - known[-1][0] >= LEAST_S:
                known.append((context.now, task.usage.cpu_s))
        self._take_back()

    def revocable(self) -> Resources:
        """What may be lent, what is lent by now included."""
        idle = 0
        for task in self._owners():
            held, used = self._held(task), self._used(task)
            if used is not None:
                idle += max(0, int(held * (1 - MARGIN)) - used)
        return Resources(cpus=idle)

    def _take_back(self) -> None:
        if self._count <= WINDOWS:
            return  # after a start nobody has been measured yet
        spare = self._context.info.resources.cpus
        for task in self._owners():
            used = self._used(task)
            spare -= self._held(task) if used is None else used
        borrowers = self._borrowers()
        borrowers.sort(key=lambda task: task.info.priority)
        excess = sum(_borrowed(task) for task in borrowers) - max(0, spare)
        for task in borrowers:
            if excess <= 0:
                return
            excess -= _borrowed(task)
            why = f"taken back: others need the {Resources(_borrowed(task))} that it was lent"
            self._life.kill(task, task.info.kill_grace_s, Reason.REVOKED, why)

    def _owners(self) -> list[Task]:
        return [task for task in self._context.living() if not task.info.revocable]

    def _borrowers(self) -> list[Task]:
        """The youngest first."""
        living, ending = self._context.living(), TaskState.KILLING
        tasks = [task for task in living if task.info.revocable and task.state is not ending]
        tasks.reverse()
        return tasks

    def _held(self, task: Task) -> int:
        return self._context.ledger.of(task.key).cpus

    def _used(self, task: Task) -> int | None:
        """The most in any window, no more than it holds; None: not known yet."""
        samples = self._samples.get(task.key, ())
        if len(samples) <= WINDOWS:
            return None
        rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(samples)]
        return min(self._held(task), max(0, round(max(rates) * MILLIS)))


def _borrowed(task: Task) -> int:
    return task.info.limits.cpus if task.info.limits is not None else 0
