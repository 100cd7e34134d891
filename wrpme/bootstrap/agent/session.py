"""The agent's end of the channel: requests in, answers out, one at a time.

The channel's own files are out of reach for everything else in this process and for its children: what a library prints
goes to stderr, and a daemon that is started here never keeps the SSH session open.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from contextlib import suppress

from wrpme.bootstrap.agent import errors
from wrpme.bootstrap.agent.errors import Gone, Trouble
from wrpme.bootstrap.agent.limits import LINE_BYTES_MAX, SILENCE_SECONDS_MAX
from wrpme.bootstrap.agent.paths import Base, base_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wrpme.bootstrap.agent.lock import Hold

    Handler = Callable[["Session", dict[str, Any]], dict[str, Any]]

HANDLERS = {
    "look": "survey",
    "lock": "lock",
    "install": "releases",
    "prune": "releases",
    "configure": "node",
    "start": "node",
    "stop": "node",
    "state": "node",
    "ask": "relay",
    "reach": "relay",
    "log": "tails",
    "remove": "cleanup",
    "clean": "cleanup",
}
FREE = ("look", "lock", "state", "ask", "reach", "log")
"""What needs no lock."""


class Channel:
    """Lines from ``into`` and to ``out``, which are file descriptors."""

    def __init__(self, into: int, out: int) -> None:
        self._into = into
        self._out = out
        self._buffer = bytearray()
        self._heard = time.monotonic()

    def read(self) -> dict[str, Any]:
        """The next request that is no beat.

        Raises:
            Gone: there will be none.
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
        """Waits.

        Raises:
            Gone: nobody waits for an answer any more.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._hear(left)

    def _hear(self, seconds: float) -> None:
        silent_at = self._heard + SILENCE_SECONDS_MAX
        wait = max(0.0, min(seconds, silent_at - time.monotonic()))
        if not select.select([self._into], [], [], wait)[0]:
            if time.monotonic() >= silent_at:
                raise Gone
            return
        got = os.read(self._into, 65_536)
        self._buffer += got
        if not got or len(self._buffer) > LINE_BYTES_MAX:
            raise Gone
        self._heard = time.monotonic()

    def write(self, answer: dict[str, Any]) -> None:
        """Raises Gone: nobody reads it."""
        left = memoryview(
            (json.dumps(answer, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8", "replace")
        )
        try:
            while left:
                left = left[os.write(self._out, left) :]
        except OSError:
            raise Gone from None


class Session:
    """What requests of one channel share. ``children`` are processes that were begun here and go on."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.hold: Hold | None = None
        self.children: list[Any] = []
        self._base: Base | None = None

    @property
    def base(self) -> Base:
        """The directory that was looked at or locked last."""
        if self._base is None:
            raise Trouble("no directory was named yet; this is a defect of wrpme", "internal")
        return self._base

    def enter(self, directory: str) -> Base:
        """What follows is about that directory."""
        base = Base(base_directory(directory))
        if self.hold is not None and self.hold.directory != base.directory:
            raise Trouble(f"{self.hold.directory} is locked here, not {base.directory}; a defect of wrpme", "internal")
        self._base = base
        return base

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Does what is asked for; the answer to it.

        Raises:
            Gone: nobody waits for it.
        """
        do = str(request.pop("do", ""))
        try:
            if do not in HANDLERS:
                raise Trouble(f'the agent knows no request "{do[:80]}"; this is a defect of wrpme', "internal")
            if do not in FREE and self.hold is None:
                raise Trouble(f"{do} without the lock; this is a defect of wrpme", "internal")
            return {"ok": _handler(do)(self, request)}
        except Trouble as error:
            return {"error": {"word": error.word, "sentence": error.sentence}}
        except OSError as error:
            found = errors.of(error)
            return {"error": {"word": found.word, "sentence": found.sentence}}
        except (Gone, KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:
            import traceback

            traceback.print_exc()
            sentence = f"{do} failed ({type(error).__name__}: {error}); this is a defect of wrpme"
            return {"error": {"word": "internal", "sentence": sentence}}

    def close(self) -> None:
        """Lets the lock go, and leaves no empty directory behind."""
        if self.hold is not None:
            from wrpme.bootstrap.agent import cleanup

            with suppress(Trouble, OSError):
                cleanup.tidy(self.base)
            self.hold.release()


def _handler(do: str) -> Handler:
    from importlib import import_module

    handler: Handler = getattr(import_module(f"wrpme.bootstrap.agent.{HANDLERS[do]}"), do)
    return handler


def hello() -> dict[str, Any]:
    """What this machine is, as far as it matters for what can be installed here."""
    system = os.uname()
    return {
        "hello": 1,
        "python": list(sys.version_info[:3]),
        "executable": sys.executable,
        "machine": _machine(system.machine),
        "libc": _libc(),
        "user": errors.user(),
        "uid": os.getuid(),
        "home": os.path.expanduser("~"),
        "hostname": system.nodename,
    }


def _machine(kernel: str) -> str:
    """Of this Python: with a 64-bit kernel it may still have 32 bits."""
    if sys.maxsize > 2**32:
        return kernel
    return {"x86_64": "i686", "aarch64": "armv7l"}.get(kernel, kernel)


def _libc() -> list[str]:
    with suppress(ValueError, OSError):
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        if name == "glibc":
            return [name, version]
    with suppress(OSError):
        for name in sorted(os.listdir("/lib")):
            if name.startswith("ld-musl-"):
                import subprocess

                said = subprocess.run([f"/lib/{name}"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
                return ["musl", said.stderr.decode("utf-8", "replace").partition("Version ")[2].partition("\n")[0]]
    return ["", ""]


def serve() -> None:
    """Serves stdin and stdout until nobody is there."""
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    if os.getuid() == 0:
        os.umask(0o022)
    session = Session(channel)
    try:
        # Behind what a login script has written without an end of line.
        os.write(channel._out, b"\n")
        channel.write(hello())
        while True:
            channel.write(session.answer(channel.read()))
    except (Gone, OSError):
        pass
    finally:
        session.close()
