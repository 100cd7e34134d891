"""Following entries of stubs: what is asked, in which order, and what ends a round."""

from __future__ import annotations

import pytest

from tests.stub_node import StubNode, StubThread, view_of
from wrpme import BlockingClient, Client, errors
from wrpme.client.follow.followed import Seen
from wrpme.client.follow.follower import Change, Follower, _told
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import (
    NO_VERSION, REMOVED, WRITTEN, Aliases, Changes, ConfirmFollow, Content, Done, EntryChange, Failed, Follow,
    FollowEnded, Following, Get, PrefixScan, Reply, Request, Unfollow,
)  # fmt: skip


def version(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Owner:
    """Of all entries, with its versions; a content that is None is too large for a page."""

    def __init__(self) -> None:
        self.entries: dict[bytes, tuple[int, bytes | None]] = {b"k1": (1, b"one"), b"k2": (2, b"two")}
        self.channel = 3
        self.refusals = 0
        self.busy = False

    def __call__(self, request: Request) -> Reply | tuple[Reply, ...] | None:
        if isinstance(request, Follow):
            if self.busy or self.refusals:
                self.refusals -= 1
                return Failed(request.id, errors.UnstableError.code, "the hive changes")
            self.channel += 1
            return Following(request.id, self.channel)
        if isinstance(request, PrefixScan):
            found = sorted(self.entries)
            return Aliases(
                request.id, tuple(found), False, found[-1], tuple(self.entries[one][1] for one in found),
                tuple(version(self.entries[one][0]) for one in found),
            )  # fmt: skip
        if isinstance(request, Get):
            return Content(request.id, b"large", version(9))
        return Done(request.id) if isinstance(request, ConfirmFollow | Unfollow) else None

    def say(self, node: StubNode, reply: Reply) -> None:
        for session in node.sessions:
            session.transport.write(encode(reply))


async def some(follower: Follower, count: int) -> list[Change]:
    return [await anext(follower) for _ in range(count)]


@pytest.mark.asyncio
async def test_it_asks_then_scans_then_has_it_confirmed() -> None:
    owner = Owner()
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        follower = client.follow("k", contents=True)
        assert await some(follower, 3) == [
            Change("present", "k1", 1, b"one"), Change("present", "k2", 2, b"two"), Change("synchronized", "")
        ]  # fmt: skip
        asked = [type(one) for one in node.seen if not isinstance(one, Get) and type(one).__name__ != "GetView"]
        assert asked == [Follow, PrefixScan, ConfirmFollow]
        owner.say(node, Changes(0, owner.channel, (EntryChange(WRITTEN, b"k1", version(3), b"new"),)))
        owner.say(node, Changes(0, owner.channel - 1, (EntryChange(WRITTEN, b"k1", version(4), b"of before"),)))
        assert await anext(follower) == Change("replaced", "k1", 3, b"new")
        await follower.aclose()
        assert await anext(follower, None) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("behind", [True, False])
async def test_when_a_channel_ends_it_asks_anew_and_says_so(behind: bool) -> None:
    owner = Owner()
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        follower = client.follow("k", contents=True)
        await some(follower, 3)
        owner.entries = {b"k1": (5, b"later")}
        owner.refusals = 2
        owner.say(node, FollowEnded(0, owner.channel, behind))
        assert await some(follower, 2) == [Change("replaced", "k1", 5, b"later"), Change("removed", "k2")]
        last = await anext(follower)
        assert last.kind == "resynchronized" and ("slow" in last.reason) is behind


@pytest.mark.asyncio
async def test_an_alias_that_is_no_utf_8_is_told_as_text_and_means_the_same_entry() -> None:
    owner = Owner()
    owner.entries = {b"k\xff": (1, None), b"k\xff\0": (2, b"two")}
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        follower = client.follow(b"k\xff", contents=True)
        assert await some(follower, 3) == [
            Change("present", "k\udcff", 9, b"large"), Change("present", "k\udcff\0", 2, b"two"),
            Change("synchronized", ""),
        ]  # fmt: skip
        owner.say(node, Changes(0, owner.channel, (EntryChange(REMOVED, b"k\xff\0", version(3), None),)))
        change = await anext(follower)
        assert change.kind == "removed" and change.alias == "k\udcff\0"
        assert await client.get(change.alias) == b"large"
        assert [one.prefix for one in node.seen_of(Follow)] == [b"k\xff"]
        assert [one.alias for one in node.seen_of(Get)] == [b"k\xff", b"k\xff\0"]


def test_a_version_that_nobody_knows_is_none() -> None:
    assert _told(Seen("removed", b"k2", NO_VERSION)) == _told(Seen("removed", b"k2")) == Change("removed", "k2")
    assert _told(Seen("removed", b"k2", version(7))) == Change("removed", "k2", 7)


@pytest.mark.asyncio
async def test_a_lost_connection_is_made_again() -> None:
    owner = Owner()
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        follower = client.follow("k")
        await some(follower, 3)
        for session in list(node.sessions):
            session.transport.abort()
        assert (await anext(follower)).kind == "resynchronized"


@pytest.mark.asyncio
async def test_a_large_content_is_got_by_itself() -> None:
    owner = Owner()
    owner.entries = {b"k1": (1, None)}
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        follower = client.follow("k", contents=True)
        assert await some(follower, 2) == [Change("present", "k1", 9, b"large"), Change("synchronized", "")]


@pytest.mark.asyncio
async def test_whoever_was_never_synchronized_gives_up_at_the_timeout() -> None:
    owner = Owner()
    owner.busy = True
    async with StubNode(owner) as node, Client(node.address, timeout=0.5) as client:
        view_of([node])
        with pytest.raises(errors.UnstableError):
            await anext(client.follow("k"))


@pytest.mark.asyncio
async def test_a_defect_does_not_pass_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StubNode(Owner()) as node, Client(node.address) as client:
        view_of([node])
        follower = client.follow("k")
        monkeypatch.setattr(follower, "_synchronize", None)
        with pytest.raises(TypeError):
            await anext(follower)


@pytest.mark.asyncio
async def test_a_client_that_is_closed_ends_its_followers() -> None:
    async with StubNode(Owner()) as node:
        view_of([node])
        client = Client(node.address)
        follower = client.follow("k")
        await some(follower, 3)
        await client.close()
        assert await anext(follower, None) is None


def test_a_blocking_client_follows_too() -> None:
    with StubThread(Owner()) as node, BlockingClient(node.address) as client:
        view_of([node])
        followed = client.follow("k", contents=True)
        assert [next(followed).alias for _ in range(2)] == ["k1", "k2"]
        followed.close()  # type: ignore[attr-defined]
