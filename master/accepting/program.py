"""An accept while it is looked through: its operations, one after another, on what is left.

Nothing in the books changes here; `accepts` books what came of it. An operation about a task that
cannot be done makes the whole accept worthless; a launch that cannot be done is left out alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import ANY_GPU, Role, TaskId
from fairlead.common.messages import KILL_SIGNALS
from fairlead.common.resources import Resources
from fairlead.common.sizes import MAX_ACCEPT_BYTES, task_bytes
from fairlead.common.values import (
    Gang,
    Launch,
    LaunchGroup,
    Operation,
    Reserve,
    Resize,
    Resume,
    Suspend,
    TaskInfo,
    TaskState,
    Unreserve,
)

from ..allocation.lent import as_borrower
from ..entries import Agent, Framework, Task
from .bindings import reserve, unreserve
from .launches import trouble_of


@dataclass(slots=True)
class Planned:
    """A task of the framework's own, as the operations so far will have left it."""

    task: Task
    state: TaskState
    held: Resources
    whole: Resources
    """What it has when it runs."""


@dataclass(slots=True)
class Program:
    """What goes into an accept, what is left of it, and what came of it so far."""

    framework: Framework
    agent: Agent
    role: Role
    accept_id: str
    offered: Resources
    """By its offers."""
    left: Resources
    spare: Resources
    """What of the offers no operation needs, at any time."""
    lent: int
    """Thousandths of cpus that others hold, for revocable tasks, by its offers."""
    named: dict[TaskId, Planned]
    """Those that it may suspend, resume and resize."""
    operations: list[Operation] = field(default_factory=list)
    """As the agent is to carry them out: with every device named."""
    moved: dict[TaskId, Task] = field(default_factory=dict)
    """Those that it does suspend, resume or resize."""
    launches: dict[TaskId, Launch] = field(default_factory=dict)
    bad: list[tuple[Launch, str]] = field(default_factory=list)
    """Launches that are left out, and why."""
    dragged: list[tuple[Launch, str]] = field(default_factory=list)
    """Those that are right, of a group with one that is not; and which that is."""
    gang: Gang | None = None
    """Of which all that is launched is a member."""
    taken: list[Resources] = field(default_factory=list)
    """By each launch and each resumed task."""
    size: int = 0
    """Of its launches, in bytes, about."""
    reserved: Resources | None = None
    """For its role by then, beside what its agent fixed; None: as it was."""

    @property
    def is_followed(self) -> bool:
        """Whether the agent has to say when it has ended; launches alone tell of themselves."""
        return bool(self.moved) or self.reserved is not None

    @property
    def brought(self) -> Resources:
        """By the offers, as far as they are needed."""
        return self.offered.without(self.spare)

    @property
    def summary(self) -> str:
        """For operators, of offers that it took."""
        first = next(iter(self.launches), "")
        more = len(self.launches) - 1
        said = [f"launches {first}" + (f" and {more} more" if more else "")] if first else []
        said += [f"moves {', '.join(self.moved)}"] if self.moved else []
        said += [f"has {self.reserved} reserved"] if self.reserved is not None else []
        said += [f"leaves {self.spare}"] if self.spare else []
        return "; ".join(said)

    def run(self, operations: Iterable[Operation]) -> tuple[str, str] | None:
        """Through all of them; or the field that is wrong, and how."""
        for index, operation in enumerate(operations):
            if trouble := _STEPS[type(operation)](self, operation):
                return f"operations[{index}]", trouble
            self.spare = self.spare.without(self.spare.without(self.left))
        return None

    # --- one operation each: what is wrong with it, or nothing

    def launch(self, launch: Launch) -> str:
        if (settled := self._settle(launch)) is not None:
            self.operations.append(settled)
        return ""

    def launch_group(self, group: LaunchGroup) -> str:
        """All of it or nothing: what is wrong with one is told of it alone."""
        if not group.launches:
            return "launches: is empty"
        whole, left, lent, size = self.gang, self.left, self.lent, self.size
        taken, right, bad = len(self.taken), dict(self.launches), len(self.bad)
        name = f"{self.accept_id}.{len(self.operations)}"
        self.gang = whole or Gang(name, len(group.launches))
        settled = [each for each in map(self._settle, group.launches) if each is not None]
        self.gang = whole
        if len(self.bad) == bad:
            self.operations.append(LaunchGroup(tuple(settled)))
            return ""
        why = f"{self.bad[bad][0].task.task_id} of its group cannot be launched"
        self.bad[bad:] = [
            (launch, f"launches[{group.launches.index(launch)}].{trouble}")
            for launch, trouble in self.bad[bad:]
        ]
        self.dragged += [(launch, why) for launch in settled]
        self.left, self.lent, self.size, self.launches = left, lent, size, right
        del self.taken[taken:]
        return ""

    def _settle(self, launch: Launch) -> Launch | None:
        """With its devices named and its gang; None if it is bad."""
        info = launch.task
        trouble = trouble_of(self.framework, self.agent.info, launch)
        if not trouble and info.task_id in self.launches:
            trouble = f"task_id {info.task_id!r} is taken: task ids are used once"
        if not trouble and info.gang not in (None, self.gang):
            trouble = "gang: is not that of its accept"
        size = task_bytes(info)
        if not trouble and self.size + size > MAX_ACCEPT_BYTES:
            limit = f"{MAX_ACCEPT_BYTES} bytes of all tasks of an accept"
            trouble = f"command, labels and files are beyond the {limit}; use several accepts"
        picked = None if trouble else self._pick(info)
        if picked is None:
            self.bad.append((launch, trouble or f"resources: {self._lacking(info)}"))
            return None
        if info.revocable:
            self.lent -= info.resources.cpus
            info = as_borrower(info, picked)
        settled = replace(launch, task=replace(info, resources=picked, gang=self.gang))
        self.size += size
        self.launches[info.task_id] = settled
        self.left = self.left - picked
        self.taken.append(picked)
        return settled

    def _pick(self, info: TaskInfo) -> Resources | None:
        """What it will hold, devices named; None if it does not fit."""
        if not info.revocable:
            return self.left.pick(info.resources)
        is_enough = info.resources.cpus <= self.lent
        return self.left.pick(replace(info.resources, cpus=0)) if is_enough else None

    def _lacking(self, info: TaskInfo) -> str:
        """Why there is nothing to pick."""
        lent = f", and revocable {Resources(self.lent)}" if self.lent or info.revocable else ""
        kind = "is revocable and asks" if info.revocable else "asks"
        return f"{kind} for {info.resources}; the offers have {self.left}{lent} left"

    def suspend(self, order: Suspend) -> str:
        planned = self.named.get(order.task_id)
        if planned is None:
            return _unnamed(order.task_id)
        if order.signal and order.signal not in KILL_SIGNALS:
            return f"signal: {order.signal} is none of {', '.join(KILL_SIGNALS.values())}"
        if not planned.state.is_terminal:
            if trouble := _unfit(planned, TaskState.RUNNING, TaskState.SUSPENDED):
                return trouble
            held = planned.held
            cpus = 0 if order.free_cpus else held.cpus
            planned.held = replace(held, cpus=cpus, gpus=())
            planned.state = TaskState.SUSPENDED
            self.left += Resources(held.cpus - cpus, gpus=held.gpus)
        self._move(order, planned)
        return ""

    def resume(self, order: Resume) -> str:
        planned = self.named.get(order.task_id)
        if planned is None:
            return _unnamed(order.task_id)
        if trouble := _unfit(planned, TaskState.SUSPENDED):
            return trouble
        needed = planned.whole.without(planned.held)
        if not self.left.contains(needed):
            return f"{order.task_id} needs {_named(needed)} again; {_named(self.left)} is left"
        planned.held, planned.state = planned.whole, TaskState.RUNNING
        self._move(order, planned)
        self.left = self.left - needed
        self.taken.append(needed)
        return ""

    def resize(self, order: Resize) -> str:
        planned = self.named.get(order.task_id)
        if planned is None:
            return _unnamed(order.task_id)
        if not order.resources:
            return "resources: asks for nothing"
        if planned.task.launch.task.revocable:
            return f"{order.task_id} is revocable, and stays as large as it is"
        if trouble := _unfit(planned, TaskState.RUNNING):
            return trouble
        there = self.left + planned.held
        picked = there.pick(_on_its_own(order.resources, planned.held))
        if picked is None:
            return f"resources: asks for {order.resources}; it and the offers have {_named(there)}"
        planned.held = planned.whole = picked
        self.left = there - picked
        self._move(replace(order, resources=picked), planned)
        return ""

    def _move(self, order: Operation, planned: Planned) -> None:
        self.operations.append(order)
        self.moved[planned.task.task_id] = planned.task


