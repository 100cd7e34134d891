"""Hives on SSH hosts for tests: topology files, and wrpmesh as an operator runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bootstrap.ssh_hosts import SshHosts
from tests.system import forked
from tests.system.forked import Forked

PORT = 5909
PATIENCE_SECONDS = 120.0


class Done:
    """How a command of wrpmesh ended."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"

    def ok(self) -> Done:
        """It succeeded."""
        assert self.code == 0, self
        assert "Traceback" not in self.err, self
        return self

    def failed(self) -> str:
        """It failed with one sentence as its last line, which is given."""
        assert self.code in (1, 2), self
        assert "Traceback" not in self.err + self.out, self
        return self.err.strip().splitlines()[-1]


class Operator:
    """Runs wrpmesh where the client of ``hosts`` is; ``directory`` holds its files, ``package`` replaces the
    project (each command is then a Python of its own), ``cache`` has what was made for hosts before."""

    def __init__(
        self, hosts: SshHosts, directory: Path, package: Path | None = None, cache: Path | None = None
    ) -> None:
        self.hosts = hosts
        self.directory = directory
        self._package = package
        self._cache = cache or directory / "cache"

    def _environment(self) -> dict[str, str]:
        found = self.hosts.environment()
        found["XDG_CACHE_HOME"] = str(self._cache)
        if self._package is not None:
            found["PYTHONPATH"] = str(self._package)
        return found

    def wrpmesh(self, *words: str, given: bytes = b"") -> Done:
        """Runs it to its end, without a terminal."""
        values = self._environment()
        if self._package is None:
            space = self.hosts.client_network
            return Done(forked.wrpmesh(*words, given=given, directory=self.directory, values=values, network=space))
        return Done(
            subprocess.run(
                self.hosts.client_command([sys.executable, "-m", "wrpme.cli", *words]),
                cwd=self.directory,
                env=values,
                input=given,
                capture_output=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        )

    def start(self, words: Sequence[str], standard: Sequence[int]) -> Forked:
        """Starts it with these descriptors as its standard input, output and error; the caller waits for its end."""
        assert self._package is None
        return forked.start(words, standard, self.directory, self._environment(), self.hosts.client_network)

    def on(self, node: int, *words: str) -> Done:
        """A command to the node of host ``node``."""
        return self.wrpmesh("--daemon", f"{self.hosts.addresses[node - 1]}:{PORT}", *words)

    def topology(
        self, numbers: Sequence[int], *lines: str, defaults: Sequence[str] = (), name: str = "hive.toml"
    ) -> str:
        """Writes a topology file of one node on each of these hosts; ``lines`` go to each node."""
        text = ["[defaults]", 'user = "root"', *defaults, ""]
        for number in numbers:
            host = self.hosts.addresses[number - 1]
            text += ["[[node]]", f'host = "{host}"', f'address = "{host}:{PORT}"', *lines, ""]
        (self.directory / name).write_text("\n".join(text))
        return name


def daemons(hosts: SshHosts, number: int) -> list[int]:
    """The wrpmed processes of that host."""
    return sorted(pid for pid, line in hosts.processes(number).items() if "wrpme.daemon" in line)


PRIVATE = {"data": "700", "log": "640"}


def modes(hosts: SshHosts, number: int, base: str = "/var/lib/wrpme") -> dict[str, str]:
    """The modes of what the node of that host writes."""
    (node,) = hosts.path(number, f"{base}/nodes").iterdir()
    return {name: f"{(node / name).stat().st_mode & 0o7777:o}" for name in PRIVATE}
