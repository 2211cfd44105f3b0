"""The files that a worker keeps."""

import hashlib
import os
from pathlib import Path

from fairlead.frameworks.batch.code_store import FileStore


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_files_are_kept_and_outlive_the_store(tmp_path: Path) -> None:
    FileStore(tmp_path / "files").put(digest(b"one"), b"one")
    store = FileStore(tmp_path / "files")
    assert store.get(digest(b"one")) == b"one"
    assert store.get(digest(b"two")) is None


def test_a_damaged_file_is_not_given_out(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(digest(b"one"), b"one")
    (tmp_path / digest(b"one")).write_bytes(b"two")
    assert store.get(digest(b"one")) is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    store = FileStore(tmp_path, limit=2)
    for age, data in enumerate((b"c", b"b", b"a")):
        store.put(digest(data), data)
        os.utime(tmp_path / digest(data), (1000 - age, 1000 - age))
    assert store.get(digest(b"a")) == b"a"
    store.trim()
    assert [store.get(digest(data)) for data in (b"a", b"b", b"c")] == [b"a", None, b"c"]
