"""What a machine offers: it matches the host, and every part can be overridden."""

import os
import socket
from pathlib import Path

import psutil
import pytest

from fairlead.agent.discovery import Overrides, discover, parse_ports
from fairlead.common.errors import ConfigError
from fairlead.common.resources import Resources

NO_GPUS = Overrides(gpus="none")


def test_it_matches_the_host(tmp_path: Path) -> None:
    host = discover(tmp_path, NO_GPUS)
    assert host.hostname == socket.gethostname()
    assert host.resources.cpus == 1000 * len(os.sched_getaffinity(0))
    assert host.resources.mem == psutil.virtual_memory().total
    assert host.resources.disk == psutil.disk_usage(str(tmp_path)).total
    assert host.resources.ports == ((31000, 32000),)
    assert host.resources.gpus == ()
    assert discover(tmp_path, NO_GPUS).resources == host.resources


def test_cpus_are_those_we_may_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 5, 7})
    assert discover(tmp_path, NO_GPUS).resources.cpus == 3000


def test_everything_can_be_overridden(tmp_path: Path) -> None:
    host = discover(
        tmp_path,
        Overrides(
            cpus=4500,
            mem=8 * 10**9,
            disk=10**12,
            gpus="fake:2",
            ports=((5000, 5010),),
            hostname="somewhere",
            attributes={"os": "debian"},
            zone="z1",
            rack="r1",
        ),
    )
    assert host.resources == Resources(
        cpus=4500,
        mem=8 * 10**9,
        disk=10**12,
        gpus=tuple((gpu.gpu_id, 1000) for gpu in host.gpus),
        ports=((5000, 5010),),
    )
    assert [gpu.gpu_id for gpu in host.gpus] == ["fake-0", "fake-1"]
    assert host.gpu_backend.devices() == host.gpus
    assert (host.hostname, host.zone, host.rack) == ("somewhere", "z1", "r1")
    assert host.attributes == {"os": "debian"}


def test_nothing_is_an_amount_too(tmp_path: Path) -> None:
    host = discover(tmp_path, Overrides(mem=0, disk=0, gpus="none", ports=()))
    assert (host.resources.mem, host.resources.disk, host.resources.ports) == (0, 0, ())


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("31000-32000", ((31000, 32000),)),
        (" 80, 443 ,8000-8010 ", ((80, 80), (443, 443), (8000, 8010))),
        ("", ()),
        ("1-65535", ((1, 65535),)),
    ],
)
def test_ports_are_read(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_ports(text) == ranges


@pytest.mark.parametrize("text", ["0", "65536", "9-8", "a", "1-2-3", "-5", "1.5", "٣"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a range of ports"):
        parse_ports(text)
