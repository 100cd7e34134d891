"""Commands about the node and its hive: what it tells, and what it has nothing to tell of. No socket here."""

from __future__ import annotations

import fnmatch
import os
import platform
from binascii import crc_hqx
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from wrpme.daemon.net.redis.client import Client, Plan, Steps, Subcommand
from wrpme.daemon.net.redis.commands.connection import REDIS_VERSION, text
from wrpme.daemon.net.redis.commands.keys import count_entries
from wrpme.daemon.net.redis.commands.numbers import integer, integer_in
from wrpme.daemon.net.redis.replies import (
    NOT_INTEGER, OK, SYNTAX, ZERO, Refusal, Status, bulk, integer as integer_reply,
)  # fmt: skip
from wrpme.daemon.net.redis.commands.strings import Args
from wrpme.limits import CONTENT_BYTES_MAX, NUMBER_MAX
from wrpme.core.stats.slow_requests import SLOW_REQUESTS_MAX
from wrpme.protocol.messages import GetStatus, GetView
from wrpme.protocol.administration import GetSlow, kind_in_words, place_in_words
from wrpme.protocol.ring import RING, arc_at, owner_among, tag_of
from wrpme.protocol.stats import NodeStats
from wrpme.protocol.view import NOBODY, State, View
from wrpme.version import VERSION

# --- CONFIG ------------------------------------------------------------------------------------------------------


SLOWER_THAN = "slowlog-log-slower-than"


def _configuration(client: Client) -> dict[str, str]:
    """What tools ask for, and what is true of a node."""
    options = client.options
    yes_no = ("no", "yes")
    return {
        "appendfsync": "always" if options.sync and not options.transient else "no",
        "appendonly": yes_no[not options.transient],
        "cluster-enabled": "no",
        "databases": "1",
        "latency-monitor-threshold": "0",
        "maxclients": str(client.stats().get("clients", {}).get("maxclients", 0)),
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
        "min-replicas-to-write": "0",
        "notify-keyspace-events": "",
        "port": str(options.port),
        "proto-max-bulk-len": str(CONTENT_BYTES_MAX),
        "redis-strict": yes_no[options.strict],
        "replica-read-only": "yes",
        "requirepass": "",
        "save": "",
        "slave-read-only": "yes",
        "slowlog-max-len": str(SLOW_REQUESTS_MAX),
        "timeout": "0",
    }


def _config_get(client: Client, args: Args) -> Plan:
    patterns = [text(pattern).lower() for pattern in args[2:]]
    found = _configuration(client)
    chosen = {name: found[name] for name in found if any(fnmatch.fnmatchcase(name, one) for one in patterns)}
    if any(fnmatch.fnmatchcase(SLOWER_THAN, one) for one in patterns):
        return _with_threshold(client, chosen)
    return client.encoded(chosen)


def _with_threshold(client: Client, chosen: dict[str, str]) -> Steps:
    """Which may have changed since the start."""
    slow = yield GetSlow(0, NOBODY, 0)
    return client.encoded({SLOWER_THAN: str(int(slow.threshold_milliseconds * 1000)), **chosen})


def _config_set(client: Client, args: Args) -> Plan:
    """Nothing is changed; to say what is so already is right."""
    if len(args) % 2:
        raise Refusal(SYNTAX)
    present = _configuration(client)
    for name in args[2::2]:
        if text(name).lower() not in present:
            raise Refusal(f"ERR Unknown option or number of arguments for CONFIG SET - '{text(name)}'")
    names = [text(name).lower() for name in args[2::2]]
    for at, name in enumerate(args[2::2]):
        if names[at] in names[:at]:
            wrong = f"possibly related to argument '{text(name)}'"
            raise Refusal(f"ERR CONFIG SET failed ({wrong}) - duplicate parameter")
    for name, value in zip(args[2::2], args[3::2], strict=True):
        if present[text(name).lower()] != text(value).lower():
            wrong = f"possibly related to argument '{text(name)}'"
            raise Refusal(f"ERR CONFIG SET failed ({wrong}) - can't set immutable config")
    return OK


