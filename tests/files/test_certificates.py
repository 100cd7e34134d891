"""Certificates from files: which are taken, which handshakes succeed, and what is said of the others."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.certificates import Authority
from wrpme.errors import UsageError
from wrpme.files.certificates import TlsFiles, client_context, server_context


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def ours(directory: Path) -> Authority:
    return Authority(directory, "ours")


@pytest.fixture(scope="module")
def node(ours: Authority) -> TlsFiles:
    return ours.issue("node")


def shaken(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "127.0.0.1") -> tuple[ssl.SSLObject, ...]:
    """Both sides after their handshake, or what the one says that gives up."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=host)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    left = [here, there]
    while left:
        for side in list(left):
            try:
                side.do_handshake()
                left.remove(side)
            except ssl.SSLWantReadError:
                continue
    return here, there


def test_each_side_knows_the_other(ours: Authority, node: TlsFiles) -> None:
    here, there = shaken(client_context(node), server_context(node))
    assert here.version() == "TLSv1.3" and here.getpeercert()
    there.do_handshake()
    peer = there.getpeercert()
    assert peer is not None and ("IP Address", "127.0.0.1") in peer["subjectAltName"]


def test_who_has_no_certificate_is_let_in_and_is_nobody(ours: Authority, node: TlsFiles) -> None:
    _, there = shaken(client_context(TlsFiles(str(ours.path))), server_context(node))
    assert there.getpeercert() is None


def test_who_is_not_believed(directory: Path, ours: Authority, node: TlsFiles) -> None:
    foreign = Authority(directory, "foreign")
    for client, server, host in (
        (client_context(TlsFiles(str(foreign.path))), server_context(node), "127.0.0.1"),
        (client_context(node), server_context(foreign.issue("stranger")), "127.0.0.1"),
        (client_context(node), server_context(node), "127.0.0.2"),
        (client_context(node), server_context(ours.issue("elsewhere", "n2.example")), "127.0.0.1"),
        (client_context(node), server_context(ours.issue("expired", days=-1)), "127.0.0.1"),
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            shaken(client, server, host)
    of_stranger = TlsFiles(str(ours.path), *[getattr(foreign.issue("guest"), name) for name in ("certificate", "key")])
    with pytest.raises(ssl.SSLError):
        _, there = shaken(client_context(of_stranger), server_context(node))
        there.read(1)


def test_what_can_not_be_used(directory: Path, ours: Authority, node: TlsFiles) -> None:
    nothing = str(directory / "nothing.pem")
    empty = directory / "empty.pem"
    empty.write_bytes(b"")
    other = ours.issue("other")
    locked = directory / "locked.key"
    secret = serialization.load_pem_private_key(Path(node.key).read_bytes(), None)
    locked.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )
    for files, words in (
        (TlsFiles(node.ca, node.certificate), "a certificate takes a key beside it"),
        (TlsFiles(node.ca, "", node.key), "a key takes a certificate beside it"),
        (TlsFiles(nothing, node.certificate, node.key), f"the file of CAs {nothing} can't be read (No such file"),
        (TlsFiles(str(empty), node.certificate, node.key), "has no certificates of CAs in PEM"),
        (TlsFiles(node.ca, nothing, node.key), f"the file of a certificate {nothing} can't be read"),
        (TlsFiles(node.ca, node.certificate, nothing), f"the file of a key {nothing} can't be read"),
        (TlsFiles(node.ca, node.certificate, other.key), "the key is another certificate's"),
        (TlsFiles(node.ca, str(empty), node.key), "can't be used together"),
        (TlsFiles(node.ca, node.certificate, str(locked)), "locked with a passphrase"),
    ):
        with pytest.raises(UsageError) as caught:
            server_context(files)
        assert words in caught.value.sentence, files
