"""Who each connection is, and what it may ask for.

In a hive with users everybody is asked: what a connection wants is looked up in the view, each time, so that what an
admin changes counts from the view on that has it. A user who is gone, or a password, ends the connections that stood
on it. Other nodes are not asked: their certificate says who they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from wrpme.core.access.failures import Failures
from wrpme.core.context import NodeContext
from wrpme.core.io import EndSessions, Verified, Verify
from wrpme.core.membership.quorum import Quorum
from wrpme.core.outbox import Origin
from wrpme.core.stats.audit import what_of
from wrpme.errors import BusyError, DeniedError, UnauthenticatedError, UnstableError, UsageError, WrpmeError
from wrpme.limits import LEASE_SECONDS
from wrpme.protocol.access.messages import Authenticate, Identity, WhoAmI
from wrpme.protocol.access.rights import WHOLE, aliases_of, beyond, role_of
from wrpme.protocol.access.users import PASSWORD_BYTES_MAX, PASSWORDS_MAX, Role, User
from wrpme.protocol.messages import RingScan, Traced
from wrpme.protocol.quoting import named
from wrpme.protocol.view import View

FIRST_SECONDS = 60.0
"""For so long after the first user was added, whoever is not known yet is told to try again: programs that had a name
and a password all along fail no request while an admin adds their users."""
ASKED = "this hive has users: say who you are first"
ENDED = "you are no user of this hive any more, or your password is none"
FIRST = "this hive has users from now on: say who you are"


BY_CERTIFICATE = User("the node's own certificate", Role.ADMIN)
"""No user can have that name."""


class Proven(Struct):
    """A connection that said a right password, the one of that ``salt``. What it said to a node that saw no quorum does
    not count for entries until the node sees one again (``cut``): the user may be gone."""

    name: str
    salt: bytes
    cut: bool = False


class Access(Protocol):
    """What a door asks about those who come in by it."""

    asks: bool

    def user(self, session: int) -> User | None:
        """Whom the connection has proven to be."""

    def refusal(self, session: int, request: Any) -> WrpmeError | None:
        """Why the connection may not ask for that; None if it may."""

    def certified(self, session: int) -> None:
        """The connection has shown the certificate of this very node."""


class NobodyAsked:
    """That of what has no users to ask for."""

    asks = False

    def user(self, session: int) -> User | None:
        """See :class:`Access`."""
        return None

    def refusal(self, session: int, request: Any) -> WrpmeError | None:
        """See :class:`Access`."""
        return None

    def certified(self, session: int) -> None:
        """See :class:`Access`."""


class Sessions:
    """``asks`` tells whether the hive has users."""

    def __init__(self, context: NodeContext, quorum: Quorum) -> None:
        self.context = context
        self.asks = False
        self.failures = Failures()
        self._quorum = quorum
        self._users: dict[str, User] = {}
        self._since = 0
        self._proven: dict[int, Proven] = {}
        self._certified: dict[int, User] = {}
        self._verifying: set[int] = set()
        """Connections whose password is being looked at."""
        self._was_open = False
        """Whether this node has seen a view of the hive without users."""
        self._first_at = -inf
        """When it got the first ones, if this node was there."""

    # --- what is asked for ---------------------------------------------------------------------------------------

    def refusal(self, session: int, request: Any) -> WrpmeError | None:
        """Why the connection may not ask for that; None if it may."""
        needed = role_of(request)
        if needed is Role.NOBODY:
            return None
        user = self.user(session)
        if user is None:
            return UnauthenticatedError(ASKED)
        if user.role < needed:
            return DeniedError(
                f"{user.name} may {user.role.name.lower()}, and {what_of(request)} needs the role {needed.name.lower()}"
            )
        if needed is not Role.ADMIN and self._is_cut(session):
            return UnstableError(f"{self.context.settings.address} sees no quorum, and lets nobody new at entries")
        if user.prefixes:
            return self._beyond(user, request)
        return None

    def _beyond(self, user: User, request: Any) -> WrpmeError | None:
        inner = request.request if type(request) is Traced else request
        may = " or ".join(named(prefix) for prefix in user.prefixes)
        if type(inner) in WHOLE:
            return DeniedError(f"{user.name} may ask for entries under {may}, and {what_of(request)} is about all")
        alias = beyond(user, aliases_of(inner))
        if alias is None:
            return None
        what = named(alias) if alias else "all entries"
        return DeniedError(f"{user.name} may ask for entries under {may}, not for {what}")

    def narrowed(self, session: int, request: Any) -> Any:
        """The request, with what it finds bound to what the user may see."""
        user = self.user(session)
        inner = request.request if type(request) is Traced else request
        if user is None or not user.prefixes or type(inner) is not RingScan:
            return request
        bound = replace(inner, prefixes=user.prefixes)
        return replace(request, request=bound) if type(request) is Traced else bound

    def may_all(self, session: int, role: Role) -> bool:
        """Whether the connection may do to all entries what needs that role."""
        user = self.user(session)
        return user is not None and user.role >= role and not user.prefixes and not self._is_cut(session)

    def certified(self, session: int) -> None:
        """The connection has shown the certificate of this very node: who has its key may say anything as the node, and
        so may be an admin; where nobody knows a password any more this is the way back."""
        self._certified[session] = BY_CERTIFICATE
        self.context.users[session] = BY_CERTIFICATE.name

    def user(self, session: int) -> User | None:
        """Whom the connection has proven to be."""
        proven = self._proven.get(session)
        if proven is None:
            return self._certified.get(session)
        return self._users.get(proven.name) if proven is not None else None

    def _is_cut(self, session: int) -> bool:
        proven = self._proven.get(session)
        if proven is None:
            return False
        if proven.cut and not self._quorum.missing():
            proven.cut = False
        return proven.cut

    # --- who somebody is -----------------------------------------------------------------------------------------

    def who_am_i(self, origin: Origin, request: WhoAmI) -> None:
        """Answers with the user that the connection is."""
        self.context.outbox.reply(origin, self._identity(origin, request.id))

    def _identity(self, origin: Origin, number: int) -> Identity:
        if not self.asks:
            return Identity(number, "", Role.ADMIN, open=True)
        user = self.user(origin) if isinstance(origin, int) else None
        return Identity(number, user.name, user.role, user.prefixes) if user else Identity(number, "", Role.NOBODY)

    def authenticate(self, origin: Origin, request: Authenticate) -> None:
        """Has the password looked at, which takes its time; in a hive without users whoever asks is let in."""
        context = self.context
        if not isinstance(origin, int):
            context.outbox.fail(origin, request.id, UsageError("a connection says itself who it is"))
            return
        if not self.asks:
            context.outbox.reply(origin, self._identity(origin, request.id))
            return
        if origin in self._verifying:
            twice = "one password after the other: the one that was said before is still being looked at"
            context.outbox.fail(origin, request.id, UsageError(twice))
            return
        self._proven.pop(origin, None)
        address = self._address(origin)
        if len(request.password) > PASSWORD_BYTES_MAX:
            self._failed(origin, request.id, request.name, address)
            return
        user = self._users.get(request.name)
        passwords = user.passwords[:PASSWORDS_MAX] if user is not None else ()
        is_slowed = self.failures.pause(address, context.now) > 0
        self._verifying.add(origin)
        context.outbox.effects.append(
            Verify(origin, request.id, request.name, request.password, passwords, is_slowed, self._since)
        )

    def on_verified(self, given: Verified) -> None:
        """The password was looked at; what the view has by now is what counts."""
        context, session = self.context, given.session
        if session not in self._verifying:
            return  # the connection has ended
        self._verifying.discard(session)
        if given.busy:
            busy = "too many passwords wait to be looked at; try again"
            context.outbox.fail(session, given.number, BusyError(busy))
            return
        user = self._users.get(given.name)
        if not self.asks or (user is not None and any(kept.salt == given.salt for kept in user.passwords)):
            if self.asks:
                cut = context.now - self._quorum.since >= LEASE_SECONDS
                self._proven[session] = Proven(given.name, given.salt, cut)
                context.users[session] = given.name
            context.outbox.reply(session, self._identity(session, given.number))
        elif given.since != self._since:  # he may have come, or have another password, since it was looked at
            changed = "users have changed just now; nothing was looked at, try again"
            context.outbox.fail(session, given.number, UnstableError(changed))
        else:
            self._failed(session, given.number, given.name, self._address(session), given.looked)

    def _failed(self, session: int, number: int, name: str, address: str, was_looked_at: bool = True) -> None:
        """One sentence for a wrong name and for a wrong password: nobody learns which users there are."""
        context = self.context
        if name not in self._users and context.now - self._first_at < FIRST_SECONDS:
            who = named(name.encode()[:64])
            soon = f"there is no user {who} yet; this hive has had users for a moment only: try again"
            context.outbox.fail(session, number, UnstableError(soon))
            return
        if was_looked_at:
            self.failures.failed(address, context.now)
            context.wrong_passwords += 1
        context.audit.refused(f"authenticate as {named(name.encode()[:64])}, asked by {context.who(session)}: refused")
        pause = self.failures.pause(address, context.now)
        wait = f"; too many came from {address}, none is looked at for {ceil(pause)} s" if pause else ""
        wrong = UnauthenticatedError(f"there is no such user with that password{wait}")
        context.outbox.fail(session, number, wrong)

    def _address(self, session: int) -> str:
        return self.context.process.clients.get(session, "somebody").rpartition(":")[0]

    # --- what happens --------------------------------------------------------------------------------------------

    def closed(self, session: int) -> None:
        """A connection has ended."""
        self._proven.pop(session, None)
        self._certified.pop(session, None)
        self._verifying.discard(session)
        self.context.users.pop(session, None)

    def adopt(self, view: View) -> None:
        """Ends connections that stood on what the view has no more; where it has the first users, all that said
        nothing."""
        self._was_open = self._was_open or not view.users
        if view.users_since == self._since:
            return
        self._since = view.users_since
        asked_before, self.asks = self.asks, bool(view.users)
        self._users = {user.name: user for user in view.users}
        if not self.asks:
            self._proven.clear()
            self.context.users = {session: found.name for session, found in self._certified.items()}
            return
        ended = [session for session, proven in self._proven.items() if not self._stands(proven)]
        for session in ended:
            self.closed(session)
        self._end(ended, ENDED)
        if not asked_before:
            self._first_at = self.context.now if self._was_open else -inf
            known = self._proven.keys() | self._certified.keys()
            self._end([session for session in self.context.process.clients if session not in known], FIRST)

    def _stands(self, proven: Proven) -> bool:
        user = self._users.get(proven.name)
        return user is not None and any(kept.salt == proven.salt for kept in user.passwords)

    def _end(self, sessions: Iterable[int], sentence: str) -> None:
        ended = tuple(sessions)
        if ended:
            self.context.outbox.effects.append(EndSessions(ended, sentence))

    def validate(self) -> None:
        """Raises AssertionError where somebody stands on what the view does not have."""
        assert all(self._stands(proven) for proven in self._proven.values()), "nobody stands on a password that is gone"
