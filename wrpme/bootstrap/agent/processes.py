"""The daemons that run here. They are found by their command lines, as a file with a process id may be old or lost.

A process is a node's if it is the shell that runs the node's ``run``, or wrpmed on the node's data directory. A process
in a container with the same paths is not. A process that has just ended has no command line any more. A process that is
just becoming another program (exec) has none yet, and it has already let go of all locks: it must be waited for, or it
is overlooked and a second daemon is started.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from wrpme.bootstrap.agent import errors
from wrpme.bootstrap.agent.errors import AgentError
from wrpme.bootstrap.agent.limits import (
    EXEC_AGE_SECONDS_MAX, EXEC_LOOK_SECONDS, EXEC_SECONDS_MAX, EXEC_SECONDS_OLD, KILL_SECONDS_MAX, LOOK_AGAIN_SECONDS,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from wrpme.bootstrap.agent.paths import Base, Node
    from wrpme.bootstrap.agent.session import Channel, Session

SHELLS = ("sh", "dash", "bash", "ash", "busybox")
MODULE = "wrpme.daemon"
KERNEL_THREAD, EXITING = 0x20_0000, 0x4
"""``PF_KTHREAD`` and ``PF_EXITING`` in the flags of /proc/PID/stat."""


class Running:
    """A process of a node. ``release`` is empty until the shell has become wrpmed."""

    def __init__(self, pid: int, release: str) -> None:
        self.pid = pid
        self.release = release


def running(session: Session, nodes: Iterable[Node]) -> dict[str, list[Running]]:
    """Returns the processes of these nodes by the node's name. A node without a process is missing."""
    session.children = [child for child in session.children if child.poll() is None]
    base = session.base
    runs = {node.run: node for node in nodes}
    datas = {node.data: node for node in runs.values()}
    found: dict[str, list[Running]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (words := command_line(int(entry)) or _await_command_line(session.channel, int(entry))):
            node = _node_of(words, runs, datas)
            if node is not None and _is_here(int(entry), node):
                found.setdefault(node.name, []).append(Running(int(entry), _release(words, base)))
    return found


def command_line(pid: int) -> list[str]:
    """Returns the command line of that process; empty if it has ended, or can't be seen."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            content = file.read(65_536)
    except OSError:
        return []
    return content.decode("utf-8", "surrogateescape").rstrip("\0").split("\0") if content else []


def _await_command_line(channel: Channel, pid: int) -> list[str]:
    """Waits for the command line of a process that has none, if it is about to get one, and returns it."""
    end = time.monotonic() + _exec_seconds(pid)
    while not (words := command_line(pid)) and time.monotonic() < end and _exec_seconds(pid):
        channel.pause(EXEC_LOOK_SECONDS)
    return words


def _exec_seconds(pid: int) -> float:
    """Returns how long a process without a command line may take to get one; 0 if it is the kernel's, or has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        with open("/proc/uptime", "rb") as file:
            uptime = float(file.read().split()[0])
    except OSError:
        return 0.0
    if words[0] in (b"Z", b"X") or int(words[6]) & (KERNEL_THREAD | EXITING):
        return 0.0
    age = uptime - int(words[19]) / os.sysconf("SC_CLK_TCK")
    return EXEC_SECONDS_MAX if age < EXEC_AGE_SECONDS_MAX else EXEC_SECONDS_OLD


def _node_of(words: list[str], runs: dict[str, Node], datas: dict[str, Node]) -> Node | None:
    if words[0] in runs:
        return runs[words[0]]
    if os.path.basename(words[0]) in SHELLS:
        return next((runs[word] for word in words[1:3] if word in runs), None)
    if os.path.basename(words[0]).startswith("python") and MODULE in words:
        return next((datas[word] for word in words if word in datas), None)
    return None


def _is_here(pid: int, node: Node) -> bool:
    """Returns whether its paths mean the same files as here: it is in no inner process namespace and has no other root,
    as far as that can be seen."""
    with suppress(OSError, ValueError):
        with open(f"/proc/{pid}/status") as file:
            spaces = next((line for line in file if line.startswith("NSpid:")), "NSpid: 1")
        if len(spaces.split()) > 2:
            return False
    with suppress(OSError):
        return os.path.samestat(os.stat(f"/proc/{pid}/root{node.directory}"), os.stat(node.directory))
    return True


def _release(words: list[str], base: Base) -> str:
    if not words[0].startswith(f"{base.versions}/"):
        return ""
    return words[0].removeprefix(f"{base.versions}/").partition("/")[0]


def end(channel: Channel, node: Node, found: list[Running], seconds: float) -> bool:
    """Asks these processes of a node to end, and kills those that have not after ``seconds``; returns whether none was
    killed.

    Raises:
        AgentError: they are another user's, or do not even end when they are killed.
    """
    handles = [handle for one in found if (handle := _open(channel, one.pid, node)) is not None]
    try:
        for handle in handles:
            handle.send(signal.SIGTERM, node)
            handle.send(signal.SIGCONT, node)  # a process that was paused (SIGSTOP) would never get the other signal
        if _wait(channel, handles, seconds):
            return True
        for handle in handles:
            handle.send(signal.SIGKILL, node)
        if not _wait(channel, handles, KILL_SECONDS_MAX):
            raise AgentError(f"node {node.name} was killed and does not end: its disk hangs; see the machine's own log")
        return False
    finally:
        for handle in handles:
            handle.close()


def hang_up(channel: Channel, node: Node, found: list[Running]) -> None:
    """Sends SIGHUP to these processes of a node.

    Raises:
        AgentError: they are another user's.
    """
    for one in found:
        if (handle := _open(channel, one.pid, node)) is not None:
            try:
                handle.send(signal.SIGHUP, node)
            finally:
                handle.close()


class _Handle:
    """A process, by a descriptor: another process that gets the same number later can't be mistaken for it."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor

    def send(self, number: signal.Signals, node: Node) -> None:
        try:
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise AgentError(
                f"node {node.name} (process {self.pid}) is another user's, and {errors.user()} may not stop it; log "
                "in as that user or as root"
            ) from None

    @property
    def ended(self) -> bool:
        if self._descriptor >= 0:
            return bool(select.select([self._descriptor], [], [], 0)[0])
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
        except OSError:
            return True

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _open(channel: Channel, pid: int, node: Node) -> _Handle | None:
    try:
        handle = _Handle(pid, os.pidfd_open(pid))
    except ProcessLookupError:
        return None
    except (OSError, AttributeError):  # the kernel is older than 5.3
        handle = _Handle(pid, -1)
    words = command_line(pid) or _await_command_line(channel, pid)
    if words and _node_of(words, {node.run: node}, {node.data: node}) is not None:
        return handle
    handle.close()
    return None


def _wait(channel: Channel, handles: list[_Handle], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not all(handle.ended for handle in handles):
        if time.monotonic() >= end:
            return False
        channel.pause(LOOK_AGAIN_SECONDS)
    return True
