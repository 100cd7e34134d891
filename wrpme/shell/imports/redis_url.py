"""A Redis as a line: ``redis://[USER:PASSWORD@]HOST[:PORT][/DB]``. Pure."""

from __future__ import annotations

from msgspec import Struct

from wrpme.errors import UsageError
from wrpme.protocol import address as addresses
from wrpme.protocol.address import Address

SCHEME = "redis"
PORT = 6379
WRITTEN = "redis://[USER:PASSWORD@]HOST[:PORT][/DB]"


class RedisUrl(Struct, frozen=True):
    """Where a Redis answers, and as whom it is asked; without a ``user``, with a password alone."""

    address: Address
    user: str = ""
    password: str = ""
    db: int = 0

    def __str__(self) -> str:
        """How a sentence names it, without the password."""
        return f"{self.address}/{self.db}" if self.db else str(self.address)

    __repr__ = __str__


def parse(url: str) -> RedisUrl:
    """Returns the Redis that the URL names.

    Raises:
        UsageError: The URL is none of this kind; the sentence says what of it.
    """
    from urllib.parse import unquote, urlsplit  # here: a shell starts sooner without

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    if parts.scheme == "rediss":
        raise _wrong(url, "a Redis behind TLS can't be read yet")
    if parts.scheme != SCHEME:
        raise _wrong(url, "its beginning is another one")
    if parts.query or parts.fragment:
        raise _wrong(url, "nothing follows the number of the database")
    secret, _, place = parts.netloc.rpartition("@")
    user, _, password = secret.partition(":")
    number = parts.path.removeprefix("/") or "0"
    if not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise _wrong(url, "the database is a number from 0 up")
    if secret and not password:
        raise _wrong(url, "there is no password behind the user")
    with_port = place if place.rpartition("]")[2].count(":") else f"{place}:{PORT}"
    return RedisUrl(addresses.parse(with_port), unquote(user), unquote(password), int(number))


def _wrong(url: str, why: str) -> UsageError:
    return UsageError(
        f'"{addresses.without_password(url)[:200]}" is no URL of a Redis ({why}); it is written: {WRITTEN}'
    )