def _config_resetstat(client: Client, args: Args) -> Plan:
    """Only what is counted of commands: the figures of the node itself are the operator's."""
    client.figures.reset()
    return OK


def _config_rewrite(client: Client, args: Args) -> Plan:
    raise Refusal("ERR The server is running without a config file")


CONFIG = {
    b"GET": Subcommand(
        -3, _config_get, "<pattern> [<pattern> ...]", "Return what is configured and matches, and its values."
    ),
    b"SET": Subcommand(
        -4, _config_set, "<directive> <value> [...]", "Accept what is configured so already: options of wrpmed stay."
    ),
    b"RESETSTAT": Subcommand(2, _config_resetstat, "", "Set back what INFO tells of commands and errors."),
    b"REWRITE": Subcommand(2, _config_rewrite, "", "Refused: there is no file."),
}

# --- INFO --------------------------------------------------------------------------------------------------------


class Told(Struct, frozen=True):
    """What a node tells of itself: its figures as ``node_status`` has them, its view, and the entries of the hive."""

    client: Client
    stats: NodeStats
    view: View
    entries: int


def _server(told: Told) -> dict[str, Any]:
    stats, system = told.stats, platform.uname()
    uptime = int(stats.uptime_seconds)
    return {
        "redis_version": REDIS_VERSION,
        "redis_mode": "standalone",
        "os": f"{system.system} {system.release} {system.machine}",
        "arch_bits": 64,
        "process_id": os.getpid(),
        "run_id": f"{stats.id}{stats.incarnation & 0xFFFFFFFF:08x}",
        "tcp_port": told.client.options.port,
        "server_time_usec": told.client.wall() * 1000,
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime // 86400,
        "wrpme_version": VERSION,
    }


def _clients(told: Told) -> dict[str, Any]:
    return {"connected_clients": told.stats.redis_sessions, "blocked_clients": 0, "tracking_clients": 0}


def _memory(told: Told) -> dict[str, Any]:
    used = told.stats.memory_bytes
    return {
        "used_memory": used,
        "used_memory_human": f"{used / (1 << 20):.2f}M",
        "used_memory_rss": used,
        "maxmemory": 0,
        "maxmemory_human": "0B",
        "maxmemory_policy": "noeviction",
    }


def _persistence(told: Told) -> dict[str, Any]:
    return {
        "loading": 0,
        "rdb_changes_since_last_save": 0,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_save_time": told.client.wall() // 1000,
        "aof_enabled": int(not told.client.options.transient),
        "aof_rewrite_in_progress": 0,
    }


def _stats(told: Told) -> dict[str, Any]:
    return {
        "total_commands_processed": told.client.figures.calls,
        "total_error_replies": told.client.figures.errors,
        "total_net_input_bytes": told.stats.received_bytes,
        "total_net_output_bytes": told.stats.sent_bytes,
        "evicted_keys": 0,
    }


def _replication(told: Told) -> dict[str, Any]:
    return {"role": "master", "connected_slaves": 0, "master_failover_state": "no-failover", "master_repl_offset": 0}


def _cpu(told: Told) -> dict[str, Any]:
    times = os.times()
    return {"used_cpu_sys": f"{times.system:.6f}", "used_cpu_user": f"{times.user:.6f}"}


def _cluster(told: Told) -> dict[str, Any]:
    return {"cluster_enabled": 0}


def _commandstats(told: Told) -> dict[str, Any]:
    return dict(told.client.figures.commandstats())


def _errorstats(told: Told) -> dict[str, Any]:
    return dict(told.client.figures.errorstats())


def _latencystats(told: Told) -> dict[str, Any]:
    return dict(told.client.figures.latencystats())


