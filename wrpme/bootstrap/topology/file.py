"""The topology file: which nodes are to run on which machines, and how those are reached. This module is pure.

It is a file of TOML. ``[defaults]`` holds for all machines, ``[options]`` for all nodes, and each ``[[node]]`` may say
other values. The values of a machine (:data:`HOST_KEYS` and ``host_key``) belong to all nodes on it: it is enough that
one of them has a value, and two must not have different ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from msgspec import Struct

from wrpme import options
from wrpme.files import option_values
from wrpme.bootstrap.limits import CERTIFICATE_DAYS, NODE_NAME_CHARACTERS_MAX
from wrpme.bootstrap.topology import values
from wrpme.errors import UsageError
from wrpme.limits import MEMBERS_MAX
from wrpme.protocol import address as addresses
from wrpme.files import toml_text
from wrpme.files.toml_text import TomlLines, shown

HOST_KEYS = ("user", "port", "jump", "host_keys", "directory", "python")
NODE_KEYS = ("host", "address", "advertise", *HOST_KEYS, "host_key", "options")
TLS_KEYS = ("managed", "mode", "days", "users")
KEYS: dict[str, tuple[str, ...]] = {
    "[defaults]": HOST_KEYS,
    "[options]": tuple(options.TUNING),
    "[tls]": TLS_KEYS,
    "[[node]]": NODE_KEYS,
}
"""All tables, with the keys of each."""
KEY_SHOWN = "as ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub shows it on the machine"
ELSEWHERE = {
    **dict.fromkeys(
        ("root", "log-file", "log-console", "log_file", "log_console", "log", "r", "l", "o"),
        "data and log of a node live in the directory of its host, which the key directory names",
    ),
    **dict.fromkeys(
        ("tls-mode", "tls-cert", "tls-key", "tls-ca"),
        "hive_apply gives them to nodes and brings the files, if the file has [tls] with managed = true",
    ),
    **dict.fromkeys(("peer", "peers"), "the nodes of the file are told of each other"),
}
"""Options of wrpmed that have no place in the file, and why."""

EXAMPLE = """\
# The nodes of a hive, and the machines that they run on.
#   wrpmesh hive_check FILE   looks whether all is well there, and changes nothing
#   wrpmesh hive_plan FILE    says what would be done
#   wrpmesh hive_apply FILE   does it
# Lines that begin with # are comments; those with a key show what it may be.

[defaults]                     # of all machines; each can be said of one in its [[node]], too
user = "root"                  # who logs in; else what ~/.ssh/config says, or your own name
# port = 22                    # of the SSH server
# jump = "admin@gateway:22"    # through that machine; "none": not even as ~/.ssh/config says
# host_keys = "ask"            # of a key that is not known: strict, pin, ask or accept-new
# directory = "/var/lib/wrpme" # of wrpme; else this for root, or ~/.local/share/wrpme
# python = "/usr/bin/python3"  # Python 3.11 or later; searched for if it is not named

[options]                      # of wrpmed, on all nodes
replication = 2                # copies of each entry, 1 to 5; later it is for set_replication
# grace = 60                   # seconds before the copies of a dead node are made elsewhere
# slow-threshold = 0.1         # seconds; slow_log has the requests that take longer
# bytes-max = "20G"            # data that a node holds at most, copies included
# memory-max = "2G"            # memory of a node for caches and for what waits
# log-level = "info"           # debug, info, warning or error
# sessions = 10000             # connections of clients at a time
# no-sync = true               # a power loss may take the last writes
# transient = true             # memory only
# redis-strict = true          # refuse what is no transaction to Redis clients

[tls]                          # of the hive; without this table nothing is encrypted
# managed = true               # hive_apply makes a CA, keys and certificates, and renews them
# mode = "require"             # or "prefer": take clients without TLS, too, until all have it
# days = 90                    # how long a certificate is valid
# users = true                 # the hive gets an admin; false: it stays open to whoever has TLS

[[node]]                       # the first node founds the hive
host = "192.168.1.1"           # a name of ~/.ssh/config, a DNS name or an address
address = "192.168.1.1:5909"   # where the node listens, and others reach it

