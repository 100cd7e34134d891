"""How a cache lays out its keys and values in entries."""

from __future__ import annotations

import pickle
from hashlib import blake2b
from typing import Any

from wrpme import errors
from wrpme.client.batches.arguments import Alias
from wrpme.client.blocking import BlockingClient
from wrpme.limits import ALIAS_BYTES_MAX, NUMBER_MAX, NUMBER_MIN


def alias_of(prefix: str, key: str) -> bytes:
    """Returns the alias of a key; of one that is too long for it, its hash."""
    begin, rest = (text.encode("utf-8", "surrogatepass") for text in (prefix, key))
    if 0 < len(begin + rest) <= ALIAS_BYTES_MAX:
        return begin + rest
    return begin + b"#" + blake2b(rest, digest_size=20).hexdigest().encode()


def dumps(value: Any, protocol: int) -> bytes:
    """Returns the content for a value: a whole number as a counter, on which the hive itself adds; others pickled."""
    if type(value) is int and NUMBER_MIN <= value <= NUMBER_MAX:
        return b"%d" % value
    return pickle.dumps(value, protocol)


def loads(content: bytes) -> Any:
    """Returns the value of a content that :func:`dumps` made, or that the hive counted."""
    if content[:1] == b"\x80":  # by which a pickle begins, and no number
        return pickle.loads(content)
    return int(content)


def removed(client: BlockingClient, alias: Alias) -> bool:
    """Removes an entry, and returns whether there was one."""
    try:
        client.remove(alias)
    except errors.NotFoundError:
        return False
    return True