def _hive(told: Told) -> dict[str, Any]:
    view, is_strict = told.view, told.client.options.strict
    return {
        "hive": view.hive.hex(),
        "hive_epoch": view.epoch,
        "hive_nodes": len(view.members),
        "hive_nodes_down": sum(member.state is State.DOWN for member in view.members),
        "hive_replication": view.replication,
        "hive_sessions": told.stats.sessions - told.stats.redis_sessions,
        "redis_strict": int(is_strict),
        "multi_of_several_tags": "refused" if is_strict else "no transaction: each command by itself",
    }


def _keyspace(told: Told) -> dict[str, Any]:
    return {"db0": f"keys={told.entries},expires=0,avg_ttl=0"} if told.entries else {}


SECTIONS: dict[str, Callable[[Told], dict[str, Any]]] = {
    "Server": _server, "Clients": _clients, "Memory": _memory, "Persistence": _persistence, "Stats": _stats,
    "Replication": _replication, "CPU": _cpu, "Commandstats": _commandstats, "Errorstats": _errorstats,
    "Latencystats": _latencystats, "Cluster": _cluster, "Hive": _hive, "Keyspace": _keyspace,
}  # fmt: skip
_ONLY_IF_ASKED = ("Commandstats", "Latencystats")
"""Sections that are not told by default."""


def info(client: Client, args: Args) -> Plan:
    """INFO [section ...]. Who is bound to prefixes is not told how many keys there are."""
    asked = {text(section).lower() for section in args[1:]} or {"default"}
    user = client.access.user(client.ident)
    kept_from = ("Keyspace",) if user is not None and user.prefixes else ()
    is_all, is_default = bool(asked & {"all", "everything"}), "default" in asked
    return _info(
        client,
        [
            section
            for section in SECTIONS
            if (is_all or section.lower() in asked or (is_default and section not in _ONLY_IF_ASKED))
            and section not in kept_from
        ],
    )


def _info(client: Client, sections: list[str]) -> Steps:
    status = yield GetStatus(0, NOBODY)
    view = (yield GetView(0)).view
    entries = (yield from count_entries()) if "Keyspace" in sections else 0
    told = Told(client, msgspec.json.decode(status.text, type=NodeStats), view, entries)
    further = client.stats()
    parts = []
    for section in sections:
        values = {**SECTIONS[section](told), **further.get(section.lower(), {})}
        lines = "".join(f"{name}:{value}\r\n" for name, value in values.items())
        parts.append(f"# {section}\r\n{lines}")
    return client.text("\r\n".join(parts))


# --- the hive ----------------------------------------------------------------------------------------------------


def _cluster_disabled(client: Client, args: Args) -> Plan:
    """What tells clients that they need no map of slots: every node serves every key."""
    raise Refusal("ERR This instance has cluster support disabled")


def _cluster_keyslot(client: Client, args: Args) -> Plan:
    return integer_reply(crc_hqx(tag_of(args[2]), 0) % 16384)


def _cluster_myid(client: Client, args: Args) -> Plan:
    return _my_id()


def _my_id() -> Steps:
    told = yield GetView(0)
    return bulk(told.node.hex().encode())


_NO_MAP = "Refused: there are no slots, every node serves every key."
CLUSTER = {
    b"INFO": Subcommand(2, _cluster_disabled, "", _NO_MAP),
    b"KEYSLOT": Subcommand(3, _cluster_keyslot, "<key>", "Return the hash slot that Redis has for <key>."),
    b"MYID": Subcommand(2, _cluster_myid, "", "Return the id of the node in its hive."),
    b"NODES": Subcommand(2, _cluster_disabled, "", _NO_MAP),
    b"SHARDS": Subcommand(2, _cluster_disabled, "", _NO_MAP),
    b"SLOTS": Subcommand(2, _cluster_disabled, "", _NO_MAP),
}


def fine(client: Client, args: Args) -> Plan:
    """READONLY, READWRITE: every node serves every key."""
    return OK


def role(client: Client, args: Args) -> Plan:
    """ROLE: of every node that of a master, as it takes every write; what else holds a key is nobody's replica."""
    return client.encoded(["master", 0, []])


