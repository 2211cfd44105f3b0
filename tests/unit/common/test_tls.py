"""Certificates that nobody would accept are refused in one line that says what is wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.certificates import certificates, passed_off, renewed

from fairlead.common import rpc
from fairlead.common.errors import ConfigError
from fairlead.common.handshakes import check
from fairlead.common.home import Home
from fairlead.common.tls import Party, Tls
from fairlead.frameworks.commands import methods


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("made") / "tls")


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "tls"))


def expired(directory: Path) -> None:
    renewed(directory, Party.AGENT, -1)


def of_another_authority(directory: Path) -> None:
    other = certificates(directory.parent / "other")
    (other / "ca.pem").replace(directory / "ca.pem")


def of_another_party(directory: Path) -> None:
    passed_off(directory, Party.CLIENT, Party.AGENT)


def with_another_key(directory: Path) -> None:
    (directory / "client-key.pem").replace(directory / "agent-key.pem")


def open_to_others(directory: Path) -> None:
    (directory / "agent-key.pem").chmod(0o640)


def missing(directory: Path) -> None:
    (directory / "agent.pem").unlink()


def nonsense(directory: Path) -> None:
    (directory / "ca.pem").write_text("nonsense")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (expired, r"tls/agent\.pem has expired$"),
        (of_another_authority, r"tls/agent\.pem was not made by the authority of .*tls$"),
        (of_another_party, r"tls/agent\.pem is not that of the agent$"),
        (with_another_key, r"tls/agent\.pem holds no usable certificate, or none that fits"),
        (open_to_others, r"agent-key\.pem is open to other users \(mode 0640\)$"),
        (missing, r"there is no agent\.pem in .*tls$"),
        (nonsense, r"tls/ca\.pem holds no usable certificate"),
    ],
)
def test_one_line_says_what_is_wrong(
    directory: Path, spoil: Callable[[Path], None], says: str
) -> None:
    check(Tls(directory, Party.AGENT))
    spoil(directory)
    with pytest.raises(ConfigError, match=says) as caught:
        check(Tls(directory, Party.AGENT))
    assert caught.value.hint


def test_a_machine_needs_its_own_partys_files_only(made: Path, tmp_path: Path) -> None:
    for name in ("ca.pem", "agent.pem", "agent-key.pem", "token"):
        shutil.copy(made / name, tmp_path)
    check(Tls(tmp_path, Party.AGENT))


def test_the_environment_names_them_and_the_token_comes_with_them(
    made: Path, tmp_path: Path
) -> None:
    assert Tls.find(environment={}) is None
    named = {"FAIRLEAD_TLS": str(made), "FAIRLEAD_HOME": str(tmp_path)}
    home = Home.find(named)
    assert home.tls == Tls(made, Party.CLIENT)
    assert home.token() == (made / "token").read_text().strip()
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("its own")
    assert Home.find({"FAIRLEAD_HOME": str(tmp_path)}).token() == "its own"


def test_a_certificate_is_good_for_its_partys_calls_only() -> None:
    assert rpc.AGENT_SESSION.callers == (Party.AGENT,)
    assert rpc.OPERATE.callers == (Party.CLIENT,)
    for method in (rpc.FRAMEWORK_SESSION, rpc.GET_STATE, rpc.READ_LOG, methods.SUBMIT):
        assert Party.AGENT not in method.callers
        assert Party.MASTER not in method.callers
    servers = (rpc.OPERATE.server, rpc.READ_LOG.server, methods.SUBMIT.server)
    assert servers == (Party.MASTER, Party.AGENT, Party.FRAMEWORK)
