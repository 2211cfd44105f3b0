"""The accept transaction: offers in, operations in order on a running remainder, leftovers out."""

from dataclasses import replace

from fairlead.common.ids import AgentId, OfferId
from fairlead.common.messages import Accept, Code, RunAccept
from fairlead.common.resources import total
from fairlead.common.sizes import MAX_ACCEPT_BYTES, MAX_TASK_BYTES, task_bytes
from fairlead.common.values import Launch, Reason, TaskInfo, TaskRef, TaskState

from .books import Framework, HeldOffer
from .context import Context
from .offers import Offers
from .program import Program
from .tasks import Tasks

Answer = tuple[Code, str, str]
"""Code, the field it is about, and a message."""
DONE: Answer = (Code.OK, "", "")


class Accepts:
    """Validates an accept and books it at once; its agent executes it."""

    def __init__(self, context: Context, offers: Offers, tasks: Tasks) -> None:
        self._context = context
        self._offers = offers
        self._tasks = tasks

    def accept(self, framework: Framework, call: Accept) -> Answer:
        if (unsupported := _unsupported(call)) is not None:
            return Code.UNSUPPORTED, unsupported, "this version only launches tasks"
        helds, trouble = self._held(framework, call.offer_ids)
        if trouble:
            self._drop(framework, call, helds, trouble)
            return Code.REFUSED, "offer_ids", trouble
        offer = helds[0].offer
        program = Program(
            framework,
            self._context.books.agents[offer.agent_id],
            offer.role,
            self._context.new_id("x"),
            total(held.offer.resources for held in helds),
        )
        for held in helds:
            self._context.books.drop_offer(held)
        for operation in call.operations:
            assert isinstance(operation, Launch)
            self._launch(program, operation)
        self._offers.refuse(helds[0], program.left, call.refuse_s)
        self._send(program)
        self._believe(framework, program, helds)
        if program.left and framework.demands.get(program.role):
            self._context.books.want(framework)  # what it did not take here it still wants
        return DONE

    def _held(
        self, framework: Framework, offer_ids: tuple[OfferId, ...]
    ) -> tuple[list[HeldOffer], str]:
        """The offers that are valid, and what is wrong with them together."""
        helds = [framework.offers[i] for i in dict.fromkeys(offer_ids) if i in framework.offers]
        if not offer_ids:
            return [], "names no offer"
        missing = [offer_id for offer_id in offer_ids if offer_id not in framework.offers]
        if missing:
            return helds, f"{missing[0]} is not an offer that this framework holds now"
        if len(helds) < len(offer_ids):
            return helds, "names an offer twice"
        if len({(held.offer.agent_id, held.offer.role) for held in helds}) > 1:
            return helds, "the offers are not all of one agent and one role"
        return helds, ""

    def _drop(
        self, framework: Framework, call: Accept, helds: list[HeldOffer], message: str
    ) -> None:
        """Nothing of it is done; its offers come back unfiltered."""
        agent_id = helds[0].offer.agent_id if helds else AgentId("")
        for held in helds:
            self._offers.give_back(held)
        for operation in call.operations:
            if isinstance(operation, Launch):
                ref = TaskRef(operation.task.task_id, operation.launch_uuid, agent_id)
                self._tasks.tell(framework, ref, TaskState.DROPPED, Reason.INVALID_OFFERS, message)

    def _launch(self, program: Program, launch: Launch) -> None:
        framework, info = program.framework, launch.task
        trouble = "launch_uuid is empty" if not launch.launch_uuid else _trouble(framework, info)
        size = task_bytes(info)
        if not trouble and program.size + size > MAX_ACCEPT_BYTES:
            limit = f"{MAX_ACCEPT_BYTES} bytes of all tasks of an accept"
            trouble = f"command, labels and files are beyond the {limit}; use several accepts"
        picked = None if trouble else program.left.pick(info.resources)
        if picked is None:
            trouble = (
                trouble
                or f"resources: asks for {info.resources}; the offers have {program.left} left"
            )
            ref = TaskRef(info.task_id, launch.launch_uuid, program.agent.info.agent_id)
            self._tasks.tell(framework, ref, TaskState.ERROR, Reason.INVALID_TASK, trouble)
            return
        program.left = program.left - picked
        program.held += picked
        program.size += size
        settled = replace(launch, task=replace(info, resources=picked))
        program.launches.append(settled)
        self._tasks.launch(program, settled, picked)

    def _send(self, program: Program) -> None:
        if program.launches:
            body = RunAccept(
                program.accept_id,
                program.framework.info,
                program.role,
                tuple(program.launches),
                program.held,
            )
            self._context.to_agent(program.agent, body)

    def _believe(self, framework: Framework, program: Program, helds: list[HeldOffer]) -> None:
        """Using an offer makes a demand credible, and smaller; refusing it the reverse."""
        if not program.launches:
            self._offers.distrust(framework, helds[0])
            return
        framework.refusals = 0
        demands = framework.demands.get(program.role, [])
        for launch in program.launches:
            for index, demand in enumerate(demands):
                if demand.each.covers(launch.task.resources):
                    rest = replace(demand, count=demand.count - 1)
                    demands[index : index + 1] = [rest] if rest.count else []
                    break


def _unsupported(call: Accept) -> str | None:
    if call.gang is not None:
        return "gang"
    if call.task_ids:
        return "task_ids"
    for index, operation in enumerate(call.operations):
        if not isinstance(operation, Launch):
            return f"operations[{index}]"
    return None


def _trouble(framework: Framework, info: TaskInfo) -> str:
    """What is wrong with a task by itself; empty: nothing."""
    if not info.task_id:
        return "task_id is empty"
    if info.task_id in framework.tasks:
        return f"task_id {info.task_id!r} is taken: task ids are used once"
    if not info.command.argv or not info.command.argv[0]:
        return "command.argv is empty"
    if not info.resources:
        return "resources: asks for nothing"
    if info.container is not None:
        return "container: this version runs plain processes only"
    if (size := task_bytes(info)) > MAX_TASK_BYTES:
        what = f"command, labels and files have about {size} bytes"
        return f"{what}; a task may have {MAX_TASK_BYTES}: put large data into shared files"
    ignored = ("gang", "uris", "health_check", "max_completion_s", "user")
    unknown = next((name for name in ignored if getattr(info, name)), "")
    return f"{unknown}: not in this version" if unknown else ""
