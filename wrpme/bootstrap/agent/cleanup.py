"""Removal of what wrpme made, and of nothing else: what somebody else put beside it stays, and the answer names it.

The files that say what else there is are removed last, so that a removal that was cut off is finished by the next one.
"""

from __future__ import annotations

import os
import re

from wrpme.bootstrap.agent import files, lock, processes, releases, service_manager
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.paths import Base, Made, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.session import Session

DATA_ASIDE = re.compile(r"data\.[A-Za-z0-9.-]+\Z")
LOG_MOVED = re.compile(r"log[.-][0-9A-Za-z.-]+\Z")


def remove(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Removes a node that does not run: its unit, files, key and logs, and with ``data`` its data.

    ``removed`` of the answer says whether anything was there; ``left`` names what is not of wrpme and stays.

    Raises:
        AgentError: the node runs, or something can't be removed.
    """
    base = session.base
    node = base.node(request["name"])
    found = processes.running(session, [node]).get(node.name)
    if found:
        raise AgentError(f"node {node.name} still runs (process {found[0].pid}); stop it first")
    removed = False
    if node.service != "process":
        removed |= service_manager.uninstall(node, node.service)
    for name in _names(node.directory):
        path = f"{node.directory}/{name}"
        ours = name in ("run", "pid", "out", "log") or LOG_MOVED.match(name) or name.endswith(files.NEW)
        if ours and not os.path.isdir(path):
            removed |= files.remove(path)
        elif name == os.path.basename(node.tls):
            files.remove_tree(path)
            removed = True
        elif request["data"] and (name == "data" or DATA_ASIDE.match(name)):
            files.remove_tree(path)
            removed = True
    removed |= files.remove(node.record)
    files.remove_empty(node.directory)
    files.remove_empty(base.nodes)
    kept = [f"{node.directory}/{name}" for name in _names(node.directory)]
    left = [path for path in kept if request["data"] or not _is_data(node, path)]
    return {"removed": removed, "left": ", ".join(left)}


def _is_data(node: Node, path: str) -> bool:
    return path == node.data or bool(DATA_ASIDE.match(os.path.basename(path)))


def clean(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Removes what wrpme made in the base directory and for it, unless a node is left.

    ``removed`` of the answer says whether nothing is left: the base directory is gone, or it is empty and wrpme did not
    make it. ``left`` names what is left in it.

    Raises:
        AgentError: something can't be removed.
    """
    base = session.base
    files.remove_empty(base.nodes)
    if base.node_names():
        left = [f"{base.nodes}/{name}" for name in base.node_names()]
        return {"removed": False, "left": ", ".join(left)}
    for release in releases.all_releases(base):
        releases.remove_release(base, release)
    files.remove_empty(base.versions)
    releases.remove_incoming(base)
    for name in _names(base.directory):
        if name.endswith(files.NEW):
            files.remove(f"{base.directory}/{name}")
    own = (os.path.basename(base.made), os.path.basename(base.lock))
    kept = [f"{base.directory}/{name}" for name in _names(base.directory) if name not in own]
    made = base.read_made()
    if made.linger:
        service_manager.disable_linger()
        made.linger = False
        base.write_made(made)
    if kept:
        return {"removed": False, "left": ", ".join(kept)}
    _remove_base(base, made)
    if session.hold is not None and not os.path.isdir(base.directory):
        session.hold.release()
        session.hold = None
    return {"removed": True, "left": ""}


def tidy(base: Base) -> None:
    """Removes the base directory again if wrpme made it and nothing was put into it. The caller has the lock."""
    own = {os.path.basename(base.made), os.path.basename(base.lock)}
    made = base.read_made()
    if base.directory in made.directories and not made.linger and own.issuperset(_names(base.directory)):
        _remove_base(base, made)


def _remove_base(base: Base, made: Made) -> None:
    """Removes the base directory and those above it that wrpme made, as far as nothing else is in them.

    They are renamed first, and disappear all at once with the note that wrpme made them; the next agent removes what is
    left under that name. Were the note removed before the directory, an agent that is killed in between would leave a
    directory of which nobody knows whose it is.
    """
    for path in reversed(made.directories):
        if not _is_above(path, base.directory):
            files.remove_empty(path)
    files.remove(base.lock)
    ours, below = "", os.path.basename(base.made)
    above = [path for path in reversed(made.directories) if _is_above(path, base.directory)]
    for path in above:
        if set(_names(path)) - {below}:
            break
        ours, below = path, os.path.basename(path)
    if not ours:
        files.remove(base.made)
        return
    going = lock.unfinished(ours)
    try:
        # Whoever makes the base directory uses the same name beside it, and would lose what it has just made there.
        with lock.making(os.path.dirname(ours), wait=True):
            files.remove_tree(going)
            os.rename(ours, going)
            files.remove_tree(going)
    except OSError:  # it is a mount point, or this user may not change the directory above
        files.remove(base.made)
        for path in above:
            files.remove_empty(path)


def _is_above(path: str, base: str) -> bool:
    return base == path or base.startswith(f"{path}/")


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
