"""Each request, command and page of each protocol, by each kind of user, at a real node: allowed exactly where the
table of rights says; and nothing at all by a connection that is not what it has to be."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.certificates import Authority
from tests.samples import REQUEST_SAMPLES
from tests.system.daemons import Daemons, until_stable
from tests.system.users import HiveTalk, HttpTalk, RedisTalk, add_users, user
from wrpme import Client
from wrpme.daemon.net.redis.commands.table import ENTRIES
from wrpme.errors import DeniedError, UnauthenticatedError
from wrpme.files.certificates import TlsFiles, client_context
from wrpme.protocol.access import rights
from wrpme.protocol.access.messages import USER_REQUESTS, Identity, WhoAmI
from wrpme.protocol.access.users import Role, User
from wrpme.protocol.messages import Failed, Get

USERS: dict[str, tuple[Role, tuple[bytes, ...]]] = {
    "": (Role.NOBODY, ()), "reader": (Role.READ, ()), "writer": (Role.WRITE, ()), "admin": (Role.ADMIN, ()),
    "bound": (Role.WRITE, (b"app:",)),
}  # fmt: skip
"""What each may do, and the prefixes that he is bound to; who has no name says none."""
STATEFUL = ("connection", "pubsub", "transactions")
"""Groups of commands after which a client is not what it was."""
HARMLESS = [sample for sample in REQUEST_SAMPLES if not isinstance(sample, USER_REQUESTS)]


class Node(NamedTuple):
    address: str
    expired: str
    """The address of a node whose certificate has expired."""
    context: ssl.SSLContext
    authority: Authority


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp("rights")
    authority = Authority(directory)
    files = authority.issue("node")
    options = ("--transient", "--tls-mode", "require", "--tls-cert", files.certificate, "--tls-key", files.key)
    old = authority.issue("old", days=-1)
    with Daemons(directory, 2, *options, "--tls-ca", files.ca) as daemons:
        daemons.start(0)
        daemons.options = ("--transient", "--tls-mode", "require", "--tls-cert", old.certificate, "--tls-key", old.key)
        daemons.options += ("--tls-ca", old.ca)
        daemons.start(1)
        context = client_context(TlsFiles(ca=files.ca))
        made = Node(daemons.addresses[0], daemons.addresses[1], context, authority)
        _serves(made)
        add_users(
            made.address, context, *(user(name, role, *bound) for name, (role, bound) in sorted(USERS.items()) if name)
        )
        yield made
        daemons.check_alive()


def _serves(node: Node) -> None:
    import asyncio

    async def stable() -> None:
        async with Client(node.address, tls=TlsFiles(ca=str(node.authority.path))) as client:
            await until_stable(client, 1)

    asyncio.run(stable())


def allowed(name: str, role: Role, is_whole: bool, aliases: Any = ()) -> bool:
    if role is Role.NOBODY:
        return True
    asks = User(name, *USERS[name])
    if asks.role < role:
        return False
    return not (asks.prefixes and (is_whole or rights.beyond(asks, aliases) is not None))


@pytest.mark.parametrize("name", USERS)
def test_requests_of_the_hive_protocol(node: Node, name: str) -> None:
    for sample in HARMLESS:
        with HiveTalk(node.address, node.context) as talk:
            if name:
                talk.be(name)
            reply = talk.ask(sample)
            inner = getattr(sample, "request", sample)
            may = allowed(name, rights.role_of(sample), type(inner) in rights.WHOLE, rights.aliases_of(sample))
            refused = isinstance(reply, Failed) and reply.code in (DeniedError.code, UnauthenticatedError.code)
            assert refused is not may, f"{name or 'nobody'}: {sample} -> {reply}"
            assert not refused or (reply.code == DeniedError.code) == bool(name), reply


@pytest.mark.parametrize("name", USERS)
def test_commands_of_redis(node: Node, name: str) -> None:
    talk = _redis(node, name)
    for entry in ENTRIES:
        for part, arity in [(word, sub.arity) for word, sub in entry.subcommands.items()] or [(b"", entry.arity)]:
            words = [entry.name.encode(), *([part] if part else [])]
            words += [b"1"] * (abs(arity) - len(words))
            if entry.counted_at:
                words = [entry.name.encode(), b"1", b"1", b"1"]
            shown = f"{entry.name}|{part.decode().lower()}"
            if entry.name in ("hello", "auth"):
                continue  # whoever connects may say them, and the answer is about who it is
            role = max(rights.REDIS[entry.name], rights.REDIS_PARTS.get(shown, Role.NOBODY))
            names = [*entry.keys_of(words), *_named(entry.name, words)]
            may = allowed(name, role, entry.name in rights.REDIS_WHOLE, names)
            answer = talk.say(*words)
            refused = answer.startswith((b"-NOAUTH", b"-NOPERM"))
            assert refused is not may, f"{name or 'nobody'}: {words} -> {answer!r}"
            assert not refused or answer.startswith(b"-NOPERM" if name else b"-NOAUTH"), answer
            if entry.group in STATEFUL or not answer.startswith((b"-", b"+", b":", b"_")):
                talk.close()
                talk = _redis(node, name)
    talk.close()


def _named(name: str, words: list[bytes]) -> list[bytes]:
    """What a command names beside keys: channels, and the pattern of KEYS."""
    return words[1:] if name in ("subscribe", "psubscribe", "ssubscribe", "publish", "spublish", "keys") else []


def _redis(node: Node, name: str) -> RedisTalk:
    talk = RedisTalk(node.address, node.context)
    return talk.be(name) if name else talk


@pytest.mark.parametrize("name", USERS)
def test_pages(node: Node, name: str) -> None:
    with HttpTalk(node.address, node.context) as talk:
        for path in (*rights.PAGES, "/nothing"):
            may = allowed(name, rights.PAGES.get(path, Role.READ), is_whole=False)
            assert (talk.get(path, name) == 401) is not may, f"{name or 'nobody'}: {path}"
        assert talk.get("/status", "admin") == 200
        assert talk.get("/status", "nobody") in (401, 503), "in the first minute he may yet be added"


def test_nothing_is_told_on_a_connection_that_is_not_what_it_has_to_be(node: Node, tmp_path: Path) -> None:
    """Plain; of a node whose certificate is of another CA, has expired, or names another host: whichever the protocol
    and the user."""
    with HiveTalk(node.address, None) as hive:
        reply = hive.ask(Get(1, b"app:x"))
        assert isinstance(reply, Failed) and "TLS only" in reply.sentence
    with RedisTalk(node.address, None) as redis:
        assert redis.say(b"AUTH", b"admin", b"the password of admin").startswith(b"-ERR this node takes TLS only")
    with HttpTalk(node.address, None) as http:
        assert http.get("/live") == 400
    foreign = client_context(TlsFiles(ca=str(Authority(tmp_path, "foreign").path)))
    for kind in (HiveTalk, RedisTalk, HttpTalk):
        with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer"):
            kind(node.address, foreign)
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            kind(node.expired, node.context)
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            kind(node.address, node.context, "another.example")


def test_the_certificate_of_the_node_itself_is_an_admin_and_no_other_one_is(node: Node) -> None:
    directory = node.authority.directory
    own = TlsFiles(str(node.authority.path), str(directory / "node.crt"), str(directory / "node.key"))
    for files, role in ((own, Role.ADMIN), (node.authority.issue("another"), Role.NOBODY)):
        with HiveTalk(node.address, client_context(files)) as talk:
            told = talk.ask(WhoAmI(1))
            assert isinstance(told, Identity) and told.role is role
        with HttpTalk(node.address, client_context(files)) as http:
            assert http.get("/status") == (200 if role is Role.ADMIN else 401)
            assert http.get("/status", "reader") == 200 and http.get("/status") == 401, "each request says who asks"
