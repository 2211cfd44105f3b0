"""States of made-up clusters, as operators see them, in few words."""

from fairlead.common.ids import AgentId, FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.operators import AgentState, AgentView, FrameworkView, StateReply, TaskView
from fairlead.common.resources import Resources
from fairlead.common.values import (
    AgentInfo,
    Command,
    FrameworkInfo,
    Reason,
    TaskState,
    TaskStatus,
)

GIB = 2**30


def agent(name: str, state: AgentState = AgentState.CONNECTED, **info: object) -> AgentView:
    resources = Resources.of(cpus=4, mem=8 * GIB, disk=100 * GIB, gpus={"g0": 1, "g1": 1})
    described = AgentInfo(AgentId(f"A-{name}"), "host", resources, name=name, **info)  # type: ignore[arg-type]
    return AgentView(described, state, used=Resources.of(cpus=0.5, mem=GIB), tasks=1)


def framework(name: str, *, is_connected: bool = True, is_ended: bool = False) -> FrameworkView:
    info = FrameworkInfo(FrameworkId(f"F-{name}"), name, roles=(Role("default"),))
    return FrameworkView(info, is_connected, is_ended, used=Resources.of(cpus=1))


def task(
    task_id: str,
    state: TaskState = TaskState.RUNNING,
    *,
    of: str = "commands",
    on: str = "a1",
    exit_code: int | None = None,
    signal: int | None = None,
    message: str = "",
    at: float = 0.0,
) -> TaskView:
    status = TaskStatus(
        FrameworkId(f"F-{of}"),
        TaskId(task_id),
        LaunchUuid(f"u-{task_id}"),
        AgentId(f"A-{on}"),
        state,
        reason=Reason.COMMAND_EXITED if state.is_terminal else Reason.UNSPECIFIED,
        message=message,
        exit_code=exit_code,
        signal=signal,
        wall_time=at,
    )
    return TaskView(
        status.framework_id,
        status.task_id,
        task_id,
        status.agent_id,
        Role("default"),
        Resources.of(cpus=1, mem=128 * 2**20),
        status,
        command=Command(("sleep", "1")),
    )


def state(
    *views: AgentView | FrameworkView | TaskView, version: int = 1, whole: bool = True
) -> StateReply:
    return StateReply(
        version,
        1,
        "cluster",
        whole,
        agents=tuple(view for view in views if isinstance(view, AgentView)),
        frameworks=tuple(view for view in views if isinstance(view, FrameworkView)),
        tasks=tuple(view for view in views if isinstance(view, TaskView)),
    )
