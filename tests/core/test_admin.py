"""What an operator asks of a node: leaving for good, forgetting the dead, recovering; and when it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from msgspec.structs import replace

from tests.harness import Hive, hive_of, identity, word_of
from wrpme.core.io import LogLine
from wrpme.core.layout import ENTRIES
from wrpme.errors import DeniedError
from wrpme.protocol import view_index
from wrpme.protocol import salvage
from wrpme.core.stats.audit import AUDITS_MAX, REFUSALS_MAX
from wrpme.protocol.administration import ForgetNode, LeaveNode, Recover, SetReplication, StopNode
from wrpme.protocol.messages import Done, Failed, Get, Put, RemoveAll, Reply, Request, Text
from wrpme.protocol.view import NOBODY, Choice, NodeId, State

COUNT = 40


def filled(*names: str, replication: int = 1) -> Hive:
    hive = hive_of(*names, replication=replication)
    for number in range(COUNT):
        assert hive.ask(names[0], Put(1, b"k%d" % number, b"%d" % number)) == Done(1)
    return hive


def words(hive: Hive, name: str) -> list[str]:
    """What reading each entry through a node ends with."""
    return [word_of(hive.ask(name, Get(1, b"k%d" % number))) for number in range(COUNT)]


def refused(hive: Hive, name: str, request: Request) -> str:
    """The sentence of a refusal, which has changed nothing."""
    before = hive.nodes[name].view
    reply = hive.ask(name, request)
    assert word_of(reply) == "usage", reply
    hive.go(1.0)
    assert hive.nodes[name].view == before and not hive.exits
    return sentence(reply)


def sentence(reply: Reply) -> str:
    assert isinstance(reply, Failed)
    return reply.sentence


def dead(hive: Hive, *names: str) -> None:
    """They die, and the others have noticed."""
    for name in names:
        hive.kill(name)
    for name in names:
        hive.until(lambda name=name: state(hive, name) is State.DOWN)  # type: ignore[misc]


def state(hive: Hive, name: str) -> State | None:
    survivor = next(iter(hive.nodes))
    member = view_index.member(hive.view(survivor), identity(name))
    return member.state if member else None


# --- leaving -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replication", [1, 2])
@pytest.mark.parametrize("leaving", ["a", "b", "c"])
def test_who_leaves_has_given_everything_away_first(leaving: str, replication: int) -> None:
    hive = filled("a", "b", "c", replication=replication)
    assert hive.ask("b", LeaveNode(5, identity(leaving))) == Done(5)
    hive.until(lambda: leaving in hive.exits, seconds=30)
    rest = [name for name in "abc" if name != leaving]
    hive.stable(*rest)
    assert hive.exits[leaving].code == 0 and "has left the hive" in hive.exits[leaving].sentence
    assert set(words(hive, rest[0])) == {""}
    assert hive.said(rest[0], f"{leaving} has left") and not hive.said(rest[0], f"{leaving} is down")


def test_while_it_leaves_everything_is_served() -> None:
    hive = filled("a", "b", "c")
    hive.send("a", LeaveNode(5, identity("a")))
    while "a" not in hive.exits:
        reply = hive.ask("b", Get(1, b"k1"))
        assert word_of(reply) in ("", "unstable"), reply
        hive.go(0.02)
    hive.stable("b", "c")
    assert set(words(hive, "c")) == {""}


def test_the_last_node_can_not_leave() -> None:
    hive = filled("a")
    assert "a is the last node that is up" in refused(hive, "a", LeaveNode(1, identity("a")))


def test_the_last_node_that_is_up_can_not_leave_the_dead_alone() -> None:
    hive = filled("a", "b", "c")
    dead(hive, "b")
    dead(hive, "c")
    assert "nobody could take its entries; stop_node stops it" in refused(hive, "a", LeaveNode(1, identity("a")))


def test_a_node_that_is_down_can_not_be_asked_to_leave() -> None:
    hive = filled("a", "b", "c")
    dead(hive, "c")
    assert word_of(hive.ask("a", LeaveNode(1, identity("c")))) == "unavailable"


# --- who asked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_of", "word"),
    [
        (lambda node: StopNode(1, node), "stop_node: this node stops as planned"),
        (lambda node: LeaveNode(1, node), "leave: this node moves its data away"),
        (lambda node: RemoveAll(1, node, 0), "remove_all: every entry that this node owns is removed"),
    ],
    ids=["stop_node", "leave", "remove_all"],
)
def test_the_log_says_who_asked_for_what_an_operator_does(request_of: Callable[[NodeId], Request], word: str) -> None:
    hive = filled("a", "b", "c")

    def made(node: NodeId) -> Request:
        request = request_of(node)
        return replace(request, epoch=hive.view("a").epoch) if isinstance(request, RemoveAll) else request

    hive.send("a", made(identity("b")))
    hive.go(1.0)
    name = word.partition(":")[0]
    assert hive.said("a", f"{name} is passed on to b; asked by a client")
    assert hive.said("b", "; asked by a client through a") and hive.said("b", word)
    hive = filled("a", "b", "c")
    hive.nodes["a"].context.process.clients = dict.fromkeys(range(10_000), "10.0.0.9:4242")
    hive.send("a", made(identity("a")))
    hive.go(1.0)
    assert hive.said("a", word) and hive.said("a", "; asked by 10.0.0.9:4242")


def audited(hive: Hive, name: str) -> list[str]:
    return [line for speaker, level, line in hive.lines if speaker == name and level == "audit"]


def test_the_audit_has_who_asked_for_what_and_the_outcome_at_both_nodes() -> None:
    hive = filled("a", "b", "c")
    epoch = hive.view("a").epoch
    hive.nodes["a"].context.process.clients = dict.fromkeys(range(10_000), "10.0.0.9:4242")
    assert word_of(hive.ask("a", SetReplication(1, 9, 1))) == "usage"
    assert word_of(hive.ask("a", RemoveAll(2, identity("b"), epoch + 9, b""))) == "unstable"
    hive.ask("a", RemoveAll(3, identity("b"), epoch, b""))
    hive.ask("a", RemoveAll(4, identity("b"), epoch, b"a further page"))
    assert hive.ask("a", LeaveNode(5, identity("c"))) == Done(5)
    assert word_of(hive.ask("a", ForgetNode(6, identity("b"), 1))) == "usage"
    assert hive.ask("a", StopNode(7, NOBODY)) == Done(7)
    here, who = audited(hive, "a"), "asked by 10.0.0.9:4242"
    assert [line.partition(": ")[0] for line in here] == [
        f"set_replication 9, {who}", f"remove_all b, {who}", f"remove_all b, {who}", f"leave c, {who}",
        f"forget b, {who}", f"stop_node a, {who}",
    ]  # fmt: skip
    assert [line.partition("4242: ")[2].partition(":")[0] for line in here] == [
        "usage", "unstable", "done", "done", "usage", "done"
    ]  # fmt: skip
    there = "asked by 10.0.0.9:4242 through a"
    assert [line.rpartition(": ")[0] for line in audited(hive, "c")] == [f"leave c, {there}"]
    assert audited(hive, "b")[-1] == f"remove_all b, {there}: done"
    assert not any(node.context.audit.open for node in hive.nodes.values())


def test_what_is_never_answered_is_bounded() -> None:
    hive = filled("a", "b")
    audit = hive.nodes["a"].context.audit
    for number in range(2 * AUDITS_MAX):
        audit.begin((1, number), Recover(number), NOBODY, "somebody")
    assert len(audit.open) == AUDITS_MAX
    audit.ended((1, 2 * AUDITS_MAX - 1), Done(1))
    audit.ended((1, 0), Done(1))
    assert len(audit.open) == AUDITS_MAX - 1


# --- forgetting --------------------------------------------------------------------------------------------------


def test_a_forgotten_node_takes_what_it_alone_held_with_it() -> None:
    hive = filled("a", "b", "c")
    dead(hive, "c")
    lost = words(hive, "a").count("unavailable")
    assert 0 < lost < COUNT
    assert hive.forget("b", "c") == Done(2)
    hive.stable("a", "b")
    assert words(hive, "a").count("not_found") == lost and set(words(hive, "a")) == {"", "not_found"}
    assert hive.said("b", "an operator says that c never returns")


def test_nothing_is_lost_where_others_have_copies() -> None:
    hive = filled("a", "b", "c", replication=2)
    dead(hive, "c")
    assert hive.forget("a", "c") == Done(2)
    hive.stable("a", "b")
    assert set(words(hive, "a")) == {""}


def test_a_forgotten_node_that_returns_all_the_same_joins_anew_and_brings_nothing_old() -> None:
    hive = filled("a", "b", "c")
    dead(hive, "c")
    hive.forget("a", "c")
    hive.stable("a", "b")
    before = words(hive, "a")
    hive.start("c", "a")
    hive.stable("a", "b", "c")
    assert words(hive, "c") == before == words(hive, "a")


def test_the_most_complete_copy_is_taken_wherever_it_is() -> None:
    """C has joined and received nothing; A has all, and has just restarted: it is A's copy that counts."""
    hive = filled("a", "b")
    dead(hive, "b")
    lost = [number for number, word in enumerate(words(hive, "a")) if word == "unavailable"]
    held = hive.view("a")
    copied = hive.stores["b"].scan(*ENTRIES)
    hive.stores["a"].write(list(copied), True)  # as if it had been a holder of these before
    hive.kill("a")
    hive.start("c", "a")
    hive.start("a")
    hive.until(lambda: len(hive.view("a").members) == 3)
    assert held.epoch < hive.view("a").epoch
    assert hive.forget("a", "b") == Done(2)
    hive.stable("a", "c")
    assert lost and set(words(hive, "c")) == {""}


