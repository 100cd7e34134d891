"""Commands on the bits of values. No socket here, and no logic of the store."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import and_, or_, xor
from typing import Any

from msgspec import Struct

from wrpme.daemon.net.redis.client import Client, Plan, Steps
from wrpme.daemon.net.redis.commands.numbers import integer, integer_in
from wrpme.daemon.net.redis.replies import ONE, SYNTAX, ZERO, Refusal, array, failure, integer as integer_reply
from wrpme.daemon.net.redis.commands.strings import NOT_FOUND, Args
from wrpme.limits import CONTENT_BYTES_MAX
from wrpme.protocol.messages import (
    KEEP_EXPIRY, NO_VERSION, CasVersion, Content, Failed, Get, GetRange, IfVersion, Remove, Transaction, Update,
)  # fmt: skip

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
    in_bits = _unit(args, 5)  # which Redis looks at before the end
    last = integer(args[4]) if len(args) > 4 else -1

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


# --- several values ----------------------------------------------------------------------------------------------


def _diff(numbers: list[int]) -> int:
    return numbers[0] & ~reduce(or_, numbers[1:])


def _diff1(numbers: list[int]) -> int:
    return ~numbers[0] & reduce(or_, numbers[1:])


def _andor(numbers: list[int]) -> int:
    return numbers[0] & reduce(or_, numbers[1:])


def _one(numbers: list[int]) -> int:
    """The bits that exactly one number has."""
    some = several = 0
    for number in numbers:
        several |= some & number
        some |= number
    return some & ~several


_OPERATIONS: dict[bytes, Callable[[list[int]], int]] = {
    b"AND": lambda numbers: reduce(and_, numbers),
    b"OR": lambda numbers: reduce(or_, numbers),
    b"XOR": lambda numbers: reduce(xor, numbers),
    b"NOT": lambda numbers: ~numbers[0],
    b"DIFF": _diff,
    b"DIFF1": _diff1,
    b"ANDOR": _andor,
    b"ONE": _one,
}


def bitop(client: Client, args: Args) -> Plan:
    """BITOP operation destkey key [key ...], on keys of one tag."""
    name = args[1].upper()
    if name not in _OPERATIONS:
        raise Refusal(SYNTAX)
    if name == b"NOT" and len(args) != 4:
        raise Refusal("ERR BITOP NOT must be called with a single source key.")
    if name in (b"DIFF", b"DIFF1", b"ANDOR") and len(args) < 5:
        raise Refusal(f"ERR BITOP {name.decode()} must be called with at least two source keys.")
    return _bitop(_OPERATIONS[name], args[2], args[3:])


def _bitop(operation: Callable[[list[int]], int], target: bytes, sources: Args) -> Steps:
    while True:
        found = yield [Get(0, key, versioned=True) for key in sources]
        contents = [reply.content if type(reply) is Content else b"" for reply in found]
        size = max(map(len, contents))
        numbers = [int.from_bytes(content, "big") << 8 * (size - len(content)) for content in contents]
        result = operation(numbers) & ((1 << 8 * size) - 1)
        change = Update(0, target, result.to_bytes(size, "big")) if size else Remove(0, target)
        unchanged = [
            IfVersion(0, key, reply.version if type(reply) is Content else NO_VERSION)
            for key, reply in zip(sources, found, strict=True)
        ]
        done = yield Transaction(0, (*unchanged, change))
        if type(done) is not Failed or (done.code == NOT_FOUND and done.operation == len(unchanged)):
            return integer_reply(size)


# --- numbers of any size -----------------------------------------------------------------------------------------


class _Field(Struct, frozen=True):
    """An operation on the number of so many bits at an offset."""

    kind: bytes
    is_signed: bool
    bits: int
    offset: int
    value: int = 0
    overflow: bytes = b"WRAP"

    @property
    def end(self) -> int:
        """The bit behind it."""
        return self.offset + self.bits

    def fitted(self, value: int) -> tuple[int, bool]:
        """Returns what is stored for a value, and whether it had room."""
        low = -(1 << self.bits - 1) if self.is_signed else 0
        high = low + (1 << self.bits) - 1
        if low <= value <= high:
            return value, True
        if self.overflow == b"SAT":
            return (high if value > high else low), False
        return (value - low) % (1 << self.bits) + low, False


BITFIELD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."


def _field(kind: bytes, args: Args, overflow: bytes) -> _Field:
    """Returns an operation whose words these are."""
    bits = integer_in(args[0][1:])
    is_signed = args[0][:1] == b"i"
    if args[0][:1] not in (b"i", b"u") or bits is None or not 1 <= bits <= 63 + is_signed:
        raise Refusal(BITFIELD_TYPE)
    text = args[1]
    offset = integer_in(text[1:] if text[:1] == b"#" else text)
    offset = offset * bits if offset is not None and text[:1] == b"#" else offset
    if offset is None or not 0 <= offset < 8 * CONTENT_BYTES_MAX - bits:
        raise Refusal(BIT_OFFSET)
    value = integer(args[2]) if kind != b"GET" else 0
    return _Field(kind, is_signed, bits, offset, value, overflow)


def _fields(args: Args, only_reads: bool) -> list[_Field]:
    found: list[_Field] = []
    overflow, at = b"WRAP", 2
    while at < len(args):
        kind, left = args[at].upper(), len(args) - at - 1
        if kind == b"OVERFLOW" and left >= 1:
            overflow = args[at + 1].upper()
            if overflow not in (b"WRAP", b"SAT", b"FAIL"):
                raise Refusal("ERR Invalid OVERFLOW type specified")
            at += 2
            continue
        size = {b"GET": 2, b"SET": 3, b"INCRBY": 3}.get(kind)
        if size is None or left < size:
            raise Refusal(SYNTAX)
        found.append(_field(kind, args[at + 1 : at + 1 + size], overflow))
        at += 1 + size
    if only_reads and any(field.kind != b"GET" for field in found):
        raise Refusal("ERR BITFIELD_RO only supports the GET subcommand")
    return found


def _number_at(content: bytes | bytearray, field: _Field) -> int:
    """The number that a field has; what is behind the content counts as 0."""
    first, last = field.offset // 8, (field.end - 1) // 8
    part = bytes(content[first : last + 1]).ljust(last + 1 - first, b"\0")
    number = int.from_bytes(part, "big") >> (-field.end % 8) & ((1 << field.bits) - 1)
    return number - (1 << field.bits) if field.is_signed and number >> field.bits - 1 else number


def _store(content: bytearray, field: _Field, number: int) -> None:
    first, last, shift = field.offset // 8, (field.end - 1) // 8, -field.end % 8
    mask = (1 << field.bits) - 1
    part = int.from_bytes(content[first : last + 1], "big") & ~(mask << shift) | (number & mask) << shift
    content[first : last + 1] = part.to_bytes(last + 1 - first, "big")


def _carried_out(content: bytearray, field: _Field, client: Client) -> bytes:
    """Changes the content as an operation says; returns its answer."""
    former = _number_at(content, field)
    if field.kind == b"GET":
        return integer_reply(former)
    value = field.value + former if field.kind == b"INCRBY" else field.value
    if field.kind == b"SET" and not field.is_signed:
        value %= 1 << 64
    stored, has_room = field.fitted(value)
    if not has_room and field.overflow == b"FAIL":
        return client.nil
    _store(content, field, stored)
    return integer_reply(former if field.kind == b"SET" else stored)


def bitfield(client: Client, args: Args) -> Plan:
    """BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET | INCRBY type offset value ...]."""
    fields = _fields(args, False)
    return _bitfield(client, args[1], fields) if any(field.kind != b"GET" for field in fields) else _read(args, fields)


def bitfield_ro(client: Client, args: Args) -> Plan:
    """BITFIELD_RO key [GET type offset ...]."""
    return _read(args, _fields(args, True))


def _read(args: Args, fields: list[_Field]) -> Steps:
    found = yield Get(0, args[1])
    content = found.content if type(found) is Content else b""
    return array([integer_reply(_number_at(content, field)) for field in fields])


def _bitfield(client: Client, key: bytes, fields: list[_Field]) -> Steps:
    size = max((field.end + 7) // 8 for field in fields if field.kind != b"GET")
    while True:
        found = yield Get(0, key, versioned=True)
        held = type(found) is Content
        content = bytearray(found.content if held else b"")
        content += bytes(max(0, size - len(content)))
        answers = [_carried_out(content, field, client) for field in fields]
        version = found.version if held else NO_VERSION
        written = yield CasVersion(0, key, bytes(content), version, 0, KEEP_EXPIRY)
        if type(written) is not Failed:
            return array(answers)
