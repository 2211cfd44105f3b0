"""The accept transaction: offers and own tasks in, operations in order, leftovers out.

An accept is looked through as a whole (`program`) and booked at once; its agent executes it, and
says when it has come to its end. Until then what it brought belongs to it and its tasks.
"""

from collections.abc import Sequence
from dataclasses import replace

from fairlead.common.ids import AgentId
from fairlead.common.launches import launches_in
from fairlead.common.messages import Accept, AcceptProgress, Code, RunAccept
from fairlead.common.operators import AgentState, OfferEventKind
from fairlead.common.resources import EMPTY, Resources, total
from fairlead.common.values import Reason, TaskRef, TaskState

from ..context import Context
from ..entries import Agent, Framework, HeldOffer, RunningAccept
from ..offers import Offers
from ..tasks import Tasks
from .program import Program, plan_of

Answer = tuple[Code, str, str]
"""Code, the field it is about, and a message."""
DONE: Answer = (Code.OK, "", "")
Wrong = tuple[str, str]
"""A field, and what is wrong with it."""


class Accepts:
    """Validates an accept and books it at once; its agent executes it."""

    def __init__(self, context: Context, offers: Offers, tasks: Tasks) -> None:
        self._context = context
        self._offers = offers
        self._tasks = tasks

    def accept(self, framework: Framework, call: Accept) -> Answer:
        known = framework.offers
        helds = [known[i] for i in dict.fromkeys(call.offer_ids) if i in known]
        wrong = wrong_offers(call, helds) or self._wrong_tasks(framework, call, helds)
        if wrong is None:
            program = self.program(framework, call, helds)
            wrong = program.run(call.operations)
        if wrong is not None:
            self.drop(framework, call, helds, wrong[1])
            return Code.REFUSED, *wrong
        self.book(program, call, helds)
        return DONE

    # --- looked through

    def _wrong_tasks(
        self, framework: Framework, call: Accept, helds: Sequence[HeldOffer]
    ) -> Wrong | None:
        places = {(held.offer.agent_id, held.offer.role) for held in helds}
        for index, task_id in enumerate(call.task_ids):
            task, field = framework.tasks.get(task_id), f"task_ids[{index}]"
            if task is None:
                return field, f"no task {task_id!r} is known of this framework"
            if task_id in call.task_ids[:index]:
                return field, f"names {task_id} twice"
            places.add((task.agent_id, task.role))
            if len(places) > 1:
                return field, f"{task_id} is of another agent or role than the rest of the accept"
            if self._context.books.accepts_of(task):
                return field, f"{task_id} is in another accept, which has not ended yet"
            agent = self._context.books.agents[task.agent_id]
            if agent.state is not AgentState.CONNECTED:
                return field, f"its agent {task.agent_id} is {agent.state.name}"
        return None

    def program(self, framework: Framework, call: Accept, helds: Sequence[HeldOffer]) -> Program:
        """Of a call whose offers and tasks are right."""
        tasks = [framework.tasks[task_id] for task_id in call.task_ids]
        first = helds[0].offer if helds else tasks[0]
        offered = total(held.offer.resources for held in helds)
        return Program(
            framework,
            self._context.books.agents[first.agent_id],
            first.role,
            self._context.new_id("x"),
            offered,
            left=offered,
            spare=offered,
            lent=sum(held.offer.revocable.cpus for held in helds),
            named={task.task_id: plan_of(task) for task in tasks},
            gang=call.gang,
        )

    def drop(
        self, framework: Framework, call: Accept, helds: Sequence[HeldOffer], message: str
    ) -> None:
        """Nothing of it is done; its offers come back unfiltered."""
        agent_id = helds[0].offer.agent_id if helds else AgentId("")
        for held in helds:
            self._offers.give_back(held)
            self._context.log_offer(OfferEventKind.REFUSED, held.offer, message)
        for launch in launches_in(call.operations):
            ref = TaskRef(launch.task.task_id, launch.launch_uuid, agent_id)
            self._tasks.tell(framework, ref, TaskState.DROPPED, Reason.INVALID_OFFERS, message)

    # --- booked

    def book(self, program: Program, call: Accept, helds: Sequence[HeldOffer]) -> None:
        """Nothing can go wrong any more, but on the agent."""
        books = self._context.books
        for held in helds:
            books.drop_offer(held)
            self._context.log_offer(OfferEventKind.ACCEPTED, held.offer, program.summary)
        if program.is_followed:
            books.add_accept(_running(program, call.refuse_s))
        self.tell_bad(program)
        for launch in program.launches.values():
            self._tasks.launch(
                program, launch, EMPTY if program.is_followed else launch.task.resources
            )
        if helds:
            left = program.spare + Resources(cpus=program.lent)
            self._offers.refuse(helds[0].offer, left, call.refuse_s)
        self._send(program)
        if helds:
            self._believe(program, helds)

    def tell_bad(self, program: Program) -> None:
        """Of the launches that are left out."""
        framework, agent_id = program.framework, program.agent.info.agent_id
        for launch, trouble in program.bad:
            ref = TaskRef(launch.task.task_id, launch.launch_uuid, agent_id)
            self._tasks.tell(framework, ref, TaskState.ERROR, Reason.INVALID_TASK, trouble)
        for launch, why in program.dragged:
            ref = TaskRef(launch.task.task_id, launch.launch_uuid, agent_id)
            self._tasks.tell(framework, ref, TaskState.DROPPED, Reason.GANG_BROKEN, why)

    def _send(self, program: Program) -> None:
        if program.operations:
            body = RunAccept(
                program.accept_id,
                program.framework.info,
                program.role,
                tuple(program.operations),
                program.brought,
            )
            self._context.to_agent(program.agent, body)

    def _believe(self, program: Program, helds: Sequence[HeldOffer]) -> None:
        """Using an offer makes a demand credible, and smaller; refusing it the reverse.

        Who runs more tasks on it than it was to hold says that his tasks are larger than they are,
        and so gets several at a time: that is no better than refusing it.
        """
        framework = program.framework
        units = [held.units for held in helds]
        if not program.brought or (all(units) and len(program.launches) > sum(units)):
            self._offers.distrust(framework, helds[0])
        else:
            framework.refusals = 0
        if not program.brought:
            return
        demands = framework.demands.get(program.role, [])
        together = next((held.together for held in helds if held.together is not None), None)
        if program.gang is not None and together is not None:
            together.take(demands)
            return
        for taken in program.taken:
            for index, demand in enumerate(demands):
                if demand.gang == (program.gang is not None) and demand.each.covers(taken):
                    rest = replace(demand, count=demand.count - 1)
                    demands[index : index + 1] = [rest] if rest.count else []
                    break

    # --- under way

    def go_on(self, agent: Agent, progress: AcceptProgress, refuse_s: float) -> None:
        """An agent brings it when it registers: its tasks are in the books already."""
        books = self._context.books
        accept = RunningAccept(
            progress.accept_id,
            progress.framework_id,
            agent.info.agent_id,
            progress.role,
            progress.resources,
            progress.task_ids,
            refuse_s,
        )
        if (again := agent.accepts.get(accept.accept_id)) is not None:
            books.drop_accept(again)
        accept.brought += total(task.held for task in books.tasks_of(accept))
        books.add_accept(accept)

    def ended(self, accept: RunningAccept) -> None:
        """Its agent says so. What is left of it is free, and filtered like what is left at once."""
        books = self._context.books
        for task in books.tasks_of(accept):
            self._tasks.begun(task)
        left = accept.held
        books.drop_accept(accept)
        self._offers.refuse(accept, left, accept.refuse_s)

    def lost(self, accept: RunningAccept) -> None:
        """Its agent has come without it: it ended unheard, or never began; their states tell."""
        framework = self._context.books.frameworks[accept.framework_id]
        for task in self._context.books.tasks_of(accept):
            if not task.is_terminal:
                self._tasks.tell_latest(framework, task)


def _running(program: Program, refuse_s: float) -> RunningAccept:
    return RunningAccept(
        program.accept_id,
        program.framework.framework_id,
        program.agent.info.agent_id,
        program.role,
        program.brought + total(task.held for task in program.moved.values()),
        (*program.moved, *program.launches),
        refuse_s,
    )


def wrong_offers(call: Accept, helds: Sequence[HeldOffer]) -> Wrong | None:
    """What is wrong with the offers together, of which these are held."""
    if not call.offer_ids and not call.task_ids:
        return "offer_ids", "names neither an offer nor a task"
    held_ids = [held.offer.offer_id for held in helds]
    missing = [offer_id for offer_id in call.offer_ids if offer_id not in held_ids]
    if missing:
        return "offer_ids", f"{missing[0]} is not an offer that this framework holds now"
    if len(helds) < len(call.offer_ids):
        return "offer_ids", "names an offer twice"
    if len({(held.offer.agent_id, held.offer.role) for held in helds}) > 1:
        return "offer_ids", "the offers are not all of one agent and one role"
    return None
