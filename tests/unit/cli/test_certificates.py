"""`fairlead certs init`: private files, made once, never overwritten."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.certificates import certificates, renewed

from fairlead.cli.certificates import hand_out, make
from fairlead.cli.certs import certs
from fairlead.common.errors import ConfigError
from fairlead.common.handshakes import check
from fairlead.common.tls import Party, Tls

FILES = {"ca.pem", "ca-key.pem", "token"} | {
    f"{party}{suffix}" for party in Party for suffix in (".pem", "-key.pem")
}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_all_is_made_and_private(tmp_path: Path) -> None:
    directory = certificates(tmp_path / "of" / "the cluster")
    assert {path.name for path in directory.iterdir()} == FILES
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    for party in Party:
        check(Tls(directory, party))


def test_again_changes_nothing_and_makes_what_is_missing(tmp_path: Path) -> None:
    directory = certificates(tmp_path / "tls")
    before = contents(directory)
    assert not any(found.is_new for found in make(directory, 2))
    assert contents(directory) == before
    (directory / "agent.pem").unlink()
    (directory / "client-key.pem").unlink()
    (directory / "client.pem").unlink()
    new = {found.path.name for found in make(directory, 2) if found.is_new}
    assert new == {"agent.pem", "client.pem"}
    after = contents(directory)
    assert {name for name in FILES if after[name] != before[name]} == {
        "agent.pem",
        "client.pem",
        "client-key.pem",
    }
    for party in Party:
        check(Tls(directory, party))


def test_without_the_authoritys_key_nothing_is_made(tmp_path: Path) -> None:
    directory = certificates(tmp_path / "tls")
    (directory / "ca-key.pem").unlink()
    (directory / "agent.pem").unlink()
    with pytest.raises(ConfigError, match=r"has ca\.pem and no ca-key\.pem"):
        certificates(directory)
    assert not (directory / "agent.pem").exists()


def test_what_was_damaged_is_named(tmp_path: Path) -> None:
    directory = certificates(tmp_path / "tls")
    (directory / "ca.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"ca\.pem cannot be read"):
        certificates(directory)


def another_key(directory: Path) -> None:
    (directory / "agent-key.pem").unlink()


def another_authority(directory: Path) -> None:
    for path in directory.glob("ca*.pem"):
        path.unlink()


@pytest.mark.parametrize("lose", [another_key, another_authority])
def test_what_no_longer_fits_is_named_and_not_handed_out(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    directory = certificates(tmp_path / "tls")
    lose(directory)
    done = CliRunner().invoke(certs, ["init", str(directory)])
    said = f"there  {directory}/agent.pem  does not fit its key or the authority: remove it"
    assert said in done.output
    with pytest.raises(ConfigError):
        hand_out(directory, Party.AGENT, tmp_path / "given")
    assert not (tmp_path / "given").exists()
    for party in Party:
        (directory / f"{party}.pem").unlink()
    certificates(directory)
    hand_out(directory, Party.AGENT, tmp_path / "given")
    check(Tls(tmp_path / "given", Party.AGENT))


def test_an_authority_without_its_own_key_signs_nothing(tmp_path: Path) -> None:
    directory, other = certificates(tmp_path / "tls"), certificates(tmp_path / "other")
    (other / "ca-key.pem").replace(directory / "ca-key.pem")
    with pytest.raises(ConfigError, match=r"ca\.pem is not the certificate of ca-key\.pem"):
        certificates(directory)


@pytest.mark.parametrize("name", ["ca-key.pem", "agent-key.pem"])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, name: str) -> None:
    directory = certificates(tmp_path / "tls")
    (directory / name).chmod(0o644)
    with pytest.raises(ConfigError, match=rf"{name} is open to other users"):
        certificates(directory)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("\n")])
def test_without_a_token_nothing_is_handed_out(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    directory = certificates(tmp_path / "tls")
    spoil(directory / "token")
    with pytest.raises(ConfigError, match=r"no token in|token is empty"):
        hand_out(directory, Party.AGENT, tmp_path / "given")


def test_a_certificate_is_good_no_longer_than_its_authority(tmp_path: Path) -> None:
    argv = ["init", str(tmp_path / "tls"), "--days", "99999999"]
    done = CliRunner().invoke(certs, argv)
    assert done.exit_code == 2
    assert "3650" in done.output


def test_it_says_what_is_there_and_until_when(tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    first = CliRunner().invoke(certs, ["init", str(directory), "--days", "30"], obj=None)
    assert first.exit_code == 0, first.output
    assert first.output.count("made ") == 6
    assert first.output.count("good until 20") == 5
    renewed(directory, Party.AGENT, -1)
    again = CliRunner().invoke(certs, ["init", str(directory)])
    assert f"there  {directory}/agent.pem  has expired: remove it" in again.output
    assert again.output.count("there ") == 6


def test_a_machine_is_given_what_is_its_own(tmp_path: Path) -> None:
    directory, target = certificates(tmp_path / "tls"), tmp_path / "given"
    for _ in range(2):
        done = CliRunner().invoke(certs, ["copy", str(directory), "agent", str(target)])
        assert done.exit_code == 0, done.output
    assert set(contents(target)) == {"ca.pem", "agent.pem", "agent-key.pem", "token"}
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o600}
    check(Tls(target, Party.AGENT))
    renewed(directory, Party.AGENT, 2)
    CliRunner().invoke(certs, ["copy", str(directory), "all", str(target)])
    assert (target / "agent" / "agent.pem").read_bytes() == (directory / "agent.pem").read_bytes()
    assert {path.name for path in target.iterdir() if path.is_dir()} == set(Party)
