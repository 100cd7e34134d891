"""What a CA signs: the names that the operator says, and nothing that a request asks for."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wrpme.bootstrap.credentials import authority
from wrpme.bootstrap.limits import AUTHORITY_DAYS
from wrpme.errors import RemoteError
from wrpme.files.certificates import TlsFiles, client_context, server_context

CA = authority.make(time.time())
KEY = ec.generate_private_key(ec.SECP256R1())
DAY = 86_400


def request(*names: str) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_the_names_are_those_of_who_signs() -> None:
    now = time.time()
    found = authority.read(authority.issue(CA, request("bank.example"), ["n1.example", "10.0.0.1", "::1"], 7, now))
    assert found is not None
    assert found.names == {"n1.example", "10.0.0.1", "::1"}
    assert found.authority == CA.id
    assert found.begins < now - 1800 and now + 7 * DAY - 2 < found.ends <= now + 7 * DAY


def test_what_is_no_request_is_refused() -> None:
    damaged = request().replace("\n", "\nAAAA", 1)
    for text in ("", "no request", CA.certificate, damaged):
        with pytest.raises(RemoteError, match="what came back is no signing request"):
            authority.issue(CA, text, ["a"], 7, time.time())


def test_what_can_be_read() -> None:
    assert authority.read("") is None and authority.read("-----BEGIN CERTIFICATE-----\nAA\n") is None
    assert authority.read(CA.certificate) is None, "it is of no node"
    other = authority.make(time.time())
    both = authority.read_all(CA.certificate + other.certificate)
    assert [one.id for one in both] == [CA.id, other.id] and not any(one.key for one in both)
    assert authority.read_all("nothing") == ()
    made = x509.load_pem_x509_certificate(CA.certificate.encode())
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == AUTHORITY_DAYS


def test_openssl_takes_it_at_its_strictest(tmp_path: Path) -> None:
    form = serialization.PrivateFormat.PKCS8
    pair = tmp_path / "node.pem"
    key = KEY.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    pair.write_text(key + authority.issue(CA, request(), ["n1.example"], 7, time.time()))
    trusted = tmp_path / "ca.pem"
    trusted.write_text(CA.certificate)
    files = TlsFiles(str(trusted), str(pair), str(pair))
    server, client = server_context(files), client_context(files)
    for context in (server, client):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    dialling = client.wrap_bio(to_client, to_server, server_hostname="n1.example")
    taking = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (dialling, taking):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    dialling.do_handshake()
    taking.do_handshake()
    assert taking.getpeercert()
