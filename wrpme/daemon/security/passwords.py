"""Looks at passwords beside the loop: one at a time, as each is meant to take long, and no more than a bound wait.

What was found right is remembered by a keyed hash, for as long as the process runs and at most so many: a client that
opens a connection for each request costs no more than its handshake.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from wrpme.core.io import Verified, Verify
from wrpme.daemon.limits import PASSWORDS_REMEMBERED_MAX, PASSWORDS_WAITING_MAX
from wrpme.protocol.access.users import proven_by


class Passwords:
    """``call_soon`` carries an outcome from the thread to the loop."""

    def __init__(self, call_soon: Callable[..., object], verified: Callable[[Verified], None]) -> None:
        self._call_soon = call_soon
        self._verified = verified
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, None] = {}
        """The one that was used longest ago is first."""
        self._waiting = 0
        self._thread: ThreadPoolExecutor | None = None
        self._latest = b""
        """What the thread found right last: of the connections that a program opens at once, one is looked at."""

    def look_at(self, asked: Verify) -> None:
        """Tells the outcome soon, never at once."""
        for kept in asked.passwords:
            known = self._told(asked, kept.salt)
            if known in self._remembered:
                self._remembered[known] = self._remembered.pop(known)
                self._call_soon(self._verified, _outcome(asked, kept.salt))
                return
        if asked.slowed:
            self._call_soon(self._verified, _outcome(asked, b"", looked=False))
        elif self._waiting >= PASSWORDS_WAITING_MAX:
            self._call_soon(self._verified, _outcome(asked, b"", looked=False, busy=True))
        else:
            self._waiting += 1
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "passwords")
            self._thread.submit(self._work, asked)

    def _work(self, asked: Verify) -> None:
        salt = next((kept.salt for kept in asked.passwords if self._told(asked, kept.salt) == self._latest), b"")
        if not salt and (found := proven_by(asked.password, asked.passwords)) is not None:
            salt, self._latest = found.salt, self._told(asked, found.salt)
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self._call_soon(self._done, asked, salt)

    def _done(self, asked: Verify, salt: bytes) -> None:
        self._waiting -= 1
        if salt:
            self._remembered[self._told(asked, salt)] = None
            if len(self._remembered) > PASSWORDS_REMEMBERED_MAX:
                del self._remembered[next(iter(self._remembered))]
        self._verified(_outcome(asked, salt))

    def _told(self, asked: Verify, salt: bytes) -> bytes:
        """What a right password is remembered by: nothing that would help who reads the memory without the key, and it
        is void with the salt."""
        name, password = asked.name.encode(), asked.password.encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, b"%d:%b%b%b" % (len(name), name, salt, password), "sha256")

    def close(self) -> None:
        """Looks at no more."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _outcome(asked: Verify, salt: bytes, looked: bool = True, busy: bool = False) -> Verified:
    return Verified(asked.session, asked.number, asked.name, salt, looked, busy, asked.since)
