"""What an admin does to users, against a node that keeps them as a hive does."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import pytest
from msgspec.structs import replace

from tests.stub_node import Answer, StubNode, StubThread, failed, view_of
from wrpme import BlockingClient, Client, errors
from wrpme.client.access.user_admin import HiveUser, WhoIs
from wrpme.protocol.access.messages import (
    AddUser, Authenticate, GetUsers, Identity, RemoveUser, SetPasswords, Users, WhoAmI,
)  # fmt: skip
from wrpme.protocol.access import users
from wrpme.protocol.access.users import HASH_BYTES, PASSWORDS_MAX, Role, User, proven_by
from wrpme.protocol.messages import Done, Failed, Request

OLD, NEW = "right horse", "left horse"
SINCE = 7
ASKS = errors.UnauthenticatedError("this hive has users: say who you are first")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash that takes no time: that of the product takes as long as it is meant to."""

    def made(password: str, salt: bytes, cost: int) -> bytes:
        return blake2b(password.encode(), key=salt, digest_size=HASH_BYTES).digest()

    monkeypatch.setattr(users, "_hash", made)


class UserHive:
    """A node that decides at once, unless ``decides`` says otherwise. Its connections are nobody's until they say a
    right password; that one counts for all of them."""

    def __init__(self, *users: User) -> None:
        self.users = {user.name: user for user in users}
        self.epoch = 1
        self.decides = True
        self.me = ""

    def __call__(self, request: Request) -> Answer:
        number = request.id
        if isinstance(request, Authenticate):
            return self._identity(request)
        if isinstance(request, WhoAmI):
            return Identity(number, self.me, Role.ADMIN if self.me else Role.NOBODY, (b"a/",), not self.users)
        if self.users and self.me not in self.users:
            return failed(ASKS)(request)
        if isinstance(request, GetUsers):
            told = [
                replace(user, passwords=tuple(replace(kept, hash=b"") for kept in user.passwords))
                for _, user in sorted(self.users.items())
            ]
            return Users(number, tuple(told), self.epoch)
        if self.decides:
            self.epoch += 1
            if isinstance(request, AddUser):
                self.users[request.user.name] = replace(request.user, changed=self.epoch)
            elif isinstance(request, SetPasswords):
                kept = {password.salt: password for password in self.users[request.name].passwords}
                passwords = tuple(given if given.hash else kept[given.salt] for given in request.passwords)
                self.users[request.name] = replace(self.users[request.name], passwords=passwords, changed=self.epoch)
            elif isinstance(request, RemoveUser) and request.name:
                del self.users[request.name]
            elif isinstance(request, RemoveUser):
                assert request.known == SINCE, "that of the view"
                self.users.clear()
        return Done(number)

    def _identity(self, request: Authenticate) -> Answer:
        if not self.users:
            return Identity(request.id, "", Role.NOBODY, open=True)
        user = self.users.get(request.name)
        if user is None or not self.takes(request.name, request.password):
            return Failed(request.id, ASKS.code, "there is no such user with that password")
        self.me = user.name
        return Identity(request.id, user.name, user.role)

    def takes(self, name: str, password: str) -> bool:
        return proven_by(password, self.users[name].passwords) is not None


@pytest.mark.asyncio
async def test_users_come_change_and_go() -> None:
    hive = UserHive()
    async with StubNode(hive) as node, Client(node.address) as client:
        assert await client.users() == () and await client.whoami() == WhoIs("", "", ("a/",), open=True)
        await client.add_user("ann", "admin", OLD)
        # From here on nobody is let in without a name, and the client goes on as her.
        assert node.seen_of(Authenticate) and await client.whoami() == WhoIs("ann", "admin", ("a/",), open=False)
        await client.add_user("bob", "read", [OLD, NEW], ["a/", b"\xff"])
        assert await client.users() == (
            HiveUser("ann", "admin", (), 1, 2), HiveUser("bob", "read", ("a/", "\udcff"), 2, 3)
        )  # fmt: skip
        await client.set_password("bob", "third horse", keep=True)
        assert [hive.takes("bob", one) for one in (OLD, NEW, "third horse")] == [True] * 3
        await client.set_password("bob", "fourth horse")
        assert [hive.takes("bob", one) for one in (OLD, NEW, "fourth horse")] == [False, False, True]
        await client.remove_user("bob")
        assert list(hive.users) == ["ann"]
        assert all("horse" not in repr(request) for request in node.seen)
        assert {len(password.salt) for password in hive.users["ann"].passwords} == {16}


@pytest.mark.asyncio
async def test_who_changes_his_own_password_goes_on() -> None:
    hive = UserHive()
    async with StubNode(hive) as node, Client(node.address) as client:
        await client.add_user("ann", "admin", OLD)
        await client.set_password("ann", NEW)
        hive.me = ""
        for session in node.sessions:
            session.transport.abort()
        assert [user.name for user in await client.users()] == ["ann"]
        assert client._dispatcher.credentials.passwords == (NEW,)


