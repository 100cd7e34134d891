"""The configuration of wrpmed: from its command line, then variables of the environment, then a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from wrpme import options
from wrpme.daemon.security.tls import OFF, Tls
from wrpme.files import option_values
from wrpme.files import file_text, option_files
from wrpme.files.certificates import TlsFiles
from wrpme.errors import UsageError
from wrpme.options import WRPMED, Given
from wrpme.protocol.address import Address
from wrpme.version import VERSION

HELP = """\
usage: wrpmed [-a HOST:PORT] [--peer HOST:PORT]... [-r DIR] [-l FILE] ...

A node of a wrpme hive: a distributed key/value store.

{options}

A node without --peer and without data founds a hive; with --peer it joins that node's hive; on a directory
that holds data it comes back to its hive. What is not given is looked for in WRPME_ADDRESS, WRPME_GRACE and so on,
then in the file of --config. SIGTERM or SIGINT: planned stop; SIGHUP: the log file is reopened, the file read again."""


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
    audit_log: str
    replication: int
    grace_seconds: float
    slow_seconds: float
    bytes_max: int
    memory_max: int
    sync: bool
    transient: bool
    sessions: int
    redis_strict: bool
    tls_mode: str
    tls_files: TlsFiles
    given: Given = Given(WRPMED, {}, ())
    """The options that all of this was made of."""
    strays: tuple[str, ...] = ()
    """Variables of the environment that look like options, and are none."""

    def options(self) -> dict[str, tuple[Any, str]]:
        """Returns each option with its value, as JSON has it, and where that is from."""
        found: dict[str, Any] = {option.name: self.given[option.name] for option in SETTINGS}
        found |= {
            "address": str(self.address),
            "advertise": str(self.advertise),
            "peer": [str(peer) for peer in self.peers],
            "root": self.root,
            "log-file": self.log_file,
            "tls-cert": self.tls_files.certificate,
            "tls-key": self.tls_files.key,
            "tls-ca": self.tls_files.ca,
            "audit-log": self.audit_log,
            "replication": self.replication or None,
        }
        return {name: (_utf8(value), _utf8(self.given.origin(name))) for name, value in found.items()}

    def secured(self) -> Tls | None:
        """Returns what its connections are secured with; None where they are not.

        Raises:
            UsageError: the files of its certificate can't be used.
        """
        return Tls(self.tls_mode, self.tls_files, self.advertise) if self.tls_mode != OFF else None

    def as_json(self) -> str:
        """Returns the configuration as GetConfig answers it."""
        shown: dict[str, Any] = {
            name: {"value": value, "origin": origin} for name, (value, origin) in self.options().items()
        }
        return msgspec.json.encode(shown | {"version": VERSION}).decode()

    def as_text(self) -> str:
        """Returns the configuration as ``--check-config`` prints it: lines of a file that says the same, with where
        each value is from. What has no value is a comment."""
        rows = []
        told = {option.name: option.default_shown for option in SETTINGS}
        for name, (value, origin) in self.options().items():
            said = value not in (None, "", [])
            rows.append((f"{name} = {_toml(value)}" if said else f"# {name}: {told.get(name) or 'none'}", origin))
        width = max(len(line) for line, _ in rows)
        return "\n".join(f"{line:<{width}}  # {origin}" for line, origin in rows)

    def compared(self, fresh: Config) -> tuple[list[tuple[str, Any, Any]], list[str]]:
        """Returns the options that a node takes from ``fresh`` while it runs, with their former and their new values,
        and those that it takes at a restart."""
        differ = [option.name for option in SETTINGS if self.given[option.name] != fresh.given[option.name]]
        changed = [(name, self.given[name], fresh.given[name]) for name in differ if name in LIVE]
        return changed, [name for name in differ if name not in LIVE]

    def taking(self, fresh: Config) -> Config:
        """Returns the configuration with what of ``fresh`` a node takes while it runs."""
        given = msgspec.structs.replace(
            self.given,
            values={name: value for name, value in self.given.values.items() if name not in LIVE}
            | {name: value for name, value in fresh.given.values.items() if name in LIVE},
            origins={name: origin for name, origin in self.given.origins.items() if name not in LIVE}
            | {name: origin for name, origin in fresh.given.origins.items() if name in LIVE},
        )
        return msgspec.structs.replace(
            self,
            log_level=fresh.log_level,
            log_format=fresh.log_format,
            grace_seconds=fresh.grace_seconds,
            slow_seconds=fresh.slow_seconds,
            bytes_max=fresh.bytes_max,
            sessions=fresh.sessions,
            tls_files=fresh.tls_files,
            given=given,
        )


SETTINGS = tuple(option for option in WRPMED.all if option.is_setting)
LIVE = frozenset(option.name for option in SETTINGS if option.is_live)


def parse(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Config:
    """Returns the configuration that the command line, the environment and the file that one of them names ask for.
    ``--help`` and ``--version`` print and end the process, and so does ``--check-config``.

    Raises:
        UsageError: an option or a value is wrong.
    """
    given = options.parse(WRPMED, arguments)
    if "help" in given or "version" in given:
        sys.stdout.write(help_text() + "\n" if "help" in given else f"wrpmed {VERSION}\n")
        raise SystemExit(0)
    if given.words:
        raise UsageError(f'"{given.words[0][:80]}" is no option: wrpmed takes options only, see wrpmed --help')
    given = options.with_environment(given, environment or {})
    strays = option_files.stray_variables(environment or {})
    if given["config"]:
        file = option_files.parse(WRPMED, file_text.read(given["config"]), given["config"])
        given = options.layered(given, file.values, file.origins)
    config = msgspec.structs.replace(_checked(given), strays=tuple(strays))
    if "check-config" in given:
        secured = config.secured()
        told = [*map(stray, strays), *(secured.troubles if secured is not None else ())]
        sys.stderr.write("".join(f"wrpmed: {line}\n" for line in told))
        sys.stdout.write(config.as_text() + "\n")
        raise SystemExit(0)
    return config


def stray(variable: str) -> str:
    """Returns the sentence about a variable that looks like an option, and is none."""
    return f"the variable {variable[:80]} of the environment is no option of wrpmed; it is left alone"


def _utf8(value: Any) -> Any:
    """Returns a value as all may read it: the name of a file may be any bytes."""
    return (
        value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
    )


def _toml(value: object) -> str:
    """Returns a value as a file of options has it."""
    if isinstance(value, str | list):
        return msgspec.json.encode(value).decode()
    return option_values.text(value).lower()


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
        audit_log=os.path.abspath(given["audit-log"]) if given["audit-log"] else "",
        replication=given["replication"],
        grace_seconds=given["grace"],
        slow_seconds=given["slow-threshold"],
        bytes_max=given["bytes-max"] or 0,
        memory_max=given["memory-max"] or 0,
        sync=not given["no-sync"],
        transient=given["transient"],
        sessions=given["sessions"],
        redis_strict=given["redis-strict"],
        tls_mode=given["tls-mode"],
        tls_files=_tls_files(given),
        given=given,
    )


def _tls_files(given: Given) -> TlsFiles:
    named = {name: given[name] or "" for name in ("tls-ca", "tls-cert", "tls-key")}
    lacking = [f"--{name}" for name, path in named.items() if not path]
    if given["tls-mode"] != OFF and lacking:
        raise UsageError(
            f"--tls-mode {given['tls-mode']} needs a certificate of the hive's CA: name {' and '.join(lacking)} too"
        )
    return TlsFiles(*(os.path.abspath(path) if path else "" for path in named.values()))
