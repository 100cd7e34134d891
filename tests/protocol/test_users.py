"""What is kept of passwords, and what users there can be."""

from __future__ import annotations

import pytest

from wrpme.protocol.access.users import (
    COST, HASH_BYTES, PASSWORD_BYTES_MAX, SALT_BYTES, hashed, proven_by, wrong_name, wrong_password,
)  # fmt: skip

SALT = bytes(SALT_BYTES)


def test_a_password_is_proven_by_its_hash_and_by_no_other() -> None:
    one, other = hashed("correct horse", SALT), hashed("battery staple", b"x" * SALT_BYTES)
    assert proven_by("battery staple", (one, other)) == other
    assert proven_by("correct horse ", (one, other)) is None
    assert one.cost == COST and len(one.hash) == HASH_BYTES and b"horse" not in one.hash
    assert hashed("correct horse", b"y" * SALT_BYTES).hash != one.hash, "a salt of its own"


def test_scrypt_is_that_of_the_rfc() -> None:
    """RFC 7914, section 12, the third vector has N 16384, r 8 and p 1, and 64 bytes of which the first are the same."""
    known = hashed("pleaseletmein", b"SodiumChloride", 14).hash
    assert known.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_who_has_no_password_is_looked_at_all_the_same() -> None:
    assert proven_by("anything", ()) is None


@pytest.mark.parametrize("name", ["a", "ann.lee@example.org", "A1_-.", "x" * 64])
def test_names(name: str) -> None:
    assert wrong_name(name) == ""


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "-a", ".a", "a:b", "ä", "a\n", "a/b"])
def test_no_names(name: str) -> None:
    assert "1 to 64 letters" in wrong_name(name)


def test_passwords() -> None:
    assert wrong_password("12345678") == "" and "at least 8" in wrong_password("1234567")
    assert wrong_password("x" * PASSWORD_BYTES_MAX) == "" and "at most 1024" in wrong_password("ä" * 513)
