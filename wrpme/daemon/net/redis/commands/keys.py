"""Commands on keys of whatever kind. No socket here, and no logic of the store."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wrpme.core.layout import HEADER_BYTES
from wrpme.daemon.net.redis.client import Client, Plan, Steps, Subcommand
from wrpme.daemon.net.redis.commands.numbers import database, integer, integer_in
from wrpme.daemon.net.redis.replies import (
    OK, ONE, SYNTAX, ZERO, Refusal, array, bulk, failure, integer as integer_reply,
)  # fmt: skip
from wrpme.daemon.net.redis.commands.strings import NOT_FOUND, Args, counted, number, one_or_zero
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX, NUMBER_MAX, NUMBER_MIN
from wrpme.protocol.messages import (
    Append, Count, EntryRequest, Exists, Expire, Failed, Get, GetExpiry, GetRange, GetView, IfVersion, PrefixScan, Put,
    Remove, RemoveAll, Transaction, Update,
)  # fmt: skip
from wrpme.protocol.ring import owner_among
from wrpme.protocol.view import State, View

# --- is it there -------------------------------------------------------------------------------------------------


def exists(client: Client, args: Args) -> Plan:
    """EXISTS key [key ...], and TOUCH, as nothing here depends on when an entry was read."""
    if len(args) == 2:
        return Exists(client.number, args[1]), number
    return [Exists(client.number + at, key) for at, key in enumerate(args[1:])], counted


def type_(client: Client, args: Args) -> Plan:
    """TYPE key."""
    return Exists(client.number, args[1]), _type


def _type(reply: Any, client: Client) -> bytes:
    if type(reply) is Failed:
        return failure(reply)
    return b"+string\r\n" if reply.number else b"+none\r\n"


# --- life spans --------------------------------------------------------------------------------------------------


def _expiry(reply: Any, client: Client, relative: bool, seconds: bool) -> bytes:
    if type(reply) is Failed:
        return b":-2\r\n" if reply.code == NOT_FOUND else failure(reply)
    if not reply.number:
        return b":-1\r\n"
    value = max(0, reply.number - client.wall()) if relative else reply.number
    return integer_reply((value + 500) // 1000 if seconds else value)


def ttl(client: Client, args: Args) -> Plan:
    """TTL key."""
    return GetExpiry(client.number, args[1]), lambda reply, client: _expiry(reply, client, True, True)


def pttl(client: Client, args: Args) -> Plan:
    """PTTL key."""
    return GetExpiry(client.number, args[1]), lambda reply, client: _expiry(reply, client, True, False)


def expiretime(client: Client, args: Args) -> Plan:
    """EXPIRETIME key."""
    return GetExpiry(client.number, args[1]), lambda reply, client: _expiry(reply, client, False, True)


def pexpiretime(client: Client, args: Args) -> Plan:
    """PEXPIRETIME key."""
    return GetExpiry(client.number, args[1]), lambda reply, client: _expiry(reply, client, False, False)


def _expire(client: Client, args: Args, seconds: bool, absolute: bool) -> Plan:
    conditions = set()
    for option in args[3:]:
        if option.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            raise Refusal("ERR Unsupported option " + option.decode("utf-8", "surrogateescape"))
        conditions.add(option.upper())
    if b"NX" in conditions and len(conditions) > 1:
        raise Refusal("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= conditions:
        raise Refusal("ERR GT and LT options at the same time are not compatible")
    value, now = integer(args[2]), client.wall()
    command = args[0].decode("latin-1").lower()
    if seconds and not NUMBER_MIN <= value * 1000 <= NUMBER_MAX:
        raise Refusal(f"ERR invalid expire time in '{command}' command")
    value = value * 1000 if seconds else value
    if not absolute and value > NUMBER_MAX - now:
        raise Refusal(f"ERR invalid expire time in '{command}' command")
    until = min(value if absolute else value + now, EXPIRY_MILLISECONDS_MAX)
    if conditions:
        return _expire_if(client, args[1], until, conditions)
    if until <= now:
        return Remove(client.number, args[1]), one_or_zero
    if absolute or until == EXPIRY_MILLISECONDS_MAX:
        return Expire(client.number, args[1], until), one_or_zero
    return Expire(client.number, args[1], value, relative=True), one_or_zero


def _expire_if(client: Client, key: bytes, until: int, conditions: set[bytes]) -> Steps:
    while True:
        found = yield GetExpiry(0, key, versioned=True)
        if type(found) is Failed:
            return ZERO
        former = found.number
        if (
            (b"NX" in conditions and former)
            or (b"XX" in conditions and not former)
            or (b"GT" in conditions and (not former or until <= former))
            or (b"LT" in conditions and former and until >= former)
        ):
            return ZERO
        change: Any = Remove(0, key) if until <= client.wall() else Expire(0, key, until)
        done = yield Transaction(0, (IfVersion(0, key, found.version), change))
        if type(done) is not Failed:
            return ONE


def expire(client: Client, args: Args) -> Plan:
    """EXPIRE key seconds [NX | XX | GT | LT]."""
    return _expire(client, args, True, False)


def pexpire(client: Client, args: Args) -> Plan:
    """PEXPIRE key milliseconds [NX | XX | GT | LT]."""
    return _expire(client, args, False, False)


def expireat(client: Client, args: Args) -> Plan:
    """EXPIREAT key unix-time-seconds [NX | XX | GT | LT]."""
    return _expire(client, args, True, True)


def pexpireat(client: Client, args: Args) -> Plan:
    """PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]."""
    return _expire(client, args, False, True)


def persist(client: Client, args: Args) -> Plan:
    """PERSIST key."""
    return _persist(args[1])


def _persist(key: bytes) -> Steps:
    while True:
        found = yield GetExpiry(0, key, versioned=True)
        if type(found) is Failed or not found.number:
            return ZERO
        done = yield Transaction(0, (IfVersion(0, key, found.version), Expire(0, key, 0)))
        if type(done) is not Failed:
            return ONE


SAME = "ERR source and destination objects are the same"

# --- other names -------------------------------------------------------------------------------------------------


def rename(client: Client, args: Args) -> Plan:
    """RENAME key newkey, on keys of one tag."""
    return _moved(args[1], args[2], OK, True)


def renamenx(client: Client, args: Args) -> Plan:
    """RENAMENX key newkey, on keys of one tag."""
    return _moved(args[1], args[2], ONE, False)


def _moved(source: bytes, target: bytes, done: bytes, replaces: bool) -> Steps:
    while True:
        found, present = yield [Get(0, source, versioned=True), GetExpiry(0, source, versioned=True)]
        if type(found) is Failed:
            raise Refusal("ERR no such key")
        if source == target:
            return done if replaces else ZERO
        if type(present) is Failed or present.version != found.version:
            continue
        kind = Update if replaces else Put
        written = yield Transaction(
            0,
            (
                IfVersion(0, source, found.version),
                kind(0, target, found.content, present.number),
                Remove(0, source),
            ),
        )
        if type(written) is not Failed:
            return done
        if not replaces and written.operation == 1:
            return ZERO


def copy(client: Client, args: Args) -> Plan:
    """COPY source destination [DB 0] [REPLACE], on keys of one tag."""
    replaces, at = False, 3
    while at < len(args):
        option = args[at].upper()
        if option == b"REPLACE":
            replaces = True
        elif option == b"DB" and at + 1 < len(args):
            database(args[at + 1])
            at += 1
        else:
            raise Refusal(SYNTAX)
        at += 1
    if args[1] == args[2]:
        raise Refusal(SAME)
    return _copied(args[1], args[2], replaces)


def _copied(source: bytes, target: bytes, replaces: bool) -> Steps:
    while True:
        found, present = yield [Get(0, source, versioned=True), GetExpiry(0, source, versioned=True)]
        if type(found) is Failed:
            return ZERO
        if type(present) is Failed or present.version != found.version:
            continue
        kind = Update if replaces else Put
        written = yield Transaction(
            0, (IfVersion(0, source, found.version), kind(0, target, found.content, present.number))
        )
        if type(written) is not Failed:
            return ONE
        if not replaces and written.operation == 1:
            return ZERO


def move(client: Client, args: Args) -> Plan:
    """MOVE key db: there is no other database."""
    database(args[2])
    raise Refusal(SAME)


def swapdb(client: Client, args: Args) -> Plan:
    """SWAPDB index1 index2, of one database."""
    database(args[1], "ERR invalid first DB index")
    database(args[2], "ERR invalid second DB index")
    return OK


# --- all keys ----------------------------------------------------------------------------------------------------


def _owners(view: View) -> list[bytes]:
    """The nodes that serve, all together, every entry."""
    alive = frozenset(member.id for member in view.members if member.state is not State.DOWN)
    found = {owner_among(alive, arc) for arc in view.arcs}
    if None in found:
        raise Refusal(
            "CLUSTERDOWN a part of the entries is on nodes that are down; it is served again when they return"
        )
    return sorted(owner for owner in found if owner is not None)


def dbsize(client: Client, args: Args) -> Plan:
    """DBSIZE."""
    return _counted_all()


def _counted_all() -> Steps:
    total = yield from count_entries()
    return integer_reply(total)


def count_entries() -> Any:
    """The steps to the number of entries of the hive."""
    told = yield GetView(0)
    replies = yield [Count(0, node, told.view.epoch) for node in _owners(told.view)]
    return sum(reply.number for reply in replies)


def keys(client: Client, args: Args) -> Plan:
    """KEYS pattern."""
    return _keys(args[1])


def _keys(pattern: bytes) -> Steps:
    matches = matcher(pattern)
    prefix = fixed_beginning(pattern)
    told = yield GetView(0)
    found: list[bytes] = []
    size = 0
    for node in _owners(told.view):
        after, more = b"", True
        while more:
            page = yield PrefixScan(0, node, told.view.epoch, prefix, after)
            matching = [bulk(alias) for alias in page.aliases if matches(alias)]
            found += matching
            size += sum(map(len, matching))
            if size > CONTENT_BYTES_MAX:
                raise Refusal("ERR the keys that match are more than one answer may have (64 MiB)")
            after, more = page.last, page.more
    return array(found)


def flushall(client: Client, args: Args) -> Plan:
    """FLUSHALL [ASYNC | SYNC], and FLUSHDB."""
    if len(args) > 2 or (len(args) == 2 and args[1].upper() not in (b"ASYNC", b"SYNC")):
        raise Refusal(SYNTAX)
    return _flushed()


def _flushed() -> Steps:
    told = yield GetView(0)
    for node in _owners(told.view):
        after = b""
        while True:
            page = yield RemoveAll(0, node, told.view.epoch, after)
            after = page.cursor
            if not after:
                break
    return OK


PATTERN_BYTES_MAX = 65_536


def matcher(pattern: bytes) -> Callable[[bytes], Any]:
    """Returns whether a key matches a pattern of Redis: ``*``, ``?``, ``[a-c]``, ``[^a]`` and a backslash before what
    stands for itself. What stands between two stars is taken where it is found first: no key takes longer than the
    product of its length and the pattern's."""
    if pattern == b"*":
        return lambda alias: True
    if len(pattern) > PATTERN_BYTES_MAX:
        raise Refusal(f"ERR a pattern has at most {PATTERN_BYTES_MAX} bytes")
    pieces: list[list[bytes]] = [[]]
    at, end = 0, len(pattern)
    while at < end:
        letter = pattern[at : at + 1]
        if letter == b"*":
            pieces.append([])
        elif letter == b"?":
            pieces[-1].append(b".")
        elif letter == b"\\" and at + 1 < end:
            at += 1
            pieces[-1].append(re.escape(pattern[at : at + 1]))
        elif letter == b"[":
            at, part = _class(pattern, at + 1)
            pieces[-1].append(part)
        else:
            pieces[-1].append(re.escape(letter))
        at += 1
    if sum(map(len, pieces)) > ALIAS_BYTES_MAX:
        return lambda alias: False
    first, *others = map(b"".join, pieces)
    if others:
        last = others.pop()
        first += b"".join(b"(?>.*?%b)" % piece for piece in others if piece) + b".*" + last
    return re.compile(first, re.DOTALL).fullmatch


