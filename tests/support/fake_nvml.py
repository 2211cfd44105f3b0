"""The library of NVIDIA's driver as recorded on a machine with two H100s, and without a driver.

Has the functions of pynvml that `NvmlGpus` calls, with the types that they return.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


class NVMLError(Exception):
    """Base of all that the library raises."""


class LibraryNotFoundError(NVMLError):
    """What `nvmlInit` raises where no driver is installed."""

    def __str__(self) -> str:
        return "NVML Shared Library Not Found"


class GpuIsLostError(NVMLError):
    """What every function raises once a device has fallen off the bus."""

    def __str__(self) -> str:
        return "GPU is lost"


class NotSupportedError(NVMLError):
    """What some functions raise in virtual machines."""

    def __str__(self) -> str:
        return "Not Supported"


@dataclass(frozen=True)
class Memory:
    total: int
    free: int
    used: int


@dataclass(frozen=True)
class Utilization:
    gpu: int
    memory: int


@dataclass(frozen=True)
class PciInfo:
    busId: str | bytes  # noqa: N815 -- as the library calls it


@dataclass(frozen=True)
class ProcessInfo:
    pid: int
    usedGpuMemory: int | None  # noqa: N815 -- as the library calls it


@dataclass
class Device:
    """One recorded device; `problem` is what it answers instead."""

    uuid: str | bytes
    name: str | bytes
    bus: str | bytes
    memory: Memory
    utilization: Utilization | NVMLError
    processes: Sequence[ProcessInfo] = ()
    problem: NVMLError | None = None


def two_h100s() -> list[Device]:
    return [
        Device(
            uuid="GPU-7a3f1c52-9b0e-4d68-8c1f-2e5b60d4a917",
            name="NVIDIA H100 80GB HBM3",
            bus="00000000:1B:00.0",
            memory=Memory(85520809984, 50371493888, 35149316096),
            utilization=Utilization(gpu=87, memory=41),
            processes=(ProcessInfo(4711, 34359738368), ProcessInfo(4712, None)),
        ),
        Device(
            uuid="GPU-0c94be7d-51a6-4f2b-b7d3-98ee12f05c3a",
            name="NVIDIA H100 80GB HBM3",
            bus="00000000:C3:00.0",
            memory=Memory(85520809984, 85023391744, 497418240),
            utilization=Utilization(gpu=0, memory=0),
        ),
    ]


@dataclass
class FakeNvml:
    """Stands for the module."""

    recorded: list[Device] = field(default_factory=two_h100s)
    init_problem: NVMLError | None = None
    NVMLError: type[NVMLError] = NVMLError

    def nvmlInit(self) -> None:  # noqa: N802 -- as the library calls it
        if self.init_problem is not None:
            raise self.init_problem

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.recorded)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:  # noqa: N802
        return self.recorded[index]

    def nvmlDeviceGetUUID(self, handle: Device) -> str | bytes:  # noqa: N802
        return self._alive(handle).uuid

    def nvmlDeviceGetName(self, handle: Device) -> str | bytes:  # noqa: N802
        return self._alive(handle).name

    def nvmlDeviceGetPciInfo(self, handle: Device) -> PciInfo:  # noqa: N802
        return PciInfo(self._alive(handle).bus)

    def nvmlDeviceGetMemoryInfo(self, handle: Device) -> Memory:  # noqa: N802
        return self._alive(handle).memory

    def nvmlDeviceGetUtilizationRates(self, handle: Device) -> Utilization:  # noqa: N802
        answer = self._alive(handle).utilization
        if isinstance(answer, NVMLError):
            raise answer
        return answer

    def nvmlDeviceGetComputeRunningProcesses(  # noqa: N802
        self, handle: Device
    ) -> list[ProcessInfo]:
        return list(self._alive(handle).processes)

    def _alive(self, handle: Device) -> Device:
        if handle.problem is not None:
            raise handle.problem
        return handle
