"""What users may do, and for how long."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tests.sim.broken import Broken
from wrpme.core.access import sessions
from wrpme.core.access.sessions import Proven, Sessions
from wrpme.core.io import Verified
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


def what_was_compared_before_counts() -> Broken:
    """A password is wrong if it was so when it began to be looked at, whatever the view has since."""
    honest = Sessions.on_verified

    def on_verified(self: Sessions, given: Verified) -> None:
        honest(self, replace(given, since=self._since))

    return Sessions, "on_verified", on_verified
