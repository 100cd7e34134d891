"""The receiving end of a stream: what it takes, and what it acknowledges."""

from __future__ import annotations


from msgspec.structs import replace

from tests.core.copy_parts import COPIED, bench
from tests.replica_parts import END, A, B, view_of
from wrpme.core.layout import key_of, value_of
from wrpme.core.replication.stream import Outgoing
from wrpme.core.limits import COPIES_IN_MAX
from wrpme.protocol.messages import Compare, Put, Stream, StreamAck, Writes
from wrpme.protocol.ring import hash_of


def test_of_an_older_version_nothing_is_acknowledged_any_more() -> None:
    made = bench(3)
    made[A].tick()
    made.settle()
    made.lease(A, B)
    made[A].ask(Put(1, b"new", b"1"))
    made.deliver()
    made[B].adopt(view_of(replace(COPIED, version=2), 2))
    made[B].persist()
    assert not any(isinstance(body, StreamAck) for _, _, body in made.wire)


def test_a_receiver_takes_part_in_two_copies_at_most() -> None:
    made = bench(10)
    item = Compare(b"e", b"f", b"")
    made[B].replica.on_stream(A, Outgoing(END, 1, 1)._messages(1, [(item, 65)])[0][0], lambda replica: False)
    made[B].collect()
    assert made.wire == [(B, A, StreamAck(END, 1, 1, -1))]
    assert COPIES_IN_MAX == 2


def test_a_receiver_takes_nothing_from_anyone_but_the_owner() -> None:
    made = bench()
    item = Writes(((key_of(hash_of(b"lie"), b"lie"), value_of((1, 1), 0, b"")),))
    made[B].hear(b"c" * 16, Stream(END, 1, 1, 1, (item,)))
    made[B].hear(A, Stream(END, 2, 1, 1, (item,)))
    made[B].persist()
    assert made[B].stored() == {}
