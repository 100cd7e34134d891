"""How views spread: on disk before anything else, told to those who lack them; strangers; generations of a hive."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.harness import Hive, hive_of, identity, word_of
from tests.view_parts import HIVE, down, grown, id_of, join, next_view
from wrpme.core.context import NodeContext
from wrpme.core.io import Effect, Exit, Persist, ReplyTo, Send, Settings
from wrpme.core.layout import ACCEPTOR_KEY, VIEW_KEY
from wrpme.core.membership import transitions as views
from wrpme.core.membership.lifecycle import Lifecycle
from wrpme.core.membership.view_log import ViewLog
from wrpme.core.membership.view_sync import ViewSync
from wrpme.core.membership.whereabouts import UNPROVEN, Whereabouts
from wrpme.daemon.storage.store import MemoryStore
from wrpme.core.limits import ASK_SECONDS
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol import view_index
from wrpme.protocol.identities import Here
from wrpme.protocol.messages import (
    AskView, Body, Content, Done, Envelope, Get, NextView, Put, Report, Text, WholeView,
)  # fmt: skip
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import NOBODY, Change, Elect, NodeId, Patch, Proposal, State, View

ME, OTHER = id_of(0), id_of(1)


def views_of(*steps: tuple[Change, ...]) -> list[View]:
    """A founded hive and the views that these changes make of it, one after the other."""
    made = [views.found(HIVE, ME, 1, "n0", 2)]
    for step in steps:
        made.append(next_view(made[-1], *step))
    return made


FIRST, SECOND, THIRD = views_of((join(1),), (join(2),))


def proposal(base: View, *changes: Change) -> Proposal:
    following = next_view(base, *changes)
    return Proposal(changes, views.difference(base, following), view_index.digest(following))


class Seat:
    """A node that has nothing but views; ``adopted`` keeps epochs, and whether it is to tell them on."""

    def __init__(self, view: View | None = FIRST, me: NodeId = ME, life: int = 1) -> None:
        self.store = MemoryStore()
        self.context = NodeContext(Settings(me, life, "n0", ("peer",)), self.store, 100.0)
        self.adopted: list[tuple[int, bool]] = []
        self.lifecycle = Lifecycle(self.context)
        whereabouts = Whereabouts(self.context, lambda request: None, lambda node, former: None)
        self.view_sync = ViewSync(self.context, self.lifecycle, whereabouts)
        if view is not None:
            self.store.write([(VIEW_KEY, view_index.pack(view))], True)
            assert self.view_sync.start()
            self._adopt()
        self.adopted.clear()

    def _adopt(self) -> None:
        while (adoption := self.view_sync.next_on_disk()) is not None:
            self.adopted.append((adoption.view.epoch, adoption.is_news))
            self.context.adopt(adoption.view)

    def effects(self) -> list[Effect]:
        effects, self.context.outbox.effects = self.context.outbox.effects, []
        return effects

    def sent(self) -> list[tuple[str, Body]]:
        return [(effect.address, effect.envelope.body) for effect in self.effects() if isinstance(effect, Send)]

    def disk(self) -> None:
        self.context.flush_disk()
        for effect in self.effects():
            if isinstance(effect, Persist):
                assert effect.must_sync, "also under --no-sync"
                self.store.write(effect.operations, True)
                self.context.commits.on_persisted(effect.batch, self.context.now)
                self._adopt()

    def envelope(self, body: Body, generation: int = 1, to: NodeId = ME, hive: bytes = HIVE) -> Envelope:
        return Envelope(hive, generation, OTHER, 1, to, 1, body)

    def answers(self, envelope: Envelope) -> tuple[bool, list[Body]]:
        """Whether it listens, and what it says at once."""
        listens = self.view_sync.listens(7, envelope)
        found = [effect.reply for effect in self.effects() if isinstance(effect, ReplyTo)]
        assert all(isinstance(reply, Envelope) and reply.destination == OTHER for reply in found)
        return listens, [reply.body for reply in found if isinstance(reply, Envelope)]


# --- learning ----------------------------------------------------------------------------------------------------


def test_a_view_is_on_disk_with_the_acceptor_dropped_before_it_is_adopted() -> None:
    seat = Seat()
    seat.store.write([(ACCEPTOR_KEY, b"of the instance before")], True)
    seat.view_sync.on_view(OTHER, WholeView(SECOND))
    assert seat.view_sync.latest == SECOND and seat.adopted == []
    seat.disk()
    assert seat.adopted == [(2, False)]
    assert ViewLog(seat.store).load() == SECOND and seat.store.get(ACCEPTOR_KEY) is None


def test_changes_are_followed_from_their_very_base() -> None:
    seat = Seat()
    seat.view_sync.on_view(OTHER, NextView(3, proposal(SECOND, join(2))))
    assert seat.view_sync.latest == FIRST and seat.sent() == [], "two steps away"
    seat.view_sync.on_view(OTHER, NextView(2, proposal(FIRST, join(1))))
    seat.view_sync.on_view(OTHER, NextView(3, proposal(SECOND, join(2))))
    assert seat.view_sync.latest == THIRD, "also while the one before is on its way to the disk"
    seat.disk()
    assert seat.adopted[-1] == (3, False) and seat.context.view == THIRD
    seat.sent()
    seat.view_sync.on_view(OTHER, NextView(3, proposal(SECOND, join(2))))
    assert seat.sent() == [], "it has that view already"


@pytest.mark.parametrize("kind", ["digest", "patch"])
def test_a_patch_that_does_not_make_the_view_is_answered_by_asking_for_it_whole(kind: str) -> None:
    seat = Seat(SECOND)
    right = proposal(SECOND, join(2))
    wrong = replace(right, digest=b"?" * 16) if kind == "digest" else replace(right, patch=Patch())
    seat.view_sync.on_view(OTHER, NextView(3, wrong))
    assert seat.sent() == [("n1", AskView(whole=True))] and seat.view_sync.latest == SECOND


@pytest.mark.parametrize(
    "view", [FIRST, SECOND, replace(THIRD, hive=b"x" * 16), replace(THIRD, generation=0)],
    ids=["older", "the same", "another hive", "an older generation"],
)  # fmt: skip
def test_views_that_tell_nothing_new(view: View) -> None:
    seat = Seat(SECOND)
    seat.view_sync.on_view(OTHER, WholeView(view))
    seat.disk()
    assert seat.adopted == [] and seat.view_sync.latest == SECOND and not seat.lifecycle.exited


def test_a_node_without_a_view_takes_only_one_that_it_is_in() -> None:
    seat = Seat(None, id_of(2))
    seat.view_sync.on_view(OTHER, WholeView(SECOND))
    assert seat.view_sync.latest is None
    seat.view_sync.on_view(OTHER, WholeView(THIRD))
    seat.disk()
    assert seat.adopted == [(3, False)]


def test_what_was_decided_here_is_told_to_all_once_it_is_on_disk() -> None:
    seat = Seat(THIRD)
    seat.view_sync.decided(proposal(THIRD, down(1)))
    assert seat.adopted == []
    seat.view_sync.decided(proposal(THIRD, down(2)))
    seat.disk()
    assert seat.adopted == [(4, True)], "of one epoch there is one view"
    view = seat.context.view
    assert view is not None and [member.state for member in view.members] == [State.UP, State.DOWN, State.UP]
    assert ViewLog(seat.store).load() == view


def test_who_stopped_as_planned_is_known_of_the_present_view_alone() -> None:
    seat = Seat(THIRD)
    seat.view_sync.decided(proposal(THIRD, replace(down(1), planned=True), down(2)))
    seat.disk()
    assert seat.context.view is not None
    assert seat.view_sync.stopping(seat.context.view) == {id_of(1)}
    assert seat.view_sync.stopping(THIRD) == set()


# --- telling -----------------------------------------------------------------------------------------------------


def test_who_has_the_base_gets_the_changes_and_others_the_whole_view() -> None:
    seat = Seat(THIRD)
    seat.context.known_epochs.update({id_of(1): 3, id_of(2): 2})
    made = proposal(THIRD, join(3))
    seat.view_sync.decided(made)
    seat.disk()
    view = seat.context.view
    assert view is not None
    seat.view_sync.tell_all(THIRD, view)
    assert seat.sent() == [("n1", NextView(4, made)), ("n2", WholeView(view)), ("n3", WholeView(view))]


def test_who_is_no_member_any_more_is_told_too() -> None:
    seat = Seat(THIRD)
    without = replace(THIRD, epoch=4, members=tuple(member for member in THIRD.members if member.id != id_of(2)))
    seat.view_sync.learn(without)
    seat.disk()
    seat.view_sync.tell_all(THIRD, without)
    assert seat.sent() == [("n1", WholeView(without)), ("n2", WholeView(without))]


def test_a_higher_epoch_is_asked_for_and_not_with_every_message() -> None:
    seat = Seat(SECOND)
    for _ in range(3):
        seat.view_sync.compare_epochs(OTHER, 3)
    assert seat.sent() == [("n1", AskView())]
    seat.context.now += 3 * ASK_SECONDS
    seat.view_sync.compare_epochs(OTHER, 3)
    assert seat.sent() == [("n1", AskView())], "it may have been lost"
    seat.view_sync.on_view(OTHER, WholeView(THIRD))
    seat.context.now += 2 * ASK_SECONDS
    seat.view_sync.compare_epochs(OTHER, 3)
    assert seat.sent() == [], "it is on its way to the disk"


def test_a_lower_epoch_is_told_once_in_a_while() -> None:
    seat = Seat(THIRD)
    for _ in range(3):
        seat.view_sync.compare_epochs(OTHER, 2)
    assert seat.sent() == [], "whoever proposed it tells all, and it asks somebody"
    seat.context.now += LEASE_SECONDS / 2 + 2 * ASK_SECONDS
    for _ in range(3):
        seat.view_sync.compare_epochs(OTHER, 2)
    assert seat.sent() == [("n1", WholeView(THIRD))]
    seat.context.now += 3 * ASK_SECONDS
    seat.view_sync.compare_epochs(OTHER, 2)
    assert len(seat.sent()) == 1, "it may have been lost"
    seat.view_sync.compare_epochs(OTHER, 3)
    assert seat.sent() == []


def test_who_is_not_there_yet_is_told_at_once() -> None:
    """Nobody sends heartbeats to a member that is down, or has just started again: it hears of nothing."""
    down_in_it = next_view(THIRD, down(1))
    seat = Seat(down_in_it)
    seat.view_sync.compare_epochs(OTHER, 2)
    assert seat.sent() == [("n1", WholeView(down_in_it))]


def test_who_lacks_a_few_views_is_told_their_patches_and_who_lacks_more_the_whole() -> None:
    first = grown(4, False)
    seat = Seat(first)
    second = next_view(first, Elect(id_of(1)))
    steps = [proposal(first, Elect(id_of(1))), proposal(second, Elect(id_of(2)))]
    seat.view_sync.on_view(OTHER, NextView(second.epoch, steps[0]))
    seat.view_sync.on_view(OTHER, NextView(second.epoch + 1, steps[1]))
    seat.disk()
    view = seat.context.view
    assert view is not None and view.epoch == first.epoch + 2
    seat.sent()
    seat.view_sync.tell(OTHER, first.epoch)
    assert seat.sent() == [("n1", NextView(second.epoch, steps[0])), ("n1", NextView(view.epoch, steps[1]))]
    seat.view_sync.tell(OTHER, second.epoch)
    assert seat.sent() == [("n1", NextView(view.epoch, steps[1]))]
    seat.view_sync.tell(OTHER, first.epoch - 1)
    seat.view_sync.tell(OTHER, 0)
    assert seat.sent() == [("n1", WholeView(view))] * 2


def test_patches_that_are_kept_are_together_no_larger_than_the_view() -> None:
    seat = Seat(FIRST)
    view = FIRST
    for number in range(1, 40):
        step = (join(number),) if number % 2 else (down(number - 1),)
        seat.view_sync.on_view(OTHER, NextView(view.epoch + 1, proposal(view, *step)))
        view = next_view(view, *step)
    assert seat.view_sync.latest == view
    kept = list(seat.view_sync._proposals.values())
    assert 0 < sum(len(proposal.patch.arcs) for proposal in kept) <= len(view.arcs)
    assert list(seat.view_sync._proposals)[-1] == view.epoch


@pytest.mark.parametrize(("epoch", "hears"), [(0, False), (1, True), (2, True), (3, False), (9, False)])
def test_a_stranger_with_an_older_view_hears_the_present_one(epoch: int, hears: bool) -> None:
    """One that was expelled or has left must learn it; one that only asks to join hears from the voters."""
    seat = Seat(THIRD)
    stranger = Envelope(HIVE, 1, id_of(8), 1, ME, epoch, AskView())
    for _ in range(2):
        seat.view_sync.answer_stranger(7, stranger)
    replies = [effect.reply for effect in seat.effects() if isinstance(effect, ReplyTo)]
    assert replies == ([seat.context.outbox.envelope(id_of(8), WholeView(THIRD))] if hears else [])


def test_who_was_told_is_not_remembered_longer_than_it_is_a_member() -> None:
    seat = Seat(THIRD)
    for number in range(8, 20):
        seat.view_sync.answer_stranger(7, Envelope(HIVE, 1, id_of(number), 1, ME, 1, AskView()))
        seat.context.now += ASK_SECONDS
    seat.view_sync.compare_epochs(id_of(2), 2)
    assert len(seat.view_sync._strangers) == 1 and set(seat.view_sync._told) == {id_of(2)}
    without = replace(THIRD, epoch=4, members=tuple(member for member in THIRD.members if member.id != id_of(2)))
    seat.view_sync.learn(without)
    seat.disk()
    assert not seat.view_sync._told


def test_a_node_that_was_given_up_hears_so_and_joins_anew() -> None:
    """It was cut off for longer than the grace, and for all that it knew it was a member."""
    hive = hive_of("a", "b", "c", "d", replication=2)
    assert hive.ask("a", Put(1, b"x", b"1")) == Done(1)
    for other in "abc":
        hive.cut("d", other)
    hive.until(lambda: all(identity("d") not in hive.nodes[name].context.members for name in "abc"), seconds=100)
    assert identity("d") in hive.nodes["d"].context.members
    hive.heal()
    hive.stable("a", "b", "c", "d", seconds=30)
    assert hive.said("d", "it joins as a new member") and hive.said("a", "d joined")
    assert hive.ask("d", Get(1, b"x")) == Content(1, b"1")


# --- who is listened to ------------------------------------------------------------------------------------------


def test_a_message_of_this_hive_is_listened_to() -> None:
    assert Seat().answers(Seat().envelope(AskView())) == (True, [])
    assert Seat().answers(Seat().envelope(AskView(), to=NOBODY)) == (True, []), "whoever is at this address"


def test_a_wrong_receiver_says_who_is_there() -> None:
    seat = Seat()
    answer = [Here(UNPROVEN, "n0")]
    assert seat.answers(seat.envelope(AskView(), to=id_of(5))) == (False, answer)
    assert seat.answers(seat.envelope(AskView(), hive=b"x" * 16)) == (False, answer), "the envelope says of which hive"
    waiting = Seat(None)
    assert waiting.answers(waiting.envelope(AskView())) == (False, answer)
    assert waiting.answers(waiting.envelope(WholeView(SECOND))) == (True, []), "that is what it waits for"


def test_its_own_words_end_a_node_that_was_given_itself_as_a_peer() -> None:
    seat = Seat(None)
    own = Envelope(b"", 1, ME, 1, NOBODY, 0, Report((join(0),)))
    assert not seat.view_sync.listens(7, own)
    assert any(isinstance(effect, Exit) and "is this node itself" in effect.sentence for effect in seat.effects())


@pytest.mark.parametrize("case", ["meant for another", "of another life", "with a view", "one peer of several"])
def test_the_sentence_that_a_peer_is_the_node_itself_is_said_only_where_it_is_true(case: str) -> None:
    """The address of a member may be this node's own now, and a process on a copy of the directory has the same id."""
    seat = Seat(FIRST if case == "with a view" else None)
    if case == "one peer of several":  # one list for all nodes, in which its own name was not known at the start
        seat.context.settings = replace(seat.context.settings, peers=("itself:1", "other:1"))
    to, life = (OTHER, 1) if case == "meant for another" else (NOBODY, 2 if case == "of another life" else 1)
    assert not seat.view_sync.listens(7, Envelope(b"", 1, ME, life, to, 0, Report((join(0),))))
    assert not any(isinstance(effect, Exit) for effect in seat.effects())


