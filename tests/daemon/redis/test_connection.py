"""Commands about the connection and the server."""

from __future__ import annotations

import pytest

from tests.daemon.redis.acted import Acted

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
        ("AUTH me x", b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        ("CLIENT ID", b":7\r\n"),
        ("CLIENT GETNAME", b"$-1\r\n"),
        ("CLIENT FOO", b"-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"),
        ("CLIENT SETNAME", b"-ERR wrong number of arguments for 'client|setname' command\r\n"),
        ("CLIENT NO-EVICT on", OK),
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
    assert acted.say("CLIENT LIST") == info
    assert acted.say('CLIENT SETNAME "a b"').startswith(b"-ERR Client names cannot contain spaces")


def test_info_has_the_names_of_redis() -> None:
    acted = Acted()
    acted.client.stats = lambda: {"clients": {"connected_clients": 3}}
    said = acted.say("INFO server clients")
    assert b"# Server\r\nredis_version:" in said and b"# Clients\r\nconnected_clients:3\r\n" in said
    assert b"# Keyspace" not in said
