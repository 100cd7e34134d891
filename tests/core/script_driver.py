"""The language of the scripts in :mod:`tests/core/scripts`: a command a line, and what the nodes said and did upon it.

Real nodes are driven by hand: a clock that only a command moves, disks in memory, a network that delivers by itself or,
after ``by hand``, when a command says so. The commands are the methods of :class:`Driver` that begin with ``do_``;
docs/simulation.md, "Scripts", lists them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence

from tests.core.script_network import Message, Network, ScriptError, Way
from tests.core.script_words import (
    TOPICS, about, arc_name, batch_words, body_words, name_of, pairs_words, reply_words, request_words,
    version_words, view_words,
)  # fmt: skip
from tests.harness import HIVE, Hive, hive_of
from wrpme.core.io import Adopted, ClockJumped, Effect, Exit, NotSent, Persist, ReplyTo, LogLine, Emit
from wrpme.core.layout import (
    ENTRIES, MARK_PREFIX, expiry_in, key_of, mark_in, successor, value_of, version_in,
)  # fmt: skip
from wrpme.protocol import health, salvage, view_index
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.administration import LeaveNode
from wrpme.protocol.messages import (
    Count, Envelope, Get, PrefixScan, Put, Remove, RemoveAll, Reply, Request, Stream, StreamAck, StreamAcks, Streams,
    Text, Update, VerifyArc,
)  # fmt: skip
from wrpme.protocol.quoting import bytes_of
from wrpme.protocol.ring import arc_at, hash_of
from wrpme.protocol.view import NOBODY, Arc, State, View

STEP_SECONDS = 0.001
"""How finely it is looked who serves, where something happened,"""
LEASE_STEP_SECONDS = 0.01
"""and where nothing did: a lease ends by itself."""
ANSWER_SECONDS_MAX = 5.0
UNTIL_SECONDS_MAX = 60.0
TOLD_OF_THE_HIVE = {"founded", "condition", "view"}
"""Of what each node tells alike: the rest follows from the view."""


class Driver:
    """Runs the commands of one script; each call of :meth:`run` gives the lines that one of them made."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shown: set[str] = set()
        self.network = Network()
        self._zero = 0.0
        self._stamped = False
        self._happened = False
        """Since it was looked last who serves."""
        self._looked_at = 0.0
        self._asked: dict[int, Request] = {}
        self._asking: Request | None = None
        """What is being asked just now: the answer may come at once."""
        self._serving: dict[str, str] = {}
        self._focus: int | None = None
        self._streams: dict[tuple[str, int, int], tuple[Stream, ...]] = {}
        """By who sent them, in which life, and the number of the message."""
        """The position of the only entry that is of interest."""
        self._seen: set[tuple[str, int, str]] = set()
        self._last_told = ""
        self._use(Hive())

    def _use(self, hive: Hive) -> None:
        self.hive = hive
        hive.keep, hive.watch = self._keep, self._watch
        self._zero = hive.now

    def run(self, command: str) -> list[str]:
        """Carries out a command; gives what was seen of it."""
        self.lines, words = [], shlex.split(command)
        name = "by_hand" if words[:2] == ["by", "hand"] else words[0]
        method: Callable[..., None] | None = getattr(self, f"do_{name}", None)
        if method is None:
            raise ScriptError(f"there is no command {words[0]}")
        self._stamped = False
        method(*words[2 if name == "by_hand" else 1 :])
        self.hive.go(0.0)
        self._look()
        return self.lines

    # --- what is seen ------------------------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        for directory, (node, _) in self.hive.directories.items():
            text = text.replace(node.hex()[:8], directory)
        stamp = f"t+{self.hive.now - self._zero:.2f} " if self._stamped else ""
        self.lines.append(stamp + text.replace(HIVE.hex()[:8], "H"))

    def _watch(self, name: str, effect: Effect) -> None:
        self._happened = True
        if isinstance(effect, Persist):
            ends = self._ends() if self._focus is not None else None
            written = batch_words(effect.operations, ends)
            if written and (self.network.by_hand or "disks" in self.shown):
                self._line(f"{name} -> disk: {written}")
        elif isinstance(effect, Emit):
            self._tell(name, effect.event)
        elif isinstance(effect, Adopted):
            if self.network.by_hand:
                self._line(f"{name} adopts view {effect.epoch}")
        elif isinstance(effect, LogLine):
            if effect.level != "info" and effect.line != self._last_told:
                self._line(f"{name} says: {effect.line}")
        elif isinstance(effect, ReplyTo) and not isinstance(effect.reply, Envelope):
            asked = self._asked.get(effect.session, self._asking)
            if asked is not None and not isinstance(asked, VerifyArc):
                self._line(f"{name} answers {request_words(asked)}: {reply_words(effect.reply)}")
        elif isinstance(effect, Exit):
            self._serving.pop(name, None)
            sentence = f": {effect.sentence}" if effect.sentence else ""
            self._line(f"{name} exits with {effect.code}{sentence}")

    def _tell(self, name: str, event: ClusterEvent) -> None:
        self._last_told = event.sentence
        if not event.hive:
            self._line(f"{name}: {event.sentence}")
        elif event.kind in TOLD_OF_THE_HIVE:
            key = (event.kind, event.epoch, event.sentence)
            if key not in self._seen:
                self._seen.add(key)
                self._line(event.sentence)

    def _look(self) -> None:
        """Tells who serves what now, where that has changed."""
        self._happened, self._looked_at = False, self.hive.now
        for name, node in self.hive.nodes.items():
            arcs = self._arcs_in(node.view) if node.view is not None else ()
            now = self.hive.clock(name)
            served = ", ".join(f"{arc_name(arc.end)} v{arc.version}" for arc in arcs if node.serves(arc.end, now))
            if served != self._serving.get(name, ""):
                self._line(f"{name} serves {'arc ' + served if served else 'nothing'}")
            self._serving[name] = served

    def _arcs_in(self, view: View) -> Sequence[Arc]:
        """The arcs that are of interest: all, or the one that a ``focus`` is on."""
        if self._focus is None:
            return view.arcs
        return [view.arcs[arc_at(view, self._focus)]]

    def _ends(self) -> set[int]:
        """Of these arcs in the view of any node."""
        views = [node.view for node in self.hive.nodes.values() if node.view is not None]
        return {arc.end for view in views for arc in self._arcs_in(view)}

    def do_focus(self, alias: str = "") -> None:
        """From now on nothing is told of other arcs than that of an entry; without one of all."""
        self._focus = hash_of(bytes_of(alias)) if alias else None
        self._forget_lines(self._look)

    def _forget_lines(self, then: Callable[[], None]) -> None:
        """What this makes is no news."""
        lines, self.lines = self.lines, []
        then()
        self.lines = lines

    # --- the network -------------------------------------------------------------------------------------------------

    def _keep(self, source: str, target: str, envelope: Envelope) -> bool:
        message = Message(source, target, envelope)
        if message.topic in self.shown or (self.network.by_hand and message.topic == "messages"):
            self._tell_of(message)
        return self.network.keeps(message)

    def _tell_of(self, message: Message) -> None:
        body = message.envelope.body
        if isinstance(body, Streams):
            self._streams[message.source, message.envelope.incarnation, body.number] = body.streams
        elif isinstance(body, StreamAcks):
            body = StreamAcks((*self._acks_of(message, body), *body.acks))
        told = body if self._focus is None else about(body, self._ends())
        if told is not None:
            self._line(f"{message.source} -> {message.target}: {body_words(told)}")

    def _acks_of(self, message: Message, body: StreamAcks) -> list[StreamAck]:
        """What the numbers of an answer stand for, to the node that gave them."""
        acks: list[StreamAck] = []
        for number in body.numbers:
            for one in self._streams.get((message.target, body.life, number), ()):
                if one.items:
                    acks.append(StreamAck(one.end, one.version, one.run, one.first + len(one.items) - 1))
        return acks

    def do_show(self, *topics: str) -> None:
        """From now on these are told too: messages, heartbeats, whereabouts, disks."""
        if unknown := set(topics) - {"messages", "disks", *TOPICS.values()}:
            raise ScriptError(f"nobody tells of {', '.join(unknown)}")
        self.shown.update(topics)

    def do_hide(self, *topics: str) -> None:
        """These no more."""
        self.shown.difference_update(topics)

    def do_by_hand(self) -> None:
        """From now on nothing but heartbeats arrives by itself, and no batch: ``deliver`` and ``sync`` say when."""
        self.network.by_hand = True
        self.hive.slow_disks.update(self.hive.nodes)

    def do_auto(self) -> None:
        """From now on all arrives by itself again, also what waits."""
        self.network.by_hand = False
        for name in sorted(self.hive.slow_disks):
            self.hive.disk_goes_on(name)
        self.do_deliver()

    def do_hold(self, *words: str) -> None:
        """From now on such messages wait until they are delivered."""
        self.network.held.append(Way.of(words))

    def do_lose(self, *words: str) -> None:
        """From now on such messages are lost, and nobody is told."""
        self.network.lost.append(Way.of(words))

    def do_let(self) -> None:
        """Ends every ``hold`` and ``lose``; what is held still waits."""
        self.network.held, self.network.lost = [], []

    def do_deliver(self, *words: str) -> None:
        """All messages that wait now, or those of one way and kind, arrive in the order in which they were sent."""
        for message in self.network.take(words):
            heard = f"{message.target} hears {message.source}: {message.kind}"
            if (self.network.by_hand or self.network.held) and self.lines[-1:] != [heard]:
                self._line(heard)
            self.hive.arrive(message.source, message.target, message.envelope)
            self._look()

    def do_keep(self, *words: str) -> None:
        """Such messages arrive now, and once more when they are delivered."""
        copies = [message for message in self.network.waiting if Way.of(words).fits(message)]
        self.do_deliver(*words)
        self.network.waiting += copies

    def do_drop(self, *words: str) -> None:
        """Such messages, which wait now, are lost."""
        self.network.take(words)

    def do_no_room(self, *words: str) -> None:
        """Such messages, which wait now, find no room on their link: the sender is told."""
        for message in self.network.take(words):
            self.hive.event(message.source, NotSent(message.target, message.envelope))

    def do_waiting(self) -> None:
        """What lies in the network."""
        for message in self.network.waiting:
            self._tell_of(message)

    def do_cut(self, *names: str) -> None:
        """Nothing travels between two nodes, or between one and all others; nobody is told."""
        others = names[1:] or [other for other in self.hive.directories if other != names[0]]
        self.network.cut.update(frozenset((names[0], other)) for other in others)

    def do_heal(self) -> None:
        """Ends all cuts."""
        self.network.cut.clear()
        self.hive.heal()

    # --- disks -------------------------------------------------------------------------------------------------------

    def do_sync(self, *names: str) -> None:
        """The batch that is on its way to a disk arrives there."""
        for name in names:
            if not self.hive.hangs(name):
                raise ScriptError(f"nothing is on its way to the disk of {name}")
            self.hive.sync(name)
            self._look()

    def do_hang(self, name: str) -> None:
        """The disk of a node takes nothing, and says nothing."""
        self.hive.slow_disks.add(name)

    def do_unhang(self, name: str) -> None:
        self.hive.disk_goes_on(name)

    def do_entries(self, name: str) -> None:
        """What is on the disk of a node, running or not."""
        self._line(f"{name} has {pairs_words(self.hive.stores[name].scan(*ENTRIES))}")

    def do_marks(self, name: str) -> None:
        """How far the copies on its disk go."""
        store = self.hive.stores[name]
        found = [mark_in(key, value) for key, value in store.scan(MARK_PREFIX, successor(MARK_PREFIX))]
        marks = ", ".join(f"arc {arc_name(last)} {version_words(version)}" for _, last, version in found)
        self._line(f"{name} has marks: {marks or 'none'}")

    def do_spoil(self, name: str, alias: str, content: str) -> None:
        """A disk has something else than was written to it, and says nothing."""
        encoded = bytes_of(alias)
        key = key_of(hash_of(encoded), encoded)
        value = self.hive.stores[name].get(key)
        if value is None:
            raise ScriptError(f"{name} has no {alias}")
        self.hive.stores[name].write([(key, value_of(version_in(value), expiry_in(value), content.encode()))], True)

    def do_copy(self, directory: str, target: str) -> None:
        """An operator copies a data directory as it is now."""
        self.hive.copy(directory, target)
        node, starts = self.hive.directories[target]
        self.hive.directories[target] = node, starts + 10  # incarnations of two starts from one copy differ

    def do_cut_log(self, name: str, before: str) -> None:
        """The disk of a node that is off loses what it had said to be safe: it is as ``before``, a copy of it."""
        self.hive.stores[name] = self.hive.stores[before]

    # --- processes ---------------------------------------------------------------------------------------------------

    def do_hive(self, *words: str) -> None:
        """A stable hive of these nodes, old enough to take somebody for dead; ``copies=2`` if not said otherwise."""
        named, names = _options(words)
        self._use(hive_of(*names, replication=int(named.get("copies", "2"))))
        self._forget_lines(self.hive.heal)  # each has a connection to each other one
        self._forget_lines(self._look)

    def do_start(self, *words: str) -> None:
        """A process begins: ``start n2 n1`` is ``wrpmed --peer n1``; without a peer an empty directory founds a hive.
        ``dir=`` is another directory than that of its name, ``copies=`` is ``--replication``."""
        named, (name, *peers) = _options(words)
        directory = named.get("dir", name)
        founds = not peers and directory not in self.hive.directories
        if self.network.by_hand:
            self.hive.slow_disks.add(name)
        self._serving.pop(name, None)
        self.hive.exits.pop(name, None)
        self.hive.start(
            name, *peers, hive=HIVE if founds else b"", replication=int(named.get("copies", "0")), directory=directory
        )

    def do_crash(self, *names: str) -> None:
        """Processes are killed: what is on its way to their disks is lost, and what they sent arrives."""
        for name in names:
            self._serving.pop(name, None)
            self.hive.kill(name)
            self.hive.disk_goes_on(name)  # for whoever starts there next

    def do_stop(self, *names: str) -> None:
        """A signal asks for a planned stop."""
        for name in names:
            self.hive.stop(name)

    def do_freeze(self, name: str) -> None:
        """The virtual machine of a node is paused, and its clock stands still."""
        self.hive.freeze(name)

    def do_thaw(self, name: str, *told: str) -> None:
        """It goes on; ``told`` of the pause, as its wall clock was set right, or not."""
        if told:
            seconds = self.hive.now - self.hive.clock(name)
            self.hive.nodes[name].context.process.wall_offset_milliseconds += 1000.0 * seconds
        self.hive.thaw(name, *([ClockJumped(0.0)] if told else []))
        self._look()

    def do_clock(self, name: str, ahead: str) -> None:
        """The wall clock of a node is set ahead of the others."""
        self.hive.nodes[name].context.process.wall_offset_milliseconds = 1000.0 * float(ahead)

    # --- time --------------------------------------------------------------------------------------------------------

    def do_zero(self) -> None:
        """Times count from here."""
        self._zero = self.hive.now

    def do_advance(self, seconds: str) -> None:
        """So much time passes."""
        self._stamped = True
        end = self.hive.now + float(seconds)
        while self.hive.now < end - 1e-9:
            self._step(min(STEP_SECONDS, end - self.hive.now))

    def _step(self, seconds: float) -> bool:
        """So much time passes, or as much as is left; whether there may be something new."""
        self.hive.go(seconds)
        new = self._happened or self.hive.now - self._looked_at >= LEASE_STEP_SECONDS
        if new:
            self._look()
        return new

    def do_until(self, *words: str) -> None:
        """Time passes until something is so: ``stable``, ``n2 serves a``, ``n2 is down`` (or up, or gone), ``n2
        exits``, ``view 7``, ``answered``."""
        reached = self._condition(list(words))
        self._stamped = True
        end = self.hive.now + UNTIL_SECONDS_MAX
        new = True
        while not (new and reached()):
            if self.hive.now > end:
                raise ScriptError(f"{' '.join(words)} is not so after {UNTIL_SECONDS_MAX:.0f} s")
            new = self._step(STEP_SECONDS)

    def _condition(self, words: list[str]) -> Callable[[], bool]:
        match words:
            case ["stable"]:
                return self._is_stable
            case ["answered"]:
                return lambda: all(session in self.hive.replies for session in self._asked)
            case ["view", epoch]:
                return lambda: any(n.view is not None and n.view.epoch >= int(epoch) for n in self.hive.nodes.values())
            case [name, "serves", alias]:
                return lambda: self.hive.nodes[name].serves(hash_of(bytes_of(alias)), self.hive.clock(name))
            case [name, "exits"]:
                return lambda: name in self.hive.exits
            case [name, "is", state]:
                return lambda: self._state_of(name) == state
        raise ScriptError(f"nobody knows when {' '.join(words)}")

    def _is_stable(self) -> bool:
        views = [node.view for node in self.hive.nodes.values()]
        known = views[0]
        if known is None or any(view != known for view in views):
            return False
        up = {member.address for member in known.members if member.state is State.UP}
        lives = {node.settings.id: node.settings.incarnation for node in self.hive.nodes.values()}
        if any(lives.get(member.id, member.incarnation) != member.incarnation for member in known.members):
            return False  # of a former life of a node, which asks to come back
        moves = any(arc.incoming or arc.prev for arc in known.arcs)
        return up == set(self.hive.nodes) and not moves and health.condition(known).word in ("stable", "degraded")

    def _state_of(self, name: str) -> str:
        """As the node with the latest view has it."""
        views = [node.view for node in self.hive.nodes.values() if node.view is not None]
        latest = max(views, key=view_index.age)
        node = self.hive.directories[name][0]
        member = view_index.member(latest, node)
        return {State.UP: "up", State.LEAVING: "leaving", State.DOWN: "down"}[member.state] if member else "gone"

    # --- clients -----------------------------------------------------------------------------------------------------

    def _ask(self, name: str, request: Request, words: tuple[str, ...]) -> None:
        """Asks a node, and waits for the answer; not with ``&`` at the end, nor by hand."""
        session = self._send(name, request)
        if not self.network.by_hand and "&" not in words:
            self._answer(name, session)

    def _send(self, name: str, request: Request) -> int:
        if name not in self.hive.nodes:
            raise ScriptError(f"{name} does not run")
        self._asking = request
        session = self.hive.send(name, request)
        self._asking = None
        self._asked[session] = request
        self._look()
        return session

    def _answer(self, name: str, session: int) -> Reply | None:
        end = self.hive.now + ANSWER_SECONDS_MAX
        while session not in self.hive.replies and self.hive.now < end:
            self._step(STEP_SECONDS)
        if session not in self.hive.replies:
            self._line(f"{name} has not answered for {ANSWER_SECONDS_MAX:.0f} s")
        return self.hive.replies.get(session)

    def _expiry(self, name: str, words: tuple[str, ...]) -> int:
        """``expires=2`` is a moment that is so many seconds away by the clock of that node."""
        named, _ = _options(words)
        node = self.hive.nodes[name]
        wall = 1000.0 * self.hive.now + node.context.process.wall_offset_milliseconds
        return int(wall + 1000 * float(named["expires"])) if "expires" in named else 0

    def do_put(self, name: str, alias: str, content: str, *words: str) -> None:
        self._ask(name, Put(1, bytes_of(alias), content.encode(), self._expiry(name, words)), words)

    def do_update(self, name: str, alias: str, content: str, *words: str) -> None:
        self._ask(name, Update(1, bytes_of(alias), content.encode(), self._expiry(name, words)), words)

    def do_get(self, name: str, alias: str, *words: str) -> None:
        self._ask(name, Get(1, bytes_of(alias)), words)

    def do_remove(self, name: str, alias: str, *words: str) -> None:
        self._ask(name, Remove(1, bytes_of(alias)), words)

    def do_count(self, name: str, *words: str) -> None:
        """How many entries that node owns, at its present epoch or at ``epoch=``."""
        self._ask(name, Count(1, NOBODY, self._epoch(name, words)), words)

    def do_scan(self, name: str, *words: str) -> None:
        """A page of the entries that node owns, at its present epoch or at ``epoch=``."""
        self._ask(name, PrefixScan(1, NOBODY, self._epoch(name, words), b""), words)

    def do_remove_all(self, name: str) -> None:
        """All that this node owns, page by page."""
        after, more = b"", True
        while more:
            reply = self._answer(name, self._send(name, RemoveAll(1, NOBODY, self._epoch(name), after)))
            after = getattr(reply, "cursor", b"")
            more = bool(after)

    def _epoch(self, name: str, words: Sequence[str] = ()) -> int:
        return int(_options(words)[0].get("epoch", self.hive.view(name).epoch))

    # --- operators ---------------------------------------------------------------------------------------------------

    def do_leave(self, name: str) -> None:
        """An operator asks a node to go for good."""
        self._ask(name, LeaveNode(1, NOBODY), ())

    def do_forget(self, name: str, lost: str) -> None:
        """An operator is told what it costs that a node which is down never returns, and gives his word."""
        request, loss = self.hive.forgetting(name, lost)
        self._line(f"the operator is told: {salvage.in_words(loss, name_of)}")
        self._ask(name, request, ())

    def do_recover(self, name: str) -> None:
        """An operator says that the voters which this node does not see are dead."""
        self._ask(name, self.hive.recovery(name), ())

    def do_verify(self) -> None:
        """Compares the copies of every arc."""
        view = self.hive.view(next(iter(self.hive.nodes)))
        for arc in view.arcs:
            node = view_index.owner(view, arc)
            if node is None:
                self._line(f"arc {arc_name(arc.end)}: nobody serves it")
                continue
            name = name_of(node)
            reply = self._answer(name, self._send(name, VerifyArc(1, NOBODY, view.epoch, arc.end)))
            if not isinstance(reply, Text):
                self._line(f"arc {arc_name(arc.end)}: {reply_words(reply) if reply else 'no answer'}")
                continue
            found = json.loads(reply.text)
            copies = [
                f"{copy['node']} {'differs in ' + ', '.join(copy['aliases']) if copy['aliases'] else 'agrees'}"
                for copy in found["copies"]
            ]
            said = ", ".join(copies) or "no other copy"
            self._line(f"arc {arc_name(arc.end)}: {name} has {found['entries']}; {said}")

    # --- what is so --------------------------------------------------------------------------------------------------

    def do_view(self, name: str = "") -> None:
        """The view of a node, or of any."""
        view = self.hive.view(name or next(iter(self.hive.nodes)))
        for line in view_words(view, self._arcs_in(view)):
            self._line(line)

    def do_state(self, name: str) -> None:
        """What a node knows and serves."""
        node = self.hive.nodes.get(name)
        if node is None:
            self._line(f"{name} does not run")
            return
        epoch = f"view {node.view.epoch}" if node.view is not None else "no view"
        served = self._serving.get(name, "")
        self._line(f"{name}: {epoch}, serves {'arc ' + served if served else 'nothing'}")

    def do_where(self, *aliases: str) -> None:
        """In which arcs entries lie, and who owns them."""
        view = self.hive.view(next(iter(self.hive.nodes)))
        for alias in aliases:
            arc = view.arcs[arc_at(view, hash_of(bytes_of(alias)))]
            node = view_index.owner(view, arc)
            primary = name_of(node) if node else "nobody"
            self._line(f"{alias}: arc {arc_name(arc.end)} v{arc.version}, primary {primary}")


def _options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """``name=value``, and the other words."""
    named = dict(word.split("=", 1) for word in words if "=" in word)
    return named, [word for word in words if "=" not in word]