def test_a_choice_of_another_time_is_void() -> None:
    hive = filled("a", "b")
    dead(hive, "b")
    view, lost = hive.view("a"), identity("b")
    orphans = salvage.orphans(view, (lost,))
    choices, loss = salvage.choose(view, orphans, {})
    assert loss.empty == loss.share > 0 and {choice.node for choice in choices} == {NOBODY}
    for void in ((), choices[1:], (replace(choices[0], version=0), *choices[1:])):
        hive.ask("a", ForgetNode(1, lost, 1, void))
        hive.go(2.0)
        assert view_index.member(hive.view("a"), lost) is not None
    hive.ask("a", ForgetNode(1, lost, 1, choices))
    hive.stable("a")


@pytest.mark.parametrize(
    ("member", "incarnation", "words"),
    [("b", 1, "b is not down"), ("c", 2, "c is not down"), ("x", 1, f"{identity('x').hex()[:8]} is no node of")],
    ids=["it lives", "another life of it", "nobody"],
)
def test_only_who_is_down_can_be_forgotten(member: str, incarnation: int, words: str) -> None:
    hive = filled("a", "b", "c")
    dead(hive, "c")
    assert words in refused(hive, "a", ForgetNode(1, identity(member), incarnation))


def test_nothing_is_forgotten_where_nothing_can_be_decided() -> None:
    hive = filled("a", "b", "c", "d", replication=2)
    dead(hive, "d")
    hive.kill("b")
    hive.kill("c")
    hive.until(lambda: bool(hive.nodes["a"].lifecycle.quorum()))
    said = refused(hive, "a", ForgetNode(1, identity("d"), 1))
    assert "nothing can be decided here: this node sees 1 of 3 voters; it waits for" in said
    assert said.startswith("nothing can be decided here: this node sees")


