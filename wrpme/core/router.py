"""The way of a request: to the arc that this node owns, or on to the node that can answer it.

A request that was passed on is never passed on again, and one that changes data is sent once: if it is not known what
became of it, whoever asked hears ``indeterminate``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import msgspec

from wrpme.core.access.sessions import Sessions
from wrpme.core.context import NodeContext
from wrpme.core.outbox import NO_ROOM, Collected, Origin, Part
from wrpme.core.io import HostRequest, Memory
from wrpme.core.layout import key_of
from wrpme.core.replication.replica import Role
from wrpme.core.replication.replica_table import ReplicaTable
from wrpme.errors import (
    BusyError, IndeterminateError, TooLargeError, UnavailableError, UnstableError, UsageError, WrpmeError,
)  # fmt: skip
from wrpme.core.limits import (
    ANSWER_BYTES_USUAL, FORWARD_BYTES_MAX, FORWARDS_MAX, LARGE_ALIASES_MAX,
    SESSION_ANSWERS_BYTES_MAX,
)  # fmt: skip
from wrpme.limits import (
    EXPIRY_MILLISECONDS_MAX, LARGE_BYTES, MANY_BYTES_MAX, MANY_REQUESTS_MAX, STOP_SECONDS_MAX, TRANSACTION_BYTES_MAX,
    TRANSACTION_REQUESTS_MAX,
)  # fmt: skip
from wrpme.protocol.access.messages import USER_REQUESTS
from wrpme.protocol.address import listed
from wrpme.protocol.identities import GetHive
from wrpme.protocol.administration import ForgetNode, LeaveNode, Recover, SetReplication, StopNode
from wrpme.protocol.messages import (
    KEEP_EXPIRY, Add, Append, Cas, CasVersion, ConfirmFollow, Content, Count, EntryRequest, Envelope, Exists, Expire,
    Failed, Follow, Forward, Forwarded, Get, GetConfig, GetExpire, GetExpiry, GetHoldings, GetRange, GetRemove,
    GetStatus, GetUpdate, GetView, Heartbeat, IfContent, IfVersion, Many, NodeRequest, PrefixScan, Put, Remove,
    RemoveAll, RemoveIf, RemoveVersion, Reply, Request, Results, RingScan, SetRange, Touch, Traced, Transaction,
    Unfollow, Update, VerifyArc, ViewIs, is_read,
)  # fmt: skip
from wrpme.protocol.administration import SNAPSHOT_REQUESTS
from wrpme.core.stats.audit import AUDITED
from wrpme.core.stats.traces import Trace
from wrpme.protocol.quoting import named
from wrpme.protocol.administration import GetSlow, kind_in_words, request_id_of
from wrpme.protocol.ring import CURSOR_BITS, arc_at, owner_among, position_at, position_of
from wrpme.protocol.validation import apart, check_alias, check_content, check_first, check_number
from wrpme.protocol.view import NOBODY, Arc, NodeId, State
from wrpme.protocol.view_index import public

_WITH_LIFE = frozenset((Put, Update, GetUpdate, Cas, CasVersion, Add, Append))
_WITH_CONTENT = frozenset((Put, Update, GetUpdate, Cas, CasVersion, Append, SetRange))
_WITH_COMPARAND = frozenset((Cas, RemoveIf, IfContent))
_ENTRIES = (
    Get, Put, Update, GetUpdate, GetRemove, Cas, Remove, RemoveIf, Expire, GetExpiry, Add, Append, GetRange, SetRange,
    GetExpire, Exists, Touch, CasVersion, RemoveVersion, IfVersion, IfContent,
)  # fmt: skip
_LARGE_ANSWERS = (Get, GetUpdate, GetRemove, Cas, GetExpire)
"""Answered with the whole content: how large it is, is remembered. Of a part it may be little."""
_OPERATOR: dict[type[Any], str] = {StopNode: "stop_node", LeaveNode: "leave", RemoveAll: "remove_all"}
"""Requests to nodes of which the log says who made them; of a long one only the first page."""
_TO_NODES = (
    PrefixScan, Count, RemoveAll, GetStatus, GetConfig, StopNode, LeaveNode, VerifyArc, GetHoldings, Many, GetSlow,
    *SNAPSHOT_REQUESTS,
)  # fmt: skip
_HERE = (ForgetNode, Recover, SetReplication, Follow, Unfollow, ConfirmFollow, *USER_REQUESTS)
"""What the node that is asked sees to itself."""
_OF_OWNERS = (PrefixScan, Count, RemoveAll, Many, *SNAPSHOT_REQUESTS)
"""What is asked of a node because some view has it as an owner."""
_MOVED = "the owner of this part of the ring is changing; nothing was changed, try again"

K = TypeVar("K")


Passable = EntryRequest | Transaction | RingScan | NodeRequest


class Passed:
    """A request that was passed on. ``since`` is when it came, below 0 where it is not about entries; ``size`` what it
    keeps in memory; ``room`` how large a content was reserved for its answer. It goes ``apart`` from what is large."""

    __slots__ = ("address", "apart", "life", "node", "origin", "request", "room", "since", "size")

    def __init__(self, origin: int, request: Passable, node: NodeId, size: int) -> None:
        self.origin = origin
        self.request = request
        self.node = node
        self.size = size
        self.address = ""
        self.life = 0
        self.since = -1.0
        self.room = 0
        self.apart = False


class Ways:
    """On which way the requests of a connection go to a node: small ones apart from large ones, unless one is under way
    on the other one, which it would overtake."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[int, NodeId, bool], int] = {}

    def choose(self, passed: Passed, again: bool) -> None:
        """Chooses one for a further request. One that is sent ``again`` has lost its place already."""
        is_small = passed.size <= LARGE_BYTES and passed.room <= ANSWER_BYTES_USUAL
        of_other = passed.origin, passed.node, not is_small
        passed.apart = is_small if again or of_other not in self._under_way else not is_small
        _add(self._under_way, (passed.origin, passed.node, passed.apart), 1)

    def end(self, passed: Passed) -> None:
        """It is answered, or will not be."""
        _add(self._under_way, (passed.origin, passed.node, passed.apart), -1)


