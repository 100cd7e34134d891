"""How entries lie in the store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.core import layout
from wrpme.core.layout import RING
from wrpme.limits import EXPIRY_MILLISECONDS_MAX

POSITIONS = st.integers(0, RING - 1)
ALIASES = st.binary(min_size=1, max_size=12)
NUMBERS = st.integers(0, (1 << 64) - 1)
EXPIRIES = st.integers(0, EXPIRY_MILLISECONDS_MAX)


@given(POSITIONS, ALIASES)
def test_a_key_is_position_and_alias(position: int, alias: bytes) -> None:
    key = layout.key_of(position, alias)
    assert layout.hash_in(key) == position
    assert layout.alias_in(key) == alias


@given(POSITIONS, ALIASES, POSITIONS, POSITIONS)
def test_an_arc_is_one_range_of_keys(position: int, alias: bytes, one: int, other: int) -> None:
    first, last = sorted((one, other))
    low, high = layout.key_range(first, last)
    assert (low <= layout.key_of(position, alias) < high) == (first <= position <= last)


def test_the_whole_ring_is_the_range_of_all_entries() -> None:
    low, high = layout.key_range(0, RING - 1)
    assert low >= layout.ENTRIES[0] and high == layout.ENTRIES[1]
    assert layout.key_of(RING - 1, b"\xff" * 1024) < high


@given(st.tuples(NUMBERS, NUMBERS), EXPIRIES, st.binary(max_size=30))
def test_a_value_is_version_expiry_and_content(version: tuple[int, int], expiry: int, content: bytes) -> None:
    value = layout.value_of(version, expiry, content)
    assert layout.version_in(value) == version
    assert layout.expiry_in(value) == expiry
    assert layout.content_in(value) == content


@given(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS))
def test_versions_order_like_their_bytes(one: tuple[int, int], other: tuple[int, int]) -> None:
    """A comparison sends the first 16 bytes of a value for its version."""
    a, b = layout.value_of(one, 0, b"")[:16], layout.removal(other)[:16]
    assert (a < b) == (one < other)


def test_a_removal_is_no_expiry() -> None:
    assert layout.expiry_in(layout.removal((1, 2))) == layout.REMOVED > EXPIRY_MILLISECONDS_MAX
    assert layout.version_in(layout.removal((1, 2))) == (1, 2)


def pack(expiry: int) -> bytes:
    packed = expiry.to_bytes(8)
    assert layout.indexed_expiry(packed) == expiry and layout.indexed_expiry(b"") == 0
    return packed


def test_what_the_store_is_told() -> None:
    key = layout.key_of(7, b"alias")
    plain, mortal = layout.value_of((1, 1), 0, b"c"), layout.value_of((1, 1), 99, b"c")
    assert layout.operations_for(key, plain) == [(key, plain), (b"aalias", b"")]
    assert layout.operations_for(key, plain, plain) == [(key, plain)]
    hint = layout.hint_of(99, key)
    assert layout.operations_for(key, mortal) == [(key, mortal), (b"aalias", pack(99)), (hint, b"")]
    assert layout.operations_for(key, layout.removal((1, 2)), plain) == [(key, None), (b"aalias", None)]


def test_a_hint_comes_and_goes_with_its_entry() -> None:
    key = layout.key_of(7, b"alias")
    mortal, later = layout.value_of((1, 1), 99, b"c"), layout.value_of((1, 2), 100, b"c")
    plain = layout.value_of((1, 2), 0, b"c")
    hint, hint_later = layout.hint_of(99, key), layout.hint_of(100, key)
    assert layout.operations_for(key, later, mortal) == [
        (key, later), (b"aalias", pack(100)), (hint, None), (hint_later, b""),
    ]  # fmt: skip
    assert layout.operations_for(key, plain, mortal) == [(key, plain), (b"aalias", b""), (hint, None)]
    assert layout.operations_for(key, mortal, plain) == [(key, mortal), (b"aalias", pack(99)), (hint, b"")]
    assert layout.operations_for(key, mortal, mortal) == [(key, mortal)]
    removed = [(key, None), (b"aalias", None), (hint, None)]
    assert layout.operations_for(key, layout.removal((1, 2)), mortal) == removed


@given(EXPIRIES, POSITIONS, ALIASES, EXPIRIES)
def test_hints_come_in_the_order_of_time(expiry: int, position: int, alias: bytes, now: int) -> None:
    key = layout.key_of(position, alias)
    hint = layout.hint_of(expiry, key)
    assert layout.expiry_and_key_in(hint) == (expiry, key)
    assert layout.HINTS[0] <= hint < layout.HINTS[1]
    assert (hint < layout.hints_end(now)) == (expiry <= now)


@given(st.text(max_size=3), st.text(max_size=4), st.text(min_size=1, max_size=5))
def test_a_page_of_a_prefix(prefix_text: str, after_text: str, alias_text: str) -> None:
    try:
        prefix, after, alias = prefix_text.encode(), after_text.encode(), alias_text.encode()
    except UnicodeEncodeError:
        return
    low, high = layout.index_range(prefix, after)
    assert (low <= b"a" + alias < high) == (alias.startswith(prefix) and alias > after)


@pytest.mark.parametrize(("prefix", "expected"), [(b"a", b"b"), (b"a\xff", b"b"), (b"a\xff\xff", b"b"), (b"ab", b"ac")])
def test_successor(prefix: bytes, expected: bytes) -> None:
    assert layout.successor(prefix) == expected


PAIRS = st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=4)), max_size=4)


@given(PAIRS, PAIRS)
def test_equal_digests_equal_contents(one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]]) -> None:
    assert (layout.digest_of(one) == layout.digest_of(other)) == (one == other)


def test_a_digest_knows_where_a_key_ends() -> None:
    assert layout.digest_of([(b"ab", b"c")]) != layout.digest_of([(b"a", b"bc")])
    assert layout.digest_of([(b"a", b""), (b"b", b"")]) != layout.digest_of([(b"a", b"b")])