_STEPS: Mapping[type, Callable[[Program, Any], str]] = {
    Launch: Program.launch,
    LaunchGroup: Program.launch_group,
    Suspend: Program.suspend,
    Resume: Program.resume,
    Resize: Program.resize,
    Reserve: reserve,
    Unreserve: unreserve,
}


def plan_of(task: Task) -> Planned:
    """As the books have it now."""
    return Planned(task, task.latest.state, task.held, task.launch.task.resources)


def _unnamed(task_id: TaskId) -> str:
    return f"the accept's task_ids do not name {task_id!r}"


def _unfit(planned: Planned, *states: TaskState) -> str:
    task_id, state = planned.task.task_id, planned.state
    if state.is_terminal:
        return f"{task_id} has ended: it is {state.name}"
    if planned.task.kill_grace_s is not None:
        return f"{task_id} is being killed"
    if state not in states:
        return f"{task_id} is {state.name}, not {states[0].name}"
    return ""


def _on_its_own(wanted: Resources, held: Resources) -> Resources:
    """The devices that it has come first: a process keeps them if it can."""
    own, asked = Resources(gpus=held.gpus), Resources(gpus=wanted.gpus)
    if (picked := own.pick(asked)) is not None:
        return replace(wanted, gpus=picked.gpus)
    more = asked.gpu_millis - own.gpu_millis
    if [name for name, _ in wanted.gpus] == [ANY_GPU] and more > 0:
        return replace(wanted, gpus=(own + Resources(gpus=((ANY_GPU, more),))).gpus)
    return wanted


def _named(resources: Resources) -> str:
    """With its devices: which of them is what matters to a task that has run."""
    devices = ", ".join(device for device, _ in resources.gpus)
    return f"{resources} ({devices})" if devices else str(resources)
