"""GPUs as the driver shows them, and as they are pretended."""

import os
from pathlib import Path

import pytest
from tests.support.fake_nvml import (
    FakeNvml,
    GpuIsLostError,
    LibraryNotFoundError,
    NotSupportedError,
)

from fairlead.agent.gpus import (
    FAKE_DIRECTORY,
    GIB,
    FakeGpus,
    FakeLoad,
    GpuBackend,
    GpuProcess,
    NoGpus,
    NvmlGpus,
    gpu_backend,
)
from fairlead.common.errors import ConfigError
from fairlead.common.ids import GpuId
from fairlead.common.values import Gpu, GpuUsage

FIRST = GpuId("GPU-7a3f1c52-9b0e-4d68-8c1f-2e5b60d4a917")
SECOND = GpuId("GPU-0c94be7d-51a6-4f2b-b7d3-98ee12f05c3a")


@pytest.fixture
def pci_devices(tmp_path: Path) -> Path:
    """The kernel's view of where they sit; it has lost sight of the second."""
    (tmp_path / "0000:1b:00.0").mkdir()
    (tmp_path / "0000:1b:00.0" / "numa_node").write_text("1\n")
    return tmp_path


def test_the_driver_describes_each_device(pci_devices: Path) -> None:
    gpus = NvmlGpus(FakeNvml(), pci_devices)
    model = "NVIDIA H100 80GB HBM3"
    assert gpus.devices() == (
        Gpu(FIRST, model, 85520809984, numa_node=1, pci_bus="00000000:1b:00.0"),
        Gpu(SECOND, model, 85520809984, numa_node=-1, pci_bus="00000000:c3:00.0"),
    )
    assert gpus.reason == ""


def test_the_driver_tells_use_by_device_and_by_process(pci_devices: Path) -> None:
    sample = NvmlGpus(FakeNvml(), pci_devices).usage()
    assert sample.devices == (GpuUsage(FIRST, 87.0, 35149316096), GpuUsage(SECOND, 0.0, 497418240))
    assert sample.processes == (GpuProcess(4711, FIRST, 34359738368), GpuProcess(4712, FIRST, 0))
    assert sample.unknown == (FIRST,), "of 4712 it does not tell"


def test_older_libraries_return_bytes(pci_devices: Path) -> None:
    nvml = FakeNvml()
    for device in nvml.recorded:
        device.uuid, device.name, device.bus = (
            str(text).encode() for text in (device.uuid, device.name, device.bus)
        )
    assert NvmlGpus(nvml, pci_devices).devices() == NvmlGpus(FakeNvml(), pci_devices).devices()


def test_without_a_driver_there_are_none_and_it_says_why() -> None:
    gpus = NvmlGpus(FakeNvml(init_problem=LibraryNotFoundError()))
    assert gpus.devices() == ()
    assert gpus.usage().devices == ()
    assert gpus.reason == "no NVIDIA driver answers: NVML Shared Library Not Found"


def test_a_driver_without_devices_says_so() -> None:
    assert NvmlGpus(FakeNvml(recorded=[])).reason == "the NVIDIA driver shows no device"


def test_a_lost_device_does_not_hide_the_others(pci_devices: Path) -> None:
    nvml = FakeNvml()
    gpus = NvmlGpus(nvml, pci_devices)
    nvml.recorded[0].problem = GpuIsLostError()
    assert gpus.usage().devices == (GpuUsage(FIRST), GpuUsage(SECOND, 0.0, 497418240))
    assert len(gpus.devices()) == 2


def test_what_one_function_cannot_tell_others_still_do(pci_devices: Path) -> None:
    nvml = FakeNvml()
    nvml.recorded[0].utilization = NotSupportedError()
    sample = NvmlGpus(nvml, pci_devices).usage()
    assert sample.devices[0] == GpuUsage(FIRST, 0.0, 35149316096)
    assert [process.pid for process in sample.processes] == [4711, 4712]


def test_the_installed_library_has_what_is_called() -> None:
    import pynvml  # noqa: PLC0415 -- only here is the real one asked for

    called = {name for name in dir(FakeNvml) if name.startswith("nvml")} | {"NVMLError"}
    assert len(called) == 10
    assert [name for name in called if not hasattr(pynvml, name)] == []


def test_fakes_are_idle_until_a_task_is_attached() -> None:
    gpus = FakeGpus(4)
    ids = [gpu.gpu_id for gpu in gpus.devices()]
    assert ids == ["fake-0", "fake-1", "fake-2", "fake-3"]
    assert {gpu.memory_bytes for gpu in gpus.devices()} == {16 * GIB}
    assert gpus.usage().devices == tuple(GpuUsage(gpu_id) for gpu_id in ids)
    gpus.attach(7, ids[:2])
    assert gpus.usage().devices[1:3] == (GpuUsage(ids[1], 50.0, GIB), GpuUsage(ids[2]))
    assert gpus.usage().processes == (GpuProcess(7, ids[0], GIB), GpuProcess(7, ids[1], GIB))
    gpus.detach(7)
    assert gpus.usage().processes == ()


