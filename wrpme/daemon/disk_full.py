"""What runs in the place of a node whose disk is full, or that lacks something else for now. It answers all clients at
once, and takes part in nothing.

To the hive the node is down. :mod:`wrpme.daemon.supervisor` finds out when there is space again.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from wrpme.core.access.sessions import NobodyAsked
from wrpme.core.fast_path import NoFastPath
from wrpme.core.membership.speakers import Names
from wrpme.core.io import Effect, Input, Exit, ReplyTo, Requested, SessionClosed, StopAsked, HostRequest
from wrpme.daemon.resources import free_bytes
from wrpme.errors import DiskFullError, StorageError
from wrpme.limits import DISK_FREE_BYTES_MIN, MIB
from wrpme.protocol.events import ClusterEvent
from wrpme.protocol.messages import Envelope, Failed, GetLog, Request, ViewIs


class Shown(NobodyAsked):
    """Knows no users, and who has shown the certificate of the node."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def certified(self, session: int) -> None:
        """See :class:`wrpme.core.access.sessions.Access`."""
        self.numbers.add(session)


class UnavailableNode:
    """A :class:`wrpme.daemon.runner.NodeLike` without data. It answers every request with an error: ``code`` is its
    code, and ``sentence`` says what is lacking. Where its hive may have users (``secured``), whom it can't look up, its
    log is for those alone who show its own certificate."""

    def __init__(self, sentence: str, code: int = DiskFullError.code, secured: bool = False) -> None:
        self.wake_at = inf
        self.events: Sequence[ClusterEvent] = ()
        self._sentence = sentence
        self._code = code
        self.fast_path = NoFastPath()
        self.sessions = Shown()
        self._secured = secured

    def start(self, now: float) -> list[Effect]:
        """Has nothing to do."""
        return []

    def handle(self, given: Input, now: float) -> list[Effect]:
        """Grants a stop at once, and leaves unanswered what other nodes say."""
        if isinstance(given, StopAsked):
            return [Exit(0)]
        if isinstance(given, SessionClosed):
            self.sessions.numbers.discard(given.session)
        if isinstance(given, Requested):
            return self.request(given.session, given.request, now)
        return []

    def request(self, session: int, request: Request, now: float) -> list[Effect]:
        """Declines; only the log is answered, which an operator may need now."""
        if isinstance(request, GetLog) and (not self._secured or session in self.sessions.numbers):
            return [HostRequest(session, request)]
        return [ReplyTo(session, Failed(request.id, self._code, self._sentence))]

    def objection(self, envelope: Envelope, names: Names) -> None:
        """Objects to nothing, as it heeds nothing."""

    def stats(self, now: float) -> str:
        """Returns no figures: a request to watch is declined too."""
        return ""

    def measured(self, now: float) -> None:
        """Returns no figures."""

    def view_for(self, number: int) -> ViewIs | None:
        """Returns no view."""
        return None


def sentence(lack: StorageError, address: str, directory: str) -> str:
    """Returns what is lacking, and what to do, as the log and the clients are told."""
    if not isinstance(lack, DiskFullError):
        return f"{lack.sentence}; until then the node {address} serves nothing, and it returns by itself"
    free = free_bytes(directory)
    shown = "" if free is None else f" ({free / MIB:.1f} MiB free)"
    return (
        f"the disk of the data directory {directory} is full{shown}, so the node {address} serves nothing; free at "
        f"least {DISK_FREE_BYTES_MIN // MIB} MiB on it, and the node returns by itself"
    )
