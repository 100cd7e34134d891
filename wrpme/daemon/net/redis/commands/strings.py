"""Commands on strings: what each asks of the node, and what it answers. No socket here, and no logic of the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from wrpme.daemon.net.redis.client import Client, Plan, Steps
from wrpme.daemon.net.redis.commands.numbers import integer, integer_in, real, rounded, shown
from wrpme.daemon.net.redis.replies import (
    CROSS_SLOT, NOT_INTEGER, OK, ONE, OVERFLOW, SYNTAX, ZERO, Refusal, Unexpected, array, bulk, error, failure,
    integer as integer_reply,
)  # fmt: skip
from wrpme.errors import AlreadyExistsError, ApartError, MismatchError, NotFoundError, NumberError, TooLargeError
from wrpme.limits import (
    CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX, NUMBER_MAX, NUMBER_MIN, TRANSACTION_REQUESTS_MAX,
)  # fmt: skip
from wrpme.protocol.messages import (
    KEEP_EXPIRY, NO_VERSION, Add, Append, Cas, CasVersion, Content, Exists, Failed, Get, GetExpire, GetRange, GetRemove,
    GetUpdate, Number, Put, Remove, RemoveIf, RemoveVersion, SetRange, Transaction, Update,
)  # fmt: skip
from wrpme.protocol.ring import tag_of

NOT_FOUND, EXISTS_ALREADY, MISMATCH = NotFoundError.code, AlreadyExistsError.code, MismatchError.code
NO_DIGESTS = "ERR digests of values are not there yet: compare the value itself, with IFEQ or IFNE"
TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
Args = list[bytes]

# --- what is answered for a reply --------------------------------------------------------------------------------


def content(reply: Any, client: Client) -> bytes:
    """The content, or nil where there is none."""
    if type(reply) is Content:
        return b"$%d\r\n%b\r\n" % (len(reply.content), reply.content)
    return client.nil if reply.code == NOT_FOUND else failure(reply)


def content_or_empty(reply: Any, client: Client) -> bytes:
    """The content, or an empty one where there is none."""
    if type(reply) is Failed:
        return b"$0\r\n\r\n" if reply.code == NOT_FOUND else failure(reply)
    return bulk(reply.content)


def ok(reply: Any, client: Client) -> bytes:
    """OK, once it is done."""
    return failure(reply) if type(reply) is Failed else OK


def ok_or_nil(reply: Any, client: Client) -> bytes:
    """OK, or nil where the condition did not hold."""
    if type(reply) is not Failed:
        return OK
    return client.nil if reply.code in (NOT_FOUND, EXISTS_ALREADY, MISMATCH) else failure(reply)


def one_or_zero(reply: Any, client: Client) -> bytes:
    """1, or 0 where the condition did not hold."""
    if type(reply) is not Failed:
        return ONE
    return ZERO if reply.code in (NOT_FOUND, EXISTS_ALREADY, MISMATCH) else failure(reply)


def number(reply: Any, client: Client) -> bytes:
    """The number."""
    return failure(reply) if type(reply) is Failed else b":%d\r\n" % reply.number


# --- life spans --------------------------------------------------------------------------------------------------


class Life(Struct):
    """Until when a value lives: milliseconds from now, or since 1970; both 0 is for ever."""

    ttl: int = 0
    expiry: int = 0


def life(client: Client, option: bytes, text: bytes, command: str) -> Life:
    """Returns what EX, PX, EXAT or PXAT say."""
    value = integer(text)
    in_seconds, absolute = option in (b"EX", b"EXAT"), option in (b"EXAT", b"PXAT")
    wrong = f"ERR invalid expire time in '{command}' command"
    if value <= 0 or (in_seconds and value > NUMBER_MAX // 1000):
        raise Refusal(wrong)
    value = value * 1000 if in_seconds else value
    if not absolute and value > NUMBER_MAX - client.wall():
        raise Refusal(wrong)
    if absolute:
        return Life(expiry=min(value, EXPIRY_MILLISECONDS_MAX))
    return Life(ttl=min(value, EXPIRY_MILLISECONDS_MAX))


def is_past(client: Client, life: Life) -> bool:
    """Whether that moment has gone: an entry is not written to be gone at once."""
    return 0 < life.expiry <= client.wall()


# --- GET and SET -------------------------------------------------------------------------------------------------


def get(client: Client, args: Args) -> Plan:
    """GET key."""
    return Get(client.number, args[1]), content


class SetOptions(Struct):
    """What follows the value of SET."""

    life: Life
    condition: bytes = b""
    comparand: bytes = b""
    gets: bool = False


def _set_options(client: Client, args: Args, command: str) -> SetOptions:
    found = SetOptions(Life())
    lives, at = b"", 0
    while at < len(args):
        option = args[at].upper()
        following = args[at + 1] if at + 1 < len(args) else None
        if option in (b"NX", b"XX") and found.condition in (b"", option):
            found.condition = option
        elif option in (b"IFEQ", b"IFNE") and not found.condition and following is not None:
            found.condition, found.comparand = option, following
            at += 1
        elif option in (b"IFDEQ", b"IFDNE") and not found.condition and following is not None:
            raise Refusal(NO_DIGESTS)
        elif option == b"GET":
            found.gets = True
        elif option == b"KEEPTTL" and lives in (b"", option):
            lives = option
        elif option in (b"EX", b"PX", b"EXAT", b"PXAT") and lives in (b"", option) and following is not None:
            lives = option
            expiry = following
            at += 1
        else:
            raise Refusal(SYNTAX)
        at += 1
    if lives == b"KEEPTTL":
        found.life = Life(ttl=KEEP_EXPIRY)
    elif lives:
        found.life = life(client, lives, expiry, command)
    return found


def set_(client: Client, args: Args) -> Plan:
    """SET key value, with all options."""
    if len(args) == 3:
        return Update(client.number, args[1], args[2]), ok
    options = _set_options(client, args[3:], "set")
    key, value, span = args[1], args[2], options.life
    expiry, ttl, condition = span.expiry, span.ttl, options.condition
    if options.gets or condition == b"IFNE" or is_past(client, span):
        return _set_get(client, key, value, options)
    if condition == b"NX":
        return Put(client.number, key, value, expiry, max(ttl, 0)), ok_or_nil
    if condition == b"XX":
        return GetUpdate(client.number, key, value, expiry, ttl), ok_or_nil
    if condition == b"IFEQ":
        return Cas(client.number, key, value, options.comparand, expiry, ttl), ok_or_nil
    return Update(client.number, key, value, expiry, ttl), ok


def _holds(options: SetOptions, held: bytes | None) -> bool:
    condition = options.condition
    if condition == b"NX":
        return held is None
    if condition == b"XX":
        return held is not None
    if condition == b"IFEQ":
        return held == options.comparand
    return condition != b"IFNE" or held != options.comparand


def _set_get(client: Client, key: bytes, value: bytes, options: SetOptions) -> Steps:
    """With GET, with what no request of the node compares, or with a life span that has ended already: then what was
    there is gone."""
    life, is_over = options.life, is_past(client, options.life)
    while True:
        found = yield Get(0, key, versioned=True)
        held = found.content if type(found) is Content else None
        former = client.nil if held is None else bulk(held)
        if not _holds(options, held):
            return former if options.gets else client.nil
        version = found.version if held is not None else NO_VERSION
        if not is_over:
            written = yield CasVersion(0, key, value, version, life.expiry, life.ttl)
        elif held is not None:
            written = yield RemoveVersion(0, key, version)
        if (is_over and held is None) or type(written) is not Failed:
            return former if options.gets else OK


def setnx(client: Client, args: Args) -> Plan:
    """SETNX key value."""
    return Put(client.number, args[1], args[2]), one_or_zero


def _setex(client: Client, args: Args, option: bytes, command: str) -> Plan:
    span = life(client, option, args[2], command)
    return Update(client.number, args[1], args[3], 0, span.ttl), ok


def setex(client: Client, args: Args) -> Plan:
    """SETEX key seconds value."""
    return _setex(client, args, b"EX", "setex")


def psetex(client: Client, args: Args) -> Plan:
    """PSETEX key milliseconds value."""
    return _setex(client, args, b"PX", "psetex")


def getset(client: Client, args: Args) -> Plan:
    """GETSET key value."""
    return _set_get(client, args[1], args[2], SetOptions(Life(), gets=True))


def getdel(client: Client, args: Args) -> Plan:
    """GETDEL key."""
    return GetRemove(client.number, args[1]), content


def getex(client: Client, args: Args) -> Plan:
    """GETEX key, with a life span or PERSIST."""
    if len(args) == 2:
        return Get(client.number, args[1]), content
    option = args[2].upper()
    if option == b"PERSIST" and len(args) == 3:
        return GetExpire(client.number, args[1], 0), content
    if option not in (b"EX", b"PX", b"EXAT", b"PXAT") or len(args) != 4:
        raise Refusal(SYNTAX)
    try:
        span = life(client, option, args[3], "getex")
    except Refusal as refusal:
        wrong = str(refusal)
        return Exists(client.number, args[1]), lambda reply, client: _wrong_if_there(reply, client, wrong)
    if span.ttl and client.wall() + span.ttl < EXPIRY_MILLISECONDS_MAX:
        return GetExpire(client.number, args[1], span.ttl, relative=True), content
    return GetExpire(client.number, args[1], span.expiry or EXPIRY_MILLISECONDS_MAX), content


def _wrong_if_there(reply: Any, client: Client, wrong: str) -> bytes:
    """Redis looks for the entry before it looks at the time."""
    if type(reply) is Failed:
        return failure(reply)
    return error(wrong) if reply.number else client.nil


# --- parts -------------------------------------------------------------------------------------------------------


def append(client: Client, args: Args) -> Plan:
    """APPEND key value."""
    return (Append(client.number, args[1], args[2]), number) if args[2] else _append_nothing(args[1])


def _append_nothing(key: bytes) -> Steps:
    """An entry is added where there is none, which the node's Append does not do."""
    added = yield Put(0, key, b"")
    if type(added) is not Failed:
        return ZERO
    size = yield Append(0, key, b"")
    return integer_reply(size.number)


