"""Who is let in: what nodes say about themselves, and what they ask the voters for."""

from __future__ import annotations

from tests.harness import HIVE, hive_of, identity
from wrpme.core.io import Exit
from wrpme.protocol.messages import Report
from wrpme.protocol.view import Back, Down, Leave


def test_a_node_speaks_for_itself_alone() -> None:
    hive = hive_of("a", "b", "c")
    before = hive.view("a")
    for change in (Down(identity("c"), 1, planned=True), Down(identity("b"), 1), Leave(identity("c"), 1)):
        hive.hear("a", "b", Report((change,)))
    hive.go(2.0)
    assert hive.view("a") == before


def test_what_is_passed_on_for_another_node_has_to_be_proven_too() -> None:
    """A late word of a life that is not at its address any more."""
    hive = hive_of("a", "b", "c")
    before = hive.view("a")
    hive.hear("a", "b", Report((Back(identity("c"), 9, "nowhere", before.epoch),)))
    hive.go(8.0)
    assert hive.view("a") == before and hive.nodes["c"].context.lives


def test_another_number_of_copies_is_told_to_the_one_that_asks_also_through_another_node() -> None:
    """The voter is not the node that it asks."""
    hive = hive_of(*"abcdef")
    outsider = next(name for name in "abcdef" if identity(name) not in hive.view("a").voters)
    hive.start("x", outsider, replication=3)
    hive.until(lambda: "x" in hive.exits)
    words = f"hive {HIVE.hex()[:8]} keeps 1 copy of each entry, and --replication asks for 3"
    assert hive.exits["x"].code == 1 and words in hive.exits["x"].sentence
    assert isinstance(hive.exits["x"], Exit) and not hive.said(outsider, "keeps 1 copies")
