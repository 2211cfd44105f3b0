"""When a world is over: all that was to be done is done, and every book equals what runs."""

from collections import Counter
from collections.abc import Mapping, Sequence

from fairlead.common.operators import AgentState

from .auditor import Auditor, ViolationError
from .hosts import AgentHost, FrameworkHost
from .nodes import MasterNode
from .process import Process

CONNECTED, UNREACHABLE = AgentState.CONNECTED, AgentState.UNREACHABLE


def unsettled(
    master: MasterNode | None,
    machines: Mapping[str, AgentHost],
    frameworks: Mapping[str, FrameworkHost],
    auditor: Auditor,
    now: float,
) -> str:
    """What is not as it should be once faults are over; empty: nothing."""
    if master is None or not master.is_alive:
        return "there is no master"
    return (
        _of_agents(master, machines)
        or next(filter(None, map(_of_framework, frameworks.values())), "")
        or auditor.restless(now)
    )


def _of_agents(master: MasterNode, machines: Mapping[str, AgentHost]) -> str:
    agents = master.core.books.agents.values()
    connected = Counter(agent.instance_uuid for agent in agents if agent.state is CONNECTED)
    for name, machine in machines.items():
        node = machine.node
        if node is None or not node.is_alive or connected[node.name] != 1:
            return f"{name} is not registered"
    states = [agent.state for agent in agents]
    if not {*states} <= {CONNECTED, UNREACHABLE, AgentState.GONE}:
        return "what became of an agent is still open"
    if states.count(CONNECTED) > len(machines):
        return "an agent that is no more is believed to be there"
    return ""


def _of_framework(host: FrameworkHost) -> str:
    if host.has_stopped:
        return ""
    if host.node is None or not host.node.is_alive or not host.node.core.is_subscribed:
        return f"{host.name} is not subscribed"
    if not host.node.scheduler.is_satisfied:
        return f"{host.name} is not satisfied: {host.memory.attempts}"
    return ""


def judge(master: MasterNode, processes: Sequence[Process], auditor: Auditor, now: float) -> None:
    """By the auditor's laws, and the master's books against what runs."""
    alive = [process.name for process in processes if process.is_alive]
    auditor.finish(now, [*alive, master.name], master.name)
    for agent in master.core.books.agents.values():
        used = auditor.used(agent.info.hostname)
        if agent.state is CONNECTED and agent.used != used:
            raise ViolationError(
                "books equal reality",
                f"{agent.info.hostname} runs {used}, the master believes {agent.used}",
            )
    for process in [master, *processes]:
        if process.is_alive:
            process.check()
