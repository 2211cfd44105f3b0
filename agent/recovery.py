"""How an agent's core comes back: records on one side, containers that were found on the other.

A task whose container runs goes on and nobody is told. One that ended meanwhile gets its true
end; one that is nowhere to be found is GONE. What was booked and never started is started now;
in another place than before nobody can say that it never was, so there it is GONE as well.
"""

from collections.abc import Mapping, Sequence

from fairlead.common.ids import FrameworkId, LaunchUuid
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    AcceptProgress,
    AgentRegistered,
    FrameworkAway,
    Hello,
    KillTask,
    MasterToAgent,
    RunAccept,
)
from fairlead.common.resources import Resources
from fairlead.common.values import AgentTask, FrameworkInfo, TaskState, TaskStatus

from . import completion
from .accepts import Accepts
from .away import Absences
from .context import Accept, Away, Context, Task
from .events import (
    ContainerExited,
    ContainerStarted,
    DestroyContainer,
    ForgetContainer,
    Recovered,
)
from .gangs import Gangs
from .life import Life
from .reservations import KIND, Reservations


class Recovery:
    """Used once, on a context that is still empty."""

    def __init__(  # noqa: PLR0917 - every part of the core has something to restore
        self,
        context: Context,
        life: Life,
        accepts: Accepts,
        absences: Absences,
        gangs: Gangs,
        reservations: Reservations,
    ) -> None:
        self._context = context
        self._life = life
        self._accepts = accepts
        self._absences = absences
        self._gangs = gangs
        self._reservations = reservations
        self._reserved: dict[str, Resources] = {}
        """By accepts, when they were interrupted."""
        self._is_elsewhere = False
        self._to_come: dict[LaunchUuid, None] = {}
        """Launches whose step is to be done, again if it was begun."""

    def run(self, records: Mapping[str, object], containers: Sequence[Recovered]) -> None:
        groups: dict[str, dict[str, object]] = {}
        for key in sorted(records):
            kind, _, rest = key.partition("/")
            groups.setdefault(kind, {})[rest] = records[key]
        self._identity(groups)
        self._look_around(groups.get("place", {}))
        self._ended(groups.get("ended", {}))
        self._tasks(groups)
        self._accepts_under_way(groups)
        self._reservations.restore(groups.get(KIND, {}))
        for accept in self._context.accepts.values():
            self._accepts.restore(accept, self._reserved[accept.run.accept_id])
            self._to_come.update((launch.launch_uuid, None) for launch in accept.to_come())
        self._gangs.recover()  # before anything is started
        found = {each.launch_uuid: each for each in containers}
        for task in self._context.living():
            self._settle(task, found.get(task.launch_uuid))
        self._clear(containers)
        self._accepts.resume()
        self._gangs.look()
        self._away(groups.get("away", {}))

    def _identity(self, groups: Mapping[str, Mapping[str, object]]) -> None:
        context = self._context
        identity = groups.get("identity", {}).get("")
        if isinstance(identity, AgentRegistered):
            context.adopt_identity(identity)
        epoch = groups.get("epoch", {}).get("")
        if isinstance(epoch, MasterToAgent):
            context.epoch = epoch.epoch
        for value in groups.get("framework", {}).values():
            assert isinstance(value, FrameworkInfo), f"recorded as a framework: {value!r}"
            context.frameworks[value.framework_id] = value

    def _look_around(self, places: Mapping[str, object]) -> None:
        """What started under a lost boot or pid namespace left no trace here."""
        context = self._context
        here = context.settings.place_id
        if here in places:
            return
        self._is_elsewhere = bool(places)
        hello = Hello(PROTOCOL_VERSION, context.settings.software, context.instance_uuid, 0)
        context.record(f"place/{here}", hello)
        for place in places:
            context.record(f"place/{place}", None)

    def _ended(self, group: Mapping[str, object]) -> None:
        for number, value in group.items():
            assert isinstance(value, AgentTask), f"recorded as ended: {value!r}"
            key = f"{value.framework_id}/{value.task.task_id}/{value.launch_uuid}"
            self._context.ended[key] = (int(number), value)

    def _tasks(self, groups: Mapping[str, Mapping[str, object]]) -> None:
        context = self._context
        for key, value in groups.get("task", {}).items():
            assert isinstance(value, AgentTask), f"recorded as a task: {value!r}"
            if key in context.ended:
                context.record(f"task/{key}", None)
                continue
            context.add_task(_restored(value, context.settings.boot_id))
            context.ledger.hold(key, value.resources)
        self._owners()
        for key, update in groups.get("update", {}).items():
            assert isinstance(update, TaskStatus), f"recorded as an update: {update!r}"
            self._update(key, update)
        for task in [t for t in context.tasks.values() if t.is_ended and not t.updates]:
            context.retire(task)
        for task in context.living():
            completion.restore(context, task)
        for key, kill in groups.get("kill", {}).items():
            assert isinstance(kill, KillTask), f"recorded as a kill: {kill!r}"
            owner = context.tasks.get(key)
            if owner is None or owner.is_ended:
                context.record(f"kill/{key}", None)
            else:
                owner.kill = kill

    def _owners(self) -> None:
        """A launch uuid belongs to the task that ran under it; others were refused therefore."""
        context = self._context
        claims = [(task.latest, key) for key, task in context.tasks.items()]
        claims += [(value.latest, key) for key, (_, value) in context.ended.items()]
        context.launches.clear()
        for latest, key in sorted(claims, key=lambda claim: _was_refused(claim[0])):
            context.launches.setdefault(latest.launch_uuid, key)

    def _update(self, key: str, update: TaskStatus) -> None:
        context = self._context
        task = context.tasks.get(key.rpartition("/")[0])
        if task is None:
            context.record(f"update/{key}", None)
            return
        task.updates.append(update)
        is_news = update.sequence > task.latest.sequence
        if is_news:  # the crash came between the two records
            task.latest = update
            task.state = update.state
        if task.is_ended:
            context.ledger.release(task.key)
        if is_news:
            context.record_task(task)

    def _accepts_under_way(self, groups: Mapping[str, Mapping[str, object]]) -> None:
        progress = groups.get("progress", {})
        for accept_id, run in groups.get("accept", {}).items():
            assert isinstance(run, RunAccept), f"recorded as an accept: {run!r}"
            reached = progress.get(accept_id)
            assert reached is None or isinstance(reached, AcceptProgress), f"{reached!r}"
            accept = Accept(run, 0 if reached is None else reached.next_operation)
            self._context.accepts[accept_id] = accept
            self._reserved[accept_id] = run.resources if reached is None else reached.resources
        for accept_id in progress:
            if accept_id not in self._context.accepts:
                self._context.record(f"progress/{accept_id}", None)

    # --- records meet containers

    def _settle(self, task: Task, found: Recovered | None) -> None:
        """A living task, and the container that bears its uuid, if any."""
        context = self._context
        if context.launches[task.launch_uuid] != task.key:
            found = None
        if task.state is TaskState.STAGING and found is None and not self._is_elsewhere:
            if (
                task.kill is None
                and task.info.gang is not None
                and task.launch_uuid in self._to_come
            ):
                return  # all start or none: its accept goes on with the others
            if task.kill is None:
                self._life.order(task)
            else:
                self._life.kill_again(task, task.kill)
            return
        context.containers[task.launch_uuid] = task.key
        if task.state is TaskState.STAGING:
            task.state = TaskState.STARTING
        if found is None:
            self._life.exited(ContainerExited(task.launch_uuid))
        elif found.exit is not None:
            self._life.exited(found.exit)
        else:
            self._go_on(task, found)

    def _go_on(self, task: Task, found: Recovered) -> None:
        was_starting = task.state is TaskState.STARTING
        if task.kill is not None:
            kill, task.kill = task.kill, None
            self._life.kill_again(task, kill)
        if was_starting:
            self._life.started(ContainerStarted(found.launch_uuid, found.pid, found.start_time))

    def _clear(self, containers: Sequence[Recovered]) -> None:
        """What nobody wants is destroyed; what ended and is known need not be remembered."""
        for each in containers:
            if self._context.owner(each.launch_uuid) is not None:
                continue
            if each.exit is None:
                self._context.do(DestroyContainer(each.launch_uuid))
            else:
                self._context.do(ForgetContainer(each.launch_uuid))

    def _away(self, group: Mapping[str, object]) -> None:
        for key, value in group.items():
            assert isinstance(value, FrameworkAway), f"recorded as away: {value!r}"
            framework_id, boot_id, at_ms = key.split("/")
            at = int(at_ms) / 1000
            away = Away(at - value.away_s, value.limit_s, f"away/{key}")
            self._absences.recovered(FrameworkId(framework_id), boot_id, at, away)


def _was_refused(latest: TaskStatus) -> bool:
    return latest.state.is_terminal and not latest.pid


def _restored(value: AgentTask, boot_id: str) -> Task:
    """The instants of another boot mean nothing in this one."""
    return Task(
        value.framework_id,
        value.task,
        LaunchUuid(value.launch_uuid),
        value.role,
        value.accept_id,
        value.sandbox,
        value.latest,
        value.latest.state,
        sandbox_removed=value.sandbox_removed,
        rested_without_cpus=value.rested_without_cpus,
        ran_s=value.ran_s,
        runs_since=value.runs_since_s if value.boot_id == boot_id else None,
        gang_formed=value.gang_formed,
    )
