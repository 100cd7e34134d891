"""SUBSCRIBE, PUBLISH and what belongs to them: what they do and answer. No socket here."""

from __future__ import annotations

from collections.abc import Iterable

from wrpme.daemon.limits import CHANNEL_BYTES_MAX, MESSAGE_BYTES_MAX
from wrpme.daemon.net.redis.channels import Kind
from wrpme.daemon.net.redis.client import Client, Deed, Plan, Subcommand
from wrpme.daemon.net.redis.commands.keys import matcher
from wrpme.daemon.net.redis.replies import Refusal, bulk, integer
from wrpme.errors import BusyError

Args = list[bytes]


def _is_any(name: bytes) -> bool:
    raise AssertionError("a channel is looked up by its name")


def subscribe(client: Client, args: Args) -> Plan:
    """SUBSCRIBE channel [channel ...]."""
    return _subscribe(client, Kind.CHANNEL, args[1:])


def psubscribe(client: Client, args: Args) -> Plan:
    """PSUBSCRIBE pattern [pattern ...]."""
    return _subscribe(client, Kind.PATTERN, args[1:])


def ssubscribe(client: Client, args: Args) -> Plan:
    """SSUBSCRIBE shardchannel [shardchannel ...]."""
    return _subscribe(client, Kind.SHARD, args[1:])


def unsubscribe(client: Client, args: Args) -> Plan:
    """UNSUBSCRIBE [channel ...]."""
    return _unsubscribe(client, Kind.CHANNEL, args[1:])


def punsubscribe(client: Client, args: Args) -> Plan:
    """PUNSUBSCRIBE [pattern ...]."""
    return _unsubscribe(client, Kind.PATTERN, args[1:])


def sunsubscribe(client: Client, args: Args) -> Plan:
    """SUNSUBSCRIBE [shardchannel ...]."""
    return _unsubscribe(client, Kind.SHARD, args[1:])


def _subscribe(client: Client, kind: Kind, names: Args) -> Plan:
    if any(len(name) > CHANNEL_BYTES_MAX for name in names):
        raise Refusal(f"ERR a channel or pattern has at most {CHANNEL_BYTES_MAX} bytes")
    try:
        client.channels.check(client, kind, names)
    except BusyError as error:
        raise Refusal(f"ERR {error.sentence}") from None
    matching = [matcher(name) if kind is Kind.PATTERN else _is_any for name in names]

    def confirmations() -> Iterable[bytes]:
        for name, matches in zip(names, matching, strict=True):
            client.channels.subscribe(client, kind, name, matches)
            yield _confirmation(client, kind, b"subscribe", name)

    return Deed(lambda: b"".join(confirmations()), is_loud=True)


def _unsubscribe(client: Client, kind: Kind, names: Args) -> Plan:
    def confirmations() -> Iterable[bytes]:
        wanted = names or list(client.subscriptions.get(kind, ()))
        for name in wanted:
            client.channels.unsubscribe(client, kind, name)
            yield _confirmation(client, kind, b"unsubscribe", name)
        if not wanted:
            yield _confirmation(client, kind, b"unsubscribe", None)

    return Deed(lambda: b"".join(confirmations()), is_loud=True)


def _confirmation(client: Client, kind: Kind, word: bytes, name: bytes | None) -> bytes:
    """Returns what tells a client that it listens, or does not any more, and how many such subscriptions it has."""
    kinds = (Kind.SHARD,) if kind is Kind.SHARD else (Kind.CHANNEL, Kind.PATTERN)
    count = sum(len(client.subscriptions.get(one, ())) for one in kinds)
    parts = bulk(kind.value + word), client.nil if name is None else bulk(name), integer(count)
    return (b">3\r\n" if client.three else b"*3\r\n") + b"".join(parts)


def publish(client: Client, args: Args) -> Plan | None:
    """PUBLISH channel message."""
    return _publish(client, args, False)


def spublish(client: Client, args: Args) -> Plan | None:
    """SPUBLISH shardchannel message."""
    return _publish(client, args, True)


def _publish(client: Client, args: Args, is_sharded: bool) -> Plan | None:
    channel, content = args[1:]
    if len(channel) > CHANNEL_BYTES_MAX:
        raise Refusal(f"ERR a channel has at most {CHANNEL_BYTES_MAX} bytes")
    if len(content) > MESSAGE_BYTES_MAX:
        raise Refusal(f"ERR a message has at most {MESSAGE_BYTES_MAX} bytes (1 MiB)")
    if client.channels.waits(client):
        return None
    return Deed(lambda: integer(client.channels.publish(channel, content, is_sharded)))


def _channels(client: Client, args: Args) -> Plan:
    kind = Kind.SHARD if args[1].upper().startswith(b"SHARD") else Kind.CHANNEL
    matches = matcher(args[2] if len(args) > 2 else b"*")
    return client.encoded([name for name in client.channels.names(kind) if matches(name)])


def _numsub(client: Client, args: Args) -> Plan:
    kind = Kind.SHARD if args[1].upper().startswith(b"SHARD") else Kind.CHANNEL
    return client.encoded([part for name in args[2:] for part in (name, client.channels.count(kind, name))])


def _numpat(client: Client, args: Args) -> Plan:
    return integer(len(client.channels.names(Kind.PATTERN)))


PUBSUB = {
    b"CHANNELS": Subcommand(-2, _channels, "[<pattern>]", "Return the channels with subscribers at this node."),
    b"NUMPAT": Subcommand(2, _numpat, "", "Return the number of patterns that are subscribed to at this node."),
    b"NUMSUB": Subcommand(-2, _numsub, "[<channel> ...]", "Return the number of subscribers at this node."),
    b"SHARDCHANNELS": Subcommand(-2, _channels, "[<pattern>]", "Return the shard channels with subscribers here."),
    b"SHARDNUMSUB": Subcommand(-2, _numsub, "[<channel> ...]", "Return the number of subscribers here."),
}
