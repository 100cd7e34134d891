"""The fast path: plain reads and updates that came together, of entries that this node owns and may serve now.

They cost no object for a request, and the updates of a burst one answer. All else (an entry that lives elsewhere, has a
life span or is being written, a large one, a node that does not serve) takes the way of every request, through
:mod:`wrpme.core.router`: the fast path stops before it, and what follows goes that way too, so that the order stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import inf

from wrpme.core.access.sessions import Sessions
from wrpme.core.context import NodeContext
from wrpme.core.io import ReplyTo
from wrpme.core.layout import HEADER_BYTES, NO_EXPIRY, key_from
from wrpme.core.limits import ANSWER_BYTES_USUAL
from wrpme.core.replication.pending import Burst, Pending
from wrpme.core.replication.replica import Replica, Role
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.core.router import Router
from wrpme.errors import NotFoundError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, TURN_BYTES
from wrpme.protocol.access import users
from wrpme.protocol.messages import Content, Done, Get, Put, Request, Update
from wrpme.protocol.ring import digest_of, tag_of

BURST_UPDATES_MAX = 1024
"""So many updates at most are answered together."""
_DONE = [Done(place) for place in range(BURST_UPDATES_MAX)]
_LARGEST = ANSWER_BYTES_USUAL + HEADER_BYTES


class FastPath:
    """See the module."""

    def __init__(self, context: NodeContext, table: ReplicaTable, router: Router, sessions: Sessions) -> None:
        self._context = context
        self._table = table
        self._requests = router.requests
        self._sessions = sessions

    def take(self, session: int, request: Request) -> bool:
        """Carries out one plain request of a client; returns False, and does nothing, where that takes more than
        this."""
        context, kind = self._context, type(request)
        if kind is Get:
            role = users.Role.READ
            if request.versioned:  # type: ignore[union-attr]
                return False
        elif kind is Update or kind is Put:
            role = users.Role.WRITE
            if request.ttl or request.expiry or request.versioned or len(request.content) > CONTENT_BYTES_MAX:  # type: ignore[union-attr]
                return False
        else:
            return False
        alias: bytes = request.alias  # type: ignore[union-attr]
        if not 0 < len(alias) <= ALIAS_BYTES_MAX or (self._sessions.asks and not self._sessions.may_all(session, role)):
            return False
        has_tag = b"{" in alias and context.view is not None and context.view.tags
        digest = digest_of(tag_of(alias) if has_tag else alias)
        owner = self._table.at(int.from_bytes(digest, "big"))
        if owner is None or owner.role is not Role.OWNER or context.now >= (lease := owner.lease_until()):
            return False
        key = b"e" + digest + alias  # as key_from makes it
        if kind is not Get:
            if not owner.write(key, request, session):  # type: ignore[arg-type]
                return False
            self._requests[kind] += 1
            return True
        if key in owner.writes.overlay:
            return False
        held = context.hot.get(key)
        if held is None or held[16:24] != NO_EXPIRY or len(held) > _LARGEST:
            return False
        self._requests[Get] += 1
        context.responses.at_once[Get] += 1
        context.outbox.effects.append(ReplyTo(session, Content(request.id, held[HEADER_BYTES:]), lease))
        return True

    def get(self, session: int, aliases: Sequence[bytes], now: float) -> tuple[list[bytes | None], float]:
        """Returns the contents of the first of these entries, None for what is not there, as far as they can be told at
        once and in one turn; and until when on the node's clock they may be looked at."""
        context, until = self._context, inf
        context.now = now
        if self._sessions.asks and not self._sessions.may_all(session, users.Role.READ):
            return [], inf
        may_serve: dict[Replica | None, dict[bytes, Pending]] = {}
        size, at, get, number = 0, self._table.at, context.hot.get, int.from_bytes
        tags = context.view is not None and context.view.tags
        found: list[bytes | None] = []
        for alias in aliases:
            if not 0 < len(alias) <= ALIAS_BYTES_MAX:
                break
            digest = blake2b(tag_of(alias) if tags and b"{" in alias else alias, digest_size=8).digest()
            owner = at(number(digest, "big"))
            overlay = may_serve.get(owner)
            if overlay is None:
                if owner is None or owner.role is not Role.OWNER or now >= (lease := owner.lease_until()):
                    break
                overlay = may_serve[owner] = owner.writes.overlay
                if lease < until:
                    until = lease
            key = b"e" + digest + alias  # as key_from and digest_of make it: calls would be a tenth of all
            if key in overlay:
                break
            held = get(key)
            if held is None:
                found.append(None)
            elif held.startswith(NO_EXPIRY, 16) and len(held) <= _LARGEST:
                found.append(held[HEADER_BYTES:])
                size += len(held)
                if size >= TURN_BYTES:
                    break
            else:
                break
        return found, until

    def answered(self, found: Sequence[bytes | None], seconds: float) -> None:
        """These contents were told, None for what is not there, and took so long."""
        responses, missing = self._context.responses, found.count(None)
        self._requests[Get] += len(found)
        responses.latencies[Get].add(seconds, len(found))
        if seconds >= self._context.slow.threshold_seconds:
            self._context.slow_turn({Get: len(found)}, seconds)
        if missing:
            responses.failures[Get, NotFoundError.code] += missing

    def update(self, session: int, number: int, pairs: Sequence[tuple[bytes, bytes]], now: float) -> int:
        """Begins the first of these updates, as far as that can be done at once, and returns how many: what became of
        them is told with ``BurstDone`` under that number."""
        context = self._context
        context.now = now
        burst = Burst(session, number, now)
        if context.disk.hung or (self._sessions.asks and not self._sessions.may_all(session, users.Role.WRITE)):
            return 0
        replica: Replica | None = None
        tags = context.view is not None and context.view.tags
        for done, (alias, content) in zip(_DONE, pairs, strict=False):
            if not 0 < len(alias) <= ALIAS_BYTES_MAX or len(content) > CONTENT_BYTES_MAX:
                break
            digest = digest_of(tag_of(alias) if tags and b"{" in alias else alias)
            owner = self._table.at(int.from_bytes(digest, "big"))
            if owner is not replica or owner is None:
                if owner is None or owner.role is not Role.OWNER or now >= owner.lease_until():
                    break
                replica = owner
            if not owner.update(key_from(digest, alias), content, burst, done):
                break
            burst.count += 1
        burst.left = burst.count
        self._requests[Update] += burst.count
        return burst.count


class NoFastPath:
    """That of what takes nothing at once."""

    def get(self, session: int, aliases: Sequence[bytes], now: float) -> tuple[list[bytes | None], float]:
        """See :meth:`FastPath.get`."""
        return [], inf

    def answered(self, found: Sequence[bytes | None], seconds: float) -> None:
        """See :meth:`FastPath.answered`."""

    def update(self, session: int, number: int, pairs: Sequence[tuple[bytes, bytes]], now: float) -> int:
        """See :meth:`FastPath.update`."""
        return 0
