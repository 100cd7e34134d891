"""The CA of a hive: its making, the signing of requests, and what a certificate says.

All of it is done by ``cryptography``, with keys on P-256. A CA is known by an id, the begin of its key's identifier,
which each of its certificates names too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, UTC
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from wrpme.bootstrap.limits import AUTHORITY_DAYS, CLOCK_SLACK_SECONDS
from wrpme.errors import RemoteError

ID_BYTES = 4


class Authority(Struct, frozen=True):
    """A CA: its certificate in PEM, and its key, which is empty where only others have it."""

    id: str
    certificate: str
    key: str = ""


class Certificate(Struct, frozen=True):
    """What a certificate says. The times are seconds since 1970, ``authority`` is the id of the CA that signed it."""

    names: frozenset[str]
    begins: float
    ends: float
    authority: str


def make(now: float) -> Authority:
    """Returns a new CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    number = identifier.digest[:ID_BYTES].hex()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"wrpme CA {number}")])
    made = (
        _builder(now, AUTHORITY_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return Authority(number, _pem(made), secret.decode())


def issue(authority: Authority, request: str, names: Sequence[str], days: int, now: float) -> str:
    """Returns a certificate in PEM for the key of that request. The names are ours: the request's are not looked at.

    Raises:
        RemoteError: it is no request, or not signed by its own key.
    """
    try:
        asked = x509.load_pem_x509_csr(request.encode())
        if not asked.is_signature_valid:
            raise ValueError("its signature is wrong")
    except ValueError as error:
        raise RemoteError(f"what came back is no signing request ({error})") from None
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    key = serialization.load_pem_private_key(authority.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "keys of CAs are made here"
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    made = (
        _builder(now, days)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(issuer.subject)
        .public_key(asked.public_key())
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(made)


def read(pem: str) -> Certificate | None:
    """Returns what the first certificate of a text says; None if there is none that could be of a node."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        issuer = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (ValueError, x509.ExtensionNotFound):
        return None
    return Certificate(
        frozenset(str(name.value) for name in names),
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
        (issuer or b"")[:ID_BYTES].hex(),
    )


def read_all(pem: str) -> tuple[Authority, ...]:
    """Returns the CAs of a text, without their keys; none if it can't be read."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        return tuple(Authority(_id(one), _pem(one)) for one in found)
    except (ValueError, x509.ExtensionNotFound):
        return ()


def _id(certificate: x509.Certificate) -> str:
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return identifier.digest[:ID_BYTES].hex()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _builder(now: float, days: int) -> x509.CertificateBuilder:
    # The clock of a host may be a little behind the operator's.
    begins = datetime.fromtimestamp(now - CLOCK_SLACK_SECONDS, UTC)
    ends = datetime.fromtimestamp(now, UTC) + timedelta(days=days)
    made = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return made.not_valid_before(begins).not_valid_after(ends)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip
