"""Comparing the copies of an arc while it is served."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.harness import Hive, hive_of, identity, word_of
from tests.replica_parts import END, A, B, Bench, C, view_of
from wrpme.core.layout import key_of, operations_for, removal, value_of
from wrpme.core.replication import pending
from wrpme.core.limits import COPY_SILENCE_SECONDS, COPY_WINDOW_RANGES, VERIFY_ALIASES_MAX
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.messages import Compare, Done, Failed, Get, Put, Stream, StreamAck, Text, Update, VerifyArc
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import Arc, NodeId

THREE = Arc(END, 1, (A, B, C), wanted=(A, B, C))
COUNT = 30


def held(count: int = COUNT, arc: Arc = THREE) -> Bench:
    """A owns; all holders have these entries on disk."""
    made = Bench(arc, (A, B, C))
    made.settle()
    made.lease(A, B, C)
    for number in range(count):
        made[A].ask(Update(1, b"k%d" % number, b"%d" % number))
    made.settle()
    return made


def begin(made: Bench, epoch: int = 1, end: int = END) -> int:
    made.sessions += 1
    made[A].context.now = made.now
    made[A].scans.verify_arc(made.sessions, VerifyArc(7, A, epoch, end))
    made[A].collect()
    return made.sessions


def found(made: Bench, session: int) -> dict[str, Any]:
    reply = made[A].replies[session]
    assert isinstance(reply, Text) and reply.id == 7, reply
    stats: dict[str, Any] = json.loads(reply.text)
    return stats


def verified(made: Bench) -> dict[str, Any]:
    session = begin(made)
    made.settle()
    return found(made, session)


def spoil(made: Bench, node: NodeId, alias: bytes, value: bytes) -> None:
    """Behind the back of the node."""
    held = made[node].store.get(key_of(hash_of(alias), alias))
    made[node].store.write(operations_for(key_of(hash_of(alias), alias), value, held), True)


def copies(*differing: tuple[str, list[str]]) -> list[dict[str, object]]:
    return [{"node": node, "differing": len(aliases), "aliases": aliases} for node, aliases in differing]


# --- what it finds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, COUNT])
def test_equal_copies_are_clean(count: int) -> None:
    assert verified(held(count)) == {"entries": count, "wanted": 3, "copies": copies(("b", []), ("c", []))}


@pytest.mark.parametrize(
    ("alias", "value"),
    [
        (b"k5", value_of((1, 999), 0, b"later")),
        (b"k5", value_of((0, 1), 0, b"earlier")),
        (b"k5", removal((1, 999))),
        (b"new", value_of((1, 1), 0, b"here alone")),
    ],
    ids=["a later version", "an earlier version", "missing", "one too many"],
)
def test_a_difference_on_one_holder_is_found_and_named(alias: bytes, value: bytes) -> None:
    made = held()
    spoil(made, B, alias, value)
    assert verified(made)["copies"] == copies(("b", [alias.decode()]), ("c", []))


def test_what_the_owner_itself_has_lost_differs_from_all() -> None:
    made = held()
    spoil(made, A, b"k5", removal((1, 999)))
    assert verified(made) == {"entries": COUNT - 1, "wanted": 3, "copies": copies(("b", ["k5"]), ("c", ["k5"]))}


def test_other_contents_under_the_same_version_are_noticed() -> None:
    """Which entry of the range it is nobody can say: all are named that it may be."""
    made = held(3)
    value = made[A].store.get(key_of(hash_of(b"k1"), b"k1"))
    assert value is not None
    spoil(made, C, b"k1", value[:-1] + b"?")
    clean, spoilt = verified(made)["copies"]
    assert clean["differing"] == 0
    assert spoilt == {"node": "c", "differing": 3, "aliases": ["k0", "k1", "k2"]}


def test_of_many_differences_some_are_named_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "COPY_RANGE_ENTRIES_MAX", 7)
    made = held()
    for number in range(COUNT):
        spoil(made, B, b"k%d" % number, removal((1, 999)))
    spoilt, clean = verified(made)["copies"]
    assert clean["differing"] == 0 and spoilt["differing"] == COUNT
    assert len(spoilt["aliases"]) == VERIFY_ALIASES_MAX and spoilt["aliases"] == sorted(spoilt["aliases"])


def test_every_range_is_compared_and_only_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "COPY_RANGE_ENTRIES_MAX", 2)
    made = held()
    spoil(made, C, b"k29", value_of((1, 999), 0, b""))
    spoil(made, C, b"k0", value_of((1, 999), 0, b""))
    session = begin(made)
    streams = [body for _, _, body in made.wire if isinstance(body, Stream)]
    assert 0 < sum(isinstance(item, Compare) for body in streams for item in body.items) <= 2 * COPY_WINDOW_RANGES
    made.settle()
    assert found(made, session) == {"entries": COUNT, "wanted": 3, "copies": copies(("b", []), ("c", ["k0", "k29"]))}


def test_an_arc_that_has_no_other_copy_says_how_many_it_should_have() -> None:
    assert verified(held(arc=Arc(END, 1, (A,), wanted=(A, B)))) == {"entries": COUNT, "wanted": 2, "copies": []}


def test_a_copy_that_is_still_made_is_no_difference() -> None:
    growing = Arc(END, 1, (A, B), (C,), wanted=(A, B, C))
    assert verified(held(arc=growing)) == {"entries": COUNT, "wanted": 3, "copies": copies(("b", []))}


# --- while the arc is served -------------------------------------------------------------------------------------


def test_writes_go_on_and_are_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "COPY_RANGE_ENTRIES_MAX", 2)
    made = held()
    before = made[A].ask(Update(1, b"k1", b"not sent yet"))
    session = begin(made)
    sessions = [before]
    for number in range(COUNT):
        sessions.append(made[A].ask(Update(1, b"k%d" % number, b"while it compares")))
        made.deliver()
        for node in (A, B, C):
            made[node].persist()
    made.settle()
    assert all(made[A].replies[asked] == Done(1) for asked in sessions)
    assert found(made, session)["copies"] == copies(("b", []), ("c", []))


def test_it_sends_what_was_written_in_this_turn_before_it_compares() -> None:
    """The disk is busy: the write would be sent with the next batch, behind the comparison that has seen it."""
    made = held()
    made[A].ask(Update(1, b"k1", b"first"))
    made[A].ask(Update(1, b"k2", b"gathers"))
    session = begin(made)
    made.settle()
    assert found(made, session)["copies"] == copies(("b", []), ("c", []))


def test_a_change_of_version_ends_it_as_unstable() -> None:
    made = held()
    session = begin(made)
    made.adopt(view_of(replace(THREE, version=2), 2))
    assert word_of(made[A].replies[session]) == "unstable"
    assert "the hive changed while copies were compared" in made[A].fails(session)
    made.settle()
    made.lease(A, B, C)
    again = begin(made, epoch=2)
    made.settle()
    assert found(made, again)["copies"] == copies(("b", []), ("c", []))


def test_a_view_that_does_not_touch_the_arc_does_not_disturb_it() -> None:
    made = held()
    session = begin(made)
    made.adopt(view_of(THREE, 2))
    made.settle()
    assert found(made, session)["entries"] == COUNT


@pytest.mark.parametrize("case", ["epoch", "end", "lease"])
def test_what_can_not_be_compared_now_is_refused(case: str) -> None:
    made = held()
    if case == "lease":
        made.now += LEASE_SECONDS
    session = begin(made, 2 if case == "epoch" else 1, END - 1 if case == "end" else END)
    assert isinstance(made[A].replies[session], Failed) and word_of(made[A].replies[session]) == "unstable"
    assert not any(isinstance(body, Stream) for _, _, body in made.wire)


def test_a_comparison_that_was_lost_is_sent_again() -> None:
    made = held()
    session = begin(made)
    made.wire.clear()
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert found(made, session)["entries"] == COUNT


# --- a whole hive ------------------------------------------------------------------------------------------------


def verify_all(hive: Hive, through: str) -> dict[str, list[str]]:
    """What differs, by node."""
    view = hive.view(through)
    differing: dict[str, list[str]] = {member.address: [] for member in view.members}
    entries = 0
    for arc in view.arcs:
        reply = hive.ask(through, VerifyArc(1, arc.holders[0], view.epoch, arc.end))
        assert isinstance(reply, Text), reply
        stats = json.loads(reply.text)
        entries += stats["entries"]
        assert len(stats["copies"]) == stats["wanted"] - 1
        for copy in stats["copies"]:
            differing[copy["node"]] += copy["aliases"]
    assert entries == COUNT
    return differing


@pytest.mark.parametrize("replication", [2, 3])
def test_a_hive_is_compared_through_any_node(replication: int) -> None:
    hive = hive_of("a", "b", "c", replication=replication)
    for number in range(COUNT):
        assert hive.ask("a", Put(1, b"k%d" % number, b"1")) == Done(1)
    hive.go(1.0)
    for name in "abc":
        assert verify_all(hive, name) == {"a": [], "b": [], "c": []}
    key = key_of(hash_of(b"k7"), b"k7")
    view = hive.view("a")
    arc = view.arcs[arc_at(view, hash_of(b"k7"))]
    spoilt = next(name for name in "abc" if identity(name) == arc.holders[-1])
    hive.stores[spoilt].write([(key, None)], True)
    assert verify_all(hive, "b") == {name: ["k7"] if name == spoilt else [] for name in "abc"}
    assert word_of(hive.ask("a", Get(1, b"k7"))) == ""


def test_who_does_not_own_the_arc_refuses() -> None:
    hive = hive_of("a", "b", replication=2)
    view = hive.view("a")
    other = identity("a") if view.arcs[0].holders[0] == identity("b") else identity("b")
    assert word_of(hive.ask("a", VerifyArc(1, other, view.epoch, view.arcs[0].end))) == "unstable"


def test_an_answer_that_was_lost_is_given_again() -> None:
    """The comparison is sent again, the receiver has taken it already and acknowledges it without the answer."""
    made = held()
    session = begin(made)
    while not any(isinstance(body, StreamAck) for _, _, body in made.wire):
        made.deliver()
        made[B].drain()
    made.wire = [sent for sent in made.wire if not isinstance(sent[2], StreamAck)]
    made.settle()
    made.now += COPY_SILENCE_SECONDS
    made[A].tick()
    made.settle()
    assert session in made[A].replies
