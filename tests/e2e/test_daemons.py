"""Daemons that cannot be started as asked: one clear line each, and what runs is not disturbed."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.bag import Bag, living
from tests.support.command import Command, until, words
from tests.support.daemons import Daemons, daemons_of
from tests.support.witness import Witness

from fairlead.common.home import Home, Leader
from fairlead.common.operators import AgentState
from fairlead.common.store import Store

AGENT = ("--cpus", "4", "--mem", "1GB", "--gpus", "none")
UNAUTHENTICATED, CONFIG = 77, 78


@pytest.fixture
def daemons(fairlead_home: Path) -> Iterator[Daemons]:
    with daemons_of(fairlead_home) as found:
        yield found


@pytest.fixture
def busy(daemons: Daemons, tmp_path: Path) -> Iterator[Daemons]:
    """A cluster with a task that nothing may disturb."""
    witness = Witness(tmp_path / "witness")
    daemons.master()
    daemons.agent("a1", *AGENT)
    bag = Bag("bag", [witness.waits("kept", 9)])
    with living(bag, daemons.home):
        until("its task runs", bag.running)
        yield daemons
        witness.release("kept")
        until("its task has ended", bag.ended)
        assert [status.state.name for status in bag.statuses] == ["RUNNING", "FAILED"]
        assert bag.ended()["kept"].exit_code == 9
        assert len(bag.subscribed) == 1
    witness.ran_once("kept")


def test_a_second_master_of_the_same_home(busy: Daemons) -> None:
    code, said = words(busy.command, "master")
    assert code == CONFIG
    assert f"registry.db is in use by process {busy.pid('master')}" in said
    assert "hint: stop that process first" in said


def test_a_second_agent_of_the_same_work_directory(busy: Daemons) -> None:
    code, said = words(busy.command, "agent", "--name", "a1")
    assert code == CONFIG
    assert f"checkpoint.db is in use by process {busy.pid('a1')}" in said


def test_an_agent_under_the_id_of_another(busy: Daemons) -> None:
    """As when a whole machine is copied: the other is not disturbed."""
    copy = busy.home.agent("copy").checkpoint
    copy.parent.mkdir(mode=0o700)
    with Store.open(copy, "checkpoint") as store:
        store.commit([("identity", checkpoint(busy.home)["identity"])], lambda _error: None)
    busy.launch("copy", "agent", "--name", "copy", *AGENT)
    until("it is refused", lambda: "DUPLICATE_AGENT" in busy.log("copy"))
    assert "another instance of this agent is alive" in busy.log("copy")
    (view,) = busy.state().agents
    assert (view.agent.name, view.state) == ("a1", AgentState.CONNECTED)


def test_a_port_in_use(busy: Daemons, tmp_path: Path) -> None:
    port = busy.address().rpartition(":")[2]
    other = Command(tmp_path / "other")
    for command, verb in ((other, ("master",)), (busy.command, ("agent", "--name", "a2"))):
        code, said = words(command, *verb, "--port", port)
        assert code == CONFIG
        assert f"port {port} is already in use (by process {busy.pid('master')}" in said
        assert "choose another with --port" in said


def test_a_wrong_token(busy: Daemons, tmp_path: Path) -> None:
    stranger = Command(tmp_path / "other")
    Home(stranger.home).ensure()
    Home(stranger.home).make_token()
    where = ("--master", busy.address())
    code, said = words(stranger, "agent", *where, *AGENT)
    stranger.ok("down")  # its launcher
    assert code == UNAUTHENTICATED
    assert "the token of this call is wrong" in said
    code, said = words(stranger, "status", *where)
    assert code == UNAUTHENTICATED
    for verb in (("run", "tests.support.bag:Holder"), ("host", "commands")):
        done = stranger("frameworks", *verb, *where)
        assert done.returncode == UNAUTHENTICATED
        assert "stopped: framework" in done.stderr
        assert "the token of this call is wrong" in done.stderr
        assert "wrong; trying again" not in done.stderr
        assert "Traceback" not in done.stderr
    assert [view.agent.name for view in busy.state().agents] == ["a1"]


def test_no_token_at_all(busy: Daemons, tmp_path: Path) -> None:
    stranger = Command(tmp_path / "other")
    code, said = words(stranger, "agent", "--master", busy.address(), *AGENT)
    assert code == CONFIG
    assert "there is no cluster in" in said
    assert "hint: " in said


def settled(daemons: Daemons) -> Daemons:
    """With a master, and an agent that will remember its cluster, whatever happens."""
    daemons.master()
    daemons.agent("a1", *AGENT)
    until("the agent has written down who it is", lambda: "identity" in checkpoint(daemons.home))
    return daemons


def checkpoint(home: Home) -> dict[str, bytes]:
    """What the agent's holds, read past its owner."""
    path = home.agent("a1").checkpoint
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT key, value FROM records"))