# --- generations -------------------------------------------------------------------------------------------------


def later_generation(*seen: int, epoch: int = 3) -> View:
    """The hive after ``n1`` was recovered with these."""
    before = replace(THIRD, epoch=epoch - 1)
    me = view_index.member(before, id_of(1))
    assert me is not None
    return views.recover(before, me, [id_of(number) for number in seen])


def test_an_older_generation_hears_the_new_view_and_nothing_else_of_it_counts() -> None:
    seat = Seat(later_generation(0))
    assert seat.answers(seat.envelope(AskView(), generation=1)) == (False, [WholeView(later_generation(0))])
    assert seat.answers(seat.envelope(WholeView(THIRD), generation=1))[0] is False


def test_of_a_newer_generation_only_its_view_is_heard() -> None:
    seat = Seat(SECOND)
    assert seat.answers(seat.envelope(AskView(), generation=2)) == (False, [])
    assert seat.answers(seat.envelope(WholeView(later_generation(0)), generation=2)) == (True, [])


def test_whoever_a_new_generation_takes_along_goes_with_it() -> None:
    seat = Seat(SECOND)
    view = later_generation(0)
    seat.view_sync.on_view(OTHER, WholeView(view))
    seat.disk()
    assert seat.adopted == [(view.epoch, False)] and seat.context.lives and not seat.lifecycle.exited
    assert view.generation == 2


