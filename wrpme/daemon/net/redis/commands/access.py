"""Who a client is, and what it may do: AUTH, the AUTH of HELLO, ACL, and the check before each command. No socket here.

What the commands become is checked by the node once more; here is what never gets there, and the words of Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wrpme.daemon.net.redis.client import Client, Plan, Steps
from wrpme.daemon.net.redis.commands.keys import fixed_beginning
from wrpme.daemon.net.redis.replies import OK, SYNTAX, Refusal, Unexpected, bulk, error
from wrpme.errors import BusyError, UnstableError
from wrpme.protocol.access.messages import Authenticate, GetUsers, Identity
from wrpme.protocol.access.rights import REDIS, REDIS_PARTS, REDIS_WHOLE, beyond
from wrpme.protocol.access.users import Role, User

Args = list[bytes]
NOAUTH = error("NOAUTH Authentication required.")
WRONG = "WRONGPASS invalid username-password pair or user is disabled."
NO_USERS = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
DEFAULT = "default"
"""Who says a password alone."""
FIRST_HELLO = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time"
)
_CHANNELS = {"publish": slice(1, 2), "spublish": slice(1, 2), "subscribe": slice(1, None), "ssubscribe": slice(1, None)}


def refused(client: Client, name: str, args: Args, keys: Sequence[bytes]) -> bytes | None:
    """Returns what is answered where the client may not say this command; None where it may."""
    part = f"{name}|{args[1].decode('latin-1').lower()}" if len(args) > 1 else name
    needed = max(REDIS[name], REDIS_PARTS.get(part, Role.NOBODY))
    if needed is Role.NOBODY:
        return None
    user = client.access.user(client.ident)
    if user is None:
        return NOAUTH
    shown = part if part in REDIS_PARTS else name
    if user.role < needed or (user.prefixes and name in REDIS_WHOLE):
        return error(f"NOPERM User {user.name} has no permissions to run the '{shown}' command")
    if user.prefixes:
        return _beyond(user, name, args, keys)
    return None


def _beyond(user: User, name: str, args: Args, keys: Sequence[bytes]) -> bytes | None:
    if beyond(user, keys) is not None or (name == "keys" and beyond(user, [fixed_beginning(args[1])]) is not None):
        return error("NOPERM No permissions to access a key")
    channels = args[_CHANNELS[name]] if name in _CHANNELS else []
    if name == "psubscribe":
        channels = [fixed_beginning(pattern) for pattern in args[1:]]
    if beyond(user, channels) is not None:
        return error("NOPERM No permissions to access a channel")
    return None


def auth(client: Client, args: Args) -> Plan:
    """AUTH [username] password. In a hive without users whoever names one is let in: so clients can be told who they
    are before there are users."""
    if len(args) > 3:
        raise Refusal(SYNTAX)
    if not client.access.asks:
        if len(args) == 2:
            raise Refusal(NO_USERS)
        return OK
    return _auth(args[1] if len(args) == 3 else DEFAULT.encode(), args[-1])


def _auth(name: bytes, password: bytes) -> Steps:
    yield from proven(name, password)
    return OK


def proven(name: bytes, password: bytes) -> Steps:
    """Says who the client is; raises Refusal where it is not believed."""
    try:
        yield Authenticate(0, name.decode("utf-8", "surrogateescape"), password.decode("utf-8", "surrogateescape"))
    except Unexpected as reason:
        if reason.reply.code in (BusyError.code, UnstableError.code):
            raise
        raise Refusal(WRONG) from None
    return b""


def whoami(client: Client, args: Args) -> Plan:
    """ACL WHOAMI."""
    user = client.access.user(client.ident)
    return bulk((user.name if user is not None else DEFAULT).encode())


def users(client: Client, args: Args) -> Plan:
    """ACL USERS."""
    if not client.access.asks:
        return client.encoded([DEFAULT])
    return (GetUsers(client.number), lambda reply, client: client.encoded([user.name for user in _users(reply)]))


def listed(client: Client, args: Args) -> Plan:
    """ACL LIST."""
    if not client.access.asks:
        return client.encoded(["user default on nopass sanitize-payload ~* &* +@all"])
    return (GetUsers(client.number), lambda reply, client: client.encoded([_rule(user) for user in _users(reply)]))


def _users(reply: Any) -> tuple[User, ...]:
    if isinstance(reply, Identity) or not hasattr(reply, "users"):
        raise Refusal(f"ERR {getattr(reply, 'sentence', 'the users are not known')}")
    found: tuple[User, ...] = reply.users
    return found


def _rule(user: User) -> str:
    """What a user may do, in the words of Redis as far as these go."""
    under = " ".join(f"~{prefix.decode('utf-8', 'backslashreplace')}*" for prefix in user.prefixes) or "~* &*"
    may = {Role.READ: "+@read", Role.WRITE: "+@read +@write", Role.ADMIN: "+@all"}[user.role]
    return f"user {user.name} on sanitize-payload {under} {may}"
