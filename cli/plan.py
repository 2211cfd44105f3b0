"""What `fairlead up` is going to run: ports, shares of the machine, the daemons' command lines."""

import socket
from itertools import count, islice

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError
from fairlead.common.home import Home
from fairlead.common.resources import EMPTY, Resources

from .cluster import python
from .supervisor import Daemon, Plan

HOST = "127.0.0.1"
FRAMEWORKS = ("commands", "batch", "training")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: quantities are of each agent, None leaves it to the machine."""

    agents: int = 1
    cpus_millis: int | None = None
    mem_bytes: int | None = None
    disk_bytes: int | None = None
    gpus: str | None = None
    isolation: str = "auto"
    more_flags: tuple[str, ...] = ()
    """For each agent, as they are."""


def machine_for(wanted: Wanted, home: Home) -> Resources:
    """What several agents are to share; one alone finds out by itself."""
    if wanted.agents <= 1:
        return EMPTY
    from fairlead.agent.discovery import Overrides, discover

    return discover(home.path, Overrides(gpus="none")).resources


def make_plan(
    home: Home, port: int, wanted: Wanted, machine: Resources, *, is_temporary: bool = False
) -> Plan:
    """The daemons in the order of their start."""
    place = ("--home", str(home.path))
    names = _names(home, wanted.agents)
    daemons = [Daemon("master", python("master", *place, "--port", str(port)))]
    for index, name in enumerate(names):
        flags = _agent_flags(wanted, machine, index)
        daemons.append(Daemon(name, python("agent", *place, "--name", name, *flags)))
    daemons.append(Daemon("frameworks", python("frameworks", "host", *place, *FRAMEWORKS)))
    return Plan(home, port, names, tuple(daemons), is_temporary)


def _names(home: Home, agents: int) -> tuple[str, ...]:
    """a1, a2 and so on, without those that an operator has marked gone."""
    names = (f"a{number}" for number in count(1))
    usable = (name for name in names if not home.agent(name).removed.exists())
    return tuple(islice(usable, agents))


def _agent_flags(wanted: Wanted, machine: Resources, index: int) -> list[str]:
    """What one agent is told. Two on one machine must not promise anything twice."""
    cpus, mem, disk, gpus = wanted.cpus_millis, wanted.mem_bytes, wanted.disk_bytes, wanted.gpus
    flags: list[str] = []
    if wanted.agents > 1:
        cpus = cpus or max(1, machine.cpus // wanted.agents)
        mem = mem or max(1, machine.mem // wanted.agents)
        disk = disk or max(1, machine.disk // wanted.agents)
        # Real GPUs are not dealt out: the first agent has them.
        gpus = gpus or ("auto" if index == 0 else "none")
        if gpus in {"auto", "nvml"} and index > 0:
            gpus = "none"
        flags += ["--ports", _share_of_ports(machine, wanted.agents, index)]
    if cpus is not None:
        flags += ["--cpus", f"{cpus}m"]
    if mem is not None:
        flags += ["--mem", f"{mem}B"]
    if disk is not None:
        flags += ["--disk", f"{disk}B"]
    if gpus is not None:
        flags += ["--gpus", gpus]
    if wanted.isolation != "auto":
        flags += ["--isolation", wanted.isolation]
    return [*flags, *wanted.more_flags]


def _share_of_ports(machine: Resources, agents: int, index: int) -> str:
    """Consecutive ones, out of the first range."""
    first, last = machine.ports[0]
    size = (last - first + 1) // agents
    return f"{first + index * size}-{first + (index + 1) * size - 1}"


def choose_port(wanted: int, before: int = 0) -> int:
    """The port that was asked for, or the one from before, or any free one."""
    if wanted:
        if not _is_free(wanted):
            raise ConfigError(
                f"port {wanted} is in use by another program",
                hint="choose another with --port, or leave it out: any free one is found",
            )
        return wanted
    if before and _is_free(before):
        return before
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise ConfigError(
                f"port {port} needs root: {error.strerror}", hint="choose one above 1023"
            ) from None
        except OSError:
            return False
    return True