[[node]]
host = "192.168.1.2"
address = "192.168.1.2:5909"
# host_key = "SHA256:..."      # the only key that is trusted, as ssh-keygen -lf shows it

[[node]]
host = "192.168.1.3"
address = "0.0.0.0:5909"       # on all addresses of its machine,
advertise = "192.168.1.3:5909" # and this is what others are told
# options = { grace = 300 }    # of this node alone
"""


class Node(Struct, frozen=True):
    """A node of the file.

    ``address`` is HOST:PORT in its normal form, and ``advertise`` is empty where it is the same. ``arguments`` are
    further options of wrpmed, in the order of :data:`wrpme.options.TUNING`.
    """

    address: str
    advertise: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Returns HOST-PORT, fit for names of files and units. No two nodes of a host have the same name."""
        host, _, port = self.address.rpartition(":")
        return re.sub(r"[^A-Za-z0-9.-]", "_", f"{host.strip('[]')}-{port}")

    @property
    def told(self) -> str:
        """Returns the address that others are told."""
        return self.advertise or self.address


class Managed(Struct, frozen=True):
    """How TLS of the hive is managed: which ``--tls-mode`` its nodes get to, how long certificates are valid, and
    whether the hive gets its first admin."""

    mode: str = "require"
    days: int = CERTIFICATE_DAYS
    users: bool = True

    @property
    def adds_operator(self) -> bool:
        """Returns whether the hive gets its first admin."""
        return self.users and self.mode == "require"


class Host(Struct, frozen=True):
    """A machine of the file.

    An empty text or 0 stands for what the file does not say: ~/.ssh/config decides then, or the machine itself.
    ``jump`` is ``[USER@]HOST[:PORT]`` once or more, with commas, or "none". ``mode`` is strict, pin, ask or accept-new.
    ``pins`` are fingerprints, and there are some if and only if the mode is pin. ``tls`` is the same for all hosts, and
    None where the file leaves TLS alone.
    """

    name: str
    user: str = ""
    port: int = 0
    jump: str = ""
    mode: str = ""
    pins: tuple[str, ...] = ()
    directory: str = ""
    python: str = ""
    nodes: tuple[Node, ...] = ()
    tls: Managed | None = None


class Topology(Struct, frozen=True):
    """The hosts in the order of the file, each once and with all of its nodes. ``source`` is the name of the file."""

    hosts: tuple[Host, ...]
    source: str

    @property
    def nodes(self) -> tuple[tuple[Host, Node], ...]:
        """Returns all nodes with their hosts; those of one host are together."""
        return tuple((host, node) for host in self.hosts for node in host.nodes)


def parse(text: str, source: str) -> Topology:
    """Returns the topology of a file with that text; ``source`` is its name in sentences.

    Raises:
        UsageError: something in it is wrong; the sentence has the line.
    """
    return _Reader(TomlLines(text), source).topology(toml_text.parse(text, source))


def parse_target(words: Sequence[str]) -> tuple[Host, tuple[str, ...]]:
    """Returns what node_start is asked for: the host with its one node, and the addresses given with ``--peer``.

    Raises:
        UsageError: a word or an option is wrong.
    """
    verb = "node_start"
    syntax = options.of_command(verb)
    for option in (word.partition("=")[0] for word in words if word.startswith("-")):
        if option.lstrip("-") in ELSEWHERE and option not in syntax.by_spelling():
            raise UsageError(f"{option} is not for {verb}: {ELSEWHERE[option.lstrip('-')]}")
    given = options.parse(syntax, words)
    if not given.words:
        raise UsageError(f"{verb} needs [USER@]HOST[:SSHPORT], the machine that it logs in to; see help {verb}")
    if len(given.words) > 1:
        raise UsageError(f"{shown(given.words[1])} is too much for {verb}: it starts one node on one host")
    user, host, port = values.login(given.words[0])
    if "address" not in given:
        raise UsageError(f"{verb} needs -a HOST:PORT, where the node is to listen, such as -a {host}:5909")
    address: addresses.Address = given["address"]
    told: addresses.Address = given["advertise"] or address
    if told.unspecified:
        raise UsageError(f"{told} is every address of a machine; say with --advertise HOST:PORT what others are told")
    for peer in given["peer"]:
        if peer in (address, told) or peer.unspecified:
            raise UsageError(f"--peer {peer} is no other node; name one of the hive that is to be joined")
    node = Node(str(address), "" if told == address else str(told), _arguments_of(given))
    if len(node.name) > NODE_NAME_CHARACTERS_MAX:
        raise UsageError(f"-a {address} is too long; its host may have about {NODE_NAME_CHARACTERS_MAX - 6} characters")
    return Host(host, user, port, nodes=(node,)), tuple(dict.fromkeys(map(str, given["peer"])))


