"""Who this node is: an id for its lifetime, and an incarnation for each start.

The incarnation is (number of the start << 32) | 32 random bits. It grows even where a directory was copied back from
an older copy often enough, and two starts from one copy still differ. It is on disk before the node says a word, and so
are those of the starts before: a hive that knows a start which the directory does not know has an older copy before it.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import msgspec

from wrpme.core.io import Reader
from wrpme.daemon.limits import STARTS_MAX
from wrpme.daemon.storage.store import Store
from wrpme.errors import DamagedError, StorageError

KEY = b"m:identity"
LIVES_KEY = b"m:lives"
LIVES_KEPT = 256
"""Of the last starts: the hive names one that it took in, and a node that fails so often was not taken in since."""
_VALUE = Struct(">16sI")
_LIFE = Struct(">I")


class Identity(msgspec.Struct, frozen=True):
    """``id`` has 16 bytes; ``starts`` counts from 1; ``lives`` are the incarnations of the last starts, this one is the
    last."""

    id: bytes
    incarnation: int
    starts: int
    lives: tuple[int, ...]


def last_life(reader: Reader) -> int:
    """Returns the incarnation of the last start; 0 where there was none, or nobody can say."""
    held, known = reader.get(KEY) or b"", reader.get(LIVES_KEY) or b""
    if len(held) != _VALUE.size or not known or len(known) % _LIFE.size:
        return 0
    starts: int = _VALUE.unpack(held)[1]
    return starts << 32 | int.from_bytes(known[-_LIFE.size :], "big")


def next_life(store: Store, random_bytes: Callable[[int], bytes]) -> Identity:
    """Returns the identity for the start that is going on; it is on the disk by then.

    ``random_bytes`` gives so many random bytes, as ``os.urandom`` does.

    Raises:
        StorageError: the store can't be read or written, or holds something else there.
    """
    held = store.get(KEY)
    if held is None:
        node, starts = random_bytes(16), 0
    elif len(held) == _VALUE.size:
        node, starts = _VALUE.unpack(held)
    else:
        raise DamagedError("the data directory is damaged (the identity in it has another length)")
    starts += 1
    if starts > STARTS_MAX:
        raise StorageError(f"this data directory was started {STARTS_MAX} times, which is as far as the count goes")
    known = (store.get(LIVES_KEY) or b"")[-_LIFE.size * (LIVES_KEPT - 1) :]
    if len(known) % _LIFE.size:
        raise DamagedError("the data directory is damaged (the record of its starts has another length)")
    known += random_bytes(_LIFE.size)
    store.write([(KEY, _VALUE.pack(node, starts)), (LIVES_KEY, known)], sync=True)
    numbers = range(starts + 1 - len(known) // _LIFE.size, starts + 1)
    lives = tuple(start << 32 | low for start, (low,) in zip(numbers, _LIFE.iter_unpack(known), strict=True))
    return Identity(node, lives[-1], starts, lives)
