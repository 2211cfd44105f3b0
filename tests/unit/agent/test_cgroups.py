"""What is written into a task's control groups, under which names, and what becomes of them."""

import errno
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.kernel_tree import KernelTree

from fairlead.agent.cgroup_layout import Layout, find_layout
from fairlead.agent.cgroups import Cgroups, choose, clear, find_groups, remove_all
from fairlead.agent.launcher import cgroup
from fairlead.agent.launcher.cgroup import is_out_of_memory, measure, members
from fairlead.agent.launcher.endings import number_of
from fairlead.agent.limits import Limits, limits_of
from fairlead.common.errors import ConfigError, ContainerError
from fairlead.common.ids import LaunchUuid, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Command, TaskInfo

MIB = 2**20
LIMITS = Limits(cpus_request=500, cpus=1500, memory_bytes=64 * MIB, processes=100)


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def second_version(
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    work_dir: Path,
    controllers: str = "cpu memory pids",
) -> Cgroups:
    KernelTree(root, "/scope", controllers).install(monkeypatch)
    return Cgroups(work_dir, find_layout(str(root)), 4000)


def test_requests_and_limits_may_differ() -> None:
    request = Resources.of(cpus=0.5, mem=64 * MIB)
    task = TaskInfo(TaskId("t"), "t", Command(("true",), {}), request)
    assert limits_of(task, 7) == Limits(500, 500, 64 * MIB, 7)
    burst = TaskInfo(TaskId("t"), "t", task.command, request, limits=Resources.of(cpus=2))
    assert limits_of(burst) == Limits(500, 2000, 64 * MIB, 0)


def test_version_2_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    cgroups = second_version(monkeypatch, tmp_path, work_dir)
    uuid = LaunchUuid("u-1")
    groups = cgroups.groups(uuid)
    cgroup.make(groups, cgroups.writes(uuid, LIMITS))
    (path,) = map(Path, groups.values())
    said = {each.name: each.read_text() for each in path.iterdir() if each.read_text()}
    assert {key: said[key] for key in said if not key.startswith("cgroup.")} == {
        "cpu.weight": "50",
        "cpu.max": "150000 100000",
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "100",
    }
    assert (path.parent / "cpu.weight").read_text() == "400"  # as many cpus as there are
    assert (cgroups.isolation, cgroups.warnings) == ("cgroup v2", ())
    cgroup.join(groups)
    assert (path / "cgroup.procs").read_text() == "0\n"


def test_what_cannot_be_enforced_is_not_written_and_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    cgroups = second_version(monkeypatch, tmp_path, work_dir, "memory")
    names = [Path(path).name for path, _ in cgroups.writes(LaunchUuid("u"), LIMITS)]
    assert names == ["memory.oom.group", "memory.max", "memory.swap.max"]
    assert [warning.partition(",")[0] for warning in cgroups.warnings] == [
        "cpus: accounted",
        "the number of processes: accounted",
    ]


def test_nothing_asked_for_is_no_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    cgroups = second_version(monkeypatch, tmp_path, work_dir)
    found = {Path(path).name: value for path, value in cgroups.writes(LaunchUuid("u"), Limits())}
    assert found == {"cpu.weight": "1", "memory.oom.group": "1"}


