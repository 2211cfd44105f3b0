"""What operators do with whole agents of a simulated cluster: drain them and have them back, or
mark them gone. A machine whose agent was removed is set up anew.
"""

from fairlead.common.operators import AgentState, DrainAgent, MarkAgentGone

from .nodes import MasterNode
from .targets import Target


def operator_drains(target: Target) -> bool:
    """Or has one back that is being drained."""
    master = target.master
    if master is None or not master.is_alive:
        return False
    agents = [a for a in master.core.books.agents.values() if a.state is not AgentState.GONE]
    if not agents:
        return False
    agent = target.random.choice(agents)
    grace_s = target.random.choice((None, 0.0, 4.0))
    master.operate(DrainAgent(agent.info.agent_id, grace_s, undo=agent.drain is not None))
    return True


def operator_marks_gone(target: Target) -> bool:
    """Mostly one that is away."""
    master = target.master
    agents = [] if master is None or not master.is_alive else [*master.core.books.agents.values()]
    away = [a for a in agents if a.state not in (AgentState.CONNECTED, AgentState.GONE)]
    chosen = away or (agents if target.random.random() < 0.2 else [])
    if master is None or not chosen:
        return False
    master.operate(MarkAgentGone(target.random.choice(chosen).info.agent_id))
    return True


def clear(master: MasterNode) -> None:
    """Whatever is drained is had back."""
    for agent_id, agent in tuple(master.core.books.agents.items()):
        if agent.drain is not None:
            master.operate(DrainAgent(agent_id, undo=True))
