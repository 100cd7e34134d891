"""The listening sockets of a node, and what of the machine bounds its connections."""

from __future__ import annotations

import errno
import resource
import socket
from contextlib import suppress

from msgspec import Struct

from wrpme.daemon.limits import BACKLOG_CONNECTIONS
from wrpme.errors import StartError
from wrpme.limits import FILES_RESERVED, NODE_SESSIONS_MAX
from wrpme.protocol.address import Address


def listen(address: Address) -> list[socket.socket]:
    """Returns sockets that listen at every address that the host of ``address`` stands for; port 0 takes any free one.

    Raises:
        StartError: the name can't be resolved, or the port can't be had.
    """
    sockets: list[socket.socket] = []
    trouble: OSError | None = None
    for family, where in _resolve(address):
        made: socket.socket | None = None
        try:
            made = socket.socket(family, socket.SOCK_STREAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not address.unspecified)
            made.bind(where)
            made.listen(BACKLOG_CONNECTIONS)
            made.setblocking(False)
            sockets.append(made)
        except OSError as error:
            if made is not None:
                made.close()
            trouble = error
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # a name may stand for several
                break
    if sockets and (trouble is None or trouble.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)):
        return sockets
    for made in sockets:
        made.close()
    raise StartError(_sentence(address, trouble))


def _resolve(address: Address) -> list[tuple[int, tuple[str, int] | tuple[str, int, int, int]]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise StartError(
            f"the name {address.host} can't be resolved; give an address of this machine with --address"
        ) from None
    return list(dict.fromkeys((int(family), where) for family, _, _, _, where in found))  # type: ignore[misc]


def _sentence(address: Address, trouble: OSError | None) -> str:
    number = trouble.errno if trouble is not None else None
    if number == errno.EADDRINUSE:
        return f"{address} is in use by another process; stop that first, or give another port with --address"
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"{address.host} is no address of this machine; give one with --address"
    if number in (errno.EACCES, errno.EPERM):
        return f"this user may not listen at {address}; give a port of 1024 or above with --address"
    return f"listening at {address} fails ({trouble.strerror if trouble is not None else 'no such address'})"


def other_peers(peers: tuple[Address, ...], sockets: list[socket.socket]) -> tuple[Address, ...]:
    """Returns the peers that are not this node under another name, as far as that can be told before anything is sent:
    one list of peers may serve all nodes of a hive."""
    own = [made.getsockname()[:2] for made in sockets]
    return tuple(peer for peer in peers if not _is_own(peer, own))


def _is_own(peer: Address, own: list[tuple[str, int]]) -> bool:
    if peer.port not in [port for _, port in own]:
        return False  # so that a slow name server costs nothing in the usual case
    unspecified = ("0.0.0.0", peer.port) in own or ("::", peer.port) in own
    with suppress(OSError, UnicodeError):
        for family, _, _, _, where in socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM):
            if where[:2] in own or (unspecified and _is_local(family, str(where[0]))):
                return True
    return False


def _is_local(family: int, host: str) -> bool:
    """Returns whether the address is one of this machine: no other can be bound."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


class Room(Struct, frozen=True):
    """How many connections others may have to this process: clients, and all together."""

    clients: int
    sessions: int


def room(wanted: int) -> Room:
    """Lets the process open as many files as ``wanted`` clients and all other nodes need, and returns what it may
    have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + NODE_SESSIONS_MAX + FILES_RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        with suppress(OSError, ValueError):
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard)
            )
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return Room(wanted, wanted + NODE_SESSIONS_MAX)
    sessions = max(2, soft - min(FILES_RESERVED, soft // 2))
    return Room(max(1, min(wanted, sessions - min(NODE_SESSIONS_MAX, sessions // 4))), sessions)
