"""Whether a task could ever run on the agents there are, and if not, why; said before it waits."""

from collections.abc import Callable, Sequence

from fairlead.common.operators import AgentView
from fairlead.common.resources import MILLIS, Resources, format_bytes


def why_never_fits(resources: Resources, agents: Sequence[AgentView]) -> str | None:
    """One line of what is asked and what there is; None if some agent is large enough.

    With no agent at all nothing is said: there may be one in a moment.
    """
    wholes = [view.agent.resources for view in agents]
    if not wholes or any(whole.contains(resources) for whole in wholes):
        return None
    for what, amount, show in _QUANTITIES:
        wanted, largest = amount(resources), max(map(amount, wholes))
        if wanted > largest:
            there = f"the largest agent has {show(largest)}" if largest else "no agent has any"
            advice = "ask for less or start a larger agent"
            return f"asks for {what(show(wanted))}, {there}: {advice}"
    return (
        f"asks for {resources}, and no agent has all of it at once: "
        "ask for less or start a larger agent"
    )


def _number(millis: int) -> str:
    return f"{millis / MILLIS:g}"


_QUANTITIES: Sequence[
    tuple[Callable[[str], str], Callable[[Resources], int], Callable[[int], str]]
] = (
    (lambda text: f"{text} cpus", lambda r: r.cpus, _number),
    (lambda text: f"{text} of memory", lambda r: r.mem, format_bytes),
    (lambda text: f"{text} of disk", lambda r: r.disk, format_bytes),
    (lambda text: f"{text} gpus", lambda r: r.gpu_millis, _number),
    (lambda text: f"{text} ports", lambda r: r.port_count, str),
)
