"""A machine of its own whose first process is a real systemd, for tests: it boots in a moment, with hardly any unit.

It is a process, mount, network, host name and cgroup name space. It sees the files of this machine, read-only but for
``directory`` and for ``/run``, ``/tmp``, ``/var/lib`` and ``/etc/systemd`` of its own. It ends with the test run,
however that ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.system.daemons import PATIENCE_SECONDS, ROOT

SYSTEMD = "/lib/systemd/systemd"
USUAL_UNITS = "/lib/systemd/system"
HIDDEN = ("/tmp/", "/var/lib/")
"""What the machine has of its own; what the tests need of it here is bound back, read-only."""
UNITS = "/run/units"
"""Beside those in /etc/systemd/system, systemd knows these and no others."""
NO_GENERATORS = "/run/no-generators"
"""Is not there: programs that make units of what the machine has would all be run at each reload."""
FROM_DEBIAN = (
    "basic.target", "multi-user.target", "shutdown.target", "umount.target", "network.target", "network-online.target",
    "sockets.target", "local-fs.target", "systemd-journald.service", "systemd-journald.socket",
)  # fmt: skip
SYSINIT_TARGET = """\
[Unit]
DefaultDependencies=no
Conflicts=shutdown.target
Wants=systemd-journald.service
After=systemd-journald.service
"""
USER_MANAGER = f"""\
[Service]
Type=notify
User=%i
ExecStart={SYSTEMD} --user
Environment=XDG_RUNTIME_DIR=/run/user/%i
RuntimeDirectory=user/%i
Delegate=yes
KillMode=mixed
CapabilityBoundingSet=
"""
JOURNALD = """\
[Journal]
Storage=volatile
ReadKMsg=no
Audit=no
"""
USER_MANAGER_RUNS = ("env", "XDG_RUNTIME_DIR=/run/user/0")
"""What to put before systemctl --user."""
MACHINE_ID = "0123456789abcdef0123456789abcdef"

AROUND = """\
cgroup=$1
shift
mkdir "$cgroup"
(echo 0 > "$cgroup/cgroup.procs" && exec "$@") &
exec > /dev/null 2>&1
read -r forever || :
kill -9 $! || :
for turn in 1 2 3 4 5 6 7 8 9; do
    if find "$cgroup" -depth -type d -exec rmdir {} +; then break; fi
    sleep 0.1
done
"""
"""Holds the machine, until its own standard input ends."""
FIRST_PROCESS = f"""\
read -r outside _ < /proc/self/stat
mount -t proc proc /proc
umount -R /run/netns 2> /dev/null || :
mount -t tmpfs -o mode=755 none /run
for kept in "$@"; do
    mkdir -p "/run/kept$kept"
    mount --bind "$kept" "/run/kept$kept"
done
mount -t tmpfs none /tmp
mount -t tmpfs none /var/lib
for kept in "$@"; do
    mkdir -p "$kept"
    mount --bind "/run/kept$kept" "$kept"
    umount -l "/run/kept$kept"
    [ "$kept" = "$1" ] || mount -o remount,bind,ro "$kept"
done
mount --bind "$1/machine/etc" /etc/systemd
cp -r "$1/machine/units" {UNITS}
mount -o remount,bind,ro /
echo "$outside"
"""
BECOME_SYSTEMD = f"""\
umount -R /sys/fs/cgroup || :
mount -t cgroup2 none /sys/fs/cgroup
for shared in /dev /proc/sys; do
    mount --rbind "$shared" "$shared"
    mount -o remount,bind,ro "$shared"
done
exec env -i container=test PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 \\
    SYSTEMD_UNIT_PATH=/etc/systemd/system:{UNITS} SYSTEMD_GENERATOR_PATH={NO_GENERATORS} \\
    {SYSTEMD} --system --unit=multi-user.target --machine-id={MACHINE_ID} --log-target=journal --show-status=no \\
    < /dev/null > /dev/null
