"""What a certificate that was shown tells of its holder."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.certificates import OF_CLIENTS, OF_NODES, Authority
from wrpme.daemon.security.certificate import Certificate, good_for_servers


class Shown:
    """What a connection tells of a certificate."""

    def __init__(self, *names: tuple[str, str]) -> None:
        self._names = names

    def getpeercert(self, binary: bool = False) -> object:
        return b"" if binary else {"subjectAltName": self._names}


@pytest.mark.parametrize(
    ("named", "host", "is_named"),
    [
        ("DNS:n1.example", "n1.example", True),
        ("DNS:N1.Example", "n1.example", True),
        ("DNS:n1.example", "n2.example", False),
        ("DNS:*.example.com", "n1.example.com", True),
        ("DNS:*.example.com", "a.n1.example.com", False),
        ("DNS:*.example.com", "example.com", False),
        ("DNS:*.com", "example.com", False),
        ("DNS:n*.example.com", "n1.example.com", False),
        ("DNS:10.0.0.1", "10.0.0.1", False),
        ("DNS:xn--mnchen-3ya.example", "münchen.example", True),
        ("IP Address:10.0.0.1", "10.0.0.1", True),
        ("IP Address:10.0.0.1", "10.0.0.2", False),
        ("IP Address:FD00:0:0:0:0:0:0:1", "fd00::1", True),
        ("email:n1.example", "n1.example", False),
    ],
)
def test_a_host_is_named_as_by_the_rules_of_those_who_dial(named: str, host: str, is_named: bool) -> None:
    kind, _, name = named.partition(":")
    assert Certificate(Shown((kind, name))).names(host) is is_named  # type: ignore[arg-type]


def der(authority: Authority, good_for: tuple[x509.ObjectIdentifier, ...]) -> bytes:
    made = authority.issue("any", "é".encode().hex(), good_for=good_for)
    return ssl.PEM_cert_to_DER_cert(Path(made.certificate).read_text())


def test_a_certificate_of_a_client_alone_is_told_from_that_of_a_node(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    both = der(authority, OF_NODES)
    assert good_for_servers(both) and good_for_servers(der(authority, ())), "one that does not say so is good for all"
    assert good_for_servers(der(authority, (ExtendedKeyUsageOID.SERVER_AUTH,)))
    assert not good_for_servers(der(authority, OF_CLIENTS))
    assert not good_for_servers(der(authority, (ExtendedKeyUsageOID.CODE_SIGNING, *OF_CLIENTS)))
    for cut in range(1, len(both)):
        assert good_for_servers(both[:cut]) is False
