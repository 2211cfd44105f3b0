"""The size of a worker, a `Resources` value, as it travels in frames and key files."""

from collections.abc import Mapping

from fairlead.common.ids import ANY_GPU
from fairlead.common.resources import Resources


def size_to_fields(size: Resources) -> dict[str, int]:
    """Amounts only: devices and ports are the agent's to choose."""
    return {"cpus": size.cpus, "mem": size.mem, "gpus": size.gpu_millis}


def size_from_fields(fields: Mapping[str, int]) -> Resources:
    gpus = ((ANY_GPU, fields["gpus"]),) if fields["gpus"] else ()
    return Resources(cpus=fields["cpus"], mem=fields["mem"], gpus=gpus)
