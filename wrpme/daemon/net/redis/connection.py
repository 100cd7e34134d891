"""Commands about the connection and the server. No socket here."""

from __future__ import annotations

import fnmatch
from typing import Any

from wrpme.daemon.net.redis.channels import Kind
from wrpme.daemon.net.redis.client import Client, Plan, Steps
from wrpme.daemon.net.redis.keys import count_entries
from wrpme.daemon.net.redis.numbers import integer, integer_in
from wrpme.daemon.net.redis.replies import OK, PONG, SYNTAX, Refusal, bulk, error, integer as integer_reply
from wrpme.version import VERSION

REDIS_VERSION = "7.4.0"
"""Of the Redis whose commands these are: clients decide by it what they may use."""
END = b"\0"
"""Of a text in the sentences of Redis."""
Args = list[bytes]


def text(argument: bytes) -> str:
    """Returns an argument as it stands in a sentence."""
    return argument.decode("utf-8", "surrogateescape")


def arity(command: str) -> Refusal:
    """Returns the refusal of a command with too many or too few arguments."""
    return Refusal(f"ERR wrong number of arguments for '{command}' command")


def subcommand(args: Args) -> Refusal:
    """Returns the refusal of a subcommand that there is not."""
    return Refusal(f"ERR unknown subcommand '{text(args[1][:128])}'. Try {text(args[0]).upper()} HELP.")


def ping(client: Client, args: Args) -> Plan:
    """PING [message]."""
    if len(args) > 2:
        raise arity("ping")
    if client.only_listens:
        return client.encoded(["pong", args[1] if len(args) == 2 else b""])
    return bulk(args[1]) if len(args) == 2 else PONG


def echo(client: Client, args: Args) -> Plan:
    """ECHO message."""
    return bulk(args[1])


def auth(client: Client, args: Args) -> Plan:
    """AUTH [username] password: there are no users."""
    if len(args) > 3:
        raise Refusal(SYNTAX)
    if len(args) == 3 and args[1] != b"default":
        raise Refusal("WRONGPASS invalid username-password pair or user is disabled.")
    if len(args) == 3:
        return OK  # as in Redis, where the default user needs none
    raise Refusal(
        "ERR AUTH <password> called without any password configured for the default user. "
        "Are you sure your configuration is correct?"
    )


