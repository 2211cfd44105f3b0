"""What is wrong with a task by itself, before anybody asks whether there is room for it."""

from fairlead.common.sizes import MAX_TASK_BYTES, task_bytes
from fairlead.common.values import AgentInfo, Launch, TaskInfo, bad_priority

from ..allocation import lent
from ..entries import Framework

DOCKER = "docker"
"""The attribute of an agent that runs Docker tasks; its value is then "true"."""


def trouble_of(framework: Framework, agent: AgentInfo, launch: Launch) -> str:
    """Empty: nothing."""
    if not launch.launch_uuid:
        return "launch_uuid is empty"
    if launch.task.container is not None and agent.attributes.get(DOCKER) != "true":
        return f"container: agent {agent.name} runs no Docker tasks; ask for one whose docker=true"
    return _trouble(framework, launch.task)


def _trouble(framework: Framework, info: TaskInfo) -> str:
    if not info.task_id:
        return "task_id is empty"
    if info.task_id in framework.tasks:
        return f"task_id {info.task_id!r} is taken: task ids are used once"
    if not info.command.argv or not info.command.argv[0]:
        return "command.argv is empty"
    if not info.resources:
        return "resources: asks for nothing"
    if info.container is not None and not info.container.image:
        return "container.image is empty"
    if info.container is not None and info.container.privileged:
        return "container.privileged: would be root of the machine; that is not run"
    if (size := task_bytes(info)) > MAX_TASK_BYTES:
        what = f"command, labels and files have about {size} bytes"
        return f"{what}; a task may have {MAX_TASK_BYTES}: put large data into shared files"
    if trouble := bad_priority(info.priority):
        return f"priority: {trouble}"
    if trouble := lent.trouble_of(info):
        return trouble
    ignored = ["uris", "health_check"]
    if info.container is None:
        ignored.append("user")
    unknown = next((name for name in ignored if getattr(info, name)), "")
    return f"{unknown}: not in this version" if unknown else ""
