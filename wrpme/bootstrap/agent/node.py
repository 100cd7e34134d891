"""One node on this machine: how it is to run, its start, its stop, its state and its log."""

from __future__ import annotations

import os
import time

from wrpme.bootstrap.agent import errors, files, processes, service_manager
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.limits import (
    COMMAND_SECONDS_MAX, LOG_BYTES_MAX, OUT_BYTES_MAX, TAIL_BYTES_MAX, TAIL_LINES,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.paths import Node
    from wrpme.bootstrap.agent.session import Session

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ")
"""What a node has of the environment. The rest belongs to the SSH session."""
UMASK = 0o077
DIRECTORY_MODE = 0o700
"""Other users of the machine may not read what a hive stores."""


def configure(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Writes ``record``, ``run`` and the unit (``unit`` is its text, or None) where they differ from what is there.

    ``changed`` of the answer says whether anything was written; it takes effect at the next start. The record is
    written first, so that the unit of a configuration that was cut off can be found by it and removed.

    Raises:
        AgentError: one of them can't be written.
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
    """Starts the node unless it has a process.

    ``pid`` of the answer is its process, or None if systemd has not begun it yet; ``started`` says whether there was
    none before.

    Raises:
        AgentError: the node is not configured, or can't be started.
    """
    node = session.base.node(request["name"])
    found = processes.running(session, [node]).get(node.name)
    if found:
        return {"pid": found[0].pid, "started": False}
    if files.read(node.run) is None:
        raise AgentError(f"node {node.name} is not configured here; hive_apply does that")
    service = node.service
    if service == "process":
        return {"pid": _begin(session, node), "started": True}
    if service_manager.states([node], service).get(node.name, {}).get("ActiveState") == "failed":
        service_manager.systemctl(service, "reset-failed", node.unit)  # else systemd may refuse it as started too often
    service_manager.systemctl(service, "start", "--no-block", node.unit)
    found = processes.running(session, [node]).get(node.name)
    return {"pid": found[0].pid if found else None, "started": True}


def _begin(session: Session, node: Node) -> int:
    """Starts the node without systemd, and returns its process id.

    It gets a session of its own and none of the agent's open files: so it outlives the agent, and keeps neither the SSH
    session nor the lock.
    """
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
        raise errors.from_os_error(error, error.filename or node.out) from None
    session.children.append(child)
    return child.pid


def stop(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Stops the node in a planned way, and kills it if it has not ended after ``seconds``.

    The answer has ``was_running``, ``how`` ("" if it did not run, "stopped" or "killed") and ``took_seconds``.

    Raises:
        AgentError: it can't be stopped.
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
    """Stops the unit; returns whether it ended within that time. If it did not, it was killed."""
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
    """Answers how the node is.

    ``pid`` is None if it does not run, ``unit_state`` is "" if systemd does not keep it running, ``restarts`` is how
    often systemd has started it again, and ``tail`` has the last lines that it wrote if it does not run.
    """
    node = session.base.node(request["name"])
    service = node.service
    # The unit is asked for before the process: so a process that systemd starts in between is seen, and a unit that is
    # said to have failed has no process that was seen before.
    unit = service_manager.states([node], service).get(node.name, {}) if service != "process" else {}
    found = processes.running(session, [node]).get(node.name)
    return {
        "pid": found[0].pid if found else None,
        "unit_state": unit.get("ActiveState", ""),
        "restarts": int(unit.get("NRestarts") or 0),
        "tail": "" if found else service_manager.last_words(node, service, unit, TAIL_LINES) or _tail(node),
    }


def _tail(node: Node) -> str:
    """Returns the last lines of its output, or of its log if the output is empty.

    The reason for its end is the last line of both, and has no time stamp in the output.
    """
    for path in (node.out, node.log):
        try:
            with open(path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES_MAX))
                lines = file.read().decode("utf-8", "replace").strip().split("\n")
        except OSError:
            continue
        if lines[-1]:
            return "\n".join(lines[-TAIL_LINES:])
    return ""


def log(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Answers whole lines of the log: its last ``lines`` if ``offset`` is None, else those from there on.

    ``text`` of the answer has at most ``bytes_max`` bytes, ``offset`` and ``inode`` say where the next request goes on,
    and ``cut`` says that the log has earlier lines than the last ones.

    A file that was moved away is read to its end first, if it is still beside the new one; then the new one is read
    from its start, as is a file that was truncated, and ``rotated`` is true. A line that is not finished comes with the
    request that finds its end.

    Raises:
        AgentError: the file can't be read.
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
        raise errors.from_os_error(error, node.log) from None


def _moved_log(node: Node, inode: int) -> str:
    """Returns where the file that was read last is now, empty if it is still the log or can't be found."""
    if not inode:
        return ""
    with os.scandir(node.directory) as found:
        for entry in found:
            if entry.inode() == inode and entry.is_file(follow_symlinks=False):
                return "" if entry.path == node.log else entry.path
    return ""


def _read_from(path: str, offset: int, most: int, whole: bool = False) -> dict[str, Any]:
    """Reads from that offset on. With ``whole`` the last line is taken without its end, as nobody will finish it."""
    with open(path, "rb") as file:
        state = os.fstat(file.fileno())
        file.seek(offset)
        got = file.read(most)
    end = got.rfind(b"\n") + 1
    if not end and (len(got) == most or whole):
        end = len(got)  # a line longer than ``most``, or one that nobody will finish
    if whole and offset + len(got) >= state.st_size:
        end = len(got)
    text = got[:end].decode("utf-8", "replace")
    return {"text": text, "offset": offset + end, "inode": state.st_ino, "rotated": False}


def _last_lines(node: Node, lines: int, most: int) -> dict[str, Any]:
    """Reads the last lines of the log, as far as they are within its last ``most`` bytes."""
    with open(node.log, "rb") as file:
        state = os.fstat(file.fileno())
        start = max(0, state.st_size - most)
        file.seek(start)
        got = file.read(most)
    end = got.rfind(b"\n") + 1
    parts = [line + b"\n" for line in got[:end].split(b"\n")[:-1]]
    if start and parts:
        parts = parts[1:]  # this line began before ``start``
    kept = b"".join(parts[-lines:]) if lines > 0 else b""
    return {
        "text": kept.decode("utf-8", "replace"),
        "offset": start + end,
        "inode": state.st_ino,
        "rotated": False,
        "cut": len(kept) < start + end,
    }
