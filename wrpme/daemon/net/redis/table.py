"""The one table of commands: what dispatches them, and what COMMAND tells of them. No socket here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from wrpme.daemon.net.redis import connection, keys, multi, pubsub, scan, strings
from wrpme.daemon.net.redis.client import Client, Plan, Queued
from wrpme.daemon.net.redis.parser import ARGUMENT_BYTES
from wrpme.daemon.net.redis.replies import QUEUED, Refusal, Status, error, integer
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
    subcommands: dict[bytes, int] = {}
    """What its second word may be, and the arity with that; nothing where it is no container."""

    def fits(self, count: int) -> bool:
        """Whether a command may have so many words."""
        return count == self.arity if self.arity >= 0 else count >= -self.arity

    def keys_of(self, args: Args) -> Args:
        """Returns the keys among the words."""
        if not self.first:
            return []
        last = self.last if self.last >= 0 else len(args) + self.last
        return args[self.first : last + 1 : self.step]


def _rows() -> list[Entry]:
    read, write = ("readonly", "fast"), ("write", "denyoom", "fast")
    one, every = (1, 1, 1), (1, -1, 1)
    s, k = strings, keys
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
        ("mget", -2, read, every, s.mget, "Returns the values of keys."),
        ("mset", -3, ("write", "denyoom"), (1, -1, 2), s.mset, "Sets the values of keys."),
        ("msetnx", -3, ("write", "denyoom"), (1, -1, 2), s.msetnx, "Sets the values of keys when none exists."),
        ("del", -2, ("write",), every, s.del_, "Deletes keys."),
        ("unlink", -2, ("write", "fast"), every, s.del_, "Deletes keys."),
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
        ("watch", -2, ("noscript", "fast"), every, multi.watch, "Monitors changes to keys until EXEC."),
        ("setbit", 4, ("write", "denyoom"), one, k.setbit, "Sets or clears the bit at offset of the value."),
        ("getbit", 3, read, one, k.getbit, "Returns a bit value by offset."),
        ("bitcount", -2, ("readonly",), one, k.bitcount, "Counts the set bits of a value."),
        ("bitpos", -3, ("readonly",), one, k.bitpos, "Finds the first set or clear bit of a value."),
    ]
    generic = {"del", "unlink", "exists", "touch", "type", "persist", "rename", "renamenx", "copy"}
    return [
        Entry(name, arity, flags, *at, handler, summary, _group(name, generic))
        for name, arity, flags, at, handler, summary in listed
    ]


def _group(name: str, generic: set[str]) -> str:
    if name == "watch":
        return "transactions"
    if "bit" in name:
        return "bitmap"
    return "generic" if name in generic or "expire" in name or name.endswith("ttl") else "string"


def _other_rows() -> list[Entry]:
    fast, slow = ("fast",), ("noscript",)
    listen, tell = ("pubsub", "noscript", "loading", "stale"), ("pubsub", "loading", "stale", "fast")
    c, k, p = connection, keys, pubsub
    listed: list[tuple[str, int, tuple[str, ...], Handler, str, str, bool]] = [
        ("ping", -1, fast, c.ping, "Returns the server's liveliness response.", "connection", False),
        ("echo", 2, fast, c.echo, "Returns the given string.", "connection", False),
        ("hello", -1, ("noscript", "fast"), c.hello, "Handshakes with the server.", "connection", True),
        ("auth", -2, ("noscript", "fast"), c.auth, "Authenticates the connection.", "connection", False),
        ("select", 2, fast, c.select, "Changes the selected database.", "connection", False),
        ("quit", -1, ("noscript", "fast"), c.quit_, "Closes the connection.", "connection", True),
        ("reset", 1, ("noscript", "fast"), c.reset, "Resets the connection.", "connection", True),
        ("client", -2, slow, c.client_, "A container for client connection commands.", "connection", True),
        ("config", -2, ("admin", "noscript"), c.config, "A container for configuration commands.", "server", False),
        ("command", -1, fast, command, "Returns information about commands.", "server", False),
        ("info", -1, slow, c.info, "Returns information about the server.", "server", False),
        ("time", 1, fast, c.time, "Returns the server time.", "server", False),
        ("multi", 1, slow, multi.multi, "Starts a transaction.", "transactions", False),
        ("exec", 1, slow, execute, "Executes all commands in a transaction.", "transactions", True),
        ("discard", 1, slow, multi.discard, "Discards a transaction.", "transactions", False),
        ("unwatch", 1, slow, multi.unwatch, "Forgets about watched keys.", "transactions", False),
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
        ("pubsub", -2, ("pubsub",), p.pubsub, "A container for Pub/Sub commands.", "pubsub", False),
    ]
    return [
        Entry(name, arity, flags, 0, 0, 0, handler, summary, group, alone, c.SUBCOMMANDS.get(name, {}))
        for name, arity, flags, handler, summary, group, alone in listed
    ]


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


_OF_ALL = ("dbsize", "keys", "scan", "randomkey", "flushall", "flushdb", "info")


def _keys_in(args: Args) -> Args | None:
    entry = find(args[0])
    assert entry is not None, "only what there is was queued"
    return None if entry.name in _OF_ALL else entry.keys_of(args)


# --- COMMAND -----------------------------------------------------------------------------------------------------


def _described(entry: Entry) -> list[Any]:
    flags = frozenset(Status(flag) for flag in entry.flags)
    kind = "read" if "readonly" in entry.flags else "write" if "write" in entry.flags else entry.group
    pace = "fast" if "fast" in entry.flags else "slow"
    categories = frozenset(Status(f"@{category}") for category in (kind, entry.group, pace))
    return [entry.name, entry.arity, flags, entry.first, entry.last, entry.step, categories, [], [], []]


def command(client: Client, args: Args) -> Plan:
    """COMMAND [COUNT | INFO | DOCS | LIST | GETKEYS]."""
    word = args[1].upper() if len(args) > 1 else b"INFO"
    if word == b"COUNT":
        return integer(len(ENTRIES))
    if word == b"LIST":
        return client.encoded([entry.name for entry in ENTRIES])
    if word == b"INFO":
        if len(args) <= 2:
            return client.encoded([_described(entry) for entry in ENTRIES])
        found = [find(name) for name in args[2:]]
        if client.three:
            return client.encoded([_described(entry) if entry else None for entry in found])
        parts = [client.encoded(_described(entry)) if entry else client.no_array for entry in found]
        return b"*%d\r\n%b" % (len(parts), b"".join(parts))
    if word == b"DOCS":
        asked = [find(name) for name in args[2:]] if len(args) > 2 else list(ENTRIES)
        return client.encoded(
            {entry.name: {"summary": entry.summary, "since": "1.0.0", "group": entry.group} for entry in asked if entry}
        )
    return _keys_of(client, args[2:])


def _keys_of(client: Client, args: Args) -> bytes:
    entry = find(args[0])
    if entry is None:
        raise Refusal("ERR Invalid command specified")
    if not entry.fits(len(args)):
        raise Refusal("ERR Invalid number of arguments specified for command")
    if not entry.first:
        raise Refusal("ERR The command has no key arguments")
    return client.encoded(entry.keys_of(args))


ENTRIES: list[Entry] = [*_rows(), *_other_rows()]
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
        return connection.unknown(client, args)
    if not entry.fits(len(args)):
        return error(f"ERR wrong number of arguments for '{entry.name}' command")
    if entry.subcommands and len(args) > 1:
        arity = entry.subcommands.get(args[1].upper())
        if arity is None:
            return error(str(connection.subcommand(args)))
        if len(args) != arity if arity > 0 else len(args) < -arity:
            name = f"{entry.name}|{connection.text(args[1]).lower()}"
            return error(f"ERR wrong number of arguments for '{name}' command")
    return entry


def begin(client: Client, args: Args, is_alone: bool) -> Plan | None:
    """Returns what a command becomes; None where it has to wait until nothing is on its way."""
    entry = _BY_NAME.get(args[0])
    if entry is None or entry.subcommands or not entry.fits(len(args)):
        found = checked(client, args)
        if type(found) is bytes:
            if client.queued is not None:
                client.queued.is_wrong = True
            return found
        assert isinstance(found, Entry)
        entry = found
    if client.only_listens and entry.name not in _WHILE_LISTENING and not client.inside:
        return _only_listens(client, entry, args)
    if client.queued is not None and entry.name not in _AT_ONCE:
        return _queued(client.queued, entry, args)
    if entry.alone and not is_alone:
        return None
    client.last = args[0]
    try:
        return entry.handler(client, args)
    except Refusal as refusal:
        return error(str(refusal))


_WHILE_LISTENING = (
    "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "ping", "quit", "reset",
)  # fmt: skip
_AT_ONCE = ("multi", "exec", "discard", "quit", "reset")


def _only_listens(client: Client, entry: Entry, args: Args) -> bytes:
    name = f"{entry.name}|{connection.text(args[1]).lower()}" if entry.subcommands and len(args) > 1 else entry.name
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
