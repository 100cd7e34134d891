"""The only executor of effects: gives inputs and the time to the node, and carries out what it answers.

All that arrives in one turn of the loop is handed in at once; then ``TurnEnded`` lets the node send its batch to the
disk, and each connection gets what gathered for it in one write. A request costs no task, lock or timer.

Clock, disk, and the loop itself come from outside, so that a simulation can run all of this in its own time.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from math import inf
from typing import Protocol

import msgspec

from wrpme.core.access.sessions import Access
from wrpme.core.fast_path import FastPath, NoFastPath
from wrpme.core.io import (
    Process,
    Adopted, BurstDone, ClockJumped, Compact, ComputeView, Deliver, Effect, Input, Exit, LinkDown, LinkUp, NotSent,
    Persist, Persisted, PersistFailed, Publish, Received, ReplyTo, LogLine, Send, SendToAll, SessionClosed,
    SettingsChanged, StopAsked, Emit, EndSessions, HostRequest, TellFollowers, TurnEnded, Verify, Woken,
)  # fmt: skip
from wrpme.core.membership.compute import compute
from wrpme.core.membership.speakers import Names, Objection
from wrpme.daemon.clock import Clock
from wrpme.daemon.limits import DRAIN_SECONDS, MANY_TURN_BYTES
from wrpme.daemon.log import Log
from wrpme.daemon.net.connection import Wire
from wrpme.daemon.net.followers import Followers
from wrpme.daemon.net.http.door import Door
from wrpme.daemon.net.http.told import Source, Teller
from wrpme.daemon.net.outbox import Large
from wrpme.daemon.net.peers import Links
from wrpme.daemon.net.redis.channels import Channels
from wrpme.daemon.net.redis.client import NO_OPTIONS, Options
from wrpme.daemon.net.redis.figures import Figures
from wrpme.daemon.net.redis.session import RedisSession
from wrpme.daemon.net.server import Server, Session
from wrpme.daemon.net.watchers import Watched, Watchers
from wrpme.daemon.security.passwords import Passwords
from wrpme.daemon.security.tls import Tls
from wrpme.daemon.storage.writer import Disk, is_expected
from wrpme.daemon.systemd import Outlook
from wrpme.daemon.work import Work
from wrpme.errors import (
    BusyError, DamagedError, DiskFullError, ShortageError, StorageError, UnstableError, WrpmeError,
)  # fmt: skip
from wrpme.daemon.limits import COMPUTED_HERE_MEMBERS_MAX
from wrpme.limits import (
    CLOSE_SECONDS_MAX, LARGE_BYTES, NODE_SESSIONS_MAX, SESSIONS_MAX, STOP_SECONDS_MAX, TURN_BYTES,
    WALL_CLOCK_SECONDS,
)  # fmt: skip
from wrpme.protocol.codec import encode
from wrpme.protocol.histogram import Latency
from wrpme.protocol.identities import Published
from wrpme.protocol.frames.large import in_memory
from wrpme.protocol.messages import (
    Content, Done, Envelope, Failed, Forward, Forwarded, GetView, Many, Notice, Reply, Request, Results, Text,
    Transaction, Watch,
)  # fmt: skip

TIMER_SECONDS = 0.001
"""What the loop's timers count in: rounded to it, and from the beginning of a turn, one may be early by as much."""
STOPPED = "this node has stopped; nothing was changed, try another node"


class NodeLike(Watched, Teller, Protocol):
    """:class:`wrpme.core.node.Node`, as far as it is run here."""

    wake_at: float

    @property
    def sessions(self) -> Access: ...

    @property
    def fast_path(self) -> FastPath | NoFastPath: ...

    def start(self, now: float) -> list[Effect]: ...

    def handle(self, given: Input, now: float) -> list[Effect]: ...

    def request(self, session: int, request: Request, now: float) -> list[Effect]: ...

    def objection(self, envelope: Envelope, names: Names) -> Objection | None: ...