class Room:
    """What is in flight to other nodes, in bytes: requests for each node and for all, and the large answers that were
    asked for, for each connection and for all."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.requests_bytes = 0
        self.answers_bytes = 0
        self._to: dict[NodeId, int] = {}
        self._for: dict[int, int] = {}

    def for_request(self, node: NodeId, size: int) -> bool:
        """Whether a further request of that size may be sent to the node."""
        has_room = self.requests_bytes + size <= self._memory.forwards
        return has_room and self._to.get(node, 0) + size <= FORWARD_BYTES_MAX

    def for_answer(self, session: int, size: int) -> bool:
        """Whether a connection may wait for a further content of that size."""
        return self._for.get(session, 0) + size <= SESSION_ANSWERS_BYTES_MAX

    def take(self, passed: Passed, sign: int = 1) -> None:
        """The request is in flight from now on; or, with ``sign`` -1, not any more."""
        self.requests_bytes += sign * passed.size
        self.answers_bytes += sign * passed.room
        if passed.size:
            _add(self._to, passed.node, sign * passed.size)
        if passed.room:
            _add(self._for, passed.origin, sign * passed.room)


def _add(table: dict[K, int], key: K, change: int) -> None:
    left = table.get(key, 0) + change
    if left:
        table[key] = left
    else:
        del table[key]


def _size_of(request: Passable) -> int:
    kind, asked = type(request), cast(Any, request)
    if kind is Many or kind is Transaction:
        return sum(_size_of(part) + len(part.alias) for part in asked.requests)
    size = len(asked.content) if kind in _WITH_CONTENT else 0
    return size + len(asked.comparand) if kind in _WITH_COMPARAND else size


def _check_life(request: Any) -> None:
    if not 0 <= request.expiry <= EXPIRY_MILLISECONDS_MAX:
        raise UsageError("an expiry is in milliseconds since 1970, at most the year 9999, or 0 for ever")
    if not KEEP_EXPIRY <= request.ttl <= EXPIRY_MILLISECONDS_MAX:
        raise UsageError("a ttl is in milliseconds, above 0, or -1 to keep what the entry has")


_RULES: tuple[tuple[Collection[type[Any]], Callable[[Any], None]], ...] = (
    (_WITH_CONTENT, lambda request: check_content(request.content)),
    (_WITH_LIFE, _check_life),
    (_WITH_COMPARAND, lambda request: check_content(request.comparand)),
    ((Add,), lambda request: check_number(request.number)),
    ((SetRange,), lambda request: check_first(request.first, len(request.content))),
)
_RULES_OF = {kind: tuple(rule for kinds, rule in _RULES if kind in kinds) for kind in _ENTRIES}
"""By the kind of request: to find the kind out with isinstance took more than the rules."""


def _check(request: EntryRequest) -> None:
    """Raises UsageError or TooLargeError where the request is none that can be carried out."""
    check_alias(request.alias)
    for rule in _RULES_OF[type(request)]:
        rule(request)


class Router:
    """``sessions`` says who asks; ``not_serving`` says why this node as a whole serves nothing now, or gives None;
    ``quorum`` why it has seen none for longer than a moment, or gives an empty text."""

    def __init__(
        self,
        context: NodeContext,
        table: ReplicaTable,
        not_serving: Callable[[], WrpmeError | None],
        quorum: Callable[[], str],
        local: dict[type[Any], Callable[[Origin, Any], None]],
        sessions: Sessions,
    ) -> None:
        self.context = context
        self._sessions = sessions
        self.table = table
        self._not_serving = not_serving
        self._quorum = quorum
        self._local: dict[type[Any], Callable[[Origin, Any], None]] = {**local, Many: self._many}
        self._forwards: dict[int, Passed] = {}
        self.room = Room(context.process.memory)
        self._ways = Ways()
        self._large: dict[bytes, int] = {}
        """How large the contents of some entries were found to be, for which no answer is begun without room for it."""
        self._stopping: dict[NodeId, float] = {}
        """Nodes that stop as planned, and until when they may still answer."""
        self._number = 0
        self.requests: dict[type[Any], int] = dict.fromkeys(_ENTRIES, 0)
        """How many of each kind clients asked here, also those that were passed on."""

    # --- requests ------------------------------------------------------------------------------------------------

    def request(self, origin: Origin, request: Request) -> None:
        """Answers, now or later, or passes on."""
        kind = type(request)
        if self._sessions.asks and type(origin) is int:
            if (refusal := self._sessions.refusal(origin, request)) is not None:
                self._refuse(origin, request, refusal)
                return
            request = self._sessions.narrowed(origin, request)
        if isinstance(request, _ENTRIES):
            if type(origin) is int:
                self.requests[kind] += 1
                self.context.responses.at_once[kind] += 1
            self._for_entry(origin, request)
            return
        if isinstance(request, Transaction):
            self._for_transaction(origin, request)
            return
        if type(origin) is int:
            self.requests[kind] = self.requests.get(kind, 0) + 1
        if isinstance(request, AUDITED):
            context = self.context
            context.audit.begin((origin, request.id), request, context.me, context.who(origin))
        if isinstance(request, _TO_NODES):
            self._for_node(origin, request)
        elif isinstance(request, RingScan):
            self._for_page(origin, request)
        elif isinstance(request, GetView):
            self._get_view(origin, request)
        elif isinstance(request, GetHive):
            view = self.context.view
            self.context.outbox.reply(origin, Content(request.id, view.hive if view is not None else b""))
        elif isinstance(request, Traced):
            self._traced(origin, request)
        elif isinstance(request, _HERE):
            self._local[kind](origin, request)
        elif isinstance(origin, int):
            self.context.outbox.effects.append(HostRequest(origin, request))
        else:
            own = UsageError("a watch, and the log, are asked for at the very node: nobody passes that on")
            self.context.outbox.fail(origin, request.id, own)

    def _refuse(self, origin: int, request: Request, refusal: WrpmeError) -> None:
        """Whoever asks may not, or has not said who he is; of what is audited there is a line."""
        context = self.context
        if isinstance(request, AUDITED):
            context.audit.begin((origin, request.id), request, context.me, context.who(origin))
        if isinstance(request, (*_ENTRIES, Transaction)):
            context.responses.put_off(origin, type(request))
            context.refuse(origin, request, refusal)
        else:
            context.outbox.fail(origin, request.id, refusal)

    def _traced(self, origin: Origin, request: Traced) -> None:
        """A request with an id: the lines that tell of it come beside its usual way."""
        context = self.context
        inner = msgspec.structs.replace(request.request, id=request.id)
        try:
            request_id_of(request.request_id)
        except ValueError as error:
            context.outbox.fail(origin, request.id, UsageError(f"{error}"))
            return
        first = inner.requests[0] if isinstance(inner, Transaction | Many) and inner.requests else inner
        alias = named(first.alias) if isinstance(first, _ENTRIES) else ""
        what = f"{kind_in_words(type(inner).__name__)} {alias}".strip()
        trace = Trace(request.request_id, what, context.now)
        asked = "of" if isinstance(origin, int) else "passed on by"
        who = context.who(origin) if isinstance(origin, int) else context.address_of(origin[1])  # type: ignore[index]
        context.traces.begin((origin, inner.id), trace, f"{asked} {who}")
        self.request(origin, inner)

    def _for_entry(self, origin: Origin, request: EntryRequest) -> None:
        try:
            _check(request)
        except (UsageError, TooLargeError) as error:
            self.context.refuse(origin, request, error)
            return
        position = position_of(self.context.view, request.alias)
        replica = self.table.at(position)
        if replica is not None and replica.role is Role.OWNER:
            replica.execute(origin, request, key_of(position, request.alias))
        else:
            self._elsewhere(origin, request, position)

    def _for_page(self, origin: Origin, request: RingScan) -> None:
        if not 0 <= request.cursor < 1 << CURSOR_BITS:
            self.context.outbox.fail(origin, request.id, UsageError(f"a cursor is a number of {CURSOR_BITS} bits"))
            return
        position = position_at(request.cursor)
        replica = self.table.at(position)
        if replica is not None and replica.role is Role.OWNER:
            self._local[RingScan](origin, request)
        else:
            self._elsewhere(origin, request, position)

    def _for_transaction(self, origin: Origin, request: Transaction) -> None:
        if type(origin) is int:
            self.requests[Transaction] = self.requests.get(Transaction, 0) + 1
            self.context.responses.at_once[Transaction] += 1
        try:
            position, keys = self._together(request)
        except (UsageError, TooLargeError) as error:
            self.context.refuse(origin, request, error)
            return
        replica = self.table.at(position)
        if replica is not None and replica.role is Role.OWNER:
            replica.transact(origin, request, keys)
        else:
            self._elsewhere(origin, request, position)

    def _together(self, request: Transaction) -> tuple[int, list[bytes]]:
        """The position of all its entries, and their keys. That they lie on one arc now would not do: an arc may be
        divided between them while the transaction is not settled yet, and then its halves would be handed over each by
        itself, one of them perhaps in vain."""
        parts = request.requests
        if not 0 < len(parts) <= TRANSACTION_REQUESTS_MAX:
            raise UsageError(f"a transaction has 1 to {TRANSACTION_REQUESTS_MAX} operations, not {len(parts)}")
        if (size := _size_of(request)) > TRANSACTION_BYTES_MAX:
            raise TooLargeError(f"the transaction has {size} bytes, the limit is {TRANSACTION_BYTES_MAX} (8 MiB)")
        view = self.context.view
        for part in parts:
            _check(part)
        position = position_of(view, parts[0].alias)
        for part in parts:
            if view is not None and position_of(view, part.alias) != position:  # without one nothing is served here
                raise apart(parts[0].alias, part.alias)
        return position, [key_of(position, part.alias) for part in parts]

    def _many(self, origin: Origin, request: Many) -> None:
        assert not isinstance(origin, Part), "many are not among many"
        count, size = len(request.requests), _size_of(request)
        if not 0 < count <= MANY_REQUESTS_MAX or size > MANY_BYTES_MAX:
            error = (
                f"one message has 1 to {MANY_REQUESTS_MAX} requests and {MANY_BYTES_MAX} bytes, not {count} and {size}"
            )
            self.context.outbox.fail(origin, request.id, TooLargeError(error))
            return
        room = MANY_BYTES_MAX if isinstance(origin, int) else origin[2]
        answered = None
        if isinstance(origin, int):
            answered = partial(self._note_many, [type(part) for part in request.requests], self.context.now)
        collected = Collected(origin, request.id, count, room, answered)
        for index, part in enumerate(request.requests):
            if isinstance(origin, int):
                self.requests[type(part)] += 1
            self._for_entry(Part(collected, index), part)

    def _note_many(self, kinds: Sequence[type[Any]], since: float, replies: Sequence[Reply | None]) -> None:
        context = self.context
        context.responses.many(kinds, replies, context.now - since)

    def _elsewhere(self, origin: Origin, request: EntryRequest | Transaction | RingScan, position: int) -> None:
        context, view = self.context, self.context.view
        refusal = self._not_serving()
        if view is None or refusal is not None:
            context.refuse(origin, request, refusal or UnstableError("this node starts; try again"))
            return
        arc = view.arcs[arc_at(view, position)]
        owner = owner_among(context.alive, arc)
        if owner is None:
            context.refuse(origin, request, self._unavailable(request, arc))
        elif not isinstance(origin, int):
            context.outbox.fail(origin, request.id, UnstableError(_MOVED))
        else:
            self._forward(origin, request, owner)

    def _unavailable(self, request: EntryRequest | Transaction | RingScan, arc: Arc) -> UnavailableError:
        context = self.context
        first = request.requests[0] if isinstance(request, Transaction) else request
        what = "a part of the entries" if isinstance(first, RingScan) else named(first.alias)
        names = listed((context.address_of(node) for node in arc.holders), " or ")
        since = min((context.down_since.get(node, context.now) for node in arc.holders), default=context.now)
        return UnavailableError(
            f"{what} lives on {names}, which has been down for {max(0, context.now - since):.0f} s; "
            "it is served again when that node returns"
        )

    def _for_node(self, origin: Origin, request: NodeRequest) -> None:
        context = self.context
        if request.node in (NOBODY, context.me):
            self._local[type(request)](origin, request)
            return
        member = context.members.get(request.node)
        of_owner = _OF_OWNERS if member is None else Many
        if isinstance(request, of_owner) and (member is None or member.state is State.DOWN):
            # Whoever asks knows an older view, or a later one: these entries have another owner.
            context.outbox.fail(origin, request.id, UnstableError(_MOVED))
        elif member is None:
            context.outbox.fail(
                origin, request.id, UsageError("no such node in this hive; hive_status lists its nodes")
            )
        elif member.state is State.DOWN:
            since = context.now - context.down_since.get(member.id, context.now)
            down = UnavailableError(f"{member.address} has been down for {since:.0f} s")
            context.outbox.fail(origin, request.id, down)
        elif isinstance(origin, int):
            word = _OPERATOR.get(type(request))
            if word and not (isinstance(request, RemoveAll) and request.after):
                context.asked(origin, f"{word} is passed on to {member.address}")
            self._forward(origin, request, member.id)

    def _get_view(self, origin: Origin, request: GetView) -> None:
        context = self.context
        if request.follow and isinstance(origin, int):
            context.outbox.effects.append(HostRequest(origin, request))
        if context.view is None:
            refusal = self._not_serving() or UnstableError("this node starts; try again")
            context.outbox.fail(origin, request.id, refusal)
        else:
            context.outbox.reply(origin, ViewIs(request.id, context.me, public(context.known or context.view)))

    # --- passing on ----------------------------------------------------------------------------------------------

    def _forward(self, origin: int, request: Passable, node: NodeId) -> None:
        context = self.context
        address = context.address_of(node)
        route = context.routes.get(node)
        if route is None or context.linked.get(route) is False:
            context.outbox.send(node, Heartbeat(context.now))  # so that the link is tried again
            context.refuse(origin, request, self._unreachable(address))
            return
        size = _size_of(request)
        if len(self._forwards) >= FORWARDS_MAX or not self.room.for_request(node, size):
            busy = f"too many requests, or too large ones, wait for {address}; nothing was changed, try again"
            context.refuse(origin, request, BusyError(busy))
            return
        passed = Passed(origin, request, node, size)
        if isinstance(request, Many):
            passed.room = MANY_BYTES_MAX if self._has_room(passed, MANY_BYTES_MAX) else 0
            passed.since = context.now
        elif isinstance(request, (*_ENTRIES, Transaction)):
            wanted = self._large.get(request.alias, 0) if isinstance(request, _LARGE_ANSWERS) else 0
            if wanted and not self._has_room(passed, wanted):
                context.refuse(origin, request, BusyError(NO_ROOM))
                return
            likely = len(request.comparand) if isinstance(request, Cas) else 0
            if likely > max(wanted, ANSWER_BYTES_USUAL) and self._has_room(passed, likely):
                wanted = likely  # it is answered with what it compares, and else would travel twice
            passed.room = wanted
            passed.since = context.now
            context.responses.put_off(origin, type(request))
        self._send(passed)

    def _send(self, passed: Passed, again: bool = False) -> None:
        self._number += 1
        self._ways.choose(passed, again)
        self._forwards[self._number] = passed
        self.room.take(passed)
        passed.address = self.context.routes.get(passed.node, "")
        passed.life = self.context.members[passed.node].incarnation
        request: Request = msgspec.structs.replace(passed.request, id=self._number)
        if self.context.traces.open:
            trace = self.context.traces.open.get((passed.origin, passed.request.id))
            if trace is not None:
                self.context.traces.step(trace.request_id, f"passed on to {passed.address}")
                request = Traced(self._number, trace.request_id, request)  # type: ignore[arg-type]
        who = self.context.who(passed.origin) if isinstance(request, AUDITED) else ""
        forward = Forward(request, max(passed.room, ANSWER_BYTES_USUAL), who)
        self.context.outbox.send(passed.node, forward, passed.size, passed.apart)

    def _end(self, number: int) -> Passed:
        passed = self._forwards.pop(number)
        self.room.take(passed, -1)
        self._ways.end(passed)
        return passed

    def _unreachable(self, address: str) -> WrpmeError:
        """For a moment, or for as long as nobody can decide that it is dead."""
        me = self.context.settings.address
        if quorum := self._quorum():
            return UnavailableError(f"{address}, which serves this, can't be reached from {me}, and {quorum}")
        sentence = f"{address}, which serves this, can't be reached from {me} just now"
        return UnstableError(f"{sentence}; nothing was changed, try again")

    def on_forwarded(self, source: NodeId, message: Forwarded) -> None:
        """The answer to a request that was passed on."""
        reply = message.reply
        known = self._forwards.get(reply.id)
        if known is not None and known.node == source:
            self._end(reply.id)
            if message.wanted and self._again(known, message.wanted):
                return
            if known.room and type(reply) is Content and len(reply.content) <= ANSWER_BYTES_USUAL:
                self._large.pop(known.request.alias, None)  # type: ignore[union-attr]
            self._note_answer(known, reply)
            self.context.outbox.reply(known.origin, msgspec.structs.replace(reply, id=known.request.id))

    def _again(self, passed: Passed, size: int) -> bool:
        """Nothing was carried out, as the answer is a large one: it is asked for with room for it, if there is."""
        if isinstance(passed.request, _LARGE_ANSWERS):
            if len(self._large) >= LARGE_ALIASES_MAX:
                self._large.clear()
            self._large[passed.request.alias] = size
        if size <= passed.room or not self._has_room(passed, size):
            return False
        passed.room = size
        self._send(passed, again=True)
        return True

    def _has_room(self, passed: Passed, size: int) -> bool:
        left = self.context.process.room_for_answers() - self.room.answers_bytes
        return size <= left and self.room.for_answer(passed.origin, size)

    def on_not_sent(self, envelope: Envelope) -> None:
        """What was passed on did not leave."""
        body = envelope.body
        known = self._forwards.get(body.request.id) if isinstance(body, Forward) else None
        if known is not None and isinstance(body, Forward) and known.node == envelope.destination:
            self._end(body.request.id)
            address = self.context.address_of(known.node)
            busy = f"too much waits for {address} already; nothing was changed, try again"
            self._fail(known, BusyError(busy))

    def _note_answer(self, passed: Passed, reply: Reply) -> None:
        if passed.since < 0:
            return
        responses, seconds, request = self.context.responses, self.context.now - passed.since, passed.request
        if isinstance(request, Many):
            kinds = [type(part) for part in request.requests]
            responses.many(kinds, reply.replies if isinstance(reply, Results) else [reply] * len(kinds), seconds)
        else:
            responses.answered(passed.origin, type(request), seconds, reply)
        if seconds >= self.context.slow.threshold_seconds:
            alias = b"" if isinstance(request, Many | Transaction) else request.alias  # type: ignore[union-attr]
            code = reply.code if isinstance(reply, Failed) else 0
            owner = self.context.address_of(passed.node)
            self.context.slow_answer(passed.origin, request.id, type(request), alias, passed.since, code, owner)

    def _fail(self, passed: Passed, error: WrpmeError) -> None:
        reply = Failed(passed.request.id, error.code, error.sentence)
        self._note_answer(passed, reply)
        self.context.outbox.reply(passed.origin, reply)

    def on_link_down(self, address: str, was_up: bool) -> None:
        """What was passed on over that link may be lost; ``was_up``: it may have left at all."""
        self._give_up(lambda passed: passed.address == address, was_up)

    def on_moved(self, node: NodeId) -> None:
        """It answers elsewhere from now on, and in another life."""
        self._give_up(lambda passed: passed.node == node, True)

    @property
    def waiting(self) -> int:
        """How many requests wait for an answer of another node."""
        return len(self._forwards)

    @property
    def waits(self) -> bool:
        """Somebody waits for an answer of another node."""
        return bool(self._forwards)

    def adopt(self, stopping: Collection[NodeId]) -> None:
        """What was passed on to a node that is down now is not waited for, but for nodes that are ``stopping`` as
        planned: these answer before they go."""
        alive, now = self.context.alive, self.context.now
        self._stopping = {node: until for node, until in self._stopping.items() if node not in alive and now < until}
        self._stopping.update(dict.fromkeys(stopping, now + STOP_SECONDS_MAX))
        members = self.context.members

        def lost(passed: Passed) -> bool:
            if passed.node not in alive:
                return passed.node not in self._stopping
            return members[passed.node].incarnation != passed.life  # which took it, or never heard of it

        self._give_up(lost, True)

    def tick(self) -> None:
        """Time has passed: who stops for too long will not answer."""
        if self._stopping and self.context.now >= min(self._stopping.values()):
            self.adopt(())

    def _give_up(self, lost: Callable[[Passed], bool], was_sent: bool) -> None:
        for number, passed in list(self._forwards.items()):
            if not lost(passed):
                continue
            self._end(number)
            address = self.context.address_of(passed.node)
            if is_read(passed.request) or not was_sent:
                error: WrpmeError = UnstableError(f"the connection to {address} broke; nothing was changed, try again")
            else:
                error = IndeterminateError(
                    f"the connection to {address} broke while it wrote; the write may or may not have been carried out"
                )
            self._fail(passed, error)
