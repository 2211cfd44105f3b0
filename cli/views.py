"""The state of a cluster as plain objects: what `-o json` prints, and what the tables are made of.

The keys are a promise, listed in docs/cli.md. Quantities are numbers with their unit in the key,
states and reasons are names, what is not known is null.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.common.operators import (
    AgentState,
    AgentView,
    FrameworkView,
    RoleView,
    StateReply,
    TaskView,
)
from fairlead.common.resources import MILLIS, Resources
from fairlead.common.values import HostUsage, Offer, TaskState, Usage

Plain = dict[str, Any]


def quantities(resources: Resources) -> Plain:
    """Cpus and gpus in devices, the rest in bytes."""
    return {
        "cpus": _number(resources.cpus),
        "mem_bytes": resources.mem,
        "disk_bytes": resources.disk,
        "gpus": _number(resources.gpu_millis),
    }


def agents(state: StateReply, *, gone: bool) -> list[Plain]:
    """Every agent that the master knows, by name; or without those that never come back."""
    shown = [view for view in state.agents if gone or view.state is not AgentState.GONE]
    return [_agent(view) for view in sorted(shown, key=_agent_order)]


def frameworks(state: StateReply, *, ended: bool) -> list[Plain]:
    """Those that have not ended, or all that are remembered."""
    shown = [view for view in state.frameworks if ended or not view.is_ended]
    shown.sort(key=lambda view: (view.is_ended, view.framework.name, view.framework.framework_id))
    return [_framework(view) for view in shown]


def tasks(state: StateReply, *, ended: bool) -> list[Plain]:
    """Those that have not ended, or all that are remembered; the oldest first."""
    shown = [view for view in state.tasks if ended or not view.latest.state.is_terminal]
    shown.sort(key=lambda view: (view.latest.wall_time, view.framework_id, view.task_id))
    return [task(view, state) for view in shown]


def offers(state: StateReply) -> list[Plain]:
    """Those that frameworks have not answered yet."""
    names = _agent_names(state)
    frameworks = _framework_names(state)
    ordered = sorted(state.offers, key=lambda offer: (offer.agent_id, offer.offer_id))
    return [_offer(offer, names, frameworks) for offer in ordered]


def cluster(state: StateReply, address: str) -> Plain:
    """All of it in one screen."""
    counts = Counter(view.latest.state for view in state.tasks)
    return {
        "address": address,
        "cluster_id": state.cluster_id,
        "epoch": state.epoch,
        "version": state.version,
        "agents": agents(state, gone=False),
        "frameworks": frameworks(state, ended=False),
        "tasks": {kind.name: counts[kind] for kind in TaskState if counts[kind]},
    }


def task(view: TaskView, state: StateReply) -> Plain:
    """One task, with all that is known about it."""
    latest = view.latest
    return {
        "task_id": view.task_id,
        "name": view.name,
        "framework_id": view.framework_id,
        "framework": _framework_names(state).get(view.framework_id),
        "agent_id": view.agent_id,
        "agent": _agent_names(state).get(view.agent_id),
        "role": view.role,
        "state": latest.state.name,
        "reason": latest.reason.name if latest.reason.value else None,
        "message": latest.message,
        "exit_code": latest.exit_code,
        "signal": latest.signal,
        "pid": latest.pid or None,
        **quantities(view.resources),
        "gpu_ids": [gpu_id for gpu_id, _ in view.resources.gpus if gpu_id],
        "held": {
            **quantities(view.held),
            "gpu_ids": [gpu_id for gpu_id, _ in view.held.gpus if gpu_id],
        },
        "usage": _task_usage(view.usage),
        "max_rss_bytes": latest.max_rss_bytes or None,
        "argv": list(view.command.argv),
        "labels": dict(view.labels),
        "launch_uuid": latest.launch_uuid,
        "sandbox": view.sandbox or None,
        "changed_at": latest.wall_time or None,
    }


def roles(state: StateReply) -> list[Plain]:
    """The roles that frameworks are in, or that have a weight or a quota; a parent comes first."""
    return [_role(view) for view in sorted(state.roles, key=lambda view: view.role.split("/"))]


def quotas(state: StateReply) -> list[Plain]:
    """The roles that have a quota."""
    return [row for row in roles(state) if any_named(row["guarantees"]) or any_named(row["limits"])]


def reservations(state: StateReply) -> list[Plain]:
    """What agents keep for roles."""
    return [
        {
            "agent": view.agent.name,
            "agent_id": view.agent.agent_id,
            "agent_state": view.state.name,
            "role": each.role,
            **quantities(each.whole),
            "gpu_ids": [gpu_id for gpu_id, _ in each.whole.gpus],
            "fixed": quantities(each.fixed),
        }
        for view in sorted(state.agents, key=_agent_order)
        for each in sorted(view.reservations, key=lambda each: each.role)
    ]


def any_named(amounts: Plain) -> bool:
    """Whether a quota says anything there."""
    return any(amount is not None for amount in amounts.values())


def _role(view: RoleView) -> Plain:
    return {
        "role": view.role,
        "weight": view.weight,
        "dominant_share": view.dominant_share * view.weight,
        "frameworks": view.frameworks,
        "held": quantities(view.used),
        "offered": quantities(view.offered),
        "guarantees": _named(view.guarantees),
        "limits": _named(view.limits),
        "reserved": quantities(view.reserved),
    }


def _named(amounts: Mapping[str, int]) -> Plain:
    """As a quantity; null is what is not named."""
    return {
        "cpus": _number(amounts["cpus"]) if "cpus" in amounts else None,
        "mem_bytes": amounts.get("mem"),
        "disk_bytes": amounts.get("disk"),
        "gpus": _number(amounts["gpus"]) if "gpus" in amounts else None,
    }


def _agent(view: AgentView) -> Plain:
    info = view.agent
    return {
        "agent_id": info.agent_id,
        "name": info.name,
        "hostname": info.hostname,
        "state": _agent_state(view),
        "address": info.address,
        **quantities(info.resources),
        "used": quantities(view.used),
        "offered": quantities(view.offered),
        "usage": _host_usage(view.usage),
        "tasks": view.tasks,
        "unacknowledged": view.unacknowledged,
        "isolation": info.isolation,
        "warnings": list(info.warnings),
        "zone": info.zone,
        "rack": info.rack,
        "attributes": dict(info.attributes),
        "gpu_devices": [
            {"gpu_id": gpu.gpu_id, "model": gpu.model, "memory_bytes": gpu.memory_bytes}
            for gpu in info.gpus
        ],
    }


def _agent_state(view: AgentView) -> str:
    """A drained one is one that may be taken away; whether it is there, is the question before."""
    if view.state is not AgentState.CONNECTED or not view.is_draining:
        return view.state.name
    return "DRAINING" if view.tasks or view.unacknowledged else "DRAINED"


def _framework(view: FrameworkView) -> Plain:
    info = view.framework
    return {
        "framework_id": info.framework_id,
        "name": info.name,
        "user": info.user,
        "roles": list(info.roles),
        "state": _framework_state(view),
        "tasks": view.tasks,
        "used": quantities(view.used),
        "offered": quantities(view.offered),
        "dominant_share": view.dominant_share,
        "dominant_resource": view.dominant_resource or None,
        "wanted": _wanted(view),
        "address": info.address,
        "failover_timeout_s": info.failover_timeout_s,
        "labels": dict(info.labels),
    }


def _framework_state(view: FrameworkView) -> str:
    if view.is_ended:
        return "ENDED"
    return "CONNECTED" if view.is_connected else "DISCONNECTED"


def _wanted(view: FrameworkView) -> int:
    """How many tasks' worth of resources it would use now."""
    return sum(demand.count for role in view.demands for demand in role.demands)


