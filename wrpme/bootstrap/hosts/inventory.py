"""What is found on a host: the answers of the agent as checked types. This module is pure.

A :class:`Record` is also written to the host for each node, so that a later command knows how it was configured.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from wrpme.errors import RemoteError

T = TypeVar("T")


class Hello(Struct, frozen=True):
    """What the agent says of its machine when it starts."""

    python: tuple[int, int, int]
    executable: str
    machine: str
    libc: tuple[str, str]
    user: str
    uid: int
    home: str
    hostname: str


class Record(Struct, frozen=True):
    """How a node was configured. ``service`` is system, user or process, ``tls`` is the ``--tls-mode`` that it was
    given, "" where its TLS is not managed. Fields of a later version are ignored."""

    address: str
    advertise: str = ""
    arguments: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    release: str = ""
    service: str = "process"
    tls: str = ""


class NodeFound(Struct, frozen=True):
    """A node as it was found on its host.

    ``hive`` is the id (in hex) that its data directory names, ``bytes`` the size of that directory, ``port`` one of
    free, ours, taken and unbindable. ``holder`` says who has the port, or why nobody can listen there. ``certificate``
    and ``trusted`` are in PEM: its certificate, and the CAs that it trusts.
    """

    record: Record | None
    data: bool
    bytes: int
    pid: int | None
    unit_state: str = ""
    port: str = "free"
    holder: str = ""
    address_local: bool = True
    hive: str = ""
    release_running: str | None = None
    certificate: str = ""
    trusted: str = ""


class HostInventory(Struct, frozen=True):
    """A host as it was found.

    ``writable`` is empty, or says why the base directory can't be written. ``lock`` names the operator who is at work
    there, and is empty if nobody is. ``clock`` is in seconds since 1970.
    """

    directory: str
    exists: bool
    writable: str
    free_bytes: int
    clock: float
    utc_offset_seconds: int
    service: str
    service_reason: str
    releases: tuple[str, ...]
    nodes: dict[str, NodeFound]
    lock: str = ""
    survives: bool = True
    """Whether a process of this user outlives the user's last session."""
    free_files: int = -1
    """How many files may still be made on that disk; -1 if nothing but the space counts."""
    key_makers: tuple[str, ...] = ()
    """Those of the releases that can make keys."""
    identity: str = ""
    """The same for two hosts only if they are one machine and have one directory; empty if that is not known."""


def read_answer(kind: type[T], answer: Any, host: str) -> T:
    """Returns an answer of the agent as that type.

    Raises:
        RemoteError: the answer does not fit the type.
    """
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise RemoteError(f"{host}: its answer makes no sense ({error}); this is a defect of wrpme") from None
