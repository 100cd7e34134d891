"""A whole node, and a few of them together: what a user and an operator see."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.harness import HIVE, Hive, hive_of, identity, word_of
from wrpme.core.health import failure_detector
from wrpme.core.io import (
    Deliver, Effect, Input, Exit, PersistFailed, Publish, Received, ReplyTo, Send, SendToAll, Woken,
)  # fmt: skip
from wrpme.core.membership.whereabouts import UNPROVEN
from wrpme.limits import GRACE_SECONDS
from wrpme.protocol import health, view_index
from wrpme.protocol import ring
from wrpme.protocol.identities import Here, Publication, Published
from wrpme.protocol.administration import StopNode
from wrpme.protocol.messages import (
    AskView, Content, Done, Envelope, Get, GetConfig, GetStatus, GetView, NextView, Put, Remove, Text, Update,
    ViewIs, WholeView, FailureReport, Heartbeat, HeartbeatAck,
)  # fmt: skip
from wrpme.protocol.view import NOBODY, Down, Patch, Proposal, State


def fill(hive: Hive, name: str, count: int = 60) -> list[bytes]:
    aliases = [b"k%d" % number for number in range(count)]
    for alias in aliases:
        assert hive.ask(name, Put(1, alias, alias)) == Done(1)
    return aliases


def check(hive: Hive, name: str, aliases: list[bytes]) -> None:
    for alias in aliases:
        assert hive.get(name, alias) == alias


# --- one node ----------------------------------------------------------------------------------------------------


def test_the_first_node_serves_at_once() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.01)
    assert hive.ask("a", Put(1, b"x", b"1")) == Done(1)
    assert hive.ask("a", Get(2, b"x")) == Content(2, b"1")
    assert hive.said("a", "founding hive") and hive.said("a", "serving at a as node")


def test_nothing_is_acknowledged_before_it_is_on_disk() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    hive.slow_disks.add("a")
    put = hive.send("a", Put(1, b"x", b"1"))
    get = hive.send("a", Get(2, b"x"))
    missing = hive.send("a", Get(3, b"y"))
    hive.go(5)
    assert put not in hive.replies
    assert get not in hive.replies, "a read waits for the write that it would see"
    assert word_of(hive.replies[missing]) == "not_found", "others do not wait"


def test_a_killed_node_comes_back_with_its_data() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    aliases = fill(hive, "a")
    assert hive.ask("a", Remove(1, b"k7")) == Done(1)
    hive.kill("a")
    hive.start("a")
    hive.stable("a", seconds=5)
    check(hive, "a", [alias for alias in aliases if alias != b"k7"])
    assert word_of(hive.ask("a", Get(1, b"k7"))) == "not_found"
    assert view_index.member(hive.view("a"), identity("a")) is not None
    assert hive.view("a").members[0].incarnation == 2


def test_many_writes_of_a_turn_are_one_batch() -> None:
    hive = Hive()
    node = hive.start("a", hive=HIVE)
    hive.go(0.1)
    batch = node.context.commits.batch
    hive.slow_disks.add("a")
    sessions = [hive.send("a", Put(1, b"k%d" % number, b"")) for number in range(50)]
    assert node.context.commits.batch == batch + 1, "the next batch gathers while that one syncs"
    assert not any(session in hive.replies for session in sessions)


def test_a_disk_that_refuses_ends_the_node() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    hive.event("a", PersistFailed("no space left on device"))
    assert hive.exits["a"].code == 1
    assert "no space left" in hive.exits["a"].sentence


def test_figures_and_configuration() -> None:
    hive = hive_of("a", "b")
    fill(hive, "a")
    stats = {}
    for name in ("a", "b"):
        reply = hive.ask("a", GetStatus(4, identity(name)))
        assert isinstance(reply, Text) and reply.id == 4
        stats[name] = json.loads(reply.text)
        assert stats[name]["address"] == name and stats[name]["state"] == "up"
    assert stats["a"]["entries"] + stats["b"]["entries"] == 60
    assert stats["a"]["share"] + stats["b"]["share"] == 1
    assert hive.ask("b", GetConfig(5, NOBODY)) == Text(5, '{"a": 1}')
    reply = hive.ask("b", GetView(6))
    assert isinstance(reply, ViewIs) and reply.node == identity("b") and reply.view == hive.view("b")
    assert word_of(hive.ask("a", GetStatus(7, b"?" * 16))) == "usage"


def test_the_story_of_an_entry() -> None:
    hive = Hive()
    node = hive.start("a", hive=HIVE)
    hive.go(0.1)
    hive.ask("a", Put(1, b"x", b"content"))
    story = node.story(b"x")
    assert any("founding" in line for line in story)
    assert any("b'content'" in line for line in story)
    assert node.story(b"nothing")[-1] == "held None, pending False"


# --- joining -----------------------------------------------------------------------------------------------------


def test_five_nodes_grow_while_somebody_writes() -> None:
    hive = Hive()
    hive.start("a", hive=HIVE)
    hive.go(0.1)
    aliases = fill(hive, "a", 200)
    for number, name in enumerate("bcde"):
        hive.start(name, "a")
        for step in range(40):
            alias = b"n%d-%d" % (number, step)
            while word_of(reply := hive.ask("a", Update(1, alias, alias))) == "unstable":
                hive.go(0.01)
            assert reply == Done(1)
            aliases.append(alias)
        hive.stable("a", *"bcde"[: number + 1])
    for name in "abcde":
        check(hive, name, aliases)
    assert len(hive.view("e").voters) == 5
    entries = [json.loads(hive.ask("a", GetStatus(1, identity(name))).text)["entries"] for name in "abcde"]  # type: ignore[union-attr]
    assert sum(entries) == len(aliases) and min(entries) > 0


def test_nodes_start_in_any_order() -> None:
    hive = Hive()
    hive.start("c", "b")
    hive.start("b", "a")
    hive.go(3)
    assert word_of(hive.ask("c", Get(1, b"x"))) == "unstable"
    assert hive.said("c", "waiting for a hive at b")
    hive.start("a", hive=HIVE)
    hive.stable("a", "b", "c")


def test_another_hive_refuses() -> None:
    hive = hive_of("a", "b")
    hive.start("x", hive=b"x" * 16)
    hive.go(0.1)
    hive.kill("x")
    hive.start("x", "a")
    hive.go(1.0)
    assert hive.exits["x"].code == 1
    assert "belongs to hive 68686868" in hive.exits["x"].sentence
    assert len(hive.view("a").members) == 2


def test_a_peer_that_is_itself() -> None:
    hive = Hive()
    hive.start("a", "a")
    hive.until(lambda: "a" in hive.exits)
    assert hive.exits["a"] == Exit(1, "the peer given is this node itself (a); name another node of the hive")


def test_a_message_for_another_node_is_answered_by_who_is_there() -> None:
    hive = hive_of("a", "b")
    view = hive.view("a")
    envelope = Envelope(view.hive, 1, identity("b"), 1, identity("c"), view.epoch, AskView())
    effects = hive.nodes["a"].handle(Received(5, envelope), hive.now)
    answers = [effect.reply for effect in effects if isinstance(effect, ReplyTo)]
    assert len(answers) == 1 and isinstance(answers[0], Envelope) and answers[0].body == Here(UNPROVEN, "a")


# --- death and return --------------------------------------------------------------------------------------------


def test_a_death_is_noticed_and_named() -> None:
    hive = hive_of("a", "b", "c")
    aliases = fill(hive, "a")
    hive.kill("c")
    took = hive.until(lambda: health.condition(hive.view("a")).word == "unavailable")
    assert took <= 3.0
    hive.go(5.0)
    words = []
    for alias in aliases:
        reply = hive.ask("a", Get(1, alias))
        words.append(word_of(reply))
        if words[-1]:
            assert f'"{alias.decode()}" lives on c, which has been down for 5 s' in reply.sentence  # type: ignore[union-attr]
            assert word_of(hive.ask("b", Put(1, alias, b""))) == "unavailable", "never: there is none"
    assert set(words) == {"", "unavailable"}
    assert 10 < words.count("unavailable") < 30
    hive.start("c")
    hive.stable("a", "b", "c")
    for name in "abc":
        check(hive, name, aliases)


@pytest.mark.parametrize("order", ["abc", "cba", "bca", "acb"])
def test_power_loss_and_a_start_in_any_order(order: str) -> None:
    hive = hive_of("a", "b", "c")
    aliases = fill(hive, "b")
    for name in "abc":
        hive.kill(name)
    for name in order:
        hive.start(name)
        hive.go(3.0)
    hive.stable("a", "b", "c")
    for name in "abc":
        check(hive, name, aliases)


def test_a_short_restart_is_a_new_life() -> None:
    hive = hive_of("a", "b", "c")
    aliases = fill(hive, "a")
    hive.kill("b")
    hive.start("b")
    hive.stable("a", "b", "c")
    member = view_index.member(hive.view("a"), identity("b"))
    assert member is not None and member.incarnation == 2
    check(hive, "b", aliases)


@pytest.mark.parametrize("replication", [2, 3])
def test_with_further_copies_a_death_makes_nothing_unavailable(replication: int) -> None:
    hive = hive_of("a", "b", "c", replication=replication)
    aliases = fill(hive, "a")
    hive.kill("b")
    hive.until(lambda: hive.view("a").members[1].state is State.DOWN)
    assert health.condition(hive.view("a")).word == "degraded"
    hive.go(3.0)
    for name in "ac":
        check(hive, name, aliases)
        assert hive.ask(name, Update(1, name.encode(), b"meanwhile")) == Done(1)
    hive.start("b", replication=replication)
    hive.stable("a", "b", "c")
    for arc in hive.view("b").arcs:
        assert len(arc.holders) == replication
    check(hive, "b", [*aliases])
    assert hive.get("b", b"a") == hive.get("b", b"c") == b"meanwhile"


def test_two_of_three_copies_may_go_one_after_the_other() -> None:
    hive = hive_of("a", "b", "c", replication=3)
    aliases = fill(hive, "a")
    for place, name in ((2, "c"), (1, "b")):
        hive.kill(name)
        hive.until(lambda place=place: hive.view("a").members[place].state is State.DOWN)  # type: ignore[misc]
        hive.go(3.0)
    check(hive, "a", aliases)
    assert hive.ask("a", Put(1, b"alone", b"1")) == Done(1)


def test_who_is_dead_for_longer_than_the_grace_has_its_copies_made_elsewhere() -> None:
    hive = hive_of("a", "b", "c", "d", replication=2)
    aliases = fill(hive, "a")
    hive.kill("d")
    hive.until(lambda: hive.view("a").members[3].state is State.DOWN)
    hive.go(GRACE_SECONDS - 5.0)
    assert len(hive.view("a").members) == 4 and any(len(arc.holders) == 1 for arc in hive.view("a").arcs)
    hive.stable("a", "b", "c", seconds=20)
    assert all(len(arc.holders) == 2 for arc in hive.view("a").arcs)
    assert hive.said("a", "d is not waited for any longer")
    hive.kill("c")
    hive.until(lambda: hive.view("a").members[2].state is State.DOWN)
    hive.go(3.0)
    check(hive, "a", aliases)


# --- planned stops -----------------------------------------------------------------------------------------------


def test_a_planned_stop_waits_for_nobody_to_notice() -> None:
    hive = hive_of("a", "b", "c")
    began = hive.now
    hive.stop("b")
    hive.until(lambda: "b" in hive.exits)
    assert hive.exits["b"] == Exit(0)
    assert hive.now - began < 0.5
    assert hive.view("a").members[1].state is State.DOWN
    assert hive.said("a", "b has stopped as planned")


@pytest.mark.parametrize("stopping", ["a", "b", "c"])
@pytest.mark.parametrize("replication", [1, 2, 3])
def test_what_a_node_had_begun_when_it_stopped_is_answered(stopping: str, replication: int) -> None:
    hive = hive_of("a", "b", "c", replication=replication)
    sessions = [hive.send("abc"[number % 3], Put(1, b"k%d" % number, b"%d" % number)) for number in range(90)]
    hive.stop(stopping)
    hive.until(lambda: stopping in hive.exits)
    hive.go(5.0)
    assert [hive.replies.get(session) for session in sessions] == [Done(1)] * 90
    if replication == 1:
        hive.start(stopping)
        hive.stable("a", "b", "c")
    through = next(iter(hive.nodes))
    assert [hive.get(through, b"k%d" % number) for number in range(90)] == [b"%d" % number for number in range(90)]


def test_stop_node_from_elsewhere() -> None:
    hive = hive_of("a", "b")
    assert hive.ask("a", StopNode(9, identity("b"))) == Done(9)
    hive.until(lambda: "b" in hive.exits)
    assert hive.exits["b"] == Exit(0)
    assert word_of(hive.ask("a", StopNode(9, identity("b")))) == "unavailable"


@pytest.mark.parametrize("order", ["abc", "cab"])
def test_all_stop_at_once_and_come_back(order: str) -> None:
    hive = hive_of("a", "b", "c")
    aliases = fill(hive, "a")
    for name in "abc":
        hive.stop(name)
    hive.until(lambda: len(hive.exits) == 3)
    assert all(end == Exit(0) for end in hive.exits.values())
    for name in order:
        hive.start(name)
        hive.go(1.0)
    hive.stable("a", "b", "c")
    check(hive, "b", aliases)


# --- views -------------------------------------------------------------------------------------------------------


def test_a_view_that_can_not_be_made_here_is_asked_for_whole() -> None:
    """The changes are the same, the digest is not: another version of wrpme made it."""
    hive = hive_of("a", "b")
    base = hive.view("b")
    changes = (Down(identity("b"), 1),)
    body = NextView(base.epoch + 1, Proposal(changes, Patch(), b"?" * 16))
    hive.sent.clear()
    hive.hear("b", "a", body)
    assert hive.view("b") == base
    assert ("b", "a", AskView(whole=True)) in hive.sent
    hive.go(0.01)
    assert any(target == "b" and isinstance(body, WholeView) for _, target, body in hive.sent)


def test_who_missed_views_gets_the_last_one_whole() -> None:
    hive = hive_of("a", "b", "c")
    hive.cut("a", "c")
    hive.cut("b", "c")
    hive.until(lambda: hive.view("a").members[2].state is State.DOWN)
    old = hive.view("c").epoch
    hive.heal()
    hive.stable("a", "b", "c", seconds=30)
    assert hive.view("c").epoch > old + 1
    assert not hive.exits


def test_a_view_is_on_disk_before_it_is_told() -> None:
    hive = hive_of("a", "b")
    hive.slow_disks.add("b")
    epoch = hive.view("b").epoch
    hive.start("c", "a")
    hive.go(1.0)
    assert hive.view("b").epoch == epoch, "adopted is what is on disk"


def test_serves_says_where() -> None:
    hive = hive_of("a", "b", "c")
    for number in range(40):
        position = ring.hash_of(b"k%d" % number)
        assert sum(node.serves(position, hive.now) for node in hive.nodes.values()) == 1


def test_a_node_at_rest_is_woken_by_what_is_due_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """HeartbeatLeases, and nothing twenty times a second."""
    hive = hive_of("a", "b", "c")
    hive.go(5.0)
    woken = 0
    event = hive.event

    def counted(name: str, happens: Input) -> None:
        nonlocal woken
        woken += isinstance(happens, Woken)
        event(name, happens)

    monkeypatch.setattr(hive, "event", counted)
    hive.go(10.0)
    assert woken <= 3 * 10 * 6


# --- what clients publish ----------------------------------------------------------------------------------------


def test_what_is_published_is_for_all_other_nodes_that_are_up() -> None:
    hive = hive_of("a", "b", "c")
    published = Published((Publication(b"channel", b"content"),))
    node = hive.nodes["a"]
    (effect,) = node.handle(Publish(published), hive.now)
    assert isinstance(effect, SendToAll) and sorted(effect.addresses) == ["b", "c"]
    assert effect.envelope.body == published and effect.envelope.destination == NOBODY
    assert hive.nodes["b"].handle(Received(-1, effect.envelope), hive.now) == [Deliver(published)]
    hive.kill("c")
    hive.until(lambda: any(member.state is State.DOWN for member in hive.view("a").members))
    (effect,) = node.handle(Publish(published), hive.now)
    assert isinstance(effect, SendToAll) and effect.addresses == ("b",)


def test_what_others_than_the_members_of_its_hive_publish_is_for_nobody() -> None:
    hive = hive_of("a", "b")
    node, published = hive.nodes["a"], Published((Publication(b"channel", b"content"),))
    (effect,) = node.handle(Publish(published), hive.now)
    assert isinstance(effect, SendToAll)
    replaced = msgspec.structs.replace
    for envelope in (
        replaced(effect.envelope, hive=bytes(16)),
        replaced(effect.envelope, source=identity("z")),
        replaced(effect.envelope, incarnation=0),
    ):
        effects = hive.nodes["b"].handle(Received(-1, envelope), hive.now)
        assert not any(isinstance(one, Deliver) for one in effects)


def test_who_is_alone_tells_nobody() -> None:
    hive = hive_of("a")
    assert hive.nodes["a"].handle(Publish(Published((Publication(b"channel", b"content"),))), hive.now) == []


def test_in_a_large_hive_few_are_near_and_the_others_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_detector, "NEAR_MEMBERS_MAX", 3)
    names = "abcdefghi"
    hive = hive_of(*names)
    voters = [name for name in names if identity(name) in hive.view("a").voters]
    others = [name for name in names if name not in voters]
    for name in others:
        watched = hive.nodes[name].context.heartbeats
        assert {*watched.neighbours, *watched.far} >= set(hive.view(name).voters), "nothing is decided without them"
    hive.go(12.0)
    for name in voters:
        hive.kill(name)

    def looks_for_all(name: str) -> bool:
        watched = hive.nodes[name].context.heartbeats
        return {*watched.neighbours, *watched.far} == {identity(other) for other in names if other != name}

    hive.until(lambda: all(looks_for_all(name) for name in others), seconds=20)
    for name in others:
        near = hive.nodes[name].context.heartbeats.neighbours
        assert len(near) < len(names) - 1, "or all speak to all, which keeps a large hive busy"
    for name in voters:
        hive.start(name, others[0])
    hive.stable(*names)


def test_the_voters_hear_at_once_whom_a_node_misses_and_that_it_is_there_again_and_rarely_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failure_detector, "NEAR_MEMBERS_MAX", 3)
    monkeypatch.setattr(failure_detector, "FAR_SECONDS_PER_MEMBER", 0.75)
    hive = hive_of("a", "b", "c", "d", replication=2)
    told: list[int] = []

    def note(name: str, effect: Effect) -> None:
        if isinstance(effect, Send) and isinstance(effect.envelope.body, FailureReport):
            if (name, effect.address) == ("b", "a"):
                told.append(len(effect.envelope.body.lives))

    hive.watch = note
    hive.drop = lambda source, target, body: (
        {source, target} == {"b", "d"} and isinstance(body, Heartbeat | HeartbeatAck)
    )
    hive.until(lambda: told[-1:] == [0])
    assert told == [1, 0], "once each, though it took the voters a while to decide that it is down"