def first_version(tmp_path: Path, quota: str = "-1") -> dict[str, str]:
    parents = {}
    for name in ("cpu", "memory", "pids"):
        parent = tmp_path / "sys" / name
        parent.mkdir(parents=True)
        parents[name] = str(parent)
    (tmp_path / "sys/cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "sys/cpu/cpu.cfs_period_us").write_text("100000")
    return parents


def test_version_1_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    def write(path: str, value: str) -> None:
        Path(path).write_text(value)

    monkeypatch.setattr(cgroup, "write", write)
    cgroups = Cgroups(work_dir, Layout(1, first_version(tmp_path, "120000")), 2000)
    memory = Path(cgroups.groups(LaunchUuid("u"))["memory"]).parent
    (memory / "memory.limit_in_bytes").touch()
    found = {Path(path).name: value for path, value in cgroups.writes(LaunchUuid("u"), LIMITS)}
    assert found == {
        "cpu.shares": "512",
        "cpu.cfs_quota_us": "120000",  # this kernel refuses more than the group above has
        "memory.limit_in_bytes": str(64 * MIB),  # and it counts no swap
        "pids.max": "100",
    }
    assert cgroups.isolation == "cgroup v1"


def test_what_version_2_can_do_beside_version_1_needs_no_group_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    def make_directory(path: str) -> None:
        Path(path).mkdir()
        if "/unified/" in path:
            for name in files:
                Path(path, name).touch()

    monkeypatch.setattr(cgroup, "make_directory", make_directory)
    monkeypatch.setattr(cgroup, "write", lambda _path, _value: None)
    parents = first_version(tmp_path)
    for name in ("cpuacct", "freezer", "unified"):
        parents[name] = f"{tmp_path}/sys/{name}"
        Path(parents[name]).mkdir()
    for files, expected in (
        ((), {"cpuacct", "freezer"}),
        (("cgroup.kill",), {"cpuacct"}),
        (("cgroup.kill", "cpu.stat"), set()),
    ):
        other = work_dir / str(len(files))
        other.mkdir()
        found = Cgroups(other, Layout(1, parents), 1000).groups(LaunchUuid("u"))
        assert found.keys() & {"cpuacct", "freezer"} == expected


def test_names_never_collide(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    kernel = KernelTree(tmp_path, "/scope")
    kernel.install(monkeypatch)
    layout = find_layout(str(tmp_path))
    one = Cgroups(work_dir, layout, 1000)
    uuids = ("tasks", "cgroup.procs", "..", "a/b", "", "\n", "x" * 300)
    paths = {one.groups(LaunchUuid(uuid))["unified"] for uuid in uuids}
    assert len(paths) == len(uuids)
    assert {str(Path(path).parent) for path in paths} == {str(Path(min(paths)).parent)}
    assert all(Path(path).name.startswith("task-") and len(path) < 400 for path in paths)
    copy = tmp_path / "copy"
    shutil.copytree(work_dir, copy)
    other = Cgroups(copy, layout, 1000)
    assert other.groups(LaunchUuid("a")) != one.groups(LaunchUuid("a"))
    assert Cgroups(work_dir, layout, 1000).groups(LaunchUuid("a")) == one.groups(LaunchUuid("a"))


def test_a_copy_of_a_work_directory_finds_nothing_of_the_original(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    cgroups = second_version(monkeypatch, tmp_path, work_dir)
    uuid = LaunchUuid("u")
    cgroup.make(cgroups.groups(uuid), ())
    assert find_groups(work_dir, uuid) == cgroups.groups(uuid)
    assert find_groups(work_dir, LaunchUuid("other")) == {}
    copy = tmp_path / "copy"
    shutil.copytree(work_dir, copy)
    assert find_groups(copy, uuid) == {}


def test_what_is_not_a_tasks_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    cgroups = second_version(monkeypatch, tmp_path, work_dir)
    task = Path(cgroups.groups(LaunchUuid("u"))["unified"])
    stranger = task.with_name("stranger")
    for path in (task, stranger):
        path.mkdir()

    def remove(groups: Mapping[str, str]) -> bool:
        ended.append(groups)
        return True

    ended: list[Mapping[str, str]] = []
    monkeypatch.setattr(cgroup, "members", lambda _groups: [])
    monkeypatch.setattr(cgroup, "remove", remove)
    clear(work_dir, ())
    assert ended == [{"unified": str(task)}]


def test_a_directory_with_the_same_number_on_another_disk_is_not_the_original(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    cgroups = second_version(monkeypatch, tmp_path, work_dir)
    groups = cgroups.groups(LaunchUuid("u"))
    cgroup.make(groups, ())
    file = work_dir / "cgroups.json"
    said = json.loads(file.read_text())
    device, _, number = said["directory"].partition(":")
    file.write_text(json.dumps({**said, "directory": f"{int(device) + 1}:{number}"}))
    assert find_groups(work_dir, LaunchUuid("u")) == {}
    remove_all(work_dir)
    assert all(Path(path).is_dir() for path in groups.values())


@pytest.mark.parametrize(
    "said", [b"", b"{", b"[]", b'{"directory": "1"}', b'{"directory": "HERE", "places": 3}']
)
def test_a_damaged_file_says_nothing(work_dir: Path, said: bytes) -> None:
    here = number_of(str(work_dir)).encode()
    (work_dir / "cgroups.json").write_bytes(said.replace(b"HERE", here))
    assert find_groups(work_dir, LaunchUuid("u")) == {}


def test_a_full_disk_takes_no_limits_from_an_agent_that_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    second_version(monkeypatch, tmp_path, work_dir)

    def no_room(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    layout = find_layout(str(tmp_path))
    monkeypatch.setattr(Path, "replace", no_room)
    assert Cgroups(work_dir, layout, 4000).isolation == "cgroup v2"


def test_former_places_are_remembered_while_they_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work_dir: Path
) -> None:
    cgroups = second_version(monkeypatch, tmp_path / "a", work_dir)
    groups = cgroups.groups(LaunchUuid("u"))
    cgroup.make(groups, ())
    second_version(monkeypatch, tmp_path / "b", work_dir)
    assert find_groups(work_dir, LaunchUuid("u")) == groups
    shutil.rmtree(tmp_path / "a")
    second_version(monkeypatch, tmp_path / "c", work_dir)
    assert len(json.loads((work_dir / "cgroups.json").read_text())["places"]) == 2


def test_asked_for_and_impossible_is_one_line(
    monkeypatch: pytest.MonkeyPatch, work_dir: Path
) -> None:
    def find(*, is_forced: bool) -> Layout:
        raise ContainerError(f"nothing is mounted, {is_forced}")

    monkeypatch.setattr("fairlead.agent.cgroups.find_layout", find)
    assert choose(work_dir, "auto", 1000) == (None, "nothing is mounted, False")
    assert choose(work_dir, "process", 1000) == (None, "")
    with pytest.raises(
        ConfigError, match=r"^cannot make control groups: nothing is mounted, True$"
    ):
        choose(work_dir, "cgroups", 1000)


# --- what the kernel says afterwards


def test_what_version_2_measured(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (tmp_path / "memory.peak").write_text("67108864\n")
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\n")
    groups = {"unified": str(tmp_path)}
    assert measure(groups) == {"cpu_s": 2.5, "max_rss_bytes": 64 * MIB, "is_out_of_memory": True}
    # killed because the machine was full, or the group above: no limit of its own was in the way
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n")
    assert not is_out_of_memory(groups)


def test_what_version_1_measured(tmp_path: Path) -> None:
    (tmp_path / "cpuacct.usage").write_text("1500000000\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text(f"{64 * MIB}\n")
    (tmp_path / "memory.limit_in_bytes").write_text(f"{64 * MIB}\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    groups = {"memory": str(tmp_path), "cpuacct": str(tmp_path)}
    assert measure(groups) == {"cpu_s": 1.5, "max_rss_bytes": 64 * MIB, "is_out_of_memory": True}
    (tmp_path / "memory.limit_in_bytes").write_text(f"{128 * MIB}\n")
    assert not is_out_of_memory(groups)


def test_what_an_old_kernel_does_not_say_is_left_out(tmp_path: Path) -> None:
    assert measure({"unified": str(tmp_path)}) == {"is_out_of_memory": False}


def test_nobody_is_signalled_who_cannot_be_seen(tmp_path: Path) -> None:
    """0 stands for a process of another pid namespace, and for the caller's own group."""
    (tmp_path / "cgroup.procs").write_text("0\n4711\n0\n")
    assert members({"unified": str(tmp_path)}) == [4711]
