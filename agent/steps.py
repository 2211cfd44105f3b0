"""Single steps of an accept on tasks that run: suspend, resume, resize; also how one is undone.

While a step is under way its task holds whatever it might be using: what it is to give up until it
has, what it is to get from the beginning. What it gives up goes to the accept, what it gets comes
from there, or from what is free where a crash or an end came between.

**Two records, one change.** What moves between accept and task stands in two records. The accept's
is always first: its index, with what is left to it then. So after a crash what is recorded twice
is put right by `catch_up`, and what is recorded nowhere is free, where the step that is begun
again finds it.

**Undone** is a step whose deadline is over, and a resume that failed: who did not hear that it was
done does not know that it was not. Its opposite is ordered until it is answered. The accept does
not wait for that; the task says so when it is done.
"""

from dataclasses import replace

from fairlead.common.ids import ANY_GPU, LaunchUuid
from fairlead.common.resources import Resources
from fairlead.common.values import Operation, Reason, Resize, Resume, Suspend, TaskState

from .context import Accept, Context, Task
from .events import (
    ContainerNotResumed,
    ContainerNotSuspended,
    ContainerResumed,
    ContainerSuspended,
    ContainerUpdated,
    ResumeContainer,
    SuspendContainer,
    UpdateContainer,
)
from .life import Life
from .limits import limits_of
from .operations import Step
from .state import Seen, after
from .updates import Updates

Answer = (
    ContainerSuspended
    | ContainerNotSuspended
    | ContainerResumed
    | ContainerNotResumed
    | ContainerUpdated
)
Problem = tuple[Reason, str]
"""Why a step failed."""

_IN_A_STEP = (TaskState.SUSPENDING, TaskState.RESUMING)


