"""Network namespaces of a test: one for each machine on a bridge in another, made here and removed here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence


class NamespacesError(Exception):
    """Namespaces can't be had here; the text says why."""


def missing(*commands: str) -> str:
    """Why there can be no namespaces here, or an empty text."""
    if os.geteuid() != 0:
        return "network namespaces are for root only"
    gone = [command for command in ("ip", *commands) if shutil.which(command) is None]
    return f"there is no command {', '.join(gone)}" if gone else ""


class Namespaces:
    """``hosts`` are addresses in one /24; the hub has ``hub_address`` in it, if given. Namespaces are numbered from 1,
    the hub is ``hub``; with a ``name`` there may be several at a time."""

    def __init__(self, hosts: Sequence[str], hub_address: str = "", name: str = "") -> None:
        self.hosts = list(hosts)
        self._hub_address = hub_address
        self._name = f"wrpme-{name}{os.getpid()}"
        self._made: list[str] = []

    def __enter__(self) -> Namespaces:
        try:
            self._make("hub")
            self.run("hub", "ip", "link", "set", "lo", "up")
            self.run("hub", "ip", "link", "add", "bridge", "type", "bridge")
            self.run("hub", "ip", "link", "set", "bridge", "up")
            if self._hub_address:
                self.run("hub", "ip", "address", "add", f"{self._hub_address}/24", "dev", "bridge")
            for number, host in enumerate(self.hosts, 1):
                self._make(str(number))
                port = f"port{number}"
                pair = f"{port} type veth peer name eth0 netns {self.name(str(number))}"
                self.run("hub", "ip", "link", "add", *pair.split())
                self.run("hub", "ip", "link", "set", port, "master", "bridge", "up")
                self.run(str(number), "ip", "address", "add", f"{host}/24", "dev", "eth0")
                self.run(str(number), "ip", "link", "set", "eth0", "up")
                self.run(str(number), "ip", "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            self.remove()
            said = error.stderr.decode("utf-8", "replace").strip()
            raise NamespacesError(f"{' '.join(error.cmd)}: {said}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def name(self, part: str) -> str:
        """Of a namespace, as the system knows it."""
        return f"{self._name}-{part}"

    def file(self, part: str) -> str:
        """The file by which a process gets there."""
        return f"/run/netns/{self.name(part)}"

    def inside(self, part: str) -> list[str]:
        """What to put before a command that shall run there."""
        return ["ip", "netns", "exec", self.name(part)]

    def run(self, part: str, *command: str) -> None:
        """Runs a command there to its end."""
        subprocess.run([*self.inside(part), *command], check=True, capture_output=True)

    def block(self, source: int, target: int, how: str) -> None:
        """What ``source`` sends does not arrive at ``target``; ``how`` is DROP or REJECT."""
        self.run(str(target), "iptables", "-A", "INPUT", "-s", self.hosts[source - 1], "-j", how)

    def unblock_all(self, target: int) -> None:
        """Everything arrives there again."""
        self.run(str(target), "iptables", "-F", "INPUT")

    def unblock(self, source: int, target: int, how: str) -> None:
        """Takes one block back."""
        self.run(str(target), "iptables", "-D", "INPUT", "-s", self.hosts[source - 1], "-j", how)

    def _make(self, part: str) -> None:
        subprocess.run(["ip", "netns", "add", self.name(part)], check=True, capture_output=True)
        self._made.append(part)

    def remove(self) -> None:
        """All of them; what still runs there keeps its own."""
        for part in self._made:
            subprocess.run(["ip", "netns", "delete", self.name(part)], check=False, capture_output=True)
        self._made.clear()