def _further_holders(view: View) -> int:
    """So many nodes beside the owner have every write that was acknowledged, of whichever key: fewer than the hive
    wants where it has fewer nodes, or where some are down and not replaced yet."""
    alive = {member.id for member in view.members if member.state is not State.DOWN}
    return max(0, min(len(alive.intersection(arc.holders)) for arc in view.arcs) - 1)


def _check_timeout(client: Client, word: bytes) -> None:
    milliseconds = integer(word, "ERR timeout is not an integer or out of range")
    if milliseconds < 0:
        raise Refusal("ERR timeout is negative")
    if milliseconds > NUMBER_MAX - client.wall():
        raise Refusal("ERR timeout is out of range")


def wait(client: Client, args: Args) -> Plan:
    """WAIT numreplicas timeout: nothing is waited for, as a write is answered once all who hold its key have it."""
    integer(args[1])
    _check_timeout(client, args[2])
    return _waited()


def _waited() -> Steps:
    told = yield GetView(0)
    return integer_reply(_further_holders(told.view))


def waitaof(client: Client, args: Args) -> Plan:
    """WAITAOF numlocal numreplicas timeout."""
    local, others = integer_in(args[1]), integer_in(args[2])
    if local not in (0, 1):
        raise Refusal("ERR value is out of range, value must between 0 and 1" if local is not None else NOT_INTEGER)
    if others is None or others < 0:
        raise Refusal("ERR value is out of range, must be positive" if others is not None else NOT_INTEGER)
    _check_timeout(client, args[3])
    if local and client.options.transient:
        raise Refusal("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    return _waited_for_disks(client)


def _waited_for_disks(client: Client) -> Steps:
    """Of the others it is taken that they were started as this node was."""
    if not client.options.sync or client.options.transient:
        return client.encoded([0, 0])
    told = yield GetView(0)
    return client.encoded([1, _further_holders(told.view)])


RING_COLUMNS = 64
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def lolwut(client: Client, args: Args) -> Plan:
    """LOLWUT [VERSION version]: the ring of the hive, by owner."""
    return _ring(client)


def _ring(client: Client) -> Steps:
    view = (yield GetView(0)).view
    alive = frozenset(member.id for member in view.members if member.state is not State.DOWN)
    letters = {member.id: _LETTERS[at % len(_LETTERS)] for at, member in enumerate(view.members)}
    ring = ""
    for column in range(RING_COLUMNS):
        arc = view.arcs[arc_at(view, RING // RING_COLUMNS * column)]
        owner = owner_among(alive, arc)
        ring += letters.get(owner, "?") if owner is not None else "."
    nodes = "".join(
        f"{letters[member.id]}  {member.address}{'  is down' if member.id not in alive else ''}\n"
        for member in view.members[: len(_LETTERS)]
    )
    return client.text(f"({ring})\n{nodes}\nwrpme ver. {VERSION}\n")


# --- what there is nothing of ------------------------------------------------------------------------------------


def _empty(client: Client, args: Args) -> Plan:
    return client.encoded([])


def _none(client: Client, args: Args) -> Plan:
    return ZERO


def _slowlog_get(client: Client, args: Args) -> Plan:
    if len(args) > 3:
        raise Refusal(SYNTAX)
    count = integer_in(args[2]) if len(args) == 3 else 10
    if count is None or count < -1:
        raise Refusal("ERR count should be greater than or equal to -1")
    return _slow(client, count)


def _slow(client: Client, count: int) -> Steps:
    """Of this node, and of clients of every protocol: what it is that was slow stands for the command."""
    found = yield GetSlow(0, NOBODY, SLOW_REQUESTS_MAX if count == -1 else count)
    return client.encoded(
        [
            [
                slow.number, int(slow.at / 1000), int(slow.milliseconds * 1000),
                [kind_in_words(slow.kind), slow.alias, place_in_words(slow)], slow.source, slow.request_id,
            ]
            for slow in found.requests
        ]
    )  # fmt: skip


def _slowlog_len(client: Client, args: Args) -> Plan:
    return _slow_count(client)


def _slow_count(client: Client) -> Steps:
    found = yield GetSlow(0, NOBODY, SLOW_REQUESTS_MAX)
    return client.encoded(len(found.requests))


def _slowlog_reset(client: Client, args: Args) -> Plan:
    return _slow_forgotten(client)


def _slow_forgotten(client: Client) -> Steps:
    yield GetSlow(0, NOBODY, 0, forget=True)
    return OK


SLOWLOG = {
    b"GET": Subcommand(
        -2, _slowlog_get, "[<count>]", "Return the last slow requests of this node, of all protocols; default 10."
    ),
    b"LEN": Subcommand(2, _slowlog_len, "", "Return how many are kept."),
    b"RESET": Subcommand(2, _slowlog_reset, "", "Forget them."),
}


def _latency_doctor(client: Client, args: Args) -> Plan:
    return client.text("Latencies are told by the dashboard, wrpmesh --tui, and by wrpmesh node_status.\n")


def _latency_graph(client: Client, args: Args) -> Plan:
    raise Refusal(f"ERR No samples available for event '{text(args[2])}'")


def _latency_histogram(client: Client, args: Args) -> Plan:
    return client.encoded({})


LATENCY = {
    b"DOCTOR": Subcommand(2, _latency_doctor, "", "Return where latencies are told."),
    b"GRAPH": Subcommand(3, _latency_graph, "<event>", "Return nothing: no events are kept."),
    b"HISTOGRAM": Subcommand(-2, _latency_histogram, "[<command> ...]", "Return nothing: see wrpmesh node_status."),
    b"HISTORY": Subcommand(3, _empty, "<event>", "Return nothing: no events are kept."),
    b"LATEST": Subcommand(2, _empty, "", "Return nothing: no events are kept."),
    b"RESET": Subcommand(-2, _none, "[<event> ...]", "Return 0."),
}
MODULE = {b"LIST": Subcommand(2, _empty, "", "Return nothing: there are no modules.")}


def lastsave(client: Client, args: Args) -> Plan:
    """LASTSAVE: everything that was acknowledged until now is on disk."""
    return integer_reply(client.wall() // 1000)


def debug(client: Client, args: Args) -> Plan:
    """DEBUG."""
    raise Refusal(
        'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a '
        "local connection, otherwise you need to set this option in the configuration file, and then restart the "
        "server."
    )


_SAVED = "there is nothing to save: what was acknowledged is on the disk of every holder, and there is no dump file"
_COPIES = "a hive keeps its copies by itself: start a node with wrpmed --peer to add one, wrpmesh leave removes one"
_STREAMS = "nodes do not speak the replication protocol of Redis: wrpmesh follow tells what changes"
_STOP = "a client does not stop a node: use wrpmesh stop_node HOST:PORT, or SIGTERM"
REFUSED = {
    b"save": _SAVED,
    b"bgsave": _SAVED,
    b"bgrewriteaof": _SAVED,
    b"replicaof": _COPIES,
    b"slaveof": _COPIES,
    b"failover": "keys get another owner by themselves where a node dies or is stopped (wrpmesh stop_node)",
    b"shutdown": _STOP,
    b"psync": _STREAMS,
    b"sync": _STREAMS,
    b"replconf": _STREAMS,
    b"monitor": "commands are not shown to others: wrpmesh follow tells changes, and wrpmesh --tui what a node does",
    b"asking": "This instance has cluster support disabled",
}
"""Commands of Redis that have another one here in their place, and which."""


def helped(name: str, subcommands: dict[bytes, Subcommand]) -> list[Status]:
    """Returns what HELP of a command says."""
    lines = [f"{name.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for word, one in subcommands.items():
        lines += [f"{word.decode()} {one.syntax}".rstrip(), f"    {one.summary}"]
    return [Status(line) for line in (*lines, "HELP", "    Print this help.")]
