"""wrpme: a distributed key/value store.

The floors, from the ground up; an import points down only, and import-linter keeps it so::

    errors, limits      what can go wrong, and how large anything may get
    picture, happening, the view of the hive, and what happens in it; what is said: requests, replies, and what nodes
    messages            say to each other
    codec               bytes <-> messages
    ring, view,         where an entry lives; the agreed picture of the hive and its changes;
    consensus, beacon   how a change is decided; who is alive
    effects, entries    what the node asks of the world; how an entry lies in the store
    stream, copying,    a numbered stream to another node, the copy of an arc, one arc on one node
    operations, replica
    council, node       the voter, and one node whole: events and the time in, effects out
    store               the storage seam, and the store in memory
    figures, sightings  what nodes tell of themselves, and what a watcher of the hive sees
    daemon/ client/     wrpmed; the client library; nodes on other machines
    bootstrap/
    commands, shell     the words of wrpmesh; wrpmesh in line mode
    tui/                wrpmesh as a terminal application

Up to and including ``node`` nothing knows a socket, a clock, a task or a random source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wrpme.blocking import BlockingClient
    from wrpme.client import Client
    from wrpme.errors import WrpmeError

__version__ = "0.1.0"
__all__ = ["BlockingClient", "Client", "WrpmeError", "__version__"]

_HOMES = {"Client": "wrpme.client", "BlockingClient": "wrpme.blocking", "WrpmeError": "wrpme.errors"}


def __getattr__(name: str) -> Any:
    """The public names, loaded when first used: a command line tool pays only for what it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wrpme' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
