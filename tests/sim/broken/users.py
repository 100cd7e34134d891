"""What users may do, and for how long."""

from __future__ import annotations

from collections.abc import Iterable

from tests.sim.broken import Broken
from wrpme.core.access import sessions
from wrpme.core.access.sessions import Proven, Sessions
from wrpme.protocol.access.users import User
from wrpme.protocol.view import View


def removed_users_stay() -> Broken:
    """A connection whose user was removed goes on until it ends."""
    honest = Sessions.adopt

    def adopt(self: Sessions, view: View) -> None:
        if len(view.users) >= len(self._users):
            honest(self, view)

    return Sessions, "adopt", adopt


def old_passwords_count() -> Broken:
    """A connection stays although the password that it said is none any more."""

    def _stands(self: Sessions, proven: Proven) -> bool:
        return proven.name in self._users

    return Sessions, "_stands", _stands


def prefixes_are_ignored() -> Broken:
    """Who is bound to prefixes may ask for any entry."""

    def beyond(user: User, aliases: Iterable[bytes]) -> bytes | None:
        return None

    return sessions, "beyond", beyond
