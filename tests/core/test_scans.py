"""Counts, pages of aliases and remove_all: answered for what this node owns, and never with half the truth."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest

from tests.harness import Hive, hive_of, identity, word_of
from tests.replica_parts import END, TWO, A, B, Bench, held, view_of
from wrpme.core.layout import ENTRIES, version_bytes
from wrpme.core.limits import PAGE_BYTES_MAX, PAGE_CONTENT_BYTES_MAX
from wrpme.core.replication import scans
from wrpme.limits import ALIAS_BYTES_MAX, LEASE_SECONDS
from wrpme.protocol import ring
from wrpme.protocol.codec import encode
from wrpme.protocol.messages import (
    Aliases, Count, Expire, Failed, Get, Number, PrefixScan, Put, Remove, RemoveAll, RingScan, Update,
)  # fmt: skip
from wrpme.protocol.view import Arc, Down

WHOLE = (Arc(END, 1, (A,)),)


def scan(made: Bench, request: Count | PrefixScan | RemoveAll | RingScan) -> int:
    """Asks A; gives the session."""
    made.sessions += 1
    side = made[A]
    side.context.now = made.now
    call = {
        Count: side.scans.count,
        PrefixScan: side.scans.prefix_scan,
        RemoveAll: side.scans.remove_all,
        RingScan: side.scans.ring_scan,
    }
    call[type(request)](made.sessions, request)  # type: ignore[operator]
    side.collect()
    return made.sessions


# --- scans -------------------------------------------------------------------------------------------------------


def test_scans_see_what_is_not_on_disk_yet_and_wait_for_it() -> None:
    made = Bench(WHOLE[0], (A,))
    for alias in (b"a1", b"a2", b"b1"):
        made[A].ask(Put(1, alias, b""))
    made.settle()
    made[A].ask(Remove(1, b"a1"))
    made[A].ask(Put(1, b"a3", b""))
    counted, found = scan(made, Count(2, A, 1)), scan(made, PrefixScan(3, A, 1, b"a"))
    assert counted not in made[A].replies and found not in made[A].replies
    made.settle()
    assert made[A].replies[counted] == Number(2, 3)
    assert made[A].replies[found] == Aliases(3, (b"a2", b"a3"), False, b"a3")


def test_a_page_has_contents_and_versions_if_they_are_asked_for() -> None:
    made = Bench(WHOLE[0], (A,))
    made[A].ask(Put(1, b"a1", b"old"))
    made[A].ask(Put(1, b"a2", bytes(PAGE_CONTENT_BYTES_MAX + 1)))
    made.settle()
    made[A].ask(Update(1, b"a1", b"new"))
    made[A].ask(Put(1, b"a3", b""))
    session = scan(made, PrefixScan(3, A, 1, b"a", contents=True, versions=True))
    assert session not in made[A].replies, "what is not acknowledged may not be seen"
    made.settle()
    page = made[A].replies[session]
    assert isinstance(page, Aliases) and page.aliases == (b"a1", b"a2", b"a3")
    assert page.contents == (b"new", None, b""), "a large one is got by itself"
    assert page.versions == tuple(version_bytes((1, number)) for number in (3, 2, 4))
    for asked in (PrefixScan(4, A, 1, b"a", contents=True), PrefixScan(4, A, 1, b"a", versions=True)):
        page = made[A].replies[scan(made, asked)]
        assert isinstance(page, Aliases)
        assert bool(page.contents) is asked.contents and bool(page.versions) is asked.versions


@pytest.mark.parametrize(("name", "value", "pages"), [("PAGE_VALUES_MAX", 2, 3), ("PAGE_BYTES_MAX", 100, 5)])
def test_a_page_with_contents_is_small(monkeypatch: pytest.MonkeyPatch, name: str, value: int, pages: int) -> None:
    monkeypatch.setattr(scans, name, value)
    made = Bench(WHOLE[0], (A,))
    for number in range(5):
        made[A].ask(Put(1, b"a%d" % number, bytes(100)))
    made.settle()
    found: list[Aliases] = []
    while not found or found[-1].more:
        page = made[A].replies[scan(made, PrefixScan(3, A, 1, b"a", found[-1].last if found else b"", contents=True))]
        assert isinstance(page, Aliases)
        found.append(page)
    assert len(found) == pages
    assert [alias for page in found for alias in page.aliases] == [b"a%d" % number for number in range(5)]


@pytest.mark.parametrize("looks", [False, True])
def test_a_page_of_long_aliases_is_bounded_in_bytes(looks: bool) -> None:
    made = Bench(WHOLE[0], (A,))
    aliases = [b"%04d" % number + bytes(ALIAS_BYTES_MAX - 4) for number in range(300)]
    for alias in aliases:
        made[A].ask(Put(1, alias, b""))
    made.settle()
    found: list[Aliases] = []
    while not found or found[-1].more:
        after = found[-1].last if found else b""
        page = made[A].replies[scan(made, PrefixScan(3, A, 1, b"", after, contents=looks, versions=looks))]
        assert isinstance(page, Aliases)
        assert len(encode(page)) < PAGE_BYTES_MAX + 2 * ALIAS_BYTES_MAX
        assert len(encode(page)) > PAGE_BYTES_MAX // 2 or not page.more
        found.append(page)
    assert [alias for page in found for alias in page.aliases] == aliases


def test_a_scan_that_the_hive_changes_under_is_not_answered_with_half_the_truth() -> None:
    made = Bench(WHOLE[0], (A,))
    made[A].ask(Put(1, b"a", b""))
    session = scan(made, Count(2, A, 1))
    made[A].adopt(view_of(Arc(END, 2, (B,), (), (A,)), 2))
    made.settle()
    assert word_of(made[A].replies[session]) == "unstable"


def test_pages_of_a_prefix() -> None:
    made = Bench(WHOLE[0], (A,))
    aliases = sorted(b"p%d" % number for number in range(25))
    for alias in [*aliases, b"o", b"q"]:
        made[A].ask(Put(1, alias, b""))
    made.settle()
    found: list[bytes] = []
    after, more, pages = b"", True, 0
    while more:
        page = made[A].replies[scan(made, PrefixScan(3, A, 1, b"p", after, 10))]
        assert isinstance(page, Aliases)
        found += page.aliases
        after, more, pages = page.last, page.more, pages + 1
    assert found == aliases and pages == 3


def test_a_scan_stops_at_what_it_may_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "PAGE_ENTRIES_SCANNED_MAX", 4)
    made = Bench(WHOLE[0], (A,))
    for number in range(6):
        made[A].ask(Put(1, b"p%d" % number, b""))
    made.settle()
    assert made[A].replies[scan(made, PrefixScan(3, A, 1, b""))] == Aliases(
        3, (b"p0", b"p1", b"p2", b"p3"), True, b"p3"
    )


def test_expired_entries_are_not_found_by_a_scan() -> None:
    made = Bench(WHOLE[0], (A,))
    for number in range(3):
        made[A].ask(Put(1, b"p%d" % number, b""))
    made[A].ask(Expire(1, b"p1", 500, relative=True))
    made.settle()
    made.now += 1
    session = scan(made, PrefixScan(3, A, 1, b"p"))
    assert session not in made[A].replies, "who is told that it is gone must not see it again, by whatever clock"
    made.settle()
    page = made[A].replies[session]
    assert isinstance(page, Aliases) and page.aliases == (b"p0", b"p2")
    made[A].context.process.wall_offset_milliseconds -= 3_600_000
    assert made[A].replies[scan(made, PrefixScan(3, A, 1, b"p"))] == page


def test_remove_all_goes_on_until_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "REMOVE_ENTRIES_MAX", 4)
    made = Bench(WHOLE[0], (A,))
    for number in range(9):
        made[A].ask(Put(1, b"p%d" % number, b""))
    removed: list[int] = []
    after = b""
    while not removed or after:
        session = scan(made, RemoveAll(3, A, 1, after))
        assert session not in made[A].replies or made[A].replies[session] == Number(3, 0)
        made.settle()
        page = made[A].replies[session]
        assert isinstance(page, Number) and (page.cursor > after or not page.cursor)
        after = page.cursor
        removed.append(page.number)
    assert removed == [4, 4, 1, 0]
    assert list(made[A].store.scan(b"", b"m")) == [] and made[A].replica.counts() == (0, 0)


def test_remove_all_takes_little_at_a_time_where_contents_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "REMOVE_BYTES_MAX", 1000)
    made = Bench(WHOLE[0], (A,))
    for number in range(5):
        made[A].ask(Put(1, b"p%d" % number, bytes(600)))
    made.settle()
    session = scan(made, RemoveAll(3, A, 1))
    made.settle()
    page = made[A].replies[session]
    assert isinstance(page, Number) and page.number == 2


def test_remove_all_looks_at_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was removed lies in the way of a scan for a while; and so do the removals that wait for slow disks."""
    monkeypatch.setattr(scans, "REMOVE_ENTRIES_MAX", 10)
    made = Bench(WHOLE[0], (A,))
    for number in range(200):
        made[A].ask(Put(1, b"p%d" % number, b""))
    made.settle()
    seen: list[bytes] = []
    scan_ = made[A].store.scan

    def watched(low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        for pair in scan_(low, high):
            seen.append(pair[0])
            yield pair

    monkeypatch.setattr(made[A].store, "scan", watched)
    after = b""
    for page in range(20):
        scan(made, RemoveAll(page, A, 1, after))
        after = max(made[A].replica.writes.overlay) + b"\0"
    assert len(seen) == 200 and len(made[A].replica.writes.queue) == 200
    made.settle()
    assert made[A].stored() == {}


def test_who_was_told_that_entries_are_removed_was_told_the_truth() -> None:
    """The lease runs out while the removals are on their way: they are done all the same, and are counted. Nothing is
    left, only who has a lease can say."""
    made = held(TWO)
    for number in range(5):
        made[A].ask(Put(1, b"p%d" % number, b""))
    made.settle()
    session = scan(made, RemoveAll(3, A, 1))
    made.now += LEASE_SECONDS
    made.settle()
    page = made[A].replies[session]
    assert isinstance(page, Number) and page.number == 5 and made[A].valid_until[session] == inf
    assert word_of(made[A].replies[scan(made, RemoveAll(3, A, 1, page.cursor))]) == "unstable"
    made.lease(A, B)
    last = scan(made, RemoveAll(3, A, 1, page.cursor))
    assert made[A].replies[last] == Number(3, 0) and made[A].valid_until[last] == made.now + LEASE_SECONDS


def test_removals_that_nobody_has_counted_are_said_to_be_unknown() -> None:
    made = held(TWO)
    for number in range(5):
        made[A].ask(Put(1, b"p%d" % number, b""))
    made.settle()
    session = scan(made, RemoveAll(3, A, 1))
    made[A].adopt(view_of(Arc(END, 2, (B,), (), (A,)), 2))
    made.settle()
    assert word_of(made[A].replies[session]) == "indeterminate"
    assert "while 5 entries were removed; they may or may not be there" in made[A].fails(session)


@pytest.mark.parametrize("epoch", [0, 2, 99])
def test_a_scan_of_another_epoch_is_refused(epoch: int) -> None:
    made = Bench(WHOLE[0], (A,))
    for request in (Count(3, A, epoch), PrefixScan(3, A, epoch, b""), RemoveAll(3, A, epoch)):
        assert word_of(made[A].replies[scan(made, request)]) == "unstable"


def test_a_scan_needs_every_lease() -> None:
    made = Bench(Arc(END, 1, (A,), (B,)))
    made[A].tick()
    made.settle()
    session = scan(made, Count(3, A, 1))
    assert word_of(made[A].replies[session]) == "unstable" and "lost sight of b" in made[A].fails(session)
    made.lease(A, B)
    assert made[A].replies[scan(made, Count(3, A, 1))] == Number(3, 0)


def test_the_whole_hive_is_counted_node_by_node() -> None:
    hive = hive_of("a", "b", "c")
    for number in range(90):
        hive.ask("a", Put(1, b"k%d" % number, b""))
    epoch = hive.view("a").epoch
    total = 0
    for name in "abc":
        reply = hive.ask("b", Count(1, identity(name), epoch))
        assert isinstance(reply, Number) and reply.number > 0
        total += reply.number
    assert total == 90
    hive.nodes["a"].voter.request(Down(identity("c"), 1, planned=True))
    hive.until(lambda: hive.view("a").epoch > epoch)
    reply = hive.ask("a", Count(1, identity("a"), epoch))
    assert isinstance(reply, Failed) and word_of(reply) == "unstable"
    assert word_of(hive.ask("a", Get(1, b"k1"))) in ("", "unavailable")


# --- in the order of the ring ------------------------------------------------------------------------------------


def pages_of(made: Bench, count: int) -> list[tuple[bytes, ...]]:
    """All pages in the order of the ring."""
    found: list[tuple[bytes, ...]] = []
    cursor, more = 0, True
    while more:
        page = made[A].replies[scan(made, RingScan(3, cursor, count))]
        assert isinstance(page, Aliases), page
        found.append(page.aliases)
        assert int.from_bytes(page.last, "big") > cursor, "it goes on"
        cursor, more = int.from_bytes(page.last, "big"), page.more
    return found


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_pages_in_the_order_of_the_ring_have_each_entry_once(count: int) -> None:
    made = Bench(WHOLE[0], (A,))
    aliases = [b"%d" % number for number in range(100)]
    for alias in aliases[:50]:
        made[A].ask(Put(1, alias, b""))
    made.settle()
    for alias in aliases[50:]:  # some are not on the disk yet
        made[A].ask(Put(1, alias, b""))
    session = scan(made, RingScan(3, 0, 1000))
    assert session not in made[A].replies, "what it saw may be undone"
    made.settle()
    found = pages_of(made, count)
    assert sorted(alias for page in found for alias in page) == sorted(aliases)
    assert all(len(page) <= count for page in found)
    assert [alias for page in found for alias in page] == sorted(aliases, key=ring.hash_of)


@pytest.mark.parametrize("count", [3, 50])
def test_the_entries_of_a_tag_come_in_pages_too(count: int) -> None:
    hive = hive_of("a")
    aliases = [b"{tag}%d" % number for number in range(300)]
    for alias in aliases:
        hive.ask("a", Put(1, alias, b""))
    pages = pages_through(hive, "a", count)
    assert sorted(alias for page in pages for alias in page) == sorted(aliases)
    assert all(len(page) <= count + 2 for page in pages), "what has one cursor stays together"


def test_a_tag_that_is_too_large_for_a_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "TAG_ENTRIES_SCANNED_MAX", 5)
    hive = hive_of("a")
    for number in range(6):
        hive.ask("a", Put(1, b"{tag}%d" % number, b""))
    reply = hive.ask("a", RingScan(3, ring.cursor_at(ring.hash_of(b"tag"))))
    assert word_of(reply) == "too_large" and isinstance(reply, Failed) and 'the tag "tag" has' in reply.sentence


