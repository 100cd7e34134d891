"""Following entries: who is told of which writes, from when on, and until when.

A follower is told only of writes that are committed: each holder has them on disk, and whoever serves next has them
too, so what was told is never taken back. Of each entry the writes are committed in order, and told in order.

A *channel* is what all who follow the same prefix are told. It ends when this node owns other parts of the ring than
before, or can't know who owned them meanwhile: between two views that follow each other, both of which call it the
owner of the same hashes, nobody else has served those. So as long as its channels at all owners of one view live, a
follower hears of every write. Whoever follows asks all owners, then scans: what is committed before the scan looks is
in the scan, and what is committed later is told.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from wrpme.core.context import Committed, NodeContext
from wrpme.core.io import FollowersBehind, TellFollowers
from wrpme.core.layout import HEADER_BYTES, REMOVED as REMOVAL, VERSION_BYTES, alias_in, content_in, expiry_in
from wrpme.core.limits import CHANGES_BYTES_USUAL, CHANGES_WAITING_BYTES_MAX, FOLLOWERS_MAX, PAGE_CONTENT_BYTES_MAX
from wrpme.core.outbox import Origin
from wrpme.core.replication.replica import Role
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.replication.scans import Scans
from wrpme.errors import BusyError, TooLargeError, UnstableError, UsageError
from wrpme.limits import ALIAS_BYTES_MAX
from wrpme.protocol import view_index
from wrpme.protocol.messages import (
    EXPIRED, REMOVED, WRITTEN, Changes, ConfirmFollow, Done, EntryChange, Follow, FollowEnded, Following, Unfollow,
)  # fmt: skip
from wrpme.protocol.view import View

ENDED = "this node tells nothing on that channel any more; follow again"


class Channel:
    """What those sessions are told who follow one prefix; a session counts for each time that it has asked."""

    def __init__(self, number: int, prefix: bytes, contents: bool) -> None:
        self.number = number
        self.prefix = prefix
        self.contents = contents
        self.followers: dict[int, int] = {}
        self._sessions: tuple[int, ...] | None = None

    @property
    def sessions(self) -> tuple[int, ...]:
        """All of them; made anew only where some came or went."""
        if self._sessions is None:
            self._sessions = tuple(self.followers)
        return self._sessions

    def count(self, session: int, change: int) -> None:
        """The session follows so many times more, or less."""
        number = self.followers.get(session, 0) + change
        if number > 0:
            self.followers[session] = number
        else:
            self.followers.pop(session, None)
        self._sessions = None

    def change(self, key: bytes, value: bytes, by_clock: bool) -> EntryChange:
        """A write, as it is told here."""
        if expiry_in(value) == REMOVAL:
            return EntryChange(EXPIRED if by_clock else REMOVED, alias_in(key), value[:VERSION_BYTES])
        small = self.contents and len(value) - HEADER_BYTES <= PAGE_CONTENT_BYTES_MAX
        return EntryChange(WRITTEN, alias_in(key), value[:VERSION_BYTES], content_in(value) if small else None)


class Follows:
    """All channels of one node. Where there is none, ``context.followed`` is None, and a write costs a look at that."""

    def __init__(self, context: NodeContext, table: ReplicaTable, scans: Scans) -> None:
        self.context = context
        self._table = table
        self._scans = scans
        self._channels: dict[int, Channel] = {}
        self._by_prefix: dict[bytes, dict[bool, Channel]] = {}
        self._lengths: Counter[int] = Counter()
        """Of the prefixes: a write is looked up once for each, however many prefixes there are."""
        self._of_session: dict[int, set[Channel]] = {}
        self._number = 0
        self._followers = 0
        self._owned: list[tuple[int, int]] = []
        """The hashes that this node owned in the view at ``_age``, as stretches."""
        self._age = (0, 0, 0)

    # --- requests ------------------------------------------------------------------------------------------------

    def follow(self, origin: Origin, request: Follow) -> None:
        """From here on the session is told."""
        context = self.context
        if not isinstance(origin, int):
            error = UsageError("entries are followed at the very node: nobody passes that on")
            context.outbox.fail(origin, request.id, error)
        elif request.node != context.me:
            moved = UnstableError("another node is at this address; ask again where the owner is")
            context.outbox.fail(origin, request.id, moved)
        elif len(request.prefix) > ALIAS_BYTES_MAX:
            context.outbox.fail(origin, request.id, TooLargeError(f"a prefix has at most {ALIAS_BYTES_MAX} bytes"))
        elif self._followers >= FOLLOWERS_MAX:
            busy = BusyError(f"entries are followed by {FOLLOWERS_MAX} at this node, its limit; try again later")
            context.outbox.fail(origin, request.id, busy)
        elif self._scans.owned(origin, request) is not None:
            self.tell()  # what was committed before is not for this one
            channel = self._channel(request.prefix, request.contents)
            channel.count(origin, 1)
            self._of_session.setdefault(origin, set()).add(channel)
            self._followers += 1
            context.outbox.effects.append(
                TellFollowers((origin,), channel.number, Following(request.id, channel.number))
            )

    def _channel(self, prefix: bytes, contents: bool) -> Channel:
        of_prefix = self._by_prefix.setdefault(prefix, {})
        channel = of_prefix.get(contents)
        if channel is None:
            if not self._channels:
                assert self.context.view is not None
                self._owned, self._age = self._stretches(), view_index.age(self.context.view)
                self.context.followed = Committed()
            self._number += 1
            channel = of_prefix[contents] = Channel(self._number, prefix, contents)
            self._channels[self._number] = channel
            self._lengths[len(prefix)] += 1
        return channel

    def unfollow(self, origin: Origin, request: Unfollow) -> None:
        """The session is told no more, unless it has asked several times."""
        channel = self._channels.get(request.channel)
        if channel is not None and isinstance(origin, int) and origin in channel.followers:
            self._leave(channel, origin, 1)
        self.context.outbox.reply(origin, Done(request.id))

    def confirm(self, origin: Origin, request: ConfirmFollow) -> None:
        """Answers behind all that was told. A node that has lost sight of the other holders refuses: another one may
        serve meanwhile."""
        context = self.context
        channel = self._channels.get(request.channel)
        if channel is None or not isinstance(origin, int) or origin not in channel.followers:
            context.outbox.fail(origin, request.id, UnstableError(ENDED))
            return
        lease = inf
        for replica in self._table.mine:
            if replica.role is Role.OWNER:
                if context.now >= replica.lease_until():
                    context.outbox.fail(origin, request.id, replica.refusal())
                    return
                lease = min(lease, replica.lease_until())
        self.tell()
        context.outbox.effects.append(TellFollowers((origin,), channel.number, Done(request.id), lease))

    def forget(self, session: int) -> None:
        """A connection has ended."""
        for channel in list(self._of_session.get(session, ())):
            self._leave(channel, session, channel.followers[session])

    def fall_behind(self, given: FollowersBehind) -> None:
        """These do not take what they are told: it ends for them, and they hear so once they have read the rest."""
        channel = self._channels.get(given.channel)
        sessions = [session for session in given.sessions if channel is not None and session in channel.followers]
        for session in sessions:
            assert channel is not None
            self._leave(channel, session, channel.followers[session])
        if sessions:
            self._say(tuple(sessions), FollowEnded(0, given.channel, behind=True))

    def _leave(self, channel: Channel, session: int, times: int) -> None:
        channel.count(session, -times)
        self._followers -= times
        if session not in channel.followers:
            self._of_session[session].discard(channel)
            if not self._of_session[session]:
                del self._of_session[session]
        if not channel.followers:
            self._drop(channel)

    def _drop(self, channel: Channel) -> None:
        del self._channels[channel.number]
        del self._by_prefix[channel.prefix][channel.contents]
        if not self._by_prefix[channel.prefix]:
            del self._by_prefix[channel.prefix]
        self._lengths[len(channel.prefix)] -= 1
        self._lengths += Counter()
        if not self._channels:
            self.context.followed = None

    def _say(self, sessions: tuple[int, ...], reply: FollowEnded | Changes) -> None:
        self.context.outbox.effects.append(TellFollowers(sessions, reply.channel, reply))

    # --- what is told --------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """What was committed since the last time: made once for each channel, and of each entry only the latest."""
        followed = self.context.followed
        if followed is None or not followed.writes:
            return
        self.context.followed = Committed()
        told: dict[Channel, list[EntryChange]] = {}
        for key, (value, by_clock) in followed.writes.items():
            alias = alias_in(key)
            for length in self._lengths:
                if length <= len(alias) and (found := self._by_prefix.get(alias[:length])) is not None:
                    for channel in found.values():
                        told.setdefault(channel, []).append(channel.change(key, value, by_clock))
        for channel, changes in told.items():
            part: list[EntryChange] = []
            size = 0
            for change in changes:
                part.append(change)
                size += len(change.alias) + len(change.content or b"") + VERSION_BYTES
                if size >= CHANGES_BYTES_USUAL:
                    self._say(channel.sessions, Changes(0, channel.number, tuple(part)))
                    part, size = [], 0
            if part:
                self._say(channel.sessions, Changes(0, channel.number, tuple(part)))

    def wait(self) -> None:
        """What was committed is told later, as earlier changes are still on their way to many followers."""
        followed = self.context.followed
        if followed is not None and followed.bytes > CHANGES_WAITING_BYTES_MAX:
            self._end(behind=True)

    # --- views ---------------------------------------------------------------------------------------------------

    def adopt(self, view: View) -> None:
        """The table has followed a new view. What was committed by it already, of which the channels may have to be
        told nothing, waits in ``context.followed``."""
        if not self._channels:
            return
        before, self._age = self._age, view_index.age(view)
        owned = self._stretches()
        if owned == self._owned and self._age == (*before[:-1], before[-1] + 1):
            return
        self._end(behind=False)

    def _end(self, behind: bool) -> None:
        """Nothing more is told to anybody; they ask again."""
        for channel in list(self._channels.values()):
            self._say(channel.sessions, FollowEnded(0, channel.number, behind))
            self._drop(channel)
        self._followers = 0
        self._of_session.clear()

    def _stretches(self) -> list[tuple[int, int]]:
        """The hashes that this node owns; arcs that lie side by side are one stretch."""
        found: list[tuple[int, int]] = []
        for replica in self._table.mine:
            if replica.role is Role.OWNER:
                if found and found[-1][1] + 1 == replica.first:
                    found[-1] = (found[-1][0], replica.arc.end)
                else:
                    found.append((replica.first, replica.arc.end))
        return found
