"""What an operator reserves on the agents of a simulated cluster, and takes back at the end."""

from fairlead.common.ids import AgentId, Role
from fairlead.common.operators import AgentState, SetReservation
from fairlead.common.resources import EMPTY, Resources

from .bindings import SMALL
from .crowd import ROLES
from .nodes import MasterNode
from .targets import Target

AMOUNTS = (EMPTY, SMALL, Resources.of(cpus=0.5), Resources.of(cpus=1, mem=1 << 30))
TOO_MUCH = Resources.of(cpus=64)


def operator_reserves(target: Target) -> bool:
    """More or less than before, now and then what cannot be had."""
    master = target.master
    connected = [] if master is None or not master.is_alive else _connected(master)
    if master is None or not connected:
        return False
    role = target.random.choice((*ROLES, Role("batch"), Role("service")))
    amount = target.random.choice((*AMOUNTS, TOO_MUCH))
    master.operate(SetReservation(target.random.choice(connected), role, amount))
    return True


def clear(master: MasterNode) -> None:
    """All that is not fixed."""
    for agent_id in _connected(master):
        agent = master.core.books.agents[agent_id]
        for role, known in tuple(agent.reservations.items()):
            if known.resources and role not in agent.changes:
                master.operate(SetReservation(agent_id, role, known.fixed))


def _connected(master: MasterNode) -> list[AgentId]:
    agents = master.core.books.agents.items()
    return [agent_id for agent_id, agent in agents if agent.state is AgentState.CONNECTED]
