"""Commands about the connection and the server."""

from __future__ import annotations

import pytest

from tests.daemon.redis.acted import NOW, Acted
from wrpme.daemon.net.redis.client import Client

OK = b"+OK\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("PING", b"+PONG\r\n"),
        ("PING x", b"$1\r\nx\r\n"),
        ("PING x y", b"-ERR wrong number of arguments for 'ping' command\r\n"),
        ("ECHO x", b"$1\r\nx\r\n"),
        ("SELECT 0", OK),
        ("SELECT 1", b"-ERR DB index is out of range\r\n"),
        ("SWAPDB 0 0", OK),
        ("HELLO 4", b"-NOPROTO unsupported protocol version\r\n"),
        ("HELLO x", b"-ERR Protocol version is not an integer or out of range\r\n"),
        ("HELLO 3 FOO", b"-ERR Syntax error in HELLO option 'FOO'\r\n"),
        ("AUTH default x", OK),
        ("AUTH me x", OK),  # so that clients can say it before there are users
        ("CLIENT ID", b":7\r\n"),
        ("CLIENT GETNAME", b"$-1\r\n"),
        ("CLIENT FOO", b"-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"),
        ("CLIENT SETNAME", b"-ERR wrong number of arguments for 'client|setname' command\r\n"),
        ("CLIENT NO-EVICT on", OK),
        ("CLIENT KILL 1.2.3.4:5", b"-ERR No such client\r\n"),
        ("CLIENT KILL ID x", b"-ERR client-id should be greater than 0\r\n"),
        ("CLIENT KILL TYPE foo ID 1", b"-ERR Unknown client type 'foo'\r\n"),
        ("CLIENT KILL USER me ID 1", b"-ERR No such user 'me'\r\n"),
        ("CLIENT KILL SKIPME maybe ID 1", b"-ERR syntax error\r\n"),
        ("CLIENT KILL MAXAGE 0 ID 1", b"-ERR maxage should be greater than 0\r\n"),
        ("CLIENT KILL ID 7", b":0\r\n"),
        ("CLIENT LIST TYPE foo", b"-ERR Unknown client type 'foo'\r\n"),
        ("CLIENT LIST ID x", b"-ERR Invalid client ID\r\n"),
        ("CLIENT LIST ID 8", b"$0\r\n\r\n"),
        ("CLIENT LIST TYPE pubsub", b"$0\r\n\r\n"),
        ("CLIENT PAUSE 1 foo", b"-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"),
        ("CLIENT UNPAUSE", OK),
        ("CLIENT TRACKING off", OK),
        (
            "CLIENT TRACKINGINFO",
            b"*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n",
        ),
        ("CLIENT GETREDIR", b":-1\r\n"),
        ("CLIENT UNBLOCK 5", b":0\r\n"),
        ("CONFIG GET data*", b"*2\r\n$9\r\ndatabases\r\n$1\r\n1\r\n"),
        ("CONFIG GET nothing", b"*0\r\n"),
        ("TIME", b"*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n"),
        ("NOSUCH a b", b"-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"),
        ("GET", b"-ERR wrong number of arguments for 'get' command\r\n"),
        ("LPUSH a 1", b"-ERR 'lpush' is a command of the data type list, which is not there yet: strings are\r\n"),
    ],
)
def test_answers(line: str, answer: bytes) -> None:
    assert Acted().say(line) == answer


def test_hello_changes_the_protocol_and_reset_changes_it_back() -> None:
    acted = Acted()
    assert acted.say("HELLO").startswith(b"*14\r\n$6\r\nserver\r\n")
    assert acted.say("HELLO 3 AUTH default x SETNAME me").startswith(b"%7\r\n$6\r\nserver\r\n")
    assert acted.say("CLIENT GETNAME") == b"$2\r\nme\r\n"
    assert acted.say("GET none") == b"_\r\n"
    assert acted.say("RESET") == b"+RESET\r\n"
    acted.hears(("GET none", b"$-1\r\n"), ("CLIENT GETNAME", b"$-1\r\n"))


def test_a_client_tells_who_it_is() -> None:
    acted = Acted()
    acted.hears(("CLIENT SETNAME me", OK), ("CLIENT SETINFO lib-name it", OK))
    info = acted.say("CLIENT INFO")
    assert b"id=7 addr=10.0.0.1:1 " in info and b" name=me " in info and b" lib-name=it " in info
    assert acted.say("CLIENT LIST") == acted.say("CLIENT LIST TYPE normal").replace(b"|info", b"|list")
    assert acted.say('CLIENT SETNAME "a b"').startswith(b"-ERR Client names cannot contain spaces")


def test_connections_are_ended_by_what_they_are() -> None:
    acted = Acted()
    killed: list[int] = []
    others = [Client(ident, f"10.0.0.{ident}:1", lambda: NOW) for ident in (8, 9)]
    for one in others:
        one.local_address = f"10.0.1.{one.ident}:1"
        one.kill = lambda ident=one.ident: killed.append(ident)  # type: ignore[misc]
    others[1].age = lambda: 100.0
    acted.client.others = lambda: [acted.client, *others]
    for line, answer, ended in (
        ("CLIENT KILL 10.0.0.8:1", OK, [8]),
        ("CLIENT KILL ID 9", b":1\r\n", [9]),
        ("CLIENT KILL ADDR 10.0.0.9:1 TYPE pubsub", b":0\r\n", []),
        ("CLIENT KILL LADDR 10.0.1.9:1", b":1\r\n", [9]),
        ("CLIENT KILL MAXAGE 60 USER default", b":1\r\n", [9]),
        ("CLIENT KILL TYPE normal", b":2\r\n", [8, 9]),
    ):
        killed.clear()
        assert (acted.say(line), killed, acted.client.ends) == (answer, ended, False), line
    assert acted.say("CLIENT KILL TYPE normal SKIPME no") == b":3\r\n" and acted.client.ends
    assert acted.say("CLIENT LIST ID 9 5 8").count(b"\nid=") == 2
