"""The proof that the master's books balance: all of them, or only what a step has touched.

For `core.check` and `core.check_step`. What is touched is what operators should see anew, so a sum
that was changed in silence is found by the whole proof alone.
"""

from collections.abc import Callable, Iterable, Mapping

from fairlead.common.ids import AgentId, FrameworkId, OfferId, Role, SessionId, TaskId
from fairlead.common.operators import AgentState
from fairlead.common.resources import Resources, total
from fairlead.common.roles import is_below, lineage

from .allocation.lent import CAPABILITY
from .allocation.limits import to_rescind
from .allocation.reservations import encroached
from .books import Books, own_part
from .entries import Agent, Framework, HeldOffer, RunningAccept, Task

Sessions = Mapping[SessionId, Agent | Framework | None]
Amounts = tuple[int, ...]


def check(books: Books, sessions: Sessions) -> None:
    """Everything, or AssertionError."""
    for agent_id, agent in books.agents.items():
        _check_agent(books, agent, sessions)
        for (framework_id, task_id), task in agent.tasks.items():
            assert books.frameworks[framework_id].tasks[task_id] is task, task_id
            assert task.agent_id == agent_id, task_id
    for framework in books.frameworks.values():
        _check_framework(books, framework, sessions)
        for task_id, task in framework.tasks.items():
            _check_task(books, framework, task_id, task)
        for task_id, task in framework.ended.items():
            assert framework.tasks[task_id] is task, task_id
    counted = total(agent.capacity for agent in books.agents.values())
    assert books.capacity == counted, f"the capacity is {counted}, not {books.capacity}"
    for role in dict.fromkeys(
        (*books.held, *(r for f in books.frameworks.values() for of in f.held for r in lineage(of)))
    ):
        _check_role(books, role)
    for offer_id, held in books.offers.items():
        _check_offer(books, offer_id, held)
    kept = {
        wait.hold: (framework_id, want)
        for framework_id, framework in books.frameworks.items()
        for want, wait in framework.waits.items()
        if wait.hold is not None
    }
    assert books.holds == kept, f"kept is {kept}, the books say {books.holds}"


def check_touched(books: Books, sessions: Sessions, keys: Iterable[str]) -> None:
    """The things under these keys, with the sums that they are part of."""
    for key in keys:
        kind, _, name = key.partition("/")
        _CHECKS[kind](books, sessions, name)


def _agent(books: Books, sessions: Sessions, name: str) -> None:
    agent_id = AgentId(name)
    if (agent := books.agents.get(agent_id)) is not None:
        _check_agent(books, agent, sessions)


def _framework(books: Books, sessions: Sessions, name: str) -> None:
    framework_id = FrameworkId(name)
    if (framework := books.frameworks.get(framework_id)) is not None:
        _check_framework(books, framework, sessions)


def _task(books: Books, _: Sessions, name: str) -> None:
    framework_id, _slash, task_id = name.partition("/")
    framework = books.frameworks.get(FrameworkId(framework_id))
    if framework is not None and (task := framework.tasks.get(TaskId(task_id))) is not None:
        _check_task(books, framework, task.task_id, task)


def _role(books: Books, _: Sessions, name: str) -> None:
    _check_role(books, Role(name))


def _offer(books: Books, _: Sessions, name: str) -> None:
    offer_id = OfferId(name)
    if (held := books.offers.get(offer_id)) is not None:
        _check_offer(books, offer_id, held)


_CHECKS: Mapping[str, Callable[[Books, Sessions, str], None]] = {
    "agents": _agent,
    "frameworks": _framework,
    "tasks": _task,
    "roles": _role,
    "offers": _offer,
}


# --- one thing each


def _check_agent(books: Books, agent: Agent, sessions: Sessions) -> None:
    agent_id = agent.info.agent_id
    assert books.agents[agent_id] is agent
    assert agent.session is None or sessions[agent.session] is agent, agent_id
    assert (agent.session is None) == (agent.state is not AgentState.CONNECTED), agent_id
    parts = [task.held for task in agent.tasks.values() if task.held]
    parts += [accept.held for accept in agent.accepts.values()]
    used = total((*parts, *agent.strays.values()))
    offered = total(held.offer.resources for held in agent.offers.values())
    assert agent.used == used, f"{agent_id} uses {used}, the books say {agent.used}"
    assert agent.offered == offered, f"{agent_id} offers {offered}, not {agent.offered}"
    for accept in agent.accepts.values():
        _check_accept(books, accept)
    if offered:
        assert agent.state is AgentState.CONNECTED, f"{agent_id} is away and offered"
        free = agent.info.resources.without(used)  # it may have shrunk under its tasks
        assert free.contains(offered), f"{agent_id} is promised twice"
        wrong = encroached(agent)
        assert not wrong, f"{agent_id}: {wrong} is reserved, and offered to others"
    is_reserving = bool(agent.reservations or agent.changes)
    assert is_reserving == (agent_id in books.reserving), agent_id
    assert agent.session is not None or not agent.changes, agent_id


def _check_accept(books: Books, accept: RunningAccept) -> None:
    """Whatever its tasks hold, with it they have no less than was brought."""
    accept_id = accept.accept_id
    assert books.agents[accept.agent_id].accepts[accept_id] is accept, accept_id
    assert books.frameworks[accept.framework_id].accepts[accept.key] is accept, accept_id
    own = own_part(books, accept)
    assert accept.held == own, f"{accept_id} holds {accept.held}, and has {own}"


def _check_framework(books: Books, framework: Framework, sessions: Sessions) -> None:
    session, framework_id = framework.session, framework.framework_id
    assert books.frameworks[framework_id] is framework
    assert session is None or sessions[session] is framework, framework_id
    assert session is not None or not framework.offers, framework_id
    for accept in framework.accepts.values():
        _check_accept(books, accept)
    tasks = [task.held for task in framework.tasks.values() if task.held]
    accepts = [accept.held for accept in framework.accepts.values()]
    parts = [*tasks, *accepts, *(held.offer.resources for held in framework.offers.values())]
    assert _amounts(parts) == _amounts(framework.held.values()), f"{framework_id}: sums"


def _check_task(books: Books, framework: Framework, task_id: TaskId, task: Task) -> None:
    framework_id = framework.framework_id
    assert books.agents[task.agent_id].tasks[framework_id, task_id] is task, task_id
    assert task.is_terminal == (task_id in framework.ended), f"{task_id}: {task.latest}"
    assert not (task.is_terminal and task.held), f"{task_id} has ended and holds"


def _check_role(books: Books, role: Role) -> None:
    frameworks = books.frameworks.values()
    parts = [held for f in frameworks for of, held in f.held.items() if is_below(of, role)]
    held = [books.held[role]] if role in books.held else []
    assert _amounts(parts) == _amounts(held), f"the role {role} does not add up"
    assert not to_rescind(books, role), f"the role {role} is offered more than it may hold"


def _check_offer(books: Books, offer_id: OfferId, held: HeldOffer) -> None:
    offer = held.offer
    assert offer.offer_id == offer_id
    assert books.agents[offer.agent_id].offers[offer_id] is held, offer_id
    framework = books.frameworks[offer.framework_id]
    assert framework.offers[offer_id] is held, offer_id
    assert not offer.revocable or CAPABILITY in framework.info.capabilities, f"{offer_id} is lent"


def _amounts(parts: Iterable[Resources]) -> Amounts:
    """Without ports, which no framework's sum counts."""
    return tuple(map(sum, zip((0, 0, 0, 0, 0), *(part.vector for part in parts), strict=True)))[:4]
