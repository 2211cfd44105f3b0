"""Who is kept out: former leaders, callers without the token, other users, who has no job's key."""

import asyncio
import importlib
import ipaddress
import json
import os
import pkgutil
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.descriptor import MethodDescriptor
from tests.support.agent_process import FakeMaster, launch
from tests.support.bag import Bag, living
from tests.support.command import Command, processes_of, running_cluster, until
from tests.support.daemons import daemons_of
from tests.support.stranger import GOT_IN, other_uid, stranger
from tests.support.witness import Witness

from fairlead import protos
from fairlead.common.client import connect_sync
from fairlead.common.home import Home, Leader
from fairlead.common.ids import AgentId, LaunchUuid, Role
from fairlead.common.messages import (
    AgentBody,
    AgentHeartbeat,
    AgentRegistered,
    Code,
    Goodbye,
    KillTask,
    MasterToAgent,
    RegisterAgent,
    RunAccept,
    ShutdownFramework,
)
from fairlead.common.operators import AgentState, StateQuery, StateReply
from fairlead.common.resources import Resources
from fairlead.common.rpc import GET_STATE
from fairlead.common.session import Session
from fairlead.common.values import FrameworkInfo
from fairlead.frameworks.batch import Executor
from fairlead.frameworks.batch.keys import WORKER_FILE, service_key, worker_key
from fairlead.frameworks.batch.protocol import DRIVER, WORKER

# --- a former leader


@dataclass
class FormerLeader(FakeMaster):
    """Answers each registration with the next of what it has to say, whatever follows."""

    speeches: list[tuple[MasterToAgent, ...]] = field(default_factory=list)

    def _hear(self, session: Session, body: AgentBody) -> None:
        self.heard.append(body)
        if isinstance(body, RegisterAgent) and not body.more and self.speeches:
            for message in self.speeches.pop(0):
                session.send(message)


def test_a_former_leader_is_not_obeyed_and_the_true_one_is(
    fairlead_home: Path, tmp_path: Path
) -> None:
    witness = Witness(tmp_path / "witness")
    with daemons_of(fairlead_home) as daemons:
        daemons.master()
        daemons.agent("a1", "--cpus", "4", "--mem", "1GB", "--gpus", "none")
        bag = Bag("bag", [witness.waits("kept", 3)])
        with living(bag, daemons.home):
            until("its task runs", bag.running)
            daemons.kill("master")
            daemons.again("master")
            until("the second master has the agent", lambda: _is_connected(daemons.agents()))
            (kept,) = daemons.state().tasks
            leader = daemons.home.read_leader()
            assert leader is not None
            assert leader.epoch == 2
            daemons.kill("master")

            framework = FrameworkInfo(kept.framework_id, "bag")
            evil = launch("evil", "touch", str(witness.path / "obeyed"))
            orders = (
                RunAccept("x", framework, Role("default"), (evil,), Resources.of(cpus=1)),
                KillTask(kept.framework_id, kept.task_id, kept.latest.launch_uuid),
                KillTask(kept.framework_id, kept.task_id, LaunchUuid("")),
                ShutdownFramework(kept.framework_id),
            )
            asyncio.run(_reign_again(daemons.home, leader, kept.agent_id, orders))

            daemons.again("master")
            until("the true leader has the agent", lambda: _is_connected(daemons.agents()))
            assert daemons.state().epoch == 3
            assert _only(daemons.agents()).agent.agent_id == kept.agent_id
            until("the task is shown", lambda: daemons.state().tasks)
            (shown,) = daemons.state().tasks
            assert shown.latest.state.name == "RUNNING"
            assert shown.latest.pid == kept.latest.pid == witness.began("kept").pid
            witness.release("kept")
            until("it has ended", bag.ended)
            assert bag.ended()["kept"].exit_code == 3
            assert not (witness.path / "obeyed").exists()
            assert not list(daemons.home.agents.rglob("*evil*"))


async def _reign_again(
    home: Home, leader: Leader, agent_id: AgentId, orders: tuple[Any, ...]
) -> None:
    """A leader of the epoch before has this agent, and gives orders, with a true greeting too."""
    registered = AgentRegistered(agent_id, leader.cluster_id, 0.5)
    stale = leader.epoch - 1
    former = FormerLeader(home, stale, leader.cluster_id)
    former.speeches = [
        (MasterToAgent(epoch, registered), MasterToAgent(stale, order))
        for order in orders
        for epoch in (stale, leader.epoch)
    ]
    former.speeches += [(MasterToAgent(stale, order),) for order in orders]
    count = len(former.speeches)
    await former.start()
    try:
        async with asyncio.timeout(30):
            while len(former.goodbyes()) < count:  # noqa: ASYNC110 - heard by another task
                await asyncio.sleep(0.02)
    finally:
        await former.stop()
    assert not former.speeches
    assert {goodbye.code for goodbye in former.goodbyes()} == {Code.STALE_EPOCH}
    assert all(said.highest_epoch == leader.epoch for said in former.registrations())
    kinds = {type(body) for body in former.heard}
    assert kinds <= {RegisterAgent, AgentHeartbeat, Goodbye}, "it has obeyed something"


