"""Users for tests, whose passwords are hashed by something quick in the place of scrypt."""

from __future__ import annotations

from hashlib import blake2b

from wrpme.core.io import Verified, Verify
from wrpme.protocol.access.users import HASH_BYTES, SALT_BYTES, Password, Role, User


def quickly_hashed(password: str, salt: bytes = b"salt") -> Password:
    salt = salt.ljust(SALT_BYTES, b"\0")
    return Password(salt, blake2b(password.encode(), key=salt, digest_size=HASH_BYTES).digest())


def user(name: str, role: Role, *prefixes: bytes, password: str = "", salt: bytes = b"salt") -> User:
    """One whose password is his name, unless another one is given."""
    return User(name, role, prefixes, (quickly_hashed(password or name, salt),))


def verified(asked: Verify) -> Verified:
    """What becomes of a password where it is looked at."""
    for kept in asked.passwords:
        if quickly_hashed(asked.password, kept.salt) == kept and not asked.slowed:
            return Verified(asked.session, asked.number, asked.name, kept.salt, since=asked.since)
    return Verified(asked.session, asked.number, asked.name, b"", looked=not asked.slowed, since=asked.since)
