"""What the requests of one agent share: the channel that they come through, the base directory and its lock.

Nobody else in this process, and none of its children, has the channel's file descriptors: what a library prints goes to
stderr, and a daemon that is started here never keeps the SSH session open.
"""

from __future__ import annotations

import json
import os
import select
import time
from contextlib import suppress

from wrpme.bootstrap.agent import files
from wrpme.bootstrap.agent.errors import AgentError, ChannelClosedError
from wrpme.bootstrap.agent.limits import LINE_BYTES_MAX, SILENCE_SECONDS_MAX
from wrpme.bootstrap.agent.paths import Base, base_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Channel:
    """Reads lines from the file descriptor ``into`` and writes lines to ``out``."""

    def __init__(self, into: int, out: int) -> None:
        self._into = into
        self._out = out
        self._buffer = bytearray()
        self._heard = time.monotonic()

    def read(self) -> dict[str, Any]:
        """Returns the next request that is no beat.

        Raises:
            ChannelClosedError: the input has ended, or nothing came for ``SILENCE_SECONDS_MAX``.
        """
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if end:
                self._buffer = rest
                request = json.loads(line)
                if request.get("do") != "beat":
                    return request  # type: ignore[no-any-return]
            else:
                self._hear(SILENCE_SECONDS_MAX)

    def pause(self, seconds: float) -> None:
        """Waits for that long, and goes on reading, so that the end of the input is noticed at once.

        Raises:
            ChannelClosedError: nobody waits for an answer any more.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._hear(left)

    def end_line(self) -> None:
        """Ends the line that somebody else may have begun. Raises OSError."""
        os.write(self._out, b"\n")

    def _hear(self, seconds: float) -> None:
        """Reads what comes within that time."""
        silent_at = self._heard + SILENCE_SECONDS_MAX
        wait = max(0.0, min(seconds, silent_at - time.monotonic()))
        if not select.select([self._into], [], [], wait)[0]:
            if time.monotonic() >= silent_at:
                raise ChannelClosedError
            return
        got = os.read(self._into, 65_536)
        self._buffer += got
        if not got or len(self._buffer) > LINE_BYTES_MAX:
            raise ChannelClosedError
        self._heard = time.monotonic()

    def write(self, answer: dict[str, Any]) -> None:
        """Writes an answer as one line.

        Raises:
            ChannelClosedError: nobody reads it.
        """
        left = memoryview(
            (json.dumps(answer, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8", "replace")
        )
        try:
            while left:
                left = left[os.write(self._out, left) :]
        except OSError:
            raise ChannelClosedError from None


class Hold:
    """The lock of the base directory, which is held as long as ``handle`` is open."""

    def __init__(self, base: Base, handle: int) -> None:
        self.directory = base.directory
        self._text = base.lock
        self._handle = handle

    def release(self) -> None:
        """Lets the lock go."""
        with suppress(OSError, AgentError):
            # Somebody may have removed the directory and made another one; what lies there then is not ours.
            if files.is_open_at(self._handle, self.directory):
                files.remove(self._text)
        os.close(self._handle)


class Session:
    """What the requests of one channel share. ``children`` are the processes that were started here and go on."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.hold: Hold | None = None
        self.children: list[Any] = []
        self._base: Base | None = None

    @property
    def base(self) -> Base:
        """Returns the base directory that was inspected or locked last."""
        if self._base is None:
            raise AgentError("no directory was named yet; this is a defect of wrpme", "internal")
        return self._base

    def enter(self, directory: str) -> Base:
        """Makes that directory the one that later requests are about."""
        base = Base(base_directory(directory))
        if self.hold is not None and self.hold.directory != base.directory:
            sentence = f"{self.hold.directory} is locked here, not {base.directory}; this is a defect of wrpme"
            raise AgentError(sentence, "internal")
        self._base = base
        return base
