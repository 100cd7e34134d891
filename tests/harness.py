"""A handful of nodes driven by hand: virtual time, a network of one delay, disks of one delay, no faults of its own.

Tests say what happens and when; :mod:`tests.sim` is where chance does. ``Hive.go`` lets time pass, ``Hive.ask`` asks
and waits, ``Hive.cut`` and ``Hive.drop`` lose messages, ``Hive.kill`` ends a process.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from itertools import count

from tests.user_parts import verified
from wrpme.core.io import (
    ComputeView, Effect, EndSessions, Input, Exit, LinkDown, LinkUp, Persist, Persisted, Received, ReplyTo, Requested,
    LogLine, Send, Settings, StopAsked, Emit, TurnEnded, Verify, Woken,
)  # fmt: skip
from wrpme.core.membership.compute import compute
from wrpme.core.node import Node
from wrpme.daemon.storage.store import MemoryStore
from wrpme.errors import BY_CODE
from wrpme.limits import GRACE_SECONDS
from wrpme.protocol import health, view_index
from wrpme.protocol import salvage
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.administration import ForgetNode, Recover
from wrpme.protocol.messages import (
    Body, Content, Envelope, Failed, Get, GetHoldings, Holding, Holdings, Reply, Report, Request,
)  # fmt: skip
from wrpme.protocol.view import NOBODY, Back, View

NETWORK_SECONDS = 0.0005
DISK_SECONDS = 0.001
HIVE = b"h" * 16


def identity(name: str) -> bytes:
    """The id of the node at that address: names sort as ids do."""
    return name.encode().ljust(16, b"\0")


class Hive:
    """``nodes`` and ``stores`` are by address; ``lines``, ``told``, ``exits`` and ``sent`` keep what was said."""

    def __init__(self) -> None:
        self.now = 100.0
        self.nodes: dict[str, Node] = {}
        self.stores: dict[str, MemoryStore] = {}
        self.lines: list[tuple[str, str, str]] = []
        self.told: list[tuple[str, ClusterEvent]] = []
        self.exits: dict[str, Exit] = {}
        self.sent: list[tuple[str, str, Body]] = []
        self.replies: dict[int, Reply] = {}
        self.drop: Callable[[str, str, Body], bool] = lambda source, target, body: False
        """Loses a message for which it says so."""
        self.keep: Callable[[str, str, Envelope], bool] = lambda source, target, envelope: False
        """Takes a message for which it says so off the network; :meth:`arrive` delivers it."""
        self.watch: Callable[[str, Effect], None] = lambda name, effect: None
        """Hears of each effect before it is carried out."""
        self.secured = False
        """Whether nodes that start take nothing but TLS."""
        self.ended: dict[int, str] = {}
        """Sessions that a node ended, and why."""
        self.slow_disks: set[str] = set()
        """Batches of these do not arrive, until :meth:`disk_goes_on`."""
        self.disk_seconds: dict[str, float] = {}
        """How long a batch takes, where it takes longer than usual."""
        self._behind: dict[str, float] = {}
        """Seconds that the clock of a node did not count."""
        self._frozen: dict[str, tuple[float, list[Input]]] = {}
        self._held: dict[str, Callable[[], None]] = {}
        self._cut: set[frozenset[str]] = set()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count(1)
        self._wakes: dict[str, tuple[float, Node]] = {}
        self.directories: dict[str, tuple[bytes, int]] = {}
        """By their names: the id of the node, and the number of its starts."""
        self._in: dict[str, str] = {}
        """The directory of the process at an address."""
        self._sessions: dict[int, str] = {}
        self._broken: set[tuple[str, str]] = set()
        """Connections that the first node knows to have ended; the next message makes a new one."""

    # --- what a test does ----------------------------------------------------------------------------------------

    def start(
        self, name: str, *peers: str, hive: bytes = b"", replication: int = 0, grace_seconds: float = GRACE_SECONDS,
        directory: str = "", advertise: str = "",
    ) -> Node:  # fmt: skip
        """A process at that address: the next life of the ``directory`` (that of the same name), which
        ``directories`` may say to be one of another node."""
        directory = directory or name
        node_id, lives = self.directories.setdefault(directory, (identity(directory), 0))
        life = lives + 1
        self.directories[directory] = node_id, life
        store = self.stores.setdefault(directory, MemoryStore())
        self._in[name] = directory
        settings = Settings(
            node_id, life, advertise or name, peers, replication or int(bool(hive)), grace_seconds, hive,
            config='{"a": 1}', secured=self.secured,
        )  # fmt: skip
        node = self.nodes[name] = Node(settings, store, self.now)
        self._carry_out(name, node.start(self.now) + node.handle(TurnEnded(), self.now))
        return node

    def copy(self, directory: str, target: str) -> None:
        """A copy of a data directory as it is now."""
        self.stores[target] = store = MemoryStore()
        store.write(list(self.stores[directory].scan(b"", b"\xff")), True)
        self.directories[target] = self.directories[directory]

    def kill(self, name: str) -> None:
        """Power off: what is on its way to the disk or the network from now on does not arrive."""
        del self.nodes[name]
        for other in list(self.nodes):
            self._refused(other, name)

    def cut(self, *pair: str) -> None:
        """Messages between the two are lost until ``heal``; nobody is told."""
        self._cut.add(frozenset(pair))

    def heal(self) -> None:
        """Ends all cuts."""
        self._cut.clear()
        self.drop = lambda source, target, body: False
        for name in list(self.nodes):
            for other in self.nodes:
                if other != name and name in self.nodes:
                    self.event(name, LinkUp(other))

    def go(self, seconds: float) -> None:
        """Lets time pass."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, then = heapq.heappop(self._heap)
            then()
        self.now = end

    def until(self, reached: Callable[[], bool], seconds: float = 10.0) -> float:
        """Lets time pass until something is so; gives how long it took."""
        began = self.now
        while not reached():
            assert self.now - began < seconds, f"not reached in {seconds} s: {self.story()}"
            self.go(0.01)
        return self.now - began

    def stable(self, *names: str, seconds: float = 10.0) -> float:
        """Waits until all of these, and no others, are the stable hive; gives how long it took."""

        def reached() -> bool:
            for name in names:
                view = self.nodes[name].view
                if view is None or {member.address for member in view.members} != set(names):
                    return False
                if health.condition(view).word != "stable" or not self.nodes[name].context.lives:
                    return False
            return len({self.nodes[name].context.view for name in names}) == 1

        return self.until(reached, seconds)

    def send(self, name: str, request: Request) -> int:
        """Asks without waiting; gives the number under which ``replies`` will have the answer."""
        session = next(self._numbers)
        self.event(name, Requested(session, request))
        return session

    def asks(self, name: str, session: int, request: Request) -> Reply:
        """Asks on a connection that is there already, and waits."""
        self.replies.pop(session, None)
        self.event(name, Requested(session, request))
        self.until(lambda: session in self.replies, 5.0)
        return self.replies[session]

    def ask(self, name: str, request: Request, seconds: float = 5.0) -> Reply:
        """Asks and waits for the answer."""
        session = self.send(name, request)
        self.until(lambda: session in self.replies, seconds)
        return self.replies[session]

    def forget(self, name: str, lost: str) -> Reply:
        """Asks to give a dead node up, as the client does."""
        return self.ask(name, self.forgetting(name, lost)[0])

    def forgetting(self, name: str, lost: str) -> tuple[ForgetNode, salvage.Loss]:
        """What the client asks for then, with the copies that what it alone held starts from; and what that costs."""
        told, view = self._holdings(*self.nodes), self.view(name)
        member = view_index.member(view, identity(lost))
        assert member is not None
        choices, loss = salvage.choose(view, salvage.orphans(view, (member.id,)), told)
        return ForgetNode(2, member.id, member.incarnation, choices), loss

    def recovery(self, name: str, *reached: str) -> Recover:
        """What the client of an operator asks that node, who reaches only these (all that run, if none is named)."""
        told, view = self._holdings(*(reached or self.nodes)), self.view(name)
        lost = [member.id for member in view.members if not told.get(member.id)]
        choices, _ = salvage.choose(view, salvage.orphans(view, lost), told)
        return Recover(3, choices)

    def _holdings(self, *names: str) -> dict[bytes, tuple[Holding, ...]]:
        told: dict[bytes, tuple[Holding, ...]] = {}
        for one in names:
            reply = self.ask(one, GetHoldings(1, NOBODY))
            assert isinstance(reply, Holdings)
            told[identity(one)] = reply.holdings
        return told

    def get(self, name: str, alias: bytes) -> bytes:
        """The content of an entry that has to be there."""
        reply = self.ask(name, Get(1, alias))
        assert isinstance(reply, Content), reply
        return reply.content

    def disk_goes_on(self, name: str) -> None:
        """The batch that hung arrives, and those after it do."""
        self.slow_disks.discard(name)
        if then := self._held.pop(name, None):
            then()

    def hangs(self, name: str) -> bool:
        """Whether a batch waits for a slow disk."""
        return name in self._held

    def sync(self, name: str) -> None:
        """The batch that hung arrives, and the next one hangs again."""
        self._held.pop(name)()

    def stop(self, name: str) -> None:
        """A signal."""
        self.event(name, StopAsked())

    def event(self, name: str, event: Input) -> None:
        """Hands an event in, and ends the turn."""
        if name in self._frozen:
            self._frozen[name][1].append(event)
            return
        for part in (event, TurnEnded()):
            if name in self.nodes:
                self._carry_out(name, self.nodes[name].handle(part, self.clock(name)))

    def clock(self, name: str) -> float:
        """What the clock of a node shows."""
        since = self._frozen[name][0] if name in self._frozen else self.now
        return since - self._behind.get(name, 0.0)

    def freeze(self, name: str) -> None:
        """Its virtual machine is paused as a whole, and its clock stands still."""
        self._frozen[name] = self.now, []

    def thaw(self, name: str, *first: Input) -> None:
        """It goes on, with ``first`` and then all that came meanwhile."""
        since, kept = self._frozen.pop(name)
        self._behind[name] = self._behind.get(name, 0.0) + self.now - since
        self._wakes.pop(name, None)
        for event in (*first, *kept):
            self.event(name, event)
        if name in self.nodes:
            self._wake(name, self.nodes[name])

    def hear(self, target: str, source: str, body: Body) -> None:
        """A message as if ``source`` had sent it, with the view that ``target`` has."""
        self.event(target, self.message(target, source, body))

    def message(self, target: str, source: str, body: Body) -> Received:
        """The event of that."""
        view, member = self.view(target), view_index.member(self.view(target), identity(source))
        life = member.incarnation if member else 1
        session = -next(self._numbers)
        self._sessions[session] = source
        envelope = Envelope(view.hive, view.generation, identity(source), life, identity(target), view.epoch, body)
        return Received(session, envelope)

    def said_by_former_life(self, source: str, target: str) -> None:
        """A request of the life before arrives late, as if it had lain in the network."""
        view, former = self.view(target), self.directories[self._in[source]][1] - 1
        request = Report((Back(identity(source), former, source, view.epoch),))
        envelope = Envelope(view.hive, view.generation, identity(source), former, NOBODY, view.epoch, request)
        self.arrive(source, target, envelope)

    def stranger(self, target: str, source: str, body: Body) -> None:
        """A message from a process that is in no hive yet."""
        self.arrive(source, target, Envelope(b"", 1, identity(source), 1, b"", 0, body))

    def view(self, name: str) -> View:
        """The view of a node that has one."""
        view = self.nodes[name].view
        assert view is not None
        return view

    def heard(self, name: str, kind: str) -> list[ClusterEvent]:
        """What a node told of that kind, in order."""
        return [event for teller, event in self.told if teller == name and event.kind == kind]

    def said(self, name: str, words: str) -> bool:
        """Whether a node logged a line with these words."""
        return any(words in line for speaker, _, line in self.lines if speaker == name)

    def story(self) -> str:
        """The last lines of all logs, for a failed test."""
        return "\n".join(" ".join(line) for line in self.lines[-15:])

    # --- what the world does -------------------------------------------------------------------------------------

    def _at(self, when: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._numbers), then))

    def _carry_out(self, name: str, effects: list[Effect]) -> None:
        node = self.nodes[name]
        for effect in effects:
            self.watch(name, effect)
            if isinstance(effect, Persist):
                self._begin(name, node, effect)
            elif isinstance(effect, Send):
                self._post(name, effect)
            elif isinstance(effect, ReplyTo):
                self._answer(name, effect)
            elif isinstance(effect, ComputeView):
                self._compute(name, node, effect)
            elif isinstance(effect, Verify):
                self._at(self.now + DISK_SECONDS, partial(self.event, name, verified(effect)))
            elif isinstance(effect, EndSessions):
                self.ended.update(dict.fromkeys(effect.sessions, effect.sentence))
            elif isinstance(effect, LogLine):
                self.lines.append((name, effect.level, effect.line))
            elif isinstance(effect, Emit):
                self.told.append((name, effect.event))
            elif isinstance(effect, Exit):
                self.exits[name] = effect
                self.nodes.pop(name, None)
        if name in self.nodes:
            node.validate()
            self._wake(name, node)

    def _wake(self, name: str, node: Node) -> None:
        due = (node.wake_at, node)
        if self._wakes.get(name) != due and node.wake_at < float("inf"):
            self._wakes[name] = due
            self._at(max(self.now, node.wake_at + self._behind.get(name, 0.0)), lambda: self._woken(name, due))

    def _woken(self, name: str, due: tuple[float, Node]) -> None:
        if name not in self._frozen and self._wakes.get(name) == due and self.nodes.get(name) is due[1]:
            del self._wakes[name]
            self.event(name, Woken())

    def _compute(self, name: str, node: Node, asked: ComputeView) -> None:
        def done() -> None:
            if self.nodes.get(name) is node:
                self.event(name, compute(asked))

        self._at(self.now, done)

    def _begin(self, name: str, node: Node, batch: Persist) -> None:
        if name in self.slow_disks:
            self._held[name] = lambda: self._persist(name, node, batch)
        else:
            seconds = self.disk_seconds.get(name, DISK_SECONDS)
            self._at(self.now + seconds, lambda: self._persist(name, node, batch))

    def _persist(self, name: str, node: Node, batch: Persist) -> None:
        if self.nodes.get(name) is node:
            self.stores[self._in[name]].write(batch.operations, True)
            self.event(name, Persisted(batch.batch))

    def _post(self, source: str, send: Send) -> None:
        target, body = send.address, send.envelope.body
        self.sent.append((source, target, body))
        if frozenset((source, target)) in self._cut or self.drop(source, target, body):
            return
        if self.keep(source, target, send.envelope):
            return
        if target not in self.nodes:
            self._at(self.now, lambda: self._refused(source, target))
            return
        if (source, target) in self._broken:
            self._at(self.now + NETWORK_SECONDS, lambda: self._connected(source, target))
        self._at(self.now + NETWORK_SECONDS, lambda: self.arrive(source, target, send.envelope))

    def _connected(self, source: str, target: str) -> None:
        if source in self.nodes and (source, target) in self._broken:
            self._broken.discard((source, target))
            self.event(source, LinkUp(target))

    def _refused(self, source: str, target: str) -> None:
        if source in self.nodes and target not in self.nodes:
            self._broken.add((source, target))
            self.event(source, LinkDown(target, "connection refused"))

    def arrive(self, source: str, target: str, envelope: Envelope) -> None:
        """A message comes out of the network."""
        if target in self.nodes:
            session = -next(self._numbers)
            self._sessions[session] = source
            self.event(target, Received(session, envelope))

    def _answer(self, name: str, effect: ReplyTo) -> None:
        if isinstance(effect.reply, Envelope):
            source = self._sessions[effect.session]
            self._post(name, Send(source, effect.reply))
        else:
            assert effect.session not in self.replies, "a request is answered once"
            assert self.clock(name) < effect.valid_until, "no answer leaves after its lease"
            self.replies[effect.session] = effect.reply


def word_of(reply: Reply) -> str:
    """The word of a failure; empty for a success."""
    return BY_CODE[reply.code].word if isinstance(reply, Failed) else ""


def hive_of(*names: str, replication: int = 1, secured: bool = False) -> Hive:
    """A stable hive of these nodes, the first of which founded it; old enough to suspect somebody."""
    hive = Hive()
    hive.secured = secured
    hive.start(names[0], hive=HIVE, replication=replication)
    hive.go(0.1)
    for name in names[1:]:
        hive.start(name, names[0], replication=replication)
        hive.until(lambda name=name: name in hive.nodes and hive.nodes[name].context.lives)  # type: ignore[misc]
    hive.stable(*names)
    hive.go(11.0)
    hive.stable(*names)
    hive.sent.clear()
    return hive
