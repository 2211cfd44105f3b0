"""What a Docker task may see of its machine, and how it is described to the engine.

Whatever is refused is refused here, with the reason, before the engine is asked for anything.
Looks at the disk, so it is not for an event loop.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from docker.types import DeviceRequest, LogConfig, Mount

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError, ContainerError
from fairlead.common.values import Container, Volume

from .cgroups import PERIOD_US, SHARES, SHARES_PER_CPU
from .containerizer import LaunchSpec
from .limits import Limits

UUID_LABEL = "fairlead.launch"
PLACE_LABEL = "fairlead.work_dir"
TASK_LABEL = "fairlead.task"
STARTED = ".started"
"""The program is about to run; made in the sandbox by the shell below, removed by the agent."""
LEAST_MEMORY_BYTES = 6 << 20
"""The engine takes no less."""
NETWORKS = ("host", "bridge", "none")
PROTOCOLS = ("tcp", "udp")
_NVIDIA = ("GPU-", "MIG-")
_USER = re.compile(r"(\d{1,9})(?::(\d{1,9}))?", re.ASCII)

# Output goes straight into the files of the sandbox, so that it depends on no engine. Signals reach
# the whole process group by way of the engine's own init, which is told so by a variable.
ENTRY = """exec >>"$0/stdout" 2>>"$0/stderr"
unset TINI_KILL_PROCESS_GROUP
case $1 in
-*) exit 127;;
*/*) [ -e "$1" ] || exit 127; [ -x "$1" ] && ! [ -d "$1" ] || exit 126;;
*) command -v "$1" >/dev/null || exit 127;;
esac
: >"$0/.started"
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class AllowedVolume:
    """A directory or file of the machine that tasks may see, with all that is below it."""

    path: Path
    read_only: bool = False

    @classmethod
    def of(cls, text: str) -> "AllowedVolume":
        """`PATH`, or `PATH:ro` where nothing may be written."""
        path, colon, mode = text.rpartition(":")
        if not colon or mode not in {"ro", "rw"}:
            path, mode = text, "rw"
        if not path.startswith("/"):
            raise ConfigError(
                f"{text!r} is no volume to allow", hint="write an absolute path, or PATH:ro"
            )
        return cls(Path(path).resolve(), mode == "ro")


@dataclass(frozen=True, slots=True)
class DockerPolicy:
    """What the operator allows. Published ports listen on `host`."""

    volumes: tuple[AllowedVolume, ...] = ()
    host: str = "127.0.0.1"
    socket: Path | None = None
    """The engine's own: whoever has it rules the machine, so it is allowed by its name only."""


def name_of(uuid: str) -> str:
    """Of the container of a launch: so a launch is done once, whoever crashes in between."""
    return f"fairlead-{uuid}"


def describe(spec: LaunchSpec, work_dir: Path, policy: DockerPolicy) -> dict[str, Any]:
    """What the engine is asked to create, in its SDK's words; ContainerError if it may not be."""
    container = spec.container
    assert container is not None, "a task without an image is no Docker task"
    if not spec.argv:
        raise ContainerError("cannot run nothing: the command is empty")
    if container.privileged:
        raise ContainerError("privileged containers are not run: they would be the machine's root")
    if not container.image:
        raise ContainerError("no image is named")
    published = _published(spec, container, policy)
    return {
        "image": container.image,
        "command": list(spec.argv),
        "entrypoint": ["/bin/sh", "-c", ENTRY, str(spec.sandbox)],
        "environment": {
            **spec.env,
            "TINI_KILL_PROCESS_GROUP": "1",
            # an image or a task that says "all" here would get all, where that runtime is the rule
            "NVIDIA_VISIBLE_DEVICES": ",".join(_real_gpus(spec)) or "void",
        },
        "use_config_proxy": False,  # it is the agent's user's
        "working_dir": str(spec.sandbox),
        "user": "{}:{}".format(*owner_of(spec)),
        "labels": {
            UUID_LABEL: spec.uuid,
            PLACE_LABEL: str(work_dir),
            TASK_LABEL: spec.env.get("FAIRLEAD_TASK_ID", ""),
        },
        "ports": [(port, protocol) for port, protocol in published],
        "host_config": {
            "init": True,
            "log_config": LogConfig(type="none"),
            "network_mode": _network(container),
            "port_bindings": {f"{p}/{q}": where for (p, q), where in published.items()},
            "mounts": _mounts(spec, container, policy),
            "device_requests": _devices(spec),
            "security_opt": ["no-new-privileges"],
            "cap_drop": ["NET_RAW"],  # root would hear on the host's network what others send
            "pids_limit": spec.limits.processes or None,
            "shm_size": spec.limits.memory_bytes or None,
            **held_to(spec.limits),
        },
    }


def held_to(limits: Limits) -> dict[str, Any]:
    """The limits that can be changed later as well. No swap, as for processes.

    The engine cannot take a limit of memory back: as much as there is has to be a number.
    """
    memory = max(limits.memory_bytes or psutil.virtual_memory().total, LEAST_MEMORY_BYTES)
    least, most = SHARES["cpu.shares"]
    shares = limits.cpus_request * SHARES_PER_CPU["cpu.shares"] // 1000
    return {
        "cpu_period": PERIOD_US,
        "cpu_quota": max(limits.cpus * PERIOD_US // 1000, 1000) if limits.cpus else -1,
        "cpu_shares": min(most, max(least, shares)),
        "mem_limit": memory,
        "memswap_limit": memory,
    }


def former_of(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """What `held_to` said when it was last in force."""
    config = inspected["HostConfig"]
    return {
        "cpu_period": config["CpuPeriod"],
        "cpu_quota": config["CpuQuota"],
        "cpu_shares": config["CpuShares"],
        "mem_limit": config["Memory"],
        "memswap_limit": config["MemorySwap"],
    }


def owner_of(spec: LaunchSpec) -> tuple[int, int]:
    """Who it runs as: the agent's user, unless it says UID or UID:GID and the agent is root."""
    own = (os.geteuid(), os.getegid())
    if not spec.user:
        return own
    match = _USER.fullmatch(spec.user)
    if match is None:
        raise ContainerError(f"user {spec.user!r}: give it as a number, UID or UID:GID")
    wanted = (int(match[1]), int(match[2] or match[1]))
    if wanted != own and own[0] != 0:
        raise ContainerError(f"user {spec.user}: the agent is not root, so tasks run as its own")
    return wanted


def _network(container: Container) -> str:
    network = container.network or ("bridge" if container.ports else "host")
    if network not in NETWORKS:
        raise ContainerError(f"network {network!r}: give one of {', '.join(NETWORKS)}")
    if container.ports and network != "bridge":
        raise ContainerError(f"ports are mapped on the network bridge only, not on {network!r}")
    return network


def _published(
    spec: LaunchSpec, container: Container, policy: DockerPolicy
) -> dict[tuple[int, str], tuple[str, int]]:
    """By the port and protocol inside: the address and port outside."""
    found = {}
    for mapping in container.ports:
        protocol = mapping.protocol or "tcp"
        if protocol not in PROTOCOLS:
            raise ContainerError(f"protocol {protocol!r}: give one of {', '.join(PROTOCOLS)}")
        if not 0 < mapping.container_port < 65536:
            raise ContainerError(f"there is no port {mapping.container_port} in a container")
        port = mapping.host_port
        if not any(first <= port <= last for first, last in spec.ports):
            raise ContainerError(
                f"port {port} is not among the task's: ask for it as a resource, like its cpus"
            )
        found[mapping.container_port, protocol] = (policy.host, port)
    return found


def _mounts(spec: LaunchSpec, container: Container, policy: DockerPolicy) -> list[Mount]:
    sandbox = str(spec.sandbox)
    mounts = [Mount(target=sandbox, source=sandbox, type="bind")]
    for volume in container.volumes:
        source = _allowed(volume, policy)
        target = os.path.normpath(volume.container_path or volume.host_path)
        is_placed = target.startswith("/") and target not in ("/", "//")
        if not is_placed or Path(target).is_relative_to("/proc"):
            raise ContainerError(
                f"volume {volume.container_path!r}: no place for it in a container; name another"
            )
        if Path(sandbox).is_relative_to(target) or Path(target).is_relative_to(sandbox):
            raise ContainerError(f"volume {target}: the sandbox {sandbox} is there")
        mount = Mount(target=target, source=str(source), type="bind", read_only=volume.read_only)
        if volume.read_only:  # what is mounted below it would be writable all the same
            mount["BindOptions"] = {"NonRecursive": True}
        mounts.append(mount)
    return mounts


def _allowed(volume: Volume, policy: DockerPolicy) -> Path:
    """Where it really lies, whatever links lead there."""
    if not volume.host_path.startswith("/") or "\0" in volume.host_path:
        raise ContainerError(f"volume {volume.host_path!r}: give an absolute path")
    path, is_there = _look(volume.host_path)
    fitting = [each for each in policy.volumes if path.is_relative_to(each.path)]
    if not fitting:
        raise ContainerError(
            f"volume {volume.host_path} is not allowed on this agent: "
            f"its operator allows it with --volume-allowed {volume.host_path}"
        )
    socket = policy.socket
    if socket and socket.is_relative_to(path) and socket not in {each.path for each in fitting}:
        raise ContainerError(
            f"volume {volume.host_path} holds the socket of the Docker engine, by which a task "
            "would be the machine's root: give a directory without it"
        )
    if not volume.read_only and all(each.read_only for each in fitting):
        raise ContainerError(f"volume {volume.host_path} may only be read here: ask for read_only")
    if not is_there:
        raise ContainerError(f"volume {volume.host_path} does not exist on this agent's machine")
    return path


def _look(host_path: str) -> tuple[Path, bool]:
    """Where it really lies, and whether it does. A task may have made it whatever it likes."""
    try:
        path = Path(host_path).resolve()
        return path, path.exists()
    except (OSError, RuntimeError) as error:  # a name too long; links that lead in a circle
        why = getattr(error, "strerror", None) or error
        raise ContainerError(
            f"volume {host_path} cannot be looked at on this agent's machine: {why}"
        ) from None


def _devices(spec: LaunchSpec) -> list[DeviceRequest] | None:
    """Fakes are in the environment only."""
    real = _real_gpus(spec)
    if not real:
        return None
    return [DeviceRequest(driver="nvidia", device_ids=real, capabilities=[["gpu"]])]


def _real_gpus(spec: LaunchSpec) -> list[str]:
    return [gpu_id for gpu_id in spec.gpu_ids if gpu_id.startswith(_NVIDIA)]