@pytest.mark.parametrize("life", [1, 2, 9])
def test_whoever_a_new_generation_lists_goes_with_it_also_in_a_later_life(life: int) -> None:
    """It restarted before it heard of it: what it alone holds must not be set aside."""
    seat = Seat(SECOND, life=life)
    view = later_generation(0)
    seat.view_sync.on_view(OTHER, WholeView(view))
    seat.disk()
    assert seat.adopted == [(view.epoch, False)] and not seat.lifecycle.exited
    assert seat.context.lives == (life == 1), "a later life has to come back first"


@pytest.mark.parametrize("case", ["not named", "only a later life is named", "it has seen more"])
def test_whoever_a_new_generation_leaves_behind_is_fenced(case: str) -> None:
    seat = Seat(replace(THIRD, epoch=7) if case == "it has seen more" else SECOND)
    view = later_generation() if case == "not named" else later_generation(0)
    if case == "only a later life is named":
        members = tuple(replace(found, incarnation=2) if found.id == ME else found for found in view.members)
        view = replace(view, members=members)
    for _ in range(2):
        seat.view_sync.on_view(OTHER, WholeView(view))
    exits = [effect for effect in seat.effects() if isinstance(effect, Exit)]
    assert len(exits) == 1 and exits[0].rejoin == tuple(member.address for member in view.members)
    assert "generation 2" in exits[0].sentence and "set aside" in exits[0].sentence
    assert seat.adopted == [] and not any(isinstance(effect, Persist) for effect in seat.effects())


