"""wrpme: a distributed key/value store.

The rooms, from the ground up; an import points down only, and import-linter keeps it so::

    errors, limits      what can go wrong, and how large anything may get
    protocol/           what all programs share: messages and frames, the view of the hive and questions to it, the
                        ring, what nodes tell of themselves and of what happens
    options             the options of all programs and commands: one table, its parser, help and completion
    files/              options from a file of TOML and from variables: what they say, and what in them is a slip
    backup/             the file of a backup: its frames, and text that people read
    core/               one node without input and output: inputs and the time in, effects out
      health/           how fit this node is, and who of the others is alive
      membership/       views: how one becomes the next, who decides, how they spread, who is let in
      replication/      arcs: writes, copies and streams, the change of an owner, scans
    client/             the client library; watch/ for those who watch a hive
    daemon/             wrpmed, the process: net/ its connections, storage/ its disk; data/ is wrpme-data
    contrib/            a hive as the cache of Django, aiocache and Flask-Caching
    bootstrap/          nodes on other machines, over SSH
    shell/, cli         wrpmesh in line mode
    tui/                wrpmesh as a terminal application; web/ the same in browsers

Nothing in ``protocol`` and ``core`` knows a socket, a clock, a task or a random source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wrpme.version import VERSION as __version__

if TYPE_CHECKING:
    from wrpme.client.blocking import BlockingClient
    from wrpme.client.client import Client
    from wrpme.client.requests.request_ids import request_id
    from wrpme.errors import WrpmeError
    from wrpme.files.certificates import TlsFiles

__all__ = ["BlockingClient", "Client", "TlsFiles", "WrpmeError", "__version__", "request_id"]

_HOMES = {
    "Client": "wrpme.client.client",
    "BlockingClient": "wrpme.client.blocking",
    "TlsFiles": "wrpme.files.certificates",
    "WrpmeError": "wrpme.errors",
    "request_id": "wrpme.client.requests.request_ids",
}


def __getattr__(name: str) -> Any:
    """The public names, loaded when first used: a command line tool pays only for what it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wrpme' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