@pytest.mark.asyncio
async def test_who_changes_his_own_password_is_let_in_with_either_until_all_nodes_know_it() -> None:
    hive = UserHive()
    later: list[Request] = []

    def script(request: Request) -> Answer:
        if isinstance(request, SetPasswords):
            later.append(request)
            hive.me = ""  # its connections end before the node knows
            return Done(request.id)
        answer = hive(request)
        if isinstance(request, GetUsers) and isinstance(answer, Users) and later:
            hive(later.pop())
            hive.me = ""
        return answer

    async with StubNode(hive) as node, Client(node.address) as client:
        await client.add_user("ann", "admin", OLD)
        node.script = script
        await client.set_password("ann", NEW)
        said = [request.password for request in node.seen_of(Authenticate)]
        assert said == [OLD, NEW, OLD, NEW], "the first is that of the client that added itself"


@pytest.mark.asyncio
async def test_a_hive_that_can_not_decide_is_told_of() -> None:
    hive = UserHive()
    async with StubNode(hive) as node, Client(node.address, timeout=1.0) as client:
        hive.decides = False
        with pytest.raises(errors.TimeoutError, match="has not decided in the time given to add the user ann"):
            await client.add_user("ann", "admin", OLD)
        hive.decides = True
        await client.add_user("ann", "admin", OLD)
        hive.decides = False
        with pytest.raises(errors.TimeoutError, match="to change the password of ann"):
            await client.set_password("ann", NEW)
        with pytest.raises(errors.TimeoutError, match="to remove the user ann"):
            await client.remove_user("ann")


@pytest.mark.asyncio
async def test_what_others_do_at_the_same_time_is_told() -> None:
    hive = UserHive()

    def also(change: Callable[[], object]) -> Callable[[Request], Answer]:
        def script(request: Request) -> Answer:
            answer = hive(request)
            if isinstance(request, AddUser | SetPasswords):
                change()
            return answer

        return script

    async with StubNode(hive) as node, Client(node.address) as client:
        await client.add_user("ann", "admin", OLD)
        theirs = hive.users["ann"].passwords
        node.script = also(lambda: hive.users.update(bob=User("bob", Role.READ, (), theirs, 9)))
        with pytest.raises(errors.UsageError, match="somebody else has added a user bob at the same time"):
            await client.add_user("bob", "read", OLD)
        node.script = also(lambda: hive.users.pop("bob"))
        with pytest.raises(errors.UsageError, match="somebody else has changed the user bob at the same time"):
            await client.set_password("bob", NEW)


@pytest.mark.asyncio
async def test_what_can_be_no_user_is_not_sent() -> None:
    hive = UserHive()
    async with StubNode(hive) as node, Client(node.address) as client:
        for name, role, password, prefixes, why in (
            ("a b", "read", OLD, (), "the name of a user has"),
            ("ann", "root", OLD, (), "the role of a user is read, write or admin, not 'root'"),
            ("ann", "admin", OLD, ("a/",), "an admin may do everything"),
            ("ann", "read", "short", (), "a password has at least 8 characters"),
            ("ann", "read", (), (), "a user has 1 to 4 passwords"),
            ("ann", "read", "\udcff" * 8, (), "no text of UTF-8"),
            ("ann", "read", OLD, ("",), "a user has at most 16 prefixes, of 1 to 256 bytes"),
        ):
            with pytest.raises(errors.UsageError, match=why) as caught:
                await client.add_user(name, role, password, prefixes)
            assert "short" not in caught.value.sentence
        assert not node.seen
        await client.add_user("ann", "admin", [f"{OLD} {number}" for number in range(PASSWORDS_MAX)])
        with pytest.raises(errors.UsageError, match="ann has 4 passwords, as many as a user may have"):
            await client.set_password("ann", NEW, keep=True)
        for asked in (client.set_password("bob", NEW), client.remove_user("bob")):
            with pytest.raises(errors.NotFoundError, match="there is no user bob; user_list has them all"):
                await asked
        assert not node.seen_of(SetPasswords) and not node.seen_of(RemoveUser)


@pytest.mark.asyncio
async def test_who_removes_himself_is_not_told_that_he_is_unknown() -> None:
    hive = UserHive()
    async with StubNode(hive) as node, Client(node.address) as client:
        await client.add_user("ann", "admin", OLD)
        await client.add_user("bob", "admin", NEW)
        await client.remove_user("ann")
        assert list(hive.users) == ["bob"]


@pytest.mark.asyncio
async def test_all_go_at_once() -> None:
    hive = UserHive()
    async with StubNode(hive) as node, Client(node.address, timeout=1.0) as client:
        node.view = replace(view_of([node]), users_since=SINCE)
        await client.add_user("ann", "admin", OLD)
        await client.add_user("bob", "read", OLD)
        hive.decides = False
        with pytest.raises(errors.TimeoutError, match="to remove all users"):
            await client.remove_users()
        hive.decides = True
        await client.remove_users()
        assert not hive.users and (await client.whoami()).open


def test_a_blocking_client_does_the_same() -> None:
    hive = UserHive()
    with StubThread(hive) as node, BlockingClient(node.address) as client:
        assert client.whoami().open
        client.add_user("ann", "admin", OLD, prefixes=())
        client.set_password("ann", NEW, keep=True)
        assert client.users() == (HiveUser("ann", "admin", (), 2, 3),)
        client.remove_user("ann")
        assert client.users() == ()
        client.add_user("ann", "admin", OLD)
        node.view = replace(view_of([node]), users_since=SINCE)
        client.remove_users()
        assert client.users() == ()
