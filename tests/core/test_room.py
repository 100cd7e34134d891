"""Nodes that hold as much as they may: what is refused, what goes on, and what is not copied to them."""

from __future__ import annotations

from msgspec.structs import replace

from tests.harness import Hive, hive_of, identity, word_of
from wrpme.core.health.room import Room
from wrpme.core.io import SettingsChanged
from wrpme.core.limits import NEARLY_FULL
from wrpme.core.stats.slot_counts import SlotCounts
from wrpme.protocol.messages import (
    Append, Content, Done, Expire, Failed, Get, Number, Put, Remove, RemoveAll, Reply, Request, Results, Transaction,
    Update,
)  # fmt: skip
from wrpme.protocol.view import NOBODY, State

LIMIT = 1000


def limit(hive: Hive, name: str, size: int) -> None:
    settings = hive.nodes[name].settings
    hive.event(name, SettingsChanged(settings.grace_seconds, settings.slow_seconds, size, "{}"))
    hive.go(1.0)


def held(hive: Hive, name: str) -> int:
    return hive.nodes[name].context.slots.bytes


def filled(limited: str = "b", size: int = LIMIT) -> Hive:
    """A hive of two that keeps each entry on both, of which one is full."""
    hive = hive_of("a", "b", replication=2)
    limit(hive, limited, size)
    number = 0
    while held(hive, limited) < size:
        assert hive.ask("a", Put(1, b"k%03d" % number, bytes(40))) == Done(1)
        number += 1
    hive.go(1.0)
    return hive


def sentence(hive: Hive, name: str, request: Request) -> str:
    reply = hive.ask(name, request)
    assert word_of(reply) == "full" and isinstance(reply, Failed), reply
    return reply.sentence


def test_what_grows_is_refused_whoever_owns_it() -> None:
    hive = filled()
    before = held(hive, "b")
    told = {sentence(hive, "a", Put(1, b"new%d" % number, b"")) for number in range(20)}
    assert len(told) == 1 and "b holds as much as its --bytes-max allows" in told.pop()
    for request in (Update(1, b"k000", bytes(41)), Append(1, b"k000", b"x"), Put(1, b"new", b"x")):
        assert "remove entries, add a node, or raise" in sentence(hive, "b", request)
    assert sentence(hive, "a", Transaction(1, (Put(1, b"{x}y", b""), Put(1, b"{x}z", b""))))
    assert held(hive, "b") == before and held(hive, "a") == before


def test_what_does_not_grow_goes_on() -> None:
    hive = filled()
    assert hive.ask("a", Get(1, b"k000")) == Content(1, bytes(40))
    assert hive.ask("a", Update(1, b"k000", bytes(40))) == Done(1)
    assert hive.ask("b", Update(1, b"k001", bytes(7))) == Done(1)
    assert hive.ask("b", Expire(1, b"k002", 2 * 10**12)) == Done(1)
    assert hive.ask("a", Remove(1, b"k003")) == Done(1)
    hive.go(1.0)
    assert hive.ask("a", Put(1, b"new", b"there is room again")) == Done(1)


def test_a_transaction_is_judged_as_a_whole() -> None:
    hive = filled()
    limit(hive, "b", 0)
    assert hive.ask("a", Put(1, b"{x}a", bytes(40))) == Done(1)
    limit(hive, "b", LIMIT)

    def both(size: int) -> Reply:
        return hive.ask("a", Transaction(1, (Remove(1, b"{x}a"), Put(1, b"{x}b", bytes(size)))))

    assert word_of(both(41)) == "full" and hive.ask("a", Get(1, b"{x}a")) == Content(1, bytes(40))
    assert isinstance(both(40), Results)


def test_the_operator_is_told() -> None:
    hive = filled()
    (full,) = hive.heard("b", "full")
    assert "b is full: it holds " in full.sentence and "add a node, or raise --bytes-max" in full.sentence
    assert any("b is full" in trouble for trouble in hive.nodes["b"].status().troubles)
    assert not hive.heard("a", "full") and not hive.nodes["a"].status().troubles
    limit(hive, "b", int(held(hive, "b") / NEARLY_FULL))
    assert len(hive.heard("b", "room")) == 1 and "nearly full" in hive.nodes["b"].status().troubles[-1]
    limit(hive, "b", 10 * LIMIT)
    assert not hive.nodes["b"].status().troubles
    assert hive.ask("a", Put(1, b"new", bytes(400))) == Done(1)


def test_remove_all_makes_room() -> None:
    hive = filled()
    for node in ("a", "b"):
        assert isinstance(hive.ask(node, RemoveAll(1, NOBODY, hive.view(node).epoch, b"")), Number)
    hive.go(1.0)
    assert hive.ask("a", Put(1, b"new", bytes(40))) == Done(1)


def test_a_copy_that_does_not_fit_stays_where_it_is_until_there_is_room() -> None:
    """One that dies and is not waited for: the others take its arcs over, as far as they have room."""
    hive = hive_of("a", "b", "c", replication=2)
    for name in hive.nodes:
        hive.event(name, SettingsChanged(5.0, 0.1, 0, "{}"))
    for number in range(60):
        assert hive.ask("a", Put(1, b"k%03d" % number, bytes(40))) == Done(1)
    for name in ("a", "b"):
        limit(hive, name, held(hive, name) + 100)
    before = {name: held(hive, name) for name in ("a", "b")}
    hive.kill("c")
    hive.until(lambda: len(hive.view("a").members) == 2, 60.0)
    hive.go(30.0)
    assert all(held(hive, name) <= before[name] + 100 for name in before), "none took more than it may"
    waiting = [arc for arc in hive.view("a").arcs if arc.incoming]
    assert waiting and any("not fit" in trouble for name in before for trouble in hive.nodes[name].status().troubles)
    assert all(hive.get("a", b"k%03d" % number) == bytes(40) for number in range(60)), "all of it is served"
    for name in before:
        limit(hive, name, 0)
    hive.stable("a", "b", seconds=60.0)
    assert held(hive, "a") == held(hive, "b") == 60 * 44


def test_a_full_node_that_returns_is_brought_up_to_date() -> None:
    """It has data of those arcs: that is no copy that somebody wants to give to it."""
    hive = filled()
    hive.kill("b")
    hive.until(lambda: hive.view("a").members[1].state is State.DOWN or hive.view("a").members[0].state is State.DOWN)
    assert hive.ask("a", Put(1, b"meanwhile", bytes(400))) == Done(1)
    node = hive.start("b", "a")
    node.settings = node.context.settings = replace(node.settings, bytes_max=LIMIT)
    node.context.room.bytes_max = LIMIT
    hive.stable("a", "b", seconds=30.0)
    assert held(hive, "b") == held(hive, "a") > LIMIT
    assert word_of(hive.ask("a", Put(1, b"more", b""))) == "full"


def test_without_a_limit_nothing_is_full() -> None:
    slots = SlotCounts()
    slots.add(0, 1, 10**12)
    room = Room(slots, 0)
    assert not room.is_full and not room.is_short and room.may_take(0, 1, 10**12, 0.0) and room.trouble("a", 0.0) == ""
    room.heard(b"n", True)
    assert room.is_short and room.refusal(b"me", (b"me",), lambda node: "n") is None
    assert room.refusal(b"me", (b"me", b"n"), lambda node: "n") is not None
    room.forget(b"n")
    assert not room.is_short and identity("n") != b"n"