def strlen(client: Client, args: Args) -> Plan:
    """STRLEN key: to append nothing changes nothing, and tells the size without the content."""
    return Append(client.number, args[1], b""), number


def getrange(client: Client, args: Args) -> Plan:
    """GETRANGE key start end."""
    first, last = integer(args[2]), integer(args[3])
    if first < 0 and last < 0 and first > last:
        return b"$0\r\n\r\n"
    if last >= -1 or not (first == 0 or first < 0):
        return GetRange(client.number, args[1], first, last), content_or_empty
    return Get(client.number, args[1]), lambda reply, client: _range(reply, client, first, last)


def _range(reply: Any, client: Client, first: int, last: int) -> bytes:
    """An end before the first byte is the first byte, for Redis; not so for the node."""
    if type(reply) is not Content:
        return content_or_empty(reply, client)
    size = len(reply.content)
    first, last = (max(0, at + size) if at < 0 else at for at in (first, last))
    return bulk(reply.content[first : last + 1])


def setrange(client: Client, args: Args) -> Plan:
    """SETRANGE key offset value."""
    first = integer(args[2])
    if first < 0:
        raise Refusal("ERR offset is out of range")
    if args[3] and first + len(args[3]) > CONTENT_BYTES_MAX:
        raise Refusal(TOO_LONG)
    if not args[3]:
        return Append(client.number, args[1], b""), number
    return SetRange(client.number, args[1], first, args[3]), number