def _only(agents: Any) -> Any:
    (view,) = agents.values()
    return view


def _is_connected(agents: Any) -> bool:
    return bool(_only(agents).state is AgentState.CONNECTED)


# --- a whole cluster


@pytest.fixture(scope="module")
def fairlead() -> Iterator[Command]:
    flags = ("--agents", "1", "--cpus", "4", "--mem", "4GiB", "--gpus", "none")
    with running_cluster(*flags) as command:
        command.ok("run", "--", "echo", "hi")
        yield command


def state(fairlead: Command) -> StateReply:
    home = Home(fairlead.home)
    leader = home.read_leader()
    assert leader is not None
    client = connect_sync(leader.address, home.token())
    try:
        return client.call(GET_STATE, StateQuery())
    finally:
        client.close()


def methods() -> list[MethodDescriptor]:
    """Of every service that there is, so that a new one is here by itself."""
    modules = [name for _, name, _ in pkgutil.iter_modules(protos.__path__)]
    files = [
        importlib.import_module(f"{protos.__name__}.{name}").DESCRIPTOR
        for name in modules
        if name.endswith("_pb2")
    ]
    services = [service for file in files for service in file.services_by_name.values()]
    return [method for service in services for method in service.methods]


def address_of(fairlead: Command, service: str) -> str:
    """Where a service of the cluster listens."""
    found = state(fairlead)
    views = {view.framework.name: view.framework.address for view in found.frameworks}
    leader = Home(fairlead.home).read_leader()
    assert leader is not None
    return {
        "Master": leader.address,
        "Agent": found.agents[0].agent.address,
        "Commands": views["commands"],
        "Jobs": views["training"],
    }[service]


