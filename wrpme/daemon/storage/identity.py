"""Who this node is: an id for its lifetime, and an incarnation for each start.

The incarnation is (number of the start << 32) | 32 random bits. It grows even where a directory was copied back from
an older copy often enough, and two starts from one copy still differ. It is on disk before the node says a word.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import msgspec

from wrpme.daemon.limits import STARTS_MAX
from wrpme.daemon.storage.store import Store
from wrpme.errors import DamagedError, StorageError

KEY = b"m:identity"
_VALUE = Struct(">16sI")


class Identity(msgspec.Struct, frozen=True):
    """``id`` has 16 bytes; ``starts`` counts from 1."""

    id: bytes
    incarnation: int
    starts: int


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
    store.write([(KEY, _VALUE.pack(node, starts))], sync=True)
    return Identity(node, starts << 32 | int.from_bytes(random_bytes(4), "big"), starts)
