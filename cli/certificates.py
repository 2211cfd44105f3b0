"""Makes the certificates of a cluster: its authority, one for each party, and its token.

What is there stays as it is. The only module that knows the library `cryptography`.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fairlead.common.dataclass import dataclass
from fairlead.common.errors import ConfigError
from fairlead.common.handshakes import check
from fairlead.common.tls import AUTHORITY, AUTHORITY_KEY, TOKEN, Party, Tls, check_private

from .certs import MOST_DAYS

_SKEW = timedelta(hours=1)
"""A certificate is good at once, also where a clock is late."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file, and until when it is good if that ends one day."""

    path: Path
    is_new: bool
    expires: datetime | None = None
    fits: bool = True
    """Its key, and the authority."""

    @property
    def has_expired(self) -> bool:
        return self.expires is not None and self.expires < datetime.now(UTC)


def make(directory: Path, days: int) -> Iterator[Found]:
    """Each file with what became of it; those of parties are good for so many days."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield from _make(directory, days)
    except OSError as error:
        raise ConfigError(f"cannot write into {directory}: {error.strerror}") from error


def hand_out(directory: Path, party: Party, target: Path) -> None:
    """What that party needs, in place of what it had before: the authority's key is not in it."""
    tls = Tls(directory, party)
    check(tls)  # says what is missing, or would not be accepted
    sources = (tls.authority, tls.certificate, tls.key, tls.token)
    data = {source.name: tls.part(source) for source in sources}
    if not data[TOKEN].strip():
        raise ConfigError(
            f"{tls.token} is empty", hint="remove it and have a new one made: fairlead certs init"
        )
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, wanted in data.items():
            path = target / name
            if not path.exists() or path.read_bytes() != wanted:  # others may be reading it
                _draft(path, wanted).replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write into {target}: {error.strerror}") from error


def _make(directory: Path, days: int) -> Iterator[Found]:
    if (directory / AUTHORITY).exists() and not (directory / AUTHORITY_KEY).exists():
        raise ConfigError(
            f"{directory} has {AUTHORITY} and no {AUTHORITY_KEY}",
            hint="make certificates where the authority was made, and copy them",
        )
    signer = _key(directory / AUTHORITY_KEY)
    authority, found = _certificate(
        directory / AUTHORITY, partial(_sign_authority, signer, MOST_DAYS)
    )
    if authority.public_key() != signer.public_key():
        raise ConfigError(
            f"{directory / AUTHORITY} is not the certificate of {AUTHORITY_KEY}",
            hint="put back the other one of the two; or remove all in the directory, and make all"
            " anew",
        )
    yield found
    for party in Party:
        key = _key(directory / f"{party}-key.pem")
        sign = partial(_sign, party, key, authority, signer, days)
        certificate, found = _certificate(directory / f"{party}.pem", sign)
        yield replace(found, fits=_fits(certificate, key, authority))
    token = directory / TOKEN
    yield Found(token, _write(token, f"{secrets.token_hex(32)}\n".encode()))


def _fits(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, authority: x509.Certificate
) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return certificate.public_key() == key.public_key()


def _sign_authority(signer: ec.EllipticCurvePrivateKey, days: int) -> x509.Certificate:
    name = _name("fairlead")
    return (
        _begin(name, name, signer.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(signer, hashes.SHA256())
    )


def _sign(
    party: Party,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    days: int,
) -> x509.Certificate:
    both_ends = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        _begin(_name(party.host), authority.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(party.host)]), critical=False)
        .add_extension(of_signer, critical=False)
        .sign(signer, hashes.SHA256())
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    end = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - _SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """That of the file, made now if there is none."""
    if not path.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        _write(
            path,
            fresh.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
    check_private(path, path.stat())
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise _unusable(path) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(path)
    return key


def _certificate(
    path: Path, sign: Callable[[], x509.Certificate]
) -> tuple[x509.Certificate, Found]:
    is_new = False
    if not path.exists():
        is_new = _write(path, sign().public_bytes(serialization.Encoding.PEM))
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise _unusable(path) from error
    return certificate, Found(path, is_new, certificate.not_valid_after_utc)


def _unusable(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} cannot be read as what fairlead certs init made",
        hint="remove it to have a new one made; without the old authority all are made anew",
    )


def _write(path: Path, data: bytes) -> bool:
    """Private, whole, and never in place of what is there: then False."""
    draft = _draft(path, data)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _draft(path: Path, data: bytes) -> Path:
    """Beside it, to be put in its place."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft
