"""Keys and values of a cache as entries."""

from __future__ import annotations

import pickle

import pytest

from wrpme.contrib.values import alias_of, dumps, loads
from wrpme.limits import ALIAS_BYTES_MAX, NUMBER_MAX


@pytest.mark.parametrize("value", [0, -5, NUMBER_MAX, NUMBER_MAX + 1, True, 1.5, None, "12", b"12", {"a": [1]}])
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_a_value_comes_back(value: object, protocol: int) -> None:
    found = loads(dumps(value, protocol))
    assert found == value and type(found) is type(value)


def test_a_whole_number_is_a_counter() -> None:
    assert dumps(7, 5) == b"7" and dumps(-7, 5) == b"-7"


@pytest.mark.parametrize(
    "key", ["key", "ключ", "two words", "line\nbreak", "", "x" * 5000, "x" * 4091, "\ud800", "é" * 3000]
)
def test_every_key_has_an_alias_below_the_prefix(key: str) -> None:
    alias = alias_of("shop/", key)
    plain = f"shop/{key}".encode("utf-8", "surrogatepass")
    assert len(alias) <= ALIAS_BYTES_MAX and alias.startswith(b"shop/")
    assert (alias == plain) == (len(plain) <= ALIAS_BYTES_MAX), "only what is too long is stored by its hash"
    assert alias != alias_of("shop/", key + "2")
