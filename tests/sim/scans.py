"""Scans and counts in virtual time, and whether they told the truth.

What a node answers at one epoch is about the arcs that it owns in that view, each entry by itself: an alias that is
listed was there at some moment between question and answer, one that is left out was missing at some such moment. So
each becomes one more operation in the history of its entry, and the same judge decides. Of a count only bounds are
known: how many entries were there throughout, and how many may have been there at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sim.linear import REMOVES, WRITES, Operation
from tests.sim.machine import WALL_MILLISECONDS
from tests.sim.versions import Seen, Versions, is_counter
from wrpme import errors
from wrpme.protocol.messages import Aliases, Count, Failed, Number, PrefixScan, RingScan
from wrpme.protocol.ring import CURSOR_BITS, arc_at, cursor_of, hash_of
from wrpme.protocol.administration import CloseSnapshot, OpenSnapshot, Snapshot, SnapshotPage, SnapshotPart
from wrpme.protocol.view import NodeId, View
from wrpme.protocol.view_index import owner

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

REFUSED = {error.code for error in (errors.UnstableError, errors.UnavailableError, errors.BusyError, errors.FullError)}
PAGE_ALIASES_MAX = 4
MAKES = WRITES | {"add"}


@dataclass(frozen=True, slots=True)
class Counted:
    """``number`` entries in the arcs that the node owns in the view."""

    call: int
    back: int
    view: View
    node: NodeId
    number: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Of these arcs all ``aliases`` that begin with ``prefix``, after ``after`` and up to ``last``."""

    call: int
    back: int
    view: View
    node: NodeId
    prefix: str
    after: str
    last: str | None
    aliases: tuple[str, ...]
    contents: tuple[bytes | None, ...] = ()
    """In the order of the aliases, or nothing."""


@dataclass(frozen=True, slots=True)
class Walked:
    """In the order of the ring all ``aliases`` from the cursor ``first`` on, and before ``last``."""

    call: int
    back: int
    first: int
    last: int
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """All ``entries`` of the positions from ``first`` to ``end``, as of one moment, no later than ``at``; with the
    ``ends`` of their lives."""

    call: int
    back: int
    at: float
    first: int
    end: int
    entries: dict[str, bytes]
    ends: dict[str, int]


