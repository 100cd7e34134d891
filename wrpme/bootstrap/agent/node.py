"""One node on this machine: how it is to run, its start, its stop, its state and its log."""

from __future__ import annotations

import os
import time

from wrpme.bootstrap.agent import errors, files, processes, service_manager
from wrpme.bootstrap.agent.errors import Trouble
from wrpme.bootstrap.agent.limits import (
    COMMAND_SECONDS_MAX, LOG_BYTES_MAX, OUT_BYTES_MAX, TAIL_BYTES_MAX, TAIL_LINES,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.paths import Node
    from wrpme.bootstrap.agent.session import Session

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ")
"""Of the environment; the rest is the SSH session's."""
UMASK = 0o077
DIRECTORY_MODE = 0o700
"""What a hive keeps is not for all users of the machine."""


def configure(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Writes ``record``, ``run`` and the unit (``unit`` is its text, or None) where they differ; ``changed`` says
    whether. Takes effect at the next start.

    The record comes first, so that whatever else is there can be found by it and be removed; whoever compares, compares
    all three (see ``look``).

    Raises:
        Trouble: one of them can't be written.
    """
    node = session.base.node(request["name"])
    record: dict[str, Any] = request["record"]
    before, service = node.service, record["service"]
    files.make_directory(session.base.nodes)
    files.make_directory(node.directory, DIRECTORY_MODE)
    changed = False
    if before not in ("process", service):
        changed |= service_manager.uninstall(node, before)
    changed |= files.write_json(node.record, record)
    changed |= files.write(node.run, request["run"].encode(), 0o755)
    if request["unit"] is not None:
        changed |= service_manager.install(session.base, node, service, request["unit"])
    return {"changed": changed}


def start(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Starts the node unless one of its processes lives; ``pid`` is its process, None where systemd has not begun it
    yet; ``started`` says whether there was none.

    Raises:
        Trouble: it is not configured, or can't be started.
    """
    node = session.base.node(request["name"])
    found = processes.running(session, [node]).get(node.name)
    if found:
        return {"pid": found[0].pid, "started": False}
    if files.read(node.run) is None:
        raise Trouble(f"node {node.name} is not configured here; hive_apply does that")
    service = node.service
    if service == "process":
        return {"pid": _begin(session, node), "started": True}
    if service_manager.states([node], service).get(node.name, {}).get("ActiveState") == "failed":
        service_manager.systemctl(service, "reset-failed", node.unit)  # else it may be refused as started too often
    service_manager.systemctl(service, "start", "--no-block", node.unit)
    found = processes.running(session, [node]).get(node.name)
    return {"pid": found[0].pid if found else None, "started": True}


def _begin(session: Session, node: Node) -> int:
    """A session of its own and nothing of ours open: it outlives us, and keeps neither the SSH session nor the lock."""
    import subprocess

    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    try:
        handle = os.open(node.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        with open(handle, "ab", buffering=0) as out:
            if os.fstat(handle).st_size > OUT_BYTES_MAX:
                os.ftruncate(handle, 0)
            child = subprocess.Popen(
                ["/bin/sh", node.run], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                env=environment, umask=UMASK, start_new_session=True, close_fds=True,
            )  # fmt: skip
    except OSError as error:
        raise errors.of(error, error.filename or node.out) from None
    session.children.append(child)
    return child.pid


def stop(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Ends the node in a planned way, and by force after ``seconds``. ``was_running``; ``how`` is "" (it did not run),
    "stopped" or "killed"; ``took_seconds``.

    Raises:
        Trouble: it can't be ended.
    """
    node = session.base.node(request["name"])
    seconds = float(request["seconds"])
    begun = time.monotonic()
    service = node.service
    found = processes.running(session, [node]).get(node.name, [])
    was_running = bool(found)
    killed = False
    if service != "process":
        active = service_manager.states([node], service).get(node.name, {}).get("ActiveState", "inactive")
        was_running |= active in ("active", "activating", "reloading", "deactivating")
        if active not in ("inactive", "failed"):
            killed = not _stop_unit(session, node, service, seconds)
        found = processes.running(session, [node]).get(node.name, [])
    left = max(0.0, seconds - (time.monotonic() - begun))
    if found:
        killed |= not processes.end(session.channel, node, found, left)
    session.children = [child for child in session.children if child.poll() is None]
    how = "" if not was_running else "killed" if killed else "stopped"
    return {"was_running": was_running, "how": how, "took_seconds": round(time.monotonic() - begun, 3)}


def _stop_unit(session: Session, node: Node, service: str, seconds: float) -> bool:
    """Whether the unit has ended within that time; else it was killed."""
    service_manager.systemctl(service, "stop", "--no-block", node.unit)
    end = time.monotonic() + seconds
    while not _has_ended(node, service):
        if time.monotonic() >= end:
            service_manager.systemctl(service, "kill", "--signal=KILL", node.unit)
            service_manager.systemctl(service, "stop", node.unit, seconds=COMMAND_SECONDS_MAX)
            return False
        session.channel.pause(0.1)
    return True


def _has_ended(node: Node, service: str) -> bool:
    return service_manager.states([node], service).get(node.name, {}).get("ActiveState") in ("inactive", "failed", None)


def state(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """``pid`` (None: it does not run), ``unit_state`` ("" where systemd does not keep it), ``restarts`` (how often
    systemd has started it again), and if it does not run ``tail``, the last that it said."""
    node = session.base.node(request["name"])
    service = node.service
    # In this order: a process that systemd begins in between is seen, and no failed unit has one that was.
    unit = service_manager.states([node], service).get(node.name, {}) if service != "process" else {}
    found = processes.running(session, [node]).get(node.name)
    return {
        "pid": found[0].pid if found else None,
        "unit_state": unit.get("ActiveState", ""),
        "restarts": int(unit.get("NRestarts") or 0),
        "tail": "" if found else service_manager.last_words(node, service, unit, TAIL_LINES) or _tail(node),
    }


def _tail(node: Node) -> str:
    """Of its output, or of its log where that is empty: what ended it stands last in either, and bare in the output."""
    for path in (node.out, node.log):
        try:
            with open(path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES_MAX))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            continue
        if lines:
            return "\n".join(lines[-TAIL_LINES:])
    return ""


def log(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Whole lines of the log: the last ``lines`` of it where ``offset`` is None, else those from there on; at most
    ``bytes_max``. ``offset`` and ``inode`` of the answer say where to go on; ``cut``: there are earlier lines
    than those last ones.

    A file that was moved away is read to its end first, if it is still beside the new one; then the new one is read
    from its start, as is one that was cut, and ``rotated`` is true. An unfinished line comes with its rest.

    Raises:
        Trouble: the file can't be read.
    """
    node = session.base.node(request["name"])
    most = max(1, min(int(request["bytes_max"]), LOG_BYTES_MAX))
    offset: int | None = request["offset"]
    inode = int(request.get("inode") or 0)
    try:
        if offset is None:
            return _last_lines(node, int(request["lines"]), most)
        moved = _moved_log(node, inode)
        if moved and os.path.getsize(moved) > offset:
            return _read_from(moved, offset, most, whole=True)
        state = os.stat(node.log)
        rotated = bool(inode) and (state.st_ino != inode or state.st_size < offset)
        return {**_read_from(node.log, 0 if rotated else offset, most), "rotated": rotated}
    except FileNotFoundError:
        return {"text": "", "offset": offset or 0, "inode": inode, "rotated": False}
    except OSError as error:
        raise errors.of(error, node.log) from None


def _moved_log(node: Node, inode: int) -> str:
    """Where the file that was read last is now, if it is the log no more; empty if that can't be found."""
    if not inode:
        return ""
    with os.scandir(node.directory) as found:
        for entry in found:
            if entry.inode() == inode and entry.is_file(follow_symlinks=False):
                return "" if entry.path == node.log else entry.path
    return ""


def _read_from(path: str, offset: int, most: int, whole: bool = False) -> dict[str, Any]:
    """From there on; with ``whole`` the last line is taken as it is, for nobody will finish it."""
    with open(path, "rb") as file:
        state = os.fstat(file.fileno())
        file.seek(offset)
        got = file.read(most)
    end = got.rfind(b"\n") + 1
    if not end and (len(got) == most or whole):
        end = len(got)  # a line longer than all that may be told, or one without an end
    if whole and offset + len(got) >= state.st_size:
        end = len(got)
    text = got[:end].decode("utf-8", "replace")
    return {"text": text, "offset": offset + end, "inode": state.st_ino, "rotated": False}


def _last_lines(node: Node, lines: int, most: int) -> dict[str, Any]:
    with open(node.log, "rb") as file:
        state = os.fstat(file.fileno())
        start = max(0, state.st_size - most)
        file.seek(start)
        got = file.read(most)
    end = got.rfind(b"\n") + 1
    parts = got[:end].splitlines(keepends=True)
    if start and parts:
        parts = parts[1:]  # it began before
    kept = b"".join(parts[-lines:]) if lines > 0 else b""
    return {
        "text": kept.decode("utf-8", "replace"),
        "offset": start + end,
        "inode": state.st_ino,
        "rotated": False,
        "cut": len(kept) < start + end,
    }
