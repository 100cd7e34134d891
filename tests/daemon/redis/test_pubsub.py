"""SUBSCRIBE, PUBLISH and what belongs to them: the bytes of the answers, as a redis-server 7 gives them."""

from __future__ import annotations

import pytest

from tests.daemon.redis.acted import Acted
from wrpme.daemon.limits import CHANNEL_BYTES_MAX, MESSAGE_BYTES_MAX, SUBSCRIPTIONS_MAX

ONLY = b"only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n"


@pytest.fixture
def acted() -> Acted:
    return Acted()


def test_confirmations_tell_how_many_there_are(acted: Acted) -> None:
    acted.hears(
        ("SUBSCRIBE a", b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
        ("SUBSCRIBE a", b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
        ("PSUBSCRIBE b", b"*3\r\n$10\r\npsubscribe\r\n$1\r\nb\r\n:2\r\n"),
        ("SSUBSCRIBE c", b"*3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n"),
        ("UNSUBSCRIBE none", b"*3\r\n$11\r\nunsubscribe\r\n$4\r\nnone\r\n:2\r\n"),
        ("UNSUBSCRIBE", b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"),
        ("UNSUBSCRIBE", b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n"),
        ("PUNSUBSCRIBE", b"*3\r\n$12\r\npunsubscribe\r\n$1\r\nb\r\n:0\r\n"),
        ("SUNSUBSCRIBE c", b"*3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:0\r\n"),
        ("GET none", b"$-1\r\n"),
    )


def test_several_are_confirmed_one_by_one(acted: Acted) -> None:
    acted.client.speak(True)
    acted.hears(
        ("SUBSCRIBE a b", b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"),
        ("PUNSUBSCRIBE", b">3\r\n$12\r\npunsubscribe\r\n_\r\n:2\r\n"),
        (
            "UNSUBSCRIBE",
            b">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n",
        ),
    )


def test_in_resp2_who_subscribes_only_listens(acted: Acted) -> None:
    acted.say("SUBSCRIBE a")
    acted.hears(
        ("PING", b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
        ("PING x", b"*2\r\n$4\r\npong\r\n$1\r\nx\r\n"),
        ("get a", b"-ERR Can't execute 'get': " + ONLY),
        ("CLIENT ID", b"-ERR Can't execute 'client|id': " + ONLY),
        ("MULTI", b"-ERR Can't execute 'multi': " + ONLY),
        ("EXEC", b"-EXECABORT Transaction discarded because of: Can't execute 'exec': " + ONLY),
        ("GET", b"-ERR wrong number of arguments for 'get' command\r\n"),
        ("NOSUCH", b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n"),
        ("RESET", b"+RESET\r\n"),
        ("PUBLISH a x", b":0\r\n"),
        ("PING", b"+PONG\r\n"),
    )


def test_in_resp3_who_subscribes_may_say_anything(acted: Acted) -> None:
    acted.client.speak(True)
    acted.hears(
        ("SUBSCRIBE a", b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
        ("PING", b"+PONG\r\n"),
        ("GET none", b"_\r\n"),
        ("PUBLISH a x", b":1\r\n"),
        ("HELLO 2 x", b"-ERR Syntax error in HELLO option 'x'\r\n"),
        ("GET none", b"_\r\n"),
    )
    assert acted.say("HELLO 2").startswith(b"*14\r\n")
    acted.hears(("GET none", b"-ERR Can't execute 'get': " + ONLY))


def test_pubsub_tells_of_this_node(acted: Acted) -> None:
    acted.client.speak(True)
    acted.say("SUBSCRIBE news.art news.math")
    acted.say("PSUBSCRIBE n* m*")
    acted.say("SSUBSCRIBE shard")
    acted.hears(
        ("PUBSUB CHANNELS", b"*2\r\n$8\r\nnews.art\r\n$9\r\nnews.math\r\n"),
        ("PUBSUB CHANNELS *.m*", b"*1\r\n$9\r\nnews.math\r\n"),
        ("PUBSUB NUMSUB news.art none", b"*4\r\n$8\r\nnews.art\r\n:1\r\n$4\r\nnone\r\n:0\r\n"),
        ("PUBSUB NUMSUB", b"*0\r\n"),
        ("PUBSUB NUMPAT", b":2\r\n"),
        ("PUBSUB SHARDCHANNELS", b"*1\r\n$5\r\nshard\r\n"),
        ("PUBSUB SHARDNUMSUB shard news.art", b"*4\r\n$5\r\nshard\r\n:1\r\n$8\r\nnews.art\r\n:0\r\n"),
        ("PUBSUB NUMPAT x", b"-ERR wrong number of arguments for 'pubsub|numpat' command\r\n"),
        ("PUBSUB NONE", b"-ERR unknown subcommand 'NONE'. Try PUBSUB HELP.\r\n"),
        ("PUBLISH news.art x", b":2\r\n"),
    )
    assert b"+NUMSUB [<channel> ...]\r\n" in acted.say("PUBSUB HELP")
    line = acted.say("CLIENT INFO").decode()
    assert " flags=P " in line and " sub=2 psub=2 ssub=1 " in line


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ([b"SUBSCRIBE", b"a", bytes(CHANNEL_BYTES_MAX + 1)], b"at most 4096 bytes"),
        ([b"PUBLISH", bytes(CHANNEL_BYTES_MAX + 1), b""], b"at most 4096 bytes"),
        ([b"PUBLISH", b"a", bytes(MESSAGE_BYTES_MAX + 1)], b"at most 1048576 bytes"),
        ([b"SUBSCRIBE", *[b"a"] * (SUBSCRIPTIONS_MAX + 1)], b"at most 100000 subscriptions"),
    ],
    ids=["channel", "channel published to", "message", "subscriptions"],
)
def test_bounds(acted: Acted, words: list[bytes], limit: bytes) -> None:
    answer = acted.say(words)
    assert answer.startswith(b"-ERR ") and limit in answer
    assert not acted.client.subscription_count, "nothing of it was done"
