"""Commands about the node and its hive."""

from __future__ import annotations

import pytest

from tests.daemon.redis.acted import NODE, NOW, VIEW, Acted
from wrpme.daemon.net.redis.client import Options
from wrpme.daemon.net.redis.commands.server import REFUSED
from wrpme.daemon.net.redis.commands.table import ABSENT, ENTRIES
from wrpme.protocol.view import Arc, Member, State, View

OK, ZERO, NIL = b"+OK\r\n", b":0\r\n", b"$-1\r\n"
NO_CLUSTER = b"-ERR This instance has cluster support disabled\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("CLUSTER INFO", NO_CLUSTER),
        ("CLUSTER SLOTS", NO_CLUSTER),
        ("CLUSTER KEYSLOT foo", b":12182\r\n"),
        ("CLUSTER KEYSLOT {user1000}.following", b":3443\r\n"),
        ("CLUSTER KEYSLOT foo{}{bar}", b":8363\r\n"),
        ("CLUSTER MYID", b"$32\r\n%b\r\n" % NODE.hex().encode()),
        ("ROLE", b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
        ("WAIT 0 x", b"-ERR timeout is not an integer or out of range\r\n"),
        ("WAIT 0 -1", b"-ERR timeout is negative\r\n"),
        ("WAIT 0 9223372036854775807", b"-ERR timeout is out of range\r\n"),
        ("WAITAOF 2 0 0", b"-ERR value is out of range, value must between 0 and 1\r\n"),
        ("WAITAOF 1 -1 0", b"-ERR value is out of range, must be positive\r\n"),
        ("LASTSAVE", b":%d\r\n" % (NOW // 1000)),
        ("READONLY", OK),
        ("SLOWLOG GET -2", b"-ERR count should be greater than or equal to -1\r\n"),
        ("LATENCY LATEST", b"*0\r\n"),
        ("LATENCY GRAPH foo", b"-ERR No samples available for event 'foo'\r\n"),
        ("MODULE LIST", b"*0\r\n"),
        ("ACL WHOAMI", b"$7\r\ndefault\r\n"),
        ("ACL CAT foo", b"-ERR Unknown category 'foo'\r\n"),
        ("MEMORY USAGE none", NIL),
        ("MEMORY USAGE none x", b"-ERR syntax error\r\n"),
        ("OBJECT ENCODING none", NIL),
        ("OBJECT FREQ none", NIL),
        ("OBJECT FOO x", b"-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n"),
        ("CONFIG SET foo 1", b"-ERR Unknown option or number of arguments for CONFIG SET - 'foo'\r\n"),
        ("CONFIG SET maxmemory 0 save ''", OK),
        ("CONFIG SET maxmemory 0 databases 16",
         b"-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config\r\n"),
        ("CONFIG SET maxmemory 1 maxmemory 2",
         b"-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - duplicate parameter\r\n"),
        ("CONFIG REWRITE", b"-ERR The server is running without a config file\r\n"),
    ],
)  # fmt: skip
def test_answers(line: str, answer: bytes) -> None:
    assert Acted().say(line) == answer


def test_what_is_known_of_a_value() -> None:
    acted = Acted()
    for value, encoding in ((b"12", b"int"), (b"012", b"embstr"), (b"x" * 44, b"embstr"), (b"x" * 45, b"raw")):
        acted.say([b"SET", b"a", value])
        assert acted.say("OBJECT ENCODING a") == b"$%d\r\n%b\r\n" % (len(encoding), encoding)
    acted.hears(
        ("MEMORY USAGE a SAMPLES 0", b":%d\r\n" % (45 + 1 + 33)),
        ("OBJECT REFCOUNT a", b":1\r\n"),
        ("OBJECT IDLETIME a", b"-ERR nothing is evicted here, so idle time is not tracked\r\n"),
        ("COMMAND GETKEYS OBJECT ENCODING a", b"*1\r\n$1\r\na\r\n"),
    )


def _view(*states: State) -> View:
    """Each arc is held by the first two nodes."""
    members = tuple(Member(bytes([at]) * 16, 1, f"n{at}:1", 1, state) for at, state in enumerate(states))
    holders = tuple(member.id for member in members[:2])
    return View(3, VIEW.hive, 1, 2, members, (Arc(2**63 - 1, 1, holders), Arc(2**64 - 1, 1, holders)), holders)


@pytest.mark.parametrize(
    ("states", "further"),
    [((State.UP,), 0), ((State.UP, State.UP, State.UP), 1), ((State.UP, State.DOWN), 0), ((State.DOWN, State.DOWN), 0)],
)
def test_what_is_acknowledged_is_at_every_holder(states: tuple[State, ...], further: int) -> None:
    acted = Acted()
    acted.entries.view = _view(*states)
    acted.hears(("WAIT 5 1000", b":%d\r\n" % further), ("WAITAOF 1 5 0", b"*2\r\n:1\r\n:%d\r\n" % further))


@pytest.mark.parametrize("options", [Options(sync=False), Options(transient=True)])
def test_on_no_disk_is_what_is_in_memory_alone(options: Options) -> None:
    acted = Acted(options)
    assert acted.say("WAITAOF 0 0 0") == b"*2\r\n:0\r\n:0\r\n"
    assert acted.say("CONFIG GET appendfsync") == b"*2\r\n$11\r\nappendfsync\r\n$2\r\nno\r\n"


def test_the_ring_is_drawn() -> None:
    acted = Acted()
    acted.entries.view = _view(State.UP, State.UP)
    said = acted.say("LOLWUT VERSION 5")
    assert b"(" + b"A" * 64 + b")\nA  n0:1\nB  n1:1\n" in said and b"wrpme ver. " in said
    acted.entries.view = _view(State.DOWN, State.UP)
    assert b"(" + b"B" * 64 + b")\nA  n0:1  is down\n" in acted.say("LOLWUT")


def test_info() -> None:
    said = Acted().say("INFO server clients memory persistence stats replication cpu cluster hive").decode()
    lines = said.split("\r\n")
    for line in (
        "# Server", "uptime_in_seconds:90000", "uptime_in_days:1", "run_id:6e6e00000102", "connected_clients:3",
        "used_memory:1048576", "used_memory_human:1.00M", "maxmemory_policy:noeviction", "loading:0", "aof_enabled:1",
        "total_commands_processed:0", "total_net_input_bytes:10", "role:master", "connected_slaves:0", "# CPU",
        "cluster_enabled:0", "# Hive", "hive_nodes:1", "hive_sessions:2", "redis_strict:0",
        "multi_of_several_tags:no transaction: each command by itself",
    ):  # fmt: skip
        assert line in lines, line
    strict = Acted(Options(strict=True))
    assert b"\r\nredis_strict:1\r\nmulti_of_several_tags:refused\r\n" in strict.say("INFO hive")
    assert strict.say("CONFIG GET redis-strict") == b"*2\r\n$12\r\nredis-strict\r\n$3\r\nyes\r\n"


def test_what_is_read_by_people_is_so_in_resp3() -> None:
    acted = Acted()
    acted.say("HELLO 3")
    assert acted.say("INFO cluster") == b"=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"


def test_help_is_of_the_table() -> None:
    acted = Acted()
    for entry in ENTRIES:
        if entry.subcommands:
            said = acted.say(f"{entry.name} help").split(b"\r\n+")
            assert said[-2:] == [b"HELP", b"    Print this help.\r\n"]
            assert len(said) == 2 * len(entry.subcommands) + 4


def test_what_has_another_command_in_its_place_says_which() -> None:
    acted = Acted()
    assert not set(REFUSED) & ({entry.name.encode() for entry in ENTRIES} | set(ABSENT))
    assert b"wrpmesh stop_node" in acted.say("SHUTDOWN NOSAVE") and b"on the disk of every holder" in acted.say("save")
    assert acted.say("DEBUG SLEEP 1").startswith(b"-ERR DEBUG command not allowed. If the enable-debug-command")
