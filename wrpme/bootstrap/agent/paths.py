"""Where things are on the machine: the base directory, the files of each node, and what else wrpme made."""

from __future__ import annotations

import os
import re

from wrpme.bootstrap.agent import files
from wrpme.bootstrap.agent.errors import AgentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!~-]{0,199}\Z")


def base_directory(directory: str) -> str:
    """Returns the absolute path of that directory, or of the usual one if it is empty, without symbolic links.

    The paths of running daemons are compared with it, so there must be only one way to write it.
    """
    if not directory:
        directory = "/var/lib/wrpme" if os.getuid() == 0 else "~/.local/share/wrpme"
    return os.path.realpath(os.path.join(os.path.expanduser("~"), os.path.expanduser(directory)))


def checked(name: str) -> str:
    """Returns the name of a node or release, after a check that it can't lead out of its directory."""
    if not _NAME.match(name):
        raise AgentError(f'"{name[:80]}" is no name of a node or release; this is a defect of wrpme', "internal")
    return name


class Node:
    """The paths of one node."""

    def __init__(self, base: str, name: str) -> None:
        self.name = checked(name)
        self.directory = f"{base}/nodes/{name}"
        self.record = f"{self.directory}/record.json"
        self.run = f"{self.directory}/run"
        self.data = f"{self.directory}/data"
        self.log = f"{self.directory}/log"
        self.pid = f"{self.directory}/pid"
        self.out = f"{self.directory}/out"
        self.unit = f"wrpme-{name}.service"
        self.tls = f"{self.directory}/tls"
        self.certificate = f"{self.tls}/node.pem"
        self.trusted = f"{self.tls}/ca.pem"
        self.next_key = f"{self.tls}/next.key"
        self.next = f"{self.tls}/next.pem"

    def read_record(self) -> dict[str, Any] | None:
        """Returns how the node was configured, or None if it was not."""
        return files.read_json(self.record)

    @property
    def service(self) -> str:
        """Returns what keeps the node running: system or user (managers of systemd), or process (nothing does)."""
        found = (self.read_record() or {}).get("service")
        return found if found in ("system", "user") else "process"


class Base:
    """The paths of the base directory, which is absolute."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.versions = f"{directory}/versions"
        self.nodes = f"{directory}/nodes"
        self.lock = f"{directory}/lock"
        self.made = f"{directory}/made.json"

    def node(self, name: str) -> Node:
        """Returns the paths of that node."""
        return Node(self.directory, name)

    def node_names(self) -> list[str]:
        """Returns the names of all nodes that have a directory here."""
        return [name for name in _directories(self.nodes) if _NAME.match(name)]

    def releases(self) -> list[str]:
        """Returns the releases that are installed completely."""
        return [name for name in _directories(self.versions) if os.path.exists(f"{self.versions}/{name}/complete")]

    def key_makers(self) -> list[str]:
        """Returns the releases that can make keys: they came with the library for it."""
        return [
            name
            for name in self.releases()
            for python in _directories(f"{self.versions}/{name}/lib")
            if os.path.isdir(f"{self.versions}/{name}/lib/{python}/site-packages/cryptography")
        ]

    def read_made(self) -> Made:
        """Returns the note of what wrpme made outside of the base directory, and whether it made that one."""
        found = files.read_json(self.made) or {}
        return Made(list(found.get("directories", [])), bool(found.get("linger")))

    def write_made(self, made: Made) -> None:
        """Writes that note, for :func:`wrpme.bootstrap.agent.cleanup.clean`."""
        files.write_json(self.made, {"directories": made.directories, "linger": made.linger})


class Made:
    """Directories that were missing and that wrpme made, outermost first, and whether it turned lingering on."""

    def __init__(self, directories: list[str], linger: bool = False) -> None:
        self.directories = directories
        self.linger = linger


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as found:
            return sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
