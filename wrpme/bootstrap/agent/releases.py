"""The releases of wrpme on this machine. Each is complete in a directory of its own, or not there."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress

from wrpme.bootstrap.agent import errors, files, processes
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.limits import INSTALL_SECONDS_MAX
from wrpme.bootstrap.agent.paths import Base, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.session import Session

INCOMING = re.compile(r"incoming-.*\.zip(\.part)?\Z")
BEGUN = ".begun"
"""The end of the name of a file beside a release that is not complete: wrpme made its directory, which is of no use."""
SIGNS_OF_FULL = ("No space left on device", "Disk quota exceeded")


def install(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Installs the release of ``bundle``, a program that installs itself into a directory, and removes the bundle and
    whatever else was sent.

    ``installed`` of the answer is false if the release was there already.

    Raises:
        AgentError: it can't be installed; nothing of it is left.
    """
    base, release = session.base, checked(request["release"])
    bundle = str(request["bundle"])
    directory = f"{base.versions}/{release}"
    begun = directory + BEGUN
    installed = False
    if not os.path.exists(f"{directory}/complete"):
        files.make_directory(base.versions)
        if os.path.lexists(directory) and not os.path.lexists(begun) and not files.remove_empty(directory):
            raise AgentError(f"{directory} is there, but was not made by wrpme; move it away")
        try:
            files.write(begun, b"")
            files.remove_tree(directory)
            _run(bundle, directory)
        except BaseException:
            with suppress(AgentError):
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
        sentence = f"installing into {directory} took longer than {INSTALL_SECONDS_MAX:g} s; see its disk"
        raise AgentError(sentence) from None
    except OSError as error:
        raise errors.from_os_error(error, sys.executable) from None
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode == 0 and os.path.exists(f"{directory}/complete"):
        return
    last = said.split("\n")[-1] if said else f"can't install into {directory}: no word, status {done.returncode}"
    if any(sign in last for sign in SIGNS_OF_FULL):
        raise AgentError(f"{last}; make room there and give the command again", "disk_full")
    raise AgentError(last)


def remove_incoming(base: Base) -> None:
    """Removes the files that were sent, wholly or in part: the holder of the lock sent them, and needs them no more."""
    for name in os.listdir(base.directory):
        if INCOMING.match(name):
            files.remove(f"{base.directory}/{name}")


def prune(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Removes all releases except those to ``keep`` and those that a node runs or is configured for.

    ``removed`` of the answer has those that were removed, ``used`` those that a node needs though they were not to be
    kept.

    Raises:
        AgentError: one can't be removed.
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
    """Returns the releases that wrpme installed, wholly or in part."""
    try:
        begun = [name.removesuffix(BEGUN) for name in os.listdir(base.versions) if name.endswith(BEGUN)]
    except (FileNotFoundError, NotADirectoryError):
        begun = []
    return sorted({*base.releases(), *begun})


def remove_release(base: Base, release: str) -> None:
    """Removes a release in an order in which what is left of it, if this is cut off, is known to be incomplete."""
    directory = f"{base.versions}/{release}"
    files.write(directory + BEGUN, b"")
    files.remove(f"{directory}/complete")
    files.remove_tree(directory)
    files.remove(directory + BEGUN)