class Runner:
    """Runs one node on the loop that is running.

    ``clock`` gives seconds that only grow, also while the machine sleeps; ``wall`` gives seconds since 1970. With
    ``sync`` off the disk is waited for only where the node insists. ``adopted`` is called after each new view.
    ``process`` is what the node reads of the process, and is kept up to date here. ``disrupted`` see
    :class:`wrpme.daemon.clock.Clock`, which all here read the time from. ``outlook`` tells whether the node serves;
    ``tls`` secures connections, where they are. ``finished`` gets the effect that ends it all; ``trouble`` is then the
    failure of the disk that ended it, where it is one that the process can do something about.
    """

    def __init__(
        self,
        *,
        node: NodeLike,
        disk: Disk,
        log: Log,
        clock: Callable[[], float],
        wall: Callable[[], float],
        clients_max: int,
        sessions_max: int = SESSIONS_MAX + NODE_SESSIONS_MAX,
        sync: bool = True,
        adopted: Callable[[], None] = lambda: None,
        process: Process,
        disrupted: Callable[[], bytes] | None = None,
        redis_options: Options = NO_OPTIONS,
        outlook: Outlook = lambda: (True, "this node serves"),
        tls: Tls | None = None,
    ) -> None:
        self._jumped: float | None = None
        self._wires: dict[int, Wire] = {}
        self.clock = Clock(clock, wall, self._on_jump, disrupted)
        self.say = log.say
        self.dirty: list[Wire] = []
        self.process = process
        self.work = Work()
        self.finished: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        numbers = itertools.count(1)
        self._channels = Channels(self)
        commands, self._lag = Figures(), Latency()
        redis = partial(RedisSession, channels=self._channels, figures=commands, options=redis_options)
        self.server = Server(
            self, numbers, clients_max, sessions_max, redis, lambda session: self._door.admit(session), tls
        )
        self.links = Links(self, numbers, tls)
        source = Source(
            clock=self.clock,
            outlook=outlook,
            node=node,
            process=process,
            server=self.server,
            links=self.links,
            channels=self._channels,
            commands=commands,
            lag=self._lag,
        )
        self._door = Door(self.server, source)
        self.trouble: DiskFullError | ShortageError | DamagedError | None = None
        self._adopted = adopted
        self._node = node
        self._fast_path = node.fast_path
        self._watchers = Watchers(self, node)
        self._tellings = Followers(self, self._wires, self._handle, self._end_turn_soon)
        self._disk = disk
        self._log = log
        self._wall = wall
        self._sync = sync
        self._loop = asyncio.get_running_loop()
        self._followers: dict[int, Wire] = {}
        self._published_to = 0
        self._turn_due = self._flush_due = False
        self._turn_since = 0.0
        self._turn_bytes = 0
        """Of large contents that were read in this turn, whether they are answered or refused: each takes its time."""
        self._over = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = inf
        self._stop_asked = False
        self._passwords = Passwords(self._loop.call_soon_threadsafe, self._handle)
        self._tls = tls
        self._tls_troubles: tuple[str, ...] = ()

    # --- from the outside ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the node; connections may be accepted from now on."""
        self._tick()
        self._run(self._node.start)

    def stop(self) -> None:
        """Handles a signal: the first asks for a planned stop, the second ends the process."""
        if self._stop_asked:
            self._finish(Exit(0), "stopped at once, at the second signal")
            return
        self._stop_asked = True
        self._loop.call_later(STOP_SECONDS_MAX + CLOSE_SECONDS_MAX, self._stop_is_over)
        self._handle(StopAsked())

    def reconfigure(self, changed: SettingsChanged, clients_max: int, sessions_max: int) -> None:
        """Takes what the operator has changed. Sessions beyond a lower bound stay, and no further ones come in."""
        self.server.clients_max, self.server.sessions_max = clients_max, sessions_max
        self._handle(changed)

    async def close(self) -> bool:
        """Comes after ``finished``: lets answers leave, and the last batch reach the disk; returns whether it did."""
        self._over = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._watchers.close()
        self._passwords.close()
        self.flush()
        await self.links.close()
        farewell = b""
        if self.process.sessions and self.finished.done() and self.finished.result().code == 0:
            await asyncio.sleep(DRAIN_SECONDS)
            farewell = encode(Failed(0, UnstableError.code, STOPPED))
        await self.server.close(CLOSE_SECONDS_MAX, farewell)
        return self._disk.close(CLOSE_SECONDS_MAX)

    def _stop_is_over(self) -> None:
        """Ends a planned stop that takes too long. The node itself gives up before; this depends on nothing but the
        loop."""
        self._finish(Exit(0), f"the planned stop took longer than {STOP_SECONDS_MAX:.0f} s; stopped all the same")

    # --- what clients publish ------------------------------------------------------------------------------------

    def publish(self, published: Published) -> int:
        """See :class:`wrpme.daemon.net.redis.channels.ChannelsHost`."""
        self._published_to = 0
        self._handle(Publish(published))
        return self._published_to

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """See :class:`wrpme.daemon.net.redis.channels.ChannelsHost`."""
        if seconds > 0:
            self._loop.call_later(seconds, call)
        else:
            self._loop.call_soon(call)

    def dropped(self) -> None:
        """See :class:`wrpme.daemon.net.redis.channels.ChannelsHost`."""
        line = "subscribers here are told more slowly than other nodes publish: some of it was dropped"
        self.server.throttle.say(self.clock(), "warning", line)

    # --- what connections ask for --------------------------------------------------------------------------------

    def opened(self, wire: Wire) -> None:
        """See :class:`wrpme.daemon.net.connection.Host`."""
        self._wires[wire.number] = wire

    def closed(self, wire: Wire) -> None:
        """See :class:`wrpme.daemon.net.connection.Host`."""
        self._wires.pop(wire.number, None)
        self._followers.pop(wire.number, None)
        self._watchers.forget(wire.number)
        self._handle(SessionClosed(wire.number))

    def link_event(self, event: LinkUp | LinkDown) -> None:
        """See :class:`wrpme.daemon.net.peers.LinkHost`."""
        self._handle(event)

    def not_sent(self, address: str, envelope: Envelope) -> None:
        """See :class:`wrpme.daemon.net.peers.LinkHost`."""
        self._loop.call_soon(self._handle, NotSent(address, envelope))

    def serve(self, wire: Wire, messages: Sequence[Request | Envelope], now: float) -> int:
        """See :class:`wrpme.daemon.net.connection.Host`. The hot path."""
        is_on = self._turn_due and not self._over and self._jumped is None
        if not (is_on or self._begin_turn(now)):
            return self._decline(wire, messages)
        node, number = self._node, wire.number
        done = 0
        try:
            for message in messages:
                if isinstance(message, Envelope):
                    effects = node.handle(Received(number, message), now)
                else:
                    wire.waiting += 1
                    effects = node.request(number, message, now)
                    if type(message) is Many or type(message) is Transaction:
                        self._turn_bytes += len(message.requests) * MANY_TURN_BYTES
                done += 1
                for effect in effects:
                    if type(effect) is not ReplyTo:
                        self._carry_out(effect, now)
                    elif effect.session == number:
                        self._reply(effect, wire)
                    else:
                        self._reply(effect)
                if wire.full or self._turn_bytes >= TURN_BYTES:
                    break
        except Exception as error:
            self.defect(error)
        return done or 1

    def objection(self, envelope: Envelope, names: Names) -> Objection | None:
        """See :class:`wrpme.daemon.net.connection.Host`."""
        return self._node.objection(envelope, names)

    @property
    def access(self) -> Access:
        """See :class:`wrpme.daemon.net.connection.Host`."""
        return self._node.sessions

    def forget_user(self, session: int) -> None:
        """See :class:`wrpme.daemon.net.connection.Host`."""
        self._handle(SessionClosed(session))

    def get(self, session: int, aliases: Sequence[bytes], now: float) -> tuple[list[bytes | None], float]:
        """See :class:`wrpme.daemon.net.connection.Host`. The node has nothing to do at the end of the turn."""
        if self._over:
            return [], now
        if self._jumped is not None:
            self._tell_jump()
        try:
            found, until = self._fast_path.get(session, aliases, now)
        except Exception as error:
            self.defect(error)
            return [], now
        after = self.clock()
        if after > until or self._jumped is not None:  # only a lease that holds now held while they were read
            return [], after
        self._fast_path.answered(found, after - now)
        self.flush_soon()
        return found, after

    def update(self, wire: Wire, number: int, pairs: Sequence[tuple[bytes, bytes]], now: float) -> int:
        """See :class:`wrpme.daemon.net.connection.Host`."""
        try:
            if self._begin_turn(now):
                return self._fast_path.update(wire.number, number, pairs, now)
        except Exception as error:
            self.defect(error)
        return 0

    def _begin_turn(self, now: float) -> bool:
        """Lets the turn end soon; returns whether the node may be called at all."""
        if self._over:
            return False
        if self._jumped is not None:
            self._tell_jump()
        if not self._turn_due:
            self._turn_due, self._turn_since = True, now
            self._loop.call_soon(self._end_turn)
        return True

    def _decline(self, wire: Wire, messages: Sequence[Request | Envelope]) -> int:
        """Tells who asks a node that has stopped that nothing was done. After a defect nothing is sure, and nothing is
        said."""
        if self.finished.done() and self.finished.result().code == 0:
            for message in messages:
                if not isinstance(message, Envelope):
                    wire.waiting += 1
                    declined = Failed(message.id, UnstableError.code, STOPPED)
                    if wire.takes_replies:
                        wire.replied(declined, inf)
                    else:
                        wire.put(encode(declined))
                elif isinstance(message.body, Forward):
                    for effect in self._node.handle(Received(wire.number, message), self.clock()):
                        if isinstance(effect, ReplyTo):
                            self._reply(effect)
            self.flush()
        return len(messages)

    # --- inputs --------------------------------------------------------------------------------------------------

    def _handle(self, given: Input) -> None:
        self._run(lambda now: self._node.handle(given, now))

    def _run(self, call: Callable[[float], list[Effect]]) -> None:
        """Calls the node and carries out what it answers; ends the turn soon."""
        now = self.clock()
        if not self._begin_turn(now):
            return
        try:
            for effect in call(now):
                self._carry_out(effect, now)
        except Exception as error:
            self.defect(error)

    def _on_jump(self, seconds: float) -> None:
        """Lets no answer leave that waits under a lease, and tells the node before anything else."""
        self._jumped = max(seconds, self._jumped or 0.0)
        for wire in self._wires.values():
            wire.lapse()
        self._tellings.lapse()
        self._loop.call_soon(self._tell_jump)

    def _tell_jump(self) -> None:
        seconds, self._jumped = self._jumped, None
        if seconds is not None and not self._over:
            self._set_wall_offset(self.clock())
            self._handle(ClockJumped(seconds))

    def _set_wall_offset(self, now: float) -> None:
        self.process.wall_offset_milliseconds = 1000.0 * (self._wall() - now)

    def _end_turn_soon(self) -> None:
        self._begin_turn(self.clock())

    def _end_turn(self) -> None:
        self._turn_due = False
        self._turn_bytes = 0
        if self._over:
            return
        try:
            now = self.clock()
            if self._jumped is not None:
                self._tell_jump()
            for effect in self._node.handle(TurnEnded(self._turn_since, self._tellings.busy), now):
                self._carry_out(effect, now)
            if self._watchers.news:
                self._watchers.end_turn()
            if self._tellings.due:
                self._tellings.go_on()
            if self.server.dismissed:
                self.server.see_off(now)
        except Exception as error:
            self.defect(error)
        self.flush()
        self._set_alarm()

    def flush_soon(self) -> None:
        """See :class:`wrpme.daemon.net.connection.Host`."""
        if not (self._turn_due or self._flush_due):
            self._flush_due = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_due = False
        self.flush()

    def flush(self) -> None:
        """Writes what was put on wires."""
        dirty, self.dirty = self.dirty, []
        for wire in dirty:
            wire.flush()

    def _set_alarm(self) -> None:
        """Lets the loop wake the node when it wants to be woken."""
        wake_at = self._node.wake_at
        if wake_at != self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = None
            self._alarm_at = wake_at
            if wake_at != inf:
                # Rather late than early: the node has nothing to do yet, and is woken again.
                self._alarm = self._loop.call_later(max(0.0, wake_at - self.clock()) + TIMER_SECONDS, self._wake)

    def _wake(self) -> None:
        self._alarm, self._alarm_at = None, inf
        if self.clock() >= self._node.wake_at:
            self._handle(Woken())
        else:
            self._set_alarm()  # the clocks of the loop and of the node are not the same

    def _tick(self) -> None:
        """Looks once a second after what drifts or lies around."""
        if self._over:
            return
        now = self.clock()
        self.clock.settle()
        self._set_wall_offset(now)
        self.server.tick(now)
        self.links.tick(now)
        if self._tls is not None and self._tls.troubles != self._tls_troubles:  # it tells the days that are left
            self._tls_troubles = self._tls.troubles
            for trouble in self._tls_troubles:
                self.say("warning", trouble)
        if now >= self._alarm_at:  # the machine slept, and the loop's clock did not count that
            self._alarm_at = -inf
            self._set_alarm()
        due = self._loop.time() + WALL_CLOCK_SECONDS
        self._loop.call_at(due, self._tick_again, due)

    def _tick_again(self, due: float) -> None:
        self._lag.add(self._loop.time() - due)
        self._tick()

    # --- effects -------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: Effect, now: float) -> None:
        if isinstance(effect, ReplyTo):
            self._reply(effect)
        elif isinstance(effect, BurstDone):
            if wire := self._wires.get(effect.session):
                wire.burst_done(effect, now)
        elif isinstance(effect, Send):
            self.links.send(effect, now)
        elif isinstance(effect, SendToAll):
            self._published_to = len(effect.addresses)
            self.links.send_to_all(effect, now)
        elif isinstance(effect, Deliver):
            self._channels.deliver(effect.published)
        elif isinstance(effect, Persist):
            batch = effect.batch
            sync = self._sync or effect.must_sync
            self._disk.write(effect.operations, sync, lambda failure: self._written(batch, failure))
        elif isinstance(effect, Compact):
            self._disk.compact()
        elif isinstance(effect, LogLine):
            self.say(effect.level, effect.line)
        elif isinstance(effect, Emit):
            self._watchers.happened(effect.event)
        elif isinstance(effect, HostRequest):
            self._answer(effect)
        elif isinstance(effect, TellFollowers):
            self._tellings.put(effect)
        elif isinstance(effect, ComputeView):
            self._compute(effect)
        elif isinstance(effect, Adopted):
            notice = encode(Notice(0, effect.epoch))
            for wire in self._followers.values():
                wire.waiting += 1  # it answers no request
                wire.put(notice)
            self._watchers.adopted()
            self._adopted()
        elif isinstance(effect, Verify):
            self._passwords.look_at(effect)
        elif isinstance(effect, EndSessions):
            for session in effect.sessions:
                if isinstance(wire := self._wires.get(session), Session):
                    self.server.dismiss(wire, effect.sentence, now)
        elif isinstance(effect, Exit):
            self._finish(effect)

    def _compute(self, asked: ComputeView) -> None:
        """Computes a view, in a thread where the hive is large, as nothing else may wait for it."""

        def work() -> None:
            try:
                computed = compute(asked)
            except BaseException as error:  # of whatever kind: the loop has to hear of it
                self._loop.call_soon_threadsafe(self.defect, error)
            else:
                self._loop.call_soon_threadsafe(self._handle, computed)

        if len(asked.view.members) <= COMPUTED_HERE_MEMBERS_MAX:
            self._loop.call_soon(work)
        else:
            threading.Thread(target=work, name="view", daemon=True).start()

    def _reply(self, effect: ReplyTo, wire: Wire | None = None) -> None:
        wire = wire or self._wires.get(effect.session)
        if wire is None:
            return
        reply, kind = effect.reply, type(effect.reply)
        if kind is Done and effect.valid_until == inf and not wire.takes_replies:
            wire.put(encode(reply))
            return
        size = large_size(reply)
        if size or kind is Failed or kind is Envelope:
            self._turn_bytes += size or refused_size(reply)
        if wire.takes_replies:
            if size and type(reply) is Content:
                reply = msgspec.structs.replace(reply, content=in_memory(reply.content))
            wire.replied(reply, effect.valid_until)
            return
        if size:
            content = reply.body.reply.content if isinstance(reply, Envelope) else reply.content  # type: ignore[union-attr]
            wire.put_large(Large(reply, size, content, lambda error: encode(self._instead(reply, error))))
        else:
            try:
                frame = encode(reply)
            except WrpmeError as error:
                frame = encode(self._instead(reply, error))
            wire.put(frame)
        if kind is Envelope:
            wire.waiting += 1  # it answers no request of this connection
        if effect.valid_until != inf:
            wire.valid_until(effect.valid_until, lambda: encode(lapsed(reply, effect.leased)))

    def _instead(self, reply: Reply | Envelope, error: WrpmeError) -> Reply | Envelope:
        """Returns what is answered where the answer is larger than a frame may be, so that nobody waits for it."""
        if not isinstance(reply, Envelope):
            return Failed(reply.id, error.code, error.sentence)
        assert isinstance(reply.body, Forwarded), "only answers are that large"
        failed = Failed(reply.body.reply.id, error.code, error.sentence)
        return msgspec.structs.replace(reply, body=Forwarded(failed))

    def _answer(self, effect: HostRequest) -> None:
        """Answers what is asked of the process rather than of its node."""
        wire, request = self._wires.get(effect.session), effect.request
        if wire is None:
            return
        if isinstance(request, Watch):
            self._watchers.add(wire, request)
        elif isinstance(request, GetView):
            self._followers[wire.number] = wire
        else:
            wire.put(encode(Text(request.id, msgspec.json.encode(list(self._log.kept)).decode())))

    def _written(self, batch: int, failure: BaseException | None) -> None:
        if failure is None:
            self._handle(Persisted(batch))
        elif is_expected(failure):
            self._note(failure)
            self._handle(PersistFailed(getattr(failure, "sentence", str(failure))))
        else:
            self.defect(failure)

    # --- the end -------------------------------------------------------------------------------------------------

    def defect(self, error: BaseException) -> None:
        """Ends a node in which something happened that can't: one that is wrong must not go on. A disk that can't be
        read is no defect."""
        if isinstance(error, StorageError):
            self._note(error)
            self._finish(Exit(1, f"{error.sentence}; the node stops"))
        elif not self._over:
            self._log.defect(error)
            shown = f"{type(error).__name__}: {error}"
            self._finish(Exit(1, f"a defect of wrpme itself ({shown}); the node stops, the log has the details"))

    def _note(self, error: BaseException) -> None:
        if not self._over and isinstance(error, DiskFullError | ShortageError | DamagedError):
            self.trouble = error

    def _finish(self, end: Exit, line: str = "") -> None:
        if self._over:
            return
        if line:
            self.say("warning", line)
        self._over = True
        self._watchers.end_turn()
        self.flush()
        if not self.finished.done():
            self.finished.set_result(end)


