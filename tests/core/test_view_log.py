"""The view on disk: whatever the road, what is read is what was adopted last, and it stays small."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.view_parts import any_life, back, grown, join, next_view
from wrpme.core.layout import VIEW_KEY, VIEW_PATCH_PREFIX, successor
from wrpme.core.membership import transitions as views
from wrpme.core.membership.view_log import ViewLog
from wrpme.daemon.storage.store import MemoryStore
from wrpme.errors import DamagedError
from wrpme.core.limits import VIEW_PATCHES_BYTES_MIN
from wrpme.protocol import view_index
from wrpme.protocol.view import Patch


def patches(store: MemoryStore) -> list[tuple[bytes, bytes]]:
    return list(store.scan(VIEW_PATCH_PREFIX, successor(VIEW_PATCH_PREFIX)))


def test_nothing_is_read_where_nothing_was_saved() -> None:
    assert ViewLog(MemoryStore()).load() is None


@pytest.mark.parametrize("seed", range(4))
def test_what_was_saved_last_is_read_at_every_moment(seed: int) -> None:
    store = MemoryStore()
    log = ViewLog(store)
    for number, (before, _, after) in enumerate(islice(any_life(seed, 2), 40)):
        if not number:
            store.write(log.save(before, None), True)
        store.write(log.save(after, None if number % 11 == 7 else views.difference(before, after)), True)
        if number % 5 == 0:
            log = ViewLog(store)
            assert log.load() == after
        assert ViewLog(store).load() == after


def test_a_view_costs_what_it_changed_and_the_patches_do_not_grow_for_ever() -> None:
    store, view = MemoryStore(), grown(12)
    log = ViewLog(store)
    store.write(log.save(view, None), True)
    sizes = []
    for life in range(2, 1502):
        after = next_view(view, back(3, life))
        store.write(log.save(after, views.difference(view, after)), True)
        sizes.append(sum(len(value) for _, value in patches(store)))
        view = after
    assert ViewLog(store).load() == view
    assert max(sizes) <= max(VIEW_PATCHES_BYTES_MIN, len(view_index.pack(view)))
    assert sizes.count(0) > 1, "it was written whole now and then"


def test_a_patch_that_does_not_make_what_was_decided_is_an_error() -> None:
    store, view = MemoryStore(), grown(3)
    log = ViewLog(store)
    store.write(log.save(view, None), True)
    after = next_view(view, join(3))
    store.write(log.save(after, Patch()), True)
    with pytest.raises(DamagedError, match="not the one that was decided"):
        ViewLog(store).load()


@pytest.mark.parametrize("broken", ["view", "patch"])
def test_what_can_not_be_read_is_damage(broken: str) -> None:
    store, view = MemoryStore(), grown(3)
    log = ViewLog(store)
    store.write(log.save(view, None), True)
    after = next_view(view, join(3))
    store.write(log.save(after, views.difference(view, after)), True)
    store.write([(VIEW_KEY if broken == "view" else patches(store)[0][0], b"\xc1?")], True)
    with pytest.raises(DamagedError, match="the data directory is damaged"):
        ViewLog(store).load()


def test_the_directory_of_the_former_release_has_a_whole_view() -> None:
    store = MemoryStore()
    store.write([(VIEW_KEY, view_index.pack(grown(4)))], True)
    assert ViewLog(store).load() == grown(4)
