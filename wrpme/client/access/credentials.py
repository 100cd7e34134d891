"""Who a client says that it is, on each of its connections.

No password is in the representation of anything here, in a sentence or in a log.
"""

from __future__ import annotations

from wrpme import errors
from wrpme.client.limits import REFUSED_SECONDS_MAX, REFUSED_SECONDS_MIN, WAITING_SECONDS
from wrpme.protocol.access.users import wrong_name

PLAIN = (
    "users need TLS, as a password would travel in plain words: name the CA of the nodes (--tls-ca of wrpmesh, "
    "wrpmes:// or tls= of a program), or leave the user out"
)


class Credentials:
    """A name and its passwords, of which the first that a node takes counts; without a name nothing is said. All
    connections of a client share it, so that they speak for whom the client is by now.

    A node that did not take them is not asked again at once, as it answers who guesses ever more slowly.
    """

    def __init__(self, name: str = "", *passwords: str) -> None:
        self.become(name, *passwords)

    def become(self, name: str, *passwords: str) -> None:
        """Says this from the next connection on."""
        self.name = name
        self.passwords = passwords
        self._refused: dict[str, tuple[errors.WrpmeError, float, float]] = {}
        """By address: what the node said, until when that stands, and for how long it did."""

    def __bool__(self) -> bool:
        return bool(self.name)

    def __repr__(self) -> str:
        return f"Credentials({self.name!r})"

    def refused(self, address: str, error: errors.WrpmeError, now: float) -> None:
        """Takes note that the node at that address does not take them."""
        _, _, before = self._refused.get(address, (error, 0.0, 0.0))
        seconds = min(REFUSED_SECONDS_MAX, max(REFUSED_SECONDS_MIN, 2 * before))
        self._refused[address] = error, now + seconds, seconds

    def waits(self, address: str, error: errors.WrpmeError, now: float) -> None:
        """Takes note that the node at that address may take them in a moment."""
        self._refused[address] = error, now + WAITING_SECONDS, 0.0

    def taken(self, address: str) -> None:
        """Takes note that the node at that address takes them."""
        self._refused.pop(address, None)

    def refusal(self, address: str, now: float) -> errors.WrpmeError | None:
        """Returns why the node at that address is not asked for now; None if it may be asked."""
        error, until, _ = self._refused.get(address, (None, 0.0, 0.0))
        return error if now < until else None


def credentials_of(user: str | None, password: str | None, has_tls: bool) -> Credentials:
    """Returns what a client says; nothing where there is no user.

    Raises:
        UsageError: One of the two is missing, or can't be one; or they would travel in plain words.
    """
    if user is None and password is None:
        return Credentials()
    if not isinstance(user, str) or not isinstance(password, str):
        given, lacks = ("a user", "password") if user is not None else ("a password", "user")
        raise errors.UsageError(f"{given} was given without a {lacks}: a client says both, as text")
    if wrong := wrong_name(user):
        raise errors.UsageError(wrong)
    if not password:
        raise errors.UsageError(f"the password of {user} is empty")
    checked_text(password)
    if not has_tls:
        raise errors.UsageError(PLAIN)
    return Credentials(user, password)


def checked_text(password: str) -> str:
    """Returns the password.

    Raises:
        UsageError: It has no bytes of UTF-8.
    """
    try:
        password.encode()
    except UnicodeEncodeError:
        raise errors.UsageError("the password is no text of UTF-8") from None
    return password
