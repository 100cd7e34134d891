"""Releases of wrpme on this machine: each whole in a directory of its own, or not there."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress

from wrpme.bootstrap.agent import errors, files, processes
from wrpme.bootstrap.agent.errors import Trouble
from wrpme.bootstrap.agent.limits import INSTALL_SECONDS_MAX
from wrpme.bootstrap.agent.paths import Base, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.session import Session

INCOMING = re.compile(r"incoming-.*\.zip(\.part)?\Z")
BEGUN = ".begun"
"""A file beside a release that is not complete yet: what is in its directory is ours, and no good."""
SIGNS_OF_FULL = ("No space left on device", "Disk quota exceeded")


def install(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Makes the release of ``bundle``, a file that installs itself into the directory that it is given, and removes
    that and what else was sent; ``installed`` is false where it was there already.

    Raises:
        Trouble: it can't be; nothing of it is left.
    """
    base, release = session.base, checked(request["release"])
    bundle = str(request["bundle"])
    directory = f"{base.versions}/{release}"
    begun = directory + BEGUN
    installed = False
    if not os.path.exists(f"{directory}/complete"):
        files.make_directory(base.versions)
        if os.path.lexists(directory) and not os.path.lexists(begun) and not files.remove_empty(directory):
            raise Trouble(f"{directory} is there, but was not made by wrpme; move it away")
        try:
            files.write(begun, b"")
            files.remove_tree(directory)
            _run(bundle, directory)
        except BaseException:
            with suppress(Trouble):
                files.remove_tree(directory)
                files.remove(begun)
                remove_incoming(base)
            raise
        installed = True
    files.remove(begun)
    remove_incoming(base)
    return {"installed": installed}


def _run(bundle: str, directory: str) -> None:
    import subprocess

    command = [sys.executable, "-I", "-B", bundle, directory]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd="/", timeout=INSTALL_SECONDS_MAX, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Trouble(f"installing into {directory} took longer than {INSTALL_SECONDS_MAX:g} s; see its disk") from None
    except OSError as error:
        raise errors.of(error, sys.executable) from None
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode == 0 and os.path.exists(f"{directory}/complete"):
        return
    last = said.splitlines()[-1] if said else f"can't install into {directory}: no word, status {done.returncode}"
    if any(sign in last for sign in SIGNS_OF_FULL):
        raise Trouble(f"{last}; make room there and give the command again", "disk_full")
    raise Trouble(last)


def remove_incoming(base: Base) -> None:
    """Removes what was sent, or begun to be sent: who has the lock needs it no more."""
    for name in os.listdir(base.directory):
        if INCOMING.match(name):
            files.remove(f"{base.directory}/{name}")


def prune(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Removes releases but for those to ``keep`` and those that a node is configured for or runs; answers ``removed``
    and ``used``, those that were not to be kept but are needed.

    Raises:
        Trouble: one can't be removed.
    """
    base = session.base
    needed = _used(session, base)
    wanted = set(request["keep"])
    removed: list[str] = []
    used: list[str] = []
    for release in all_releases(base):
        if release in wanted:
            continue
        if release in needed:
            used.append(release)
            continue
        remove_release(base, release)
        removed.append(release)
    return {"removed": removed, "used": used}


def _used(session: Session, base: Base) -> set[str]:
    nodes = [base.node(name) for name in base.node_names()]
    found = {one.release for each in processes.running(session, nodes).values() for one in each}
    return found | {str((node.read_record() or {}).get("release", "")) for node in nodes}


def all_releases(base: Base) -> list[str]:
    """Those that are installed, wholly or in part, by us."""
    try:
        begun = [name.removesuffix(BEGUN) for name in os.listdir(base.versions) if name.endswith(BEGUN)]
    except (FileNotFoundError, NotADirectoryError):
        begun = []
    return sorted({*base.releases(), *begun})


def remove_release(base: Base, release: str) -> None:
    """Removes it so that what is left of it, if this is cut off, is known to be no release."""
    directory = f"{base.versions}/{release}"
    files.write(directory + BEGUN, b"")
    files.remove(f"{directory}/complete")
    files.remove_tree(directory)
    files.remove(directory + BEGUN)
