"""The command line of wrpmed. A wrong one is told in one sentence."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NoReturn

import msgspec

from wrpme import options
from wrpme.errors import UsageError
from wrpme.limits import GRACE_SECONDS, REPLICATION_MAX, REPLICATION_USUAL, SESSIONS_MAX
from wrpme.options import LEVELS
from wrpme.protocol import address
from wrpme.protocol.address import Address
from wrpme.version import VERSION

EPILOG = """\
A node without --peer and without data founds a hive; with --peer it joins that node's hive; on a directory
that holds data it comes back to its hive. SIGTERM or SIGINT: planned stop; SIGHUP: the log file is reopened.
"""


class Config(msgspec.Struct, frozen=True):
    """What the operator asked for. ``root`` is absolute, and empty for ``--transient``; ``advertise`` is what others
    are told; ``log_console`` is None where it follows from the rest; ``replication`` is 0 where it was not given:
    2 in a hive that is founded, that of the hive where one is joined."""

    address: Address
    advertise: Address
    peers: tuple[Address, ...]
    root: str
    log_file: str
    log_console: bool | None
    log_level: str
    replication: int
    grace_seconds: float
    sync: bool
    transient: bool
    sessions: int

    def as_json(self) -> str:
        """As GetConfig answers it."""
        shown = {
            "address": str(self.address),
            "advertise": str(self.advertise),
            "peers": [str(peer) for peer in self.peers],
            "root": self.root,
            "log_file": self.log_file,
            "log_level": self.log_level,
            "replication": self.replication or None,
            "grace_seconds": self.grace_seconds,
            "sync": self.sync,
            "transient": self.transient,
            "sessions": self.sessions,
            "version": VERSION,
        }
        return msgspec.json.encode(shown).decode()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """In place of the page of usage that argparse prints."""
        raise UsageError(message)


def parse(arguments: Sequence[str]) -> Config:
    """The configuration that the command line asks for. ``--help`` and ``--version`` print and end the process.

    Raises:
        UsageError: an option or a value is wrong.
    """
    parser = _build()
    try:
        given, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(_reworded(error)) from None
    if rest:
        raise UsageError(_unknown(rest[0], parser))
    return _checked(given)


def _build() -> _Parser:
    parser = _Parser(
        prog="wrpmed",
        description="A node of a wrpme hive: a distributed key/value store.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
        add_help=False,
    )
    add = parser.add_argument
    add("-a", "--address", metavar="HOST:PORT", type=_address("--address"), default=address.parse(address.DEFAULT),
        help=f"where to listen: IPv4, [IPv6] or a name (default {address.DEFAULT})")  # fmt: skip
    add("--advertise", metavar="HOST:PORT", type=_address("--advertise"),
        help="what other nodes and clients are told (default the address)")  # fmt: skip
    add("--peer", metavar="HOST:PORT", type=_address("--peer"), action="append", default=[],
        help="any node of the hive to join; may be repeated, and need not be up yet")  # fmt: skip
    add("-r", "--root", metavar="DIR", type=_text("--root"),
        help="the data directory (default db/HOST-PORT under the current directory)")  # fmt: skip
    add("-l", "--log-file", metavar="FILE", type=_text("--log-file"),
        help="log there: appended, reopened on SIGHUP")  # fmt: skip
    add("-o", "--log-console", action="store_const", const=True,
        help="log to stderr (default if there is no log file and stderr is a terminal)")  # fmt: skip
    add("--log-level", metavar="LEVEL", type=_tuning("log-level"), default="info",
        help=f"{', '.join(LEVELS)} (default info)")  # fmt: skip
    add("--replication", metavar="R", type=_tuning("replication"), default=0,
        help=f"copies of each entry, 1 to {REPLICATION_MAX} (default {REPLICATION_USUAL})")  # fmt: skip
    add("--grace", metavar="SECONDS", type=_tuning("grace"), default=GRACE_SECONDS,
        help=f"before the copies of a dead node are made elsewhere (default {GRACE_SECONDS:.0f})")  # fmt: skip
    add("--no-sync", action="store_true",
        help="answer writes once the operating system has them rather than the disk")  # fmt: skip
    add("--transient", action="store_true", help="memory only: nothing survives the end of the process")
    add("--sessions", metavar="N", type=_tuning("sessions"), default=SESSIONS_MAX,
        help=f"connections of clients at a time (default {SESSIONS_MAX})")  # fmt: skip
    add("--version", action="version", version=f"wrpmed {VERSION}", help="print the version and exit")
    add("-h", "--help", action="help", help="print this and exit")
    return parser


def _checked(given: argparse.Namespace) -> Config:
    """What can only be told from several options together."""
    advertise: Address = given.advertise or given.address
    if advertise.unspecified:
        if given.advertise:
            raise UsageError(f"--advertise {advertise}: others can't reach that; name one address of this machine")
        raise UsageError(
            f"--address {given.address} is every address of this machine; say with --advertise HOST:PORT which one "
            "others are told"
        )
    for peer in given.peer:
        if peer in (given.address, advertise):
            raise UsageError(f"--peer {peer} is this node itself; name another node of the hive, or none to found one")
        if peer.unspecified:
            raise UsageError(f"--peer {peer} names no machine")
    if given.transient and given.root is not None:
        raise UsageError("--transient keeps nothing on disk, so --root has no meaning beside it; leave one of them out")
    root = given.root or os.path.join("db", f"{given.address.host}-{given.address.port}")
    return Config(
        address=given.address,
        advertise=advertise,
        peers=tuple(dict.fromkeys(given.peer)),
        root="" if given.transient else os.path.abspath(root),
        log_file=os.path.abspath(given.log_file) if given.log_file else "",
        log_console=given.log_console,
        log_level=given.log_level,
        replication=given.replication,
        grace_seconds=given.grace,
        sync=not given.no_sync,
        transient=given.transient,
        sessions=given.sessions,
    )


# --- values ------------------------------------------------------------------------------------------------------


def _address(option: str) -> Callable[[str], Address]:
    """Reads the address of that option."""

    def read(text: str) -> Address:
        try:
            return address.parse(text)
        except UsageError as error:
            raise UsageError(f"{option}: {error.sentence}") from None

    return read


def _text(option: str) -> Callable[[str], str]:
    """Reads the name of a file or directory of that option."""

    def read(text: str) -> str:
        if not text or "\0" in text:
            raise UsageError(f"{option} needs a name")
        return text

    return read


def _tuning(name: str) -> Callable[[str], str | int | float]:
    """Reads the value of that option."""

    def read(text: str) -> str | int | float:
        try:
            return options.value(name, text)
        except UsageError as error:
            raise UsageError(f"--{name} {text[:40]}: {error.sentence}") from None

    return read


# --- wrong ones --------------------------------------------------------------------------------------------------


def _reworded(error: argparse.ArgumentError) -> str:
    option = (error.argument_name or "").rpartition("/")[2]
    if error.message.startswith("expected"):
        return f"{option} needs a value, see wrpmed --help"
    if error.message.startswith("ignored explicit"):
        return f"{option} takes no value, see wrpmed --help"
    return f"{option}: {error.message}"


def _unknown(word: str, parser: _Parser) -> str:
    if not word.startswith("-"):
        return f'"{word[:80]}" is no option: wrpmed takes options only, see wrpmed --help'
    word = word.partition("=")[0][:80]
    known = [option for action in parser._actions for option in action.option_strings]
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f'there is no option "{word}"' + (f', did you mean "{near[0]}"?' if near else ", see wrpmed --help")
