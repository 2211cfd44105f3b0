"""The size of a worker, a `Resources` value, as it travels in frames and key files."""

from collections.abc import Mapping

from fairlead.common.errors import ConfigError
from fairlead.common.ids import ANY_GPU
from fairlead.common.resources import Resources

_MOST = {"cpus": 2**40, "mem": 2**63 - 1, "gpus": 2**40}
"""Beyond, no machine will ever be; and the wire carries no more."""


def size_of(cpus: float, mem: int, gpus: float) -> Resources:
    """As people write it, or an error that says what they may write."""
    for name, amount in (("cpus", cpus), ("mem", mem), ("gpus", gpus)):
        if type(amount) not in (int, float) or not 0 <= amount <= _MOST[name]:
            unit = "bytes" if name == "mem" else name
            raise ConfigError(
                f"{name}={amount!r} is not a number of {unit} that a worker could have",
                hint="write, for example, cpus=1, mem=2 * 2**30, gpus=0.5",
            )
    return Resources.of(cpus=cpus, mem=mem, gpus=gpus)


def size_to_fields(size: Resources) -> dict[str, int]:
    """Amounts only: devices and ports are the agent's to choose."""
    return {"cpus": size.cpus, "mem": size.mem, "gpus": size.gpu_millis}


def size_from_fields(fields: Mapping[str, int]) -> Resources:
    gpus = ((ANY_GPU, fields["gpus"]),) if fields["gpus"] else ()
    return Resources(cpus=fields["cpus"], mem=fields["mem"], gpus=gpus)
