"""What a daemon takes and dials by TLS in each mode, and what it says to those who come otherwise."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from tests.certificates import OF_CLIENTS, Authority
from tests.daemon_parts import PATIENCE_SECONDS, Daemon, KeptLog, Raw, daemon, envelope
from tests.system.daemons import free_port, until
from wrpme.core.io import LinkDown, LinkUp, Received, ReplyTo, Send
from wrpme.core.membership.speakers import Names, Objection
from wrpme.daemon import config, supervisor
from wrpme.daemon.net import gate
from wrpme.daemon.net.listen import listen
from wrpme.daemon.security.certificate import NO_CERTIFICATE, NOT_OF_A_NODE
from wrpme.daemon.security.tls import REFUSED, SPEAKS_NO_TLS, TLS_ONLY, TLS_ONLY_OF_HTTP, TLS_ONLY_OF_REDIS, Tls
from wrpme.daemon.supervisor import Supervisor
from wrpme.errors import ProtocolError, UsageError
from wrpme.files.certificates import TlsFiles, client_context
from wrpme.protocol.address import Address
from wrpme.protocol.codec import PREFACE
from wrpme.protocol.messages import AskView, Content, Envelope, Failed, Get, Heartbeat

HOST = "127.0.0.1"


pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def files(authority: Authority) -> TlsFiles:
    return authority.issue("node")


@pytest.fixture
def stranger(files: TlsFiles) -> ssl.SSLContext:
    """A client that shows no certificate."""
    return client_context(TlsFiles(ca=files.ca))


def tls(mode: str, files: TlsFiles) -> Tls:
    return Tls(mode, files, Address(HOST, 5909))


async def said_in_plain(d: Daemon, words: bytes) -> bytes:
    async with Raw(d.port) as client:
        client.writer.write(words)
        return await client.rest()


async def over(secured: ssl.SSLContext, d: Daemon, words: bytes, until: bytes) -> bytes:
    async with Raw(d.port, secured) as client, asyncio.timeout(PATIENCE_SECONDS):
        client.writer.write(words)
        return await client.reader.readuntil(until)


# --- clients ---------------------------------------------------------------------------------------------------------


async def test_all_protocols_are_spoken_by_tls(files: TlsFiles, stranger: ssl.SSLContext) -> None:
    async with daemon(tls=tls("require", files)) as d:
        async with Raw(d.port, stranger) as client:
            client.say(Get(1, b"one"), preface=True)
            assert await client.reply() == Content(1, b"one")
            large = b"x" * 1_000_000
            client.say(Get(2, large))
            assert await client.reply() == Content(2, large)
            assert client.writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert await over(stranger, d, b"PING\r\n", b"\r\n") == b"+PONG\r\n"
        assert await over(stranger, d, b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n") == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("mode", ["allow", "prefer"])
async def test_both_are_taken_on_the_way_to_tls(mode: str, files: TlsFiles, stranger: ssl.SSLContext) -> None:
    async with daemon(tls=tls(mode, files)) as d:
        for secured in (None, stranger):
            async with Raw(d.port, secured) as client:
                client.say(Get(1, b"one"), preface=True)
                assert await client.reply() == Content(1, b"one")


async def test_who_says_nothing_yet_is_served_in_plain(files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "FIRST_BYTE_SECONDS_MAX", 0.01)
    async with daemon(tls=tls("prefer", files)) as d, Raw(d.port) as client:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not d.runner.server.sessions:
                await asyncio.sleep(0)
        client.say(Get(1, b"one"), preface=True)
        assert await client.reply() == Content(1, b"one")


async def test_where_only_tls_is_taken_each_protocol_is_told_so(
    files: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon(tls=tls("require", files)) as d:
        async with Raw(d.port) as client:
            client.say(Get(1, b"one"), preface=True)
            assert await client.reply() == Failed(0, ProtocolError.code, TLS_ONLY)
        assert await said_in_plain(d, b"PING\r\n") == f"-ERR {TLS_ONLY_OF_REDIS}\r\n".encode()
        answer = await said_in_plain(d, b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(f"\r\n\r\n{TLS_ONLY_OF_HTTP}\n".encode())
        assert not d.node.requests
        monkeypatch.setattr(gate, "FIRST_BYTE_SECONDS_MAX", 0.01)
        assert await said_in_plain(d, b"") == b""


async def test_tls_to_a_node_without_is_closed_and_logged(stranger: ssl.SSLContext) -> None:
    async with daemon() as d:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with Raw(d.port, stranger):
                pass
        assert "it speaks TLS, which this node does not take" in "\n".join(d.log.lines)


async def test_a_handshake_that_never_ends_is_ended(files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "HANDSHAKE_SECONDS_MAX", 0.01)
    async with daemon(tls=tls("require", files)) as d:
        assert await said_in_plain(d, b"\x16\x03\x01") == b""
        assert "it did not finish its TLS handshake within 0.01 s" in "\n".join(d.log.lines)


@pytest.mark.parametrize(("word", "places"), [(b"\x16\x03\x01", 1000), (b"\x16\x03\x01", 32), (b"", 32)])
async def test_a_crowd_that_proves_nothing_keeps_nobody_out(
    word: bytes, places: int, files: TlsFiles, stranger: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where there are files for more of them than may be in their handshake, nor where all places are
    theirs; it is the oldest that goes."""
    monkeypatch.setattr(gate, "HANDSHAKES_MAX", 64)
    monkeypatch.setattr(gate, "FIRST_BYTE_SECONDS_MAX", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(gate, "HANDSHAKE_SECONDS_MAX", 10 * PATIENCE_SECONDS)
    async with daemon(tls=tls("require", files), sessions_max=places) as d:
        crowd = [socket.create_connection((HOST, d.port), PATIENCE_SECONDS) for _ in range(120)]
        for made in crowd:
            made.sendall(word)
        async with Raw(d.port, stranger) as client:
            client.say(Get(1, b"one"), preface=True)
            assert await client.reply() == Content(1, b"one")
        with suppress(ConnectionResetError):
            assert crowd[0].recv(16) == b""
        for made in crowd:
            made.close()


# --- nodes -----------------------------------------------------------------------------------------------------------


async def test_messages_of_nodes_are_taken_from_who_shows_a_certificate_alone(
    files: TlsFiles, stranger: ssl.SSLContext
) -> None:
    for mode in ("allow", "prefer", "require"):
        async with daemon(tls=tls(mode, files)) as d:
            async with Raw(d.port, stranger) as client:
                client.say(Get(1, b"one"), preface=True)
                await client.reply()
                client.say(envelope(AskView()))
                assert await client.reply() == Failed(0, ProtocolError.code, NO_CERTIFICATE)
            assert not d.node.bodies()
            async with Raw(d.port, client_context(files)) as node:
                node.say(envelope(AskView()), preface=True)
                await d.node.until(lambda: d.node.bodies() == [AskView()])
            if mode != "require":
                async with Raw(d.port) as node:
                    node.say(envelope(AskView()), preface=True)
                    await d.node.until(lambda: len(d.node.bodies()) == 2)


async def test_a_certificate_of_another_ca_gets_nobody_in(files: TlsFiles, tmp_path: Path) -> None:
    foreign = Authority(tmp_path).issue("foreign")
    context = client_context(TlsFiles(files.ca, foreign.certificate, foreign.key))
    async with daemon(tls=tls("require", files)) as d, Raw(d.port, context) as node:
        node.say(envelope(AskView()), preface=True)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            assert not await node.rest()
            raise ConnectionResetError
        assert not d.node.bodies()
        assert "its certificate is refused" in "\n".join(d.log.lines)


async def test_who_does_not_fit_its_certificate_is_refused_and_what_is_not_heeded_is_logged(
    authority: Authority, files: TlsFiles
) -> None:
    """The node itself decides; here one that knows the address of the sender, and then nobody."""
    client = authority.issue("client", good_for=OF_CLIENTS)
    wrong, stranger = Objection("it is somebody else", True), Objection("a view was not heard", False)
    asked: list[bool] = []

    def objects(envelope: Envelope, names: Names) -> Objection | None:
        asked.extend((names("127.0.0.1:1"), names("localhost:1"), names("10.0.0.1:1"), names("no address")))
        return {AskView(): wrong, AskView(True): stranger}.get(envelope.body)  # type: ignore[arg-type]

    async with daemon(tls=tls("require", files)) as d:
        d.node.objects = objects
        for shown, body, told in ((files, AskView(), wrong.sentence), (client, Heartbeat(1.0), NOT_OF_A_NODE)):
            async with Raw(d.port, client_context(shown)) as node:
                node.say(Get(1, b"one"), preface=True)
                await node.reply()
                node.say(envelope(body))
                assert await node.reply() == Failed(0, ProtocolError.code, told)
        assert not d.node.bodies() and asked == [True, True, False, False]
        async with Raw(d.port, client_context(files)) as node:
            node.say(envelope(AskView(True)), envelope(Heartbeat(1.0)), Get(1, b"one"), preface=True)
            assert await node.reply() == Content(1, b"one")
        assert d.node.bodies() == [Heartbeat(1.0)]
        lines = "\n".join(d.log.lines)
        assert wrong.sentence in lines and NOT_OF_A_NODE in lines and "a view was not heard" in lines


async def test_what_answers_where_a_node_dials_has_to_fit_its_certificate_too(files: TlsFiles) -> None:
    wrong = Objection("it is somebody else", True)
    async with daemon(tls=tls("require", files), listening=False) as one, daemon(tls=tls("require", files)) as other:
        one.node.objects = lambda envelope, names: wrong
        other.node.on_input = lambda given: (
            [ReplyTo(given.session, envelope(AskView()))] if isinstance(given, Received) else []
        )
        assert isinstance(await dialled(one, other), LinkUp)
        await one.node.hears(LinkDown)
        assert one.node.heard(LinkDown) == [LinkDown(other.address, wrong.sentence)] and not one.node.bodies()


async def dialled(one: Daemon, other: Daemon, host: str = HOST) -> LinkUp | LinkDown:
    one.runner.links.send(Send(f"{host}:{other.port}", envelope(AskView())), 0.0)
    await one.node.until(lambda: any(isinstance(heard, LinkUp | LinkDown) for heard in one.node.inputs))
    return next(heard for heard in one.node.inputs if isinstance(heard, LinkUp | LinkDown))


@pytest.mark.parametrize(
    ("mode", "of_the_other"),
    [("allow", "off"), ("off", "allow"), ("allow", "prefer"), ("prefer", "allow"), ("prefer", "require"),
     ("require", "prefer"), ("require", "require")],
)  # fmt: skip
async def test_nodes_of_modes_beside_each_other_understand_each_other(
    mode: str, of_the_other: str, files: TlsFiles
) -> None:
    made = [None if each == "off" else tls(each, files) for each in (mode, of_the_other)]
    async with daemon(tls=made[0], listening=False) as one, daemon(tls=made[1]) as other:
        assert isinstance(await dialled(one, other), LinkUp)
        await other.node.until(lambda: other.node.bodies() == [AskView()])


async def test_a_certificate_has_to_name_the_host_as_it_is_dialled(authority: Authority, files: TlsFiles) -> None:
    named = Tls("require", authority.issue("named", "localhost"), Address("localhost", 5909))
    async with daemon(tls=tls("require", files), listening=False) as one, daemon(tls=named) as other:
        assert isinstance(await dialled(one, other, "localhost"), LinkUp)


async def test_a_node_that_may_not_be_dialled_is_told_why(
    authority: Authority, files: TlsFiles, tmp_path: Path
) -> None:
    foreign, old = Authority(tmp_path).issue("foreign"), authority.issue("old", days=-1)
    other_name = Tls("require", authority.issue("elsewhere", "10.0.0.1"), Address("10.0.0.1", 5909))
    good = tls("require", files)
    refused = "its certificate is refused (%s)"
    for one_has, other_has, reason in (
        (good, other_name, refused % f"IP address mismatch, certificate is not valid for '{HOST}'"),
        (good, tls("require", old), refused % "certificate has expired"),
        (good, tls("require", foreign), refused % "of another CA: self-signed certificate in certificate chain"),
        (tls("require", old), good, REFUSED),
        (None, good, TLS_ONLY),
        (good, None, SPEAKS_NO_TLS),
    ):
        async with daemon(tls=one_has, listening=False) as one, daemon(tls=other_has) as other:
            assert await dialled(one, other) == LinkDown(other.address, reason)
            assert not other.node.bodies()


async def test_nothing_of_tls_is_left_of_a_connection_that_has_ended(files: TlsFiles, stranger: ssl.SSLContext) -> None:
    """No cycle of references keeps it, a third of a megabyte, until Python looks for cycles."""

    def kept() -> int:
        return sum(isinstance(one, ssl.SSLObject) and one.server_side for one in gc.get_objects())

    async with daemon(tls=tls("require", files)) as d:
        gc.freeze()  # what the tests before have left is neither counted nor looked at
        gc.disable()
        try:
            before = kept()
            assert await over(stranger, d, b"PING\r\n", b"\r\n") == b"+PONG\r\n"
            async with Raw(d.port, client_context(files)) as node:
                node.say(envelope(AskView()), Get(1, b"one"), preface=True)
                await node.reply()
                assert kept() > before
            async with Raw(d.port) as nobody:
                nobody.writer.write(b"\x16\x03\x01")
            await until("its end", lambda: _is("it ended its TLS handshake" in "".join(d.log.lines)), PATIENCE_SECONDS)
            await until("they have gone", lambda: _is(kept() == before), PATIENCE_SECONDS)
        finally:
            gc.enable()


# --- certificates ----------------------------------------------------------------------------------------------------


async def test_a_certificate_is_read_again_and_live_connections_stay(
    authority: Authority, files: TlsFiles, stranger: ssl.SSLContext
) -> None:
    secured = tls("require", authority.issue("short", days=1))
    assert 0 < secured.seconds_left < 86_400
    async with daemon(tls=secured) as d, Raw(d.port, stranger) as before:
        secured.reload(files)
        assert secured.seconds_left > 29 * 86_400
        async with Raw(d.port, stranger) as after:
            assert after.writer.get_extra_info("peercert")["subject"] == ((("commonName", "node"),),)
        before.writer.write(PREFACE)
        before.say(Get(1, b"one"))
        assert await before.reply() == Content(1, b"one")


async def test_what_cannot_be_used_is_refused_and_changes_nothing(
    authority: Authority, files: TlsFiles, tmp_path: Path
) -> None:
    secured = tls("require", files)
    foreign = Authority(tmp_path, "foreign")
    for wrong, why in (
        (
            TlsFiles(str(foreign.path), files.certificate, files.key),
            "of another CA: unable to get local issuer certificate",
        ),
        (authority.issue("elsewhere", "10.0.0.1"), "certificate is not valid for '127.0.0.1'"),
        (authority.issue("old", days=-1), "has expired"),
    ):
        before = secured.server, secured.client
        with pytest.raises(UsageError, match=why):
            secured.reload(wrong)
        assert (secured.server, secured.client) == before


async def test_a_certificate_that_expires_soon_is_told_of_and_one_that_has_expired_starts(authority: Authority) -> None:
    """So that a node whose certificate ran out while it was down takes a new one as all others do."""
    short = tls("require", authority.issue("short", days=0.5))
    async with daemon(tls=short) as d:
        told = f"the certificate of {HOST}:5909 expires in 12 h: hive_apply renews it, or put a new one in its place"
        assert short.troubles == (told,) and d.log.lines == [f"warning {told}"]
    (expired,) = tls("require", authority.issue("old", days=-1)).troubles
    assert "has expired, and other nodes refuse it" in expired
    assert tls("require", authority.issue("node")).troubles == ()


async def test_a_node_does_not_start_with_files_that_cannot_be_used(files: TlsFiles, tmp_path: Path) -> None:
    named = ["--tls-mode", "allow", "--tls-cert", files.certificate, "--tls-key", files.key]
    given = config.parse(["--transient", *named, "--tls-ca", str(tmp_path / "none.pem")])
    with pytest.raises(UsageError, match=r"none\.pem can't be read"):
        Supervisor(given, [], KeptLog())


async def test_the_check_of_a_configuration_says_of_the_files_what_a_start_would_say(
    authority: Authority, files: TlsFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(certificate: str, key: str) -> None:
        named = ["--tls-cert", certificate, "--tls-key", key, "--tls-ca", files.ca]
        config.parse(["--transient", "--tls-mode", "require", *named, "--check-config"])

    with pytest.raises(SystemExit) as ended:
        check(files.certificate, files.key)
    assert ended.value.code == 0 and capsys.readouterr().err == ""
    old = authority.issue("old", days=-1)
    with pytest.raises(SystemExit) as ended:
        check(old.certificate, old.key)
    assert ended.value.code == 0 and "has expired, and other nodes refuse it" in capsys.readouterr().err
    for certificate, key, told in (
        (files.certificate, old.key, "can't be used together (the key is another certificate's)"),
        (files.certificate, f"{files.key}.none", "can't be read (No such file or directory)"),
    ):
        with pytest.raises(UsageError) as checked:
            check(certificate, key)
        with pytest.raises(UsageError) as started:
            tls("require", TlsFiles(files.ca, certificate, key))
        assert checked.value.sentence == started.value.sentence and told in started.value.sentence
        assert capsys.readouterr().out == ""


async def test_the_system_writes_no_image_of_a_process_that_has_a_key(files: TlsFiles) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if not hard:
        pytest.skip("this process may have no core dumps anyway")
    named = ["--tls-mode", "allow", "--tls-cert", files.certificate, "--tls-key", files.key, "--tls-ca", files.ca]
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20 if hard == resource.RLIM_INFINITY else hard, hard))
    try:
        Supervisor(config.parse(["--transient"]), [], KeptLog())
        assert resource.getrlimit(resource.RLIMIT_CORE)[0]
        Supervisor(config.parse(["--transient", *named]), [], KeptLog())
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


async def test_files_that_have_changed_are_read_without_being_told(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate whose key is still another one's waits for it; what can't be used is told once."""
    monkeypatch.setattr(supervisor, "CERTIFICATE_LOOK_SECONDS", 0.01)
    named = authority.issue("changing")
    given = ["--tls-mode", "allow", "--tls-cert", named.certificate, "--tls-key", named.key, "--tls-ca", named.ca]
    address = f"127.0.0.1:{free_port()}"
    settings = config.parse(["-a", address, "--transient", *given])
    log = KeptLog()
    node = Supervisor(settings, listen(settings.address), log)
    running = asyncio.ensure_future(node.run())

    def said(words: str) -> int:
        return sum(words in line for line in log.lines)

    await until("it serves", lambda: _is(said("serving at")))
    Path(named.key).write_text("no key")
    await until("it is told", lambda: _is(said("the certificate stays the one that it was")))
    authority.issue("changing", days=9)
    await until("the new one", lambda: _is(said("was read again: it is valid for 9.0 d")))
    assert said("the certificate stays the one that it was") == 1
    os.kill(os.getpid(), signal.SIGTERM)
    await running


async def _is(found: object) -> bool:
    return bool(found)
