"""One arc, the whole ring, on a few nodes without the rest of them: every step of disk and network by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.harness import HIVE, identity
from wrpme import ring
from wrpme.effects import Persist, ReplyTo, Send, Settings
from wrpme.entries import RING, key_of
from wrpme.ground import Ground
from wrpme.messages import Body, Committed, EntryRequest, GetTail, Reply, Stream, StreamAck, Tail
from wrpme.picture import Arc, Change, Member, State, View
from wrpme.replica import Replica
from wrpme.store import MemoryStore
from wrpme.table import Table

END = RING - 1


def key(alias: str) -> bytes:
    return key_of(ring.hash_of(alias), alias.encode())


def view_of(
    epoch: int, holders: str, incoming: str = "", prev: str = "", down: str = "", version: int = 0, of: str = "abc"
) -> View:
    """A view with one arc; nodes are letters."""

    def ids(names: str) -> tuple[bytes, ...]:
        return tuple(identity(name) for name in names)

    members = tuple(
        Member(identity(name), 1, name, 1, State.DOWN if name in down else State.UP) for name in of
    )
    arc = Arc(END, version or epoch, ids(holders), ids(incoming), ids(prev))
    return View(epoch, HIVE, 1, 3, members, (arc,), ids(of[0]))


class End:
    """One node's end of the arc; ``out`` keeps what it says to others until ``Ends`` carries it."""

    def __init__(self, name: str, now: float) -> None:
        self.store = MemoryStore()
        self.ground = Ground(Settings(identity(name), 1, name), self.store, now)
        self.table = Table(self.ground)
        self.replies: dict[int, Reply] = {}
        self.valid_until: dict[int, float] = {}
        self.out: list[tuple[str, Body]] = []
        self.reports: list[Change] = []
        self._batch: Persist | None = None

    @property
    def replica(self) -> Replica:
        replica = self.table.at(0)
        assert replica is not None, "this node has a part in the arc"
        return replica

    def adopt(self, view: View) -> None:
        """Everybody is known to have it."""
        self.ground.adopt(view)
        self.ground.known_epochs = {member.id: view.epoch for member in view.members}
        others = [member.id for member in view.members if member.id != self.ground.me and member.state is State.UP]
        self.ground.beacons.watch(others, self.ground.now)
        self.table.adopt(view)
        self.collect()

    def trusted(self) -> None:
        """All others acknowledge a beacon of just now."""
        for node in self.ground.beacons.neighbours:
            self.ground.beacons.acknowledged(node, self.ground.now, self.ground.now)

    def ask(self, session: int, request: EntryRequest) -> None:
        """A client's request, and the end of the turn."""
        self.replica.execute(session, request, key(request.alias))
        self.table.end_turn()
        self.collect()

    def collect(self) -> None:
        """Sorts the effects so far."""
        self.ground.flush()
        effects, self.ground.effects = self.ground.effects, []
        for effect in effects:
            if isinstance(effect, Persist):
                assert self._batch is None, "one batch at a time"
                self._batch = effect
            elif isinstance(effect, Send):
                self.out.append((effect.address, effect.envelope.body))
            elif isinstance(effect, ReplyTo):
                assert effect.session not in self.replies, "answered once"
                self.replies[effect.session] = effect.reply  # type: ignore[assignment]
                self.valid_until[effect.session] = effect.valid_until
        self.reports += self.ground.reports
        self.ground.reports = []
        for replica in self.table.mine:
            replica.validate()

    def disk(self) -> None:
        """All that gathered arrives on the disk."""
        self.collect()
        while self._batch is not None:
            batch, self._batch = self._batch, None
            self.store.write(batch.operations, True)
            self.ground.on_persisted(batch.batch)
            self.table.settle()
            self.collect()

    def receive(self, source: bytes, body: Body) -> None:
        """What another node says of the arc."""
        if isinstance(body, Stream):
            self.table.on_stream(source, body)
        elif isinstance(body, StreamAck):
            self.table.on_ack(source, body)
        elif isinstance(body, Tail):
            self.replica.on_tail(source, body)
        elif isinstance(body, Committed):
            self.replica.on_committed(source, body)
        elif isinstance(body, GetTail):
            self.replica.hand_over()
        self.collect()

    def held(self) -> dict[bytes, bytes]:
        """The entries in the store."""
        return dict(self.store.scan(b"e", b"f"))


class Ends:
    """The nodes; ``lost`` says which messages do not arrive, ``seen`` keeps all that were sent."""

    def __init__(self, names: str = "abc") -> None:
        self.now = 100.0
        self.ends = {name: End(name, self.now) for name in names}
        self.lost: Callable[[str, str, Body], bool] = lambda source, target, body: False
        self.seen: list[tuple[str, str, Body]] = []
        self.go(10)

    def __getitem__(self, name: str) -> End:
        return self.ends[name]

    def go(self, seconds: float) -> None:
        """Time passes, and nobody does anything in it."""
        self.now += seconds
        for end in self.ends.values():
            end.ground.now = self.now

    def adopt(self, view: View, names: str = "") -> None:
        """These nodes, or all, have the view; nothing is carried yet."""
        for name in names or self.ends:
            self.ends[name].adopt(view)

    def carry(self) -> int:
        """Carries what was said so far, one step; gives how many messages there were."""
        count = 0
        for name, end in self.ends.items():
            said, end.out = end.out, []
            for target, body in said:
                count += 1
                self.seen.append((name, target, body))
                if target in self.ends and not self.lost(name, target, body):
                    self.ends[target].receive(identity(name), body)
        return count

    def settle(self) -> None:
        """Disks and network, until nothing happens any more."""
        for _ in range(200):
            for end in self.ends.values():
                end.trusted()
                end.disk()
            if not self.carry():
                return
        raise AssertionError("it never ends")

    def tick(self) -> None:
        """Every node looks at its deadlines."""
        for end in self.ends.values():
            end.table.tick(True)
            end.collect()

    def said(self, kind: type[Body] | tuple[type[Body], ...]) -> Sequence[Body]:
        """What was sent of a kind."""
        return [body for _, _, body in self.seen if isinstance(body, kind)]