def _arguments_of(given: options.Given) -> tuple[str, ...]:
    """Returns the options that tune the node, in their one form."""
    found: list[str] = []
    for name, option in options.TUNING.items():
        if name in given:
            found += [option.written] if option.value is None else [option.written, option_values.text(given[name])]
    return tuple(found)


class _Place(Struct, frozen=True):
    """A table of the file. ``name`` is what the operator reads, and ``table`` one of :data:`KEYS`."""

    table: str
    name: str
    number: int = 0

    @property
    def bare(self) -> str:
        return self.table.strip("[]")


class _Entry(Struct, frozen=True):
    """A [[node]] that was read. ``of_host`` are the values that it has for its machine."""

    place: _Place
    host: str
    of_host: dict[str, Any]
    node: Node


class _Reader:
    """Reads one file, and raises UsageError for the first thing that is wrong."""

    def __init__(self, lines: TomlLines, source: str) -> None:
        self._lines = lines
        self._source = source
        self._certain = True
        self._tls: Managed | None = None

    def topology(self, document: Mapping[str, Any]) -> Topology:
        self._check_tables(document)
        tables: Sequence[Mapping[str, Any]] = document["node"]
        self._certain = self._lines.count("node") == len(tables)
        defaults = self._read(_Place("[defaults]", "[defaults]"), document.get("defaults", {}))
        self._tls = self._managed(document.get("tls", {}))
        shared = self._options(_Place("[options]", "[options]"), document.get("options", {}))
        entries = [self._entry(number, table, shared) for number, table in enumerate(tables, 1)]
        self._check_addresses(entries)
        self._check_replication(entries)
        groups: dict[str, list[_Entry]] = {}
        for entry in entries:
            groups.setdefault(entry.host.lower(), []).append(entry)
        return Topology(tuple(self._host(group, defaults) for group in groups.values()), self._source)

    # --- tables ------------------------------------------------------------------------------------------------------

    def _check_tables(self, document: Mapping[str, Any]) -> None:
        for key, value in document.items():
            if f"[[{key}]]" in KEYS:
                if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                    sentence = f"[{key}] should be [[{key}]] with two brackets: one for each node"
                    self._fail(self._lines.header(key), sentence)
            elif f"[{key}]" in KEYS:
                if not isinstance(value, dict):
                    self._fail(self._lines.header(key), f"{key} should be one table, [{key}]")
            else:
                line = self._lines.key("", key) or self._lines.header(key) or self._lines.header(key, 1)
                self._fail(line, _stray(key, isinstance(value, dict | list)))
        count = len(document.get("node", ()))
        if not count:
            self._fail(0, "there are no nodes: each begins with a line [[node]]; hive_plan --example prints a file")
        if count > MEMBERS_MAX:
            self._fail(0, f"there are {count} nodes, but a hive has at most {MEMBERS_MAX}")

    def _read(self, place: _Place, table: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in table.items():
            if key not in KEYS[place.table]:
                self._fail_at(place, key, _misplaced(key, place))
            if key == "options":
                continue
            try:
                found[key] = values.read(key, value)
            except UsageError as error:
                self._fail_at(place, key, f"{key} of {place.name} {error.sentence}")
        return found

    def _managed(self, table: Mapping[str, Any]) -> Managed | None:
        place = _Place("[tls]", "[tls]")
        found: dict[str, Any] = {}
        for key, value in table.items():
            if key not in TLS_KEYS:
                self._fail_at(place, key, _misplaced(key, place))
            try:
                found[key] = values.tls(key, value)
            except UsageError as error:
                self._fail_at(place, key, f"{key} of [tls] {error.sentence}")
        if found and "managed" not in found:
            self._fail_at(place, next(iter(found)), "[tls] does not say managed = true, without which it means nothing")
        managed = found.pop("managed", False)
        return Managed(**found) if managed else None

    def _options(self, place: _Place, table: Any, below: str = "") -> dict[str, tuple[str, ...]]:
        """Returns the words of wrpmed's command line for each option of a table."""
        if not isinstance(table, dict):
            should = "but should be a table such as { grace = 60 }"
            self._fail_at(place, "options", f"options of {place.name} is {shown(table)}, {should}")
        found: dict[str, tuple[str, ...]] = {}
        for name, value in table.items():
            if name not in options.TUNING:
                where = f"the options of {place.name}" if below else place.name
                self._fail_at(place, name, _misplaced(name, _Place("[options]", where)), below)
            try:
                found[name] = values.option(name, value)
            except UsageError as error:
                self._fail_at(place, name, f"{name} of {place.name} {error.sentence}", below)
        return found

    def _entry(self, number: int, table: Mapping[str, Any], shared: Mapping[str, tuple[str, ...]]) -> _Entry:
        named = table.get("host")
        known = f" ({shown(named).strip(chr(34))})" if isinstance(named, str) and named else ""
        place = _Place("[[node]]", f"node {number}{known}", number)
        found = self._read(place, table)
        for key in ("host", "address"):
            if key not in found:
                wanted = 'host = "web1", the machine' if key == "host" else 'address = "HOST:PORT", where it listens'
                self._fail_at(place, "", f"{place.name} has no {key}; add {wanted}")
        own = self._options(place, table.get("options", {}), "options")
        merged = {**shared, **own}
        arguments = tuple(word for name in options.TUNING for word in merged.get(name, ()))
        advertise = found.get("advertise", "")
        node = Node(found["address"], "" if advertise == found["address"] else advertise, arguments)
        if addresses.parse(node.told).unspecified:
            key = "advertise" if advertise else "address"
            sentence = f"{key} of {place.name} is {node.told}, every address of its machine: "
            rest = 'name one address that others reach with advertise = "HOST:PORT"'
            self._fail_at(place, key, sentence + rest)
        if len(node.name) > NODE_NAME_CHARACTERS_MAX:
            self._fail_at(place, "address", f"address of {place.name} is too long; name its machine by a shorter name")
        of_host = {key: found[key] for key in (*HOST_KEYS, "host_key") if key in found}
        return _Entry(place, found["host"], of_host, node)

    # --- what several tables say -------------------------------------------------------------------------------------

    def _host(self, group: Sequence[_Entry], defaults: Mapping[str, Any]) -> Host:
        said: dict[str, tuple[Any, _Entry]] = {}
        for entry in group:
            for key, value in entry.of_host.items():
                before, other = said.setdefault(key, (value, entry))
                if value != before:
                    sentence = f"{key} of {entry.place.name} is not that of {other.place.name}"
                    self._fail_at(entry.place, key, f"{sentence}, which is on the same host; say it once")
        own = {key: value for key, (value, _) in said.items()}
        mode = own.get("host_keys", "pin" if "host_key" in own else defaults.get("host_keys", ""))
        if mode != "pin" and "host_key" in own:
            place = said["host_keys"][1].place
            sentence = f'host_keys of {place.name} is "{mode}", but a host_key is given, and only that is trusted then'
            self._fail_at(place, "host_keys", f"{sentence}; leave one of them out")
        if mode == "pin" and "host_key" not in own:
            place = group[0].place
            wanted = f'has no host_key, which host_keys = "pin" asks for; add host_key = "SHA256:...", {KEY_SHOWN}'
            self._fail_at(place, "", f"{place.name} {wanted}")
        merged = {**defaults, **own}
        return Host(
            name=group[0].host,
            user=merged.get("user", ""),
            port=merged.get("port", 0),
            jump=merged.get("jump", ""),
            mode=mode,
            pins=own.get("host_key", ()),
            directory=merged.get("directory", ""),
            python=merged.get("python", ""),
            nodes=tuple(entry.node for entry in group),
            tls=self._tls,
        )

    def _check_addresses(self, entries: Sequence[_Entry]) -> None:
        told: dict[str, _Entry] = {}
        names: dict[tuple[str, str], _Entry] = {}
        ports: dict[tuple[str, int], list[tuple[addresses.Address, _Entry]]] = {}
        for entry in entries:
            place, node = entry.place, entry.node
            key = "advertise" if node.advertise else "address"
            other = told.setdefault(node.told, entry)
            if other is not entry:
                sentence = f"{key} of {place.name} is {node.told}, which is that of {other.place.name}, too"
                self._fail_at(place, key, f"{sentence}; each node has its own")
            host, listens = entry.host.lower(), addresses.parse(node.address)
            other = names.setdefault((host, node.name), entry)
            if other is not entry:
                self._same_port(place, node.address, other.place, other.node.address)
            on_port = ports.setdefault((host, listens.port), [])
            for address, one in on_port:
                if address.unspecified or listens.unspecified:
                    self._same_port(place, node.address, one.place, str(address))
            on_port.append((listens, entry))

    def _same_port(self, place: _Place, address: str, other: _Place, taken: str) -> NoReturn:
        sentence = f"address of {place.name} is {address}, but {other.name} on the same host listens on {taken}"
        self._fail_at(place, "address", f"{sentence}; give one of them another port")

    def _check_replication(self, entries: Sequence[_Entry]) -> None:
        first = entries[0]
        wanted = _copies(first.node)
        for entry in entries:
            if _copies(entry.node) != wanted:
                sentence = (
                    f"replication of {entry.place.name} is {_copies(entry.node) or 'not said'}, and that of "
                    f"{first.place.name} is {wanted or 'not said'}: the hive has one number; say it in [options] alone"
                )
                self._fail_at(entry.place, "replication", sentence, "options")

    # --- sentences ---------------------------------------------------------------------------------------------------

    def _fail(self, line: int, sentence: str) -> NoReturn:
        raise UsageError(f"{self._source}{f', line {line}' if line else ''}: {sentence}")

    def _fail_at(self, place: _Place, key: str, sentence: str, below: str = "") -> NoReturn:
        if not self._certain and place.number:
            line = 0
        elif below:
            line = self._lines.key_below(place.bare, below, key, place.number)
        else:
            line = self._lines.key(place.bare, key, place.number)
        self._fail(line, sentence)


def _copies(node: Node) -> str:
    words = node.arguments
    return words[words.index("--replication") + 1] if "--replication" in words else ""


def _stray(key: str, is_table: bool) -> str:
    """Returns the sentence for a key outside of all tables, or for a table that does not exist."""
    names = [table.strip("[]") for table in KEYS]
    if near := get_close_matches(key[:64], names, n=1):
        table = next(one for one in KEYS if one.strip("[]") == near[0])
        return f"there is no table {shown(key)}; did you mean {table}?"
    if is_table:
        return f"there is no table {shown(key)}; there are {', '.join(KEYS)}"
    homes = [table for table, keys in KEYS.items() if key in keys]
    hint = f"it belongs in {' or '.join(homes)}" if homes else "there is no such key in any table"
    return f"{shown(key)} stands before the first table; {hint}"


def _misplaced(key: str, place: _Place) -> str:
    """Returns the sentence for a key that its table does not have."""
    head = f"there is no key {shown(key)} in {place.name}"
    if key in ELSEWHERE:
        return f"{head}: {ELSEWHERE[key]}"
    homes = [table for table, keys in KEYS.items() if key in keys and key != "options"]
    if homes:
        if place.table == "[[node]]":
            return f"{head}: it is an option of wrpmed; write options = {{ {key} = ... }} there, or put it in [options]"
        return f"{head}; it belongs in {' or '.join(homes)}"
    for table in (place.table, *KEYS):
        if near := get_close_matches(key[:64], KEYS[table], n=1):
            where = "" if table == place.table else f", in {table}"
            return f"{head}; did you mean {near[0]}{where}?"
    return f"{head}; its keys are {', '.join(KEYS[place.table])}"
