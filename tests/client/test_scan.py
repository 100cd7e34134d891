"""Scans: pages of all owners in one order, through changes of the hive."""

from __future__ import annotations

import pytest

from tests.stub_node import StubNode, StubThread, content, view_of
from wrpme import BlockingClient, Client, errors
from wrpme.client.scan import Scanned
from wrpme.protocol.messages import Aliases, Content, Failed, Get, PrefixScan, Reply, Request

ENTRIES = {b"k%02d" % number: b"%d" % number for number in range(25)}
NAMES = [alias.decode() for alias in ENTRIES]
LARGE = b"k07"


def version(alias: bytes) -> bytes:
    return int(alias[1:]).to_bytes(16, "big")


class Owner:
    """Of all entries; a content that is large is in no page."""

    def __init__(self, page: int = 5) -> None:
        self.page = page
        self.entries = dict(ENTRIES)
        self.refusals = 0
        self.looks = True

    def __call__(self, request: Request) -> Reply | None:
        if isinstance(request, Get):
            if request.alias not in self.entries:
                return Failed(request.id, errors.NotFoundError.code, "there is none")
            return Content(request.id, self.entries[request.alias], version(request.alias))
        if not isinstance(request, PrefixScan):
            return None
        if self.refusals:
            self.refusals -= 1
            return Failed(request.id, errors.UnstableError.code, "the hive changes while it is scanned; try again")
        found = sorted(one for one in self.entries if one.startswith(request.prefix) and one > request.after)
        page = tuple(found[: min(self.page, request.count_max)])
        contents = tuple(None if one == LARGE else self.entries[one] for one in page) if request.contents else ()
        versions = tuple(version(one) for one in page) if request.versions else ()
        if not self.looks:
            contents = versions = ()
        last = page[-1] if page else request.after
        return Aliases(request.id, page, len(found) > len(page), last, contents, versions)


@pytest.mark.asyncio
async def test_what_was_asked_for_is_given_and_nothing_else() -> None:
    async with StubNode(Owner()) as node, Client(node.address) as client:
        view_of([node])
        every = [one async for one in client.scan(contents=True, versions=True)]
        assert every == [Scanned(alias.decode(), content, int(alias[1:])) for alias, content in ENTRIES.items()]
        assert [one async for one in client.scan("k1")] == [Scanned(f"k{at}", None, None) for at in range(10, 20)]
        assert [one.content async for one in client.scan("k0", contents=True)] == [b"%d" % at for at in range(10)]
        assert [one.version async for one in client.scan("k2", versions=True)] == [20, 21, 22, 23, 24]
        assert [one.alias async for one in client.scan(after="k03", limit=2)] == ["k04", "k05"]
        assert [one async for one in client.scan(limit=0)] == []
        assert [one async for one in client.scan("x")] == []


@pytest.mark.asyncio
async def test_it_goes_on_after_the_last_one_when_the_hive_changes() -> None:
    owner = Owner()
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        found = []
        async for one in client.scan(contents=True):
            found.append(one.alias)
            if len(found) in (4, 12):
                owner.refusals = 2
        assert found == NAMES


@pytest.mark.asyncio
async def test_a_large_content_that_has_gone_meanwhile_is_left_out() -> None:
    owner = Owner()
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        found = []
        async for one in client.scan(contents=True):
            found.append(one.alias)
            if one.alias == "k05":  # the page that begins here has the next one, too, without its content
                owner.entries.pop(LARGE)
        assert found == [alias for alias in NAMES if alias != "k07"]


ANY = [
    b"\0",
    b" ",
    b"a",
    b"a\xff",
    b"a\xff\0",
    b"\xc3",
    "é".encode(),
    "\uffff".encode(),
    "\U00010000".encode(),
    b"\xff",
]
"""In the order of their bytes, which is not that of their texts."""


@pytest.mark.asyncio
@pytest.mark.parametrize("page", [1, 2, 100])
async def test_aliases_that_are_no_utf_8_come_in_the_order_of_their_bytes_and_mean_the_same_entry(page: int) -> None:
    owners = [Owner(page) for _ in range(3)]
    for at, owner in enumerate(owners):
        owner.entries = {alias: alias for alias in ANY[at::3]}
    async with (
        StubNode(owners[0], b"a" * 16) as one, StubNode(owners[1], b"b" * 16) as two,
        StubNode(owners[2], b"c" * 16) as three, Client(one.address) as client,
    ):  # fmt: skip
        view_of([one, two, three])
        found = [entry async for entry in client.scan(contents=True)]
        assert [entry.content for entry in found] == ANY
        names = [entry.alias for entry in found]
        assert names == [alias.decode("utf-8", "surrogateescape") for alias in ANY] != sorted(names)
        assert await client.prefix_get("") == names
        assert await client.prefix_get("a\udcff") == await client.prefix_get(b"a\xff") == names[3:5]
        assert [entry.alias async for entry in client.scan(after=names[4])] == names[5:]
        one.script = two.script = three.script = content  # which is the alias
        assert [await client.get(name) for name in names] == ANY


@pytest.mark.asyncio
async def test_no_page_is_fetched_before_it_is_needed() -> None:
    async with StubNode(Owner()) as node, Client(node.address) as client:
        view_of([node])
        scan = client.scan()
        for _ in range(5):
            await anext(scan)
        assert len(node.seen_of(PrefixScan)) == 1
        await scan.aclose()
        assert len(node.seen_of(PrefixScan)) == 1


@pytest.mark.asyncio
async def test_a_page_without_what_was_asked_for_is_no_answer() -> None:
    owner = Owner()
    owner.looks = False
    async with StubNode(owner) as node, Client(node.address) as client:
        view_of([node])
        assert len([one async for one in client.scan()]) == len(ENTRIES)
        with pytest.raises(errors.ProtocolError, match="left a part of a page out"):
            await anext(client.scan(contents=True))


@pytest.mark.asyncio
async def test_what_is_asked_wrongly_is_refused() -> None:
    async with StubNode(Owner()) as node, Client(node.address) as client:
        view_of([node])
        with pytest.raises(errors.UsageError, match="below 0"):
            await anext(client.scan(limit=-1))
        with pytest.raises(errors.TooLargeError, match="5000 bytes, the limit is 4096"):
            await anext(client.scan("x" * 5000))
        with pytest.raises(errors.TooLargeError, match="5000 bytes, the limit is 4096"):
            await anext(client.scan(after=b"x" * 5000))
        assert not node.seen_of(PrefixScan)


def test_a_blocking_client_scans_in_the_same_way() -> None:
    with StubThread(Owner(10)) as node, BlockingClient(node.address) as client:
        found = list(client.scan("k", contents=True, versions=True))
        assert [(one.alias, one.content) for one in found] == list(zip(NAMES, ENTRIES.values(), strict=True))
        for one in client.scan():
            assert one.alias == "k00"
            break
        assert client.get("k01") == b"1", "a scan that was left is no hindrance"
