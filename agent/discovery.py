"""What a machine has to offer, as far as its owner does not say otherwise."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

import psutil

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError
from fairlead.common.resources import MILLIS, PortRange, Resources
from fairlead.common.values import Gpu

from .gpus import GpuBackend, gpu_backend

DEFAULT_PORTS: tuple[PortRange, ...] = ((31000, 32000),)
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the owner says: cpus in thousandths, mem and disk in bytes. None leaves it to us."""

    cpus: int | None = None
    mem: int | None = None
    disk: int | None = None
    gpus: str = "auto"
    ports: tuple[PortRange, ...] | None = None
    hostname: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    rack: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine as an agent presents it; `gpu_backend` tells what its devices do."""

    hostname: str
    resources: Resources
    gpus: tuple[Gpu, ...]
    gpu_backend: GpuBackend
    attributes: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    rack: str = ""


def discover(work_dir: Path, overrides: Overrides | None = None) -> Host:
    """The cpus we may run on, all memory, the whole disk under the work directory, all GPUs.

    Totals, not what is free now: an agent that starts again must find the same.
    """
    said = overrides or Overrides()
    backend = gpu_backend(said.gpus)
    devices = backend.devices()
    resources = Resources.of(
        mem=psutil.virtual_memory().total if said.mem is None else said.mem,
        disk=psutil.disk_usage(str(work_dir)).total if said.disk is None else said.disk,
        cpus=(_usable_cpus() * MILLIS if said.cpus is None else said.cpus) / MILLIS,
        gpus={gpu.gpu_id: 1.0 for gpu in devices},
        ports=DEFAULT_PORTS if said.ports is None else said.ports,
    )
    hostname = said.hostname or socket.gethostname()
    return Host(hostname, resources, devices, backend, dict(said.attributes), said.zone, said.rack)


def parse_ports(text: str) -> tuple[PortRange, ...]:
    """`31000-32000`, or several with commas, or single ports; empty for none."""
    ranges = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 0 < first <= last < 65536:
            raise ConfigError(f"{part!r} is not a range of ports", hint="write 31000-32000")
        ranges.append((first, last))
    return tuple(ranges)


def _usable_cpus() -> int:
    """Fewer than the machine has, where we are pinned to some."""
    return len(os.sched_getaffinity(0))
