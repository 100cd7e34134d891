"""An sshd on a port of this machine, with keys of its own, and ``scp`` to it. Root and others can have one."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bootstrap.ssh_hosts import SSHD, make_key
from tests.system.daemons import PATIENCE_SECONDS, free_port

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/key.pub
PidFile none
UsePAM no
StrictModes no
UseDNS no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""
OF_ROOT = 'mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"'
"""Sshd of root wants that directory: it gets one that nobody else sees."""


class Scp:
    """A context manager; ``directory`` is where its keys are, and what is copied."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()

    def __enter__(self) -> Scp:
        for name in ("host_key", "key"):
            make_key(self._directory / name)
        config = self._directory / "sshd_config"
        config.write_text(CONFIG.format(port=self._port, directory=self._directory))
        command = [SSHD, "-D", "-e", "-f", str(config)]
        if not os.getuid():
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", OF_ROOT, "sh", *command]
        with open(self._directory / "sshd.log", "wb") as log:
            self._sshd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self._sshd.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            time.sleep(0.02)
        self.__exit__()
        raise SystemExit(f"sshd does not listen: {(self._directory / 'sshd.log').read_text().strip()}")

    def __exit__(self, *raised: object) -> None:
        self._sshd.kill()
        self._sshd.wait()

    async def copy(self, files: Sequence[Path], to: Path) -> None:
        """Copies the files into that directory."""
        options = ["IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"]
        words = ["-q", "-F", "none", "-i", str(self._directory / "key"), "-P", str(self._port)]
        words += [word for option in options for word in ("-o", option)]
        target = f"{getpass.getuser()}@127.0.0.1:{to}/"
        process = await asyncio.create_subprocess_exec("scp", *words, *map(str, files), target)
        if await process.wait():
            raise SystemExit(f"scp failed: {(self._directory / 'sshd.log').read_text().strip()}")
