"""What operators order. Their questions are answered from snapshots, outside the core."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fairlead.common.events import Send
from fairlead.common.ids import CallId, SessionId
from fairlead.common.messages import CallResult, Code, Kill
from fairlead.common.operators import (
    DrainAgent,
    ExplainFramework,
    ExplainTask,
    KillAnyTask,
    MarkAgentGone,
    OperatorCall,
    OperatorReply,
    SetQuota,
    SetReservation,
    SetWeight,
    TeardownFramework,
)
from fairlead.common.roles import bad_role

from .accepting.accepts import DONE, Answer
from .allocation.quota import bad_quota, impossible
from .context import Context
from .departures import Departures
from .explaining.answers import Answers
from .explaining.explain import explain_framework
from .explaining.explain_task import explain_task
from .reserving import Reserving
from .retiring import Retiring
from .tasks import Tasks


class Operators:
    """One short handler per order."""

    def __init__(
        self,
        context: Context,
        tasks: Tasks,
        departures: Departures,
        reserving: Reserving,
        retiring: Retiring,
    ) -> None:
        self._context = context
        self._tasks = tasks
        self._departures = departures
        self._asker = SessionId(0), CallId("")
        """Who has called in the step that is running."""
        self.calls: Mapping[type, Callable[[Any], Answer | None]] = {
            SetWeight: self._set_weight,
            SetQuota: self._set_quota,
            SetReservation: lambda call: reserving.order(*self._asker, call),
            DrainAgent: retiring.drain,
            MarkAgentGone: retiring.mark_gone,
            KillAnyTask: self._kill,
            TeardownFramework: self._teardown,
        }
        self.questions: Mapping[type, Callable[[Any], Answer | None]] = {
            ExplainFramework: self._explain_framework,
            ExplainTask: self._explain_task,
        }
        self.answers = Answers(context)
        """To these."""

    def received(self, session: SessionId, message: OperatorCall, version: int) -> None:
        """`version` is that of the books after this step. Some answers take more than a step."""
        self._asker, body = (session, message.call_id), message.body
        answer = (self.questions.get(type(body)) or self.calls[type(body)])(body)
        if answer is not None:
            reply = OperatorReply(CallResult(message.call_id, *answer), version)
            self._context.actions.append(Send(session, reply))

    def _explain_framework(self, call: ExplainFramework) -> Answer | None:
        framework = self._context.framework(call.framework_id)
        if framework is None:
            return Code.NOT_FOUND, "framework_id", f"no framework {call.framework_id!r} is known"
        counts = Counter[str]()
        self.answers.begin(
            *self._asker, explain_framework(self._context, framework, counts), counts
        )
        return None

    def _explain_task(self, call: ExplainTask) -> Answer | None:
        if not call.task_id:
            return Code.INVALID, "task_id", "is empty"
        words = explain_task(self._context, call.task_id, call.framework_id)
        self.answers.begin(*self._asker, iter(words), Counter())
        return None

    def _set_weight(self, call: SetWeight) -> Answer:
        if not 0 < call.weight <= 1000:
            return Code.INVALID, "weight", f"{call.weight:g} is not between 0 and 1000"
        if trouble := bad_role(call.role):
            return Code.INVALID, "role", trouble
        books = self._context.books
        books.weights[call.role] = call.weight
        books.touch_role(call.role)
        self._context.record(f"weight/{call.role}", call)
        return DONE

    def _set_quota(self, call: SetQuota) -> Answer:
        books = self._context.books
        if (wrong := bad_quota(call)) is not None:
            return Code.INVALID, *wrong
        guarantees = {name: amount for name, amount in call.guarantees.items() if amount}
        call = replace(call, guarantees=guarantees)
        if (wrong := impossible(books, call)) is not None:
            return Code.REFUSED, *wrong
        quota = replace(call, force=False) if guarantees or call.limits else None
        if quota is not None:
            books.quotas[call.role] = quota
        else:
            books.quotas.pop(call.role, None)
        self._context.record(f"quota/{call.role}", quota)
        books.touch_role(call.role)
        books.look_everywhere()
        return DONE

    def _kill(self, call: KillAnyTask) -> Answer:
        framework = self._context.framework(call.framework_id)
        if framework is None:
            return Code.NOT_FOUND, "framework_id", f"no framework {call.framework_id!r} is known"
        kill = Kill(call.task_id, grace_s=call.grace_s)
        code, message = self._tasks.kill(framework, kill)
        return code, "" if code is Code.OK else "task_id", message

    def _teardown(self, call: TeardownFramework) -> Answer:
        framework = self._context.framework(call.framework_id)
        if framework is None:
            return Code.NOT_FOUND, "framework_id", f"no framework {call.framework_id!r} is known"
        self._departures.tear_down(framework, "an operator ended it")
        return DONE
