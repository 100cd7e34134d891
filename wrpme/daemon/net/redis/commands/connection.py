"""Commands about connections. No socket here."""

from __future__ import annotations

from itertools import zip_longest

from wrpme.daemon.net.redis.channels import Kind
from wrpme.daemon.net.redis.client import Client, Plan, Steps, Subcommand
from wrpme.daemon.net.redis.commands.access import FIRST_HELLO, proven
from wrpme.daemon.net.redis.commands.numbers import database, integer, integer_in
from wrpme.daemon.net.redis.replies import OK, PONG, SYNTAX, ZERO, Refusal, bulk, error, integer as integer_reply

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


def hello(client: Client, args: Args) -> Plan:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]."""
    three, name, who, at = client.three, None, (b"", b""), 2
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
            who = args[at + 1], args[at + 2]
            at += 2
        elif option == b"SETNAME" and at + 1 < len(args):
            name = _name(args[at + 1])
            at += 1
        else:
            raise Refusal(f"ERR Syntax error in HELLO option '{text(args[at])}'")
        at += 1
    if who[0] and client.access.asks:
        return _hello_as(client, who, three, name)
    if client.access.asks and client.access.user(client.ident) is None:
        raise Refusal(FIRST_HELLO)
    return _greeted(client, three, name)


def _hello_as(client: Client, who: tuple[bytes, bytes], three: bool, name: bytes | None) -> Steps:
    yield from proven(*who)
    return _greeted(client, three, name)


def _greeted(client: Client, three: bool, name: bytes | None) -> bytes:
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
    database(args[1])
    return OK


def quit_(client: Client, args: Args) -> Plan:
    """QUIT."""
    client.ends = True
    return OK


def reset(client: Client, args: Args) -> Plan:
    """RESET."""
    client.reset()
    if client.access.asks:
        client.forget_user()
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
    queued = client.queued
    subscribed = {kind: len(client.subscriptions.get(kind, ())) for kind in Kind}
    flags = "x" * (queued is not None) + "P" * (client.subscription_count > 0)
    fields = {
        "id": client.ident,
        "addr": client.address,
        "laddr": client.local_address,
        "fd": 0,
        "name": text(client.name),
        "age": max(0, int(client.age())),
        "idle": max(0, int(client.idle())),
        "flags": flags or "N",
        "db": 0,
        "sub": subscribed[Kind.CHANNEL],
        "psub": subscribed[Kind.PATTERN],
        "ssub": subscribed[Kind.SHARD],
        "multi": -1 if queued is None else len(queued.commands),
        "watch": len(client.watched),
        "multi-mem": 0 if queued is None else queued.bytes,
        "cmd": text(client.last).lower() or "NULL",
        "user": "default",
        "redir": -1,
        "resp": 3 if client.three else 2,
        **{key: text(value) for key, value in client.library.items()},
    }
    return " ".join(f"{name}={value}" for name, value in fields.items())


def _reply_mode(client: Client, args: Args) -> Plan:
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


def _set_info(client: Client, args: Args) -> Plan:
    attribute, value = text(args[2]).lower(), args[3]
    if attribute not in client.library:
        raise Refusal(f"ERR Unrecognized option '{text(args[2])}'")
    if any(not 33 <= letter <= 126 for letter in value):
        raise Refusal(f"ERR {attribute} cannot contain spaces, newlines or special characters.")
    client.library[attribute] = value
    return OK


def _client_id(client: Client, args: Args) -> Plan:
    return integer_reply(client.ident)


def _client_getname(client: Client, args: Args) -> Plan:
    return bulk(client.name) if client.name else client.nil


def _client_setname(client: Client, args: Args) -> Plan:
    client.name = _name(args[2])
    return OK


def _client_info(client: Client, args: Args) -> Plan:
    return client.text(_described(client) + "\n")


def _on_or_off(client: Client, args: Args) -> Plan:
    if args[2].upper() not in (b"ON", b"OFF"):
        raise Refusal(SYNTAX)
    return OK


def _kind(client: Client) -> bytes:
    """What CLIENT LIST and KILL select by."""
    return b"pubsub" if client.subscription_count else b"normal"


def _kind_in(word: bytes) -> bytes:
    kind = word.lower()
    if kind not in (b"normal", b"master", b"replica", b"slave", b"pubsub"):
        raise Refusal(f"ERR Unknown client type '{text(word)}'")
    return kind


def _client_list(client: Client, args: Args) -> Plan:
    found = client.others()
    option = args[2].upper() if len(args) > 3 else b""
    if option == b"TYPE" and len(args) == 4:
        kind = _kind_in(args[3])
        found = [one for one in found if _kind(one) == kind]
    elif option == b"ID":
        idents = [integer(word, "ERR Invalid client ID") for word in args[3:]]
        by_ident = {one.ident: one for one in found}
        found = [by_ident[ident] for ident in idents if ident in by_ident]
    elif len(args) != 2:
        raise Refusal(SYNTAX)
    return client.text("".join(_described(one) + "\n" for one in found))


def _client_kill(client: Client, args: Args) -> Plan:
    if len(args) == 3:
        found = [one for one in client.others() if one.address == text(args[2])]
        if not found:
            raise Refusal("ERR No such client")
        _end(client, found)
        return OK
    found, skips = client.others(), True
    for name, value in zip_longest(args[2::2], args[3::2]):
        option = name.upper()
        if value is None:
            raise Refusal(SYNTAX)
        if option == b"SKIPME":
            if value.upper() not in (b"YES", b"NO"):
                raise Refusal(SYNTAX)
            skips = value.upper() == b"YES"
        else:
            _check_selection(option, value)
            found = [one for one in found if _selected(one, option, value)]
    found = [one for one in found if one is not client or not skips]
    _end(client, found)
    return integer_reply(len(found))


def _check_selection(option: bytes, value: bytes) -> None:
    """Says what is wrong with an option of CLIENT KILL."""
    if option == b"ID":
        wrong = "ERR client-id should be greater than 0"
        if integer(value, wrong) < 1:
            raise Refusal(wrong)
    elif option == b"MAXAGE":
        if integer(value, "ERR maxage is not an integer or out of range") < 1:
            raise Refusal("ERR maxage should be greater than 0")
    elif option == b"TYPE":
        _kind_in(value)
    elif option == b"USER":
        if value != b"default":
            raise Refusal(f"ERR No such user '{text(value)}'")
    elif option not in (b"ADDR", b"LADDR"):
        raise Refusal(SYNTAX)


def _selected(one: Client, option: bytes, value: bytes) -> bool:
    if option == b"ID":
        return one.ident == integer_in(value)
    if option == b"MAXAGE":
        return one.age() >= (integer_in(value) or 0)
    if option == b"TYPE":
        return _kind(one) == value.lower()
    if option in (b"ADDR", b"LADDR"):
        return (one.address if option == b"ADDR" else one.local_address) == text(value)
    return True


def _end(client: Client, found: list[Client]) -> None:
    """Ends connections; this very one after the answer."""
    for one in found:
        if one is client:
            client.ends = True
        else:
            one.kill()


def _client_pause(client: Client, args: Args) -> Plan:
    wrong = "ERR timeout is not an integer or out of range"
    if integer(args[2], wrong) < 0:
        raise Refusal("ERR timeout is negative")
    if len(args) > 4 or (len(args) == 4 and args[3].upper() not in (b"WRITE", b"ALL")):
        raise Refusal("ERR CLIENT PAUSE mode must be WRITE or ALL")
    raise Refusal("ERR clients are not paused here: where a key changes its owner, commands wait by themselves")


def _client_unpause(client: Client, args: Args) -> Plan:
    return OK


def _client_unblock(client: Client, args: Args) -> Plan:
    if len(args) > 4 or (len(args) == 4 and args[3].upper() not in (b"TIMEOUT", b"ERROR")):
        raise Refusal("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    integer(args[2])
    return ZERO  # no command blocks


def _client_tracking(client: Client, args: Args) -> Plan:
    if args[2].upper() not in (b"ON", b"OFF"):
        raise Refusal(SYNTAX)
    if args[2].upper() == b"ON":
        raise Refusal("ERR client-side caching is not there yet: no client is told which keys have changed")
    return OK


def _client_trackinginfo(client: Client, args: Args) -> Plan:
    return client.encoded({"flags": frozenset({"off"}), "redirect": -1, "prefixes": []})


def _client_getredir(client: Client, args: Args) -> Plan:
    return integer_reply(-1)


def _client_caching(client: Client, args: Args) -> Plan:
    raise Refusal(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
    )


CLIENT = {
    b"CACHING": Subcommand(3, _client_caching, "(YES|NO)", "Refused: keys are not tracked."),
    b"GETNAME": Subcommand(2, _client_getname, "", "Return the name of the current connection."),
    b"GETREDIR": Subcommand(2, _client_getredir, "", "Return -1: keys are not tracked."),
    b"ID": Subcommand(2, _client_id, "", "Return the ID of the current connection."),
    b"INFO": Subcommand(2, _client_info, "", "Return information about the current client connection."),
    b"KILL": Subcommand(
        -3,
        _client_kill,
        "<ip:port> | <option> <value> [<option> <value> [...]]",
        "Kill connections. Options are: ADDR, LADDR, TYPE, USER, SKIPME, ID, MAXAGE.",
    ),
    b"LIST": Subcommand(
        -2, _client_list, "[TYPE <type> | ID <id> ...]", "Return information about the Redis clients of this node."
    ),
    b"NO-EVICT": Subcommand(3, _on_or_off, "(ON|OFF)", "Do nothing: no connection is evicted."),
    b"NO-TOUCH": Subcommand(3, _on_or_off, "(ON|OFF)", "Do nothing: when a key is used is not tracked."),
    b"PAUSE": Subcommand(-3, _client_pause, "<timeout> [WRITE|ALL]", "Refused: clients are not paused."),
    b"REPLY": Subcommand(3, _reply_mode, "(ON|OFF|SKIP)", "Control the replies sent to the current connection."),
    b"SETINFO": Subcommand(4, _set_info, "(LIB-NAME|LIB-VER) <value>", "Set what the library says of itself."),
    b"SETNAME": Subcommand(3, _client_setname, "<name>", "Assign the name <name> to the current connection."),
    b"TRACKING": Subcommand(-3, _client_tracking, "(ON|OFF) [...]", "Refused where it is ON: keys are not tracked."),
    b"TRACKINGINFO": Subcommand(2, _client_trackinginfo, "", "Report tracking status for the current connection."),
    b"UNBLOCK": Subcommand(-3, _client_unblock, "<clientid> [TIMEOUT|ERROR]", "Return 0: no command blocks."),
    b"UNPAUSE": Subcommand(2, _client_unpause, "", "Do nothing: clients are not paused."),
}


def unknown(client: Client, args: Args) -> bytes:
    """Returns what is answered to a command that there is not."""
    shown = ""
    for argument in args[1:]:
        if len(shown) >= 128:
            break
        shown += f"'{text(argument[: 128 - len(shown)].partition(END)[0])}' "
    return error(f"ERR unknown command '{text(args[0][:128].partition(END)[0])}', with args beginning with: {shown}")