# --- what two values have in common ------------------------------------------------------------------------------

LCS_BYTES_MAX = 65_536
LCS_TABLE_BYTES_MAX = CONTENT_BYTES_MAX
"""Redis takes four bytes of memory for each pair of bytes, and no more than this. A bit would do here, but what bounds
the memory bounds the time."""


class LcsOptions(Struct):
    """What follows the keys of LCS."""

    length: bool = False
    places: bool = False
    sizes: bool = False
    least: int = 0


def lcs(client: Client, args: Args) -> Plan:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]."""
    options, at = LcsOptions(), 3
    while at < len(args):
        option = args[at].upper()
        if option == b"LEN":
            options.length = True
        elif option == b"IDX":
            options.places = True
        elif option == b"WITHMATCHLEN":
            options.sizes = True
        elif option == b"MINMATCHLEN" and at + 1 < len(args):
            options.least = integer(args[at + 1])
            at += 1
        else:
            raise Refusal(SYNTAX)
        at += 1
    if options.length and options.places:
        raise Refusal("ERR If you want both the length and indexes, please just use IDX.")
    return [Get(client.number + at, key) for at, key in enumerate(args[1:3])], lambda replies, client: _lcs(
        replies, client, options
    )


def _lcs(replies: list[Any], client: Client, options: LcsOptions) -> bytes:
    wrong = _first_failure(replies, (NOT_FOUND,))
    if wrong:
        return failure(wrong)
    one, other = (reply.content if type(reply) is Content else b"" for reply in replies)
    if max(len(one), len(other)) > LCS_BYTES_MAX or 4 * (len(one) + 1) * (len(other) + 1) > LCS_TABLE_BYTES_MAX:
        return error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    size, rows = _common(one, other)
    if options.length:
        return integer_reply(size)
    places = _places(one, other, rows)
    if not options.places:
        return bulk(b"".join(one[first : last + 1] for (first, last), _ in reversed(places)))
    found = [
        [list(here), list(there), *([here[1] - here[0] + 1] if options.sizes else [])]
        for here, there in places
        if here[1] - here[0] + 1 >= options.least
    ]
    return client.encoded({"matches": found, "len": size})


def _common(one: bytes, other: bytes) -> tuple[int, list[bytes]]:
    """The size of the longest common subsequence, and a row for each byte of ``one``: the bit ``j`` of the row ``i`` is
    0 where one byte more of ``other`` makes what ``one[: i + 1]`` has in common with ``other[:j]`` longer."""
    masks: dict[int, int] = {}
    for at, byte in enumerate(other):
        masks[byte] = masks.get(byte, 0) | 1 << at
    full = (1 << len(other)) - 1
    row, rows, width = full, [], len(other) // 8 + 1
    for byte in one:
        hits = row & masks.get(byte, 0)
        row = (row + hits | row - hits) & full
        rows.append(row.to_bytes(width, "little"))
    return len(other) - row.bit_count(), rows


def _places(one: bytes, other: bytes, rows: list[bytes]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """First and last byte of each piece that is in both, in ``one`` and in ``other``; the last piece is the first, as
    Redis finds them."""
    found: list[tuple[tuple[int, int], tuple[int, int]]] = []
    i, j, size = len(one), len(other), 0
    while i and j:
        if one[i - 1] == other[j - 1]:
            i, j, size = i - 1, j - 1, size + 1
            if i and j:
                continue
        if size:
            found.append(((i, i + size - 1), (j, j + size - 1)))
            size = 0
        if i and j:
            if rows[i - 1][(j - 1) // 8] >> (j - 1) % 8 & 1:
                j -= 1
            else:
                i -= 1
    return found


# --- numbers -----------------------------------------------------------------------------------------------------


def _added(by: int) -> Callable[[Any, Client], bytes]:
    def convert(reply: Any, client: Client) -> bytes:
        if type(reply) is Failed:
            if reply.code == NumberError.code:
                return b"-%b\r\n" % (OVERFLOW if "the sum" in reply.sentence else NOT_INTEGER).encode()
            return failure(reply)
        return b":%d\r\n" % reply.number

    return convert


_ADDED = _added(0)


def incr(client: Client, args: Args) -> Plan:
    """INCR key."""
    return Add(client.number, args[1], 1), _ADDED


def decr(client: Client, args: Args) -> Plan:
    """DECR key."""
    return Add(client.number, args[1], -1), _ADDED


def incrby(client: Client, args: Args) -> Plan:
    """INCRBY key increment."""
    return Add(client.number, args[1], integer(args[2])), _ADDED


def decrby(client: Client, args: Args) -> Plan:
    """DECRBY key decrement."""
    by = integer(args[2])
    if by == NUMBER_MIN:
        raise Refusal("ERR decrement would overflow")
    return Add(client.number, args[1], -by), _ADDED


def incrbyfloat(client: Client, args: Args) -> Plan:
    """INCRBYFLOAT key increment."""
    return _incrbyfloat(args[1], args[2])


def _incrbyfloat(key: bytes, text: bytes) -> Steps:
    while True:
        found = yield Get(0, key, versioned=True)
        held = type(found) is Content
        present, by = real(found.content if held else b"0"), real(text)
        if present is None or by is None:
            raise Refusal("ERR increment would produce NaN or Infinity")
        total = shown(rounded(present + by))
        written = yield CasVersion(0, key, total, found.version if held else NO_VERSION, 0, KEEP_EXPIRY)
        if type(written) is not Failed:
            return bulk(total)


# --- several -----------------------------------------------------------------------------------------------------


def _first_failure(replies: list[Any], expected: tuple[int, ...] = ()) -> Failed | None:
    return next((reply for reply in replies if type(reply) is Failed and reply.code not in expected), None)


def mget(client: Client, args: Args) -> Plan:
    """MGET key [key ...]."""
    return [Get(client.number + at, key) for at, key in enumerate(args[1:])], _contents


def _contents(replies: list[Any], client: Client) -> bytes:
    wrong = _first_failure(replies, (NOT_FOUND,))
    return failure(wrong) if wrong else array([content(reply, client) for reply in replies])


def mset(client: Client, args: Args) -> Plan:
    """MSET key value [key value ...]: one transaction where the keys have one tag, else each key by itself, unless the
    node is strict."""
    if len(args) % 2 == 0:
        raise Refusal("ERR wrong number of arguments for 'mset' command")
    return _set_several(client, dict(zip(args[1::2], args[2::2], strict=True)), Life(), OK)


def _set_several(client: Client, pairs: dict[bytes, bytes], life: Life, done: bytes) -> Plan:
    is_one, is_strict = len({tag_of(key) for key in pairs}) == 1, client.options.strict
    if is_strict and not is_one:
        raise Refusal(CROSS_SLOT)
    updates = [
        Update(client.number + at, key, value, life.expiry, life.ttl) for at, (key, value) in enumerate(pairs.items())
    ]
    if is_one and len(pairs) > 1 and (is_strict or len(pairs) <= TRANSACTION_REQUESTS_MAX):
        return _set_together(updates, is_strict, done)

    def all_done(replies: list[Any], client: Client) -> bytes:
        wrong = _first_failure(replies)
        return failure(wrong) if wrong else done

    return updates, all_done


def _set_together(updates: list[Update], is_strict: bool, done: bytes) -> Steps:
    try:
        yield Transaction(0, tuple(updates))
    except Unexpected as refusal:
        # In a hive of a former release keys of one tag are apart.
        if is_strict or refusal.reply.code not in (ApartError.code, TooLargeError.code):
            raise
        yield updates
    return done


def msetex(client: Client, args: Args) -> Plan:
    """MSETEX numkeys key value [key value ...], with the life spans of SET; with NX or XX on keys of one tag."""
    count = integer_in(args[1])
    if count is None or count < 1:
        raise Refusal("ERR invalid numkeys value")
    behind = 2 + 2 * count
    if behind > len(args):
        raise Refusal("ERR wrong number of key-value pairs")
    options = _set_options(client, args[behind:], "msetex")
    if options.gets or options.condition in (b"IFEQ", b"IFNE"):
        raise Refusal(SYNTAX)
    # What has ended already lives for the shortest time that there is.
    span = Life(ttl=1) if is_past(client, options.life) else options.life
    pairs = dict(zip(args[2:behind:2], args[3:behind:2], strict=True))
    return _set_all_if(pairs, options.condition, span) if options.condition else _set_several(client, pairs, span, ONE)


def _set_all_if(pairs: dict[bytes, bytes], condition: bytes, span: Life) -> Steps:
    changes = tuple(
        Put(0, key, value, span.expiry, max(span.ttl, 0))
        if condition == b"NX"
        else GetUpdate(0, key, value, span.expiry, span.ttl)
        for key, value in pairs.items()
    )
    done = yield Transaction(0, changes)
    return ZERO if type(done) is Failed else ONE


def msetnx(client: Client, args: Args) -> Plan:
    """MSETNX key value [key value ...], on keys of one tag."""
    if len(args) % 2 == 0:
        raise Refusal("ERR wrong number of arguments for 'msetnx' command")
    return _msetnx(dict(zip(args[1::2], args[2::2], strict=True)))


def _msetnx(pairs: dict[bytes, bytes]) -> Steps:
    done = yield Transaction(0, tuple(Put(0, key, value) for key, value in pairs.items()))
    return ZERO if type(done) is Failed else ONE


def counted(replies: list[Any], client: Client) -> bytes:
    """How many requests found what they were about."""
    wrong = _first_failure(replies, (NOT_FOUND,))
    if wrong:
        return failure(wrong)
    return integer_reply(sum(reply.number if type(reply) is Number else type(reply) is not Failed for reply in replies))


def del_(client: Client, args: Args) -> Plan:
    """DEL key [key ...]."""
    if len(args) == 2:
        return Remove(client.number, args[1]), one_or_zero
    return [Remove(client.number + at, key) for at, key in enumerate(args[1:])], counted


def delex(client: Client, args: Args) -> Plan:
    """DELEX key [IFEQ value | IFNE value]."""
    if len(args) == 2:
        return Remove(client.number, args[1]), one_or_zero
    condition = args[2].upper()
    if condition in (b"IFDEQ", b"IFDNE") and len(args) == 4:
        raise Refusal(NO_DIGESTS)
    if condition not in (b"IFEQ", b"IFNE") or len(args) != 4:
        raise Refusal(SYNTAX)
    if condition == b"IFEQ":
        return RemoveIf(client.number, args[1], args[3]), one_or_zero
    return _remove_unless(args[1], args[3])


def _remove_unless(key: bytes, comparand: bytes) -> Steps:
    while True:
        found = yield Get(0, key, versioned=True)
        if type(found) is not Content or found.content == comparand:
            return ZERO
        done = yield RemoveVersion(0, key, found.version)
        if type(done) is not Failed:
            return ONE
