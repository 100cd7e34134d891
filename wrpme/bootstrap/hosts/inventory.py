"""What is found on a host: the answers of the agent, checked. Pure.

A :class:`Record` is also what is kept there of a node, so that whoever comes next knows how it was configured.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from wrpme.errors import RemoteError

T = TypeVar("T")


class Hello(Struct, frozen=True):
    """What the agent says of its machine when it begins."""

    python: tuple[int, int, int]
    executable: str
    machine: str
    libc: tuple[str, str]
    user: str
    uid: int
    home: str
    hostname: str


class Record(Struct, frozen=True):
    """How a node was configured; ``service`` is system, user or process. Fields of a later version are passed over."""

    address: str
    advertise: str = ""
    arguments: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    release: str = ""
    service: str = "process"


class NodeFound(Struct, frozen=True):
    """A node on its host. ``hive`` is the id (in hex) that its data directory names, ``port`` one of free, ours, taken,
    unbindable; ``holder`` says by whom it is taken."""

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


class Look(Struct, frozen=True):
    """A host as it is. ``writable`` is empty, or says why the base directory can't be written; ``lock`` says who works
    there, if anybody does; ``clock`` is in seconds since 1970."""

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
    """Whether a process of this user outlives its last session."""


def read(kind: type[T], answer: Any, host: str) -> T:
    """An answer of the agent.

    Raises:
        RemoteError: it is not what was asked for.
    """
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise RemoteError(f"{host}: its answer makes no sense ({error}); this is a defect of wrpme") from None
