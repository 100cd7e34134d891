"""What runs in the place of the node while its disk is full, or lacks something else for now: it answers all clients at
once, and takes part in nothing.

To the hive it is a node that is down. Whether there is space again is for :mod:`wrpme.daemon.supervisor` to find out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import inf

from wrpme.core.io import Effect, Event, Exit, ReplyTo, Requested, StopAsked, ToRunner
from wrpme.errors import DiskFullError, StorageError
from wrpme.limits import DISK_FREE_BYTES_MIN, MIB
from wrpme.protocol.events import Happening
from wrpme.protocol.messages import Failed, GetLog, Request, ViewIs


class Bystander:
    """A :class:`wrpme.daemon.runner.NodeLike` without data. ``code`` is that of the error which the sentence is of."""

    def __init__(self, sentence: str, code: int = DiskFullError.code) -> None:
        self.wake_at = inf
        self.happenings: Sequence[Happening] = ()
        self._sentence = sentence
        self._code = code

    def start(self, now: float) -> list[Effect]:
        """Asks for nothing."""
        return []

    def handle(self, event: Event, now: float) -> list[Effect]:
        """A stop is granted at once; whatever other nodes say stays unanswered."""
        if isinstance(event, StopAsked):
            return [Exit(0)]
        if isinstance(event, Requested):
            return self.request(event.session, event.request, now)
        return []

    def request(self, session: int, request: Request, now: float) -> list[Effect]:
        """Says why not; only the log is told, as nobody may need it more."""
        if isinstance(request, GetLog):
            return [ToRunner(session, request)]
        return [ReplyTo(session, Failed(request.id, self._code, self._sentence))]

    def figures(self, now: float) -> str:
        """There are none, and nobody watches: that is declined too."""
        return ""

    def view_for(self, number: int) -> ViewIs | None:
        """There is none."""
        return None


def free_bytes(directory: str) -> int | None:
    """What this user may still write on the disk of the directory, which need not be there yet; None where the system
    does not tell."""
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def has_space(directory: str) -> bool:
    """Whether it is worth while to try again. A quota is only met by trying."""
    free = free_bytes(directory)
    return free is None or free >= DISK_FREE_BYTES_MIN


def sentence(lack: StorageError, address: str, directory: str) -> str:
    """For the log and for clients: what is lacking."""
    if not isinstance(lack, DiskFullError):
        return f"{lack.sentence}; until then the node {address} serves nothing, and it returns by itself"
    free = free_bytes(directory)
    shown = "" if free is None else f" ({free / MIB:.1f} MiB free)"
    return (
        f"the disk of the data directory {directory} is full{shown}, so the node {address} serves nothing; free at "
        f"least {DISK_FREE_BYTES_MIN // MIB} MiB on it, and the node returns by itself"
    )
