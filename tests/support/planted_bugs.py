"""Bugs on purpose, one patch each: the auditor must notice every one of them by itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fairlead.agent import link as agent_link
from fairlead.agent import steps as agent_steps
from fairlead.agent import updates as agent_updates
from fairlead.agent.accepts import Accepts
from fairlead.agent.away import Absences
from fairlead.agent.context import Context
from fairlead.agent.events import ContainerSuspended
from fairlead.agent.life import Life
from fairlead.agent.steps import Steps
from fairlead.common.messages import RegisterAgent, TaskUpdated
from fairlead.common.resources import EMPTY, total
from fairlead.common.values import TaskState
from fairlead.frameworks.kit.ledger import Ledger
from fairlead.master import agents as master_agents
from fairlead.master import books as master_books
from fairlead.master import proof as master_proof
from fairlead.master.offers import Offers
from fairlead.master.tasks import Tasks


def agent_hides_its_tasks(patch: pytest.MonkeyPatch) -> None:
    """Re-registration, disabled at the agent."""
    registration = agent_link.Link._registration

    def without(self: Any) -> Any:
        return (replace(message, tasks=()) for message in registration(self))

    patch.setattr(agent_link.Link, "_registration", without)


def master_ignores_reported_tasks(patch: pytest.MonkeyPatch) -> None:
    """Re-registration, disabled at the master."""
    register = master_agents.Agents._register

    def without(self: Any, session: Any, call: RegisterAgent) -> None:
        register(self, session, replace(call, tasks=()))

    patch.setattr(master_agents.Agents, "_register", without)


def acknowledgement_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tasks, "acknowledged", lambda *_args: None)


def lower_epoch_accepted(patch: pytest.MonkeyPatch) -> None:
    """By an agent, and by the former leader that should have refused it."""
    heard, refusal = agent_link.Link.heard, master_agents.Agents._refusal

    def obey(self: Any, session: Any, message: Any) -> Any:
        epoch = max(message.epoch, self._context.epoch)
        return heard(self, session, replace(message, epoch=epoch))

    def admit(self: Any, session: Any, call: RegisterAgent) -> Any:
        return refusal(self, session, replace(call, highest_epoch=0))

    patch.setattr(agent_link.Link, "heard", obey)
    patch.setattr(master_agents.Agents, "_refusal", admit)


def resources_freed_at_kill(patch: pytest.MonkeyPatch) -> None:
    """Instead of when the task has ended."""
    send_kill = Tasks.send_kill

    def free(self: Any, task: Any) -> None:
        send_kill(self, task)
        if task.kill_grace_s is not None and not task.is_terminal:
            self._context.books.hold(task, EMPTY)

    patch.setattr(Tasks, "send_kill", free)


def every_status_is_news(patch: pytest.MonkeyPatch) -> None:
    """The driver tells its scheduler the same end twice."""
    patch.setattr(Ledger, "judge", lambda _self, status: status)


def rescinded_offer_is_taken(patch: pytest.MonkeyPatch) -> None:
    """An offer that timed out is withdrawn in words only."""
    rescind = Offers.rescind

    def keep(self: Any, helds: Any, message: str) -> None:
        rescind(self, helds, message)
        for held in helds:
            self._context.books.add_offer(held)

    patch.setattr(Offers, "rescind", keep)


def filters_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Offers, "refuse", lambda *_args: None)


def update_overtakes(patch: pytest.MonkeyPatch) -> None:
    """The agent says the latest status, not the one that is first to be acknowledged."""
    send = agent_updates.Updates._send

    def latest(self: Any, task: Any) -> None:
        say = self._context.say

        def swap(body: TaskUpdated) -> None:
            say(replace(body, status=body.latest))

        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(type(self._context), "say", lambda _self, body: swap(body))
            send(self, task)

    patch.setattr(agent_updates.Updates, "_send", latest)


def absence_ends_tasks_at_once(patch: pytest.MonkeyPatch) -> None:
    """A framework's failover kills its tasks."""
    told = Absences.told

    def hasty(self: Any, message: Any) -> None:
        told(self, message if message.back else replace(message, limit_s=0.0))

    patch.setattr(Absences, "told", hasty)


