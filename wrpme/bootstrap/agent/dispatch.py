"""Which function carries out each request, and the agent's life from its hello to the end of its input.

The table below is the whole protocol of the agent; :mod:`wrpme.bootstrap.agent` says what each request carries.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from wrpme.bootstrap.agent import certificates, cleanup, errors, lock, node, relay, releases, survey
from wrpme.bootstrap.agent.errors import AgentError, ChannelClosedError
from wrpme.bootstrap.agent.session import Channel, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Handler = Callable[[Session, dict[str, Any]], dict[str, Any]]

HANDLERS: dict[str, Handler] = {
    "look": survey.look,
    "lock": lock.lock,
    "install": releases.install,
    "prune": releases.prune,
    "configure": node.configure,
    "make_key": certificates.make_key,
    "certify": certificates.certify,
    "reread": certificates.reread,
    "shown": certificates.shown,
    "start": node.start,
    "stop": node.stop,
    "state": node.state,
    "ask": relay.ask,
    "reach": relay.reach,
    "log": node.log,
    "remove": cleanup.remove,
    "clean": cleanup.clean,
}
WITHOUT_LOCK = ("look", "lock", "shown", "state", "ask", "reach", "log")
"""These requests change nothing that another operator could be changing too."""


def serve() -> None:
    """Serves stdin and stdout until nobody is at the other end."""
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    if os.getuid() == 0:
        os.umask(0o022)
    session = Session(channel)
    try:
        # A login script may have written something without an end of line.
        channel.end_line()
        channel.write(hello())
        while True:
            channel.write(answer(session, channel.read()))
    except (ChannelClosedError, OSError):
        pass
    finally:
        close(session)


def answer(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Carries out a request and returns the answer to it, which may be an error.

    Raises:
        ChannelClosedError: nobody waits for the answer any more.
    """
    do = str(request.pop("do", ""))
    try:
        if do not in HANDLERS:
            raise AgentError(f'the agent knows no request "{do[:80]}"; this is a defect of wrpme', "internal")
        if do not in WITHOUT_LOCK and session.hold is None:
            raise AgentError(f"{do} without the lock; this is a defect of wrpme", "internal")
        return {"ok": HANDLERS[do](session, request)}
    except AgentError as error:
        return {"error": {"word": error.word, "sentence": error.sentence}}
    except OSError as error:
        found = errors.from_os_error(error)
        return {"error": {"word": found.word, "sentence": found.sentence}}
    except (ChannelClosedError, KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        import traceback

        traceback.print_exc()
        sentence = f"{do} failed ({type(error).__name__}: {error}); this is a defect of wrpme"
        return {"error": {"word": "internal", "sentence": sentence}}


def close(session: Session) -> None:
    """Lets the lock go, and leaves no empty base directory behind."""
    if session.hold is not None:
        with suppress(AgentError, OSError):
            cleanup.tidy(session.base)
        session.hold.release()


def hello() -> dict[str, Any]:
    """Returns what this machine is, as far as that decides what can be installed on it."""
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
    """Returns the processor that this Python is made for: under a 64-bit kernel it may still have 32 bits."""
    if sys.maxsize > 2**32:
        return kernel
    return {"x86_64": "i686", "aarch64": "armv7l"}.get(kernel, kernel)


def _libc() -> list[str]:
    """Returns the name of the C library, glibc or musl, and its version; both are empty if it is another one."""
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