def recovered() -> Hive:
    """Of four nodes a and b are gone; c starts a new generation with d."""
    hive = hive_of("a", "b", "c", "d", replication=2)
    for number in range(30):
        assert hive.ask("a", Put(1, b"k%d" % number, b"%d" % number)) == Done(1)
    hive.kill("a")
    hive.kill("b")
    hive.until(lambda: bool(hive.nodes["c"].lifecycle.quorum()))
    hive.go(3.0)
    reply = hive.ask("c", hive.recovery("c"))
    assert isinstance(reply, Text)
    assert "generation 2 of the hive begins here with 2 of 4 nodes; without a, b, which will join" in reply.text
    return hive


def test_a_recovered_hive_serves_with_all_that_it_has() -> None:
    hive = recovered()
    hive.stable("c", "d")
    assert hive.view("d").generation == 2 and not hive.exits
    found = [word_of(hive.ask(name, Get(1, b"k%d" % number))) for name in "cd" for number in range(30)]
    assert set(found) == {"", "not_found"} and found[:30] == found[30:]
    assert hive.ask("d", Put(1, b"new", b"1")) == Done(1)


@pytest.mark.parametrize(
    ("lives", "taken"),
    [((), True), ((5 << 32 | 1,), True), ((1 << 32 | 7, 3 << 32 | 7), True), ((1 << 32 | 7, 2 << 32 | 7), False)],
    ids=["of a former release", "of before its record", "its own", "of another directory"],
)
def test_a_view_that_names_a_life_which_the_directory_has_not_lived(lives: tuple[int, ...], taken: bool) -> None:
    """An older copy: what it has on its disk must not count for what that life had."""
    seat = Seat(life=9 << 32)
    seat.context.settings = replace(seat.context.settings, lives=lives)
    mine = view_index.member(SECOND, ME)
    assert mine is not None
    others = tuple(member for member in SECOND.members if member.id != ME)
    named = replace(SECOND, members=(*others, replace(mine, incarnation=3 << 32 | 7)))
    seat.view_sync.on_view(OTHER, WholeView(named))
    assert seat.lifecycle.exited is not taken
    assert (seat.view_sync.latest == named) is taken
    ends = [effect for effect in seat.effects() if isinstance(effect, Exit)]
    assert [bool(end.rejoin) and "older copy" in end.sentence for end in ends] == [True] * (not taken)