def test_fakes_follow_a_script() -> None:
    gpus = FakeGpus(2)
    first, second = (gpu.gpu_id for gpu in gpus.devices())
    gpus.attach(7, [first])
    gpus.attach(8, [first])
    gpus.script(7, FakeLoad(memory_bytes=10 * GIB, utilisation=80.0))
    assert gpus.usage().devices[0] == GpuUsage(first, 100.0, 11 * GIB)
    gpus.script(8, FakeLoad(memory_bytes=10 * GIB, utilisation=0.0))
    assert gpus.usage().devices[0] == GpuUsage(first, 80.0, 16 * GIB)
    gpus.script_utilisation({second: 33.0})
    assert gpus.usage().devices[1] == GpuUsage(second, 33.0, 0)


def test_on_a_fake_a_program_tells_what_it_holds(tmp_path: Path) -> None:
    gpus = FakeGpus(2)
    first, second = (gpu.gpu_id for gpu in gpus.devices())
    gpus.attach(7, [first, second], tmp_path)
    directory = tmp_path / FAKE_DIRECTORY
    directory.mkdir()
    for name, text in {
        "fake-0.7": f"{3 * GIB}\n",
        "fake-0.8": str(GIB),
        "fake-1.8": "",
        "fake-1.9": "-5",
        "fake-1.10": "9" * 100,
        "\udcff": "1",
        "README": "1",
    }.items():
        (directory / name).write_text(text)
    assert gpus.usage().processes[:2] == (
        GpuProcess(7, first, 4 * GIB),
        GpuProcess(7, second, GIB),  # scripted, as nothing that was told of it is a number
    )
    assert [each.memory_bytes for each in gpus.usage().devices] == [4 * GIB, GIB]


def test_what_a_task_puts_in_the_place_of_what_it_tells_is_not_read(tmp_path: Path) -> None:
    """A link may lead to a file without an end, and a pipe is waited for by whoever reads it."""
    gpus = FakeGpus(1)
    gpus.attach(7, [gpu.gpu_id for gpu in gpus.devices()], tmp_path)
    directory = tmp_path / FAKE_DIRECTORY
    directory.mkdir()
    (tmp_path / "elsewhere").write_text(str(4 * GIB))
    (directory / "fake-0.1").symlink_to(tmp_path / "elsewhere")
    (directory / "fake-0.2").mkdir()
    assert [each.memory_bytes for each in gpus.usage().devices] == [GIB]
    os.mkfifo(directory / "fake-0.3")
    (directory / "fake-0.4").write_text(str(2 * GIB))
    assert [each.memory_bytes for each in gpus.usage().devices] == [2 * GIB]
    directory.rename(tmp_path / "moved")
    directory.symlink_to(tmp_path / "moved")
    assert [each.memory_bytes for each in gpus.usage().devices] == [GIB]


def test_a_fake_gives_up_what_it_is_scripted_to_when_it_is_suspended() -> None:
    gpus = FakeGpus(1)
    (first,) = (gpu.gpu_id for gpu in gpus.devices())
    gpus.attach(7, [first])
    gpus.suspend(7)
    assert gpus.usage().devices == (GpuUsage(first, 0.0, 0),)
    gpus.script(7, FakeLoad(kept_bytes=GIB))
    assert gpus.usage().devices == (GpuUsage(first, 0.0, GIB),)
    gpus.resume(7)
    assert gpus.usage().devices == (GpuUsage(first, 50.0, GIB),)


@pytest.mark.parametrize(
    ("choice", "kind", "count"),
    [
        ("none", NoGpus, 0),
        ("fake:4", FakeGpus, 4),
        (" Fake:0 ", FakeGpus, 0),
        ("auto", NvmlGpus, None),
    ],
)
def test_a_choice_names_a_backend(choice: str, kind: type[GpuBackend], count: int | None) -> None:
    gpus = gpu_backend(choice)
    assert type(gpus) is kind
    assert count is None or len(gpus.devices()) == count
    assert gpus.reason or gpus.devices() or kind is FakeGpus


@pytest.mark.parametrize("choice", ["", "4", "fake", "fake:", "fake:x", "fake:-1", "fake:9999999"])
def test_another_choice_is_refused_with_a_hint(choice: str) -> None:
    with pytest.raises(ConfigError, match="is not a choice of GPUs") as caught:
        gpu_backend(choice)
    assert "fake:4" in caught.value.hint


def test_real_ones_that_were_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml  # noqa: PLC0415 -- only here is the real one asked for

    def not_there() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", not_there)
    assert gpu_backend("auto").devices() == ()
    with pytest.raises(ConfigError, match="no GPUs: no NVIDIA driver answers"):
        gpu_backend("nvml")
