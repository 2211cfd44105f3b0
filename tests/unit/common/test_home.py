"""A home is private, found without flags, and its files are whole or refused in one line."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from fairlead.common.errors import ConfigError
from fairlead.common.home import Home, Leader


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.ensure()
    return home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- where it is


def test_the_environment_names_the_home() -> None:
    assert Home.find({"FAIRLEAD_HOME": "/x/y"}).path == Path("/x/y")


def test_without_a_name_it_stands_in_the_state_directory() -> None:
    assert Home.find({"XDG_STATE_HOME": "/state"}).path == Path("/state/fairlead")


@pytest.mark.parametrize("state", ["", "relative/path"])
def test_without_a_usable_state_directory_it_stands_in_the_default_one(state: str) -> None:
    default = Path("~/.local/state/fairlead").expanduser()
    assert Home.find({"XDG_STATE_HOME": state, "FAIRLEAD_HOME": ""}).path == default
    assert Home.find({}).path == default


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home("here").path == tmp_path / "here"


def test_every_path_lies_where_the_house_plan_says() -> None:
    home = Home("/h")
    agent = home.agent("a1")
    assert home.token_path == Path("/h/token")
    assert home.cluster_path == Path("/h/cluster.json")
    assert home.leader_path == Path("/h/leader.json")
    assert home.registry == Path("/h/master/registry.db")
    assert home.log("master") == Path("/h/logs/master.log")
    assert agent.checkpoint == Path("/h/agents/a1/checkpoint.db")
    assert agent.launcher_socket == Path("/h/agents/a1/launcher.sock")
    assert agent.sandbox("f", "t", "u") == Path("/h/agents/a1/sandboxes/f/t/u")


# --- whose it is


def test_ensure_makes_private_directories_and_may_be_repeated(home: Home) -> None:
    home.ensure()
    for directory in (home.path, home.master, home.agents, home.logs):
        assert mode(directory) == 0o700


def test_a_home_open_to_others_is_refused_with_the_command_that_closes_it(home: Home) -> None:
    home.path.chmod(0o750)
    with pytest.raises(ConfigError, match=r"open to other users \(mode 0750\)") as caught:
        home.ensure()
    assert caught.value.hint == f"close it: chmod 700 {home.path}"
    assert not caught.value.message.count("\n")


def test_a_home_of_another_user_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: home.path.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="belongs to"):
        home.ensure()


def test_a_file_in_place_of_the_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(ConfigError, match=r"cannot use .*home as home: File exists"):
        Home(tmp_path / "home").ensure()


# --- the token


def test_without_a_token_the_hint_is_to_start_a_cluster(home: Home) -> None:
    with pytest.raises(ConfigError, match="there is no cluster in") as caught:
        home.token()
    assert "fairlead up" in caught.value.hint


def test_a_token_is_made_once_private_and_kept(home: Home) -> None:
    token = home.make_token()
    assert len(token) >= 43
    assert home.make_token() == token == home.token()
    assert mode(home.token_path) == 0o600


def test_a_token_open_to_others_is_refused(home: Home) -> None:
    home.make_token()
    home.token_path.chmod(0o640)
    with pytest.raises(ConfigError, match="mode 0640") as caught:
        home.token()
    assert caught.value.hint == f"close it: chmod 600 {home.token_path}"


@pytest.mark.parametrize("content", ["", "\n", "caf\u00e9", "two\nlines"])
def test_a_damaged_token_is_refused(home: Home, content: str) -> None:
    home.token_path.write_text(content, encoding="utf-8")
    home.token_path.chmod(0o600)
    with pytest.raises(ConfigError, match="no usable token"):
        home.token()


def test_many_who_make_a_token_at_once_all_get_the_same(home: Home) -> None:
    barrier = threading.Barrier(8)
    tokens: list[str] = []

    def make() -> None:
        barrier.wait(timeout=10)
        tokens.append(home.make_token())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(tokens) == 8
    assert len(set(tokens)) == 1
    left = [path.name for path in home.path.iterdir() if path.is_file()]
    assert left == ["token"], "a draft was left behind"


# --- what is written there for others


def test_the_leader_is_read_back_as_written(home: Home) -> None:
    assert home.read_leader() is None
    home.write_leader(Leader("127.0.0.1:5050", 3, "c"))
    home.write_leader(Leader("127.0.0.1:5051", 4, "c"))
    assert home.read_leader() == Leader("127.0.0.1:5051", 4, "c")
    assert mode(home.leader_path) == 0o600
    home.remove_leader()
    assert home.read_leader() is None


def test_the_cluster_is_read_back_until_removed(home: Home) -> None:
    assert home.read_cluster() is None
    home.write_cluster({"pid": 7, "agents": 2})
    assert home.read_cluster() == {"pid": 7, "agents": 2}
    home.remove_cluster()
    home.remove_cluster()
    assert home.read_cluster() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"address": "a"}', '{"epoch": {}}'])
def test_a_damaged_leader_file_is_one_clear_line(home: Home, content: str) -> None:
    home.leader_path.write_text(content)
    with pytest.raises(ConfigError, match=r"leader\.json is damaged"):
        home.read_leader()


def test_a_cluster_cannot_be_written_where_there_is_no_home(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*cluster\.json: No such file"):
        Home(tmp_path / "absent").write_cluster({})


def test_a_home_of_somebody_else_says_what_to_do(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match=r"cannot read .*leader\.json: Permission") as caught:
        home.read_leader()
    assert "--home DIR" in caught.value.hint


def test_a_full_disk_leaves_the_file_that_was_and_nothing_half_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    home.write_cluster({"pid": 1})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"cannot write .*cluster\.json: No space left"):
        home.write_cluster({"pid": 2})
    assert home.read_cluster() == {"pid": 1}
    assert not list(home.path.glob(".*"))
