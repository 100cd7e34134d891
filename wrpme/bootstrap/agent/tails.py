"""The log of a node, read on where the last reading ended."""

from __future__ import annotations

import os

from wrpme.bootstrap.agent import errors
from wrpme.bootstrap.agent.limits import LOG_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.paths import Node
    from wrpme.bootstrap.agent.session import Session


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
            return _last(node, int(request["lines"]), most)
        moved = _moved(node, inode)
        if moved and os.path.getsize(moved) > offset:
            return _on(moved, offset, most, whole=True)
        state = os.stat(node.log)
        rotated = bool(inode) and (state.st_ino != inode or state.st_size < offset)
        return {**_on(node.log, 0 if rotated else offset, most), "rotated": rotated}
    except FileNotFoundError:
        return {"text": "", "offset": offset or 0, "inode": inode, "rotated": False}
    except OSError as error:
        raise errors.of(error, node.log) from None


def _moved(node: Node, inode: int) -> str:
    """Where the file that was read last is now, if it is the log no more; empty if that can't be found."""
    if not inode:
        return ""
    with os.scandir(node.directory) as found:
        for entry in found:
            if entry.inode() == inode and entry.is_file(follow_symlinks=False):
                return "" if entry.path == node.log else entry.path
    return ""


def _on(path: str, offset: int, most: int, whole: bool = False) -> dict[str, Any]:
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


def _last(node: Node, lines: int, most: int) -> dict[str, Any]:
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
