from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PortRange(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class GpuShare(_message.Message):
    __slots__ = ("gpu_id", "millis")
    GPU_ID_FIELD_NUMBER: _ClassVar[int]
    MILLIS_FIELD_NUMBER: _ClassVar[int]
    gpu_id: str
    millis: int
    def __init__(self, gpu_id: _Optional[str] = ..., millis: _Optional[int] = ...) -> None: ...

class Resources(_message.Message):
    __slots__ = ("cpus_millis", "memory_bytes", "disk_bytes", "gpus", "ports")
    CPUS_MILLIS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    cpus_millis: int
    memory_bytes: int
    disk_bytes: int
    gpus: _containers.RepeatedCompositeFieldContainer[GpuShare]
    ports: _containers.RepeatedCompositeFieldContainer[PortRange]
    def __init__(self, cpus_millis: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., gpus: _Optional[_Iterable[_Union[GpuShare, _Mapping]]] = ..., ports: _Optional[_Iterable[_Union[PortRange, _Mapping]]] = ...) -> None: ...

class Gpu(_message.Message):
    __slots__ = ("gpu_id", "model", "memory_bytes", "numa_node", "pci_bus")
    GPU_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUMA_NODE_FIELD_NUMBER: _ClassVar[int]
    PCI_BUS_FIELD_NUMBER: _ClassVar[int]
    gpu_id: str
    model: str
    memory_bytes: int
    numa_node: int
    pci_bus: str
    def __init__(self, gpu_id: _Optional[str] = ..., model: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., numa_node: _Optional[int] = ..., pci_bus: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("cpu_s", "memory_bytes", "processes", "io_read_bytes", "io_write_bytes", "gpu_memory_bytes", "gpu_utilisation")
    CPU_S_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    IO_READ_BYTES_FIELD_NUMBER: _ClassVar[int]
    IO_WRITE_BYTES_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    GPU_UTILISATION_FIELD_NUMBER: _ClassVar[int]
    cpu_s: float
    memory_bytes: int
    processes: int
    io_read_bytes: int
    io_write_bytes: int
    gpu_memory_bytes: int
    gpu_utilisation: float
    def __init__(self, cpu_s: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., processes: _Optional[int] = ..., io_read_bytes: _Optional[int] = ..., io_write_bytes: _Optional[int] = ..., gpu_memory_bytes: _Optional[int] = ..., gpu_utilisation: _Optional[float] = ...) -> None: ...

class GpuUsage(_message.Message):
    __slots__ = ("gpu_id", "utilisation", "memory_bytes")
    GPU_ID_FIELD_NUMBER: _ClassVar[int]
    UTILISATION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    gpu_id: str
    utilisation: float
    memory_bytes: int
    def __init__(self, gpu_id: _Optional[str] = ..., utilisation: _Optional[float] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class HostUsage(_message.Message):
    __slots__ = ("cpu_percent", "memory_bytes", "disk_free_bytes", "load", "gpus")
    CPU_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    cpu_percent: float
    memory_bytes: int
    disk_free_bytes: int
    load: float
    gpus: _containers.RepeatedCompositeFieldContainer[GpuUsage]
    def __init__(self, cpu_percent: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., disk_free_bytes: _Optional[int] = ..., load: _Optional[float] = ..., gpus: _Optional[_Iterable[_Union[GpuUsage, _Mapping]]] = ...) -> None: ...