def test_an_agent_of_another_cluster(daemons: Daemons, tmp_path: Path) -> None:
    """Its work directory belongs to a cluster whose registry is no more."""
    settled(daemons)
    daemons.kill("master", "a1")
    for path in daemons.home.master.iterdir():
        path.unlink()
    daemons.master()
    daemons.start("a1")
    assert daemons.ended("a1") == CONFIG
    said = daemons.log("a1").splitlines()[-1]
    assert said.startswith("fairlead: the master refuses this agent: it belongs to cluster ")
    assert "start it under another name" in said
    assert daemons.state().agents == ()


# --- a stale or damaged state directory


def test_a_stale_home_is_taken_up_again(daemons: Daemons) -> None:
    """All was killed: locks, sockets, addresses and records of the dead lie about."""
    settled(daemons)
    first = daemons.state()
    daemons.kill("master", "a1")
    code, said = words(daemons.command, "status")
    assert code == 69
    assert "nobody answers" in said
    daemons.home.write_leader(Leader("127.0.0.1:1", 99, "of another life"))
    daemons.again("master", "a1")
    again = daemons.state()
    assert (again.cluster_id, again.epoch) == (first.cluster_id, first.epoch + 1)
    assert [view.agent.agent_id for view in again.agents] == [
        view.agent.agent_id for view in first.agents
    ]


def overwrite(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)
    path.with_name(f"{path.name}-wal").unlink()  # or all could be restored


def from_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE about SET value = '999' WHERE name = 'version'")


@pytest.mark.parametrize("damage", [overwrite, from_the_future])
@pytest.mark.parametrize("daemon", ["master", "a1"])
def test_records_that_cannot_be_read(
    daemons: Daemons, daemon: str, damage: Callable[[Path], None]
) -> None:
    daemons.master()
    daemons.agent("a1", *AGENT)
    daemons.kill("master", "a1")
    path = daemons.home.registry if daemon == "master" else daemons.home.agent("a1").checkpoint
    damage(path)
    before = path.read_bytes()
    verb = ("master",) if daemon == "master" else ("agent", "--name", "a1")
    code, said = words(daemons.command, *verb)
    assert code == CONFIG
    assert str(path) in said
    assert "hint: " in said
    assert path.read_bytes() == before, "it was not touched"


def test_a_home_that_others_can_read(fairlead_home: Path) -> None:
    fairlead_home.chmod(0o750)
    for verb in ("master", "agent"):
        code, said = words(Command(fairlead_home), verb)
        assert code == CONFIG
        assert "is open to other users (mode 0750)" in said
        assert f"hint: close it: chmod 700 {fairlead_home}" in said


def test_a_token_that_others_can_read(fairlead_home: Path) -> None:
    home = Home(fairlead_home)
    home.ensure()
    home.make_token()
    home.token_path.chmod(0o644)
    for verb in ("master", "agent"):
        code, said = words(Command(fairlead_home), verb)
        assert code == CONFIG
        assert "token is open to other users (mode 0644)" in said