class Scans:
    """What was asked and answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.versions: Versions | None = None
        """Where they are judged: then pages have contents and versions."""
        self.counted: list[Counted] = []
        self.listed: list[Listed] = []
        self.walked: list[Walked] = []
        self.taken: list[Taken] = []

    # --- asking --------------------------------------------------------------------------------------------------

    def ask(self, prefix: str) -> None:
        """A count or a page of one node, asked there or through another one."""
        random = self.world.random
        running = [machine for machine in self.world.machines if machine.node is not None]
        if not running:
            return
        machine = random.choice(running)
        view = machine.node.view if machine.node is not None else None
        if view is None:
            return
        node = machine.identity if random.random() < 0.8 else random.choice(view.members).id
        if random.random() < 0.5:
            self.count(machine, node, view)
        else:
            self.page(machine, node, view, random.choice(("", prefix, prefix[:-1])), "")

    def count(self, machine: Machine, node: NodeId, view: View) -> None:
        """Asks how many entries that node owns."""
        call, world = self.world.moment(), self.world

        def hear(reply: object) -> None:
            if isinstance(reply, Number):
                self.counted.append(Counted(call, world.moment(), view, node, reply.number))
            else:
                self._refused(reply)

        machine.request(world.open_session(hear), Count(1, node, view.epoch))

    def page(self, machine: Machine, node: NodeId, view: View, prefix: str, after: str) -> None:
        """Asks for a page, and those after it."""
        call, world, life = self.world.moment(), self.world, machine.life

        def hear(reply: object) -> None:
            if not isinstance(reply, Aliases):
                self._refused(reply)
                return
            last, aliases = reply.last.decode(), tuple(alias.decode() for alias in reply.aliases)
            back, end = world.moment(), last if reply.more else None
            self.listed.append(Listed(call, back, view, node, prefix, after, end, aliases, reply.contents))
            if self.versions is not None:
                self._note_versions(self.versions, reply, call, back)
            if reply.more:
                assert last > after, f"a page after {after!r} ends at {last!r}"
                world.agenda.after(0.0, lambda: go_on(last))

        def go_on(last: str) -> None:
            if machine.life == life:
                self.page(machine, node, view, prefix, last)

        looks = self.versions is not None
        count = world.random.randint(1, PAGE_ALIASES_MAX)
        begin, behind = prefix.encode(), after.encode()
        request = PrefixScan(1, node, view.epoch, begin, behind, count, contents=looks, versions=looks)
        machine.request(world.open_session(hear), request)

    def walk(self, machine: Machine, cursor: int, count: int) -> None:
        """Asks for a page in the order of the ring, of whoever owns it, and for those after it."""
        call, world, life = self.world.moment(), self.world, machine.life

        def hear(reply: object) -> None:
            if not isinstance(reply, Aliases):
                self._refused(reply)
                return
            last = int.from_bytes(reply.last, "big")
            assert cursor < last and reply.more == (last < 1 << CURSOR_BITS), f"after {cursor} comes {last}"
            aliases = tuple(alias.decode() for alias in reply.aliases)
            self.walked.append(Walked(call, world.moment(), cursor, last, aliases))
            if reply.more:
                world.agenda.after(0.0, lambda: go_on(last))

        def go_on(last: int) -> None:
            if machine.life == life:
                self.walk(machine, last, count)

        machine.request(world.open_session(hear), RingScan(1, cursor, count))

    def walk_from_any(self) -> None:
        """Begins somewhere."""
        random = self.world.random
        running = [machine for machine in self.world.machines if machine.node is not None]
        if running:
            begin = random.choice((0, random.getrandbits(CURSOR_BITS)))
            self.walk(random.choice(running), begin, random.randint(1, PAGE_ALIASES_MAX))

    def take_any(self) -> None:
        """A snapshot of an arc, asked of its owner through any node, and read page by page while others write."""
        random = self.world.random
        running = [machine for machine in self.world.machines if machine.node is not None]
        machine = random.choice(running) if running else None
        view = machine.node.view if machine is not None and machine.node is not None else None
        if machine is None or view is None:
            return
        arc = random.choice(view.arcs)
        node = owner(view, arc)
        if node is None:
            return
        call, world = self.world.moment(), self.world

        def hear(reply: object) -> None:
            if isinstance(reply, Snapshot):
                taken = Taken(call, world.moment(), world.agenda.now, reply.first, arc.end, {}, {})
                self._read(machine, node, reply, taken, b"", 0)
            else:
                self._refused(reply)

        machine.request(world.open_session(hear), OpenSnapshot(1, node, view.epoch, arc.end))

    def _read(self, machine: Machine, node: NodeId, began: Snapshot, taken: Taken, after: bytes, offset: int) -> None:
        world, life = self.world, machine.life

        def hear(reply: object) -> None:
            if not isinstance(reply, SnapshotPart):
                self._refused(reply)
                return
            for saved in reply.entries:
                alias = saved.alias.decode()
                assert saved.offset == len(taken.entries.get(alias, b"")), (
                    f"{saved} does not go on where the last ended"
                )
                taken.ends[alias] = saved.expiry
                taken.entries[alias] = taken.entries.get(alias, b"") + saved.part
            if reply.more:
                world.agenda.after(world.random.random(), lambda: go_on(reply.after, reply.offset))
                return
            self.taken.append(taken)
            machine.request(world.open_session(lambda reply: None), CloseSnapshot(1, node, began.number))

        def go_on(last: bytes, rest: int) -> None:
            if machine.life == life:
                self._read(machine, node, began, taken, last, rest)

        machine.request(world.open_session(hear), SnapshotPage(1, node, began.number, after, offset))

    @staticmethod
    def _note_versions(versions: Versions, page: Aliases, call: int, back: int) -> None:
        assert len(page.aliases) == len(page.contents) == len(page.versions), f"a page is {page}"
        for name, content, version in zip(page.aliases, page.contents, page.versions, strict=True):
            alias = name.decode()
            if content is not None and not is_counter(alias):
                versions.note(alias, Seen(call, back, content, version))

    @staticmethod
    def _refused(reply: object) -> None:
        fine = isinstance(reply, Failed) and reply.code in REFUSED
        assert fine, f"a scan was answered with {reply}"

    # --- judging -------------------------------------------------------------------------------------------------

    def judge(self, histories: dict[str, list[Operation]]) -> None:
        """Counts at once; of pages each alias becomes an operation in its history."""
        positions = {alias: hash_of(alias.encode()) for alias in histories}
        owned: dict[tuple[int, int, NodeId], list[str]] = {}

        def of(view: View, node: NodeId) -> list[str]:
            key = (view.generation, view.epoch, node)
            if key not in owned:
                mine = [owner(view, arc) == node for arc in view.arcs]
                owned[key] = [alias for alias, at in positions.items() if mine[arc_at(view, at)]]
            return owned[key]

        for count in self.counted:
            aliases = of(count.view, count.node)
            known = [presence(histories[alias], count.call, count.back) for alias in aliases]
            least, most = sum(one is True for one in known), sum(one is not False for one in known)
            told = f"{count.number} entries are counted between {count.call} and {count.back}"
            assert least <= count.number <= most, f"{told}, there are {least} to {most}"
        for page in self.listed:
            aliases = [
                alias
                for alias in of(page.view, page.node)
                if alias.startswith(page.prefix) and page.after < alias and (page.last is None or alias <= page.last)
            ]
            strange = [alias for alias in page.aliases if alias not in aliases]
            assert not strange, f"a page after {page.after!r} of {page.prefix!r} has {strange}"
            assert list(page.aliases) == sorted(set(page.aliases)), f"a page is not in order: {page.aliases}"
            contents = dict(zip(page.aliases, page.contents, strict=False))
            for alias in aliases:
                result = "ok" if alias in page.aliases else "not_found"
                content = contents.get(alias)
                kind = "listed" if content is None else "get_entry"
                histories[alias].append(Operation(kind, page.call, page.back, result, given=content))
        cursors = {alias: cursor_of(at, alias.encode()) for alias, at in positions.items()}
        for walked in self.walked:
            there = sorted((cursor, alias) for alias, cursor in cursors.items() if walked.first <= cursor < walked.last)
            aliases = [alias for _, alias in there]
            expected = [alias for alias in aliases if alias in walked.aliases]
            assert list(walked.aliases) == expected, f"{walked} has aliases of elsewhere, or in another order"
            for alias in aliases:
                result = "ok" if alias in walked.aliases else "not_found"
                histories[alias].append(Operation("listed", walked.call, walked.back, result))
        for taken in self.taken:
            within = [alias for alias, at in positions.items() if taken.first <= at <= taken.end]
            others = taken.entries.keys() - set(within)
            assert not others, f"a snapshot of {taken.first:x} to {taken.end:x} has {others}"
            for alias in within:
                given, end = taken.entries.get(alias), taken.ends.get(alias, 0)
                if 0 < end <= WALL_MILLISECONDS + 1000.0 * (taken.at + self.world.skew_seconds):
                    continue  # it may be over, and was not removed yet: whoever reads it sees so by its end
                kind, result = ("listed", "not_found") if given is None else ("get_entry", "ok")
                histories[alias].append(Operation(kind, taken.call, taken.back, result, given=given))


def presence(history: list[Operation], call: int, back: int) -> bool | None:
    """Whether there was an entry at each moment between the two, or at none; None where nobody can say."""
    there = max((one.call for one in history if one.back < call and _shows_one(one)), default=None)
    none = max((one.call for one in history if one.back < call and _shows_none(one)), default=-1)
    meanwhile = [one for one in history if one.call < back and one.result in ("ok", "")]
    ends = [one for one in meanwhile if one.kind in REMOVES or one.kind == "deadline"]
    taken = any(there is None or one.back > there for one in ends)
    made = any(one.kind in MAKES and one.back > none for one in meanwhile)
    if there is not None and not taken:
        return True
    return None if made else False


def _shows_one(one: Operation) -> bool:
    """There was an entry at its end."""
    if one.kind in REMOVES or one.kind == "deadline":
        return one.result == "mismatch"
    return one.result in ("ok", "already_exists", "mismatch")


def _shows_none(one: Operation) -> bool:
    return one.result == "not_found" or (one.result == "ok" and one.kind in REMOVES)
