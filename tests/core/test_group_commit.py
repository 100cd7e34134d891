"""Batches for the disk, and what waits for them."""

from __future__ import annotations


from tests.core.context_parts import persists
from wrpme.core.context import NodeContext
from wrpme.core.io import Persist


# --- the disk ----------------------------------------------------------------------------------------------------


def test_one_batch_is_on_its_way_and_the_next_one_gathers(context: NodeContext) -> None:
    assert context.commits.idle
    assert context.commits.write([(b"k1", b"1")]) == 1
    assert context.commits.write([(b"k2", None)]) == 1
    context.flush_disk()
    assert persists(context) == [Persist(1, [(b"k1", b"1"), (b"k2", None)], False)]
    assert context.commits.write([(b"k3", b"3")]) == 2
    context.flush_disk()
    context.flush_disk()
    assert persists(context) == [] and not context.commits.idle
    context.commits.on_persisted(1, context.now)
    context.flush_disk()
    assert persists(context) == [Persist(2, [(b"k3", b"3")], False)]
    context.commits.on_persisted(2, context.now)
    context.flush_disk()
    assert persists(context) == [] and context.commits.idle


def test_one_that_must_be_synced_makes_its_batch_so_and_no_other(context: NodeContext) -> None:
    context.commits.write([(b"k1", b"1")], must_sync=True)
    context.commits.write([(b"k2", b"2")])
    context.flush_disk()
    context.commits.write([(b"k3", b"3")])
    context.commits.on_persisted(1, context.now)
    context.flush_disk()
    assert [batch.must_sync for batch in persists(context)] == [True, False]


def test_what_waits_for_the_disk_is_done_in_order_and_not_before(context: NodeContext) -> None:
    done: list[str] = []
    context.commits.after_disk(lambda: done.append("at once: nothing is to be waited for"))
    assert len(done) == 1
    done.clear()
    context.commits.write([(b"k1", b"1")])
    context.commits.after_disk(lambda: done.append("first"))
    context.flush_disk()
    context.commits.after_disk(lambda: done.append("second, for the same batch"))
    context.commits.write([(b"k2", b"2")])
    context.commits.after_disk(lambda: done.append("third, for the next one"))
    assert done == []
    context.commits.on_persisted(1, context.now)
    assert done == ["first", "second, for the same batch"]
    context.flush_disk()
    context.commits.on_persisted(2, context.now)
    assert done[2:] == ["third, for the next one"]


def test_what_waited_may_write_and_wait_again(context: NodeContext) -> None:
    done: list[int] = []

    def first() -> None:
        context.commits.write([(b"k2", b"2")])
        context.commits.after_disk(lambda: done.append(2))

    context.commits.write([(b"k1", b"1")])
    context.commits.after_disk(first)
    context.flush_disk()
    context.commits.on_persisted(1, context.now)
    assert done == []
    context.flush_disk()
    context.commits.on_persisted(2, context.now)
    assert done == [2]
