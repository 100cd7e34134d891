"""A copy from node A to node B for tests."""

from __future__ import annotations

from tests.replica_parts import END, A, B, Bench
from wrpme.core.layout import key_of, operations_for, value_of
from wrpme.core.replication.sender import Phase
from wrpme.protocol.messages import Put, Stream
from wrpme.protocol.ring import hash_of
from wrpme.protocol.view import Arc

COPIED = Arc(END, 1, (A,), (B,))


def bench(entries: int = 0, there: dict[bytes, bytes] | None = None) -> Bench:
    """An owner with so many entries; the receiver has ``there`` from an earlier time."""
    made = Bench(COPIED)
    for number in range(entries):
        made[A].ask(Put(1, b"k%d" % number, b"v"))
    made[A].persist()
    made[A].persist()
    for alias, content in (there or {}).items():
        key = key_of(hash_of(alias), alias)
        made[B].store.write(operations_for(key, value_of((0, 9), 0, content)), True)
        made[B].context.slots.add(hash_of(alias), 1, len(alias) + len(content))
    return made


def phase(made: Bench) -> Phase:
    return made[A].replica.copies[B].phase


def items(made: Bench, kind: type) -> int:
    return sum(isinstance(item, kind) for _, _, body in made.wire if isinstance(body, Stream) for item in body.items)
