"""The accepts of a gang, one for each agent or offer: held until all are there, then taken whole.

An accept marked with a gang waits, its offers stay outstanding, until the launches of all with that
mark are as many as the gang has members. Then all of them are looked through and booked, or all
refused; also when one is wrong at once, and when they are not complete in time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import CallId, FrameworkId, TaskId
from fairlead.common.launches import launches_in
from fairlead.common.messages import Accept, CallResult, Code
from fairlead.common.values import Gang, Launch, LaunchGroup

from ..context import Context
from ..entries import Framework, HeldOffer
from ..gang_books import GangKey
from .accepts import DONE, Accepts, Answer, Wrong, wrong_offers
from .program import Program


@dataclass(slots=True)
class _Gathering:
    """What of a gang has come so far."""

    gang: Gang
    until: float
    """In time that we were awake."""
    calls: list[tuple[CallId, Accept]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(len(tuple(launches_in(call.operations))) for _, call in self.calls)


class GangAccepts:
    """Answers each of these calls itself, when it is time."""

    def __init__(self, context: Context, accepts: Accepts) -> None:
        self._context = context
        self._accepts = accepts
        self._gathering: dict[GangKey, _Gathering] = {}

    def accept(self, framework: Framework, call_id: CallId, call: Accept) -> None:
        assert call.gang is not None
        context, key = self._context, (framework.framework_id, call.gang.gang_id)
        timeout_s = context.settings.gang_timeout_s
        gathering = self._gathering.get(key)
        if gathering is None:
            gathering = _Gathering(call.gang, context.awake + timeout_s)
            self._gathering[key] = gathering
            context.timers.at(context.now + timeout_s, "gang accepts", *key)
        wrong = self._wrong(framework, gathering, call)
        gathering.calls.append((call_id, call))
        if wrong is not None:
            self._refuse(framework, key, wrong, call)
        elif gathering.count > gathering.gang.size:
            message = f"{gathering.count} tasks in a gang of {gathering.gang.size}"
            self._refuse(framework, key, ("gang.size", message), call)
        elif gathering.count == gathering.gang.size:
            self._take(framework, key)

    def forget(self, framework: Framework) -> None:
        """Its session is gone, and its offers with it; it will ask for its tasks."""
        for key in [key for key in self._gathering if key[0] == framework.framework_id]:
            del self._gathering[key]

    def due(self, framework: Framework, gang_id: str) -> None:
        """Not complete in time."""
        context, key = self._context, (framework.framework_id, gang_id)
        gathering = self._gathering.get(key)
        if gathering is None:
            return
        if left := context.left(gathering.until):
            context.timers.at(context.now + left, "gang accepts", *key)
            return
        message = f"{gathering.count} of its {gathering.gang.size} tasks were accepted for in time"
        self._refuse(framework, key, ("gang", message), gathering.calls[0][1])

    # --- looked through

    def _wrong(self, framework: Framework, gathering: _Gathering, call: Accept) -> Wrong | None:
        """What no other accept can put right."""
        gang = gathering.gang
        if not gang.gang_id:
            return "gang.gang_id", "is empty"
        if (framework.framework_id, gang.gang_id) in self._context.books.gangs.gangs:
            return "gang.gang_id", f"{gang.gang_id!r} is taken: ids of gangs are used once"
        if gang.size < 1:
            return "gang.size", "has no members"
        if call.gang != gang:
            return "gang.size", f"is not {gang.size}, as in another accept of the gang"
        if call.task_ids:
            return "task_ids", "a gang has launches alone"
        for index, operation in enumerate(call.operations):
            if not isinstance(operation, Launch | LaunchGroup):
                return f"operations[{index}]", "a gang has launches alone"
        if not any(launches_in(call.operations)):
            return "operations", "launches nothing"
        if taken := self._offers_of(framework.framework_id) & {*call.offer_ids}:
            return "offer_ids", f"{min(taken)} is in another accept of a gang"
        return wrong_offers(call, _helds(framework, call))

    def _offers_of(self, framework_id: FrameworkId) -> set[str]:
        """That are spoken for already."""
        calls = (
            call
            for (whose, _), gathering in self._gathering.items()
            if whose == framework_id
            for _, call in gathering.calls
        )
        return {offer_id for call in calls for offer_id in call.offer_ids}

    def _take(self, framework: Framework, key: GangKey) -> None:
        """All of it, or nothing."""
        gathering = self._gathering[key]
        programs: list[Program] = []
        names: dict[TaskId, None] = {}
        for _, call in gathering.calls:
            helds = _helds(framework, call)
            if (wrong := wrong_offers(call, helds)) is not None:
                self._refuse(framework, key, wrong, call)
                return
            program = self._accepts.program(framework, call, helds)
            if (wrong := program.run(call.operations) or _bad(program, names)) is not None:
                self._refuse(framework, key, wrong, call)
                return
            programs.append(program)
            names.update(dict.fromkeys(program.launches))
        del self._gathering[key]
        for program, (call_id, call) in zip(programs, gathering.calls, strict=True):
            self._accepts.book(program, call, _helds(framework, call))
            self._answer(framework, call_id, DONE)

    # --- answered

    def _refuse(self, framework: Framework, key: GangKey, wrong: Wrong, culprit: Accept) -> None:
        """Each of its accepts is; the one that is wrong says where."""
        field_name, message = wrong
        for call_id, call in self._gathering.pop(key).calls:
            self._accepts.drop(framework, call, _helds(framework, call), message)
            field = field_name if call is culprit else "gang"
            self._answer(framework, call_id, (Code.REFUSED, field, message))

    def _answer(self, framework: Framework, call_id: CallId, answer: Answer) -> None:
        if call_id:
            self._context.to_framework(framework, CallResult(call_id, *answer))


def _helds(framework: Framework, call: Accept) -> Sequence[HeldOffer]:
    known = framework.offers
    return [known[i] for i in dict.fromkeys(call.offer_ids) if i in known]


def _bad(program: Program, names: dict[TaskId, None]) -> Wrong | None:
    if program.bad:
        launch, trouble = program.bad[0]
        return "operations", f"{launch.task.task_id}: {trouble}"
    again: Iterator[TaskId] = (name for name in program.launches if name in names)
    if (name := next(again, None)) is not None:
        return "operations", f"task_id {name!r} is taken: task ids are used once"
    return None