def outcome(address: str, method: MethodDescriptor, metadata: list[tuple[str, str]]) -> str:
    """What a call gets that says nothing; of a stream, its first word."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    with grpc.insecure_channel(address) as channel:
        ask: Any = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }[method.client_streaming, method.server_streaming](path)
        said: Any = iter(()) if method.client_streaming else b""
        try:
            answer = ask(said, metadata=metadata, timeout=10)
            if method.server_streaming:
                next(answer, None)
                answer.cancel()
        except grpc.RpcError as error:
            call: Any = error  # it is both
            return str(call.code().name)
    return "OK"


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_no_method_answers_without_the_token(fairlead: Command, method: MethodDescriptor) -> None:
    token = Home(fairlead.home).token()
    address = address_of(fairlead, method.containing_service.name)
    bearer = f"Bearer {token}"
    assert outcome(address, method, [("authorization", bearer)]) != "UNAUTHENTICATED"
    for metadata in (
        [],
        [("authorization", "")],
        [("authorization", "Bearer ")],
        [("authorization", token)],
        [("authorization", bearer[:-1])],
        [("authorization", f"Bearer {secrets.token_urlsafe(32)}")],
        [("authorization", f"Bearer {secrets.token_urlsafe(32)}"), ("authorization", bearer)],
        [("token", token), ("x-authorization", bearer)],
    ):
        assert outcome(address, method, metadata) == "UNAUTHENTICATED", metadata


def test_there_are_methods_of_every_daemon() -> None:
    services = {method.containing_service.name for method in methods()}
    assert services >= {"Master", "Agent", "Commands"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - to be refused
def test_another_interface_than_loopback_is_refused(tmp_path: Path, host: str) -> None:
    tmp_path.chmod(0o700)
    done = Command(tmp_path)("master", "--host", host)
    assert done.returncode == 78
    line, hint = done.stderr.splitlines()
    assert line == f"fairlead: refusing to listen on {host} without TLS"
    assert "fairlead certs init" in hint
    assert not (tmp_path / "leader.json").exists()


def test_files_are_their_owners(fairlead: Command) -> None:
    home = Home(fairlead.home)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (home.path, *private(home))}
    assert modes.pop(home.path) == 0o700
    assert modes.pop(home.token_path) == 0o600
    assert len(modes) >= 6
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def private(home: Home) -> list[Path]:
    """What nobody else may read, even if the home were opened one day."""
    work = home.agent("a1")
    found = [home.token_path, home.registry, work.checkpoint, work.launcher_socket]
    found += [work.path / "exits", work.path / "starts"]
    for database in (home.registry, work.checkpoint, home.path / "frameworks" / "commands.db"):
        found += database.parent.glob(f"{database.name}*")
    found += [path for path in work.sandboxes.rglob("std*") if path.is_file()]
    return found


def test_the_token_is_in_no_ones_arguments_nor_environment(fairlead: Command) -> None:
    token = Home(fairlead.home).token()
    pids = [int(line.split()[0]) for line in processes_of(fairlead.home)]
    assert len(pids) >= 4
    for process in map(psutil.Process, pids):
        words = [*process.cmdline(), *process.environ().values()]
        assert not [word for word in words if token in word], process


def listening(*pids: int) -> list[Any]:
    """Sockets that wait for calls."""
    found = [each for pid in pids for each in psutil.Process(pid).net_connections("inet")]
    return [each.laddr for each in found if each.status == psutil.CONN_LISTEN]


def test_another_user_gets_nowhere(fairlead: Command) -> None:
    """Nor does anybody else who has not got the token; files are closed to other users only."""
    home, uid = Home(fairlead.home), other_uid()
    is_other = uid != os.geteuid()
    calls = [
        (address_of(fairlead, method.containing_service.name), path_of(method))
        for method in methods()
        if not method.client_streaming and not method.server_streaming
    ]
    files = [path for path in private(home) if not path.is_socket()] if is_other else []
    found = stranger(
        uid,
        files=files,
        directories=[home.path, home.agents] if is_other else [],
        sockets=[home.agent("a1").launcher_socket] if is_other else [],
        calls=calls,
    )
    said = {path: found.pop(path) for _, path in calls}
    assert set(said.values()) == {"UNAUTHENTICATED"}
    assert len(said) >= 3
    assert set(found.values()) == ({"PermissionError"} if is_other else set())


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def test_calls_of_the_batch_framework_travel_among_friends_only(
    fairlead: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's port and the driver's, tried by another user, and by this one without a key."""
    home = Home(fairlead.home)
    monkeypatch.setenv("FAIRLEAD_HOME", str(home.path))
    before = set(listening(os.getpid()))
    with Executor(max_workers=1) as executor:
        worker_pid = executor.submit(os.getppid).result(20)
        (mine,) = set(listening(os.getpid())) - before
        (worker,) = [view for view in state(fairlead).tasks if view.latest.pid == worker_pid]
        assert not list(home.agents.rglob(WORKER_FILE)), "a key was left where tasks can read"
        pids = [int(line.split()[0]) for line in processes_of(home.path)]
        assert worker_pid in pids
        assert listening(worker_pid) == [], "nobody dials a worker"
        everywhere = [*listening(*pids), mine]
        assert len(everywhere) >= 5
        assert all(is_loopback(address.ip) for address in everywhere), everywhere

        service = service_key(home.token())
        own = worker_key(service, worker.task_id)
        at_service = batch_port(home)
        assert at_service in {address.port for address in everywhere}
        wrong = secrets.token_bytes(32)
        others = [
            (at_service, f"{DRIVER}x", wrong),
            (at_service, f"{WORKER}{worker.task_id}", wrong),
            (at_service, "nobody", wrong),
            (mine.port, f"{worker.task_id}#1", wrong),
            (mine.port, f"{worker.task_id}#2", wrong),
        ]
        # Whoever may read the token may use the service; not even that opens a job.
        without_the_jobs_key = [
            (mine.port, f"{worker.task_id}#2", service),
            (mine.port, f"{worker.task_id}#2", own),
            (at_service, f"{WORKER}{worker.task_id}", service),
            (at_service, f"{WORKER}another", own),
        ]
        for uid, ports in ((other_uid(), others), (os.geteuid(), without_the_jobs_key)):
            found = stranger(uid, ports=ports)
            assert len(found) == 2 * len(ports)
            shouted = {found.pop(name) for name in tuple(found) if name.endswith("shouts")}
            assert shouted == {"ConnectionAbortedError"}
            assert set(found.values()) == {"KeyRefusedError"}
        friend = [(at_service, f"{DRIVER}x", service)]
        assert GOT_IN in stranger(os.geteuid(), ports=friend).values()
        assert executor.submit(pow, 2, 5).result(20) == 32
        assert executor.submit(os.getppid).result(20) == worker_pid


def is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def batch_port(home: Home) -> int:
    published = json.loads((home.path / "frameworks" / "batch.json").read_text())
    return int(published["address"].rpartition(":")[2])
