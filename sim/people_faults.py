"""What operators, clients and careless schedulers do in between."""

from fairlead.common.ids import Role
from fairlead.common.operators import (
    ExplainFramework,
    ExplainTask,
    KillAnyTask,
    SetWeight,
    TeardownFramework,
)
from fairlead.frameworks.kit.events import Happened

from .crowd import ROLES
from .nodes import FrameworkNode
from .schedulers import REPLACE, Service
from .targets import Target, a_framework, a_framework_id


def operator_kills(target: Target) -> bool:
    master = target.master
    if master is None or not master.is_alive:
        return False
    tasks = [
        (framework_id, task_id)
        for framework_id, framework in master.core.books.frameworks.items()
        for task_id, task in framework.tasks.items()
        if not task.is_terminal
    ]
    if not tasks:
        return False
    grace_s = target.random.choice((0.0, 1.0, 4.0))
    master.operate(KillAnyTask(*target.random.choice(tasks), grace_s))
    return True


def operator_weighs(target: Target) -> bool:
    master = target.master
    if master is None or not master.is_alive:
        return False
    role = target.random.choice((*ROLES, Role("batch"), Role("service")))
    master.operate(SetWeight(role, target.random.choice((0.5, 1.0, 2.0))))
    return True


def operator_ends_guest(target: Target) -> bool:
    master, guest_id = target.master, target.guest_id()
    if master is None or not master.is_alive or not guest_id:
        return False
    master.operate(TeardownFramework(guest_id))
    return True


def operator_asks(target: Target) -> bool:
    master, framework_id = target.master, a_framework_id(target)
    if master is None or not master.is_alive or not framework_id:
        return False
    master.operate(ExplainFramework(framework_id))
    framework = master.core.books.frameworks.get(framework_id)
    for task_id in list(framework.tasks)[:1] if framework is not None else ():
        master.operate(ExplainTask(task_id, framework_id))
    return True


def client_asks(target: Target) -> bool:
    for framework in target.frameworks():
        if framework.is_alive and isinstance(framework.scheduler, Service):
            framework.feed(Happened(REPLACE))
            return True
    return False


def launch_killed(target: Target) -> bool:
    """A framework changes its mind: it kills what it launches next, before that can have begun."""
    process = a_framework(target)
    if process is None:
        return False
    assert isinstance(process, FrameworkNode)
    process.scheduler.is_fickle = True
    return True


def bad_call(target: Target) -> bool:
    master, framework_id = target.master, a_framework_id(target)
    if master is None or not master.is_alive or not framework_id:
        return False
    return master.mishear(framework_id)
