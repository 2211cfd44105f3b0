"""Whether a device is given up: judged by what the driver, or a fake, shows of its processes."""

import asyncio
from pathlib import Path

import pytest
from tests.support.fake_nvml import Device, FakeNvml, GpuIsLostError, Memory, ProcessInfo

from fairlead.agent import gpu_release
from fairlead.agent.gpu_release import CONTEXT_BYTES, held, unreleased
from fairlead.agent.gpus import FakeGpus, FakeLoad, GpuBackend, GpuSample, NvmlGpus
from fairlead.common.ids import GpuId

GIB = 2**30
FIRST = GpuId("GPU-7a3f1c52-9b0e-4d68-8c1f-2e5b60d4a917")
SECOND = GpuId("GPU-0c94be7d-51a6-4f2b-b7d3-98ee12f05c3a")


class Driver:
    """One whose first device is used as the test says."""

    def __init__(self, path: Path) -> None:
        self.nvml = FakeNvml()
        self.gpus = NvmlGpus(self.nvml, path)

    @property
    def device(self) -> Device:
        return self.nvml.recorded[0]

    def shows(self, **held_bytes: int | None) -> None:
        self.device.processes = [ProcessInfo(int(p[1:]), held_bytes[p]) for p in held_bytes]

    def held(self, *pids: int) -> str:
        return held(self.gpus.usage(), pids, FIRST)


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


def test_a_context_for_each_process_may_stay(driver: Driver) -> None:
    driver.shows(p7=CONTEXT_BYTES, p8=CONTEXT_BYTES, p9=30 * GIB)
    assert driver.held(7) == driver.held(7, 8) == driver.held(6, 7) == ""
    assert driver.held(7, 9).startswith(f"it still holds 30.6 GiB of {FIRST}, more than a context")
    driver.shows(p7=CONTEXT_BYTES + 2**20)
    assert "600 MiB" in driver.held(7)
    assert held(driver.gpus.usage(), (7,), SECOND) == ""


def test_where_nobody_can_tell_the_device_has_to_be_empty(driver: Driver) -> None:
    driver.shows(p7=None)
    assert driver.held(7) == f"32.7 GiB of {FIRST} are in use, and nobody can tell by whom"
    driver.device.memory = Memory(80 * GIB, 79 * GIB, CONTEXT_BYTES)
    assert driver.held(7) == ""
    driver.shows()
    assert driver.gpus.usage().unknown == ()


def test_where_its_processes_are_not_listed_the_device_has_to_be_empty(driver: Driver) -> None:
    """From within a pid namespace a driver may list other pids, or none."""
    told = f"32.7 GiB of {FIRST} are in use, and nobody can tell by whom"
    driver.shows(p4711=30 * GIB)
    assert driver.held(7) == driver.held() == told
    driver.shows()
    assert driver.held(7) == told
    driver.device.memory = Memory(80 * GIB, 79 * GIB, CONTEXT_BYTES)
    assert driver.held(7) == ""


def test_a_lost_device_is_not_taken_for_a_used_one(driver: Driver) -> None:
    driver.device.problem = GpuIsLostError()
    assert driver.gpus.usage().unknown == (FIRST,)
    assert driver.held(7) == ""


def looked(gpus: GpuBackend, *gpu_ids: GpuId) -> str:
    return asyncio.run(unreleased(gpus, {7}, gpu_ids))


def test_it_looks_again_until_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_release, "PAUSES_S", (0.0, 0.0, 0.0))
    gpus = FakeGpus(2)
    ids = [gpu.gpu_id for gpu in gpus.devices()]
    gpus.attach(7, ids)
    gpus.suspend(7)
    assert looked(gpus, *ids) == ""
    gpus.script(7, FakeLoad(kept_bytes=2 * GIB))
    assert looked(gpus, *ids).count("still holds 2 GiB") == 2
    looks: list[GpuSample] = []

    def usage() -> GpuSample:
        looks.append(FakeGpus.usage(gpus))
        gpus.script(7, FakeLoad(kept_bytes=0))
        return looks[-1]

    monkeypatch.setattr(gpus, "usage", usage)
    assert looked(gpus, ids[0]) == ""
    assert len(looks) == 2
