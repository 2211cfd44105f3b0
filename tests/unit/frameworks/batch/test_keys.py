"""Keys, and the file through which a worker gets its own."""

from pathlib import Path

import pytest

from fairlead.frameworks.batch.keys import WORKER_FILE, WorkerPass, service_key, worker_key


def test_every_key_is_another() -> None:
    service = service_key("token")
    keys = {service, service_key("other"), worker_key(service, "a"), worker_key(service, "b")}
    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)


def test_a_restarted_service_makes_the_same_keys() -> None:
    assert worker_key(service_key("token"), "a") == worker_key(service_key("token"), "a")


def test_a_pass_is_private_and_taken_once(tmp_path: Path) -> None:
    mine = WorkerPass("w", b"k" * 32, {"cpus": 1000, "mem": 5, "gpus": 0})
    mine.write(tmp_path)
    assert (tmp_path / WORKER_FILE).stat().st_mode & 0o777 == 0o600
    assert WorkerPass.take(tmp_path) == mine
    with pytest.raises(FileNotFoundError):
        WorkerPass.take(tmp_path)
