"""What the fake master refuses as the real one does: calls that cannot be, launches without room.

Of `fake_master`. It keeps no books, so what an accept that moves tasks has left is not judged.
`tests/contract` holds both masters to the same answers.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import OfferId, Role, TaskId
from fairlead.common.messages import (
    KILL_SIGNALS,
    Accept,
    Code,
    Decline,
    FrameworkBody,
    Kill,
    Revive,
    SetDemand,
    Suppress,
)
from fairlead.common.resources import Resources, total
from fairlead.common.values import (
    Launch,
    LaunchGroup,
    Offer,
    Reason,
    Resize,
    Resume,
    Suspend,
    TaskInfo,
    TaskState,
)

Wrong = tuple[str, str]
"""A field, and what is wrong with it."""
Answer = tuple[Code, str, str]
"""A code, the field that it is about, and a message."""


def answer_of(
    body: FrameworkBody,
    roles: Sequence[Role],
    offers: Container[OfferId],
    states: Mapping[TaskId, TaskState],
) -> Answer:
    """What is said to a call other than an accept, which has its effect where it can."""
    match body:
        case Revive() | Suppress() if strange := [r for r in body.roles if r not in roles]:
            return Code.INVALID, "roles", f"{strange[0]!r} is none of its roles"
        case SetDemand(demands):
            for index, wanted in enumerate(demands):
                if wanted.role not in roles:
                    message = f"{wanted.role!r} is none of its roles"
                    return Code.INVALID, f"demands[{index}].role", message
        case Decline(offer_ids):
            if unknown := [each for each in offer_ids if each not in offers]:
                message = f"{unknown[0]} is not held; the others are declined"
                return Code.NOT_FOUND, "offer_ids", message
        case Kill(task_id):
            return _kill(body, states.get(task_id))
        case _:
            pass
    return Code.OK, "", ""


def _kill(call: Kill, state: TaskState | None) -> Answer:
    if call.signal and call.signal not in KILL_SIGNALS:
        allowed = ", ".join(KILL_SIGNALS.values())
        return Code.INVALID, "signal", f"{call.signal} is none of {allowed}"
    if state is None:
        message = f"no task {call.task_id!r} is known of this framework"
        return Code.NOT_FOUND, "task_id", message
    return Code.OK, "", f"had already ended: {state.name}" if state.is_terminal else ""


def wrong_offers(call: Accept, held: Sequence[Offer]) -> Wrong | None:
    """With the offers of an accept together, of which these are held."""
    if not call.offer_ids and not call.task_ids:
        return "offer_ids", "names neither an offer nor a task"
    held_ids = [offer.offer_id for offer in held]
    if missing := [each for each in call.offer_ids if each not in held_ids]:
        return "offer_ids", f"{missing[0]} is not an offer that this framework holds now"
    if len({*call.offer_ids}) < len(call.offer_ids):
        return "offer_ids", "names an offer twice"
    if len({(offer.agent_id, offer.role) for offer in held}) > 1:
        return "offer_ids", "the offers are not all of one agent and one role"
    return None


@dataclass(frozen=True, slots=True)
class Unfit:
    """A launch that is not done, and what is told of it."""

    launch: Launch
    state: TaskState
    reason: Reason
    message: str


def unfit(call: Accept, held: Sequence[Offer], taken: Iterable[TaskId]) -> Iterator[Unfit]:
    """Those that are wrong in themselves, or find no room; with the rest of their groups."""
    room = None
    if not any(isinstance(each, Suspend | Resume | Resize) for each in call.operations):
        room = total(offer.resources for offer in held)
    lent, names = sum(offer.revocable.cpus for offer in held), set(taken)
    for operation in call.operations:
        is_group = isinstance(operation, LaunchGroup)
        launches = operation.launches if isinstance(operation, LaunchGroup) else (operation,)
        before, bad = (room, lent, {*names}), []
        for launch in launches:
            if not isinstance(launch, Launch):
                continue
            if trouble := _trouble(launch.task, names) or _no_room(launch.task, room, lent):
                bad.append(launch)
                yield Unfit(launch, TaskState.ERROR, Reason.INVALID_TASK, trouble)
                continue
            names.add(launch.task.task_id)
            own = _own(launch.task)
            lent -= launch.task.resources.cpus - own.cpus
            room = room and room - (room.pick(own) or own)
        if is_group and bad:
            room, lent, names = before
            why = f"{bad[0].task.task_id} of its group cannot be launched"
            for launch in launches:
                if isinstance(launch, Launch) and launch not in bad:
                    yield Unfit(launch, TaskState.DROPPED, Reason.GANG_BROKEN, why)


def _trouble(info: TaskInfo, taken: Container[TaskId]) -> str:
    if not info.task_id:
        return "task_id is empty"
    if info.task_id in taken:
        return f"task_id {info.task_id!r} is taken: task ids are used once"
    if not info.command.argv or not info.command.argv[0]:
        return "command.argv is empty"
    return "" if info.resources else "resources: asks for nothing"


def _no_room(info: TaskInfo, room: Resources | None, lent: int) -> str:
    if room is None:
        return ""
    is_lent = not info.revocable or info.resources.cpus <= lent
    if is_lent and room.contains(_own(info)):
        return ""
    return f"resources: asks for {info.resources}; the offers have {room} left"


def _own(info: TaskInfo) -> Resources:
    """What of its resources is not lent."""
    if not info.revocable:
        return info.resources
    return info.resources - Resources(cpus=info.resources.cpus)