def unreachable_after_one_silence(patch: pytest.MonkeyPatch) -> None:
    """The end of a session is taken for the end of an agent."""
    closed = master_agents.Agents.closed

    def condemn(self: Any, agent: Any) -> None:
        closed(self, agent)
        for task in agent.tasks.values():
            if not task.is_terminal:
                reason = task.latest.reason
                self._tasks.decide(task, TaskState.UNREACHABLE, reason, "gone at once")

    patch.setattr(master_agents.Agents, "closed", condemn)


def device_given_on_too_early(patch: pytest.MonkeyPatch) -> None:
    """A task counts as suspended as soon as it has been asked to be."""
    begin = Steps._begin_suspend

    def hasty(self: Any, accept: Any, task: Any, step: Any) -> Any:
        problem = begin(self, accept, task, step)
        if task.state is TaskState.SUSPENDING:
            self.answered(accept, task, ContainerSuspended(task.launch_uuid))
        return problem

    patch.setattr(Steps, "_begin_suspend", hasty)


def steps_done_again(patch: pytest.MonkeyPatch) -> None:
    """After a crash an accept begins anew, and a launch that was made is made again."""
    restore, launch = Accepts.restore, Life.launch

    def from_the_start(self: Any, accept: Any, reserved: Any) -> None:
        accept.next_operation = 0
        restore(self, accept, reserved)

    def again(self: Any, run: Any, operation: Any) -> str:
        task = self.make(run, operation)
        known = self._context.tasks.pop(task.key, None)
        if known is not None:
            self._context.names[task.framework_id, task.info.task_id].remove(task.key)
        return launch(self, run, operation)

    patch.setattr(Accepts, "restore", from_the_start)
    patch.setattr(Life, "launch", again)


def remainder_doubled(patch: pytest.MonkeyPatch) -> None:
    """What is on disk and told of an accept counts what its tasks hold once more."""
    progress = Context.progress

    def twice(self: Any, accept: Any) -> Any:
        true = progress(self, accept)
        held = [
            self.ledger.of(key) for key, owner in self.claims.items() if owner == true.accept_id
        ]
        return replace(true, resources=total([true.resources, *held]))

    patch.setattr(Context, "progress", twice)


def accepts_have_nothing_of_their_own(patch: pytest.MonkeyPatch) -> None:
    """What a suspended task gives up is offered before its accept has ended."""
    for module in (master_books, master_proof):
        patch.setattr(module, "own_part", lambda *_args: EMPTY)


def launches_wait_for_their_own_word(patch: pytest.MonkeyPatch) -> None:
    """Between the end of their accept and their first status nobody holds what they have."""
    patch.setattr(Tasks, "begun", lambda *_args: None)


def suspended_tasks_keep_their_devices(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agent_steps, "_kept", lambda held, **_options: held)


Plant = Callable[[pytest.MonkeyPatch], None]

PLANTS: dict[Plant, tuple[str, ...]] = {
    agent_hides_its_tasks: (
        "one terminal status per launch",
        "offered and used never exceed capacity",
        "an end is an end",
        "everything finishes",
        "books equal reality",
    ),
    master_ignores_reported_tasks: (
        "one terminal status per launch",
        "offered and used never exceed capacity",
        "everything finishes",
    ),
    acknowledgement_forgotten: ("everything finishes", "updates come to rest"),
    lower_epoch_accepted: ("lower epochs are never obeyed",),
    resources_freed_at_kill: ("offered and used never exceed capacity",),
    every_status_is_news: ("nothing follows an end", "sequence numbers only grow"),
    rescinded_offer_is_taken: ("offers are used once", "offers end"),
    filters_forgotten: ("filters are honoured",),
    update_overtakes: (
        "an update is kept until acknowledged",
        "updates come in order",
        "everything finishes",
    ),
    absence_ends_tasks_at_once: ("no task is killed by a failover",),
    unreachable_after_one_silence: ("silence before a verdict",),
    accepts_have_nothing_of_their_own: ("offered and used never exceed capacity",),
    launches_wait_for_their_own_word: ("offered and used never exceed capacity",),
    suspended_tasks_keep_their_devices: ("what is suspended holds no device",),
    device_given_on_too_early: ("no resource twice",),
    steps_done_again: (
        "an end is an end",
        "no task is killed by a failover",
        "updates come in order",
    ),
    remainder_doubled: ("offered and used never exceed capacity", "books equal reality"),
}
"""Bug → the laws that may be the first to notice."""
