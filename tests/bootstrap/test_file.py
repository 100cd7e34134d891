"""The topology file, right and wrong, and the words of node_start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wrpme.bootstrap.topology.file import EXAMPLE, KEYS, Host, Managed, Node, Topology, parse, parse_target
from wrpme.errors import UsageError
from wrpme.limits import MEMBERS_MAX

PRINT = "SHA256:" + "A" * 43
OTHER = "SHA256:" + "AB" * 21 + "A"


def node(host: str, address: str, *lines: str) -> str:
    return "\n".join(["[[node]]", f'host = "{host}"', f'address = "{address}"', *lines, ""])


def refused(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text, "hive.toml")
    assert "\n" not in caught.value.sentence
    return caught.value.sentence


def test_one_node() -> None:
    assert parse(node("web1", "10.0.0.1:5909"), "hive.toml") == Topology(
        (Host("web1", nodes=(Node("10.0.0.1:5909"),)),), "hive.toml"
    )


def test_the_example() -> None:
    found = parse(EXAMPLE, "hive.toml")
    assert [host.name for host in found.hosts] == ["192.168.1.1", "192.168.1.2", "192.168.1.3"]
    assert [one.told for _, one in found.nodes] == [f"192.168.1.{number}:5909" for number in (1, 2, 3)]
    assert {one.arguments for _, one in found.nodes} == {("--replication", "2")}
    assert max(map(len, EXAMPLE.splitlines())) <= 100


NODE_A = '[[node]]\nhost = "a"\naddress = "a:1"\n'


def test_tls_is_that_of_all_hosts() -> None:
    text = NODE_A + '[[node]]\nhost = "b"\naddress = "b:1"\n'
    assert {host.tls for host in parse(text, "f").hosts} == {None}
    assert {host.tls for host in parse(f"[tls]\nmanaged = false\ndays = 3\n{text}", "f").hosts} == {None}
    assert {host.tls for host in parse(f"[tls]\nmanaged = true\n{text}", "f").hosts} == {Managed("require", 90)}
    given = f'[tls]\nmanaged = true\nmode = "prefer"\ndays = 7\n{text}'
    assert {host.tls for host in parse(given, "f").hosts} == {Managed("prefer", 7)}
    (host,) = parse(f"[tls]\nmanaged = true\nusers = false\n{NODE_A}", "f").hosts
    assert host.tls == Managed(users=False) and not host.tls.adds_operator


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ("days = 90", "line 2: [tls] does not say managed = true, without which it means nothing"),
        ("managed = true\nusers = 1", "line 3: users of [tls] is 1, but should be true or false"),
        ("managed = 1", "line 2: managed of [tls] is 1, but should be true or false"),
        ('managed = true\nmode = "allow"', 'line 3: mode of [tls] is "allow", but should be "require", or "prefer"'),
        (
            "managed = true\ndays = 0",
            "line 3: days of [tls] is 0, but should be how long a certificate is valid, from 1",
        ),
        ("managed = true\ndays = true", "days of [tls] is true, but should be"),
        ("manged = true", 'line 2: there is no key "manged" in [tls]; did you mean managed?'),
        ("managed = true\ntls-ca = 'a'", "hive_apply gives them to nodes and brings the files"),
    ],
)
def test_tls_that_is_wrong(tls: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(f"[tls]\n{tls}\n{NODE_A}", "hive.toml")
    assert told in raised.value.sentence


def test_the_example_shows_every_key_and_each_parses() -> None:
    whole = re.sub(r"^# (?=[a-z_-]+ = )", "", EXAMPLE, flags=re.MULTILINE).replace("SHA256:...", PRINT)
    found = parse(whole, "hive.toml")
    assert found.hosts[1] == Host(
        "192.168.1.2", "root", 22, "admin@gateway:22", "pin", (PRINT,), "/var/lib/wrpme", "/usr/bin/python3",
        (Node("192.168.1.2:5909", arguments=(
            "--replication", "2", "--grace", "60", "--slow-threshold", "0.1", "--bytes-max", "21474836480",
            "--memory-max", "2147483648", "--no-sync", "--transient", "--log-level", "info", "--sessions", "10000",
            "--redis-strict",
        )),),
        Managed("require", 90),
    )  # fmt: skip
    assert found.hosts[2].nodes[0].arguments[3] == "300"
    for keys in KEYS.values():
        assert all(re.search(rf"^{key} = ", whole, re.MULTILINE) for key in keys)


def test_what_a_node_says_goes_before_what_holds_for_all() -> None:
    text = '[defaults]\nuser = "a"\nport = 1\nhost_keys = "strict"\ndirectory = "/d"\n'
    text += "[options]\nno-sync = true\ngrace = 1\n"
    text += node("x", "x:1", 'user = "b"', f'host_key = "{PRINT}"', "[node.options]", "no-sync = false", "sessions = 7")
    text += node("y", "y:1", 'host_keys = "ask"', "options.grace = 2")
    first, second = parse(text, "f").hosts
    assert (first.user, first.port, first.mode, first.pins, first.directory) == ("b", 1, "pin", (PRINT,), "/d")
    assert first.nodes[0].arguments == ("--grace", "1", "--sessions", "7")
    assert (second.user, second.mode, second.pins) == ("a", "ask", ())
    assert second.nodes[0].arguments == ("--grace", "2", "--no-sync")


def test_nodes_of_one_host_stand_together_and_say_once_what_is_of_the_host() -> None:
    text = node("x", "x:1") + node("y", "y:1") + node("X", "x:2", "port = 7", f'host_key = ["{PRINT}", "{OTHER}"]')
    found = parse('[defaults]\nport = 5\nhost_keys = "ask"\n' + text, "f")
    assert [(host.name, one.address) for host, one in found.nodes] == [("x", "x:1"), ("x", "x:2"), ("y", "y:1")]
    assert [(host.port, host.mode, len(host.pins)) for host in found.hosts] == [(7, "pin", 2), (5, "ask", 0)]


def test_addresses_in_their_normal_form() -> None:
    found = parse(node("x", "[::]:1", 'advertise = "Web.1a:1"') + node("y", "Y:1", 'advertise = "y.:1"'), "f")
    first, second = (one for _, one in found.nodes)
    assert (first.address, first.advertise, first.told) == ("[::]:1", "web.1a:1", "web.1a:1")
    assert (second.address, second.advertise, second.told) == ("y:1", "", "y:1")


@pytest.mark.parametrize(
    ("address", "name"),
    [("10.0.0.1:5909", "10.0.0.1-5909"), ("[2001:db8::1]:1", "2001_db8__1-1"), ("a_b-c.d:2", "a_b-c.d-2")],
)
def test_names_for_files(address: str, name: str) -> None:
    assert Node(address).name == name


def test_the_same_address_on_every_machine() -> None:
    text = "".join(node(f"h{number}", "0.0.0.0:5909", f'advertise = "h{number}:5909"') for number in (1, 2, 3))
    assert len(parse(text, "f").hosts) == 3


A = node("a", "a:1")
WRONG = [
    ("", "hive.toml: there are no nodes: each begins with a line [[node]]; hive_plan --example prints a file"),
    ("node = []", "there are no nodes"),
    ("[defaults", "hive.toml, at its end: not TOML: Expected ']' at the end of a table declaration"),
    ("[defaults]\nuser = root", "hive.toml, line 2, column 8: not TOML: Invalid value"),
    ("x = '", "hive.toml, at its end: not TOML: Expected"),
    (A + A.replace("[[node]]", "x = 1"), "hive.toml, line 5, column 11: not TOML: this key is said twice"),
    ("[defaults]\n[defaults]", "hive.toml, line 2, column 10: not TOML: this table is there twice"),
    ("[" * 50_000, "hive.toml"),
    ("x = " + "[" * 50_000, "hive.toml is not TOML"),
    ("x = " + "1" * 5000, "hive.toml is not TOML"),
    # tables
    (node("a", "a:1").replace("[[node]]", "[node]"), "line 1: [node] should be [[node]] with two brackets"),
    ("node = [1]", "[node] should be [[node]]"),
    ("[[defaults]]\n" + A, "defaults should be one table, [defaults]"),
    ("defaults = 1\n" + A, "defaults should be one table, [defaults]"),
    (A.replace("node", "nodes"), 'line 1: there is no table "nodes"; did you mean [[node]]?'),
    ("[default]\n" + A, 'line 1: there is no table "default"; did you mean [defaults]?'),
    (A + "[machines]\n", 'line 4: there is no table "machines"; there are [defaults], [options], [tls], [[node]]'),
    ('\nuser = "x"\n' + A, 'line 2: "user" stands before the first table; it belongs in [defaults] or [[node]]'),
    ("grace = 5\n" + A, '"grace" stands before the first table; it belongs in [options]'),
    ("xyz = 5\n" + A, '"xyz" stands before the first table; there is no such key in any table'),
    # keys
    (A + 'usr = "x"', 'line 4: there is no key "usr" in node 1 (a); did you mean user?'),
    (A + 'hostkey = "x"', "did you mean host_key?"),
    ('[defaults]\nusr = "x"\n' + A, 'line 2: there is no key "usr" in [defaults]; did you mean user?'),
    ("[options]\nlog_level = 1\n" + A, 'line 2: there is no key "log_level" in [options]; did you mean log-level?'),
    ("[options]\nnosync = true\n" + A, "did you mean no-sync?"),
    ("[options]\nzzz = 1\n" + A, "its keys are replication, grace, slow-threshold, bytes-max, memory-max, no-sync, "
     "transient, log-level, sessions"),
    ("[defaults]\ngrace = 1\n" + A, 'line 2: there is no key "grace" in [defaults]; it belongs in [options]'),
    (f'[defaults]\nhost_key = "{PRINT}"\n' + A, 'no key "host_key" in [defaults]; it belongs in [[node]]'),
    ('[options]\nuser = "x"\n' + A, 'no key "user" in [options]; it belongs in [defaults] or [[node]]'),
    ("[defaults]\noptions = {}\n" + A, 'no key "options" in [defaults]'),
    (A + "grace = 5", "it is an option of wrpmed; write options = { grace = ... } there, or put it in [options]"),
    (A + "options = { port = 5 }", 'no key "port" in the options of node 1 (a); it belongs in [defaults] or [[node]]'),
    ('[options]\nroot = "/x"\n' + A, "data and log of a node live in the directory of its host"),
    (A + 'log-file = "/x"', "data and log of a node live in the directory of its host"),
    ("[options]\nlog-console = true\n" + A, "data and log of a node live in the directory of its host"),
    (A + 'peer = "b:1"', "the nodes of the file are told of each other"),
    # values
    (A + "port = '22'", 'hive.toml, line 4: port of node 1 (a) is "22", but should be the port of the SSH server'),
    ("[defaults]\nport = 0\n" + A, "hive.toml, line 2: port of [defaults] is 0, but"),
    ("[options]\nreplication = 6\n" + A, "line 2: replication of [options] is 6, but should be a number of copies"),
    (A + "options = { grace = -1 }", "line 4: grace of node 1 (a) is -1, but should be a number of seconds from 0"),
    (A + "[node.options]\n\ngrace = true", "line 6: grace of node 1 (a) is true, but should be"),
    (A + "options = 5", "line 4: options of node 1 (a) is 5, but should be a table such as { grace = 60 }"),
    ("options = 5\n" + A, "options should be one table, [options]"),
    (node("a", "a"), 'line 3: address of node 1 (a) is wrong: "a" has no port'),
    (node("root@a", "a:1"), 'line 2: host of node 1 (root@a) is "root@a", but should be the machine alone'),
    ('[[node]]\naddress = "a:1"', "line 1: node 1 has no host; add host"),
    (A + '[[node]]\nhost = "b"', 'line 4: node 2 (b) has no address; add address = "HOST:PORT", where it listens'),
    (node("a", "0.0.0.0:1"), "line 3: address of node 1 (a) is 0.0.0.0:1, every address of its machine"),
    (node("a", "a:1", 'advertise = "[::]:1"'), "line 4: advertise of node 1 (a) is [::]:1, every address"),
    (node("a", "x." * 100 + "x:1"), "address of node 1 (a) is too long"),
    # several together
    (A + node("b", "A:1"), "line 6: address of node 2 (b) is a:1, which is that of node 1 (a), too"),
    (A + node("b", "b:1", 'advertise = "a:1"'), "line 7: advertise of node 2 (b) is a:1, which is that of node 1"),
    (
        node("a", "x:1") + node("a", "x:1", 'advertise = "y:1"'),
        "line 6: address of node 2 (a) is x:1, but node 1 (a) on the same host listens on x:1; give one of them",
    ),
    (node("a", "x:1") + node("A", "0.0.0.0:1", 'advertise = "y:1"'), "on the same host listens on x:1"),
    (
        node("a", "a:1", "port = 1") + node("a", "a:2", "port = 2"),
        "line 8: port of node 2 (a) is not that of node 1 (a), which is on the same host; say it once",
    ),
    (A + 'host_keys = "pin"', 'line 1: node 1 (a) has no host_key, which host_keys = "pin" asks for'),
    ('[defaults]\nhost_keys = "pin"\n' + A, "line 3: node 1 (a) has no host_key"),
    (
        node("a", "a:1", 'host_keys = "ask"', f'host_key = "{PRINT}"'),
        'line 4: host_keys of node 1 (a) is "ask", but a host_key is given',
    ),
    (
        node("a", "a:1") + node("b", "b:1", "options.replication = 3"),
        "line 7: replication of node 2 (b) is 3, and that of node 1 (a) is not said: the hive has one number",
    ),
    (
        "[options]\nreplication = 2\n" + node("a", "a:1") + node("b", "b:1", "options.replication = 3"),
        "replication of node 2 (b) is 3, and that of node 1 (a) is 2",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_wrong(text: str, sentence: str) -> None:
    assert sentence in refused(text)


def test_the_number_of_nodes_is_bounded() -> None:
    most = "".join(node(f"h{number}", f"h{number}:1") for number in range(MEMBERS_MAX))
    assert len(parse(most, "f").hosts) == MEMBERS_MAX
    assert "there are 1001 nodes, but a hive has at most 1000" in refused(most + A)


def test_no_line_is_said_that_is_not_certain() -> None:
    text = '[defaults]\nuser = """\n[[node]]"""\n' + A + "port = 0"
    assert refused(text.replace('"""\n[[node]]"""', '"""x"""')).startswith("hive.toml: port of node 1 (a) is 0")
    assert refused('node = [{host = "a", address = "a:1", port = 0}]').startswith("hive.toml: port of node 1 (a)")


def test_replication_said_for_each_node_alike() -> None:
    text = node("a", "a:1", "options.replication = 3") + node("b", "b:1", "options = { replication = 3 }")
    assert {one.arguments for _, one in parse(text, "f").nodes} == {("--replication", "3")}


# --- node_start --------------------------------------------------------------------------------------------------


def test_targets() -> None:
    assert parse_target(["web1", "-a", "10.0.0.4:5909"]) == (Host("web1", nodes=(Node("10.0.0.4:5909"),)), ())
    words = "-a=0.0.0.0:1 --advertise H:1 root@web1:2222 --peer B:1 --peer=c:1 --peer b:1 --sessions 5 --transient"
    words += " --grace=30.0 --no-sync --log-level debug --replication 2"
    arguments = (
        "--replication", "2", "--grace", "30", "--no-sync", "--transient", "--log-level", "debug", "--sessions", "5",
    )  # fmt: skip
    host, peers = parse_target(words.split())
    assert host == Host("web1", "root", 2222, nodes=(Node("0.0.0.0:1", "h:1", arguments),))
    assert peers == ("b:1", "c:1")
    assert parse_target(["::1", "--address", "a:1", "--advertise", "A:1"])[0] == Host("::1", nodes=(Node("a:1"),))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "node_start needs [USER@]HOST[:SSHPORT], the machine that it logs in to; see help node_start"),
        ("-a a:1", "node_start needs [USER@]HOST[:SSHPORT]"),
        ("web1", "node_start needs -a HOST:PORT, where the node is to listen, such as -a web1:5909"),
        ("web1 web2 -a a:1", '"web2" is too much for node_start: it starts one node on one host'),
        ("web1 -a", "--address of node_start needs a value"),
        ("web1 -a a", '--address: "a" has no port'),
        ("web1 -a a:1 -a b:1", "--address is given twice to node_start"),
        ("web1 -a 0.0.0.0:1", "say with --advertise HOST:PORT what others are told"),
        ("web1 -a a:1 --advertise 0.0.0.0:1", "say with --advertise HOST:PORT what others are told"),
        ("web1 -a a:1 --advertise x", '--advertise: "x" has no port'),
        ("web1 -a a:1 --peer A:1", "--peer a:1 is no other node"),
        ("web1 -a a:1 --peer 0.0.0.0:1", "--peer 0.0.0.0:1 is no other node"),
        ("web1 -a a:1 --pear b:1", 'there is no option "--pear" of node_start; did you mean --peer?'),
        ("web1 -a a:1 --grace soon", '--grace is "soon", but should be a number of seconds from 0 to 31536000'),
        ("web1 -a a:1 --replication 9", '--replication is "9", but should be a number of copies from 1 to 5'),
        ("web1 -a a:1 --no-sync=1", "--no-sync of node_start takes no value"),
        ("web1 -a a:1 -r /data", "-r is not for node_start: data and log of a node live in the directory of its host"),
        ("web1 -a a:1 --log-file=/x", "--log-file is not for node_start: data and log"),
        ("root@ -a a:1", '"root@" is no login'),
        ("web1:0 -a a:1", 'the port "0" in "web1:0" is not a number from 1 to 65535'),
        ("web1 -a " + "x." * 100 + "x:1", "is too long"),
    ],
)
def test_wrong_targets(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(line.split())
    assert sentence in caught.value.sentence


def test_the_example_is_that_of_the_source() -> None:
    """Whoever reads the code reads what hive_plan --example prints."""
    assert EXAMPLE in (Path(__file__).parents[2] / "wrpme/bootstrap/topology/file.py").read_text()
