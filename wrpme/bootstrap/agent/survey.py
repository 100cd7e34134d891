"""How things are on this machine, its nodes and their ports. Nothing here changes anything."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time

from wrpme.bootstrap.agent import certificates, errors, files, lock, processes, service_manager
from wrpme.bootstrap.agent.paths import Base, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from wrpme.bootstrap.agent.processes import Running
    from wrpme.bootstrap.agent.session import Session

    Where = tuple[int, tuple[str, int] | tuple[str, int, int, int]]

UNSPECIFIED = ("0.0.0.0", "::")
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
TIME_WAIT = "06"
LISTENING = "0A"
NOT_EXECUTABLE = 8
"""``ST_NOEXEC`` of statvfs."""


def look(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Answers how the machine is. ``nodes`` of the answer has those that were asked for, ``others`` all others."""
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
        "free_files": errors.free_files(base.directory),
        "identity": _identity(base),
        "clock": time.time(),
        "utc_offset_seconds": time.localtime().tm_gmtoff,
        "service": ways.service,
        "service_reason": ways.reason,
        "linger": ways.linger,
        "survives": ways.survives,
        "releases": base.releases(),
        "key_makers": base.key_makers(),
        "nodes": {name: told[name] for name in wanted},
        "others": {name: one for name, one in told.items() if name not in wanted},
        "lock": "" if session.hold is not None else lock.held_by(base),
    }


def _identity(base: Base) -> str:
    """Returns a text that no other directory has, on this machine or another one; empty if that can't be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            # Containers on one machine have the same boot id, and not the same mounts.
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/mnt')} {os.path.realpath(base.directory)}"
    except OSError:
        return ""


def _unit_states(nodes: list[Node]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for service in ("system", "user"):
        units = [node for node in nodes if node.service == service]
        try:
            found.update(service_manager.states(units, service))
        except errors.AgentError as error:
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
        "certificate": certificates.public(_text(node.certificate)),
        "trusted": _text(node.trusted),
        "bytes": files.size_bytes(node.data),
        "pid": found[0].pid if found else None,
        "release_running": found[0].release if found else "",
        "unit_state": unit.get("ActiveState", ""),
        "enabled": unit.get("UnitFileState") == "enabled",
    }
    if wanted is not None:
        host, number = wanted["address"]
        port = probe_port(host, number, [one.pid for one in found])
        told |= {"port": port.word, "holder": port.holder, "address_local": port.local}
    return told


def _hive(node: Node) -> str:
    """Returns the id of the hive that the data belongs to, in hex as wrpmed writes it there; empty if there is none."""
    first = _text(f"{node.data}/hive").partition("\n")[0]
    return first.removeprefix("hive ") if first.startswith("hive ") else ""


def _text(path: str) -> str:
    return (files.read(path) or b"").decode("utf-8", "replace")


def _why_not_writable(base: Base) -> str:
    """Returns why the base directory can't be made or written; empty if it can."""
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


class Port:
    """Whether a node could listen at its address.

    ``word`` is free, ours, taken or unbindable; ``holder`` says who has the port (taken), or why nobody can listen
    there (unbindable). ``local`` says whether the address is one of this machine.
    """

    def __init__(self, word: str, holder: str = "", local: bool = True) -> None:
        self.word = word
        self.holder = holder
        self.local = local


def probe_port(host: str, port: int, own: Collection[int]) -> Port:
    """Returns whether a node could listen at that address; ``own`` are the processes that the node has now."""
    try:
        found = _resolve(host, port)
    except (OSError, UnicodeError):
        return Port("unbindable", f"the name {host} can't be resolved there", False)
    numbers = [_try(family, where, host in UNSPECIFIED) for family, where in found]
    refused = [number for number in numbers if number and number not in NOT_HERE]
    if not refused:
        if 0 in numbers:
            return Port("free")
        return Port("unbindable", f"{host} is no address of this machine", False)
    if errno.EADDRINUSE in refused:
        return _taken(port, [str(where[0]) for _, where in found], own)
    if refused[0] in (errno.EACCES, errno.EPERM):
        return Port("unbindable", f"user {errors.user()} may not listen at port {port}; give one of 1024 or above")
    return Port("unbindable", f"listening at port {port} fails ({os.strerror(refused[0])})")


def _resolve(host: str, port: int) -> list[Where]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), where) for family, _, _, _, where in found))  # type: ignore[misc]


def _try(family: int, where: tuple[str, int] | tuple[str, int, int, int], unspecified: bool) -> int:
    """Returns the errno with which wrpmed could not listen there; 0 if it could. It uses the same socket options."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not unspecified)
            probe.bind(where)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


class _Socket:
    """A line of /proc/net/tcp."""

    def __init__(self, line: str) -> None:
        words = line.split()
        address, _, port = words[1].partition(":")
        self.host = _host(address)
        self.port = int(port, 16)
        self.state = words[3]
        self.uid = int(words[7])
        self.inode = int(words[9])


def _host(text: str) -> str:
    """Returns an address that the kernel wrote as 32-bit words in its own byte order."""
    whole = bytes.fromhex(text)
    if sys.byteorder == "little":
        whole = b"".join(whole[start : start + 4][::-1] for start in range(0, len(whole), 4))
    if len(whole) == 16 and whole.startswith(bytes(10) + b"\xff\xff"):
        whole = whole[12:]
    return socket.inet_ntop(socket.AF_INET if len(whole) == 4 else socket.AF_INET6, whole)


def _taken(port: int, hosts: list[str], own: Collection[int]) -> Port:
    """Finds out who has the port."""
    sockets = [
        one
        for one in _sockets()
        if one.port == port
        and (one.host in hosts or one.host in UNSPECIFIED or any(host in UNSPECIFIED for host in hosts))
    ]
    if sockets and all(one.state == TIME_WAIT for one in sockets):
        return Port("taken", "connections of a program that has ended, for about a minute")
    sockets.sort(key=lambda one: one.state != LISTENING)
    wanted = {f"socket:[{one.inode}]" for one in sockets if one.inode}
    if any(_holds(pid, wanted) for pid in own):
        return Port("ours")
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _holds(int(entry), wanted):
            return Port("taken", f"{_name(int(entry))} (pid {entry})")
    if not sockets:
        return Port("taken", "a program that can't be seen")
    if sockets[0].uid == os.getuid():
        return Port("taken", "a program that can't be seen")
    return Port("taken", f"a program of user {errors.user_named(sockets[0].uid)}")


def _sockets() -> list[_Socket]:
    found: list[_Socket] = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}") as file:
                next(file, "")
                found += [_Socket(line) for line in file]
        except OSError:
            continue
    return found


def _holds(pid: int, wanted: Collection[str]) -> bool:
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{number}") in wanted:
                    return True
            except OSError:
                continue
    except OSError:
        return False
    return False


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return "a program"
