"""What a data directory holds, looked at key by key: whether each is what it must be beside the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from msgspec import Struct, field

from wrpme.core.io import Reader
from wrpme.core.layout import (
    ENTRIES, HEADER_BYTES, HINTS, MARK_PREFIX, REMOVED, SETTLED_PREFIX, alias_in, content_in, expiry_and_key_in,
    expiry_in, hash_in, hint_of, indexed_expiry, key_of, mark_in, settled_in, successor,
)  # fmt: skip
from wrpme.core.membership.view_log import ViewLog
from wrpme.core.stats.slot_counts import kept_counts
from wrpme.daemon.storage import identity
from wrpme.daemon.storage.leveldb import FORMAT_KEY
from wrpme.errors import DamagedError, StorageError
from wrpme.limits import ALIAS_BYTES_MAX, CONTENT_BYTES_MAX, EXPIRY_MILLISECONDS_MAX
from wrpme.protocol import ring
from wrpme.protocol.quoting import named
from wrpme.protocol.view import NodeId, View

INDEX = (b"a", b"b")
NAMED_MAX = 5
"""So many of what is wrong in one way are named."""
TOLD_EACH = 10_000


class Contents(Struct):
    """What was found. ``foreign`` entries lie in arcs that this node holds no copy of by its own view: they wait to be
    wiped. What is ``stale`` (of the index, or hints) tells of entries that are gone, and does no harm."""

    node: NodeId = b""
    starts: int = 0
    view: View | None = None
    entries: int = 0
    size_bytes: int = 0
    foreign: int = 0
    expiring: int = 0
    largest: int = 0
    stale: int = 0
    gone: list[str] = field(default_factory=list)
    """The first few aliases in the index whose entries are not there."""
    damage: dict[str, list[str]] = field(default_factory=dict)
    """By what is wrong, which entries are; of each the first few are named."""
    wrong: int = 0

    def note(self, what: str, which: str) -> None:
        """Something is not as it must be."""
        self.wrong += 1
        known = self.damage.setdefault(what, [])
        if len(known) < NAMED_MAX:
            known.append(which)


def look(reader: Reader, told: Callable[[int], None] = lambda _: None) -> Contents:
    """Looks at all; ``told`` hears how many entries that were so far.

    Raises:
        DamagedError: A block of the files is not what was written, or the view can't be read.
    """
    found = Contents()
    _look_at_node(reader, found)
    held = held_by(found.view, found.node)
    for key, value in reader.scan(*ENTRIES):
        if wrong := _wrong_with(reader, found.view, key, value):
            found.note(wrong, named(key[9:]) if len(key) > 9 else key.hex())
            continue
        found.entries += 1
        found.size_bytes += len(value) - HEADER_BYTES
        found.largest = max(found.largest, len(value) - HEADER_BYTES)
        found.expiring += expiry_in(value) > 0
        found.foreign += not held(hash_in(key))
        if not found.entries % TOLD_EACH:
            told(found.entries)
    for key, value in chain(reader.scan(*INDEX), reader.scan(*HINTS)):
        _look_at_hint(reader, found, key, value)
    kept = kept_counts(reader, identity.last_life(reader))
    if kept is not None and not found.wrong and kept.entries != found.entries:
        counted = f"{kept.entries:,} and not {found.entries:,}"
        found.note("the entries are counted wrongly (wrpme-data compact lets the next start count them anew)", counted)
    return found


def _look_at_node(reader: Reader, found: Contents) -> None:
    held = reader.get(identity.KEY) or b""
    if len(held) == 20:
        found.node, found.starts = held[:16], int.from_bytes(held[16:], "big")
    elif held:
        found.note("the identity of the node has another length", held.hex())
    found.view = ViewLog(reader).load()
    for prefix, read in ((MARK_PREFIX, mark_in), (SETTLED_PREFIX, settled_in)):
        for key, value in reader.scan(prefix, successor(prefix)):
            try:
                first, last, *_ = read(key, value)
                if not 0 <= first <= last:
                    raise ValueError
            except Exception:  # whatever the bytes are
                found.note("a note about an arc can't be read", key.hex())


def held_by(view: View | None, node: NodeId) -> Callable[[int], bool]:
    """Returns what says whether the node has a copy of the arc that a position lies in."""
    if view is None:
        return lambda position: True
    arcs = view.arcs
    mine = [node in arc.holders or node in arc.incoming or node in arc.prev for arc in arcs]
    return lambda position: mine[ring.arc_at(view, position)]


def _wrong_with(reader: Reader, view: View | None, key: bytes, value: bytes) -> str:
    """Returns what is wrong with an entry; empty if nothing is."""
    if not 9 < len(key) <= 9 + ALIAS_BYTES_MAX or not HEADER_BYTES <= len(value) <= HEADER_BYTES + CONTENT_BYTES_MAX:
        return "a key or a value has a length that no entry has"
    alias, expiry = alias_in(key), expiry_in(value)
    if view is not None and key != key_of(ring.position_of(view, alias), alias):
        return "an entry lies where its alias does not belong"
    if expiry == REMOVED or expiry > EXPIRY_MILLISECONDS_MAX:
        return "an entry has an end of its life that is none"
    index = reader.get(b"a" + alias)
    if index is None or len(index) not in (0, 8) or indexed_expiry(index) != expiry:
        return "the index does not tell of an entry as it is"
    if expiry and reader.get(hint_of(expiry, key)) is None:
        return "nothing reminds of the end of an entry's life"
    return ""


def _look_at_hint(reader: Reader, found: Contents, key: bytes, value: bytes) -> None:
    """What tells of an entry that is gone is stale: it goes by itself."""
    if key[:1] == b"a":
        alias = key[1:]
        if found.view is not None and reader.get(key_of(ring.position_of(found.view, alias), alias)) is None:
            found.stale += 1
            if len(found.gone) < NAMED_MAX:
                found.gone.append(named(alias))
        return
    if len(key) <= 17:
        found.note("a reminder has a length that none has", key.hex())
        return
    expiry, entry = expiry_and_key_in(key)
    held = reader.get(entry)
    found.stale += held is None or expiry_in(held) != expiry


def entries_in(reader: Reader, held: Callable[[int], bool]) -> Iterator[tuple[bytes, int, bytes, bytes]]:
    """Yields alias, expiry, version and content of the entries at positions that are ``held``."""
    for key, value in reader.scan(*ENTRIES):
        if len(key) > 9 and len(value) >= HEADER_BYTES and expiry_in(value) != REMOVED and held(hash_in(key)):
            yield alias_in(key), expiry_in(value), value[:16], bytes(content_in(value))


def check_format(reader: Reader, directory: str) -> str:
    """Returns the format of the directory; raises StorageError where it has none."""
    raw = reader.get(FORMAT_KEY)
    if raw is None:
        raise StorageError(f"{directory} holds a LevelDB that is not of wrpme")
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise DamagedError(f"the data directory {directory} is damaged (its format can't be read)") from None
