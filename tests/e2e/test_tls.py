"""A cluster over TLS does all that it does without; whoever lacks the right certificate gets no
further than one clear line.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.certificates import certificates, passed_off, renewed
from tests.support.command import DEADLINE_S, Command, until, words
from tests.support.daemons import Daemons, daemons_of
from tests.support.wiretap import tapped

from fairlead.common.client import connect, connect_sync
from fairlead.common.errors import FairleadError, TlsError
from fairlead.common.messages import Code
from fairlead.common.operators import StateQuery
from fairlead.common.rpc import AGENT_SESSION, FRAMEWORK_SESSION, GET_STATE, SessionMethod
from fairlead.common.session import Callbacks
from fairlead.common.tls import Party, Tls

UNAVAILABLE, REFUSED, CONFIG = 69, 76, 78
AGENT = ("--cpus", "4", "--mem", "2GB", "--gpus", "none")
BATCH = """
from fairlead.frameworks.batch import Executor
with Executor(2) as executor:
    print(sum(executor.map(lambda number: number * number, range(100))))
    print(len(executor.submit(lambda data: data * 2, bytes(3_000_000)).result()))
"""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("cluster") / "tls")


@pytest.fixture(scope="module")
def cluster(tls: Path) -> Iterator[Daemons]:
    """Master, agent and frameworks, each by itself; the others find the agent by another name."""
    path = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp"))
    with daemons_of(path, tls) as daemons:
        daemons.master()
        daemons.agent("a1", "--advertise", "localhost", *AGENT)
        hosted = ("frameworks", "host", "commands", "batch", "--advertise", "localhost")
        daemons.launch("frameworks", *hosted, "--master", daemons.address())
        until(
            "the frameworks are there", lambda: {"commands", "batch"} <= set(daemons.frameworks())
        )
        yield daemons
    shutil.rmtree(path)


@pytest.fixture
def stranger(cluster: Daemons, tls: Path, tmp_path: Path) -> Command:
    """Knows the token, and has a copy of the certificates to be spoilt."""
    directory = Path(shutil.copytree(tls, tmp_path / "tls"))
    environment = {"FAIRLEAD_MASTER": cluster.address(), "FAIRLEAD_TLS": str(directory)}
    (tmp_path / "home").mkdir(mode=0o700)
    shutil.copy(tls / "token", tmp_path / "home")
    return Command(tmp_path / "home", **environment)


def spoilt(stranger: Command) -> Path:
    return Path(stranger.environment["FAIRLEAD_TLS"])


# --- what works


def test_tasks_run_and_their_logs_are_read(cluster: Daemons) -> None:
    assert cluster.command.ok("run", "--", "echo", "hi") == "hi\n"
    task = cluster.command.ok("run", "-d", "--", "echo", "there").strip()
    cluster.command.until_task(task, "FINISHED")
    assert cluster.command.ok("tasks", "logs", task) == "there\n"
    assert cluster.agents()["a1"].agent.address.startswith("localhost:")


@pytest.mark.parametrize("is_told_the_master", [False, True])
def test_calls_of_the_batch_framework(cluster: Daemons, is_told_the_master: bool) -> None:
    told = {"FAIRLEAD_MASTER": cluster.address()} if is_told_the_master else {}
    done = subprocess.run(
        (sys.executable, "-c", BATCH),
        env={**cluster.command.environment, **told},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.stdout.split() == ["328350", "6000000"], done.stderr


def test_nothing_travels_in_the_clear(cluster: Daemons) -> None:
    token = cluster.home.token()
    with tapped(cluster.address()) as tap:
        argv = ("run", "--env", "SECRET=of-the-task", "--master", tap.address, "--", "true")
        cluster.command.ok(*argv)
        assert len(tap.heard) > 1000
        for secret in (token, "of-the-task", "authorization"):
            assert secret.encode() not in tap.heard


@pytest.mark.parametrize("party", [Party.MASTER, Party.AGENT, Party.FRAMEWORK])
def test_a_daemon_is_asked_for_its_health_with_its_own_certificate(
    cluster: Daemons, tls: Path, tmp_path: Path, party: Party
) -> None:
    command = Command(tmp_path, FAIRLEAD_MASTER=cluster.address(), FAIRLEAD_TLS=str(tmp_path))
    command.ok("certs", "copy", str(tls), party, str(tmp_path))
    words_of = {
        Party.MASTER: ("master",),
        Party.AGENT: ("agent", cluster.agents()["a1"].agent.address),
        Party.FRAMEWORK: ("frameworks", "commands", "batch"),
    }
    assert command.ok("health", *words_of[party]) == "ok\n"


def test_who_is_not_healthy_is_named(cluster: Daemons) -> None:
    nobody = cluster.command("health", "agent", "127.0.0.1:1")
    assert nobody.returncode == UNAVAILABLE
    code, said = words(cluster.command, "health", "frameworks", "batch", "x", "y")
    assert code == UNAVAILABLE
    assert said == "fairlead: not connected to the master: x, y"


def test_one_command_brings_up_a_cluster_with_tls(tls: Path, fairlead_home: Path) -> None:
    command = Command(fairlead_home)
    try:
        command.ok("up", "--detach", "--gpus", "none", "--tls", str(tls))
        assert command.ok("run", "--tls", str(tls), "--", "echo", "hi") == "hi\n"
        assert "or its certificates, --tls DIR" in words(command, "status")[1]
    finally:
        command("down")


# --- who is kept out


def without_tls(stranger: Command) -> None:
    del stranger.environment["FAIRLEAD_TLS"]


def of_another_cluster(stranger: Command) -> None:
    shutil.rmtree(spoilt(stranger))
    certificates(spoilt(stranger))


def expired(stranger: Command) -> None:
    renewed(spoilt(stranger), Party.CLIENT, -1)


def empty(stranger: Command) -> None:
    """Over which gRPC would abort the process."""
    (spoilt(stranger) / "client.pem").write_bytes(b"")


def of_an_agent(stranger: Command) -> None:
    passed_off(spoilt(stranger), Party.AGENT, Party.CLIENT)


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (without_tls, CONFIG, "it speaks TLS only: name --tls DIR"),
        (
            of_another_cluster,
            CONFIG,
            "the certificate shown there was not made by the authority of",
        ),
        (expired, CONFIG, "tls/client.pem has expired"),
        (empty, CONFIG, "tls/client.pem holds no usable certificate"),
        (of_an_agent, REFUSED, "the certificate of agent.fairlead may not make this call"),
    ],
)
def test_a_client_is_told_why_in_one_line(
    stranger: Command, spoil: Callable[[Command], None], code: int, says: str
) -> None:
    assert stranger("status").returncode == 0
    spoil(stranger)
    for verb in (("status",), ("run", "--", "true")):
        found, said = words(stranger, *verb)
        assert says in said
        assert found == code


@pytest.mark.parametrize(
    "daemon", [("master",), ("agent", "--name", "x"), ("frameworks", "host", "batch")]
)
def test_a_daemon_whose_certificate_has_expired_does_not_start(
    stranger: Command, daemon: tuple[str, ...]
) -> None:
    party = Party(daemon[0].removesuffix("s"))
    renewed(spoilt(stranger), party, -1)
    code, said = words(stranger, *daemon)
    stranger("down")
    assert code == CONFIG
    assert f"tls/{party}.pem has expired" in said
    assert "fairlead certs init" in said


def test_an_agent_of_another_cluster_says_why_it_finds_no_master(
    cluster: Daemons, stranger: Command
) -> None:
    of_another_cluster(stranger)
    with daemons_of(stranger.home, spoilt(stranger)) as daemons:
        daemons.launch("x", "agent", "--master", cluster.address(), *AGENT)
        expected = "was not made by the authority of"
        until("it says why", lambda: expected in daemons.log("x"))
        assert "no TLS with the master at 127.0.0.1:" in daemons.log("x")
    assert set(cluster.agents()) == {"a1"}


@pytest.mark.parametrize(
    ("party", "method"),
    [
        (Party.AGENT, FRAMEWORK_SESSION),
        (Party.MASTER, FRAMEWORK_SESSION),
        (Party.CLIENT, AGENT_SESSION),
        (Party.FRAMEWORK, AGENT_SESSION),
    ],
)
def test_a_certificate_opens_no_session_of_another_party(
    cluster: Daemons, tls: Path, party: Party, method: SessionMethod
) -> None:
    async def ended() -> tuple[Code, str]:
        end: asyncio.Future[tuple[Code, str]] = asyncio.get_running_loop().create_future()
        callbacks = Callbacks(
            lambda _: None, lambda code, said: end.set_result((code, said)), lambda *_: None
        )
        async with connect(cluster.address(), cluster.home.token(), Tls(tls, party)) as client:
            client.dial(method, callbacks)
            return await asyncio.wait_for(end, DEADLINE_S)

    code, said = asyncio.run(ended())
    assert code is Code.REFUSED
    assert said == f"the certificate of {party.host} may not make this call"


def test_the_token_is_wanted_all_the_same(cluster: Daemons, tls: Path) -> None:
    with (
        connect_sync(cluster.address(), "wrong", Tls(tls)) as client,
        pytest.raises(FairleadError, match="the token of this call is wrong"),
    ):
        client.call(GET_STATE, StateQuery())


def test_nobody_poses_as_the_master(cluster: Daemons, tls: Path) -> None:
    """An agent's certificate is not believed to be the master's."""
    address = cluster.agents()["a1"].agent.address
    with (
        connect_sync(address, cluster.home.token(), Tls(tls)) as client,
        pytest.raises(TlsError, match="shown there is not that of the master"),
    ):
        client.call(GET_STATE, StateQuery())