def test_a_node_that_is_on_its_way_back_is_not_forgotten() -> None:
    """It is down in the view, and says that it is there: what it alone has would be given up for nothing."""
    hive = filled("a", "b", "c")
    dead(hive, "c")
    hive.slow_disks.update("ab")  # nothing is decided for the moment
    hive.start("c")
    hive.go(1.0)
    said = refused(hive, "a", ForgetNode(1, identity("c"), 1))
    assert said.startswith("c answers, and is on its way back: what it has is not lost; stop it first")


# --- recovering --------------------------------------------------------------------------------------------------


def test_there_is_nothing_to_recover_with_a_quorum() -> None:
    hive = filled("a", "b", "c")
    dead(hive, "c")
    assert "there is nothing to recover" in refused(hive, "a", Recover(1))


def test_there_is_nothing_to_recover_without_a_hive() -> None:
    hive = Hive()
    hive.start("a", "nowhere")
    hive.go(1.0)
    assert refused(hive, "a", Recover(1)) == "this node has no hive to recover"


def test_a_single_survivor_serves_all_that_it_has_copies_of() -> None:
    hive = filled("a", "b", "c", replication=3)
    hive.kill("a")
    hive.kill("b")
    hive.until(lambda: bool(hive.nodes["c"].lifecycle.quorum()))
    hive.go(3.0)
    assert set(words(hive, "c")) <= {"unavailable", "unstable"}
    reply = hive.ask("c", Recover(3))
    assert isinstance(reply, Text) and reply.id == 3
    assert "generation 2 of the hive begins here with 1 of 3 nodes; without a, b" in reply.text
    hive.stable("c")
    assert set(words(hive, "c")) == {""} and hive.ask("c", Put(1, b"new", b"1")) == Done(1)


def test_a_recovery_is_on_disk_before_it_is_answered() -> None:
    hive = filled("a", "b", "c", replication=3)
    hive.kill("a")
    hive.kill("b")
    hive.until(lambda: bool(hive.nodes["c"].lifecycle.quorum()))
    hive.go(3.0)
    hive.slow_disks.add("c")
    session = hive.send("c", Recover(3))
    hive.go(5.0)
    assert session not in hive.replies and hive.view("c").generation == 1