class Steps:
    """At most one step per accept and per task is under way."""

    def __init__(self, context: Context, life: Life, updates: Updates) -> None:
        self._context = context
        self._life = life
        self._updates = updates
        self._under_way: dict[str, Accept] = {}
        """By the key of the task."""

    # --- what an accept asks for

    def claim(self, accept: Accept) -> None:
        """What these tasks give up while the accept is under way, or leave, is the accept's."""
        for operation in accept.run.operations:
            if isinstance(operation, Step) and (task := self.find(accept, operation)) is not None:
                self._context.claims[task.key] = accept.run.accept_id

    def find(self, accept: Accept, step: Step) -> Task | None:
        """The task that a step is about, unless it has ended."""
        framework_id = accept.run.framework.framework_id
        found = self._life.find(framework_id, step.task_id, LaunchUuid(""))
        return found[-1] if found else None

    def begin(self, accept: Accept, step: Step) -> Problem | None:
        """A problem; else it is under way or, if there is nothing to do, done."""
        task = self.find(accept, step)
        if task is None:
            self.conclude(accept)
            return None
        if task.undo or task.key in self._under_way:
            return _problem(f"{task.info.task_id} is {task.state.name} for another accept")
        match step:
            case Suspend():
                return self._begin_suspend(accept, task, step)
            case Resume():
                return self._begin_resume(accept, task, step)
            case Resize():
                return self._begin_resize(accept, task, step)

    def _await(self, accept: Accept, task: Task, deadline_s: float = 0.0) -> None:
        context = self._context
        accept.step = task.key
        self._under_way[task.key] = accept
        at = context.now + (deadline_s or context.settings.step_s)
        context.timers.set("step", accept.run.accept_id, at)

    def _begin_suspend(self, accept: Accept, task: Task, step: Suspend) -> Problem | None:
        if task.state is TaskState.SUSPENDED:
            self._give_up(accept, task, free_cpus=step.free_cpus)
            return None
        if task.state not in (TaskState.RUNNING, TaskState.SUSPENDING, TaskState.KILLING):
            return _problem(f"{task.info.task_id} is {task.state.name}, not RUNNING")
        if task.state is TaskState.RUNNING:
            self._enter(task, Seen.SUSPEND, Reason.TASK_SUSPENDED)
        self._await(accept, task, step.deadline_s)
        if task.state is TaskState.SUSPENDING:
            gpu_ids = tuple(gpu_id for gpu_id, _ in self._context.ledger.of(task.key).gpus)
            self._context.do(
                SuspendContainer(task.launch_uuid, task.sandbox, step.signal, step.wait_s, gpu_ids)
            )
        return None

    def _begin_resume(self, accept: Accept, task: Task, step: Resume) -> Problem | None:
        if task.state in (TaskState.RUNNING, TaskState.KILLING):
            self.conclude(accept)
            return None
        if task.state not in (TaskState.SUSPENDED, TaskState.RESUMING):
            return _problem(f"{task.info.task_id} is {task.state.name}, not SUSPENDED")
        if task.state is TaskState.SUSPENDED:
            task.rested_without_cpus = not self._context.ledger.of(task.key).cpus
        problem = self._draw(accept, task, task.info.resources)
        if problem is not None:
            return problem
        if task.state is TaskState.SUSPENDED:
            self._enter(task, Seen.RESUME, Reason.TASK_RESUMED)
        else:
            self._context.record_task(task)
        self._await(accept, task, step.deadline_s)
        self._context.do(ResumeContainer(task.launch_uuid, task.sandbox))
        return None

    def _begin_resize(self, accept: Accept, task: Task, step: Resize) -> Problem | None:
        if task.state is TaskState.KILLING:
            self._await(accept, task)
            return None
        if task.state is not TaskState.RUNNING:
            return _problem(f"{task.info.task_id} is {task.state.name}, not RUNNING")
        if ANY_GPU in dict(step.resources.gpus):  # else it might not be the same after a crash
            return _problem(f"{task.info.task_id}: the master names devices")
        problem = self._draw(accept, task, step.resources)
        if problem is not None:
            return problem
        self._await(accept, task)
        limits = limits_of(replace(task.info, resources=step.resources))
        left = dict(step.resources.gpus)
        given_up = tuple(gpu_id for gpu_id, _ in task.info.resources.gpus if gpu_id not in left)
        self._context.do(UpdateContainer(task.launch_uuid, limits, accept.token, given_up))
        return None

    # --- what moves between accept and task

    def _draw(self, accept: Accept, task: Task, wanted: Resources) -> Problem | None:
        """From now on the task holds these as well as what it has."""
        ledger = self._context.ledger
        held, left = ledger.of(task.key), ledger.of(accept.holder)
        more = wanted.without(held)
        if ledger.pick(more.without(left)) is None:
            return _problem(f"{task.info.task_id} needs {more} more; its accept has {left} left")
        ledger.hold(accept.holder, left.without(more))
        ledger.hold(task.key, held + more)
        self._context.record_progress(accept)
        return None

    def _give_back(self, accept: Accept, task: Task, kept: Resources) -> None:
        ledger = self._context.ledger
        surplus = ledger.of(task.key).without(kept)
        ledger.hold(task.key, kept)
        ledger.hold(accept.holder, ledger.of(accept.holder) + surplus)

    def _give_up(self, accept: Accept, task: Task, *, free_cpus: bool) -> None:
        """It is suspended."""
        kept = _kept(self._context.ledger.of(task.key), free_cpus=free_cpus)
        is_news = kept != self._context.ledger.of(task.key)
        self._give_back(accept, task, kept)
        self.conclude(accept)
        if is_news or task.state is TaskState.SUSPENDING:
            self._say_suspended(task)

    def _say_suspended(self, task: Task) -> None:
        if task.state is TaskState.SUSPENDING:
            task.state = after(task.state, Seen.SUSPENDED)
        self._updates.report(task, Reason.TASK_SUSPENDED)

    def _resize(self, task: Task, resources: Resources) -> None:
        task.info = replace(task.info, resources=resources)
        self._updates.report(task, Reason.UNSPECIFIED, f"resized to {resources}")

    def _enter(self, task: Task, seen: Seen, reason: Reason, message: str = "") -> None:
        task.state = after(task.state, seen)
        self._updates.report(task, reason, message)

    # --- what comes of it

    def accept_of(self, task: Task) -> Accept | None:
        """The one whose step is under way on this task."""
        return self._under_way.get(task.key)

    def ended(self) -> list[Accept]:
        """Whose step has nothing to wait for any more: its task has ended, or need not resume."""
        return [
            accept
            for key, accept in self._under_way.items()
            if (task := self._context.tasks.get(key)) is None
            or task.is_ended
            or (task.state is TaskState.KILLING and isinstance(_current(accept), Resume))
        ]

    def conclude(self, accept: Accept) -> None:
        """The index moves before the task does."""
        self.leave(accept)
        accept.next_operation += 1
        self._context.record_progress(accept)

    def leave(self, accept: Accept) -> None:
        """Nothing of it is under way any more."""
        self._under_way.pop(accept.step, None)
        accept.step = ""
        self._context.timers.cancel("step", accept.run.accept_id)

    def answered(self, accept: Accept, task: Task, answer: Answer) -> tuple[bool, Problem | None]:
        """Whether that settles the step of the accept; and if so, what the problem is."""
        state, step = task.state, _current(accept)
        match answer:
            case ContainerSuspended() if state is TaskState.SUSPENDING:
                assert isinstance(step, Suspend)
                self._give_up(accept, task, free_cpus=step.free_cpus)
                return True, None
            case ContainerNotSuspended() if state is TaskState.SUSPENDING:
                task.state = after(state, Seen.NOT_SUSPENDED)
                return True, (answer.reason, answer.message)
            case ContainerResumed() if state is TaskState.RESUMING:
                self.conclude(accept)
                self._enter(task, Seen.RESUMED, Reason.TASK_RESUMED)
                return True, None
            case ContainerNotResumed() if state is TaskState.RESUMING:
                return True, self._give_up_on(accept, task, answer.message)
            case ContainerUpdated(token=accept.token) if state is TaskState.RUNNING:
                assert isinstance(step, Resize)
                return True, self._updated(accept, task, step, answer.message)
            case _:
                return False, None

    def _updated(self, accept: Accept, task: Task, step: Resize, why: str) -> Problem | None:
        if why:
            self._give_back(accept, task, task.info.resources)
            return _problem(why)
        self._give_back(accept, task, step.resources)
        self.conclude(accept)
        self._resize(task, step.resources)
        return None

    def is_late(self, accept: Accept) -> Problem:
        """Its deadline is over: what has begun is undone."""
        task, step = self._context.tasks[accept.step], _current(accept)
        why = f"{task.info.task_id}: no answer until the deadline"
        if task.state in _IN_A_STEP:
            return self._give_up_on(accept, task, why)
        self.leave(accept)
        if isinstance(step, Resize) and task.state is TaskState.RUNNING:
            self._give_back(accept, task, task.info.resources)
            self._context.do(UpdateContainer(task.launch_uuid, limits_of(task.info)))
        return _problem(why)

    # --- undone

    def _give_up_on(self, accept: Accept, task: Task, why: str) -> Problem:
        """Nobody knows how far it came: its devices are in use until the opposite is done."""
        self.leave(accept)
        self.undo(task, failure(accept.next_operation, why))
        return _problem(why)

    def undo(self, task: Task, message: str) -> None:
        """Order the opposite, again and again, until it is done."""
        context = self._context
        task.undo = message
        context.timers.set("undo", task.key, context.now + context.settings.destroy_again_s)
        if task.state is TaskState.SUSPENDING:
            context.do(ResumeContainer(task.launch_uuid, task.sandbox))
        else:
            gpu_ids = tuple(gpu_id for gpu_id, _ in context.ledger.of(task.key).gpus)
            context.do(SuspendContainer(task.launch_uuid, task.sandbox, gpu_ids=gpu_ids))

    def undo_again(self, key: str) -> None:
        task = self._context.tasks.get(key)
        if task is not None and task.undo:
            self.undo(task, task.undo)

    def undone(self, task: Task, answer: Answer) -> None:
        """Or not: what could not be suspended again runs."""
        if not task.undo:
            return
        context = self._context
        match answer:
            case ContainerResumed() if task.state is TaskState.SUSPENDING:
                seen = (Seen.NOT_SUSPENDED, Reason.OPERATION_FAILED, task.undo)
            case ContainerSuspended() if task.state is TaskState.RESUMING:
                seen = (Seen.NOT_RESUMED, Reason.OPERATION_FAILED, task.undo)
                held = context.ledger.of(task.key)
                kept = _kept(held, free_cpus=task.rested_without_cpus)
                context.ledger.hold(task.key, kept)
            case ContainerNotSuspended() if task.state is TaskState.RESUMING:
                seen = (Seen.RESUMED, Reason.TASK_RESUMED, f"late: {answer.message}")
            case _:
                return
        task.undo = ""
        context.timers.cancel("undo", task.key)
        self._enter(task, *seen)

    def undo_strays(self) -> None:
        """After a restart: in a step that belongs to no accept."""
        for task in self._context.living():
            if task.state in _IN_A_STEP and task.key not in self._under_way:
                self.undo(task, "its accept failed")

    # --- after a restart

    def catch_up(self, accept: Accept) -> None:
        """The index moved, and the task may not have followed before the crash."""
        step = accept.run.operations[accept.next_operation - 1] if accept.next_operation else None
        task = self.find(accept, step) if isinstance(step, Step) else None
        if task is None:
            return
        ledger, held = self._context.ledger, self._context.ledger.of(task.key)
        match step:
            case Suspend() if task.state in (TaskState.SUSPENDING, TaskState.SUSPENDED):
                kept = _kept(held, free_cpus=step.free_cpus)
                if task.state is TaskState.SUSPENDING or kept != held:
                    ledger.hold(task.key, kept)
                    self._say_suspended(task)
            case Resume() if task.state is TaskState.RESUMING:
                self._enter(task, Seen.RESUMED, Reason.TASK_RESUMED)
            case Resize() if task.state is TaskState.RUNNING:
                if task.info.resources != step.resources:
                    ledger.hold(task.key, step.resources)
                    self._resize(task, step.resources)

    def check(self) -> None:
        """Every step has an accept that waits for it, or is being undone."""
        context = self._context
        for key, accept in self._under_way.items():
            assert context.accepts.get(accept.run.accept_id) is accept, f"{key} is awaited by none"
            assert accept.step == key, f"{accept.run.accept_id} waits for {accept.step}, not {key}"
        for task in context.living():
            if task.state in _IN_A_STEP:
                is_awaited = task.key in self._under_way
                assert is_awaited != bool(task.undo), f"{task.key} is {task.state.name} for ever"


def failure(index: int, why: str) -> str:
    """Said of every task that an accept's failure concerns."""
    return f"operation {index} of its accept failed: {why}"


def _problem(why: str) -> Problem:
    return Reason.OPERATION_FAILED, why


def _current(accept: Accept) -> Operation:
    return accept.run.operations[accept.next_operation]


def _kept(held: Resources, *, free_cpus: bool) -> Resources:
    """Of what it holds, by a task that is suspended."""
    return replace(held, cpus=0 if free_cpus else held.cpus, gpus=())
