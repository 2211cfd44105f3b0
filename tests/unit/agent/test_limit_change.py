"""In which order other limits are written, and that all of them are in force or none."""

import errno
from pathlib import Path

import pytest

from fairlead.agent.launcher import cgroup
from fairlead.agent.limit_change import change
from fairlead.common.errors import ContainerError

MIB = 2**20
LIMIT, SWAP = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"


class Kernel:
    """The files of one group. It uses so much memory, and refuses as the kernel does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.used = 0
        self.written: list[tuple[str, str]] = []

    def has(self, **values: str) -> None:
        for name, value in values.items():
            (self.directory / name.replace("__", ".")).write_text(f"{value}\n")

    def write(self, path: str, value: str) -> None:
        name = Path(path).name
        if not self.directory.exists():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if name == LIMIT:
            self._refuse(is_bad=0 <= self.number(SWAP) < int(value), number=errno.EINVAL)
            self._refuse(is_bad=0 <= int(value) < self.used, number=errno.EBUSY)
        if name == SWAP:
            self._refuse(is_bad=0 <= int(value) < self.number(LIMIT), number=errno.EINVAL)
        if name == "pids.max":
            self._refuse(is_bad=value == "-1", number=errno.EINVAL)
        (self.directory / name).write_text(f"{value}\n")
        self.written.append((name, value))

    def _refuse(self, *, is_bad: bool, number: int) -> None:
        if is_bad:
            raise OSError(number, "Invalid argument")

    def number(self, name: str) -> int:
        return int((self.directory / name).read_text())

    def change(self, **values: int | str) -> None:
        change([(str(self.directory / n.replace("__", ".")), str(v)) for n, v in values.items()])

    def says(self) -> dict[str, str]:
        return {path.name: path.read_text().strip() for path in self.directory.iterdir()}


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(tmp_path / "group")
    made.directory.mkdir()
    monkeypatch.setattr(cgroup, "write", made.write)
    return made


def of_version_1(kernel: Kernel, limit: int) -> dict[str, int]:
    return {"memory__limit_in_bytes": limit, "memory__memsw__limit_in_bytes": limit}


def test_version_1_takes_more_and_less(kernel: Kernel) -> None:
    kernel.has(**{name: str(64 * MIB) for name in of_version_1(kernel, 0)})
    kernel.used = 20 * MIB
    for limit in (128 * MIB, 32 * MIB, 32 * MIB, -1):
        kernel.change(**of_version_1(kernel, limit))
        assert (kernel.number(LIMIT), kernel.number(SWAP)) == (limit, limit)
    kernel.has(memory__memsw__limit_in_bytes=str(2**63 - 4096))  # as it says no limit
    kernel.change(**of_version_1(kernel, 32 * MIB))


def test_what_it_uses_is_not_taken_from_it(kernel: Kernel) -> None:
    kernel.has(cpu__shares="512", memory__usage_in_bytes=str(40 * MIB))
    kernel.has(**{name: str(64 * MIB) for name in of_version_1(kernel, 0)})
    kernel.used = 40 * MIB
    before = kernel.says()
    with pytest.raises(ContainerError, match="to 32 MiB of memory: it uses 40 MiB"):
        kernel.change(cpu__shares=256, **of_version_1(kernel, 32 * MIB))
    assert kernel.says() == before


def test_version_2_is_asked_to_make_room_before_it_may_kill(kernel: Kernel) -> None:
    kernel.has(memory__max=str(64 * MIB), memory__high="max", memory__current=str(40 * MIB))
    kernel.change(memory__max=48 * MIB)
    assert kernel.written == [
        ("memory.high", str(48 * MIB)),
        ("memory.max", str(48 * MIB)),
        ("memory.high", "max"),
    ]
    before = kernel.says()
    kernel.written.clear()
    with pytest.raises(ContainerError, match="to 32 MiB of memory: it uses 40 MiB"):
        kernel.change(memory__max=32 * MIB)
    assert kernel.says() == before
    assert "memory.max" not in dict(kernel.written)
    kernel.change(memory__max="max")
    assert kernel.written[-1] == ("memory.max", "max")


def test_one_that_fails_takes_back_the_others(kernel: Kernel) -> None:
    kernel.has(cpu__max="150000 100000", memory__max="max", pids__max="100")
    before = kernel.says()
    with pytest.raises(ContainerError, match=r"cannot set pids\.max to -1: Invalid argument"):
        kernel.change(cpu__max="max", memory__max="max", pids__max=-1)
    assert kernel.says() == before


def test_a_group_that_is_gone_has_no_limits(kernel: Kernel) -> None:
    kernel.directory.rmdir()
    kernel.change(cpu__shares=2)
    assert kernel.written == []