def without_voters() -> Hive:
    """Of five nodes with three copies three are gone; ``d`` sees no quorum."""
    hive = filled(*"abcde", replication=3)
    for name in "abc":
        hive.kill(name)
    hive.until(lambda: bool(hive.nodes["d"].lifecycle.quorum()))
    hive.go(3.0)
    return hive


def test_a_recovery_from_a_copy_that_is_not_there_any_more_is_refused() -> None:
    """The operator was told that the entries start again from it."""
    hive = without_voters()
    asked = hive.recovery("d")
    arc = hive.view("d").arcs[0]
    gone = Recover(1, (*asked.choices, Choice(arc.end, arc.version, identity("a"))))
    assert "a, whose copies were to be taken, can't be reached any more" in refused(hive, "d", gone)
    assert isinstance(hive.ask("d", asked), Text)


def test_a_recovery_that_loses_what_the_operator_still_reaches_is_refused() -> None:
    """He asked all nodes what they have, and `e` answered him; `d` can't reach it, and would begin without."""
    hive = without_voters()
    asked = hive.recovery("d")
    hive.cut("d", "e")
    hive.go(5.0)
    told = refused(hive, "d", asked)
    assert told.startswith("one of ") and " answered you, but can't be reached from d, which" in told
    assert "only where its disk is lost for good, stop it and give the command again" in told
    assert isinstance(hive.ask("d", hive.recovery("d", "d")), Text), "what it costs without it was told"


def test_a_recovery_takes_along_all_that_are_seen() -> None:
    """The operator said that the missing voters are dead, and nothing of the others."""
    hive = filled(*"abcde", replication=3)
    assert {identity(name) for name in "abcde"} == set(hive.view("a").voters)
    for name in "abc":
        hive.kill(name)
    hive.until(lambda: bool(hive.nodes["d"].lifecycle.quorum()))
    hive.go(3.0)
    reply = hive.ask("d", hive.recovery("d"))
    assert isinstance(reply, Text) and "begins here with 2 of 5 nodes" in reply.text, reply
    hive.stable("d", "e", seconds=30)
    assert not hive.exits


def test_a_survivor_without_a_quorum_says_so_of_its_own_arcs_too() -> None:
    """Arcs that it owns itself are no exception."""
    hive = filled("a", "b", "c", replication=3)
    hive.kill("a")
    hive.kill("b")
    hive.until(lambda: bool(hive.nodes["c"].lifecycle.quorum()))
    hive.go(5.0)
    assert set(words(hive, "c")) == {"unavailable"}


@pytest.mark.parametrize("replication", [1, 2])
@pytest.mark.parametrize("gone", ["abc", "bcd"])
def test_whoever_survives_the_voters_knows_it_without_being_their_neighbour(gone: str, replication: int) -> None:
    """Also with one copy, where nodes share no arcs, the loss is noticed, and recover works
    everywhere; with two copies it fences nodes that live (g)."""
    hive = filled(*"abcdefg", replication=replication)
    rest = [name for name in "abcdefg" if name not in gone]
    for name in gone:
        hive.kill(name)
    hive.go(10.0)
    assert all(hive.nodes[name].lifecycle.quorum() for name in rest)
    reply = hive.ask(rest[0], hive.recovery(rest[0]))
    assert isinstance(reply, Text) and "begins here with 4 of 7 nodes" in reply.text, reply
    hive.stable(*rest, seconds=30)
    assert not hive.exits, "nobody who is alive is fenced"


def test_lines_of_what_is_refused_are_bounded_and_counted() -> None:
    hive = filled("a")
    context = hive.nodes["a"].context
    audit = context.audit
    for number in range(REFUSALS_MAX + 5):
        audit.begin((1, number), Recover(number), NOBODY, "eve")
        audit.ended((1, number), Failed(number, DeniedError.code, "eve may read"))
    told = [effect.line for effect in context.outbox.take() if isinstance(effect, LogLine)]
    assert told == ["recover, asked by eve: denied: eve may read"] * REFUSALS_MAX
    audit.begin((1, 99), Recover(99), NOBODY, "root")
    audit.ended((1, 99), Done(99))
    told = [effect.line for effect in context.outbox.take() if isinstance(effect, LogLine)]
    assert told == ["recover, asked by root: done (and 5 more that were refused)"], "what was done is always told"
