"""What a certificate that was shown tells of its holder."""

from __future__ import annotations

import ssl
from itertools import product
from pathlib import Path
from random import Random

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


def by_the_library(encoded: bytes) -> bool | None:
    """What the package cryptography says of it; None where it can't read it."""
    try:
        made = x509.load_der_x509_certificate(encoded)
        return ExtendedKeyUsageOID.SERVER_AUTH in made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except (ValueError, x509.DuplicateExtension, x509.InvalidVersion):
        return None


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_what_it_is_good_for_is_read_as_a_library_reads_it_also_where_bytes_have_changed(tmp_path: Path) -> None:
    """Nodes have no such library, and need this one answer alone: it is read by hand, and nothing else is."""
    authority, draw, compared = Authority(tmp_path), Random(7), 0
    usages = ((), OF_NODES, OF_CLIENTS, (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))
    for good_for, hosts in product(usages, (1, 3, 40)):
        made = authority.issue("any", *(f"host-{number}.example" for number in range(hosts)), good_for=good_for)
        encoded = ssl.PEM_cert_to_DER_cert(Path(made.certificate).read_text())
        assert good_for_servers(encoded) is by_the_library(encoded)
        for _ in range(300):
            changed = bytearray(encoded)
            for _ in range(draw.choice((1, 1, 2, 5))):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            told = by_the_library(bytes(changed))
            assert good_for_servers(bytes(changed)) in ((True, False) if told is None else (told,))
            compared += told is not None
    assert compared > 1000
