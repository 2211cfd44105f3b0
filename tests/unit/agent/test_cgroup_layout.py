"""Where control groups may be made, on trees that imitate machines of every kind."""

import errno
import os
from pathlib import Path

import pytest
from tests.support.kernel_tree import KernelTree

from fairlead.agent import cgroup_layout
from fairlead.agent.cgroup_layout import find_layout
from fairlead.agent.launcher import cgroup
from fairlead.common.errors import ContainerError

SCOPE = "/user.slice/run-7.scope"


def tree(
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    own: str = SCOPE,
    controllers: str = "cpu memory pids",
) -> KernelTree:
    made = KernelTree(root, own, controllers)
    made.install(monkeypatch)
    return made


def test_a_delegated_subtree_is_prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = tree(monkeypatch, tmp_path)
    (kernel.own / "cgroup.procs").write_text("11\n12\n")
    layout = find_layout(str(tmp_path))
    assert (layout.version, layout.missing) == (2, ())
    assert layout.parents == {"unified": str(kernel.own)}
    assert (kernel.own / "cgroup.subtree_control").read_text() == "cpu memory pids"
    # no process may stand beside groups that are controlled
    assert (kernel.own / "cgroup.procs").read_text() == ""
    assert (kernel.own / "fairlead-daemons/cgroup.procs").read_text() == "11\n12\n"


def test_an_agent_that_was_moved_aside_finds_the_same_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernel = tree(monkeypatch, tmp_path)
    (kernel.own / "cgroup.procs").write_text("11\n")
    before = find_layout(str(tmp_path))
    (tmp_path / "proc/self/cgroup").write_text(f"0::{SCOPE}/fairlead-daemons\n")
    assert find_layout(str(tmp_path)) == before


def test_in_the_root_nobody_has_to_move(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = tree(monkeypatch, tmp_path, own="/")
    (kernel.top / "cgroup.procs").write_text("1\n2\n")
    assert find_layout(str(tmp_path)).parents == {"unified": str(kernel.top)}
    assert (kernel.top / "cgroup.procs").read_text() == "1\n2\n"


def test_a_process_that_comes_meanwhile_is_moved_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernel = tree(monkeypatch, tmp_path)
    (kernel.own / "cgroup.procs").write_text("11\n")
    late = iter([12, 13])

    def write(path: str, value: str) -> None:
        if path.endswith("subtree_control") and (pid := next(late, None)) is not None:
            (kernel.own / "cgroup.procs").write_text(f"{pid}\n")
        kernel.write(path, value)

    monkeypatch.setattr(cgroup, "write", write)
    assert find_layout(str(tmp_path)).missing == ()
    assert (kernel.own / "fairlead-daemons/cgroup.procs").read_text() == "11\n12\n13\n"


def test_controllers_that_were_not_handed_down_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree(monkeypatch, tmp_path, controllers="memory pids")
    assert find_layout(str(tmp_path)).missing == ("cpu",)


def test_without_any_controller_there_is_nothing_to_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree(monkeypatch, tmp_path, controllers="")
    with pytest.raises(ContainerError, match=r"has none of the controllers cpu, memory, pids"):
        find_layout(str(tmp_path))


def test_what_belongs_to_systemd_is_left_alone_unless_it_was_delegated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernel = tree(monkeypatch, tmp_path)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    marks: dict[str, bytes] = {}

    def getxattr(path: str, name: str) -> bytes:
        if name in marks and path == str(kernel.own):
            return marks[name]
        raise OSError(errno.ENODATA, "no such mark")

    monkeypatch.setattr(os, "getxattr", getxattr)
    with pytest.raises(
        ContainerError, match=r"run-7.scope belongs to systemd, it was not delegated"
    ):
        find_layout(str(tmp_path))
    assert (kernel.own / "cgroup.subtree_control").read_text() == ""
    assert find_layout(str(tmp_path), is_forced=True).version == 2
    marks["user.delegate"] = b"1"
    assert find_layout(str(tmp_path)).version == 2


def test_what_is_read_only_was_not_delegated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernel = tree(monkeypatch, tmp_path)
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).startswith(str(kernel.own)))
    with pytest.raises(ContainerError, match=r"run-7.scope cannot be written"):
        find_layout(str(tmp_path))


def test_no_groups_at_all(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("22 1 0:20 / /proc rw - proc proc rw\n")
    (tmp_path / "proc/self/cgroup").write_text("")
    with pytest.raises(ContainerError, match="no control groups are mounted"):
        find_layout(str(tmp_path))


def first_version(root: Path) -> None:
    """As in a container: the mounts show what is below the container's own group."""
    lines, own = [], []
    for number, names in enumerate(("cpu,cpuacct", "memory", "pids", "devices"), 1):
        point = root / "sys/fs/cgroup" / names
        (point / "inner").mkdir(parents=True)
        place = f"/docker/c1 /sys/fs/cgroup/{names}"
        lines.append(f"3{number} 30 0:3{number} {place} rw - cgroup cgroup rw,{names}")
        own.append(f"{number}:{names}:/docker/c1/inner")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text("\n".join(lines))
    (root / "proc/self/cgroup").write_text("\n".join(own))


def test_version_1_is_used_below_the_own_group_of_each_controller(tmp_path: Path) -> None:
    first_version(tmp_path)
    layout = find_layout(str(tmp_path))
    assert (layout.version, layout.missing) == (1, ())
    below = f"{tmp_path}/sys/fs/cgroup"
    assert layout.parents == {
        "cpu": f"{below}/cpu,cpuacct/inner",
        "cpuacct": f"{below}/cpu,cpuacct/inner",
        "memory": f"{below}/memory/inner",
        "pids": f"{below}/pids/inner",
    }


def test_version_1_that_is_read_only_is_said_to_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first_version(tmp_path)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(ContainerError, match=r"cpuacct/inner cannot be written, nor can the other"):
        find_layout(str(tmp_path))


def test_a_group_outside_of_what_is_mounted_is_not_guessed_at(tmp_path: Path) -> None:
    first_version(tmp_path)
    path = tmp_path / "proc/self/cgroup"
    path.write_text(path.read_text().replace("memory:/docker/c1/inner", "memory:/elsewhere"))
    assert find_layout(str(tmp_path)).missing == ("memory",)


def test_beside_version_1_the_tree_of_version_2_serves_to_kill(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first_version(tmp_path)
    unified = tmp_path / "sys/fs/cgroup/unified"
    unified.mkdir()
    for name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.controllers"):
        (unified / name).write_text("")
    for name, line in (
        ("mountinfo", "\n41 30 0:41 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"),
        ("cgroup", "\n0::/"),
    ):
        path = tmp_path / "proc/self" / name
        path.write_text(path.read_text() + line)
    layout = find_layout(str(tmp_path))
    assert layout.version == 1
    assert layout.parents["unified"] == str(unified)
    assert (unified / "cgroup.subtree_control").read_text() == ""


def test_a_quota_above_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for path, quota in ((inner.parent, "150000"), (inner, "-1")):
        (path / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (path / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup_layout.quota_above(str(inner)) == 1500
    assert cgroup_layout.quota_above(str(tmp_path)) is None
