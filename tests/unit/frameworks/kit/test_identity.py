"""A framework's id on disk: of one cluster, private, and said so when it cannot be read."""

import queue
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from fairlead.common.errors import ConfigError
from fairlead.common.events import Record
from fairlead.common.home import Home
from fairlead.frameworks.kit.identity import ID, Disk, Identity, Known


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity.of(Home(tmp_path), "a/b c")


def test_what_was_saved_is_loaded(identity: Identity) -> None:
    assert not identity.load()
    identity.save(Known("f-1-1", "cluster-1", 1))
    identity.save(Known("f-2-7", "cluster-1", 2))
    assert identity.load() == identity.load("cluster-1") == Known("f-2-7", "cluster-1", 2)
    assert [path.name for path in identity.path.parent.iterdir()] == ["a_b_c.id.json"]
    assert stat.S_IMODE(identity.path.stat().st_mode) == 0o600


def test_the_id_of_another_cluster_is_none(identity: Identity) -> None:
    identity.save(Known("f-1-1", "cluster-1", 1))
    assert not identity.load("cluster-2")


def test_forgotten_is_forgotten(identity: Identity) -> None:
    identity.save(Known("f-1-1", "cluster-1", 1))
    identity.forget()
    identity.forget()
    assert not identity.load()


def test_no_byte_flipped_makes_it_somebody_else(identity: Identity) -> None:
    known = Known("f-1-1", "cluster-1", 1)
    identity.save(known)
    content = identity.path.read_bytes()
    for offset in range(len(content)):
        flipped = bytearray(content)
        flipped[offset] ^= 1 << offset % 8
        identity.path.write_bytes(flipped)
        with suppress(ConfigError):
            assert identity.load() == known, bytes(flipped)


def test_a_driver_keeps_it_beside_its_loop_and_hears_what_went_wrong(identity: Identity) -> None:
    disk = Disk(identity, None)
    answers: queue.SimpleQueue[tuple[str, BaseException | None]] = queue.SimpleQueue()

    def keep(known: Known) -> BaseException | None:
        change = disk.encode(Record(ID, known))
        disk.commit([change], lambda error: answers.put((threading.current_thread().name, error)))
        writer, error = answers.get(timeout=20)
        assert writer != threading.current_thread().name
        return error

    assert keep(Known("f-1-1", "cluster-1", 1)) is None
    assert identity.load() == Known("f-1-1", "cluster-1", 1)
    assert keep(Known()) is None
    assert not identity.load()
    identity.path.mkdir()
    assert isinstance(keep(Known("f-1-1", "cluster-1", 1)), ConfigError)
    disk.close()


@pytest.mark.parametrize("content", ["", "[]", "{}", "\0"])
def test_a_damaged_file_is_named_with_what_to_do(identity: Identity, content: str) -> None:
    identity.save(Known("f-1-1", "cluster-1", 1))
    identity.path.write_text(content)
    with pytest.raises(ConfigError, match="is damaged") as caught:
        identity.load()
    assert caught.value.hint == f"remove it: rm {identity.path}"
