"""The one table of what each role may do: requests of the hive protocol, commands of Redis, pages of HTTP.

What dispatches them asks here, docs/security.md is printed from here, and a test holds that nothing is missing. A user
who is bound to prefixes may ask for entries under them; what is about all entries of a node or of the hive, and is
listed under ``WHOLE``, he may not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wrpme.protocol import messages as m
from wrpme.protocol import administration as a
from wrpme.protocol.access import messages as u
from wrpme.protocol.access.users import Role, User
from wrpme.protocol.identities import GetHive

_NOBODY, _READ, _WRITE, _ADMIN = Role.NOBODY, Role.READ, Role.WRITE, Role.ADMIN

REQUESTS: dict[type[Any], Role] = {
    **dict.fromkeys((u.Authenticate, u.WhoAmI), _NOBODY),
    **dict.fromkeys((m.Get, m.GetExpiry, m.GetRange, m.Exists, m.IfVersion, m.IfContent), _READ),
    **dict.fromkeys((m.PrefixScan, m.RingScan, m.Count, m.Follow, m.Unfollow, m.ConfirmFollow), _READ),
    **dict.fromkeys((m.GetView, m.GetStatus, m.Watch, m.GetHoldings, m.VerifyArc, GetHive), _READ),
    **dict.fromkeys(a.SNAPSHOT_REQUESTS, _READ),
    **dict.fromkeys((m.Put, m.Update, m.GetUpdate, m.GetRemove, m.Cas, m.Remove, m.RemoveIf, m.Expire), _WRITE),
    **dict.fromkeys((m.Add, m.Append, m.SetRange, m.GetExpire, m.Touch, m.CasVersion, m.RemoveVersion), _WRITE),
    **dict.fromkeys((m.RemoveAll, m.GetConfig, m.GetLog, a.GetSlow), _ADMIN),
    **dict.fromkeys((a.StopNode, a.LeaveNode, a.ForgetNode, a.Recover, a.SetReplication), _ADMIN),
    **dict.fromkeys((u.GetUsers, u.AddUser, u.SetPasswords, u.RemoveUser), _ADMIN),
}
"""By the kind of request. Many, a transaction and a request with an id need what their parts need."""

WHOLE: frozenset[type[Any]] = frozenset((m.Count, m.VerifyArc, *a.SNAPSHOT_REQUESTS))
"""What tells of, or changes, entries of all prefixes."""

_REDIS = {
    _NOBODY: "auth hello quit reset",
    _READ: "get strlen getrange substr mget lcs exists touch type ttl pttl expiretime pexpiretime watch unwatch getbit "
    "bitcount bitfield_ro bitpos ping echo select info time role lastsave lolwut wait waitaof readonly readwrite "
    "multi exec discard dbsize keys scan randomkey subscribe unsubscribe psubscribe punsubscribe ssubscribe "
    "sunsubscribe acl client cluster command memory object pubsub latency",
    _WRITE: "set setnx setex psetex getset getdel getex append setrange incr decr incrby decrby incrbyfloat mset "
    "msetnx msetex del unlink delex expire pexpire expireat pexpireat persist rename renamenx copy move setbit bitop "
    "bitfield publish spublish",
    _ADMIN: "debug swapdb flushall flushdb config module slowlog",
}
REDIS: dict[str, Role] = {name: role for role, names in _REDIS.items() for name in names.split()}
"""By the name of the command, in lower case."""
REDIS_PARTS: dict[str, Role] = {
    "acl|list": _ADMIN, "acl|users": _ADMIN, "client|kill": _ADMIN, "client|list": _ADMIN, "latency|reset": _ADMIN,
}  # fmt: skip
"""Subcommands that need more than their command."""
REDIS_WHOLE = frozenset(("dbsize", "randomkey", "pubsub"))
"""Commands that tell of entries and channels of all prefixes."""

PAGES: dict[str, Role] = {"/live": _NOBODY, "/ready": _NOBODY, "/metrics": _READ, "/status": _READ}
"""By the path; any other needs what ``/status`` needs, so that nobody learns which there are."""


def may_see(user: User, alias: bytes) -> bool:
    """Returns whether the user may ask for an entry of that name."""
    return not user.prefixes or alias.startswith(user.prefixes)


def beyond(user: User, aliases: Iterable[bytes]) -> bytes | None:
    """Returns the first of these names that the user may not ask for; None where he may ask for all."""
    if not user.prefixes:
        return None
    return next((alias for alias in aliases if not alias.startswith(user.prefixes)), None)


def role_of(request: Any) -> Role:
    """Returns the role that a request needs.

    Raises:
        KeyError: the table lacks it.
    """
    kind = type(request)
    if kind is m.Many or kind is m.Transaction:
        return max((role_of(part) for part in request.requests), default=_READ)
    if kind is m.Traced:
        return role_of(request.request)
    if kind is m.Append and request == m.Append(request.id, request.alias, b""):
        return _READ  # to append nothing changes nothing, and tells the size
    return REQUESTS[kind]


def aliases_of(request: Any) -> Iterable[bytes]:
    """Returns the names of entries that a request is about, and the prefix of one that is about all under it."""
    kind = type(request)
    if kind is m.Many or kind is m.Transaction:
        return [part.alias for part in request.requests]
    if kind is m.Traced:
        return aliases_of(request.request)
    if kind is m.PrefixScan or kind is m.Follow:
        return (request.prefix,)
    alias = getattr(request, "alias", None)
    return (alias,) if alias is not None else ()
