"""How entries lie in the store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme import entries
from wrpme.entries import RING
from wrpme.limits import EXPIRY_MILLISECONDS_MAX

POSITIONS = st.integers(0, RING - 1)
ALIASES = st.binary(min_size=1, max_size=12)
NUMBERS = st.integers(0, (1 << 64) - 1)
EXPIRIES = st.integers(0, EXPIRY_MILLISECONDS_MAX)


@given(POSITIONS, ALIASES)
def test_a_key_is_position_and_alias(position: int, alias: bytes) -> None:
    key = entries.key_of(position, alias)
    assert entries.hash_in(key) == position
    assert entries.alias_in(key) == alias


@given(POSITIONS, ALIASES, POSITIONS, POSITIONS)
def test_an_arc_is_one_range_of_keys(position: int, alias: bytes, one: int, other: int) -> None:
    first, last = sorted((one, other))
    low, high = entries.key_range(first, last)
    assert (low <= entries.key_of(position, alias) < high) == (first <= position <= last)


def test_the_whole_ring_is_the_range_of_all_entries() -> None:
    low, high = entries.key_range(0, RING - 1)
    assert low >= entries.ENTRIES[0] and high == entries.ENTRIES[1]
    assert entries.key_of(RING - 1, b"\xff" * 1024) < high


@given(st.tuples(NUMBERS, NUMBERS), EXPIRIES, st.binary(max_size=30))
def test_a_value_is_version_expiry_and_content(version: tuple[int, int], expiry: int, content: bytes) -> None:
    value = entries.value_of(version, expiry, content)
    assert entries.version_in(value) == version
    assert entries.expiry_in(value) == expiry
    assert entries.content_in(value) == content


@given(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS))
def test_versions_order_like_their_bytes(one: tuple[int, int], other: tuple[int, int]) -> None:
    """A comparison sends the first 16 bytes of a value for its version."""
    a, b = entries.value_of(one, 0, b"")[:16], entries.removal(other)[:16]
    assert (a < b) == (one < other)


def test_a_removal_is_no_expiry() -> None:
    assert entries.expiry_in(entries.removal((1, 2))) == entries.REMOVED > EXPIRY_MILLISECONDS_MAX
    assert entries.version_in(entries.removal((1, 2))) == (1, 2)


def pack(expiry: int) -> bytes:
    packed = expiry.to_bytes(8)
    assert entries.indexed_expiry(packed) == expiry and entries.indexed_expiry(b"") == 0
    return packed


def test_what_the_store_is_told() -> None:
    key = entries.key_of(7, b"alias")
    plain, mortal = entries.value_of((1, 1), 0, b"c"), entries.value_of((1, 1), 99, b"c")
    assert entries.operations_for(key, plain) == [(key, plain), (b"aalias", b"")]
    assert entries.operations_for(key, plain, plain) == [(key, plain)]
    hint = entries.hint_of(99, key)
    assert entries.operations_for(key, mortal) == [(key, mortal), (b"aalias", pack(99)), (hint, b"")]
    assert entries.operations_for(key, entries.removal((1, 2)), plain) == [(key, None), (b"aalias", None)]


def test_a_hint_comes_and_goes_with_its_entry() -> None:
    key = entries.key_of(7, b"alias")
    mortal, later = entries.value_of((1, 1), 99, b"c"), entries.value_of((1, 2), 100, b"c")
    plain = entries.value_of((1, 2), 0, b"c")
    hint, hint_later = entries.hint_of(99, key), entries.hint_of(100, key)
    assert entries.operations_for(key, later, mortal) == [
        (key, later), (b"aalias", pack(100)), (hint, None), (hint_later, b""),
    ]  # fmt: skip
    assert entries.operations_for(key, plain, mortal) == [(key, plain), (b"aalias", b""), (hint, None)]
    assert entries.operations_for(key, mortal, plain) == [(key, mortal), (b"aalias", pack(99)), (hint, b"")]
    assert entries.operations_for(key, mortal, mortal) == [(key, mortal)]
    removed = [(key, None), (b"aalias", None), (hint, None)]
    assert entries.operations_for(key, entries.removal((1, 2)), mortal) == removed


@given(EXPIRIES, POSITIONS, ALIASES, EXPIRIES)
def test_hints_come_in_the_order_of_time(expiry: int, position: int, alias: bytes, now: int) -> None:
    key = entries.key_of(position, alias)
    hint = entries.hint_of(expiry, key)
    assert entries.expiry_and_key_in(hint) == (expiry, key)
    assert entries.HINTS[0] <= hint < entries.HINTS[1]
    assert (hint < entries.hints_end(now)) == (expiry <= now)


@given(st.text(max_size=3), st.text(max_size=4), st.text(min_size=1, max_size=5))
def test_a_page_of_a_prefix(prefix_text: str, after_text: str, alias_text: str) -> None:
    try:
        prefix, after, alias = prefix_text.encode(), after_text.encode(), alias_text.encode()
    except UnicodeEncodeError:
        return
    low, high = entries.index_range(prefix, after)
    assert (low <= b"a" + alias < high) == (alias.startswith(prefix) and alias > after)


@pytest.mark.parametrize(("prefix", "expected"), [(b"a", b"b"), (b"a\xff", b"b"), (b"a\xff\xff", b"b"), (b"ab", b"ac")])
def test_successor(prefix: bytes, expected: bytes) -> None:
    assert entries.successor(prefix) == expected


PAIRS = st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=4)), max_size=4)


@given(PAIRS, PAIRS)
def test_equal_digests_equal_contents(one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]]) -> None:
    assert (entries.digest_of(one) == entries.digest_of(other)) == (one == other)


def test_a_digest_knows_where_a_key_ends() -> None:
    assert entries.digest_of([(b"ab", b"c")]) != entries.digest_of([(b"a", b"bc")])
    assert entries.digest_of([(b"a", b""), (b"b", b"")]) != entries.digest_of([(b"a", b"b")])
