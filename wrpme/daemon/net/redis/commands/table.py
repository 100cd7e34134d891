"""The one table of commands: what dispatches them, and what COMMAND tells of them. No socket here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec import Struct

from wrpme.daemon.net.redis.commands import access, bits, connection, keys, multi, pubsub, scan, server, strings
from wrpme.daemon.net.redis.client import Client, Plan, Queued, Subcommand
from wrpme.daemon.net.redis.commands.numbers import integer_in
from wrpme.daemon.net.redis.parser import ARGUMENT_BYTES
from wrpme.daemon.net.redis.replies import QUEUED, SYNTAX, Refusal, Status, array, encoded, error, integer
from wrpme.limits import FRAME_BYTES_MAX

Args = list[bytes]
Handler = Callable[[Client, Args], Plan | None]


class Entry(Struct, frozen=True):
    """A command: ``arity`` is its number of words, or below 0 the least; ``first``, ``last`` and ``step`` tell which
    of them are keys. What is ``alone`` begins when nothing before it is on its way; its handler may give
    None where it has to wait for longer."""

    name: str
    arity: int
    flags: tuple[str, ...]
    first: int
    last: int
    step: int
    handler: Handler
    summary: str
    group: str = "string"
    alone: bool = False
    counted_at: int = 0
    """The place of the number of its keys, which follow it; 0 where there is none."""
    subcommands: dict[bytes, Subcommand] = {}
    """What its second word may be; nothing where it is no container."""

    def fits(self, count: int) -> bool:
        """Whether a command may have so many words."""
        return count == self.arity if self.arity >= 0 else count >= -self.arity

    def keys_of(self, args: Args) -> Args:
        """Returns the keys among the words."""
        if self.subcommands and len(args) > 1:
            subcommand = self.subcommands.get(args[1].upper())
            at = subcommand.key if subcommand is not None else 0
            return args[at : at + 1] if at else []
        if not self.first:
            return []
        if self.counted_at:
            count = integer_in(args[self.counted_at])
            return args[self.first : self.first + count * self.step : self.step] if count and count > 0 else []
        last = self.last if self.last >= 0 else len(args) + self.last
        return args[self.first : last + 1 : self.step]


def _rows() -> list[Entry]:
    read, write = ("readonly", "fast"), ("write", "denyoom", "fast")
    one, every = (1, 1, 1), (1, -1, 1)
    s, k, b = strings, keys, bits
    listed: list[tuple[str, int, tuple[str, ...], tuple[int, int, int], Handler, str]] = [
        ("get", 2, read, one, s.get, "Returns the string value of a key."),
        ("set", -3, ("write", "denyoom"), one, s.set_, "Sets the string value of a key."),
        ("setnx", 3, write, one, s.setnx, "Sets the string value of a key only when the key doesn't exist."),
        ("setex", 4, ("write", "denyoom"), one, s.setex, "Sets the value and expiration time of a key."),
        ("psetex", 4, ("write", "denyoom"), one, s.psetex, "Sets the value and expiration time in milliseconds."),
        ("getset", 3, write, one, s.getset, "Returns the previous value of a key after setting a new one."),
        ("getdel", 2, ("write", "fast"), one, s.getdel, "Returns the value of a key after deleting it."),
        ("getex", -2, ("write", "fast"), one, s.getex, "Returns the value of a key after setting its expiration."),
        ("append", 3, write, one, s.append, "Appends a string to the value of a key."),
        ("strlen", 2, read, one, s.strlen, "Returns the length of a value."),
        ("getrange", 4, ("readonly",), one, s.getrange, "Returns a part of a value."),
        ("substr", 4, ("readonly",), one, s.getrange, "Returns a part of a value."),
        ("setrange", 4, ("write", "denyoom"), one, s.setrange, "Overwrites a part of a value."),
        ("incr", 2, write, one, s.incr, "Increments the value of a key by one."),
        ("decr", 2, write, one, s.decr, "Decrements the value of a key by one."),
        ("incrby", 3, write, one, s.incrby, "Increments the value of a key by a number."),
        ("decrby", 3, write, one, s.decrby, "Decrements the value of a key by a number."),
        ("incrbyfloat", 3, write, one, s.incrbyfloat, "Increments the value of a key by a floating point number."),
        ("lcs", -3, ("readonly",), (1, 2, 1), s.lcs, "Finds the longest common substring."),
        ("mget", -2, read, every, s.mget, "Returns the values of keys."),
        ("mset", -3, ("write", "denyoom"), (1, -1, 2), s.mset, "Sets the values of keys."),
        ("msetnx", -3, ("write", "denyoom"), (1, -1, 2), s.msetnx, "Sets the values of keys when none exists."),
        ("del", -2, ("write",), every, s.del_, "Deletes keys."),
        ("unlink", -2, ("write", "fast"), every, s.del_, "Deletes keys."),
        ("delex", -2, ("write", "fast"), one, s.delex, "Deletes a key if its value is, or is not, as given."),
        ("exists", -2, read, every, k.exists, "Determines whether keys exist."),
        ("touch", -2, read, every, k.exists, "Returns the number of existing keys."),
        ("type", 2, read, one, k.type_, "Determines the type of the value of a key."),
        ("ttl", 2, read, one, k.ttl, "Returns the expiration time in seconds of a key."),
        ("pttl", 2, read, one, k.pttl, "Returns the expiration time in milliseconds of a key."),
        ("expiretime", 2, read, one, k.expiretime, "Returns the expiration time as a Unix timestamp."),
        ("pexpiretime", 2, read, one, k.pexpiretime, "Returns the expiration time as Unix milliseconds."),
        ("expire", -3, ("write", "fast"), one, k.expire, "Sets the expiration time of a key in seconds."),
        ("pexpire", -3, ("write", "fast"), one, k.pexpire, "Sets the expiration time of a key in milliseconds."),
        ("expireat", -3, ("write", "fast"), one, k.expireat, "Sets the expiration time to a Unix timestamp."),
        ("pexpireat", -3, ("write", "fast"), one, k.pexpireat, "Sets the expiration time to Unix milliseconds."),
        ("persist", 2, ("write", "fast"), one, k.persist, "Removes the expiration time of a key."),
        ("rename", 3, ("write",), (1, 2, 1), k.rename, "Renames a key and overwrites the destination."),
        ("renamenx", 3, ("write", "fast"), (1, 2, 1), k.renamenx, "Renames a key when the target doesn't exist."),
        ("copy", -3, ("write", "denyoom"), (1, 2, 1), k.copy, "Copies the value of a key to a new key."),
        ("move", 3, ("write", "fast"), one, k.move, "Moves a key to another database."),
        ("watch", -2, ("noscript", "fast"), every, multi.watch, "Monitors changes to keys until EXEC."),
        ("setbit", 4, ("write", "denyoom"), one, b.setbit, "Sets or clears the bit at offset of the value."),
        ("getbit", 3, read, one, b.getbit, "Returns a bit value by offset."),
        ("bitcount", -2, ("readonly",), one, b.bitcount, "Counts the set bits of a value."),
        ("bitop", -4, ("write", "denyoom"), (2, -1, 1), b.bitop, "Combines the bits of several values."),
        ("bitfield", -2, ("write", "denyoom"), one, b.bitfield, "Reads and writes integers of any size in a value."),
        ("bitfield_ro", -2, read, one, b.bitfield_ro, "Reads integers of any size in a value."),
        ("bitpos", -3, ("readonly",), one, b.bitpos, "Finds the first set or clear bit of a value."),
    ]
    generic = {"del", "unlink", "delex", "exists", "touch", "type", "persist", "rename", "renamenx", "copy", "move"}
    rows = [
        Entry(name, arity, flags, *at, handler, summary, _group(name, generic))
        for name, arity, flags, at, handler, summary in listed
    ]
    counted = ("write", "denyoom", "movablekeys")
    summary = "Sets the values of keys, with one expiration time."
    return [*rows, Entry("msetex", -4, counted, 2, 2, 2, s.msetex, summary, counted_at=1)]


def _group(name: str, generic: set[str]) -> str:
    if name == "watch":
        return "transactions"
    if "bit" in name:
        return "bitmap"
    return "generic" if name in generic or "expire" in name or name.endswith("ttl") else "string"


def _other_rows() -> list[Entry]:
    fast, slow, admin = ("fast",), ("noscript",), ("admin", "noscript")
    listen, tell = ("pubsub", "noscript", "loading", "stale"), ("pubsub", "loading", "stale", "fast")
    c, k, n, p = connection, keys, server, pubsub
    listed: list[tuple[str, int, tuple[str, ...], Handler, str, str, bool]] = [
        ("ping", -1, fast, c.ping, "Returns the server's liveliness response.", "connection", False),
        ("echo", 2, fast, c.echo, "Returns the given string.", "connection", False),
        ("hello", -1, ("noscript", "fast"), c.hello, "Handshakes with the server.", "connection", True),
        ("auth", -2, ("noscript", "fast"), access.auth, "Authenticates the connection.", "connection", False),
        ("select", 2, fast, c.select, "Changes the selected database.", "connection", False),
        ("quit", -1, ("noscript", "fast"), c.quit_, "Closes the connection.", "connection", True),
        ("reset", 1, ("noscript", "fast"), c.reset, "Resets the connection.", "connection", True),
        ("info", -1, slow, n.info, "Returns information about the server.", "server", False),
        ("time", 1, fast, c.time, "Returns the server time.", "server", False),
        ("role", 1, ("noscript", "fast"), n.role, "Returns the replication role.", "server", False),
        ("lastsave", 1, fast, n.lastsave, "Returns the Unix timestamp of the last save.", "server", False),
        ("debug", -2, admin, n.debug, "Is refused.", "server", False),
        ("lolwut", -1, ("readonly", "fast"), n.lolwut, "Displays the ring of the hive.", "server", False),
        ("wait", 3, fast, n.wait, "Returns how many further nodes have what was written.", "generic", False),
        ("waitaof", 4, slow, n.waitaof, "Returns on how many disks is what was written.", "generic", False),
        ("readonly", 1, fast, n.fine, "Does nothing: every node serves every key.", "cluster", False),
        ("readwrite", 1, fast, n.fine, "Does nothing: every node serves every key.", "cluster", False),
        ("multi", 1, slow, multi.multi, "Starts a transaction.", "transactions", False),
        ("exec", 1, slow, execute, "Executes all commands in a transaction.", "transactions", True),
        ("discard", 1, slow, multi.discard, "Discards a transaction.", "transactions", False),
        ("unwatch", 1, slow, multi.unwatch, "Forgets about watched keys.", "transactions", False),
        ("swapdb", 3, ("write", "fast"), k.swapdb, "Swaps two databases.", "server", False),
        ("dbsize", 1, ("readonly",), k.dbsize, "Returns the number of keys.", "server", False),
        ("keys", 2, ("readonly",), k.keys, "Returns all key names that match a pattern.", "generic", False),
        ("scan", -2, ("readonly",), scan.scan, "Iterates over the key names.", "generic", False),
        ("randomkey", 1, ("readonly",), scan.randomkey, "Returns a random key name.", "generic", False),
        ("flushall", -1, ("write",), k.flushall, "Removes all keys.", "server", False),
        ("flushdb", -1, ("write",), k.flushall, "Removes all keys.", "server", False),
        ("subscribe", -2, listen, p.subscribe, "Listens for messages published to channels.", "pubsub", True),
        ("unsubscribe", -1, listen, p.unsubscribe, "Stops listening to channels.", "pubsub", True),
        ("psubscribe", -2, listen, p.psubscribe, "Listens to channels that match patterns.", "pubsub", True),
        ("punsubscribe", -1, listen, p.punsubscribe, "Stops listening to channels by patterns.", "pubsub", True),
        ("ssubscribe", -2, listen, p.ssubscribe, "Listens to shard channels.", "pubsub", True),
        ("sunsubscribe", -1, listen, p.sunsubscribe, "Stops listening to shard channels.", "pubsub", True),
        ("publish", 3, tell, p.publish, "Posts a message to a channel.", "pubsub", True),
        ("spublish", 3, tell, p.spublish, "Posts a message to a shard channel.", "pubsub", True),
    ]
    return [
        Entry(name, arity, flags, 0, 0, 0, handler, summary, group, alone)
        for name, arity, flags, handler, summary, group, alone in listed
    ]


def _containers() -> list[Entry]:
    """Commands whose second word says what they do. ``COMMAND`` alone is one too."""
    slow, admin = ("noscript",), ("admin", "noscript")
    listed: list[tuple[str, int, tuple[str, ...], dict[bytes, Subcommand], str, str]] = [
        ("acl", -2, slow, ACL, "A container for commands on users.", "server"),
        ("client", -2, slow, connection.CLIENT, "A container for client connection commands.", "connection"),
        ("cluster", -2, slow, server.CLUSTER, "A container for cluster commands.", "cluster"),
        ("command", -1, ("fast",), COMMAND, "Returns information about commands.", "server"),
        ("config", -2, admin, server.CONFIG, "A container for configuration commands.", "server"),
        ("latency", -2, admin, server.LATENCY, "A container for latency diagnostics commands.", "server"),
        ("memory", -2, ("readonly",), keys.MEMORY, "A container for memory diagnostics commands.", "server"),
        ("module", -2, admin, server.MODULE, "A container for module commands.", "server"),
        ("object", -2, ("readonly",), keys.OBJECT, "A container for object introspection commands.", "generic"),
        ("pubsub", -2, ("pubsub",), pubsub.PUBSUB, "A container for Pub/Sub commands.", "pubsub"),
        ("slowlog", -2, admin, server.SLOWLOG, "A container for slow log commands.", "server"),
    ]
    return [
        Entry(name, arity, flags, 0, 0, 0, _container, summary, group, name == "client", subcommands=subcommands)
        for name, arity, flags, subcommands, summary, group in listed
    ]


def _container(client: Client, args: Args) -> Plan:
    """Carries out what the second word says."""
    entry = find(args[0])
    assert entry is not None
    if len(args) == 1:
        return _command_info(client, args)
    if args[1].upper() == HELP:
        return client.encoded(server.helped(entry.name, entry.subcommands))
    return entry.subcommands[args[1].upper()].handler(client, args)


HELP = b"HELP"
_ABSENT = {
    "list": "blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange lrem "
    "lset ltrim rpop rpoplpush rpush rpushx sort sort_ro",
    "hash": "hdel hexists hexpire hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hpersist hpexpire "
    "hrandfield hscan hset hsetnx hstrlen httl hvals hgetdel hgetex hsetex",
    "set": "sadd scard sdiff sdiffstore sinter sintercard sinterstore sismember smembers smismember smove spop "
    "srandmember srem sscan sunion sunionstore",
    "sorted set": "bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore "
    "zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem "
    "zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore "
    "zunion zunionstore",
    "stream": "xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange xsetid "
    "xtrim",
    "geospatial": "geoadd geodist geohash geopos georadius georadiusbymember geosearch geosearchstore",
    "hyperloglog": "pfadd pfcount pfmerge",
}
ABSENT = {word.encode(): kind for kind, words in _ABSENT.items() for word in words.split()}
"""Commands of the data types that are not there yet."""


def execute(client: Client, args: Args) -> Plan:
    """EXEC."""
    return multi.execute(client, begin, _keys_in)


_OF_ALL = (
    "dbsize",
    "keys",
    "scan",
    "randomkey",
    "flushall",
    "flushdb",
    "info",
    "cluster|myid",
    "lolwut",
    "wait",
    "waitaof",
)
"""What asks the node about something else than the entries of a transaction."""


def _keys_in(args: Args) -> Args | None:
    entry = find(args[0])
    assert entry is not None, "only what there is was queued"
    name = f"{entry.name}|{connection.text(args[1]).lower()}" if entry.subcommands and len(args) > 1 else entry.name
    return None if name in _OF_ALL else entry.keys_of(args)


# --- COMMAND, ACL ------------------------------------------------------------------------------------------------


_CATEGORIES = {"generic": "keyspace", "transactions": "transaction", "server": "", "cluster": ""}
"""Of the groups whose category has another name, or none."""


def _categories(flags: tuple[str, ...], group: str) -> list[str]:
    found = [
        "read" if "readonly" in flags else "write" if "write" in flags else "",
        _CATEGORIES.get(group, group),
        "fast" if "fast" in flags else "slow",
        *(("admin", "dangerous") if "admin" in flags else ()),
    ]
    return [category for category in found if category]


@cache
def _categories_by_name() -> dict[str, list[str]]:
    """Those of commands, and of commands of two words."""
    found: dict[str, list[str]] = {}
    for entry in ENTRIES:
        words = [*entry.subcommands, HELP] if entry.subcommands else []
        for name in (entry.name, *(f"{entry.name}|{word.decode().lower()}" for word in words)):
            found[name] = _categories(entry.flags, entry.group)
    return found


def _described(entry: Entry) -> list[Any]:
    flags = frozenset(Status(flag) for flag in entry.flags)
    categories = frozenset(Status(f"@{category}") for category in _categories(entry.flags, entry.group))
    inner = [
        [f"{entry.name}|{word.decode().lower()}", one.arity, flags, one.key, one.key, int(one.key > 0), categories]
        + [[], [], []]
        for word, one in entry.subcommands.items()
    ]
    first, last, step = (0, 0, 0) if entry.counted_at else (entry.first, entry.last, entry.step)
    return [entry.name, entry.arity, flags, first, last, step, categories, [], [], inner]


def _command_count(client: Client, args: Args) -> Plan:
    return integer(len(ENTRIES))


def _command_info(client: Client, args: Args) -> Plan:
    if len(args) <= 2:
        return _all_described(client.three)
    found = [find(name) for name in args[2:]]
    return array([client.encoded(_described(entry)) if entry else client.no_array for entry in found])


def _command_docs(client: Client, args: Args) -> Plan:
    if len(args) <= 2:
        return _all_documented(client.three)
    asked = [find(name) for name in args[2:]]
    return client.encoded({entry.name: _documented(entry) for entry in asked if entry})


@cache
def _all_described(three: bool) -> bytes:
    """What many clients ask first."""
    return encoded([_described(entry) for entry in ENTRIES], three)


@cache
def _all_documented(three: bool) -> bytes:
    return encoded({entry.name: _documented(entry) for entry in ENTRIES}, three)


def _documented(entry: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {"summary": entry.summary, "since": "1.0.0", "group": entry.group}
    if entry.subcommands:
        told["subcommands"] = {
            f"{entry.name}|{word.decode().lower()}": {"summary": one.summary, "since": "1.0.0", "group": entry.group}
            for word, one in entry.subcommands.items()
        }
    return told


def _command_list(client: Client, args: Args) -> Plan:
    if len(args) == 2:
        return client.encoded(list(_categories_by_name()))
    if len(args) != 5 or args[2].upper() != b"FILTERBY":
        raise Refusal(SYNTAX)
    by, wanted = args[3].upper(), args[4].lower()
    if by == b"MODULE":
        return client.encoded([])
    if by == b"ACLCAT":
        return client.encoded(_in_category(wanted))
    if by != b"PATTERN":
        raise Refusal(SYNTAX)
    matches = keys.matcher(wanted)
    return client.encoded([name for name in _categories_by_name() if matches(name.encode())])


def _with_keys(args: Args) -> tuple[Entry, Args]:
    """The command after the two first words, and its keys."""
    entry = find(args[2])
    if entry is None:
        raise Refusal("ERR Invalid command specified")
    if not entry.fits(len(args) - 2):
        raise Refusal("ERR Invalid number of arguments specified for command")
    found = entry.keys_of(args[2:])
    if not found:
        raise Refusal("ERR The command has no key arguments")
    return entry, found


def _command_getkeys(client: Client, args: Args) -> Plan:
    return client.encoded(_with_keys(args)[1])


def _command_getkeysandflags(client: Client, args: Args) -> Plan:
    entry, found = _with_keys(args)
    flags = frozenset(map(Status, ("RW", "access", "update") if "write" in entry.flags else ("RO", "access")))
    return client.encoded([[key, flags] for key in found])


COMMAND = {
    b"COUNT": Subcommand(2, _command_count, "", "Return the number of commands of this node."),
    b"DOCS": Subcommand(-2, _command_docs, "[<command-name> ...]", "Return what commands do."),
    b"GETKEYS": Subcommand(-3, _command_getkeys, "<full-command>", "Return the keys from a full command."),
    b"GETKEYSANDFLAGS": Subcommand(
        -3, _command_getkeysandflags, "<full-command>", "Return the keys and the access flags from a full command."
    ),
    b"INFO": Subcommand(-2, _command_info, "[<command-name> ...]", "Return details about commands."),
    b"LIST": Subcommand(
        -2, _command_list, "[FILTERBY (MODULE|ACLCAT|PATTERN) <value>]", "Return the names of commands."
    ),
}


def _in_category(category: bytes) -> list[str]:
    return [name for name, found in _categories_by_name().items() if category.decode("latin-1") in found]


def _acl_cat(client: Client, args: Args) -> Plan:
    if len(args) > 3:
        raise Refusal(SYNTAX)
    if len(args) == 2:
        every = (category for found in _categories_by_name().values() for category in found)
        return client.encoded(list(dict.fromkeys(every)))
    found = _in_category(args[2].lower())
    if not found:
        raise Refusal(f"ERR Unknown category '{connection.text(args[2])}'")
    return client.encoded(found)


ACL = {
    b"CAT": Subcommand(-2, _acl_cat, "[<category>]", "List the commands of a category, or all categories."),
    b"LIST": Subcommand(2, access.listed, "", "Return the users, and what they may do."),
    b"USERS": Subcommand(2, access.users, "", "Return the names of the users."),
    b"WHOAMI": Subcommand(2, access.whoami, "", "Return the name of the user that this client is."),
}


ENTRIES: list[Entry] = [*_rows(), *_other_rows(), *_containers()]
_BY_NAME: dict[bytes, Entry] = {}


def _name_all() -> None:
    for entry in ENTRIES:
        _BY_NAME[entry.name.encode()] = _BY_NAME[entry.name.upper().encode()] = entry


_name_all()


def find(name: bytes) -> Entry | None:
    """Returns the command of that name, in any letters."""
    return _BY_NAME.get(name) or _BY_NAME.get(name.lower())


def checked(client: Client, args: Args) -> Entry | bytes:
    """Returns the command, or what is answered where it is none that can be carried out."""
    entry = _BY_NAME.get(args[0]) or _BY_NAME.get(args[0].lower())
    if entry is None:
        kind = ABSENT.get(args[0].lower())
        if kind is not None:
            name = args[0].decode("latin-1").lower()
            return error(f"ERR '{name}' is a command of the data type {kind}, which is not there yet: strings are")
        if (refused := server.REFUSED.get(args[0].lower())) is not None:
            return error(f"ERR {refused}")
        return connection.unknown(client, args)
    if not entry.fits(len(args)):
        client.figures.rejected(entry.name)
        return error(f"ERR wrong number of arguments for '{entry.name}' command")
    if entry.subcommands and len(args) > 1 and args[1].upper() != HELP:
        subcommand = entry.subcommands.get(args[1].upper())
        if subcommand is None:
            return error(str(connection.subcommand(args)))
        arity = subcommand.arity
        if len(args) != arity if arity > 0 else len(args) < -arity:
            name = _name_of(entry, args)
            client.figures.rejected(name)
            return error(f"ERR wrong number of arguments for '{name}' command")
    return entry


def begin(client: Client, args: Args, is_alone: bool) -> Plan | None:
    """Returns what a command becomes; None where it has to wait until nothing is on its way."""
    entry = _BY_NAME.get(args[0])
    if entry is None or entry.subcommands or not entry.fits(len(args)):
        found = checked(client, args)
        if type(found) is bytes:
            client.command = ""
            if client.queued is not None:
                client.queued.is_wrong = True
            return found
        assert isinstance(found, Entry)
        entry = found
    client.command = ""
    if client.access.asks and (answer := access.refused(client, entry.name, args, entry.keys_of(args))) is not None:
        client.figures.rejected(_name_of(entry, args))
        if client.queued is not None:
            client.queued.is_wrong = True
        return answer
    if client.only_listens and entry.name not in _WHILE_LISTENING and not client.inside:
        client.figures.rejected(_name_of(entry, args))
        return _only_listens(client, entry, args)
    if client.queued is not None and entry.name not in _AT_ONCE:
        return _queued(client.queued, entry, args)
    if entry.alone and not is_alone:
        return None
    client.command = _name_of(entry, args) if entry.subcommands else entry.name
    client.last = b"|".join(args[:2]) if entry.subcommands else args[0]
    try:
        return entry.handler(client, args)
    except Refusal as refusal:
        return error(str(refusal))


_WHILE_LISTENING = (
    "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "ping", "quit", "reset",
)  # fmt: skip
_AT_ONCE = ("multi", "exec", "discard", "quit", "reset")


def _name_of(entry: Entry, args: Args) -> str:
    """A command as figures name it; ``args`` are such that it can be carried out."""
    return f"{entry.name}|{connection.text(args[1]).lower()}" if entry.subcommands and len(args) > 1 else entry.name


def _only_listens(client: Client, entry: Entry, args: Args) -> bytes:
    name = _name_of(entry, args)
    allowed = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    sentence = f"Can't execute '{name}': {allowed}"
    if entry.name == "exec":
        client.queued, client.watched = None, {}
        return error(f"EXECABORT Transaction discarded because of: {sentence}")
    if client.queued is not None:
        client.queued.is_wrong = True
    return error(f"ERR {sentence}")


def _queued(queued: Queued, entry: Entry, args: Args) -> bytes:
    if entry.name == "watch":
        return error("ERR WATCH inside MULTI is not allowed")
    queued.bytes += sum(map(len, args)) + ARGUMENT_BYTES * len(args)
    if queued.bytes > FRAME_BYTES_MAX:
        queued.is_wrong = True
        queued.commands.clear()
        return error("ERR more was queued since MULTI than one message may have (129 MiB)")
    queued.commands.append(args)
    return QUEUED
