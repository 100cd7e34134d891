"""Followers in virtual time, and whether what they were told is true.

A follower is what the client library has of it (:class:`wrpme.client.follow.followed.Followed`), with the connections
of this world. Judged are:

* Order: what an entry is told to have become has greater versions each time.
* Truth: whoever was told a content knows that its write is acknowledged; so from then on it has taken effect, whatever
  its own client heard, and the judge of the histories finds out if it is taken back.
* Completeness: when nothing happens any more, what a follower knows is what the owners have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.sim.linear import Operation
from wrpme.client.follow.followed import Followed, Seen
from wrpme.core.layout import content_in, key_range
from wrpme.protocol.messages import (
    Aliases, Changes, ConfirmFollow, Done, Failed, Follow, FollowEnded, Following, PrefixScan, Unfollow,
)  # fmt: skip
from wrpme.protocol.ring import arc_start
from wrpme.protocol.view import View
from wrpme.protocol.view_index import owner

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

PAUSE_SECONDS = 0.3
CONFIRM_SECONDS = 3.0
SETTLED_SECONDS_MAX = 20.0
PATIENCE_SECONDS = 8.0
"""A round that is not synchronized after so long begins anew."""


class Followers:
    """All of one run."""

    def __init__(self, world: World, prefixes: list[str]) -> None:
        self.world = world
        self.each = [SimFollower(world, prefix) for prefix in prefixes]
        for follower in self.each:
            follower.begin()

    def compare(self) -> None:
        """In a hive that is stable and at rest each of them soon knows what there is."""
        world = self.world
        for follower in self.each:
            end = world.agenda.now + SETTLED_SECONDS_MAX
            settled = world.agenda.run_until(end, follower.is_settled) or follower.is_settled()
            assert settled, f"a follower is not synchronized {SETTLED_SECONDS_MAX} s after all is well"
        world.agenda.run_until(world.agenda.now + 2.0)
        view = world.checks.newest()
        assert view is not None
        machines = {machine.identity: machine for machine in world.machines}
        there: dict[bytes, bytes] = {}
        for index, arc in enumerate(view.arcs):
            low, high = key_range(arc_start(view, index), arc.end)
            held = owner(view, arc)
            assert held is not None
            there.update((key[9:], content_in(value)) for key, value in machines[held].disk.seen.scan(low, high))
        for follower in self.each:
            follower.compare(there)

    def judge(self, histories: dict[str, list[Operation]]) -> None:
        """See the module."""
        for follower in self.each:
            follower.judge(histories)


@dataclass(slots=True)
class Line:
    """An owner that tells, or is to."""

    machine: Machine
    life: int
    session: int
    channel: int = 0
    scanned: bool = False
    confirmed: bool = False
    after: bytes = b""
    """Behind which alias the page begins that was asked for last."""


class SimFollower:
    """One that follows all entries of one prefix. ``round`` counts the attempts; what was begun in an earlier one means
    nothing."""

    def __init__(self, world: World, prefix: str) -> None:
        self.world = world
        self.prefix = prefix
        self.followed = Followed()
        self.round = 0
        self.lines: list[Line] = []
        self.told: list[tuple[int, Seen]] = []
        """With the moment of each."""
        self.state: dict[bytes, bytes] = {}
        world.on_end.append(self._process_ended)

    def begin(self) -> None:
        """The first round, after a while."""
        self.world.agenda.after(self.world.random.random(), self._ask)

    def _later(self, seconds: float) -> None:
        self.round += 1
        number = self.round
        self.world.agenda.after(seconds, lambda: self._ask() if self.round == number else None)

    def _end(self, reason: str) -> None:
        """The owners are asked anew."""
        world = self.world
        world.say(None, f"a follower of {self.prefix!r} asks anew: {reason}")
        for line in self.lines:
            if line.machine.life == line.life and world.random.random() < 0.5:
                line.machine.request(line.session, Unfollow(9, line.channel))
            world.close_session(line.session)
        self.lines = []
        self._later(PAUSE_SECONDS * (0.5 + world.random.random()))

    def _ask(self) -> None:
        world = self.world
        running = [machine for machine in world.machines if machine.node is not None]
        view = world.random.choice(running).node.view if running else None  # type: ignore[union-attr]
        self.followed.begin("")
        self.round += 1
        number = self.round
        owners = self._owners(view) if view is not None else None
        if view is None or owners is None:
            self._later(PAUSE_SECONDS)
            return
        for machine in owners:
            line = Line(machine, machine.life, 0)
            line.session = world.open_session(lambda reply, line=line: self._arrive(number, line, reply))  # type: ignore[misc]
            self.lines.append(line)
        for line in self.lines:
            request = Follow(1, line.machine.identity, view.epoch, self.prefix.encode(), contents=True)
            self._send(line, request)
        world.agenda.after(PATIENCE_SECONDS, lambda: self._give_up(number))

    def _owners(self, view: View) -> list[Machine] | None:
        nodes = {owner(view, arc) for arc in view.arcs}
        machines = [machine for machine in self.world.machines if machine.identity in nodes]
        reached = None not in nodes and len(machines) == len(nodes) and all(one.node is not None for one in machines)
        return machines if reached else None

    def _send(self, line: Line, request: Follow | PrefixScan | ConfirmFollow) -> None:
        world = self.world

        def arrive() -> None:
            if line.machine.life == line.life:
                line.machine.request(line.session, request)

        world.agenda.after(world.habits.latency * (0.5 + world.random.random()), arrive)
        if world.faults.active and world.random.random() < 0.003:
            number = self.round
            world.agenda.after(0.01, lambda: self._end("a connection broke") if self.round == number else None)

    def _give_up(self, number: int) -> None:
        if self.round == number and not self.followed.synchronized:
            self._end("no answer")

    def _process_ended(self, machine: Machine) -> None:
        number = self.round
        if any(line.machine is machine for line in self.lines):
            seconds = self.world.random.random() * 0.1 if machine.powered else 5.0
            self.world.agenda.after(seconds, lambda: self._end("a process ended") if self.round == number else None)

    # --- what is said --------------------------------------------------------------------------------------------

    def _arrive(self, number: int, line: Line, reply: object) -> None:
        """Each connection keeps the order; this one has no delay of its own, as the request had one."""
        if self.round == number:
            self._hear(line, reply)
            self._take()

    def _hear(self, line: Line, reply: object) -> None:
        if isinstance(reply, Following):
            line.channel = reply.channel
            if all(one.channel for one in self.lines):
                for one in self.lines:
                    self._page(one, b"")
        elif isinstance(reply, Changes):
            if line.channel == reply.channel:
                for change in reply.changes:
                    self.followed.changed(change.what, change.alias, change.version, change.content)
        elif isinstance(reply, Aliases):
            for alias, version, content in zip(reply.aliases, reply.versions, reply.contents, strict=True):
                self.followed.written(alias, version, content, paged=True)
            if reply.more:
                self._page(line, reply.last)
                return
            line.scanned = True
            if all(one.scanned for one in self.lines):
                for one in self.lines:
                    self._send(one, ConfirmFollow(3, one.channel))
        elif isinstance(reply, Done):
            line.confirmed = True
            if all(one.confirmed for one in self.lines) and not self.followed.synchronized:
                self.followed.finish()
                self._confirm_later()
        elif isinstance(reply, FollowEnded):
            self._end("a node owns other entries")
        elif isinstance(reply, Failed):
            if reply.id == 2 and line.channel and self.world.random.random() < 0.7:
                self.world.agenda.after(0.1, lambda number=self.round: self._again(number, line))  # type: ignore[misc]
            else:
                self._end(reply.sentence)

    def _again(self, number: int, line: Line) -> None:
        """A page was refused as the view is another one; the channel lives, so the scan goes on by the next one."""
        if self.round == number:
            self._page(line, line.after)

    def _page(self, line: Line, after: bytes) -> None:
        line.after = after
        view = line.machine.node.view if line.machine.node is not None else None
        if view is not None and line.machine.life == line.life:
            node, prefix = line.machine.identity, self.prefix.encode()
            self._send(line, PrefixScan(2, node, view.epoch, prefix, after, 3, contents=True, versions=True))

    def _confirm_later(self) -> None:
        number = self.round

        def confirm() -> None:
            if self.round == number:
                for line in self.lines:
                    self._send(line, ConfirmFollow(3, line.channel))
                self._confirm_later()

        self.world.agenda.after(CONFIRM_SECONDS, confirm)

    def _take(self) -> None:
        """What is told; at times whoever follows reads later."""
        if self.world.random.random() < 0.2:
            return
        while (seen := self.followed.take()) is not None:
            moment = self.world.moment()
            self.told.append((moment, seen))
            if seen.kind in ("removed", "expired"):
                del self.state[seen.alias]
            elif seen.alias:
                assert seen.content is not None, f"no content with {seen}"
                self.state[seen.alias] = seen.content

    # --- judging -------------------------------------------------------------------------------------------------

    def is_settled(self) -> bool:
        """Whether it is synchronized."""
        return self.followed.synchronized and bool(self.lines)

    def compare(self, there: dict[bytes, bytes]) -> None:
        """Nothing happens any more: it knows what there is."""
        while self.followed:
            self._take()
        mine = {alias.decode(): content[:40] for alias, content in self.state.items()}
        wanted = {
            alias.decode(): content[:40] for alias, content in there.items() if alias.startswith(self.prefix.encode())
        }
        differ = sorted(alias for alias in {*mine, *wanted} if mine.get(alias) != wanted.get(alias))
        shown = [(alias, mine.get(alias), wanted.get(alias)) for alias in differ[:3]]
        assert not differ, f"a follower knows something else than there is: {shown}"

    def judge(self, histories: dict[str, list[Operation]]) -> None:
        """Order, and truth."""
        versions: dict[bytes, bytes] = {}
        for moment, seen in self.told:
            if seen.version:
                before = versions.get(seen.alias, b"")
                told = f"a follower of {seen.alias.decode()} is told {seen.kind}"
                assert seen.version > before, f"{told} at a version below one that it was told before"
                versions[seen.alias] = seen.version
            if seen.content is not None:
                took_effect(histories[seen.alias.decode()], seen.content, moment)


def took_effect(history: list[Operation], content: bytes, moment: int) -> None:
    """The write of that content has taken effect by that moment."""
    for at, operation in enumerate(history):
        written = operation.content
        if operation.kind in ("put", "update", "cas", "get_update") and written == content:
            assert operation.call < moment, f"a follower is told of {content[:24]!r} before it was written"
            assert operation.result in ("ok", ""), f"a follower is told of {content[:24]!r}, which was refused"
            if operation.kind in ("put", "update") or operation.result == "ok":
                history[at] = replace(operation, result="ok", back=min(operation.back, moment))
            return
    raise AssertionError(f"a follower is told of {content[:24]!r}, which nobody wrote")