def _offer(offer: Offer, agents: Mapping[Any, str], frameworks: Mapping[Any, str]) -> Plain:
    return {
        "offer_id": offer.offer_id,
        "agent_id": offer.agent_id,
        "agent": agents.get(offer.agent_id),
        "framework_id": offer.framework_id,
        "framework": frameworks.get(offer.framework_id),
        "role": offer.role,
        **quantities(offer.resources),
        "gpu_ids": [gpu_id for gpu_id, _ in offer.resources.gpus],
        "reserved": quantities(offer.reserved),
    }


def _host_usage(usage: HostUsage) -> Plain:
    return {
        "cpu_percent": usage.cpu_percent,
        "mem_bytes": usage.memory_bytes,
        "disk_free_bytes": usage.disk_free_bytes,
        "load": usage.load,
    }


def _task_usage(usage: Usage) -> Plain:
    return {
        "cpu_s": usage.cpu_s,
        "mem_bytes": usage.memory_bytes,
        "processes": usage.processes,
        "io_read_bytes": usage.io_read_bytes,
        "io_write_bytes": usage.io_write_bytes,
        "gpu_mem_bytes": usage.gpu_memory_bytes,
        "gpu_percent": usage.gpu_utilisation,
    }


def _number(millis: int) -> int | float:
    return millis // MILLIS if millis % MILLIS == 0 else millis / MILLIS


def _agent_order(view: AgentView) -> tuple[str, str]:
    return (view.agent.name, view.agent.agent_id)


def _agent_names(state: StateReply) -> dict[Any, str]:
    return {view.agent.agent_id: view.agent.name for view in state.agents}


def _framework_names(state: StateReply) -> dict[Any, str]:
    return {view.framework.framework_id: view.framework.name for view in state.frameworks}


Listing = Callable[[StateReply, bool], Sequence[Plain]]
"""What one noun lists of a state, ended things too or not."""