def hello(client: Client, args: Args) -> Plan:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]."""
    three, name, at = client.three, None, 2
    if len(args) > 1:
        version = integer_in(args[1])
        if version is None:
            raise Refusal("ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise Refusal("NOPROTO unsupported protocol version")
        three = version == 3
    while at < len(args):
        option = args[at].upper()
        if option == b"AUTH" and at + 2 < len(args):
            if args[at + 1] != b"default":
                raise Refusal("WRONGPASS invalid username-password pair or user is disabled.")
            at += 2
        elif option == b"SETNAME" and at + 1 < len(args):
            name = _name(args[at + 1])
            at += 1
        else:
            raise Refusal(f"ERR Syntax error in HELLO option '{text(args[at])}'")
        at += 1
    client.speak(three)
    if name is not None:
        client.name = name
    return client.encoded(
        {
            "server": "redis",
            "version": REDIS_VERSION,
            "proto": 3 if three else 2,
            "id": client.ident,
            "mode": "standalone",
            "role": "master",
            "modules": [],
        }
    )


def select(client: Client, args: Args) -> Plan:
    """SELECT 0."""
    if integer(args[1]) != 0:
        raise Refusal("ERR DB index is out of range")
    return OK


def quit_(client: Client, args: Args) -> Plan:
    """QUIT."""
    client.ends = True
    return OK


def reset(client: Client, args: Args) -> Plan:
    """RESET."""
    client.reset()
    return b"+RESET\r\n"


def time(client: Client, args: Args) -> Plan:
    """TIME."""
    seconds, milliseconds = divmod(client.wall(), 1000)
    return client.encoded([str(seconds), str(milliseconds * 1000)])


# --- CLIENT ------------------------------------------------------------------------------------------------------


def _name(name: bytes) -> bytes:
    if any(not 33 <= letter <= 126 for letter in name):
        raise Refusal("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


def _described(client: Client) -> str:
    library = {key: text(value) for key, value in client.library.items()}
    multi = -1 if client.queued is None else len(client.queued.commands)
    subscribed = {kind: len(names) for kind, names in client.subscriptions.items()}
    flags = "x" * (client.queued is not None) + "P" * (client.subscription_count > 0)
    return (
        f"id={client.ident} addr={client.address} laddr= fd=0 name={text(client.name)} "
        f"age={max(0, int(client.age()))} idle=0 flags={flags or 'N'} db=0 "
        f"sub={subscribed.get(Kind.CHANNEL, 0)} psub={subscribed.get(Kind.PATTERN, 0)} "
        f"ssub={subscribed.get(Kind.SHARD, 0)} multi={multi} watch={len(client.watched)} "
        f"cmd={text(client.last).lower()} user=default redir=-1 resp={3 if client.three else 2} "
        f"lib-name={library['lib-name']} lib-ver={library['lib-ver']}"
    )


def _reply_mode(client: Client, args: Args) -> bytes:
    mode = args[2].upper()
    if mode == b"ON":
        client.silent, client.skips = False, 0
        return OK
    if mode not in (b"OFF", b"SKIP"):
        raise Refusal(SYNTAX)
    if mode == b"OFF":
        client.silent = True
    elif not client.silent:
        client.skips = 2  # this very command, and the next
    return OK


def _set_info(client: Client, args: Args) -> bytes:
    attribute, value = text(args[2]).lower(), args[3]
    if attribute not in client.library:
        raise Refusal(f"ERR Unrecognized option '{text(args[2])}'")
    if any(not 33 <= letter <= 126 for letter in value):
        raise Refusal(f"ERR {attribute} cannot contain spaces, newlines or special characters.")
    client.library[attribute] = value
    return OK


SUBCOMMANDS: dict[str, dict[bytes, int]] = {
    "client": {
        b"ID": 2, b"GETNAME": 2, b"SETNAME": 3, b"SETINFO": 4, b"INFO": 2, b"LIST": -2, b"NO-EVICT": 3, b"NO-TOUCH": 3,
        b"REPLY": 3,
    },
    "config": {b"GET": -3},
    "pubsub": {
        b"CHANNELS": -2, b"NUMSUB": -2, b"NUMPAT": 2, b"SHARDCHANNELS": -2, b"SHARDNUMSUB": -2, b"HELP": 2,
    },
    "command": {b"COUNT": 2, b"LIST": 2, b"INFO": -2, b"DOCS": -2, b"GETKEYS": -3},
}  # fmt: skip
"""The second words of commands that have one, with the arity of both together."""


def client_(client: Client, args: Args) -> Plan:
    """CLIENT, with its subcommands."""
    word = args[1].upper()
    if word == b"ID":
        return integer_reply(client.ident)
    if word == b"GETNAME":
        return bulk(client.name) if client.name else client.nil
    if word == b"SETNAME":
        client.name = _name(args[2])
        return OK
    if word == b"SETINFO":
        return _set_info(client, args)
    if word == b"REPLY":
        return _reply_mode(client, args)
    if word in (b"NO-EVICT", b"NO-TOUCH"):
        if args[2].upper() not in (b"ON", b"OFF"):
            raise Refusal(SYNTAX)
        return OK
    shown = [client] if word == b"INFO" else client.others()
    return bulk("".join(_described(one) + "\n" for one in shown).encode("utf-8", "surrogateescape"))


# --- CONFIG, INFO ------------------------------------------------------------------------------------------------

CONFIG = {
    "appendfsync": "always",
    "appendonly": "yes",
    "databases": "1",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "notify-keyspace-events": "",
    "proto-max-bulk-len": str(64 << 20),
    "save": "",
    "timeout": "0",
}
"""What tools ask for, and what is true of a hive."""


def config(client: Client, args: Args) -> Plan:
    """CONFIG GET pattern [pattern ...]."""
    patterns = [text(pattern).lower() for pattern in args[2:]]
    found = {name: CONFIG[name] for name in CONFIG if any(fnmatch.fnmatchcase(name, one) for one in patterns)}
    return client.encoded(found)


SECTIONS = ("server", "clients", "stats", "keyspace")


def info(client: Client, args: Args) -> Plan:
    """INFO [section ...]."""
    asked = {text(section).lower() for section in args[1:]} or {"default"}
    wanted = [section for section in SECTIONS if section in asked or asked & {"default", "all", "everything"}]
    return _info(client, wanted)


def _info(client: Client, sections: list[str]) -> Steps:
    stats = client.stats()
    parts = []
    for section in sections:
        if section == "keyspace":
            count = yield from count_entries()
            values: dict[str, Any] = {"db0": f"keys={count},expires=0,avg_ttl=0"} if count else {}
        else:
            values = stats.get(section, {})
        if section == "server":
            values = {"redis_version": REDIS_VERSION, "redis_mode": "standalone", "wrpme_version": VERSION, **values}
        lines = "".join(f"{name}:{value}\r\n" for name, value in values.items())
        parts.append(f"# {section.capitalize()}\r\n{lines}")
    return bulk("\r\n".join(parts).encode())


def unknown(client: Client, args: Args) -> bytes:
    """Returns what is answered to a command that there is not."""
    shown = ""
    for argument in args[1:]:
        if len(shown) >= 128:
            break
        shown += f"'{text(argument[: 128 - len(shown)].partition(END)[0])}' "
    return error(f"ERR unknown command '{text(args[0][:128].partition(END)[0])}', with args beginning with: {shown}")
