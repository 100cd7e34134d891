"""How entries lie in the store: keys, values, and the small keys beside them.

An entry's key is ``e`` + hash (8 bytes, big endian) + alias, so an arc is one contiguous range of keys. Its value is
a header of 24 bytes (the two halves of its version, its expiry) and the content. A removal is a value as well, for
suffixes and streams only; the store holds no removals.

Beside each entry stands ``a`` + alias, so that a prefix can be scanned in order; its value is the expiry, so that this
needs no content (nothing where there is none). And where there is one, ``x`` + expiry (8 bytes) + hash + alias: a hint.
Both come and go with the entry in the same batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import final

from wrpme.core.io import Operation
from wrpme.limits import LARGE_BYTES
from wrpme.protocol.frames.large import ROOM_BYTES, Arrived
from wrpme.protocol.messages import Pair

_HEADER = Struct(">QQQ")
HEADER_BYTES = _HEADER.size
assert HEADER_BYTES == ROOM_BYTES, "a content that arrives has room for it"
VERSION_BYTES = 16
"""The first bytes of a value, which compare as versions do."""
_HASH = Struct(">Q")
REMOVED = 0xFFFF_FFFF_FFFF_FFFF
"""In the place of the expiry: the value is a removal."""
RING = 1 << 64

VIEW_KEY = b"m:view"
VIEW_PATCH_PREFIX = b"m:view+"
ACCEPTOR_KEY = b"m:acceptor"
LEFT_OUT_KEY = b"m:left-out"
CLOCK_KEY = b"m:clock"
SETTLED_PREFIX = b"m:settled:"
MARK_PREFIX = b"m:mark:"
COUNTS_KEY = b"m:counts"
COUNTS_LIFE_KEY = b"m:counts-life"
COUNTS_CHANGES_PREFIX = b"m:counts+"
"""See :mod:`wrpme.core.stats.slot_counts`."""
_MARK = Struct(">QQ")
ENTRIES = (b"e", b"f")
HINTS = (b"x", b"y")
NO_EXPIRY = bytes(8)
"""How a value that lives for ever has it, in its bytes 16 to 24."""
Version = tuple[int, int]
"""(version of the arc at the time of the write, number of the write under that version)."""


@final
class Stored(bytes):
    """A value whose content is still on the disk: its bytes are the header, ``len`` is the size of all, and ``parts``
    reads the content. It stands in the place of a value where nobody needs that, or where it is read bit by bit."""

    _size: int
    parts: Callable[[], Iterator[bytes]]

    def __new__(cls, header: bytes, size: int, parts: Callable[[], Iterator[bytes]]) -> Stored:
        self = super().__new__(cls, header)
        self._size, self.parts = size, parts
        return self

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def whole(self) -> bytes:
        """The value."""
        return b"".join((self[:], *self.parts()))


def view_patch_key(epoch: int) -> bytes:
    """Key of the patch that makes the view of that epoch."""
    return VIEW_PATCH_PREFIX + _HASH.pack(epoch)


def key_of(position: int, alias: bytes) -> bytes:
    """Key of the entry of this alias, whose hash is ``position``."""
    return b"e" + _HASH.pack(position) + alias


def key_from(digest: bytes, alias: bytes) -> bytes:
    """The same, of the 8 bytes of its position."""
    return b"e" + digest + alias


def hash_in(key: bytes) -> int:
    """The hash that an entry's key begins with."""
    position: int = _HASH.unpack_from(key, 1)[0]
    return position


def alias_in(key: bytes) -> bytes:
    """The alias that an entry's key ends with."""
    return key[9:]


def key_range(first: int, last: int) -> tuple[bytes, bytes]:
    """``(low, high)`` with ``low <= key < high`` for all keys with a hash from ``first`` to ``last``, both included."""
    return b"e" + _HASH.pack(first), (b"f" if last + 1 >= RING else b"e" + _HASH.pack(last + 1))


def value_of(version: Version, expiry: int, content: bytes | Arrived) -> bytes:
    """The value of an entry; ``expiry`` in milliseconds since 1970, 0 for never."""
    header = _HEADER.pack(version[0], version[1], expiry)
    return content.behind(header) if type(content) is Arrived else header + content


def version_bytes(version: Version) -> bytes:
    """How a value at this version begins."""
    return _MARK.pack(*version)


def removal(version: Version) -> bytes:
    """The value that says: removed at this version."""
    return _HEADER.pack(version[0], version[1], REMOVED)


def version_in(value: bytes) -> Version:
    """The version of a value or removal."""
    first, second, _ = _HEADER.unpack_from(value)
    return first, second


