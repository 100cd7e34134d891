"""Holders, owners and copies come and go at any time, over a network that loses: what was answered is never lost."""

from __future__ import annotations

from random import Random

import pytest

from tests.replica_parts import END, A, B, Bench, C, view_of
from wrpme.core.layout import Version, version_in
from wrpme.core.replication.replica import Role
from wrpme.core.limits import PROMISE_SECONDS
from wrpme.protocol.messages import Done, Put, Remove, Update
from wrpme.protocol.view import Arc, NodeId, Synced, View

ALIASES = [b"k%d" % number for number in range(12)]
FIRST = Arc(END, 1, (A, B), (C,), wanted=(A, B, C))
SEEDS, SEEDS_A_TEST, STEPS = 300, 25, 200
WEIGHTS = {"w": 60, "r": 15, "d": 140, "p": 60, "a": 25, "l": 3, "t": 10, "s": 15, "o": 3, "K": 0.5, "R": 4}
"""How often: write, remove, deliver, disk, adopt, lose, time, synced, another owner, killed for ever, started again."""


class Course:
    """What happened so far. ``view`` is the newest one; each node adopts it when a step says so."""

    def __init__(self) -> None:
        self.made = Bench(FIRST, (A, B, C))
        self.view: View = view_of(FIRST)
        self.asked: list[tuple[NodeId, int, bytes, Version, bool]] = []
        self.dead: set[NodeId] = set()
        self.answered: set[tuple[NodeId, int]] = set()

    @property
    def arc(self) -> Arc:
        return self.view.arcs[0]

    @property
    def owner(self) -> NodeId:
        return self.arc.holders[0]

    def step(self, kind: str, pick: int) -> None:
        made = self.made
        if kind in "wr":
            self.write(kind == "r", pick)
        elif kind == "d":
            firsts = list({sent[:2]: index for index, sent in reversed(list(enumerate(made.wire)))}.values())
            made.deliver(firsts[pick % len(firsts)] if firsts else 0)  # a connection keeps its order
        elif kind == "l":
            made.lose(pick)
        elif kind == "a":
            self.adopt(sorted(made.sides)[pick % len(made.sides)])
        elif kind == "p":
            made[sorted(made.sides)[pick % len(made.sides)]].persist()
        elif kind == "t":
            made.now += pick / 50
            for node in sorted(made.sides):
                made[node].tick(again=pick % 2 == 0)
        elif kind == "s":
            self.sync()
        elif kind == "o":
            holders = self.arc.holders
            self.change(holders[pick % len(holders) :] + holders[: pick % len(holders)], self.arc.incoming)
        elif kind in "KR" and len(self.arc.holders) > 1:
            self.end_life(sorted(made.sides)[pick % len(made.sides)], returns=kind == "R")
        for node, side in made.sides.items():
            self.answered |= {(node, session) for session, reply in side.replies.items() if isinstance(reply, Done)}

    def write(self, removal: bool, pick: int) -> None:
        """At whoever believes to be the owner; there is never more than one that serves."""
        serving = [node for node, side in sorted(self.made.sides.items()) if side.replica.serving]
        assert len(serving) <= 1, "two owners"
        for node in serving:
            side, alias = self.made[node], ALIASES[pick % len(ALIASES)]
            self.made.lease(node, *(other for other in (A, B, C) if other != node))
            before = side.replica.writes.sequence
            session = side.ask(Remove(1, alias) if removal else Update(1, alias, b"%d" % len(self.asked)))
            if side.replica.writes.sequence > before:
                version = (side.replica.arc.version, side.replica.writes.sequence)
                self.asked.append((node, session, alias, version, removal))

    def change(self, holders: tuple[NodeId, ...], incoming: tuple[NodeId, ...]) -> None:
        """The next view; former owners are remembered."""
        epoch = self.view.epoch + 1
        prev = tuple(node for node in dict.fromkeys((*self.arc.prev, self.owner)) if node != holders[0])
        arc = Arc(END, epoch, holders, incoming, prev, tuple(dict.fromkeys((*holders, *incoming))))
        self.view = view_of(arc, epoch, tuple(sorted(self.dead)))

    def adopt(self, node: NodeId) -> None:
        self.made[node].adopt(self.view)
        for side in self.made.sides.values():
            side.context.known_epochs[node] = self.view.epoch

    def sync(self) -> None:
        """The voters believe a report that is of this very version and of its owner."""
        for side in self.made.sides.values():
            for report in side.context.outbox.reports:
                if not isinstance(report, Synced) or report.version != self.arc.version:
                    continue
                if report.node in self.arc.incoming and report.reporter == self.owner:
                    incoming = tuple(node for node in self.arc.incoming if node != report.node)
                    self.change((*self.arc.holders, report.node), incoming)
                    return

    def end_life(self, node: NodeId, returns: bool) -> None:
        """Power off. Where it ``returns`` it has what was on its disk, and receives a copy."""
        made = self.made
        if not returns and len(made.sides) == 1:
            return
        made.wire = [sent for sent in made.wire if node not in sent[:2]]
        holders = tuple(other for other in self.arc.holders if other != node)
        incoming = tuple(other for other in self.arc.incoming if other != node)
        if returns:
            self.change(holders, (*incoming, node))
            made.restart(node, self.view)
            made[node].context.known_epochs = dict.fromkeys((A, B, C), 0)
            self.adopt(node)
        else:
            self.dead.add(node)
            del made.sides[node]
            self.change(holders, incoming)

    def heal(self) -> None:
        """Nothing is lost any more, and the hive comes to rest."""
        made = self.made
        for _ in range(4):
            for node in sorted(made.sides):
                self.adopt(node)
            made.now += PROMISE_SECONDS
            made.quiet(self.owner, 80)
            self.sync()
        assert made[self.owner].replica.serving and not self.arc.incoming

    def check(self) -> None:
        """Each entry is at least as new as its latest answered write, and all holders have the same."""
        side = self.made[self.owner]
        for alias in ALIASES:
            versions = [
                (version, removal)
                for node, session, written, version, removal in self.asked
                if written == alias and (node, session) in self.answered
            ]
            if not versions:
                continue
            latest, removed = max(versions)
            held = side.stored().get(alias)
            later = any(gone and name == alias and version > latest for _, _, name, version, gone in self.asked)
            if held is None:
                assert removed or later, f"{alias!r} {latest} was answered and is lost"
            else:
                assert held[0] > latest or (held[0] == latest and not removed), f"{alias!r} {latest}: found {held[0]}"
        for node in self.arc.holders:
            assert self.made[node].stored() == side.stored()
            assert self.made[node].replica.counts() == side.replica.counts()


def live(seed: int) -> None:
    """One course, and what is true at its end."""
    chance = Random(seed)
    course = Course()
    course.made.settle()
    for _ in range(STEPS):
        (kind,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        course.step(kind, chance.randrange(100))
    course.heal()
    course.check()
    made, owner = course.made, course.owner
    made.lease(owner, *(node for node in (A, B, C) if node != owner))
    session = made[owner].ask(Put(9, b"last", b""))
    made.settle()
    assert made[owner].replies[session] == Done(9), "and it goes on"
    for node in course.arc.holders:
        assert made.role(node) is (Role.OWNER if node == owner else Role.HOLDER)
        key = next(key for key, _ in made[node].store.scan(b"e", b"f") if key.endswith(b"last"))
        assert version_in(made[node].store.get(key) or b"")[0] == course.arc.version


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_what_was_answered_is_never_lost(first: int) -> None:
    for seed in range(first, first + SEEDS_A_TEST):
        try:
            live(seed)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
