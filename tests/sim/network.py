"""Connections in virtual time, as TCP and the daemon's links make them.

A link from a process to an address is two lanes, each an ordered stream. While one way between two machines is cut,
what travels that way waits (the systems send it again), and arrives late if the cut is healed before the connection is
given up. When a connection breaks, some first part of what is on its way still arrives, beside what the next
connection brings, and the rest is lost. ``Habits`` may also lose or repeat single messages, which nodes have to bear;
only what was passed on for a client is never repeated, as no link sends anything twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Union

from wrpme.core.io import LinkDown, LinkUp, Received, Send, SessionClosed
from wrpme.limits import CONNECT_SECONDS_MAX, LINK_RETRY_SECONDS_MAX, LINK_RETRY_SECONDS_MIN
from wrpme.protocol.codec import Decoder, encode
from wrpme.protocol.messages import BULK, Envelope, Forward, Request, Streams

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

BULK_BODIES = frozenset(BULK)
GIVEN_UP_SECONDS = (1.0, 4.0)
"""How long a connection bears that the other side takes nothing."""
ENCODED_ONE_IN = 16
ECHOES = 40


@dataclass(slots=True)
class Habits:
    """Of the network; probabilities are per message, times in seconds."""

    latency: float = 0.0005
    late: float = 0.0
    late_by_max: float = 0.0
    lost: float = 0.0
    repeated: float = 0.0


class Lane:
    """One ordered connection between two processes; answers may come back on it."""

    def __init__(self, world: World, source: Machine, target: Machine) -> None:
        self.world = world
        self.source, self.target = source, target
        self.lives = (source.life, target.life)
        self._addresses = (source.address, target.address)
        self.at_source, self.at_target = world.open_session(self.answer_to_target), world.open_session(self.answer)
        self.broken = False
        self.loses_all = False
        """It is broken already, and nobody knows: what is put on it is lost."""
        self._flight: deque[Envelope] = deque()
        self._last_arrival = 0.0
        self._stalled = False
        self._stalled_until = 0.0

    def put(self, envelope: Envelope, later: float = 0.0) -> None:
        """On its way, by so many seconds later than usual, or lost."""
        world = self.world
        habits, random = world.habits, world.random.random
        if later == inf or self.loses_all or (habits.lost and random() < habits.lost):
            return
        arrival = world.agenda.now + later + habits.latency * (0.5 + random())
        if habits.late and random() < habits.late:
            arrival += habits.late_by_max * random()
        self._last_arrival = arrival = max(arrival, self._last_arrival)
        self._flight.append(envelope)
        world.agenda.at(arrival, self._arrive)
        if habits.repeated and type(envelope.body) is not Forward and random() < habits.repeated:
            world.agenda.at(arrival + random() * 2, lambda: self._hand_over(envelope))

    def _arrive(self) -> None:
        if not self._flight:
            return
        stalled = self._stalled or self.world.agenda.now < self._stalled_until
        if stalled or (self.source.index, self.target.index) in self.world.cuts:
            self._stalled = True
            return
        self._hand_over(self._flight.popleft())

    def _hand_over(self, envelope: Envelope) -> None:
        target, life = self.target, self.lives[1]
        if target.life == life and (self.source.index, target.index) not in self.world.cuts:
            if not self.world.hears(target, envelope, self._addresses[0]):
                return
            target.feed(Received(self.at_target, self.world.through_codec(envelope)))
            if type(envelope.body) is Streams:
                late = self.world.faults.echo(self.source, target, envelope.body)
                if late is not None and target.life == life:
                    target.feed(Received(self.at_target, late))

    def healed(self) -> None:
        """The way is open again: what waited arrives now."""
        if self._stalled and self.world.agenda.now >= self._stalled_until:
            self._stalled = False
            while self._flight:
                self._hand_over(self._flight.popleft())

    def stall(self, seconds: float) -> None:
        """It carries nothing for so long, while all others do; then everything that waited."""
        agenda = self.world.agenda
        self._stalled_until = max(self._stalled_until, agenda.now + seconds)
        agenda.after(seconds, self._over_the_stall)

    def _over_the_stall(self) -> None:
        if (self.source.index, self.target.index) not in self.world.cuts:
            self.healed()

    def end(self) -> None:
        """A part of what is on its way still arrives."""
        if self.broken:
            return
        self.broken = True
        arriving = self.world.random.randrange(len(self._flight) + 1) if self._flight else 0
        if (self.source.index, self.target.index) in self.world.cuts:
            arriving = 0
        while len(self._flight) > arriving:
            self._flight.pop()
        if self._flight and self.world.random.random() < 0.5:  # it lies with the receiver, which is slow to take it
            self._stalled = True
            self.world.agenda.after(self.world.random.random() * 2, self.healed)
        for session in (self.at_source, self.at_target):
            self.world.close_session(session)
        if self.target.life == self.lives[1]:
            self.target.feed(SessionClosed(self.at_target))

    def answer(self, reply: object) -> None:
        """Something that the target says on this connection, back to the source."""
        self._back(reply, self.target, self.source, self.lives[0], self.at_source)

    def answer_to_target(self, reply: object) -> None:
        """The source answers on its own connection."""
        self._back(reply, self.source, self.target, self.lives[1], self.at_target)

    def _back(self, reply: object, sender: Machine, receiver: Machine, life: int, session: int) -> None:
        assert isinstance(reply, Envelope), "nodes answer each other with envelopes"

        def arrive() -> None:
            if not self.broken and receiver.life == life and (sender.index, receiver.index) not in self.world.cuts:
                if self.world.hears(receiver, reply, self._addresses[sender is self.target]):
                    receiver.feed(Received(session, reply))

        self.world.agenda.after(self.world.habits.latency * (0.5 + self.world.random.random()), arrive)


class Link:
    """From one process to an address, dialled until the process ends."""

    def __init__(self, world: World, source: Machine, address: str) -> None:
        self.world = world
        self.source = source
        self.life = source.life
        self.address = address
        self.lanes: list[Lane] = []
        self.copying: deque[Envelope] = deque(maxlen=ECHOES)
        """The last messages of copies; one of them may arrive once more."""
        self._queue: list[Envelope] | None = []
        self._pause = LINK_RETRY_SECONDS_MIN
        self._up_since = 0.0
        self._dial()

    @property
    def target(self) -> Machine | None:
        """Whose address it is."""
        return self.world.at_address(self.address)

    def send(self, message: Send, later: float) -> None:
        """Leaves now, or when the link is up for the first time, or never."""
        if type(message.envelope.body) is Streams:
            self.copying.append(message.envelope)
        if self.world.faults.loses(self.source, self.address, message.envelope):
            for lane in self.lanes:
                lane.loses_all = True
            self.notices(self.world.random.random() * 0.3, "connection reset")
        if self.lanes:
            self.lanes[type(message.envelope.body) in BULK_BODIES].put(message.envelope, later)
        elif self._queue is not None:
            self._queue.append(message.envelope)

    def _over(self) -> bool:
        return self.source.life != self.life

    def _dial(self) -> None:
        if self._over():
            return
        world, target = self.world, self.target
        round_trip = world.habits.latency * (2 + 2 * world.random.random())
        if target is None or self._unreachable(target):
            world.agenda.after(CONNECT_SECONDS_MAX, lambda: self.down("no answer"))
        elif target.node is None:
            world.agenda.after(round_trip, lambda: self.down("connection refused"))
        else:
            world.agenda.after(round_trip, lambda: self._connected(target, target.life))

    def _unreachable(self, target: Machine) -> bool:
        pair = (self.source.index, target.index)
        return not target.powered or target.paused or pair in self.world.cuts or pair[::-1] in self.world.cuts

    def _connected(self, target: Machine, life: int) -> None:
        if self._over():
            return
        if target.life != life or target.node is None or self._unreachable(target):
            self.down("connection lost")
            return
        self.lanes = [Lane(self.world, self.source, target), Lane(self.world, self.source, target)]
        self._up_since = self.world.agenda.now
        queue, self._queue = self._queue, None
        for envelope in queue or ():
            self.lanes[type(envelope.body) in BULK_BODIES].put(envelope)
        self.source.feed(LinkUp(self.address))

    def down(self, reason: str) -> None:
        """The attempt failed, or the connection ended."""
        if self._over():
            return
        if self.lanes and self.world.agenda.now - self._up_since > LINK_RETRY_SECONDS_MAX:
            self._pause = LINK_RETRY_SECONDS_MIN
        self.hang_up()
        self._queue = None
        self.source.feed(LinkDown(self.address, reason))
        self.world.agenda.after(self._pause, self._dial)
        self._pause = min(LINK_RETRY_SECONDS_MAX, 2 * self._pause)

    def hang_up(self) -> None:
        """Both lanes end."""
        lanes, self.lanes = self.lanes, []
        for lane in lanes:
            lane.end()

    def notices(self, seconds: float, reason: str) -> None:
        """In so many seconds this end learns that the connection it has now is no more."""
        lanes = self.lanes

        def learn() -> None:
            if lanes and self.lanes is lanes:
                self.down(reason)

        self.world.agenda.after(seconds, learn)

    def bears_a_cut(self) -> None:
        """Nothing gets through just now; if that lasts, the connection is given up."""
        lanes, pair = self.lanes, (self.source.index, self.target.index if self.target else -1)

        def give_up() -> None:
            cuts = self.world.cuts
            if lanes and self.lanes is lanes and (pair in cuts or pair[::-1] in cuts):
                self.down("nothing gets through")

        self.world.agenda.after(self.world.random.uniform(*GIVEN_UP_SECONDS), give_up)


class Proof:
    """Sends some messages through the codec, to prove that all of them can be encoded."""

    def __init__(self) -> None:
        self._countdown = 1
        self._decoder: Decoder[Envelope | Request] = Decoder(Union[Envelope, Request], preface=False)

    def __call__(self, envelope: Envelope) -> Envelope:
        self._countdown -= 1
        if self._countdown:
            return envelope
        self._countdown = ENCODED_ONE_IN
        (decoded,) = self._decoder.feed(encode(envelope))
        assert isinstance(decoded, Envelope) and decoded == envelope, f"the codec changes {envelope}"
        return decoded
