"""One node with its clock, its disk, its links and its turns: what the daemon's runner does, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tests.sim.clock import Clock
from tests.sim.disk import Disk
from tests.sim.network import Link
from wrpme.core.io import (
    Adopted, ClockJumped, ComputeView, Effect, Input, Exit, LinkDown, Persist, Persisted, ReplyTo, LogLine, Send,
    Settings, StopAsked, TellFollowers, TurnEnded, Verify, Woken,
)  # fmt: skip
from wrpme.core.layout import VIEW_KEY
from wrpme.core.membership.compute import compute
from wrpme.core.node import Node
from wrpme.daemon.clock import Clock as LookedAtClock
from wrpme.daemon.runner import lapsed
from wrpme.daemon.storage import identity
from wrpme.limits import WALL_CLOCK_SECONDS
from wrpme.protocol.administration import LeaveNode
from wrpme.protocol.messages import Request
from wrpme.protocol.view import NOBODY

if TYPE_CHECKING:
    from tests.sim.world import World

WALL_MILLISECONDS = 1_700_000_000_000.0


class Machine:
    """``life`` changes whenever a process starts or ends; ``node`` is None while none runs."""

    def __init__(self, world: World, index: int, clock: Clock, peers: tuple[str, ...], sync: bool) -> None:
        self.world = world
        self.index = index
        self.address = f"10.0.0.{index + 1}:5909"
        self.peers = peers
        self.clock = clock
        self.disk = Disk(sync)
        self.node: Node | None = None
        self.life = 0
        self.powered = True
        self.paused = False
        self.stopping = False
        self.away = False
        """It does not come back before somebody says so."""
        self.identity = b""
        """The id in its data directory."""
        self.home: tuple[str, ...] = ()
        """What an empty directory knows of the hive that it was made for."""
        self.may_end = False
        """Something was done to it that may end its process with a sentence."""
        self.wall_ahead = 0.0
        """Seconds between its wall clock and the true time."""
        self.links: dict[str, Link] = {}
        self._backlog: list[Callable[[], None]] = []
        self._waits_for_disk: list[Callable[[], None]] = []
        self._outbox: list[Send | ReplyTo] = []
        self._turn_due = False
        self._alarm_at = 0.0
        self._jumped: float | None = None
        self._read = LookedAtClock(self.local, lambda: self.wall() / 1000.0, self._on_jump)
        """What the process reads the time with."""

    def local(self) -> float:
        """What its clock shows now."""
        return self.clock.local(self.world.agenda.now)

    def serving(self, positions: list[int]) -> list[int]:
        """For which of these positions it would answer a ``get`` now, from its own copy. A machine that is frozen
        answers nothing, and one that was looks at its wall clock first."""
        node, now = self.node, self.local()
        if node is None or self.clock.stopped is not None or self.wall() / 1000.0 - now > self._read._high:
            return []
        return [position for position in positions if node.serves(position, now)]

    def _on_jump(self, seconds: float) -> None:
        """As the runner does it: what waits to leave under a lease will not, and the node hears of it first."""
        self._jumped = seconds
        self._outbox = [
            replace(effect, valid_until=-inf) if isinstance(effect, ReplyTo) and effect.valid_until < inf else effect
            for effect in self._outbox
        ]

    def _now(self) -> float:
        """Reads the clock, and tells the node first what that showed."""
        now = self._read()
        seconds, self._jumped = self._jumped, None
        if seconds is not None and self.node is not None:
            self.world.say(self, f"its clock did not count {seconds:.2f} s")
            self._run(self.node.handle(ClockJumped(seconds), now))
        return now

    def __repr__(self) -> str:
        return f"n{self.index + 1}"

    # --- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new process over the same disk."""
        world = self.world
        if self.node is not None or self.away:
            return
        if world.agenda.now < self.disk.hangs_until:  # it can't even read who it is
            self._waits_for_disk.append(self.start)
            return
        self.powered = True
        self.life += 1
        self._alarm_at = 0.0
        lived = identity.next_life(self.disk, world.random.randbytes)
        self.identity = lived.id
        home = () if self.disk.get(VIEW_KEY) is not None else self.home
        peers = tuple(dict.fromkeys((*(known for known in home if known != self.address), *self.peers)))
        new_hive = b"" if peers else world.random.randbytes(16)
        # What it was founded with may be another number by now, and who joins asks for none then.
        joins = bool(peers) and self.disk.get(VIEW_KEY) is None
        replication = 0 if joins and world.replicator.is_used else world.replication
        settings = Settings(
            lived.id, lived.incarnation, self.address, peers, replication, world.grace_seconds, new_hive,
            lives=lived.lives, bytes_max=world.limiter.limits.get(self.address, 0),
            secured=world.guests.are_there,
        )  # fmt: skip
        world.say(self, f"starts, life {lived.starts}, id {lived.id.hex()[:8]}")
        node = Node(settings, self.disk.seen, self.local())
        self.node = node
        self._read.settle()
        self._look_at_the_wall(self.life)
        self._run(node.start(self.local()))

    def wall(self) -> float:
        """Milliseconds since 1970 on its wall clock."""
        return WALL_MILLISECONDS + 1000.0 * (self.world.agenda.now + self.wall_ahead)

    def _look_at_the_wall(self, life: int) -> None:
        """Once a second, as the runner does."""
        if self.life != life or self.node is None:
            return
        if self.paused:
            self._backlog.append(lambda: self._look_at_the_wall(life))
            return
        self.node.context.process.wall_offset_milliseconds = self.wall() - 1000.0 * self._now()
        self._read.settle()
        self.world.agenda.after(WALL_CLOCK_SECONDS, lambda: self._look_at_the_wall(life))

    def replace_disk(self, disk: Disk, home: tuple[str, ...] = ()) -> None:
        """Another disk, such as an empty one, is in it when it starts next; ``home`` is what is known of its hive."""
        assert self.node is None, "nobody changes the disk of a process that runs"
        self.disk = disk
        self.home = home
        self.identity = identity_on(disk)
        self.world.checks.disk_changed(self)

    def hang_disk(self, until: float) -> None:
        """Until then its disk writes nothing and says nothing."""
        self.world.say(self, f"has a disk that hangs until {until:.1f}")
        self.disk.hangs_until = max(self.disk.hangs_until, until)
        self.world.agenda.at(until, self.free_disk)

    def free_disk(self) -> None:
        """What waited for the disk goes on, unless it hangs for longer."""
        if self.world.agenda.now >= self.disk.hangs_until:
            waiting, self._waits_for_disk = self._waits_for_disk, []
            for then in waiting:
                then()

    def crash(self, power: bool = False) -> None:
        """The process ends without a word; with ``power`` the whole machine."""
        if self.node is not None:
            self.world.say(self, "loses power" if power else "is killed")
            self._outbox.clear()
            self._end(rude=power)
        self.paused = False
        if power:
            self.powered = False
            self.disk.lose_power()
            if not self.disk.sync:
                self.world.checks.disk_changed(self)

    def stop(self) -> None:
        """A planned stop is asked for."""
        if self.node is not None and not self.stopping:
            self.stopping = True
            self.world.say(self, "is asked to stop")
            self.feed(StopAsked())

    def leave(self) -> None:
        """It is asked to go for good."""
        if self.node is not None and not self.stopping:
            self.stopping = True
            self.world.say(self, "is asked to leave")
            self.request(self.world.open_session(lambda reply: None), LeaveNode(1, NOBODY))

    def _end(self, rude: bool) -> None:
        world, random = self.world, self.world.random
        self.node = None
        self.stopping = False
        self.life += 1
        self._backlog.clear()
        self.clock.go(self.world.agenda.now)
        self._turn_due = False
        arrived = self.disk.crash(random.random() < 0.5)
        if arrived is not None:
            world.checks.written(self, arrived.operations)
        for link in self.links.values():
            link.hang_up()
        self.links.clear()
        for machine in world.machines:
            link_here = machine.links.get(self.address)
            if link_here is not None:
                seconds = random.uniform(1.0, 4.0) if rude else world.habits.latency * (1 + random.random())
                link_here.notices(seconds, "connection reset")
        world.process_ended(self)

    def pause(self, seconds: float, frozen: bool = False) -> None:
        """Nothing is handled for so long; then everything that came meanwhile, late. Where it is ``frozen``, a virtual
        machine that is paused as a whole, its monotonic clock does not know of it."""
        if self.node is None or self.paused:
            return
        self.paused = True
        life = self.life
        self.world.say(self, f"{'is frozen' if frozen else 'hangs'} for {seconds:.2f} s")
        if frozen:
            self.clock.stop(self.world.agenda.now)
            self.world.lag_seconds += seconds  # left alone, it can't know whether its wall clock was set instead
        self.world.agenda.after(seconds, lambda: self._resume(life))

    def _resume(self, life: int) -> None:
        if self.life != life:
            return
        self.clock.go(self.world.agenda.now)
        self.paused = False
        backlog, self._backlog = self._backlog, []
        for late in backlog:
            if self.life != life:
                return
            if self.paused:
                self._backlog.append(late)
            else:
                late()

    # --- events --------------------------------------------------------------------------------------------------

    def feed(self, event: Input) -> None:
        """Handles an event, or keeps it while the process hangs."""
        if self.node is None:
            return
        if self.paused:
            self._backlog.append(lambda: self.feed(event))
        else:
            if isinstance(event, LinkDown):  # what waits to leave on a connection goes with it
                self._outbox = [
                    effect for effect in self._outbox if isinstance(effect, ReplyTo) or effect.address != event.address
                ]
            now, life = self._now(), self.life
            if self.node is not None and self.life == life:
                self._run(self.node.handle(event, now))

    def request(self, session: int, request: Request) -> None:
        """A client's request arrives."""
        if self.node is None:
            return
        if self.paused:
            self._backlog.append(lambda: self.request(session, request))
            return
        now, life = self._now(), self.life
        if self.world.faults.hangs_at_clock(self):
            self._backlog.append(lambda: self._request_at(life, session, request, now))
        else:
            self._hand(session, request, now)

    def _hand(self, session: int, request: Request, now: float) -> None:
        assert self.node is not None
        guests = self.world.guests
        self._run(guests.introduce(self, session, now))
        guests.handed(self, session, request)
        self._run(self.node.request(session, request, now))

    def _request_at(self, life: int, session: int, request: Request, now: float) -> None:
        if self.node is not None and self.life == life:
            self._hand(session, request, now)

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carry_out(effect)
        if not self._turn_due and self.node is not None:
            self._turn_due = True
            self._turn_ends_soon(self.life)

    def _turn_ends_soon(self, life: int) -> None:
        random = self.world.random.random
        gather = random() * 0.002 if random() < 0.2 else 0.0
        self.world.agenda.after(gather, lambda: self._end_turn(life))

    def _end_turn(self, life: int) -> None:
        node = self.node
        if self.life != life or node is None:
            return
        if self.paused:
            self._backlog.append(lambda: self._end_turn(life))
            return
        self._turn_due = False
        for effect in node.handle(TurnEnded(), self._now()):
            self._carry_out(effect)
        if self.life != life:
            return
        if self.world.faults.mid_turn(self):
            self._backlog.append(lambda: self._leave(life))
            return
        self._leave(life)

    def _leave(self, life: int) -> None:
        """The end of a turn: what was said leaves, if it is still valid."""
        if self.life != life or self.node is None:
            return
        self._flush()
        self._set_alarm()
        self.world.checks.turn(self)

    def _flush(self) -> None:
        now = self._now()
        outbox, self._outbox = self._outbox, []
        for effect in outbox:
            if isinstance(effect, ReplyTo):
                late = now > effect.valid_until
                self.world.say_to(self, effect.session, lapsed(effect.reply, effect.leased) if late else effect.reply)
            else:
                link = self.links.get(effect.address)
                if link is None:
                    link = self.links[effect.address] = Link(self.world, self, effect.address)
                link.send(effect, self.world.faults.sending(self, effect.envelope))

    def _set_alarm(self) -> None:
        assert self.node is not None
        wake_at = self.node.wake_at
        if wake_at == self._alarm_at:
            return
        self._alarm_at = wake_at
        life = self.life
        if wake_at < float("inf"):
            self.world.agenda.at(self.clock.true(wake_at) + 1e-6, lambda: self._wake(life, wake_at))

    def _wake(self, life: int, due: float) -> None:
        if self.life != life or self.node is None or self._alarm_at != due:
            return
        if self.paused:
            self._backlog.append(lambda: self._wake(life, due))
            return
        self._alarm_at = 0.0
        if self._now() >= self.node.wake_at:
            self.feed(Woken())
        else:  # its clock stood still meanwhile
            self._set_alarm()

    # --- effects -------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: Effect) -> None:
        if self.node is None:
            return
        if isinstance(effect, Send | ReplyTo):
            self._outbox.append(effect)
        elif isinstance(effect, TellFollowers):
            self._outbox += (ReplyTo(session, effect.reply, effect.valid_until) for session in effect.sessions)
        elif isinstance(effect, Persist):
            self._persist(effect)
        elif isinstance(effect, Verify):
            self.world.guests.look_at(self, effect)
        elif isinstance(effect, LogLine):
            if effect.level == "error":
                raise AssertionError(f"{self} says: {effect.line}")
            self.world.say(self, effect.line)
        elif isinstance(effect, ComputeView):
            life = self.life
            self.world.agenda.after(0.0, lambda: self._computed(life, effect))
        elif isinstance(effect, Adopted):
            self.world.checks.adopted(self)
            self.world.faults.adopted(self)
        elif isinstance(effect, Exit):
            self._exit(effect)

    def _computed(self, life: int, asked: ComputeView) -> None:
        if self.life == life:
            self.feed(compute(asked))

    def _persist(self, batch: Persist) -> None:
        self.disk.begin(batch)
        life = self.life
        agenda = self.world.agenda

        def done() -> None:
            if self.life == life:
                self.feed(Persisted(batch.batch))

        def written() -> None:
            if self.life == life and agenda.now < self.disk.hangs_until:
                self._waits_for_disk.append(written)
            elif self.life == life:
                self.world.checks.written(self, self.disk.finish().operations)
                agenda.after(self.world.random.random() * 0.0005, done)

        agenda.after(self.world.faults.disk_seconds(self), written)
        self.world.faults.persisting(self, batch)

    def _exit(self, effect: Exit) -> None:
        if effect.rejoin:
            self._set_aside(effect)
            return
        if (effect.code or not self.stopping) and not self.world.operator.expects(self, effect):
            raise AssertionError(f"{self} exits unasked: {effect.code} {effect.sentence}")
        self.world.say(self, f"has stopped {effect.sentence}")
        self._end_gently()

    def _end_gently(self) -> None:
        if self.disk.under_way is not None:
            self.world.checks.written(self, self.disk.finish().operations)
        self._flush()
        self._end(rude=False)

    def _set_aside(self, effect: Exit) -> None:
        """Begins anew with an empty directory, as :mod:`wrpme.daemon.supervisor` does it."""
        self.world.say(self, f"sets its directory aside: {effect.sentence}")
        self.world.checks.set_aside(self)
        self._end_gently()
        self.replace_disk(Disk(self.disk.sync), effect.rejoin)
        self.world.agenda.after(0.01, self.start)


def identity_on(disk: Disk) -> bytes:
    """The id in a data directory; empty where there is none yet."""
    return (disk.get(identity.KEY) or b"")[:16]
