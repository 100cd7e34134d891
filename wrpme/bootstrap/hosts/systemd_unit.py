"""The text of a systemd unit for one node, and of the script that it runs. This module is pure: it writes no file.

The node has one directory with the script ``run``, the process id in ``pid`` (for people), ``data`` and ``log``. The
script becomes the daemon (``exec``), so that the process which systemd started is the node.

After exit status 0 (a planned stop, ``stop_node``, ``leave``) the unit does not start the node again, nor after 2, a
wrong command line, which would be wrong again. After anything else it does, until the node has failed
``UNIT_STARTS_MAX`` times in a row.

The unit in ``deploy/systemd``, for nodes that are made by hand, is made of the same parts.
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
"""Listening at a port below it needs a capability."""
SHARED = ("/tmp/", "/var/tmp/")
"""The directories that ``PrivateTmp`` hides."""

STARTS = f"StartLimitIntervalSec={UNIT_STARTS_SECONDS}\nStartLimitBurst={UNIT_STARTS_MAX}\n"
NETWORK = "Wants=network-online.target\nAfter=network-online.target\n"
NOTIFIES = "Type=notify\nNotifyAccess=main\n"
SERVICE = f"""\
SyslogIdentifier=wrpmed
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
"""What the manager of a user can enforce, too. The C library needs AF_NETLINK to look names up."""
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
"""What only the manager of the system can enforce. Homes can be read, as the Python may be in one."""


def unit_name(node_name: str) -> str:
    """Returns the name of the unit of a node; the node's name has letters, digits, and ``-_.`` alone."""
    return f"wrpme-{node_name}.service"


def unit(node_name: str, directory: str, *, user: bool, address: str) -> str:
    """Returns the unit of a node in that directory (absolute, its own), for the manager of the system or of a ``user``.

    Raises:
        UsageError: the directory can't be named in a unit.
    """
    _check(directory)
    script = f"{directory}/run"
    head = (
        f"# The wrpme node {node_name}, kept running by {script}\n"
        f"[Unit]\nDescription=wrpme node {_plain(address)}\n{STARTS}"
    )
    begin = f"\n[Service]\n{NOTIFIES}ExecStart=/bin/sh {_quoted(script).replace('$', '$$')}\n"
    if user:
        return f"{head}{begin}{SERVICE}{UNPRIVILEGED}\n[Install]\nWantedBy=default.target\n"
    # With this capability root may read what is in a directory of another user, as usual.
    capabilities = ["CAP_DAC_OVERRIDE"]
    if addresses.parse(address).port < PORTS_OF_ROOT:
        capabilities.append("CAP_NET_BIND_SERVICE")
    hidden = "" if directory.startswith(SHARED) else "PrivateTmp=yes\n"
    return (
        f"{head}{NETWORK}RequiresMountsFor={_quoted(directory)}\n"
        f"{begin}{SERVICE}CapabilityBoundingSet={' '.join(capabilities)}\n{UNPRIVILEGED}{PRIVILEGED}{hidden}"
        f"ReadWritePaths={_quoted(directory)}\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def run_script(python: str, directory: str, arguments: Sequence[str]) -> str:
    """Returns the script that becomes the daemon of the node in that directory, run by that Python (both absolute).

    ``arguments`` are those of wrpmed, except for its data directory and its log.

    Raises:
        UsageError: the directory can't be named in a unit.
    """
    _check(directory)
    # With -I neither the environment nor the working directory can bring in another wrpme.
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
    """Returns the path as one word of a line of a unit."""
    escaped = _plain(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
