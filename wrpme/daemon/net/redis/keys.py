"""Commands on keys of whatever kind, and those on bits. No socket here, and no logic of the store."""

from __future__ import annotations

import re
from typing import Any

from wrpme.daemon.net.redis.client import Client, Plan, Steps
from wrpme.daemon.net.redis.numbers import integer, integer_in
from wrpme.daemon.net.redis.replies import (
    OK, ONE, SYNTAX, ZERO, Refusal, array, bulk, failure, integer as integer_reply,
)  # fmt: skip
from wrpme.daemon.net.redis.strings import NOT_FOUND, Args, counted, number, one_or_zero
from wrpme.limits import CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX, NUMBER_MAX, NUMBER_MIN
from wrpme.protocol.messages import (
    KEEP_EXPIRY, NO_VERSION, CasVersion, Content, Count, Exists, Expire, Failed, Get, GetExpiry, GetRange, GetView,
    IfVersion, PrefixScan, Put, Remove, RemoveAll, Transaction, Update,
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
    if seconds and not NUMBER_MIN // 1000 <= value <= NUMBER_MAX // 1000:
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
            if integer(args[at + 1]) != 0:
                raise Refusal("ERR DB index is out of range")
            at += 1
        else:
            raise Refusal(SYNTAX)
        at += 1
    if args[1] == args[2]:
        raise Refusal("ERR source and destination objects are the same")
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


def matcher(pattern: bytes) -> Any:
    """Returns whether a key matches a pattern of Redis: ``*``, ``?``, ``[a-c]``, ``[^a]`` and a backslash before what
    stands for itself."""
    if pattern == b"*":
        return lambda alias: True
    parts: list[bytes] = []
    at, end = 0, len(pattern)
    while at < end:
        letter = pattern[at : at + 1]
        if letter == b"*":
            if not parts or parts[-1] != b".*":
                parts.append(b".*")
        elif letter == b"?":
            parts.append(b".")
        elif letter == b"\\" and at + 1 < end:
            at += 1
            parts.append(re.escape(pattern[at : at + 1]))
        elif letter == b"[":
            at, part = _class(pattern, at + 1)
            parts.append(part)
        else:
            parts.append(re.escape(letter))
        at += 1
    return re.compile(b"".join(parts), re.DOTALL).fullmatch


def _class(pattern: bytes, at: int) -> tuple[int, bytes]:
    """The letters in brackets; ``at`` is the first. Brackets that are open end with the pattern."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    letters: list[bytes] = []
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        if pattern[at : at + 1] == b"\\" and at + 1 < len(pattern):
            at += 1
            letters.append(re.escape(pattern[at : at + 1]))
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            letters.append(b"\\x%02x-\\x%02x" % (low, high))
            at += 2
        else:
            letters.append(re.escape(pattern[at : at + 1]))
        at += 1
    if not letters:
        return at, b"." if negated else b"(?!)"
    return at, (b"[^" if negated else b"[") + b"".join(letters) + b"]"


def fixed_beginning(pattern: bytes) -> bytes:
    """Returns what every key that matches begins with."""
    found = re.match(rb"[^*?\[\\]*", pattern)
    return found[0] if found else b""


# --- bits --------------------------------------------------------------------------------------------------------

BIT_OFFSET = "ERR bit offset is not an integer or out of range"


def _bit_offset(text: bytes) -> int:
    offset = integer_in(text)
    if offset is None or not 0 <= offset < 8 * CONTENT_BYTES_MAX:
        raise Refusal(BIT_OFFSET)
    return offset


def getbit(client: Client, args: Args) -> Plan:
    """GETBIT key offset."""
    offset = _bit_offset(args[2])

    def bit(reply: Any, client: Client) -> bytes:
        if type(reply) is Failed:
            return ZERO if reply.code == NOT_FOUND else failure(reply)
        return ONE if reply.content and reply.content[0] >> (7 - offset % 8) & 1 else ZERO

    return GetRange(client.number, args[1], offset // 8, offset // 8), bit


def setbit(client: Client, args: Args) -> Plan:
    """SETBIT key offset value."""
    offset = _bit_offset(args[2])
    if args[3] not in (b"0", b"1"):
        raise Refusal("ERR bit is not an integer or out of range")
    return _setbit(args[1], offset, args[3] == b"1")


def _setbit(key: bytes, offset: int, on: bool) -> Steps:
    at, mask = offset // 8, 0x80 >> offset % 8
    while True:
        found = yield Get(0, key, versioned=True)
        held = type(found) is Content
        content = bytearray(found.content if held else b"")
        content += bytes(max(0, at + 1 - len(content)))
        former = ONE if content[at] & mask else ZERO
        content[at] = content[at] | mask if on else content[at] & ~mask
        version = found.version if held else NO_VERSION
        written = yield CasVersion(0, key, bytes(content), version, 0, KEEP_EXPIRY)
        if type(written) is not Failed:
            return former


def _window(size: int, first: int, last: int, in_bits: bool) -> tuple[int, int]:
    """First and last of the bits that are looked at; the last is before the first where there are none."""
    total = size * 8 if in_bits else size
    first, last = (max(0, at + total) if at < 0 else at for at in (first, last))
    last = min(last, total - 1)
    return (first, last) if in_bits else (first * 8, last * 8 + 7)


def _unit(args: Args, at: int) -> bool:
    if len(args) <= at:
        return False
    if args[at].upper() not in (b"BIT", b"BYTE"):
        raise Refusal(SYNTAX)
    return args[at].upper() == b"BIT"


def _bits_of(content: bytes, first: int, last: int) -> int:
    """The bits from ``first`` to ``last`` of a content, as a number."""
    part = int.from_bytes(content[first // 8 : last // 8 + 1], "big")
    return part >> (7 - last % 8) & ((1 << last - first + 1) - 1)


def bitcount(client: Client, args: Args) -> Plan:
    """BITCOUNT key [start end [BYTE | BIT]]."""
    if len(args) == 3 or len(args) > 5:
        raise Refusal(SYNTAX)
    first, last = (integer(args[2]), integer(args[3])) if len(args) > 3 else (0, -1)
    in_bits = _unit(args, 4)

    def counted(reply: Any, client: Client) -> bytes:
        if type(reply) is Failed:
            return ZERO if reply.code == NOT_FOUND else failure(reply)
        if first < 0 and last < 0 and first > last:
            return ZERO
        low, high = _window(len(reply.content), first, last, in_bits)
        return integer_reply(_bits_of(reply.content, low, high).bit_count()) if low <= high else ZERO

    return Get(client.number, args[1]), counted


def bitpos(client: Client, args: Args) -> Plan:
    """BITPOS key bit [start [end [BYTE | BIT]]]."""
    bit = integer(args[2])
    if bit not in (0, 1):
        raise Refusal("ERR The bit argument must be 1 or 0.")
    if len(args) > 6:
        raise Refusal(SYNTAX)
    first = integer(args[3]) if len(args) > 3 else 0
    last = integer(args[4]) if len(args) > 4 else -1
    in_bits = _unit(args, 5)

    def position(reply: Any, client: Client) -> bytes:
        if type(reply) is Failed and reply.code != NOT_FOUND:
            return failure(reply)
        if type(reply) is Failed:
            return b":-1\r\n" if bit else ZERO
        low, high = _window(len(reply.content), first, last, in_bits)
        if low > high:
            return b":-1\r\n"
        size = high - low + 1
        bits = _bits_of(reply.content, low, high)
        bits = bits if bit else ~bits & ((1 << size) - 1)
        if bits:
            return integer_reply(low + size - bits.bit_length())
        return integer_reply(len(reply.content) * 8) if not bit and len(args) <= 4 else b":-1\r\n"

    return Get(client.number, args[1]), position