def large_size(reply: Reply | Envelope) -> int:
    """Returns about how large an answer is that has a large content; 0 for all others."""
    if type(reply) is Envelope:
        answer = reply.body.reply if type(reply.body) is Forwarded else None
    else:
        answer = reply  # type: ignore[assignment]
    if type(answer) is Content and len(answer.content) > LARGE_BYTES:
        return len(answer.content) + 64
    return 0


def refused_size(reply: Reply | Envelope) -> int:
    """Returns about how large a content is that was read and for which there was no room; 0 for all other answers."""
    if type(reply) is Envelope:
        if type(reply.body) is not Forwarded:
            return 0
        if reply.body.wanted:
            return reply.body.wanted
        reply = reply.body.reply
    return TURN_BYTES if type(reply) is Failed and reply.code == BusyError.code else 0


def lapsed(reply: Reply | Envelope, leased: Collection[int] = ()) -> Reply | Envelope:
    """Returns what leaves in the place of an answer whose lease has run out; of many, only those are ``leased``."""
    if isinstance(reply, Envelope):
        assert isinstance(reply.body, Forwarded), "only answers are under a lease"
        return msgspec.structs.replace(reply, body=Forwarded(_lapsed_to(reply.body.reply, leased)))
    return _lapsed_to(reply, leased)


def _lapsed_to(reply: Reply, leased: Collection[int]) -> Reply:
    failed = Failed(
        reply.id, UnstableError.code, "the node lost touch with the hive while it read; nothing was changed, try again"
    )
    if leased and isinstance(reply, Results):
        parts = tuple(failed if at in leased else part for at, part in enumerate(reply.replies))
        return Results(reply.id, parts)
    return failed
