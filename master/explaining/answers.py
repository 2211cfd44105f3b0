"""Answers that are found bit by bit: a step of the master goes on with so much of them.

For `operators`. Whoever finds one yields its lines, and None wherever there may be a pause.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import field
from itertools import islice

from fairlead.common.dataclass import dataclass
from fairlead.common.events import Send
from fairlead.common.ids import CallId, SessionId
from fairlead.common.messages import CallResult, Code
from fairlead.common.operators import OperatorReply

from ..context import Context

Words = Iterator[str | None]


@dataclass(slots=True)
class _Answer:
    session: SessionId
    call_id: CallId
    version: int
    words: Words
    agents: Counter[str]
    """How many are ruled out by each rule: counted while the words are found."""
    lines: list[str] = field(default_factory=list)


class Answers:
    """To questions of operators, in the order in which they were asked."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pending: deque[_Answer] = deque()

    @property
    def is_under_way(self) -> bool:
        return bool(self._pending)

    def begin(
        self, session: SessionId, call_id: CallId, words: Words, agents: Counter[str]
    ) -> None:
        answer = _Answer(session, call_id, self._context.version, words, agents)
        self._pending.append(answer)
        if len(self._pending) == 1:
            self.go_on()

    def go_on(self) -> None:
        """With the first ones."""
        left = self._context.settings.max_grants
        while self._pending:
            answer = self._pending[0]
            for word in islice(answer.words, left):
                left -= 1
                if word is not None:
                    answer.lines.append(word)
            if not left:
                return
            self._pending.popleft()
            self._reply(answer)

    def _reply(self, answer: _Answer) -> None:
        result = CallResult(answer.call_id, Code.OK)
        lines, agents = tuple(answer.lines), dict(answer.agents)
        reply = OperatorReply(result, answer.version, lines, agents)
        self._context.actions.append(Send(answer.session, reply))
