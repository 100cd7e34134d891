"""The unit of a node that is made by hand, of the parts from which nodes over SSH have theirs."""

from __future__ import annotations

from wrpme.bootstrap.hosts.systemd_unit import NETWORK, NOTIFIES, PRIVILEGED, SERVICE, STARTS, UNPRIVILEGED

_HEAD = """\
# Made by python -m tests.deploy from wrpme/bootstrap/hosts/systemd_unit.py: change that, or what this machine needs in
# wrpmed.service.d/*.conf (systemctl edit wrpmed). A port below 1024 needs there:
# AmbientCapabilities=CAP_NET_BIND_SERVICE and CapabilityBoundingSet=CAP_NET_BIND_SERVICE.
"""
_STATE = "/var/lib/wrpmed"


def unit() -> str:
    """The text of wrpmed.service."""
    return (
        f"{_HEAD}[Unit]\nDescription=wrpme node\nDocumentation=man:wrpmed(1)\n{STARTS}{NETWORK}"
        f"\n[Service]\n{NOTIFIES}User=wrpmed\nGroup=wrpmed\n"
        f"ExecStart=/opt/wrpme/bin/wrpmed --config /etc/wrpme/wrpmed.toml -r {_STATE}/data -l {_STATE}/log\n"
        "ExecReload=/bin/kill -HUP $MAINPID\nStateDirectory=wrpmed\nStateDirectoryMode=0700\n"
        f"{SERVICE}CapabilityBoundingSet=\n{UNPRIVILEGED}{PRIVILEGED}PrivateTmp=yes\n"
        "\n[Install]\nWantedBy=multi-user.target\n"
    )