"""
"""The end of the script of a first process that has a /run and an /etc/systemd of its own, ``UNITS`` in them."""


def why_not() -> str:
    """Why there can be no such machine here, or an empty text."""
    if os.geteuid() != 0:
        return "a machine with its own systemd is for root only"
    for command in ("unshare", "nsenter", "systemctl", "journalctl"):
        if shutil.which(command) is None:
            return f"there is no command {command}"
    if not os.access(SYSTEMD, os.X_OK):
        return f"there is no {SYSTEMD} (Debian: systemd)"
    place = cgroup_root()
    if not place:
        return "no cgroup2 is mounted"
    return "" if os.access(place, os.W_OK) else f"{place} can't be written"


def cgroup_root() -> str:
    """Where the second version of cgroups is mounted; empty where it is not."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return next((words[1] for words in mounts if words[2] == "cgroup2"), "")


def around(name: str) -> list[str]:
    """What to put before the command that makes the name spaces: it is ended by the end of its standard input, and
    what it starts is in a cgroup of that name."""
    return ["sh", "-ec", AROUND, "sh", f"{cgroup_root()}/wrpme-{os.getpid()}-{name}"]


def write_units(units: Path, etc: Path) -> None:
    """What the first process needs in ``UNITS`` and in /etc/systemd."""
    units.mkdir(parents=True)
    for name in FROM_DEBIAN:
        shutil.copy(f"{USUAL_UNITS}/{name}", units / name)
    (units / "sysinit.target").write_text(SYSINIT_TARGET)
    (units / "user@.service").write_text(USER_MANAGER)
    for part in ("system", "user"):
        (etc / part).mkdir(parents=True)
    (etc / "journald.conf").write_text(JOURNALD)


class SystemdHost:
    """``directory`` is the only one that is writable there, and the same as here. Skips the test where such a machine
    can't be had."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.units = directory / "machine/etc/system"
        """Its /etc/systemd/system."""
        self.user_units = directory / "machine/etc/user"
        """Its /etc/systemd/user."""
        self._machine = directory / "machine"
        self._process: subprocess.Popen[bytes]
        self._first_pid = 0

    def __enter__(self) -> SystemdHost:
        if reason := why_not():
            pytest.skip(reason)
        write_units(self._machine / "units", self._machine / "etc")
        spaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--propagation", "private"]
        needed = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
        hidden = {str(path): None for path in needed if str(path).startswith(HIDDEN)}
        kept = [path for path in hidden if not any(path.startswith(f"{other}/") for other in hidden)]
        words = ["sh", "-ec", FIRST_PROCESS + BECOME_SYSTEMD, "sh", str(self.directory), *kept]
        self._process = subprocess.Popen(
            [*around("systemd"), *spaces, "--fork", "--kill-child", *words],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        try:
            said = self._process.stdout.readline()
            if not said:
                pytest.skip(f"no systemd runs here: {self._process.stderr.read().decode('utf-8', 'replace').strip()}")
            self._first_pid = int(said)
            self._await_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE_SECONDS)

    def _await_boot(self) -> None:
        answer = ""

        def is_up() -> bool:
            nonlocal answer
            answer = self.run("systemctl", "is-system-running", check=False)
            return answer == "running"

        try:
            self.until("systemd is up", is_up)
        except AssertionError:
            pytest.skip(f"systemd does not get up here: {answer}")

    # --- on it ---------------------------------------------------------------------------------------------------

    def run(self, *command: str, check: bool = True) -> str:
        """Runs a command as root there to its end; what it wrote."""
        inside = ["nsenter", "-t", str(self._first_pid), "-m", "-n", "-p", "-u", "-i", "-C", "--wd=/"]
        clean = ["env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/root", "LANG=C.UTF-8"]
        done = subprocess.run(
            [*inside, *clean, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        output = done.stdout.decode("utf-8", "replace").strip()
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {output}"
        return output

    def inside(self, path: Path) -> Path:
        """Where a file of ``units`` or ``user_units`` is there."""
        return Path("/etc/systemd") / path.relative_to(self._machine / "etc")

    def until(self, what: str, reached: Callable[[], bool]) -> None:
        """Waits for that."""
        end = monotonic() + PATIENCE_SECONDS
        while not reached():
            assert monotonic() < end, f"it never happened that {what}"
            sleep(0.1)  # each turn starts processes there
