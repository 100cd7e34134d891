"""How a cache lays out its keys and values in entries."""

from __future__ import annotations

import pickle
from hashlib import blake2b
from typing import Any

from wrpme import errors
from wrpme.client.blocking import BlockingClient
from wrpme.limits import ALIAS_BYTES_MAX, NUMBER_MAX, NUMBER_MIN


def alias_of(prefix: str, key: str) -> str:
    """Returns the alias of a key. One that is no alias as it is, as it is too long or has a space or control
    characters, is replaced by its hash."""
    alias = prefix + key
    if len(alias.encode("utf-8", "surrogatepass")) <= ALIAS_BYTES_MAX and alias.isprintable() and " " not in alias:
        return alias
    return f"{prefix}#{blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=20).hexdigest()}"


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


def removed(client: BlockingClient, alias: str) -> bool:
    """Removes an entry, and returns whether there was one."""
    try:
        client.remove(alias)
    except errors.NotFoundError:
        return False
    return True
