"""The GPUs of a machine: which there are, and what they are used for right now.

`NvmlGpus` asks the driver; `FakeGpus` gives every laptop and every test the same paths. Whoever
starts a task on devices says so with `attach`: the fake then knows what to pretend.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError
from fairlead.common.ids import GpuId
from fairlead.common.values import Gpu, GpuUsage

from .sandboxes import names_in, open_plain

GIB = 2**30
PCI_DEVICES = Path("/sys/bus/pci/devices")
MAX_FAKES = 1024
FAKE_NAME = "fake-"
FAKE_DIRECTORY = "fake-gpus"
"""In a sandbox: where a program on fake devices tells what it holds."""
MOST_DIGITS = 20


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """Memory that one process holds on one device."""

    pid: int
    gpu_id: GpuId
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class GpuSample:
    """All devices at one moment."""

    devices: tuple[GpuUsage, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    unknown: tuple[GpuId, ...] = ()
    """Devices of which nobody can tell what each process holds."""


class GpuBackend(Protocol):
    """Where an agent learns of its GPUs."""

    @property
    def reason(self) -> str:
        """Why there is no device; empty if there are some."""
        ...

    def devices(self) -> tuple[Gpu, ...]:
        """They do not change while the agent runs."""
        ...

    def usage(self) -> GpuSample:
        """Measured now. May take milliseconds: not to be called on an event loop."""
        ...

    def attach(self, pid: int, gpu_ids: Iterable[GpuId], sandbox: Path | None = None) -> None:
        """The task with this main process has been given these devices, or none."""
        ...

    def suspend(self, pid: int) -> None:
        """It stands still from now on; what it holds is for `usage` to tell."""
        ...

    def resume(self, pid: int) -> None:
        """It goes on."""
        ...

    def detach(self, pid: int) -> None:
        """It has ended."""
        ...


class NoGpus:
    """A machine without, or one whose GPUs are not to be offered."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def devices(self) -> tuple[Gpu, ...]:
        return ()

    def usage(self) -> GpuSample:
        return GpuSample()

    def attach(self, pid: int, gpu_ids: Iterable[GpuId], sandbox: Path | None = None) -> None:
        pass

    def suspend(self, pid: int) -> None:
        pass

    def resume(self, pid: int) -> None:
        pass

    def detach(self, pid: int) -> None:
        pass


