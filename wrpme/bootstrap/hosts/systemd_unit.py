"""The text of a systemd unit for one node, and of the script that it runs. Pure: nothing is written here.

The node lives in one directory: the script ``run``, the process id in ``pid`` (for people), ``data`` and ``log``. The
script becomes the daemon (``exec``), so that the process which systemd started is the node.

What the unit makes of the node's end: 0 (a planned stop, ``stop_node``, ``leave``) is an end; 2 is a wrong command
line, which does not get better; anything else starts it again, until it has failed ``UNIT_STARTS_MAX`` times in a row.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from wrpme.bootstrap.limits import (
    NODE_STOP_SECONDS,
    UNIT_ABORT_SECONDS,
    UNIT_RESTART_SECONDS,
    UNIT_STARTS_MAX,
    UNIT_STARTS_SECONDS,
    WATCHDOG_SECONDS,
)
from wrpme.errors import UsageError
from wrpme.limits import FILES_RESERVED, NODE_SESSIONS_MAX, SESSIONS_OPTION_MAX
from wrpme.protocol import address as addresses

PORTS_OF_ROOT = 1024
"""A port below it needs a capability."""
SHARED = ("/tmp/", "/var/tmp/")
"""What ``PrivateTmp`` hides."""

SERVICE = f"""\
Restart=on-failure
RestartSec={UNIT_RESTART_SECONDS}
RestartPreventExitStatus=2
TimeoutStartSec=infinity
TimeoutStopSec={NODE_STOP_SECONDS:.0f}
TimeoutAbortSec={UNIT_ABORT_SECONDS}
WatchdogSec={WATCHDOG_SECONDS}
KillMode=mixed
LimitNOFILE={SESSIONS_OPTION_MAX + NODE_SESSIONS_MAX + FILES_RESERVED}
LimitCORE=0
UMask=0077
"""
UNPRIVILEGED = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
"""
"""What also the manager of a user can enforce. AF_NETLINK is how the C library looks names up."""
PRIVILEGED = """\
ProtectSystem=strict
ProtectHome=read-only
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
PrivateDevices=yes
"""
"""Homes can be read, as a Python may lie there."""


def unit_name(node_name: str) -> str:
    """Of the unit of the node of that name (letters, digits, and ``-_.``)."""
    return f"wrpme-{node_name}.service"


def unit(node_name: str, directory: str, *, user: bool, address: str) -> str:
    """The unit of a node in that directory (absolute, its own), for the manager of the system or of a ``user``.

    Raises:
        UsageError: the directory can't be named in a unit.
    """
    _check(directory)
    script = f"{directory}/run"
    head = (
        f"# The wrpme node {node_name}, kept running by {script}\n"
        f"[Unit]\nDescription=wrpme node {_plain(address)}\n"
        f"StartLimitIntervalSec={UNIT_STARTS_SECONDS}\nStartLimitBurst={UNIT_STARTS_MAX}\n"
    )
    begin = (
        f"\n[Service]\nType=notify\nNotifyAccess=main\nExecStart=/bin/sh {_quoted(script).replace('$', '$$')}\n"
        "SyslogIdentifier=wrpmed\n"
    )
    if user:
        return f"{head}{begin}{SERVICE}{UNPRIVILEGED}\n[Install]\nWantedBy=default.target\n"
    # Root may read what lies in a directory of another user; without this capability not even that.
    capabilities = ["CAP_DAC_OVERRIDE"]
    if addresses.parse(address).port < PORTS_OF_ROOT:
        capabilities.append("CAP_NET_BIND_SERVICE")
    hidden = "" if directory.startswith(SHARED) else "PrivateTmp=yes\n"
    return (
        f"{head}Wants=network-online.target\nAfter=network-online.target\nRequiresMountsFor={_quoted(directory)}\n"
        f"{begin}{SERVICE}CapabilityBoundingSet={' '.join(capabilities)}\n{UNPRIVILEGED}{PRIVILEGED}{hidden}"
        f"ReadWritePaths={_quoted(directory)}\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def run_script(python: str, directory: str, arguments: Sequence[str]) -> str:
    """The script that becomes the daemon of the node in that directory, run by that Python (both absolute);
    ``arguments`` are those of wrpmed, but for the directory of its data and its log.

    Raises:
        UsageError: the directory can't be named in a unit.
    """
    _check(directory)
    # -I: neither the environment nor the directory it is started in may bring in another wrpme
    words = [python, "-I", "-B", "-m", "wrpme.daemon", *arguments, "-r", f"{directory}/data", "-l", f"{directory}/log"]
    return (
        "#!/bin/sh\n"
        "# Written by wrpmesh; what it says takes effect when the node is started next.\n"
        "cd /\n"
        f"echo $$ > {shlex.quote(f'{directory}/pid')}\n"
        f"exec {shlex.join(words)}\n"
    )


def _check(directory: str) -> None:
    if not directory.startswith("/") or not directory.isprintable():
        raise UsageError(f"{directory!r} can't be the directory of a node: it is not absolute, or not printable")


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(path: str) -> str:
    """As one word of a line of a unit."""
    escaped = _plain(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
