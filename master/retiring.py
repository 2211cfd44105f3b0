"""Agents that an operator takes away: drained, which gives their tasks notice, or gone at once.

Both are promises, which outlive this leader. A drained agent is like any other, but nothing of it
is offered; it can be had back. One that is gone stays in the books for ever: so that it can be said
of its tasks, and to itself if it comes back.
"""

from fairlead.common.ids import AgentId
from fairlead.common.messages import Code
from fairlead.common.operators import AgentState, DrainAgent, MarkAgentGone

from .accepting.accepts import DONE, Answer
from .agents import Agents
from .context import Context
from .offers import Offers
from .tasks import Tasks


class Retiring:
    """Carries out what is ordered of an agent as a whole."""

    def __init__(self, context: Context, offers: Offers, tasks: Tasks, agents: Agents) -> None:
        self._context = context
        self._offers = offers
        self._tasks = tasks
        self._agents = agents

    def drain(self, call: DrainAgent) -> Answer:
        """Offer nothing more of it and end its tasks; or offer it again, whatever was ended."""
        books, agent_id = self._context.books, call.agent_id
        if (agent := books.agents.get(agent_id)) is None:
            return _unknown(agent_id)
        if agent.state is AgentState.GONE:
            return Code.REFUSED, "agent_id", f"{agent.info.name} is gone, for ever"
        agent.drain = None if call.undo else call
        self._context.record(f"drain/{agent_id}", agent.drain)
        if agent.drain is not None:
            self._offers.rescind_agent(agent, "its agent is being drained")
            self._tasks.end_drained(agent)
        books.dirty[agent_id] = None
        books.touch_agent(agent_id)
        books.look_beyond()
        return DONE

    def mark_gone(self, call: MarkAgentGone) -> Answer:
        """What it runs is lost, and it is told so if it is there."""
        agent = self._context.books.agents.get(call.agent_id)
        if agent is None:
            return _unknown(call.agent_id)
        if agent.state is not AgentState.GONE:
            self._agents.mark_gone(agent)
        return DONE


def _unknown(agent_id: AgentId) -> Answer:
    return Code.NOT_FOUND, "agent_id", f"no agent {agent_id!r} is known"
