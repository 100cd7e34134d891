"""Tells the service manager (systemd) that started this process how it is, by the protocol of ``sd_notify(3)``.

The environment names a socket; each datagram to it is a few lines ``KEY=value``. ``READY=1`` is said once, when the
node serves; ``STATUS=`` is one line for ``systemctl status``; ``WATCHDOG=1`` comes from the loop that runs the node, so
that a loop that hangs is found out. Nothing here waits for the manager: what it does not take now is said again later.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, MutableMapping

from wrpme.core.node import Node
from wrpme.daemon.limits import MANAGER_LOOK_SECONDS, WATCHDOG_PINGS
from wrpme.daemon.log_format import one_line
from wrpme.protocol import health

Outlook = Callable[[], tuple[bool, str]]
"""Whether the node serves, and one line on how it is."""


class Manager:
    """The service manager behind the socket ``path``; empty: there is none, and nothing is done. It ends this process
    when it hears nothing for ``watchdog_seconds``, unless that is 0."""

    def __init__(self, path: str = "", watchdog_seconds: float = 0.0) -> None:
        self._path = "\0" + path[1:] if path.startswith("@") else path
        self._ping_seconds = watchdog_seconds / WATCHDOG_PINGS
        self._outlook: Outlook
        self._ready = False
        self._told = ""
        self._socket: socket.socket | None = None
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}

    def start(self, outlook: Outlook) -> None:
        """Tells how the process is from now on, on the loop that is running."""
        self._outlook = outlook
        if not self._path:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._tick()
        if self._ping_seconds:
            self._ping()

    def follow(self, outlook: Outlook) -> None:
        """Asks ``outlook`` from now on how the node is."""
        self._outlook = outlook
        self.look()

    def adopted(self) -> None:
        """Looks at the end of the turn whether the node serves, so that whoever waits for that is not kept waiting."""
        if self._socket is not None and not self._ready:
            asyncio.get_running_loop().call_soon(self.look)

    def look(self) -> None:
        """Tells what has changed."""
        if self._socket is None:
            return
        serves, line = self._outlook()
        ready, line = self._ready or serves, one_line(line)
        news = ["READY=1"] if ready and not self._ready else []
        news += [f"STATUS={line}"] if line != self._told else []
        if news and self._send("\n".join(news)):
            self._ready, self._told = ready, line

    def stopping(self) -> None:
        """Tells that the process is about to end."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Tells nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tick(self) -> None:
        self.look()
        self._again(MANAGER_LOOK_SECONDS, self._tick)

    def _ping(self) -> None:
        self._send("WATCHDOG=1")
        self._again(self._ping_seconds, self._ping)

    def _again(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers[call] = asyncio.get_running_loop().call_later(seconds, call)

    def _send(self, text: str) -> bool:
        """Returns whether the manager has it."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto(text.encode("utf-8", "backslashreplace"), self._path)
        except OSError:
            return False
        return True


def manager(environment: MutableMapping[str, str]) -> Manager:
    """Returns the manager that the environment names, and takes it out of there: it is meant for this process alone."""
    path = environment.pop("NOTIFY_SOCKET", "")
    microseconds = environment.pop("WATCHDOG_USEC", "")
    meant_for = environment.pop("WATCHDOG_PID", "")
    if not path.startswith(("/", "@")):
        return Manager()
    watched = microseconds.isdecimal() and meant_for in ("", str(os.getpid()))
    return Manager(path, int(microseconds) / 1e6 if watched else 0.0)


def outlook(node: Node) -> Outlook:
    """Returns a function that tells how this node and its hive are. What a view means is found out once for each
    view."""
    known: tuple[object, str] = (None, "")

    def look() -> tuple[bool, str]:
        nonlocal known
        life, view = node.lifecycle, node.view
        if life.stopping_since is not None:
            return False, "stopping: the hive is told first"
        if view is None or not node.context.lives:
            return False, life.waiting()
        if view is not known[0]:
            condition = health.condition(view)
            known = view, f"{condition.word}: {condition.sentence}"
        if loss := life.lasting_loss():
            return node.serves_something(), f"no change of the hive can be decided: {loss}"
        return True, f"leaving the hive for good; {known[1]}" if life.leaving else known[1]

    return look
