"""Whether a task could ever run on the agents there are, and if not, why; said before it waits."""

from collections.abc import Callable, Sequence

from fairlead.common.operators import AgentState, AgentView
from fairlead.common.resources import MILLIS, Resources, counted, format_bytes


def why_never_fits(resources: Resources, agents: Sequence[AgentView]) -> str | None:
    """One line of what is asked and what there is; None if some agent is large enough.

    With no agent at all nothing is said: there may be one in a moment.
    """
    lasting = (view for view in agents if view.state is not AgentState.GONE)
    wholes = [view.agent.resources for view in lasting]
    if not wholes or any(whole.contains(resources) for whole in wholes):
        return None
    for amount, asked, show in _QUANTITIES:
        wanted, largest = amount(resources), max(map(amount, wholes))
        if wanted > largest:
            there = f"the largest agent has {show(largest)}" if largest else "no agent has any"
            return f"asks for {asked(wanted)}, {there}: ask for less or start a larger agent"
    return (
        f"asks for {resources}, and no agent has all of it at once: "
        "ask for less or start a larger agent"
    )


def _devices(what: str) -> Callable[[int], str]:
    return lambda millis: counted(millis / MILLIS, what)


def _number(millis: int) -> str:
    return f"{millis / MILLIS:g}"


_QUANTITIES: Sequence[
    tuple[Callable[[Resources], int], Callable[[int], str], Callable[[int], str]]
] = (
    (lambda r: r.cpus, _devices("cpu"), _number),
    (lambda r: r.mem, lambda size: f"{format_bytes(size)} of memory", format_bytes),
    (lambda r: r.disk, lambda size: f"{format_bytes(size)} of disk", format_bytes),
    (lambda r: r.gpu_millis, _devices("gpu"), _number),
    (lambda r: r.port_count, lambda count: counted(count, "port"), str),
)
