"""The figures of a node, as node_status shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness import HIVE, Hive, hive_of, identity
from wrpme import __version__
from wrpme.limits import SILENCE_SECONDS
from wrpme.messages import Body, Get, Put, Stream

FIELDS = {
    "address": str, "id": str, "hive": str, "generation": int, "epoch": int, "state": str, "serving": bool,
    "version": str, "uptime_seconds": float, "share": float, "entries": int, "bytes": int, "voter": bool,
    "copies": int, "at_risk_share": float, "at_risk_entries": int, "grace_seconds": float,
    "suspected": list, "quorum": str, "copies_out": list, "copies_in": list, "operations": dict,
    "incarnation": int, "latency": list, "received_bytes": int, "sent_bytes": int, "sessions": int,
    "memory_bytes": int, "disk_bytes": int, "disk_free_bytes": int, "lease_seconds": type(None), "neighbours": list,
}  # fmt: skip


def status(hive: Hive, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hive.nodes[name].figures(hive.now))
    return found


def filled(hive: Hive, count: int) -> Hive:
    for number in range(count):
        hive.ask("a", Put(1, f"k{number}", b"12345"))
    return hive


def test_a_node_that_serves_alone() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(2.0)
    filled(hive, 3)
    figures = status(hive, "a")
    assert {name: type(value) for name, value in figures.items()} == FIELDS, "names and kinds that scripts rely on"
    assert figures["address"] == "a" and figures["version"] == __version__
    assert figures["id"] == identity("a").hex() and figures["hive"] == HIVE.hex()
    assert (figures["generation"], figures["epoch"], figures["state"], figures["serving"]) == (1, 1, "up", True)
    assert (figures["share"], figures["entries"], figures["bytes"]) == (1.0, 3, 3 * (2 + 5))
    assert figures["voter"] is True and figures["quorum"] == "" and figures["suspected"] == []
    assert 2.0 <= figures["uptime_seconds"] < 2.5


def test_a_node_without_a_hive() -> None:
    hive = Hive()
    hive.start("b", "a")
    figures = status(hive, "b")
    assert {name: type(value) for name, value in figures.items() if name != "share"} == {
        name: kind for name, kind in FIELDS.items() if name != "share"
    }
    assert (figures["state"], figures["hive"], figures["epoch"], figures["share"]) == ("joining", "", 0, 0)
    assert not figures["serving"] and not figures["voter"]


def test_what_was_asked_here_is_counted_by_kind() -> None:
    hive = filled(hive_of("a", "b"), 20)
    for number in range(10):
        hive.ask("a", Get(1, f"k{number}"))
    assert status(hive, "a")["operations"] == {"Put": 20, "Get": 10}, "also what was passed on"
    assert set(status(hive, "b")["operations"]) <= {"Put", "Get"}


def test_shares_entries_and_bytes_add_up() -> None:
    hive = filled(hive_of("a", "b", "c"), 50)
    figures = [status(hive, name) for name in "abc"]
    assert sum(figure["share"] for figure in figures) == pytest.approx(1.0)
    assert sum(figure["entries"] for figure in figures) == 50
    assert sum(figure["bytes"] for figure in figures) == sum(len(f"k{number}") + 5 for number in range(50))


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
    assert str(status(hive, "c")["quorum"]).startswith("this node sees 1 of 3 voters; it waits for a, b (if ")
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
    figures = status(hive, "b")
    assert not figures["serving"] and figures["entries"] == entries["b"]
