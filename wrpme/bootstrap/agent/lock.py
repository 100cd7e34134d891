"""The lock of the base directory, which lets one operator at a time change something there.

The lock is flock on the directory itself, so it ends with the process that has it, however that ends. The file ``lock``
in the directory is for people: it says who holds the lock. A process that was killed leaves it behind; then nobody
holds the lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress

from wrpme.bootstrap.agent import errors, files, limits
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.limits import LOCK_SECONDS_MIN, LOOK_AGAIN_SECONDS
from wrpme.bootstrap.agent.paths import Base
from wrpme.bootstrap.agent.session import Hold, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

UNFINISHED = ".wrpme-new"
"""The end of the name of a base directory that is being made or removed."""


def lock(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Takes the lock of ``directory``, which it makes if it is missing, and waits ``seconds`` for another holder.

    ``text`` says who wants the lock, and for what. ``made`` of the answer has the directories that were made.

    Raises:
        AgentError: another operator has it (its word is ``locked``), or the directory can't be made or locked.
    """
    base = session.enter(request["directory"])
    if session.hold is not None:
        return {"made": []}
    end = time.monotonic() + max(float(request["seconds"]), LOCK_SECONDS_MIN)
    made: list[str] = []
    while True:
        made += _make_base(base)
        handle = _try_lock(base.directory)
        if handle is not None:
            break
        if time.monotonic() >= end:
            raise AgentError(_locked_sentence(base), "locked")
        session.channel.pause(LOOK_AGAIN_SECONDS)
    session.hold = Hold(base, handle)
    try:
        files.write(base.lock, (str(request["text"]).strip() + "\n").encode())
    except AgentError:
        session.hold.release()
        session.hold = None
        raise
    return {"made": made}


def _locked_sentence(base: Base) -> str:
    text = held_by(base)
    return (
        f"{text or 'somebody'} is at work there; wait until that is done (a connection that broke is given up after "
        f"{limits.SILENCE_SECONDS_MAX:.0f} s), and give the command again"
    )


def _try_lock(directory: str) -> int | None:
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.from_os_error(error, directory) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if files.is_open_at(handle, directory):  # else it was removed meanwhile, and perhaps made anew
            return handle
    except BlockingIOError:
        pass
    except OSError as error:
        os.close(handle)
        raise AgentError(
            f"{directory} can't be locked ({error.strerror}), as on a network file system; give a directory on a disk "
            "of the machine"
        ) from None
    os.close(handle)
    return None


def held_by(base: Base) -> str:
    """Returns who has the lock, empty if nobody has it. To find out, it takes a shared lock for a moment."""
    try:
        handle = os.open(base.directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = (files.read(base.lock) or b"").decode("utf-8", "replace").strip()
        return text or "somebody"
    except OSError:
        return ""
    finally:
        os.close(handle)
    return ""


def unfinished(directory: str) -> str:
    """Returns the name beside ``directory`` that it has while it is made or removed."""
    return f"{os.path.dirname(directory)}/.{os.path.basename(directory)}{UNFINISHED}"


def _make_base(base: Base) -> list[str]:
    """Makes the base directory and those above it that are missing; returns which ones, outermost first.

    They are made under another name and appear all at once, with the note in them that wrpme made them: so an agent
    that is killed leaves no directory of which nobody knows whose it is. While another agent does the same, the base
    directory may still be missing afterwards.
    """
    if os.path.isdir(base.directory):
        return []
    missing = [base.directory]
    while not os.path.lexists(parent := os.path.dirname(missing[0])):
        missing.insert(0, parent)
    fresh = unfinished(missing[0])
    try:
        with making(parent):
            if os.path.isdir(base.directory):
                return []
            try:
                files.remove_tree(fresh)
                os.makedirs(fresh + base.directory.removeprefix(missing[0]))
                note = {"directories": missing, "linger": False}
                files.write_json(fresh + base.made.removeprefix(missing[0]), note)
                os.rename(fresh, missing[0])
            except BaseException:
                with suppress(AgentError):
                    files.remove_tree(fresh)
                raise
            files.sync_directory(parent)
    except (BlockingIOError, FileNotFoundError):
        return []
    except OSError as error:
        raise errors.from_os_error(error, base.directory) from None
    return missing


@contextmanager
def making(directory: str, wait: bool = False) -> Iterator[None]:
    """Locks that directory against others who make or remove something in it, if its file system can lock. With
    ``wait`` it waits for them: who makes something waits for nobody meanwhile, so that is soon over.

    Raises:
        BlockingIOError: somebody else has it locked, and nobody waits.
    """
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass
        yield
    finally:
        os.close(handle)