def _class(pattern: bytes, at: int) -> tuple[int, bytes]:
    """The letters in brackets; ``at`` is the first. Brackets that are open end with the pattern."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    letters: set[int] = set()
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        if pattern[at : at + 1] == b"\\" and at + 1 < len(pattern):
            at += 1
            letters.add(pattern[at])
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            letters.update(range(low, high + 1))
            at += 2
        else:
            letters.add(pattern[at])
        at += 1
    if not letters:
        return at, b"." if negated else b"(?!)"
    return at, (b"[^" if negated else b"[") + b"".join(b"\\x%02x" % letter for letter in sorted(letters)) + b"]"


def fixed_beginning(pattern: bytes) -> bytes:
    """Returns what every key that matches begins with."""
    found = re.match(rb"[^*?\[\\]*", pattern)
    return found[0] if found else b""


# --- keys from the inside ----------------------------------------------------------------------------------------

KEY_BYTES = 9
"""What the store has before the alias in a key."""


def _memory_usage(client: Client, args: Args) -> Plan:
    if len(args) not in (3, 5) or (len(args) == 5 and args[3].upper() != b"SAMPLES"):
        raise Refusal(SYNTAX)
    if len(args) == 5 and integer(args[4]) < 0:
        raise Refusal(SYNTAX)
    key = args[2]

    def size(replies: list[Any], client: Client) -> bytes:
        for reply in replies:
            if type(reply) is Failed:
                return failure(reply)
        present, content = replies
        return integer_reply(KEY_BYTES + len(key) + HEADER_BYTES + content.number) if present.number else client.nil

    # To append nothing changes nothing, and tells the size without the content.
    asked: list[EntryRequest] = [Exists(client.number, key), Append(client.number + 1, key, b"")]
    return asked, size


def _memory_doctor(client: Client, args: Args) -> Plan:
    return client.text("Entries are on disk, and their caches are bounded: nothing is to be done about memory here.\n")


def _memory_purge(client: Client, args: Args) -> Plan:
    return OK


MEMORY = {
    b"DOCTOR": Subcommand(2, _memory_doctor, "", "Return memory problems reports."),
    b"PURGE": Subcommand(2, _memory_purge, "", "Do nothing: there are no dirty pages."),
    b"USAGE": Subcommand(
        -3, _memory_usage, "<key> [SAMPLES <count>]", "Return the bytes that <key> and its value take in the store.", 2
    ),
}

EMBEDDED_BYTES = 44
"""The longest string that Redis stores beside its header."""


def _object_encoding(client: Client, args: Args) -> Plan:
    def encoding(reply: Any, client: Client) -> bytes:
        if type(reply) is Failed:
            return client.nil if reply.code == NOT_FOUND else failure(reply)
        content = bytes(reply.content)
        if integer_in(content) is not None:
            return bulk(b"int")
        return bulk(b"embstr" if len(content) <= EMBEDDED_BYTES else b"raw")

    return GetRange(client.number, args[2], 0, EMBEDDED_BYTES), encoding


def _if_there(client: Client, key: bytes, answer: bytes | Refusal) -> Plan:
    def answered(reply: Any, client: Client) -> bytes:
        if type(reply) is Failed:
            return failure(reply)
        if not reply.number:
            return client.nil
        if isinstance(answer, Refusal):
            raise answer
        return answer

    return Exists(client.number, key), answered


def _object_refcount(client: Client, args: Args) -> Plan:
    return _if_there(client, args[2], ONE)


def _object_idletime(client: Client, args: Args) -> Plan:
    return _if_there(client, args[2], Refusal("ERR nothing is evicted here, so idle time is not tracked"))


def _object_freq(client: Client, args: Args) -> Plan:
    wrong = (
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
        "between policies at runtime LRU and LFU data will take some time to adjust."
    )
    return _if_there(client, args[2], Refusal(wrong))


OBJECT = {
    b"ENCODING": Subcommand(3, _object_encoding, "<key>", "Return how Redis would store the value of <key>.", 2),
    b"FREQ": Subcommand(3, _object_freq, "<key>", "Refused: how often a key is used is not tracked.", 2),
    b"IDLETIME": Subcommand(3, _object_idletime, "<key>", "Refused: when a key was last used is not tracked.", 2),
    b"REFCOUNT": Subcommand(3, _object_refcount, "<key>", "Return 1 for a key that exists.", 2),
}