class NvmlGpus:
    """What NVIDIA's driver says. Without one there are no devices, and `reason` says why."""

    def __init__(self, pynvml: Any = None, pci_devices: Path = PCI_DEVICES) -> None:
        self._nvml = pynvml or import_module("pynvml")
        self._pci_devices = pci_devices
        self._handles: dict[GpuId, Any] = {}
        self._devices: tuple[Gpu, ...] = ()
        self.reason = ""
        try:
            self._nvml.nvmlInit()
            handles = [
                self._nvml.nvmlDeviceGetHandleByIndex(index)
                for index in range(self._nvml.nvmlDeviceGetCount())
            ]
            self._devices = tuple(self._describe(handle) for handle in handles)
        except self._nvml.NVMLError as problem:
            self.reason = f"no NVIDIA driver answers: {problem}"
        else:
            self._handles = {
                gpu.gpu_id: handle for gpu, handle in zip(self._devices, handles, strict=True)
            }
            self.reason = "" if self._devices else "the NVIDIA driver shows no device"

    def devices(self) -> tuple[Gpu, ...]:
        return self._devices

    def usage(self) -> GpuSample:
        samples = [self._sample(gpu_id, handle) for gpu_id, handle in self._handles.items()]
        return GpuSample(
            tuple(device for device, _ in samples),
            tuple(
                GpuProcess(each.pid, device.gpu_id, int(each.usedGpuMemory or 0))
                for device, processes in samples
                for each in processes or ()
            ),
            tuple(device.gpu_id for device, processes in samples if not _is_told(processes)),
        )

    def attach(self, pid: int, gpu_ids: Iterable[GpuId], sandbox: Path | None = None) -> None:
        pass

    def suspend(self, pid: int) -> None:
        pass

    def resume(self, pid: int) -> None:
        pass

    def detach(self, pid: int) -> None:
        pass

    def _describe(self, handle: Any) -> Gpu:
        bus = _text(self._nvml.nvmlDeviceGetPciInfo(handle).busId).lower()
        return Gpu(
            GpuId(_text(self._nvml.nvmlDeviceGetUUID(handle))),
            model=_text(self._nvml.nvmlDeviceGetName(handle)),
            memory_bytes=int(self._nvml.nvmlDeviceGetMemoryInfo(handle).total),
            numa_node=self._numa_node(bus),
            pci_bus=bus,
        )

    def _numa_node(self, bus: str) -> int:
        """The kernel knows; it writes the domain with four digits where NVML writes eight."""
        domain, _, rest = bus.partition(":")
        try:
            path = self._pci_devices / f"{int(domain, 16):04x}:{rest}" / "numa_node"
            return int(path.read_text())
        except (OSError, ValueError):
            return -1

    def _sample(self, gpu_id: GpuId, handle: Any) -> tuple[GpuUsage, Any]:
        nvml = self._nvml
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        utilisation = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        processes = self._ask(nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        usage = GpuUsage(
            gpu_id,
            float(utilisation.gpu) if utilisation else 0.0,
            int(memory.used) if memory else 0,
        )
        return usage, processes

    def _ask(self, question: Callable[[Any], Any], handle: Any) -> Any:
        """None from a device that is lost or cannot tell: everything else goes on."""
        try:
            return question(handle)
        except self._nvml.NVMLError:
            return None


@dataclass(frozen=True, slots=True)
class FakeLoad:
    """What a task is taken to do on each device that it has, unless it tells what it holds."""

    memory_bytes: int = 1 * GIB
    utilisation: float = 50.0
    kept_bytes: int = 0
    """What it still holds when it is suspended."""


@dataclass(frozen=True, slots=True)
class _Attached:
    gpu_ids: tuple[GpuId, ...]
    told: Path | None
    """Where it tells what it holds."""


class FakeGpus:
    """Devices `fake-0`, `fake-1` … that follow a script: what is attached, and `script`ed.

    A program says itself what it holds: into the directory `$FAIRLEAD_FAKE_GPUS`, which it makes,
    each of its processes writes a file named by device and pid, such as `fake-0.4711`, with the
    bytes as a decimal number; 0 when it has given up all. What is there goes before any script.
    """

    reason = ""

    def __init__(self, count: int, memory_bytes: int = 16 * GIB) -> None:
        self._devices = tuple(
            Gpu(
                GpuId(f"{FAKE_NAME}{index}"),
                "Fake GPU",
                memory_bytes,
                pci_bus=f"fake:{index:02x}:00.0",
            )
            for index in range(count)
        )
        self._attached: dict[int, _Attached] = {}
        self._suspended: set[int] = set()
        self._loads: dict[int, FakeLoad] = {}
        self._utilisation: dict[GpuId, float] = {}

    def devices(self) -> tuple[Gpu, ...]:
        return self._devices

    def attach(self, pid: int, gpu_ids: Iterable[GpuId], sandbox: Path | None = None) -> None:
        chosen = tuple(gpu_ids)
        unknown = set(chosen) - {gpu.gpu_id for gpu in self._devices}
        assert not unknown, f"no such devices: {sorted(unknown)}"
        self._attached[pid] = _Attached(chosen, sandbox / FAKE_DIRECTORY if sandbox else None)

    def detach(self, pid: int) -> None:
        self._attached.pop(pid, None)
        self._suspended.discard(pid)
        self._loads.pop(pid, None)

    def suspend(self, pid: int) -> None:
        self._suspended.add(pid)

    def resume(self, pid: int) -> None:
        self._suspended.discard(pid)

    def script(self, pid: int, load: FakeLoad) -> None:
        """What the task with this main process does from now on, on each of its devices."""
        self._loads[pid] = load

    def script_utilisation(self, shares: Mapping[GpuId, float]) -> None:
        """In percent, whatever the tasks do."""
        self._utilisation.update(shares)

    def usage(self) -> GpuSample:
        attached = list(self._attached.items())  # from a thread, while the loop attaches more
        processes = tuple(each for pid, task in attached for each in self._processes(pid, task))
        return GpuSample(tuple(self._sample(gpu, processes) for gpu in self._devices), processes)

    def _processes(self, pid: int, task: _Attached) -> list[GpuProcess]:
        """All that a task holds counts as its main process's."""
        load = self._load(pid)
        scripted = load.kept_bytes if pid in self._suspended else load.memory_bytes
        held = dict.fromkeys(task.gpu_ids, scripted) | _told(task.told)
        return [GpuProcess(pid, gpu_id, memory_bytes) for gpu_id, memory_bytes in held.items()]

    def _sample(self, gpu: Gpu, processes: Iterable[GpuProcess]) -> GpuUsage:
        mine = [process for process in processes if process.gpu_id == gpu.gpu_id]
        running = [process.pid for process in mine if process.pid not in self._suspended]
        busy = min(100.0, sum(self._load(pid).utilisation for pid in running))
        used = sum(process.memory_bytes for process in mine)
        utilisation = self._utilisation.get(gpu.gpu_id, busy)
        return GpuUsage(gpu.gpu_id, utilisation, min(used, gpu.memory_bytes))

    def _load(self, pid: int) -> FakeLoad:
        return self._loads.get(pid, FakeLoad())


def _told(directory: Path | None) -> dict[GpuId, int]:
    """By a program of what it holds on each device, all its processes together."""
    found: dict[GpuId, int] = {}
    if directory is None:
        return found
    for name in names_in(directory.parent, directory.name):
        text = _number_in(directory, name).strip()
        gpu_id = GpuId(name.rpartition(".")[0])
        if text.isdigit() and len(text) < MOST_DIGITS:
            found[gpu_id] = found.get(gpu_id, 0) + int(text)
    return found


def _number_in(directory: Path, name: str) -> bytes:
    """A task may put anything there: what has no end, or would be waited for, is not read."""
    with suppress(OSError):
        descriptor = open_plain(directory.parent, directory.name, name, os.O_RDONLY)
        try:
            return os.read(descriptor, MOST_DIGITS + 2)
        finally:
            os.close(descriptor)
    return b""


def gpu_backend(choice: str) -> GpuBackend:
    """From what a user may choose: none, auto (the real ones, if any), nvml, fake:N."""
    kind, _, count = choice.strip().lower().partition(":")
    if kind == "none" and not count:
        return NoGpus("none were asked for")
    if kind in {"auto", "nvml"} and not count:
        gpus = NvmlGpus()
        if kind == "nvml" and not gpus.devices():
            raise ConfigError(f"no GPUs: {gpus.reason}", hint="choose --gpus none, or fake:4")
        return gpus
    if kind == "fake" and count.isascii() and count.isdigit() and int(count) <= MAX_FAKES:
        return FakeGpus(int(count))
    raise ConfigError(
        f"{choice!r} is not a choice of GPUs", hint="choose none, auto, nvml, or fake:4 for four"
    )


def _is_told(processes: Any) -> bool:
    """Some drivers list processes without what they hold, some do not list them."""
    return processes is not None and all(each.usedGpuMemory is not None for each in processes)


def _text(value: str | bytes) -> str:
    """Older releases of the library return bytes."""
    return value.decode() if isinstance(value, bytes) else value
