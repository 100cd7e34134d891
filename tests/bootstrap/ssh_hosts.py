"""Real OpenSSH servers for tests: bare machines 192.168.1.1 and up on a network of their own, and a client beside them.

Each host is a network, mount, process and host name space with one sshd in it. It has directories of its own (``OWN``)
and sees the rest of this machine's files read-only, without this project: what a host can use is Debian's Python, and
nothing can be left behind outside of ``OWN``. All processes of a host die with its first one, which ends with the test
run, however that ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn, TypeVar

import pytest

from tests.system import forked, systemd_host
from tests.system.daemons import PATIENCE_SECONDS, ROOT
from tests.system.netns import Namespaces, NamespacesError, missing

SSHD = "/usr/sbin/sshd"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
NETWORK = "192.168.1"
CLIENT_ADDRESS = f"{NETWORK}.100"
NOBODY_THERE = f"{NETWORK}.77"
"""An address of the network that no machine has."""
USER = "operator"
"""On each host, beside root: an ordinary user with a home of its own."""
USER_ID = 2000
OWN = ("/root", "/home", "/var/lib", "/var/tmp", "/opt", "/srv", "/run", "/etc/ssh", "/etc/systemd", "/tmp")
"""Of each host; everything else is read-only."""
COMPARED = tuple(path for path in OWN if path != "/etc/ssh")

R = TypeVar("R")

SSHD_CONFIG = f"""\
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PidFile /etc/ssh/sshd.pid
UsePAM no
StrictModes no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
LogLevel VERBOSE
Subsystem sftp {SFTP_SERVER if Path(SFTP_SERVER).exists() else "internal-sftp"}
"""
PASSWD = f"""\
root:x:0:0:root:/root:/bin/bash
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
{USER}:x:{USER_ID}:{USER_ID}::/home/{USER}:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
SHADOW = f"root:*:20000:0:99999:7:::\n{USER}:*:20000:0:99999:7:::\n"

FIRST_PROCESS = """\
read -r outside _ < /proc/self/stat
mount -t proc proc /proc
hostname "$1"
if [ -d "$2" ]; then mount -t tmpfs none "$2"; fi
mount --bind "$3" /mnt
mount --bind /mnt/passwd /etc/passwd
mount --bind /mnt/shadow /etc/shadow
shift 3
for own; do if [ -d "$own" ]; then mount --bind "/mnt$own" "$own"; fi; done
umount /mnt
mount -o remount,bind,ro /
echo "$outside"
"""
BECOME_CAT = """\
# Ignored, so that the kernel buries those who are left to this process.
exec env --ignore-signal=CHLD cat
"""

OLD_PYTHON = """\
import sys

sys.version_info = type("version_info", (tuple,), {"major": 3, "minor": 9, "micro": 2})((3, 9, 2, "final", 0))
sys.version = "3.9.2 (default, Feb 28 2021, 17:03:44) \\n[GCC 10.2.1 20210110]"
sys.hexversion = 0x030902F0
"""


def why_not() -> str:
    """Why there can be no SSH hosts here, or an empty text."""
    reason = missing("unshare", "nsenter", "ssh-keygen", "mount")
    return reason or ("" if os.access(SSHD, os.X_OK) else f"there is no {SSHD} (Debian: openssh-server)")


