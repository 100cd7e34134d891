"""How things are on this machine; changes nothing."""

from __future__ import annotations

import os
import time

from wrpme.bootstrap.agent import errors, files, lock, processes, service_manager
from wrpme.bootstrap.agent.paths import Base, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wrpme.bootstrap.agent.processes import Running
    from wrpme.bootstrap.agent.session import Session

NOT_EXECUTABLE = 8
"""``ST_NOEXEC`` of statvfs."""


def look(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """The machine as it is. ``nodes`` of the answer has those that were asked for, ``others`` what else is there."""
    base = session.enter(request["directory"])
    wanted: dict[str, Any] = request["nodes"]
    nodes = [base.node(name) for name in dict.fromkeys([*wanted, *base.node_names()])]
    found = processes.running(session, nodes)
    units = _unit_states(nodes)
    ways = service_manager.detect()
    told = {
        node.name: _node(node, found.get(node.name, []), units.get(node.name, {}), wanted.get(node.name))
        for node in nodes
    }
    return {
        "directory": base.directory,
        "exists": os.path.isdir(base.directory),
        "writable": _why_not_writable(base),
        "free_bytes": errors.free_bytes(base.directory),
        "clock": time.time(),
        "utc_offset_seconds": time.localtime().tm_gmtoff,
        "service": ways.service,
        "service_reason": ways.reason,
        "linger": ways.linger,
        "survives": ways.survives,
        "releases": base.releases(),
        "nodes": {name: told[name] for name in wanted},
        "others": {name: one for name, one in told.items() if name not in wanted},
        "lock": "" if session.hold is not None else lock.held_by(base),
    }


def _unit_states(nodes: list[Node]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for service in ("system", "user"):
        units = [node for node in nodes if node.service == service]
        try:
            found.update(service_manager.states(units, service))
        except errors.Trouble as error:
            found.update({node.name: {"ActiveState": f"unknown: {error.sentence}"} for node in units})
    return found


def _node(node: Node, found: list[Running], unit: dict[str, str], wanted: dict[str, Any] | None) -> dict[str, Any]:
    record = node.read_record()
    told: dict[str, Any] = {
        "record": record,
        "run": _text(node.run),
        "unit": _text(service_manager.unit_path(node, node.service)) if node.service != "process" else "",
        "data": os.path.isdir(node.data),
        "hive": _hive(node),
        "bytes": files.size_bytes(node.data),
        "pid": found[0].pid if found else None,
        "release_running": found[0].release if found else "",
        "unit_state": unit.get("ActiveState", ""),
        "enabled": unit.get("UnitFileState") == "enabled",
    }
    if wanted is not None:
        from wrpme.bootstrap.agent import ports

        host, number = wanted["address"]
        port = ports.look_at(host, number, [one.pid for one in found])
        told |= {"port": port.word, "holder": port.holder, "address_local": port.local}
    return told


def _hive(node: Node) -> str:
    """The id of the hive that the data directory is of, in hex, as wrpmed writes it there; empty if of none."""
    first = _text(f"{node.data}/hive").partition("\n")[0]
    return first.removeprefix("hive ") if first.startswith("hive ") else ""


def _text(path: str) -> str:
    return (files.read(path) or b"").decode("utf-8", "replace")


def _why_not_writable(base: Base) -> str:
    """Empty if the base directory can be made or written."""
    path = errors.existing(base.directory)
    if not os.path.isdir(path):
        return f"{path} is a file where a directory is needed; move it away, or give another directory"
    flags = os.statvfs(path).f_flag
    if flags & os.ST_RDONLY:
        return f"{path} is on a read-only file system; mount it for writing, or give another directory"
    if flags & NOT_EXECUTABLE:
        return f"{path} is on a file system from which no program may run (noexec); give another directory"
    if not os.access(path, os.W_OK | os.X_OK):
        return f"user {errors.user()} may not write in {path}; let it, or give another directory"
    return ""
