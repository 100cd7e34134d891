"""The figures of a node, as node_status shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.core.test_router import owned_by
from tests.harness import DISK_SECONDS, HIVE, NETWORK_SECONDS, Hive, hive_of, identity
from wrpme import __version__
from wrpme.core.io import ProcessStats, TurnEnded
from wrpme.core.limits import HEARTBEAT_SECONDS, SILENCE_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.histogram import middle
from wrpme.protocol.messages import Body, Get, Put, Stream

FIELDS = {
    "address": str, "id": str, "hive": str, "generation": int, "epoch": int, "state": str, "serving": bool,
    "version": str, "uptime_seconds": float, "share": float, "entries": int, "bytes": int, "voter": bool,
    "copies": int, "at_risk_share": float, "at_risk_entries": int, "grace_seconds": float,
    "suspected": list, "quorum": str, "copies_out": list, "copies_in": list, "operations": dict,
    "incarnation": int, "latency": list, "received_bytes": int, "sent_bytes": int, "sessions": int,
    "redis_sessions": int,
    "held_bytes": int,
    "bytes_max": int,
    "hot_bytes": int,
    "store_reads": int,
    "slow_requests": int,
    "wrong_passwords": int,
    "slow_last": str,
    "branch": int, "joining": int, "troubles": list, "disk_seconds": float, "disk_seconds_max": float,
    "disk_waits_seconds": float, "late_seconds": float,
    "memory_bytes": int, "disk_bytes": int, "disk_free_bytes": int, "lease_seconds": type(None), "neighbours": list,
    "clocks": list, "certificate_seconds": type(None),
}  # fmt: skip


def status(hive: Hive, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hive.nodes[name].stats(hive.now))
    return found


def filled(hive: Hive, count: int) -> Hive:
    for number in range(count):
        hive.ask("a", Put(1, b"k%d" % number, b"12345"))
    return hive


def test_a_node_that_serves_alone() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(2.0)
    filled(hive, 3)
    stats = status(hive, "a")
    assert {name: type(value) for name, value in stats.items()} == FIELDS, "names and kinds that scripts rely on"
    assert stats["address"] == "a" and stats["version"] == __version__
    assert stats["id"] == identity("a").hex() and stats["hive"] == HIVE.hex()
    assert (stats["generation"], stats["epoch"], stats["state"], stats["serving"]) == (1, 1, "up", True)
    assert (stats["share"], stats["entries"], stats["bytes"]) == (1.0, 3, 3 * (2 + 5))
    assert stats["voter"] is True and stats["quorum"] == "" and stats["suspected"] == []
    assert 2.0 <= stats["uptime_seconds"] < 2.5


def test_a_node_without_a_hive() -> None:
    hive = Hive()
    hive.start("b", "a")
    stats = status(hive, "b")
    assert {name: type(value) for name, value in stats.items() if name != "share"} == {
        name: kind for name, kind in FIELDS.items() if name != "share"
    }
    assert (stats["state"], stats["hive"], stats["epoch"], stats["share"]) == ("joining", "", 0, 0)
    assert not stats["serving"] and not stats["voter"]


def test_what_was_asked_here_is_counted_by_kind() -> None:
    hive = filled(hive_of("a", "b"), 20)
    for number in range(10):
        hive.ask("a", Get(1, b"k%d" % number))
    assert status(hive, "a")["operations"] == {"Put": 20, "Get": 10}, "also what was passed on"
    assert set(status(hive, "b")["operations"]) <= {"Put", "Get"}


def test_shares_entries_and_bytes_add_up() -> None:
    hive = filled(hive_of("a", "b", "c"), 50)
    stats = [status(hive, name) for name in "abc"]
    assert sum(figure["share"] for figure in stats) == pytest.approx(1.0)
    assert sum(figure["entries"] for figure in stats) == 50
    assert sum(figure["bytes"] for figure in stats) == sum(len(b"k%d" % number) + 5 for number in range(50))


def test_a_copy_is_seen_from_both_ends() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    filled(hive, 2000)
    streams = 0

    def lost(source: str, target: str, body: Body) -> bool:
        nonlocal streams
        streams += isinstance(body, Stream)
        return isinstance(body, Stream) and streams > 2

    hive.drop = lost
    hive.start("b", "a")
    hive.until(lambda: "b" in hive.nodes and bool(status(hive, "b")["copies_in"]))
    sent, received = status(hive, "a")["copies_out"], status(hive, "b")["copies_in"]
    assert {copy["peer"] for copy in sent} == {"b"} and {copy["peer"] for copy in received} == {"a"}
    ends = {copy["end"] for copy in sent}
    assert {copy["end"] for copy in received} <= ends and all(int(end, 16) < 1 << 64 and len(end) == 16 for end in ends)
    assert all(0 <= copy["done"] <= 1 for copy in [*sent, *received])
    hive.heal()
    hive.stable("a", "b")
    assert status(hive, "a")["copies_out"] == [] and status(hive, "b")["copies_in"] == []


def test_who_is_missing_is_named() -> None:
    hive = filled(hive_of("a", "b", "c"), 30)
    entries = status(hive, "c")["entries"]
    hive.cut("a", "c")
    hive.cut("b", "c")
    hive.go(SILENCE_SECONDS + 0.6)
    assert status(hive, "c")["suspected"] == ["a", "b"]
    assert str(status(hive, "c")["quorum"]).startswith("this node sees 1 of 3 voters; it waits for a, b: start them")
    assert status(hive, "a")["quorum"] == ""
    hive.go(2.0)
    assert status(hive, "c")["entries"] == entries, "what it has is still there"


def test_a_node_that_is_not_back_yet_tells_what_it_has() -> None:
    hive = filled(hive_of("a", "b"), 30)
    entries = {name: status(hive, name)["entries"] for name in "ab"}
    hive.kill("a")
    hive.kill("b")
    hive.start("b")
    hive.go(1.0)
    stats = status(hive, "b")
    assert not stats["serving"] and stats["entries"] == entries["b"]


def waited(hive: Hive, name: str) -> list[float]:
    """The times, in seconds, that requests took at a node, as far as its figures tell."""
    return [middle(bucket) for bucket, count in status(hive, name)["latency"] for _ in range(count)]


def test_a_write_takes_until_it_is_acknowledged_and_a_read_no_time_here() -> None:
    hive = hive_of("a")
    hive.ask("a", Put(1, b"x", b"1"))
    (write,) = waited(hive, "a")
    assert write == pytest.approx(DISK_SECONDS, rel=0.07)
    hive.ask("a", Get(2, b"x"))
    assert sorted(waited(hive, "a")) == [middle(0), write]


def test_what_is_passed_on_is_counted_where_the_client_asked() -> None:
    hive = hive_of("a", "b")
    alias = owned_by(hive, "b")
    hive.ask("a", Put(1, alias, b"1"))
    hive.ask("a", Get(2, alias))
    read, write = sorted(waited(hive, "a"))
    assert read == pytest.approx(2 * NETWORK_SECONDS, rel=0.07)
    assert write == pytest.approx(2 * NETWORK_SECONDS + DISK_SECONDS, rel=0.07)
    assert waited(hive, "b") == [] and status(hive, "b")["operations"] == {}, "b has no client"


def test_a_read_that_waits_for_a_write_is_counted_with_its_wait() -> None:
    hive = hive_of("a")
    hive.send("a", Put(1, b"x", b"1"))
    hive.send("a", Get(2, b"x"))
    assert waited(hive, "a") == [], "nobody has an answer yet"
    hive.go(0.5)
    assert waited(hive, "a") == pytest.approx([DISK_SECONDS] * 2, rel=0.07)


def test_a_turn_counts_what_it_answered_at_once_from_its_beginning() -> None:
    hive = hive_of("a")
    node = hive.nodes["a"]
    for number in range(3):
        node.request(number, Get(number, b"x"), hive.now)
    node.handle(TurnEnded(hive.now - 0.25), hive.now)
    assert waited(hive, "a") == pytest.approx([0.25] * 3, rel=0.07)
    node.handle(TurnEnded(hive.now - 9.0), hive.now)
    assert len(waited(hive, "a")) == 3, "a turn without requests counts nothing"


def test_the_lease_runs_out_where_nobody_answers() -> None:
    hive = hive_of("a", "b", replication=2)
    lease = status(hive, "a")["lease_seconds"]
    assert LEASE_SECONDS - HEARTBEAT_SECONDS - 0.1 <= lease <= LEASE_SECONDS
    hive.cut("a", "b")
    hive.go(1.0)
    assert 0 < status(hive, "a")["lease_seconds"] <= LEASE_SECONDS - 1.0
    hive.go(1.0)
    assert status(hive, "a")["lease_seconds"] == 0.0


def test_neighbours_and_their_last_sign_of_life() -> None:
    hive = hive_of("a", "b", "c")
    assert [name for name, _ in status(hive, "a")["neighbours"]] == ["b", "c"]
    hive.cut("a", "c")
    hive.go(1.0)
    ages = dict(status(hive, "a")["neighbours"])
    assert ages["b"] <= HEARTBEAT_SECONDS + 0.01 and ages["c"] >= 1.0


def test_what_only_the_process_knows_comes_from_there() -> None:
    hive = hive_of("a")
    vars(hive.nodes["a"].context.process)["stats"] = lambda: ProcessStats(1, 2, 3, 4, 5, 6, 7)
    names = (
        "received_bytes",
        "sent_bytes",
        "sessions",
        "redis_sessions",
        "memory_bytes",
        "disk_bytes",
        "disk_free_bytes",
    )
    assert [status(hive, "a")[name] for name in names] == [1, 2, 3, 4, 5, 6, 7]


def test_each_life_has_an_incarnation_of_its_own() -> None:
    hive = hive_of("a")
    first = status(hive, "a")["incarnation"]
    hive.kill("a")
    hive.start("a")
    assert status(hive, "a")["incarnation"] > first
