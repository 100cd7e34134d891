"""The configuration of wrpmed, from its command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import msgspec

from wrpme import options
from wrpme.errors import UsageError
from wrpme.options import WRPMED, Given
from wrpme.protocol.address import Address
from wrpme.version import VERSION

HELP = """\
usage: wrpmed [-a HOST:PORT] [--peer HOST:PORT]... [-r DIR] [-l FILE] ...

A node of a wrpme hive: a distributed key/value store.

{options}

A node without --peer and without data founds a hive; with --peer it joins that node's hive; on a directory
that holds data it comes back to its hive. SIGTERM or SIGINT: planned stop; SIGHUP: the log file is reopened."""


class Config(msgspec.Struct, frozen=True):
    """What the operator asked for. ``root`` is absolute, and empty for ``--transient``; ``advertise`` is the address
    that others are told; ``log_console`` is None where it follows from the rest; ``replication`` is 0 where it was not
    given, which means 2 in a hive that the node founds, and the hive's own number in one that it joins."""

    address: Address
    advertise: Address
    peers: tuple[Address, ...]
    root: str
    log_file: str
    log_console: bool | None
    log_format: str
    log_level: str
    replication: int
    grace_seconds: float
    sync: bool
    transient: bool
    sessions: int
    redis_strict: bool

    def as_json(self) -> str:
        """Returns the configuration as GetConfig answers it."""
        shown = {
            "address": str(self.address),
            "advertise": str(self.advertise),
            "peers": [str(peer) for peer in self.peers],
            "root": self.root,
            "log_file": self.log_file,
            "log_format": self.log_format,
            "log_level": self.log_level,
            "replication": self.replication or None,
            "grace_seconds": self.grace_seconds,
            "sync": self.sync,
            "transient": self.transient,
            "sessions": self.sessions,
            "redis_strict": self.redis_strict,
            "version": VERSION,
        }
        return msgspec.json.encode(shown).decode()


def parse(arguments: Sequence[str]) -> Config:
    """Returns the configuration that the command line asks for. ``--help`` and ``--version`` print and end the process.

    Raises:
        UsageError: an option or a value is wrong.
    """
    given = options.parse(WRPMED, arguments)
    if "help" in given or "version" in given:
        sys.stdout.write(help_text() + "\n" if "help" in given else f"wrpmed {VERSION}\n")
        raise SystemExit(0)
    if given.words:
        raise UsageError(f'"{given.words[0][:80]}" is no option: wrpmed takes options only, see wrpmed --help')
    return _checked(given)


def only_itself(peer: Address) -> UsageError:
    """Returns the error of a node whose peers are all itself: to found a hive by such a slip would lose the other one
    from sight."""
    return UsageError(f"--peer {peer} is this node itself; name another node of the hive, or none to found one")


def help_text() -> str:
    """Returns what ``wrpmed --help`` prints."""
    return HELP.format(options="\n".join(f"  {line}" for line in options.help_lines(WRPMED)))


def _checked(given: Given) -> Config:
    """Checks what can only be told from several values together."""
    listens: Address = given["address"]
    advertise: Address = given["advertise"] or listens
    if advertise.unspecified:
        if given["advertise"]:
            raise UsageError(f"--advertise {advertise}: others can't reach that; name one address of this machine")
        raise UsageError(
            f"--address {listens} is every address of this machine; say with --advertise HOST:PORT which one others "
            "are told"
        )
    for peer in given["peer"]:
        if peer.unspecified:
            raise UsageError(f"--peer {peer} names no machine")
    peers = tuple(peer for peer in dict.fromkeys(given["peer"]) if peer not in (listens, advertise))
    if given["peer"] and not peers:
        raise only_itself(given["peer"][0])
    root = given["root"] or os.path.join("db", f"{listens.host}-{listens.port}")
    return Config(
        address=listens,
        advertise=advertise,
        peers=peers,
        root="" if given["transient"] else os.path.abspath(root),
        log_file=os.path.abspath(given["log-file"]) if given["log-file"] else "",
        log_console=given["log-console"] or None,
        log_format=given["log-format"],
        log_level=given["log-level"],
        replication=given["replication"],
        grace_seconds=given["grace"],
        sync=not given["no-sync"],
        transient=given["transient"],
        sessions=given["sessions"],
        redis_strict=given["redis-strict"],
    )
