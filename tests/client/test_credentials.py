"""Who a client says that it is: first on each connection, again where a node wants to hear it, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from collections.abc import Callable

import pytest

from tests.certificates import Authority
from tests.stub_node import Answer, StubNode, StubThread, content, done, failed, in_turn, jumped, view_of
from wrpme import BlockingClient, Client, TlsFiles, errors
from wrpme.client.requests.outcomes import HOW
from wrpme.files.certificates import server_context
from wrpme.protocol.access.messages import Authenticate, Identity
from wrpme.protocol.access.users import Role
from wrpme.protocol.codec import encode
from wrpme.protocol.identities import GetHive
from wrpme.protocol.messages import Content, Failed, Follow, Get, GetView, Put, Request, ViewIs

ASKS = errors.UnauthenticatedError("this hive has users: say who you are first")
WRONG = errors.UnauthenticatedError("there is no such user with that password")


def asks(rest: Callable[[Request], Answer], is_open: bool = False) -> Callable[[Request], Answer]:
    """A node that knows ann by her password, and nobody else."""

    def script(request: Request) -> Answer:
        if not isinstance(request, Authenticate):
            return rest(request)
        if is_open:
            return Identity(request.id, "", Role.NOBODY, open=True)
        if (request.name, request.password) == ("ann", "right horse"):
            return Identity(request.id, "ann", Role.WRITE)
        return failed(WRONG)(request)

    return script


def client_of(node: StubNode, password: str = "right horse", name: str = "ann") -> Client:
    """A client with credentials and no TLS, which no user can make: all else is as with TLS."""
    client = Client(node.address)
    client._dispatcher.credentials.become(name, password)
    return client


@pytest.mark.asyncio
async def test_it_is_said_before_all_else() -> None:
    async with StubNode(asks(content)) as node, client_of(node) as client:
        assert await client.get("x") == b"x"
        assert await client.get("y") == b"y"
        kinds = [type(request) for request in node.seen]
        assert kinds[:2] == [Authenticate, Get] and kinds.count(Authenticate) == 1


@pytest.mark.asyncio
async def test_a_wrong_password_is_told_at_once_and_guessed_once() -> None:
    async with StubNode(asks(content)) as node, client_of(node, "wrong horse") as client:
        for _ in range(3):
            with pytest.raises(errors.UnauthenticatedError) as caught:
                await client.get("x")
            assert caught.value.sentence == f"{WRONG.sentence} (ann, asked at {node.address})"
        assert len(node.seen_of(Authenticate)) == 1 and not node.seen_of(Get)
        assert jumped() < 0.5


@pytest.mark.asyncio
async def test_who_was_refused_is_heard_again_later() -> None:
    async with StubNode(asks(content)) as node, client_of(node, "wrong horse") as client:
        with pytest.raises(errors.UnauthenticatedError):
            await client.get("x")
        client._dispatcher.credentials.become("ann", "right horse")
        assert await client.get("x") == b"x"


@pytest.mark.asyncio
async def test_a_node_with_no_time_for_passwords_is_asked_again() -> None:
    busy = failed(errors.BusyError("too many passwords wait to be looked at; try again"))
    let_in = asks(content)
    script = in_turn(busy, busy, let_in)

    def node_says(request: Request) -> Answer:
        return (script if isinstance(request, Authenticate) else let_in)(request)

    async with StubNode(node_says) as node, client_of(node) as client:
        assert await client.get("x") == b"x"
        assert len(node.seen_of(Authenticate)) == 3


@pytest.mark.asyncio
async def test_a_node_that_never_looks_at_the_password_is_given_up() -> None:
    async with StubNode(lambda request: None) as node, client_of(node) as client:
        with pytest.raises(errors.ConnectionError, match="has not looked at the password within 2 s"):
            await client.get("x")
        assert 5.0 < jumped() < 12.0


@pytest.mark.asyncio
async def test_a_hive_gets_its_first_users_and_no_operation_fails() -> None:
    """Whoever was let in before there were users is let in again, and what was refused or unread is sent again."""
    async with StubNode(asks(done, is_open=True)) as node, client_of(node) as client:
        view_of([node])
        await client.put("a", b"1")
        node.script = asks(in_turn(failed(ASKS), done))  # as long as the node waits to end the connection
        await client.put("b", b"2")
        assert node.sessions_opened == 2 and len(node.seen_of(Put)) == 3

        def farewell(request: Request) -> Answer:
            return (Failed(0, ASKS.code, "this hive has users from now on: say who you are"),)

        node.script = asks(in_turn(farewell, done))
        await client.put("c", b"3")
        assert node.sessions_opened == 3 and len(node.seen_of(Authenticate)) == 3


@pytest.mark.asyncio
async def test_a_program_waits_until_its_user_is_added_after_the_first_one() -> None:
    """The first user is an admin, and a program is none: in the first minute nodes say that it may come."""
    soon = errors.UnstableError('there is no user "app" yet; this hive has had users for a moment only: try again')
    not_yet = lambda request: failed(soon)(request) if isinstance(request, Authenticate) else done(request)  # noqa: E731
    async with StubNode(not_yet) as node, client_of(node, name="app") as client:
        waiting = asyncio.ensure_future(client.put("b", b"2"))
        async with asyncio.timeout(30):
            while len(node.seen_of(Authenticate)) < 3:
                await asyncio.sleep(0.1)
        node.script = asks(done, is_open=True)  # as good as being added
        await waiting
        connection = client._dispatcher._pool.ready(node.address)
        assert connection is not None
        node.sessions[-1].transport.abort()
        await connection.ended
        node.script, node.seen = not_yet, []
        with pytest.raises(errors.UnstableError, match='there is no user "app" yet'):
            await client.put("c", b"3")
        assert len(node.seen_of(Authenticate)) < 10.0 / 0.25 + 2, "10 s, with pauses"


@pytest.mark.asyncio
async def test_a_node_that_only_asks_who_the_client_is_does_not_pass_for_one_that_fails() -> None:
    async with StubNode(asks(content)) as node, client_of(node) as client:
        await client.get("x")
        pool = client._dispatcher._pool
        connection = pool.ready(node.address)
        assert connection is not None
        node.sessions[0].transport.write(encode(Failed(0, ASKS.code, ASKS.sentence)))
        await connection.ended
        assert pool.ready(node.address) is None and not pool.failing(node.address)


@pytest.mark.asyncio
async def test_the_view_is_asked_for_again_where_it_was_refused() -> None:
    async with StubNode(content) as node, client_of(node) as client:
        view = view_of([node])
        views = in_turn(failed(ASKS), lambda request: ViewIs(request.id, node.node, view))
        rest = asks(content)
        node.script_views = True
        node.script = lambda request: (
            Content(request.id, view.hive) if isinstance(request, GetHive)
            else views(request) if isinstance(request, GetView) else rest(request)
        )  # fmt: skip
        for _ in range(5):
            await client.get("x")
        assert client._dispatcher.view == view and node.sessions_opened == 2


@pytest.mark.asyncio
async def test_who_says_nothing_is_told_how() -> None:
    async with StubNode(failed(ASKS)) as node, Client(node.address) as client:
        with pytest.raises(errors.UnauthenticatedError) as caught:
            await client.get("x")
        assert caught.value.sentence == f"{ASKS.sentence} ({HOW})"
        assert len(node.seen) == 1
    with StubThread(failed(ASKS)) as node, BlockingClient(node.address) as blocking:
        for _ in range(3):  # over the loop, then straight from this thread
            with pytest.raises(errors.UnauthenticatedError, match="--user NAME"):
                blocking.get("x")


@pytest.mark.asyncio
async def test_who_follows_and_watches_says_who_he_is() -> None:
    async with StubNode(asks(failed(errors.DeniedError("ann may ask for entries under a/")))) as node:
        view_of([node])
        async with client_of(node) as client:
            with pytest.raises(errors.DeniedError, match="ann may"):
                async for _ in client.follow("b/"):
                    pass
            assert jumped() < 1.0, "at once"
            assert type(node.seen[0]) is Authenticate and node.seen_of(Follow)
            async with client.watch() as watcher:
                await anext(watcher)
                assert node.sessions_opened == len(node.seen_of(Authenticate)) == 2


@pytest.mark.asyncio
async def test_a_password_is_shown_nowhere(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    authority = Authority(tmp_path)
    files = TlsFiles(ca=str(authority.path))
    async with StubNode(asks(content), context=server_context(authority.issue("node"))) as node:
        async with Client(node.address, tls=files, user="ann", password="right horse") as client:
            assert await client.get("x") == b"x"
            shown = [repr(client._dispatcher.credentials), str(client), repr(vars(client)), repr(node.seen)]
        url = f"wrpmes://ann:wrong%20horse@{node.address}/?ca={authority.path}"
        async with Client.from_url(url) as client:
            with pytest.raises(errors.UnauthenticatedError) as caught:
                await client.get("x")
            shown += [str(caught.value), repr(caught.value)]
    assert "horse" not in "".join(shown) + caplog.text


@pytest.mark.parametrize(
    ("user", "password", "tls", "why"),
    [
        ("ann", None, True, "a user was given without a password"),
        (None, "right horse", True, "a password was given without a user"),
        ("-ann", "right horse", True, "the name of a user has 1 to 64"),
        ("ann", "", True, "the password of ann is empty"),
        ("ann", "\udcff", True, "no text of UTF-8"),
        ("ann", "right horse", None, "users need TLS, as a password would travel in plain words"),
    ],
)
def test_what_nobody_can_say(user: str | None, password: str | None, tls: bool | None, why: str) -> None:
    for kind in (Client, BlockingClient):
        with pytest.raises(errors.UsageError, match=why) as caught:
            kind("127.0.0.1:1", tls=tls, user=user, password=password)
        assert not password or password not in str(caught.value)