def expiry_in(value: bytes) -> int:
    """The expiry of a value; ``REMOVED`` for a removal."""
    expiry: int = _HEADER.unpack_from(value)[2]
    return expiry


def content_in(value: bytes) -> bytes:
    """Returns the content of a value. A large one is a memoryview, which is compared, measured, sliced, joined and
    encoded like bytes: to copy it would take longer than the rest of the request."""
    if type(value) is Stored:
        value = value.whole()
    if len(value) > LARGE_BYTES:
        return memoryview(value)[HEADER_BYTES:]  # type: ignore[return-value]
    return value[HEADER_BYTES:]


def operations_for(key: bytes, value: bytes, held: bytes | None = None) -> list[Operation]:
    """What the store has to do so that the entry has this value, where it has ``held`` now."""
    expiry: int = _HEADER.unpack_from(value)[2]
    removed = expiry == REMOVED
    operations: list[Operation] = [(key, None if removed else value)]
    former = _HEADER.unpack_from(held)[2] if held is not None else None
    return operations + beside(key, 0 if removed else expiry, removed, former)


def beside(key: bytes, expiry: int, removed: bool, former: int | None) -> list[Operation]:
    """What the store has to do beside the entry itself, where that had the expiry ``former`` (None: there was none).
    Then its alias is in the index already, and the hint of its expiry, if that is another one, goes."""
    operations: list[Operation] = []
    if removed:
        operations.append((b"a" + key[9:], None))
    elif former != expiry:
        operations.append((b"a" + key[9:], _HASH.pack(expiry) if expiry else b""))
    before = former or 0
    if before != expiry:
        if before:
            operations.append((hint_of(before, key), None))
        if expiry:
            operations.append((hint_of(expiry, key), b""))
    return operations


def hint_of(expiry: int, key: bytes) -> bytes:
    """The key that reminds of an expiry."""
    return b"x" + _HASH.pack(expiry) + key[1:]


def expiry_and_key_in(hint: bytes) -> tuple[int, bytes]:
    """What a hint reminds of."""
    expiry: int = _HASH.unpack_from(hint, 1)[0]
    return expiry, b"e" + hint[9:]


def hints_end(milliseconds: int) -> bytes:
    """The end of the hints whose time has come."""
    return b"x" + _HASH.pack(milliseconds + 1)


def indexed_expiry(value: bytes) -> int:
    """The expiry in a value of the index."""
    expiry: int = _HASH.unpack(value)[0] if value else 0
    return expiry


def index_range(prefix: bytes, after: bytes) -> tuple[bytes, bytes]:
    """The range of index keys that begin with ``prefix`` and come after ``after``."""
    low = b"a" + (after + b"\0" if after >= prefix and after else prefix)
    return low, successor(b"a" + prefix)


def successor(prefix: bytes) -> bytes:
    """The least key above all keys that begin with ``prefix``, which is not all 0xff."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def settled_key(first: int, last: int) -> bytes:
    """Where it is kept at which version an arc was settled; see :mod:`wrpme.core.replication.takeover`."""
    return SETTLED_PREFIX + _HASH.pack(first) + _HASH.pack(last)


def settled_in(key: bytes, value: bytes) -> tuple[int, int, int]:
    """The arc, by its first and last position, and the version at which it was settled."""
    at = len(SETTLED_PREFIX)
    return _HASH.unpack_from(key, at)[0], _HASH.unpack_from(key, at + 8)[0], _HASH.unpack(value)[0]


def settled_value(version: int) -> bytes:
    """See :func:`settled_in`."""
    return _HASH.pack(version)


def mark_key(first: int, last: int) -> bytes:
    """Where the mark of a stretch of the ring is kept: the version of the last write that this node received there."""
    return MARK_PREFIX + _HASH.pack(first) + _HASH.pack(last)


def mark_value(version: Version) -> bytes:
    """See :func:`mark_in`."""
    return _MARK.pack(*version)


def mark_in(key: bytes, value: bytes) -> tuple[int, int, Version]:
    """The stretch, by its first and last position, and its mark."""
    at = len(MARK_PREFIX)
    written, sequence = _MARK.unpack(value)
    return _HASH.unpack_from(key, at)[0], _HASH.unpack_from(key, at + 8)[0], (written, sequence)


def counts_changes_key(number: int) -> bytes:
    """Where the changes of counts of one batch are kept."""
    return COUNTS_CHANGES_PREFIX + _HASH.pack(number)


def digest_of(pairs: list[Pair]) -> bytes:
    """Digest of entries in order of their keys: equal digests, equal contents, versions and expiries."""
    state = blake2b(digest_size=16)
    for key, value in pairs:
        state.update(b"%d:%d:" % (len(key), len(value)))
        state.update(key)
        state.update(value)
    return state.digest()