def unavailable(reason: str) -> NoReturn:
    """Where SSH hosts can't be had the test is skipped, but not in CI."""
    assert os.environ.get("CI") != "true", reason
    pytest.skip(reason)


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """A new key pair at that path; the public half, one line."""
    for old in (path, path.with_name(f"{path.name}.pub")):
        old.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def fingerprint(public: str) -> str:
    """SHA256:..., as OpenSSH shows it."""
    done = subprocess.run(["ssh-keygen", "-lf", "-"], input=public, capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


class SshHosts:
    """``count`` hosts, numbered from 1, their files and the client's home in ``directory``. The client trusts all host
    keys, and its key opens root and ``USER`` on each. With ``systemd`` each host runs one; it does not know of sshd.

    Skips the test where that can't be had.
    """

    def __init__(self, directory: Path, count: int = 3, systemd: bool = False) -> None:
        self.addresses = [f"{NETWORK}.{number}" for number in range(1, count + 1)]
        self.numbers = range(1, count + 1)
        self.home = directory / "client"
        self.network = Namespaces(self.addresses, CLIENT_ADDRESS)
        self._directory = directory
        self._systemd = systemd
        self._first: dict[int, subprocess.Popen[bytes]] = {}
        self._first_pid: dict[int, int] = {}

    def __enter__(self) -> SshHosts:
        if reason := why_not():
            unavailable(reason)
        if self._systemd and (reason := systemd_host.why_not()):
            pytest.skip(reason)
        try:
            self.network.__enter__()
        except NamespacesError as error:
            unavailable(str(error))
        try:
            ssh = self.home / ".ssh"
            ssh.mkdir(parents=True, mode=0o700)
            with ThreadPoolExecutor() as pool:
                public = pool.submit(make_key, ssh / "id_ed25519")
                list(pool.map(lambda number: self._make(number, public.result()), self.numbers))
            self.trust_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._first.values():
            assert process.stdin is not None
            process.stdin.close()
        for number, process in self._first.items():
            process.wait(PATIENCE_SECONDS)
            assert process.stdout is not None
            process.stdout.close()
            assert not self.network_processes(number), "a process of a host has outlived it"
        self.network.remove()

    # --- making them ---------------------------------------------------------------------------------------------

    def _make(self, number: int, public: str) -> None:
        files = self._directory / str(number)
        for own in OWN:
            (files / own[1:]).mkdir(parents=True)
        for shared in ("tmp", "var/tmp"):
            (files / shared).chmod(0o1777)
        (files / "home" / USER).mkdir(mode=0o700)
        os.chown(files / "home" / USER, USER_ID, USER_ID)
        (files / "root").chmod(0o700)
        (files / "run/sshd").mkdir(mode=0o755)
        (files / "passwd").write_text(PASSWD)
        (files / "shadow").write_text(SHADOW)
        ssh = files / "etc/ssh"
        (ssh / "sshd_config").write_text(SSHD_CONFIG)
        (ssh / "authorized_keys").write_text(f"{public}\n")
        make_key(ssh / "ssh_host_ed25519_key")
        if self._systemd:
            systemd_host.write_units(files / systemd_host.UNITS[1:], files / "etc/systemd")
        self._launch(number, files)
        self.start_sshd(number)

    def _launch(self, number: int, files: Path) -> None:
        """The first process of the host: it makes the mounts, says its process id out here, and lives till the end."""
        spaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--propagation", "private"]
        script, around = FIRST_PROCESS + BECOME_CAT, []
        if self._systemd:
            script, around = FIRST_PROCESS + systemd_host.BECOME_SYSTEMD, systemd_host.around(f"host{number}")
            spaces += ["--cgroup", "--kill-child"]
        words = ["sh", "-ec", script, "sh", f"host{number}", str(ROOT), str(files), *OWN]
        process = subprocess.Popen(
            [*around, *self.network.inside(str(number)), *spaces, *words],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._first[number] = process
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        if not said:
            unavailable(f"a host can't be made here: {process.stderr.read().decode('utf-8', 'replace').strip()}")
        process.stderr.close()
        self._first_pid[number] = int(said)
        if self._systemd:
            answer = ("systemctl", "is-system-running")
            until(f"systemd of host {number} is up", lambda: self.run(number, *answer, check=False) == "running\n")

    def start_user_manager(self, number: int) -> None:
        """Systemd there runs the services of ``USER``, also without a session."""
        self.run(number, "systemctl", "start", f"user@{USER_ID}.service")
        linger = self.path(number, f"/var/lib/systemd/linger/{USER}")
        linger.parent.mkdir(parents=True)
        linger.touch()

    # --- on a host -----------------------------------------------------------------------------------------------

    def inside(self, number: int) -> list[str]:
        """What to put before a command that shall run as root on that host."""
        clean = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/root", "LANG=C.UTF-8"]
        return ["nsenter", "-t", str(self._first_pid[number]), "-m", "-n", "-p", "-u", "-i", "--wd=/", *clean]

    def run(self, number: int, *command: str, check: bool = True) -> str:
        """Runs a command as root on that host to its end; what it wrote."""
        done = subprocess.run(
            [*self.inside(number), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        output = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0 or not check, f"host {number}: {' '.join(command)}: {output}"
        return output

    def path(self, number: int, path: str) -> Path:
        """Where a file of that host is found from here, also one in a mount of its own."""
        return Path(f"/proc/{self._first_pid[number]}/root{path}")

    def files(self, number: int, *directories: str) -> dict[str, str]:
        """What is in those directories (``COMPARED``) of that host: each path with its mode, owner and SHA256."""
        found: dict[str, str] = {}
        top = str(self.path(number, ""))
        for directory in directories or COMPARED:
            for parent, inner, names in os.walk(f"{top}{directory}"):
                for name in [*inner, *names]:
                    whole = os.path.join(parent, name)
                    found[whole.removeprefix(top)] = _described(whole)
        return found

    def processes(self, number: int) -> dict[int, str]:
        """Those of that host, by their process id there: command lines, without sshd and the host's first process."""
        found = {}
        for entry in self.path(number, "/proc").iterdir():
            if entry.name.isdigit() and entry.name != "1":
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if line and not line.startswith(("sshd:", SSHD)):
                    found[int(entry.name)] = line
        return found

    def kill(self, number: int, pid: int) -> None:
        """With SIGKILL; returns once it is gone, which a signal alone doesn't promise."""
        self.run(number, "kill", "-9", str(pid))
        until(f"process {pid} of host {number} ends", lambda: pid not in self.processes(number))

    def until_idle(self, *numbers: int) -> None:
        """Returns once those hosts (all without numbers) have no process: an agent ends just after its connection."""
        watched = numbers or tuple(self.numbers)
        until(f"the hosts {watched} have no process", lambda: not any(map(self.processes, watched)))

    def network_processes(self, number: int) -> list[int]:
        """All in that host's network, by their process id out here."""
        done = subprocess.run(
            ["ip", "netns", "pids", self.network.name(str(number))], capture_output=True, text=True, check=False
        )
        return [int(word) for word in done.stdout.split()]

    # --- its sshd ------------------------------------------------------------------------------------------------

    def start_sshd(self, number: int) -> None:
        """Returns once it listens."""
        self.run(number, SSHD, "-E", "/etc/ssh/log")
        pid_file = self.path(number, "/etc/ssh/sshd.pid")
        # It makes the file first and writes into it then, both once it listens.
        until(f"sshd of host {number} listens", lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))

    def stop_sshd(self, number: int) -> None:
        """No new connection is taken (refused); those that exist go on."""
        pid = self.path(number, "/etc/ssh/sshd.pid").read_text().strip()
        self.run(number, "kill", pid)
        listening = self.path(number, f"/proc/{pid}")
        until(f"sshd of host {number} ends", lambda: not listening.exists())

    def configure_sshd(self, number: int, *lines: str) -> None:
        """Starts it again with these lines first in its configuration (where the first one counts)."""
        self.path(number, "/etc/ssh/sshd_config").write_text("".join(f"{line}\n" for line in lines) + SSHD_CONFIG)
        self.stop_sshd(number)
        self.start_sshd(number)

    def log(self, number: int) -> str:
        """What its sshd has written."""
        return self.path(number, "/etc/ssh/log").read_text("utf-8", "replace")

    def drop_connections(self, number: int) -> None:
        """Ends all SSH connections of the host as if their sshd had crashed; the listening one goes on."""
        script = "kept=$(cat /etc/ssh/sshd.pid); for pid in $(pgrep -x sshd); do [ $pid = $kept ] || kill -9 $pid; done"
        self.run(number, "sh", "-c", script, check=False)

    def host_key(self, number: int, kind: str = "ed25519") -> str:
        """The public half, one line."""
        return self.path(number, f"/etc/ssh/ssh_host_{kind}_key.pub").read_text().strip()

    def replace_host_key(self, number: int, kind: str = "ed25519") -> str:
        """Gives its sshd a new key of that kind, and no other; the public half."""
        path = self.path(number, f"/etc/ssh/ssh_host_{kind}_key")
        public = make_key(path, kind)
        self.configure_sshd(number, f"HostKey /etc/ssh/ssh_host_{kind}_key")
        return public

    # --- what can be wrong with a host ---------------------------------------------------------------------------

    def mute(self, number: int) -> None:
        """It hears the client, and no answer arrives there."""
        self.run(number, "ip", "route", "add", "blackhole", f"{CLIENT_ADDRESS}/32")

    def unmute(self, number: int) -> None:
        """Takes that back."""
        self.run(number, "ip", "route", "delete", "blackhole", f"{CLIENT_ADDRESS}/32")

    def small_disk(self, number: int, kib: int, directory: str = "/var/lib") -> None:
        """There is a disk of its own there, new and with so little space."""
        self.run(number, "mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "none", directory)

    def usual_disk(self, number: int, directory: str = "/var/lib") -> None:
        """Takes that back, with what is on it."""
        self.run(number, "umount", directory)

    def hide_python(self, number: int) -> None:
        """The host has no Python."""
        for python in _pythons():
            self.run(number, "mount", "--bind", "/dev/null", python)

    def old_python(self, number: int) -> None:
        """The host's Python says that it is 3.9."""
        self.path(number, "/opt/wrong-python").mkdir()
        site = self.path(number, "/opt/wrong-python/sitecustomize.py")
        site.write_text(OLD_PYTHON)
        for python in _pythons():
            real = f"/opt/wrong-python/{Path(python).name}"
            shutil.copy2(python, self.path(number, real))
            script = f'#!/bin/sh\ncase "$1" in -V|--version) echo Python 3.9.2; exit;; esac\nexec {real} "$@"\n'
            fake = self.path(number, f"{real}.sh")
            fake.write_text(script)
            fake.chmod(0o755)
            self.run(number, "mount", "--bind", f"{real}.sh", python)
            for library in ("/usr/lib", "/usr/local/lib"):
                standard = f"{library}/{Path(python).name}/sitecustomize.py"
                if os.path.exists(standard):
                    self.run(number, "mount", "--bind", "/opt/wrong-python/sitecustomize.py", standard)

    def usual_python(self, number: int) -> None:
        """Takes either back."""
        for python in _pythons():
            self.run(number, "umount", python)
            for library in ("/usr/lib", "/usr/local/lib"):
                self.run(number, "umount", f"{library}/{Path(python).name}/sitecustomize.py", check=False)
        shutil.rmtree(self.path(number, "/opt/wrong-python"), ignore_errors=True)

    # --- the client ----------------------------------------------------------------------------------------------

    def trust_all(self) -> None:
        """The client's known_hosts has the keys of all hosts, and no other."""
        lines = [f"{self.addresses[number - 1]} {self.host_key(number)}\n" for number in self.numbers]
        (self.home / ".ssh/known_hosts").write_text("".join(lines))

    def trust_none(self) -> None:
        """The client has no known_hosts."""
        (self.home / ".ssh/known_hosts").unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """Of the client's commands: its home, this project, and no ssh-agent."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("SSH_", "XDG_"))}
        return {**kept, "HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    def client_command(self, words: Sequence[str]) -> list[str]:
        """That command, to be run where the client is; with ``environment()``."""
        return [*self.network.inside("hub"), *words]

    @property
    def client_network(self) -> str:
        """The file of the network namespace that the client is in."""
        return self.network.file("hub")

    def in_client_network(self, work: Callable[[], Awaitable[R]]) -> R:
        """Runs that on an event loop in this process, in a thread whose network is the client's."""

        async def whole() -> R:
            return await work()

        def thread() -> R:
            forked.enter(self.client_network)
            return asyncio.run(whole())

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(thread).result()


def _pythons() -> list[str]:
    """The interpreters of this machine that a host sees."""
    places = (Path("/usr/bin"), Path("/usr/local/bin"))
    found = {path.resolve() for place in places for path in place.glob("python3*") if os.access(path, os.X_OK)}
    return sorted(str(path) for path in found if path.name.removeprefix("python3.").isdigit())


def _described(path: str) -> str:
    state = os.lstat(path)
    mode = f"{stat.filemode(state.st_mode)} {state.st_uid}"
    if stat.S_ISLNK(state.st_mode):
        return f"{mode} -> {os.readlink(path)}"
    if not stat.S_ISREG(state.st_mode):
        return mode
    return f"{mode} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}"


def until(what: str, reached: Callable[[], bool]) -> None:
    """Waits for that."""
    end = monotonic() + PATIENCE_SECONDS
    while not reached():
        assert monotonic() < end, f"it never happened that {what}"
        sleep(0.01)