def test_a_page_in_the_order_of_the_ring_is_bounded_in_bytes() -> None:
    made = Bench(WHOLE[0], (A,))
    for number in range(300):
        made[A].ask(Put(1, b"%04d" % number + bytes(ALIAS_BYTES_MAX - 4), bytes(100)))
    made.settle()
    pages = pages_of(made, 1000)
    assert sum(map(len, pages)) == 300 and len(pages) == 3


def test_what_has_expired_is_in_no_page_and_is_gone() -> None:
    made = Bench(WHOLE[0], (A,))
    wall = int(made[A].context.time.early)
    made[A].ask(Put(1, b"old", b"", wall + 1000))
    made[A].ask(Put(1, b"new", b"", wall + 9000))
    made.settle()
    made.now += 2.0
    session = scan(made, RingScan(3, 0))
    made.settle()
    page = made[A].replies[session]
    assert isinstance(page, Aliases) and page.aliases == (b"new",)
    assert [key[9:] for key, _ in made[A].store.scan(*ENTRIES)] == [b"new"]


def pages_through(hive: Hive, name: str, count: int) -> list[tuple[bytes, ...]]:
    """All pages in the order of the ring, asked at that node."""
    found: list[tuple[bytes, ...]] = []
    cursor, more = 0, True
    while more:
        page = hive.ask(name, RingScan(2, cursor, count))
        assert isinstance(page, Aliases)
        found.append(page.aliases)
        cursor, more = int.from_bytes(page.last, "big"), page.more
    return found


def test_who_does_not_own_the_arc_of_a_cursor_passes_it_on() -> None:
    hive = hive_of("a", "b", "c")
    aliases = sorted(b"%d" % number for number in range(30))
    for alias in aliases:
        hive.ask("a", Put(1, alias, b""))
    for name in "abc":
        assert sorted(alias for page in pages_through(hive, name, 4) for alias in page) == aliases
    assert word_of(hive.ask("a", RingScan(2, 1 << ring.CURSOR_BITS))) == "usage"
