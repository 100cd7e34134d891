"""Scans, whereabouts and status against scripted nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.stub_node import StubNode, alias_owned_by, failed, view_of
from wrpme import Client, errors
from wrpme.limits import PAGE_ALIASES_MAX
from wrpme.protocol import ring
from wrpme.protocol.access.messages import Identity, WhoAmI
from wrpme.protocol.access.users import Role
from wrpme.protocol.administration import StopNode
from wrpme.protocol.messages import (
    Aliases, Count, Done, Failed, GetConfig, GetLog, GetStatus, GetView, Number, PrefixScan, RemoveAll, Reply,
    Request, Text,
)  # fmt: skip
from wrpme.client.watch.view_json import topology
from wrpme.shell.format import hive_text, location_text

pytestmark = pytest.mark.asyncio

A, B, C = (letter * 16 for letter in (b"a", b"b", b"c"))


def unstable(request: Request) -> Reply:
    return Failed(request.id, errors.UnstableError.code, "this node is at another epoch")


class Owner:
    """A script: the entries of one owner, which answers scans at its epoch alone."""

    def __init__(self, aliases: Iterable[str], epoch: int = 1, page: int = PAGE_ALIASES_MAX) -> None:
        self.aliases = sorted(alias.encode() for alias in aliases)
        self.epoch = epoch
        self.page = page

    def __call__(self, request: Request) -> Reply | None:
        if isinstance(request, Count | PrefixScan | RemoveAll) and request.epoch != self.epoch:
            return unstable(request)
        if isinstance(request, Count):
            return Number(request.id, len(self.aliases))
        if isinstance(request, RemoveAll):
            removed, self.aliases = self.aliases[: self.page], self.aliases[self.page :]
            return Number(request.id, len(removed), removed[-1] if removed else b"")
        if isinstance(request, PrefixScan):
            left = [alias for alias in self.aliases if alias.startswith(request.prefix) and alias > request.after]
            size = min(self.page, request.count_max)
            last = left[size - 1] if len(left) > size else b""
            return Aliases(request.id, tuple(left[:size]), len(left) > size, last)
        return None


# --- scans -----------------------------------------------------------------------------------------------------------


async def test_count_asks_every_owner_at_one_epoch() -> None:
    async with StubNode(Owner("abc"), A) as one, StubNode(Owner("de"), B) as two, Client(one.address) as client:
        view_of([one, two])
        assert await client.count() == 5
        assert [(request.node, request.epoch) for request in two.seen_of(Count)] == [(B, 1)]


async def test_count_starts_over_at_another_epoch() -> None:
    first, second = Owner("abc", epoch=2), Owner("de")
    async with StubNode(first, A) as one, StubNode(second, B) as two, Client(one.address) as client:
        view_of([one, two])
        counting = asyncio.create_task(client.count())
        while not one.seen_of(Count):
            await asyncio.sleep(0)
        view_of([one, two], epoch=2)
        two.script = Owner("defg", epoch=2)
        assert await counting == 7


async def test_a_hive_that_never_agrees_is_unstable() -> None:
    async with StubNode(unstable, A) as node, Client(node.address, timeout=2.0) as client:
        view_of([node])
        with pytest.raises(errors.UnstableError, match="another epoch"):
            await client.count()
        assert len(node.seen_of(Count)) > 5


@pytest.mark.parametrize("operation", ["count", "prefix_get", "remove_all"])
async def test_a_scan_names_who_is_missing(operation: str) -> None:
    async with StubNode(Owner("a"), A) as one, StubNode(Owner("b"), B) as two, Client(one.address) as client:
        view_of([one, two], down=[two])
        with pytest.raises(errors.UnavailableError) as caught:
            await (client.prefix_get("a") if operation == "prefix_get" else getattr(client, operation)())
        assert two.address in str(caught.value) and one.address not in str(caught.value)
        assert {type(request) for request in one.seen} == {GetView}


async def test_another_error_counts_more_than_unstable() -> None:
    def broken(request: Request) -> Reply:
        return Failed(request.id, errors.StorageError.code, "the disk is full")

    async with StubNode(unstable, A) as one, StubNode(broken, B) as two, Client(one.address) as client:
        view_of([one, two])
        with pytest.raises(errors.StorageError, match="the disk is full"):
            await client.count()


@pytest.mark.parametrize("page", [1, 3, 1000])
@pytest.mark.parametrize("most", [None, 0, 1, 7, 30, 31])
async def test_prefix_get_merges_pages(page: int, most: int | None) -> None:
    names = [f"x{number:02}" for number in range(30)]

    scripts = [Owner([*names[start::3], "other"], page=page) for start in range(3)]
    async with (
        StubNode(scripts[0], A) as one,
        StubNode(scripts[1], B) as two,
        StubNode(scripts[2], C) as three,
        Client(one.address) as client,
    ):
        view_of([one, two, three], arcs=9)
        assert await client.prefix_get("x", most) == names[:most]
        if most == 1:
            assert all(len(node.seen_of(PrefixScan)) == 1 for node in (one, two, three))


async def test_prefix_get_passes_over_empty_pages() -> None:
    pages = [((), True, b"b"), ((), True, b"m"), ((b"x1",), True, b"x1"), ((), False, b"")]

    def script(request: Request) -> Reply:
        assert isinstance(request, PrefixScan)
        aliases, more, last = pages[len(node.seen_of(PrefixScan)) - 1]
        return Aliases(request.id, aliases, more, last)

    async with StubNode(script, A) as node, Client(node.address) as client:
        view_of([node])
        assert await client.prefix_get("x") == ["x1"]
        assert [request.after for request in node.seen_of(PrefixScan)] == [b"", b"b", b"m", b"x1"]


async def test_prefix_get_goes_on_where_it_was_when_the_epoch_changed() -> None:
    first, second = Owner(["x1", "x3", "x5"], page=1), Owner(["x2", "x4", "x6"], page=1)
    async with StubNode(first, A) as one, StubNode(second, B) as two, Client(one.address) as client:
        view_of([one, two])
        scanning = asyncio.create_task(client.prefix_get("x"))
        while len(two.seen_of(PrefixScan)) < 2:
            await asyncio.sleep(0)
        first.epoch = second.epoch = 2
        view_of([one, two], epoch=2)
        assert await scanning == ["x1", "x2", "x3", "x4", "x5", "x6"]


async def test_remove_all_goes_on_until_nothing_is_left() -> None:
    first, second = Owner("abcde", page=2), Owner("fg", page=2)
    async with StubNode(first, A) as one, StubNode(second, B) as two, Client(one.address) as client:
        view_of([one, two])
        assert await client.remove_all() == 7
        assert first.aliases == [] and second.aliases == []
        assert len(one.seen_of(RemoveAll)) == 4


async def test_remove_all_asks_for_what_comes_after_the_last_page() -> None:
    async with StubNode(Owner("abcde", page=2), A) as node, Client(node.address) as client:
        view_of([node])
        removed = await client.remove_all()
        assert removed == 5 and removed.exact
        assert [request.after for request in node.seen_of(RemoveAll)] == [b"", b"b", b"d", b"e"]


@pytest.mark.parametrize("code", [errors.IndeterminateError.code, errors.UnstableError.code])
async def test_remove_all_goes_on_and_says_what_it_knows(code: int) -> None:
    """A page of which nobody knows how it ended; or that was not carried out."""

    owner = Owner("abcdefg", page=2)

    def script(request: Request) -> Reply | None:
        if isinstance(request, RemoveAll) and len(node.seen_of(RemoveAll)) == 2:
            if code == errors.IndeterminateError.code:
                owner(request)
            return Failed(request.id, code, "the hive changed")
        return owner(request)

    async with StubNode(script, A) as node, Client(node.address) as client:
        view_of([node])
        removed = await client.remove_all()
        assert owner.aliases == []
        assert removed.exact == (code == errors.UnstableError.code)
        assert removed == (7 if removed.exact else 5)


# --- whereabouts and status ------------------------------------------------------------------------------------------


async def test_locate() -> None:
    async with StubNode(unstable, A) as one, StubNode(unstable, B) as two, Client(one.address) as client:
        view = view_of([one, two])
        alias = alias_owned_by(view, B)
        found = await client.locate(alias)
        assert found.owner is not None and found.owner.address == two.address
        assert found.start <= found.position <= found.arc.end and found.position == ring.hash_of(alias)
        text = location_text(found)
        assert f"owner     {two.address}" in text and "12.5 % of the ring" in text and "incoming" not in text
        view_of([one, two], epoch=2, down=[two])
        text = location_text(await client.locate(alias))
        assert f"none, until {two.address} returns" in text and f"{two.address} (down)" in text


async def test_wait_stable() -> None:
    async with StubNode(unstable, A) as one, StubNode(unstable, B) as two, Client(one.address) as client:
        one.script, two.script = status(one), status(two)
        whole = view_of([one, two])
        moving = replace(whole, arcs=(replace(whole.arcs[0], incoming=(B,)), *whole.arcs[1:]))
        one.view = moving
        waiting = asyncio.create_task(client.wait_stable())
        while not one.seen:
            await asyncio.sleep(0)
        one.view = replace(whole, epoch=2)
        one.notice(2)
        await waiting
        one.script = status(one, quorum="this node sees 1 of 3 voters")
        with pytest.raises(errors.TimeoutError, match=r"after 1 s the hive is unavailable: .* sees 1 of 3"):
            await client.wait_stable(1)
        one.view, one.script = replace(moving, epoch=3), status(one, joining=5)
        with pytest.raises(errors.TimeoutError, match=r"after 3 s .*: 2 of 7 nodes have joined; 1 of 8"):
            await client.wait_stable(3)
        with pytest.raises(errors.TimeoutError, match=r"after 0 s the hive is stabilizing"):
            await client.wait_stable(0)


def stats(stub: StubNode, **more: Any) -> dict[str, Any]:
    return {
        "address": stub.address,
        "epoch": 1,
        "state": "up",
        "version": "0.1.0",
        "uptime_seconds": 3723.4,
        "share": 0.5,
        "entries": 12_345,
        "bytes": 3 * 1024 * 1024,
        "voter": True,
        "suspected": [],
        "quorum": "",
        "copies_out": [],
        **more,
    }


def status(stub: StubNode, **more: Any) -> Any:
    return lambda request: Text(request.id, json.dumps(stats(stub, **more)))


def in_order(text: str, *stubs: StubNode) -> list[str]:
    """The lines of a table, which is sorted by address, in the order of the stubs; head first, sentence last."""
    head, *rows, last = text.splitlines()
    assert rows == sorted(rows, key=lambda row: int(row.split()[0].split(":")[1]))
    return [head, *(row for stub in stubs for row in rows if row.startswith(stub.address)), last]


async def test_hive_status_shows_figures_and_who_is_silent() -> None:
    async with StubNode(unstable, A) as one, StubNode(lambda _: None, B) as two, Client(one.address) as client:
        one.script = status(one)
        view_of([one, two])
        found = await client.hive_status()
        assert found.nodes[0].stats is not None and found.nodes[1].stats is None
        lines = in_order(hive_text(found), one, two)
        assert lines[0].split() == ["ADDRESS", "STATE", "SHARE", "ENTRIES", "COPIES", "BYTES", "EPOCH", "UPTIME"]
        assert lines[1].split() == f"{one.address} up 50.0 % 12,345 0 3.0 MiB 1 1 h 2 min".split()
        assert lines[2].split() == f"{two.address} no answer 50.0 % ? ? ? ? ?".split()
        assert lines[3].startswith(f"unavailable: {two.address} does not answer")


async def test_hive_status_of_a_hive_with_a_dead_node() -> None:
    async with StubNode(unstable, A) as one, StubNode(unstable, B) as two, Client(one.address) as client:

        def script(request: Request) -> Reply:
            assert isinstance(request, GetStatus)
            if request.node == A:
                return Text(request.id, json.dumps(stats(one, suspected=["other:1"])))
            return Failed(request.id, errors.UnavailableError.code, "it has been down for 12 s")

        one.script = script
        view_of([one, two], down=[two])
        lines = in_order(hive_text(await client.hive_status()), one, two)
        assert lines[2].split() == f"{two.address} down 50.0 % ? ? ? ? ?".split()
        assert lines[3].startswith("unavailable: ") and two.address in lines[3]
        assert "it has been down for 12 s" in lines[3]


async def test_hive_status_tells_what_moves_and_how_far() -> None:
    async with StubNode(unstable, A) as one, StubNode(unstable, B) as two, Client(one.address) as client:
        view = view_of([one, two])
        ends = [view.arcs[index].end for index in (0, 2)]
        arcs = tuple(replace(arc, incoming=(B,)) if arc.end in ends else arc for arc in view.arcs)
        one.view = replace(view, arcs=arcs)
        copy = {"end": f"{ends[0]:016x}", "peer": two.address, "done": 0.5}
        one.script, two.script = status(one, copies_out=[copy]), status(two, suspected=[one.address])
        text = hive_text(await client.hive_status())
        assert f"; {two.address} receives 25.0 % of the ring, 25 % done" in text
        assert f"{one.address}  suspected" in text


async def test_status_that_is_no_status() -> None:
    async with StubNode(lambda request: Text(request.id, "[1]"), A) as node, Client(node.address) as client:
        view_of([node])
        assert "no answer" in hive_text(await client.hive_status())
        with pytest.raises(errors.ProtocolError, match="no proper JSON"):
            await client.node_status(node.address)


async def test_nodes_are_asked_by_address() -> None:
    def script(request: Request) -> Reply:
        if isinstance(request, StopNode):
            return Done(request.id)
        return Text(request.id, json.dumps({"of": type(request).__name__, "node": request.node.decode()}))  # type: ignore[union-attr]

    async with StubNode(unstable, A) as one, StubNode(script, B) as two, Client(one.address) as client:
        view_of([one, two])
        assert await client.node_status(two.address) == {"of": "GetStatus", "node": B.decode()}
        assert await client.node_config(two.address) == {"of": "GetConfig", "node": B.decode()}
        await client.stop_node(two.address)
        assert {type(request) for request in two.seen} == {GetStatus, GetConfig, StopNode}
        own = two.view = view_of([two], epoch=9)
        assert await client.node_topology(two.address) == own
        with pytest.raises(errors.UsageError, match=r"no node of this hive is at 127\.0\.0\.1:1; its nodes are"):
            await client.stop_node("127.0.0.1:1")


async def test_the_topology_of_a_dead_node_is_not_told_by_another() -> None:
    async with StubNode(unstable, A) as one, StubNode(unstable, B) as two, Client(one.address) as client:
        view_of([one, two])
        two.die()
        with pytest.raises(errors.ConnectionError, match=f"no daemon answers at {two.address}"):
            await client.node_topology(two.address)


async def test_topology_names_nodes_by_address() -> None:
    async with StubNode(unstable, A) as one, StubNode(unstable, B) as two:
        plain = msgspec.to_builtins(topology(view_of([one, two])))
        assert plain["arcs"][1]["holders"] == (two.address,) and plain["voters"] == (one.address,)
        assert plain["members"][0] == {
            "address": one.address, "id": A.hex(), "incarnation": 1, "joined": 1, "state": "up",
            "secured": False,
        }  # fmt: skip
        assert plain["arcs"][-1]["end"] == "f" * 16 and plain["arcs"][0]["start"] == "0" * 16


async def test_the_log_is_that_of_the_very_node() -> None:
    async with StubNode(unstable, A) as one, StubNode(unstable, B) as two, Client(one.address) as client:
        view_of([one, two])
        two.script = lambda request: Text(request.id, '["a line"]')
        assert await client.log_of(two.address) == ["a line"]
        assert [type(request) for request in two.seen] == [GetLog]
        two.script = lambda request: Text(request.id, '{"no": "log"}')
        with pytest.raises(errors.ProtocolError, match="no proper log"):
            await client.log_of(two.address)
        two.die()
        with pytest.raises(errors.ConnectionError):
            await client.log_of(two.address)


async def test_a_hive_that_never_had_users_is_open_without_a_question() -> None:
    """Nodes of former releases would take the question for nonsense."""
    async with StubNode(unstable, A) as node, Client(node.address, timeout=0.5) as client:
        view = view_of([node])
        assert (await client.hive_status()).open and not node.seen_of(WhoAmI)
        node.view = replace(view, epoch=2, users_since=2)
        for is_open in (True, False):
            node.script = partial(_identity, is_open)
            assert (await client.hive_status()).open is is_open
        node.script = unstable
        assert not (await client.hive_status()).open


def _identity(is_open: bool, request: Request) -> Identity:
    return Identity(request.id, "", Role.NOBODY, open=is_open)


async def test_who_may_not_see_slow_requests_is_told_so_and_not_that_nodes_are_silent() -> None:
    denied = failed(errors.DeniedError("ann may read, and slow_log needs the role admin"))
    async with StubNode(denied, A) as one, StubNode(denied, B) as two, Client(one.address) as client:
        view_of([one, two])
        with pytest.raises(errors.DeniedError, match="needs the role admin"):
            await client.slow_log()
