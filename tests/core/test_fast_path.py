"""The fast path: what it tells at once, where it stops, and what becomes of the updates of a burst."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.test_router import owned_by
from tests.harness import Hive, hive_of, identity
from wrpme.core.fast_path import BURST_UPDATES_MAX
from wrpme.core.io import BurstDone, Effect, TurnEnded
from wrpme.core.limits import ANSWER_BYTES_USUAL
from wrpme.errors import IndeterminateError, NotFoundError
from wrpme.limits import ALIAS_BYTES_MAX, LEASE_SECONDS, TURN_BYTES
from wrpme.protocol import ring, view_index
from wrpme.protocol.messages import Content, Done, Get, GetExpiry, Number, Put, Update


class Watched:
    """A hive, and what its nodes tell of bursts."""

    def __init__(self, *names: str) -> None:
        self.hive = hive_of(*names, replication=2)
        self.done: list[BurstDone] = []
        self.hive.watch = self._note

    def _note(self, name: str, effect: Effect) -> None:
        if isinstance(effect, BurstDone):
            self.done.append(effect)

    def get(self, name: str, *aliases: bytes) -> list[bytes | None]:
        return self.hive.nodes[name].fast_path.get(7, aliases, self.hive.clock(name))[0]

    def update(self, name: str, *pairs: tuple[bytes, bytes]) -> int:
        begun = self.hive.nodes[name].fast_path.update(7, 100, pairs, self.hive.clock(name))
        self.hive.event(name, TurnEnded(self.hive.clock(name)))
        return begun

    def ends(self) -> BurstDone:
        self.hive.until(lambda: bool(self.done))
        return self.done.pop()


@pytest.fixture
def one() -> Watched:
    return Watched("a")


@pytest.fixture
def two() -> Watched:
    return Watched("a", "b")


def owned(hive: Hive, name: str, count: int) -> list[bytes]:
    view, found = hive.view(name), []
    for number in range(1000):
        alias = b"k%d" % number
        if view_index.owner(view, view.arcs[ring.arc_at(view, ring.hash_of(alias))]) == identity(name):
            found.append(alias)
    return found[:count]


def test_what_is_there_and_what_is_not(one: Watched) -> None:
    assert one.update("a", (b"x", b"1"), (b"y", b""), (b"x", b"2")) == 3
    assert one.ends() == BurstDone(7, 100)
    assert one.get("a", b"x", b"none", b"y") == [b"2", None, b""]
    assert one.hive.nodes["a"].fast_path.get(7, [b"x"], one.hive.clock("a"))[1] == inf, "a hive of one needs no lease"
    assert one.hive.get("a", b"x") == b"2"


def test_entries_of_a_tag_are_where_the_others_look_for_them(two: Watched) -> None:
    aliases = [b"{t%d}%d" % (number // 4, number) for number in range(40)]
    for name in ("a", "b"):
        mine = [alias for alias in aliases if two.update(name, (alias, alias))]
        assert mine and two.ends().failed == ()
        assert {ring.tag_of(alias) for alias in mine} == {
            ring.tag_of(alias) for alias in aliases if two.get(name, alias) == [alias]
        }
        two.done.clear()
    assert [two.hive.ask("a", Get(1, alias)) for alias in aliases] == [Content(1, alias) for alias in aliases]


def test_an_update_has_a_version_and_a_copy() -> None:
    three = Watched("a", "b", "c")
    alias = owned_by(three.hive, "a")
    assert three.update("a", (alias, b"1"))
    three.ends()
    told = three.hive.ask("a", GetExpiry(1, alias, versioned=True))
    assert isinstance(told, Number) and any(told.version)
    three.hive.kill("a")
    three.hive.until(lambda: three.hive.ask("b", Get(1, alias)) == Content(1, b"1"), seconds=60)


def test_what_is_not_acknowledged_yet_is_not_told(two: Watched) -> None:
    alias = owned_by(two.hive, "a")
    two.hive.cut("a", "b")
    assert two.update("a", (alias, b"1"))
    assert two.get("a", alias) == [] and not two.done
    two.hive.heal()
    assert two.ends().failed == () and two.get("a", alias) == [b"1"]


def test_it_stops_at_what_lives_elsewhere(two: Watched) -> None:
    mine, (theirs,) = owned(two.hive, "a", 2), owned(two.hive, "b", 1)
    assert two.update("a", (mine[0], b"1"), (theirs, b"2"), (mine[1], b"3")) == 1
    assert two.ends() == BurstDone(7, 100)
    assert two.get("a", mine[0], theirs, mine[1]) == [b"1"]
    assert two.get("a", mine[1], theirs) == [None]


@pytest.mark.parametrize("alias", [b"", bytes(ALIAS_BYTES_MAX + 1)])
def test_it_stops_at_what_is_no_alias(one: Watched, alias: bytes) -> None:
    assert one.get("a", b"x", alias, b"y") == [None]
    assert one.update("a", (b"x", b"1"), (alias, b""), (b"y", b"2")) == 1


def test_it_stops_at_life_spans_and_at_large_contents(one: Watched) -> None:
    assert one.hive.ask("a", Put(1, b"short", b"1", ttl=60_000)) == Done(1)
    assert one.hive.ask("a", Put(2, b"large", bytes(ANSWER_BYTES_USUAL + 1))) == Done(2)
    assert one.get("a", b"short") == [] == one.get("a", b"large")
    assert one.update("a", (b"short", b"2")) == 0, "an update takes the life span away"
    assert one.update("a", (b"large", b"2")) == 1
    one.ends()
    assert one.get("a", b"large") == [b"2"]


def test_a_burst_is_bounded(one: Watched) -> None:
    assert one.update("a", *[(b"%d" % number, b"") for number in range(BURST_UPDATES_MAX + 5)]) == BURST_UPDATES_MAX
    assert one.ends().failed == ()
    assert one.hive.nodes["a"].stats(one.hive.clock("a"))


def test_what_is_read_at_once_is_bounded_in_bytes(one: Watched) -> None:
    assert one.update("a", (b"x", bytes(ANSWER_BYTES_USUAL)))
    one.ends()
    count = len(one.get("a", *[b"x"] * 1000))
    assert TURN_BYTES - ANSWER_BYTES_USUAL <= count * ANSWER_BYTES_USUAL <= TURN_BYTES + ANSWER_BYTES_USUAL


def test_nothing_is_told_or_begun_after_the_lease(two: Watched) -> None:
    alias = owned_by(two.hive, "b")
    until = two.hive.nodes["b"].fast_path.get(7, [alias], now := two.hive.clock("b"))[1]
    assert now < until < inf
    two.hive.cut("a", "b")
    two.hive.go(LEASE_SECONDS + 1.0)
    assert two.get("b", alias) == [] and two.update("b", (alias, b"1")) == 0


def test_who_asked_hears_of_each_update_what_became_of_it_where_the_disk_hangs() -> None:
    two = Watched("a", "b", "c")
    mine = owned(two.hive, "a", 2)
    two.hive.slow_disks.add("a")
    assert two.update("a", (mine[0], b"1"), (mine[1], b"2")) == 2
    two.hive.until(lambda: bool(two.done), seconds=60)
    told = two.ends()
    assert [(failed.id, failed.code) for failed in told.failed] == [
        (place, IndeterminateError.code) for place in (0, 1)
    ]
    assert two.update("a", (mine[0], b"1")) == 0, "a disk that hangs takes nothing"


def test_they_are_counted_as_requests(one: Watched) -> None:
    one.update("a", (b"x", b"1"), (b"y", b"2"))
    one.ends()
    node = one.hive.nodes["a"]
    node.fast_path.answered(one.get("a", b"x", b"y", b"z"), 0.001)
    assert node.router.requests[Update] == 2 and node.router.requests[Get] == 3
    assert sum(count for _, count in node.context.responses.pairs()) == 5
    outcomes = {(Update, 0): 2, (Get, 0): 2, (Get, NotFoundError.code): 1}
    assert node.context.responses.outcomes() == outcomes
