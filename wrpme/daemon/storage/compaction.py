"""Gives the space of what was removed back to the system, and takes what remains of it out of the way of scans.

LevelDB only notes that a key is removed; the key, its content and the note lie there until its files are written anew,
which it does by itself where new writes come, and nowhere else. So once much was removed, everything is gone through
here: in a thread of its own beside all reads and writes, in slices of a second at most, with pauses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol
from wrpme.daemon.limits import COMPACTION_PAUSES


Range = tuple[bytes, bytes]


class Compactable(Protocol):
    """A store on a disk."""

    def slices(self) -> Sequence[Range]:
        """Returns all ranges of keys, in parts that take little time."""

    def has_room(self) -> bool:
        """Returns whether the disk has room for a slice that is written anew before the old one goes."""

    def compact(self, low: bytes, high: bytes) -> None:
        """Writes one slice anew."""


class Compaction:
    """Compacts the whole store when it is asked to; however often it is asked while it works, it goes through once
    more."""

    def __init__(self, store: Compactable, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._asked = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Begins soon. Call it on the loop."""
        self._asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="compaction", daemon=True)
            self._thread.start()

    def close(self, seconds: float) -> bool:
        """Waits for the slice that is written; returns whether it came to an end in that time. The store must not be
        closed before."""
        self._closing.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def _work(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            began = self._clock()
            for low, high in self._store.slices():
                if self._closing.is_set():
                    return
                if not self._store.has_room():
                    break
                self._store.compact(low, high)
            if self._closing.wait(COMPACTION_PAUSES * (self._clock() - began)):
                return
