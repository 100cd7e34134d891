"""What a node counts beside the figures of node_status."""

from __future__ import annotations

from collections import Counter

from tests.harness import HIVE, Hive, hive_of
from wrpme.core.stats.measured import Measured
from wrpme.protocol.histogram import Pairs
from wrpme.protocol.messages import Cas, Get, Many, Put, Transaction, Update


def measured(hive: Hive, name: str) -> Measured:
    return hive.nodes[name].measured(hive.now)[1]


def outcomes(hive: Hive, *names: str) -> Counter[tuple[str, str]]:
    """Over these nodes together."""
    total: Counter[tuple[str, str]] = Counter()
    for name in names:
        total.update(measured(hive, name).outcomes)
    return total


def count(pairs: Pairs) -> int:
    return sum(number for _, number in pairs)


def test_every_answer_is_counted_once_with_its_outcome_wherever_its_entry_lives() -> None:
    hive = hive_of("a", "b", "c")
    for number in range(30):
        hive.ask("a", Put(1, b"k%d" % number, b"1"))
        hive.ask("a", Put(1, b"k%d" % number, b"2"))
        hive.ask("a", Get(1, b"k%d" % number))
        hive.ask("b", Get(1, b"none%d" % number))
        hive.ask("c", Cas(1, b"k%d" % number, b"3", b"other"))
    hive.ask("a", Put(1, b"", b"no alias"))
    found = {key: number for key, number in outcomes(hive, "a", "b", "c").items() if number}
    assert found == {
        ("Put", "ok"): 30, ("Put", "already_exists"): 30, ("Put", "usage"): 1, ("Get", "ok"): 30,
        ("Get", "not_found"): 30, ("Cas", "mismatch"): 30,
    }  # fmt: skip
    assert {kind: count(pairs) for kind, pairs in measured(hive, "a").latencies.items()} == {"Put": 61, "Get": 30}


def test_of_a_message_with_many_each_request_counts() -> None:
    hive = hive_of("a", "b")
    node = hive.nodes["b"].context.me
    for target in (hive.nodes["a"].context.me, node):  # by the node itself, and passed on
        hive.ask("a", Many(1, target, (Update(1, b"x", b"1"), Get(2, b"x"), Get(3, b"y"), Get(4, b""))))
    found = outcomes(hive, "a")
    assert sum(found.values()) == 8 and found["Get", "usage"] == 2 and not outcomes(hive, "b")
    assert count(measured(hive, "a").latencies["Many"]) == 2


def test_transactions() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    hive.ask("a", Transaction(1, (Update(0, b"x", b"1"),)))
    hive.ask("a", Transaction(1, (Put(0, b"x", b"1"),)))
    hive.ask("a", Transaction(1, ()))
    assert measured(hive, "a").outcomes == {
        ("Transaction", "ok"): 1, ("Transaction", "already_exists"): 1, ("Transaction", "usage"): 1,
    }  # fmt: skip


def test_batches_copies_views_and_queues() -> None:
    hive = Hive()
    for name, peers in (("a", ()), ("b", ("a",))):
        hive.start(name, *peers, hive=HIVE if not peers else b"", replication=2)
    hive.stable("a", "b")
    for number in range(20):
        hive.ask("a", Update(1, b"k%d" % number, b"1"))
    told = measured(hive, "a")
    assert count(told.batches) >= 10 and count(told.replication) > 0
    assert told.members == {"up": 2, "leaving": 0, "down": 0} and told.views >= 2 and told.copies_wanting == 0
    assert set(told.fills.values()) == {0.0}
    assert hive.nodes["a"].serves_something()
    hive.slow_disks.add("b")
    for number in range(20):
        hive.send("a", Update(1, b"k%d" % number, b"2"))
    hive.go(0.1)
    assert measured(hive, "a").fills["writes"] > 0 or measured(hive, "a").fills["forwards"] > 0
