"""MULTI and EXEC, and WATCH: what they ask of the node. No socket here.

What was queued on keys of one tag is a transaction: the entries are read, the commands are carried out on what was
read by the node's own rules, and what that changed is written if no entry has another version by then; else all of it
is done again, or is null where the entry was watched. Keys of several tags lie on different nodes: then the commands
are carried out in their order, each by itself, unless keys are watched or the node is strict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from wrpme.core.layout import content_in, expiry_in, value_of
from wrpme.core.replication.operations import Write, decide
from wrpme.daemon.net.redis.client import Client, Deed, InTurn, Plan, Queued, Steps
from wrpme.daemon.net.redis.replies import CROSS_SLOT, OK, Refusal, array, error
from wrpme.limits import TRANSACTION_REQUESTS_MAX
from wrpme.protocol.messages import (
    NO_VERSION, Content, Failed, Get, GetExpiry, IfVersion, Number, Remove, Transaction, Update,
)  # fmt: skip
from wrpme.protocol.ring import tag_of

Args = list[bytes]
Begin = Callable[[Client, Args, bool], Any]


class Now(NamedTuple):
    """The time by which the commands of a transaction are carried out."""

    early: float
    late: float


def multi(client: Client, args: Args) -> Plan:
    """MULTI."""
    if client.queued is not None:
        raise Refusal("ERR MULTI calls can not be nested")
    client.queued = Queued()
    return OK


def discard(client: Client, args: Args) -> Plan:
    """DISCARD."""
    if client.queued is None:
        raise Refusal("ERR DISCARD without MULTI")
    client.queued, client.watched = None, {}
    return OK


def unwatch(client: Client, args: Args) -> Plan:
    """UNWATCH."""
    client.watched = {}
    return OK


def watch(client: Client, args: Args) -> Plan:
    """WATCH key [key ...]."""
    return _watch(client, args[1:])


def _watch(client: Client, keys: Args) -> Steps:
    if len(client.watched) + len(keys) > TRANSACTION_REQUESTS_MAX:
        raise Refusal(f"ERR at most {TRANSACTION_REQUESTS_MAX} keys are watched")
    replies = yield [GetExpiry(0, key, versioned=True) for key in keys]
    for key, reply in zip(keys, replies, strict=True):
        client.watched.setdefault(key, reply.version if type(reply) is Number else NO_VERSION)
    return OK


def execute(client: Client, begin: Begin, keys_of: Callable[[Args], Args | None]) -> Plan:
    """Carries out what is queued. ``keys_of`` gives the keys of a command, None where it asks about all entries."""
    queued, watched = client.queued, client.watched
    if queued is None:
        raise Refusal("ERR EXEC without MULTI")
    client.queued, client.watched = None, {}
    if queued.is_wrong:
        raise Refusal("EXECABORT Transaction discarded because of previous errors.")
    found = [keys_of(command) for command in queued.commands]
    keys = list(dict.fromkeys([*watched, *(key for some in found for key in some or ())]))
    is_one = len({tag_of(key) for key in keys}) <= 1 and None not in found
    if (watched or client.options.strict) and not is_one:
        raise Refusal(CROSS_SLOT)
    if not keys or not is_one or (len(queued.commands) == 1 and len(keys) == 1 and not watched):
        return InTurn(queued.commands)
    return _together(client, queued.commands, keys, watched, begin)


def _together(client: Client, commands: list[Args], keys: Args, watched: dict[bytes, bytes], begin: Begin) -> Steps:
    while True:
        asked = [Get(0, key, versioned=True) for key in keys], [GetExpiry(0, key, versioned=True) for key in keys]
        replies = yield [*asked[0], *asked[1]]
        contents, expiries = replies[: len(keys)], replies[len(keys) :]
        entries = Entries(client.wall())
        conditions = []
        for key, read, expiry in zip(keys, contents, expiries, strict=True):
            version = read.version if type(read) is Content else NO_VERSION
            if watched.get(key, version) != version:
                return client.no_array
            conditions.append(IfVersion(0, key, version))
            if type(read) is Content and type(expiry) is Number:
                entries.hold(key, read, expiry.number)
        if any(_version_of(read) != _version_of(expiry) for read, expiry in zip(contents, expiries, strict=True)):
            continue  # somebody wrote in between: the life span may be that of another content
        carried_out = [(entries.carry_out(client, begin, command), client.command) for command in commands]
        done = yield Transaction(0, (*conditions, *entries.changes()))
        if type(done) is not Failed:
            answers = [answer.do() if isinstance(answer, Deed) else answer for answer, _ in carried_out]
            for answer, (_, name) in zip(answers, carried_out, strict=True):
                client.figures.answered(name, answer, 0.0)
            return array(answers)


def _version_of(reply: Content | Number | Failed) -> bytes:
    return NO_VERSION if isinstance(reply, Failed) else reply.version


class Entries:
    """The entries of a transaction as its commands leave them; ``now`` in milliseconds since 1970."""

    def __init__(self, now: int) -> None:
        self._now = Now(now, now)
        self._values: dict[bytes, bytes | None] = {}
        self._changed: dict[bytes, bool] = {}
        """Whether there was such an entry before."""
        self._writes = 0

    def hold(self, key: bytes, read: Content, expiry: int) -> None:
        """Takes an entry as it was read."""
        halves = int.from_bytes(read.version[:8], "big"), int.from_bytes(read.version[8:], "big")
        self._values[key] = value_of(halves, expiry, read.content)

    def changes(self) -> Sequence[Update | Remove]:
        """Returns the requests that make the entries what they are here."""
        made: list[Update | Remove] = []
        for key, was_there in self._changed.items():
            value = self._values[key]
            if value is not None:
                made.append(Update(0, key, content_in(value), expiry_in(value)))
            elif was_there:
                made.append(Remove(0, key))
        return made

    def carry_out(self, client: Client, begin: Begin, command: Args) -> bytes | Deed:
        """Returns the answer to a command, which sees what those before it did; or what gives it when the transaction
        is carried out."""
        plan = begin(client, command, True)
        try:
            if type(plan) is bytes or type(plan) is Deed:
                return plan
            if type(plan) is tuple:
                asked, convert = plan
                replies = [self._ask(one) for one in asked] if type(asked) is list else self._ask(asked)
                return bytes(convert(replies, client))
            return self._drive(plan)
        except Refusal as refusal:
            return error(str(refusal))

    def _drive(self, steps: Steps) -> bytes:
        given: Any = None
        while True:
            try:
                wanted = steps.send(given)
            except StopIteration as end:
                return bytes(end.value)
            given = [self._ask(one) for one in wanted] if type(wanted) is list else self._ask(wanted)

    def _ask(self, request: Any) -> Any:
        """Returns the reply to a request: what the node's rules make of it."""
        if type(request) is not Transaction:
            return self._one(request)
        before = dict(self._values), dict(self._changed)
        for at, part in enumerate(request.requests):
            reply = self._one(part)
            if type(reply) is Failed:
                self._values, self._changed = before
                return Failed(reply.id, reply.code, reply.sentence, at)
        return reply

    def _one(self, request: Any) -> Any:
        key = request.alias
        held = self._values.get(key)
        if held is not None and 0 < expiry_in(held) <= self._now.early:
            held = self._values[key] = None
        outcome = decide(request, held, self._now)
        if type(outcome) is not Write:
            return outcome
        self._changed.setdefault(key, held is not None)
        self._writes += 1
        value = None if outcome.content is None else value_of((0, self._writes), outcome.expiry, outcome.content)
        self._values[key] = value
        return outcome.reply