def test_a_node_that_missed_the_recovery_is_fenced_on_contact() -> None:
    hive = recovered()
    hive.stable("c", "d")
    hive.start("a")
    hive.until(lambda: "a" in hive.exits)
    assert hive.exits["a"].rejoin == ("c", "d") and hive.exits["a"].code == 1
    hive.start("e", "c", replication=2)  # what the process does then: another id, another directory
    hive.stable("c", "d", "e")
    assert not {"c", "d"} & set(hive.exits)


def test_a_node_that_restarts_while_the_hive_is_recovered_keeps_what_it_alone_holds() -> None:
    """Its directory must not be set aside: the new generation lists it by its id."""
    hive = hive_of("a", "b", "c", "d", replication=1)
    for number in range(40):
        assert hive.ask("a", Put(1, b"k%d" % number, b"%d" % number)) == Done(1)
    kept = [b"k%d" % number for number in range(40) if owner_of(hive, b"k%d" % number) == "d"]
    hive.kill("a")
    hive.kill("b")
    hive.until(lambda: bool(hive.nodes["c"].lifecycle.quorum()))
    hive.go(3.0)
    session = hive.send("c", hive.recovery("c"))
    hive.kill("d")
    hive.until(lambda: session in hive.replies)
    assert isinstance(hive.replies[session], Text)
    hive.start("d")
    hive.stable("c", "d", seconds=30)
    assert not hive.exits and kept
    assert [hive.get("c", alias) for alias in kept] == [alias[1:] for alias in kept]


