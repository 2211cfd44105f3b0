"""What `fairlead up` says when the cluster is there: where, how isolated, what to try next."""

from collections.abc import Iterable

from fairlead.common.operators import StateReply, TaskView
from fairlead.common.resources import Resources, counted, total

from .supervisor import Plan


def print_banner(state: StateReply, plan: Plan, *, is_detached: bool) -> None:
    """A few lines on stdout."""
    for line in banner(state, plan, is_detached=is_detached):
        print(line)
    print(flush=True)


def banner(state: StateReply, plan: Plan, *, is_detached: bool) -> Iterable[str]:
    """Its lines."""
    ours = [view for view in state.agents if view.agent.name in plan.agents]
    have = total(view.agent.resources for view in ours)
    agents = "1 agent" if len(ours) == 1 else f"{len(ours)} agents"
    main = Resources(have.cpus, have.mem, 0, have.gpus)
    yield f"Fairlead is up: master at 127.0.0.1:{plan.port}, {agents} with {main}"
    for isolation in _once(view.agent.isolation for view in ours):
        yield f"  isolation  {isolation}"
    for warning in _once(warning for view in ours for warning in view.agent.warnings):
        yield f"             {warning}"
    yield f"  home       {plan.home.path}"
    if plan.home.tls is not None:
        yield f"  tls        export FAIRLEAD_TLS={plan.home.tls.directory}"
    adopted = [view for view in state.tasks if _is_running(view)]
    if adopted:
        yield f"  adopted    {counted(len(adopted), 'running task')}"
    yield "  try        fairlead run -- echo hi"
    yield "             fairlead status"
    end = "fairlead down" if is_detached else "Ctrl-C, or fairlead down"
    yield f"  end        {end}"


def _is_running(view: TaskView) -> bool:
    return not view.latest.state.is_terminal


def _once(texts: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(text for text in texts if text)
