"""The users of a hive, as the view has them: who may ask for what, and how they prove who they are.

A password is never kept: what is kept is its hash by scrypt (Percival 2009, RFC 7914) with a salt of its own, so that
neither a view on a disk nor a backup of one lets anybody in. Part of what is said on the wire, see
:mod:`wrpme.protocol.messages`; what each role may do is in :mod:`wrpme.protocol.access.rights`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from enum import IntEnum
from hashlib import scrypt

from msgspec import Struct

USERS_MAX = 256
PREFIXES_MAX = 16
PREFIX_BYTES_MAX = 256
PASSWORDS_MAX = 4
"""So many passwords of a user are valid at a time: a new one is handed out before the old one is taken away."""
PASSWORD_BYTES_MAX = 1024
PASSWORD_CHARACTERS_MIN = 8
SALT_BYTES = 16
HASH_BYTES = 32
COST = 14
"""The binary logarithm of scrypt's N; with r = 8 and p = 1 a hash takes 16 MiB of memory and some 40 ms."""
COSTS = range(14, 18)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")


class Role(IntEnum):
    """What a user may do; each role may do what those before it may."""

    NOBODY = 0
    """Who has not said who he is."""
    READ = 1
    WRITE = 2
    ADMIN = 3


class Password(Struct, frozen=True, array_like=True):
    """What is kept of a password. ``cost`` is the binary logarithm of N."""

    salt: bytes
    hash: bytes
    cost: int = COST


class User(Struct, frozen=True, array_like=True):
    """``prefixes`` are those of the entries that he may ask for; all of them where there are none. ``changed`` is the
    epoch of the view that made him what he is."""

    name: str
    role: Role
    prefixes: tuple[bytes, ...] = ()
    passwords: tuple[Password, ...] = ()
    changed: int = 0


def hashed(password: str, salt: bytes, cost: int = COST) -> Password:
    """Returns what is kept of a password; takes as long as scrypt is meant to take."""
    return Password(salt, _hash(password, salt, cost), cost)


def proven_by(password: str, known: Sequence[Password]) -> Password | None:
    """Returns which of a user's passwords this is, and None where it is none of them. Where he has none, or there is no
    such user, it takes as long as if there were one: how long it takes tells nobody which names there are."""
    found = None
    for kept in known or (_NONE,):
        if hmac.compare_digest(_hash(password, kept.salt, kept.cost), kept.hash):
            found = kept
    return found if found is not _NONE else None


def _hash(password: str, salt: bytes, cost: int) -> bytes:
    memory = 128 * 8 * (1 << cost) + (1 << 20)
    return scrypt(
        password.encode("utf-8", "surrogateescape"), salt=salt, n=1 << cost, r=8, p=1, maxmem=memory, dklen=HASH_BYTES
    )


_NONE = Password(bytes(SALT_BYTES), bytes(HASH_BYTES))


def wrong_name(name: str) -> str:
    """Returns why a user can't have that name; nothing where he can."""
    if _NAME.match(name):
        return ""
    return "the name of a user has 1 to 64 letters of ASCII, digits and . _ @ -, and begins with a letter or a digit"


def wrong_password(password: str) -> str:
    """Returns why nobody can have that password; nothing where somebody can."""
    if len(password) < PASSWORD_CHARACTERS_MIN:
        return f"a password has at least {PASSWORD_CHARACTERS_MIN} characters"
    if len(password.encode("utf-8", "surrogateescape")) > PASSWORD_BYTES_MAX:
        return f"a password has at most {PASSWORD_BYTES_MAX} bytes"
    return ""


def wrong_user(user: User) -> str:
    """Returns why there can't be such a user; nothing where there can."""
    if wrong := wrong_name(user.name):
        return wrong
    if user.role is Role.NOBODY:
        return "the role of a user is read, write or admin"
    if user.role is Role.ADMIN and user.prefixes:
        return "an admin may do everything: only users who read or write are bound to prefixes"
    if len(user.prefixes) > PREFIXES_MAX or any(not 0 < len(text) <= PREFIX_BYTES_MAX for text in user.prefixes):
        return f"a user has at most {PREFIXES_MAX} prefixes, of 1 to {PREFIX_BYTES_MAX} bytes"
    if not 0 < len(user.passwords) <= PASSWORDS_MAX:
        return f"a user has 1 to {PASSWORDS_MAX} passwords"
    for password in user.passwords:
        if len(password.salt) != SALT_BYTES or len(password.hash) != HASH_BYTES or password.cost not in COSTS:
            return "the hash of the password is none that this release makes: use its own wrpmesh or client"
    return ""