def test_a_recovery_takes_along_who_is_there_and_not_back_yet() -> None:
    """A node that restarted without a quorum can't be back; the new generation has it all the same."""
    hive = hive_of("a", "b", "c", "d", "e", "f", replication=1)
    for number in range(60):
        assert hive.ask("a", Put(1, b"k%d" % number, b"%d" % number)) == Done(1)
    voters = [name for name in "abcdef" if identity(name) in hive.view("a").voters]
    other = next(name for name in "abcdef" if name not in voters)
    kept = [b"k%d" % number for number in range(60) if owner_of(hive, b"k%d" % number) == other]
    survivor, *dead = voters
    for name in (*dead, other):
        hive.kill(name)
    hive.until(lambda: bool(hive.nodes[survivor].lifecycle.quorum()))
    hive.start(other)
    hive.go(5.0)
    reply = hive.ask(survivor, hive.recovery(survivor))
    assert isinstance(reply, Text) and "begins here with 2 of 6 nodes" in reply.text
    hive.stable(survivor, other, seconds=30)
    assert not hive.exits and kept
    assert [hive.get(survivor, alias) for alias in kept] == [alias[1:] for alias in kept]


def owner_of(hive: Hive, alias: bytes) -> str:
    view = hive.view("a")
    owner = view_index.owner(view, view.arcs[arc_at(view, hash_of(alias))])
    return next(member.address for member in view.members if member.id == owner)


def test_who_is_slow_is_told_each_view_once() -> None:
    base = next_view(FIRST, *(join(number) for number in range(1, 9)))  # large enough that patches are kept
    seat, told = Seat(base), list[int]()
    for _ in range(4):
        before = seat.context.view
        assert before is not None
        change = Elect(next(member.id for member in before.members if member.id not in before.voters))
        seat.view_sync.decided(proposal(before, change))
        seat.disk()
        seat.effects()
        assert seat.context.view is not None
        seat.view_sync.tell_all(before, seat.context.view)
        told += [body.epoch for to, body in seat.sent() if to == "n1" and isinstance(body, NextView)]
    assert told[-3:] == [4, 5, 6] and len(told) == len(set(told)), "nobody has answered, so all is on its way"
    seat.context.now += LEASE_SECONDS
    seat.view_sync.compare_epochs(OTHER, 3)
    missing = [body.epoch for _, body in seat.sent() if isinstance(body, NextView)]
    assert missing == [4, 5, 6], "one that lacks them asks"
