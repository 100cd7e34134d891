"""A client with TLS: all of its connections have it, and what is told where a node is not trusted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.stub_node import Script, StubNode, content, jumped, silent, view_of
from wrpme import Client, TlsFiles, errors
from wrpme.client import tls
from wrpme.client.watch.records import Gone, Reached, ViewSeen
from wrpme.files.certificates import server_context
from wrpme.protocol.codec import PREFACE
from wrpme.protocol.messages import ViewIs

Made = tuple[Authority, TlsFiles, ssl.SSLContext]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A CA, a certificate of a node at 127.0.0.1, and what that node takes connections with."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    files = authority.issue("node")
    yield authority, files, server_context(files)


def trusting(authority: Authority) -> TlsFiles:
    return TlsFiles(ca=str(authority.path))


def watched(node: StubNode) -> Script:
    view = node.view
    assert view is not None
    return lambda request: ViewIs(request.id, node.node, view)


class Saying(asyncio.Protocol):
    """Says that to whoever comes; None: it ends the connection."""

    def __init__(self, said: bytes | None) -> None:
        self.said = said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self.said is None:
            transport.abort()
        else:
            transport.write(self.said)


@asynccontextmanager
async def saying(said: bytes | None) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: Saying(said), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def refusal(client: Client) -> str:
    """The sentence of the error with which a client gets nowhere; it is told at once."""
    async with client:
        with pytest.raises(errors.ConnectionError) as caught:
            await client.get("x")
    assert jumped() < 1, "it was tried again and again"
    return caught.value.sentence


# --- with trust ------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_requests_and_watchers_go_by_tls(made: Made) -> None:
    authority, _, context = made
    nodes = [StubNode(content, name, context) for name in (b"a" * 16, b"b" * 16)]
    async with nodes[0], nodes[1], Client(nodes[0].address, tls=trusting(authority)) as client:
        view_of(nodes)
        large = "x" * 4000
        assert await asyncio.gather(*(client.get(f"{large}{n}") for n in range(64))) == [
            f"{large}{n}".encode() for n in range(64)
        ]
        await client.view()
        assert await asyncio.gather(*(client.get(f"y{n}") for n in range(64)))  # to the owners
        assert all(node.seen for node in nodes)
        for session in (*nodes[0].sessions, *nodes[1].sessions):
            assert session.transport.get_extra_info("cipher") is not None
        for node in nodes:
            node.script = watched(node)
        async with client.watch() as watcher:
            assert isinstance(await anext(watcher), Reached)
            assert isinstance(await anext(watcher), ViewSeen)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.asyncio
async def test_a_client_shows_its_certificate_if_it_has_one(made: Made, version: ssl.TLSVersion) -> None:
    authority, files, _ = made
    context = server_context(files)
    context.maximum_version = version
    async with StubNode(content, context=context) as node:
        for given, names in ((trusting(authority), []), (authority.issue("shop"), [(("commonName", "shop"),)])):
            async with Client(node.address, tls=given) as client:
                assert await client.get("x") == b"x"
                shown = node.sessions[-1].transport.get_extra_info("peercert") or {"subject": ()}
                assert list(shown["subject"]) == names


@pytest.mark.asyncio
async def test_a_context_of_ones_own_and_a_name(made: Made) -> None:
    authority = made[0]
    context = server_context(authority.issue("named", "localhost"))
    own = ssl.create_default_context(cafile=str(authority.path))
    async with (
        StubNode(content, context=context) as node,
        Client(node.address.replace("127.0.0.1", "localhost"), tls=own) as client,
    ):
        assert await client.get("x") == b"x"


# --- without ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["other CA", "expired", "other name"])
@pytest.mark.asyncio
async def test_a_certificate_that_is_not_trusted(made: Made, kind: str, tmp_path: Path) -> None:
    authority = made[0]
    files, told = {
        "other CA": (Authority(tmp_path, "other").issue("alien"), "is of no CA that this client trusts"),
        "expired": (authority.issue("old", days=-1), "has expired; give its node a new one"),
        "other name": (authority.issue("other", "n1.example"), "does not name 127.0.0.1; dial a name that it has"),
    }[kind]
    async with StubNode(content, context=server_context(files)) as node:
        sentence = await refusal(Client(node.address, tls=trusting(authority)))
        assert sentence.startswith(f"the certificate of {node.address} {told}")
        assert not node.sessions_opened


@pytest.mark.asyncio
async def test_the_next_node_is_tried_and_a_watcher_tells(made: Made, tmp_path: Path) -> None:
    authority, _, context = made
    alien = server_context(Authority(tmp_path, "other").issue("alien"))
    async with StubNode(content, context=alien) as bad, StubNode(content, context=context) as good:
        view_of([good])
        good.script = watched(good)
        async with Client([bad.address, good.address], tls=trusting(authority)) as client:
            assert (await client.view()).members[0].address == good.address
            async with client.watch() as watcher:
                gone = await anext(record async for record in watcher if isinstance(record, Gone))
                assert gone.node == bad.address and "is of no CA that this client trusts" in gone.reason


@pytest.mark.asyncio
async def test_a_node_without_tls(made: Made) -> None:
    authority = made[0]
    async with saying(PREFACE) as address:
        sentence = await refusal(Client(address, tls=trusting(authority)))
        assert sentence.startswith(f"{address} speaks no TLS; give that node a certificate (--tls-mode")
    async with saying(None) as address:
        sentence = await refusal(Client(address, tls=trusting(authority)))
        assert sentence.startswith(f"{address} ended the connection as TLS began, as if it spoke none; give that node")
        sentence = await refusal(Client(address))
        assert (
            f"{address} (it ended the connection at once, as one does that wants TLS or is ending); start wrpmed there"
            in sentence
        )


@pytest.mark.asyncio
async def test_a_node_that_never_begins_with_tls(made: Made) -> None:
    async with saying(b"") as address, Client(address, timeout=5.0, tls=trusting(made[0])) as client:
        with pytest.raises(errors.ConnectionError, match=f"no daemon answers at {address} .no answer within 2 s"):
            await client.get("x")


@pytest.mark.asyncio
async def test_a_plain_client_and_a_node_with_tls(made: Made) -> None:
    async with StubNode(content, context=made[2]) as node:
        sentence = await refusal(Client(node.address))
        assert f"{node.address} (it ended the connection at once, as one does that wants TLS or is ending)" in sentence
    async with saying(bytes.fromhex("15030100020246")) as address:
        sentence = await refusal(Client(address))
        assert sentence.startswith(f"{address} wants TLS; name the CA of its certificate (--tls-ca")


@pytest.mark.parametrize(
    ("version", "told"), [("TLSv1_2", "as TLS began"), ("TLSv1_3", "when TLS had begun, as if it wanted")]
)
@pytest.mark.asyncio
async def test_a_node_that_refuses_the_client_without_a_word(
    made: Made, tmp_path: Path, version: str, told: str
) -> None:
    authority, files, _ = made
    context = server_context(files)
    context.maximum_version = ssl.TLSVersion[version]
    alien = Authority(tmp_path, "other").issue("alien")
    async with StubNode(silent, context=context) as node:
        sentence = await refusal(Client(node.address, tls=TlsFiles(str(authority.path), alien.certificate, alien.key)))
        assert sentence.startswith(f"{node.address} ended the connection {told}")


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "n1:1 takes only clients that show a certificate; give one, and its key"),
        ("TLSV1_ALERT_UNKNOWN_CA", "n1:1 refuses the certificate of this client (unknown ca); give one"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "n1:1 refuses the certificate of this client (certificate expired); give"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "n1:1 and this client agree on no TLS (tlsv1 alert protocol version); look"),
    ],
)
def test_a_node_that_says_what_it_refuses(reason: str, told: str) -> None:
    error = ssl.SSLError(1, "as OpenSSL has it")
    error.reason = reason
    failure = tls.failure("n1:1", error)
    assert failure is not None and failure.sentence.startswith(told)


def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(first.path.read_bytes())
    begun = tls.context_of(TlsFiles(ca=str(trusted)))
    assert begun is not None and tls.newest(begun) is begun
    trusted.write_bytes(second.path.read_bytes() + b"\n")
    later = tls.newest(begun)
    assert later is not None and later is not begun and tls.newest(begun) is later
    assert [one["subject"][0][0][1] for one in later.get_ca_certs()] == ["wrpme test second"]
    trusted.write_text("not yet")
    assert tls.newest(begun) is later, "what can't be used changes nothing"
    own = ssl.create_default_context()
    assert tls.newest(own) is own and tls.newest(None) is None


def test_what_is_given_for_tls(made: Made) -> None:
    assert tls.context_of(None) is tls.context_of(False) is None
    system = tls.context_of(True)
    assert system is not None and system.check_hostname and system.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(errors.UsageError, match="but should be TlsFiles, an ssl"):
        Client("127.0.0.1:1", tls="ca.pem")  # type: ignore[arg-type]
    with pytest.raises(errors.UsageError, match="one of servers"):
        Client("127.0.0.1:1", tls=made[2])
