"""The lines and words of wrpmesh: every command right and wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from wrpme import errors
from wrpme.limits import CONTENT_BYTES_MAX, MIB
from wrpme.protocol.quoting import content_shown, quoted, shown
from wrpme.shell.commands import Command
from wrpme.shell.parsing import parse, parse_words

RIGHT = [
    ("get x", Command("get", alias=b"x")),
    ("  get   x  ", Command("get", alias=b"x")),
    ("\tget\tx", Command("get", alias=b"x")),
    ("get é", Command("get", alias="é".encode())),
    ("put x content", Command("put", alias=b"x", content=b"content")),
    ("put x  two  spaces ", Command("put", alias=b"x", content=b" two  spaces ")),
    ('put  x "quoted"', Command("put", alias=b"x", content=b"quoted")),
    ('put x "two  words"  \t', Command("put", alias=b"x", content=b"two  words")),
    (r'put x "a\n\r\t\"\\\xff é"', Command("put", alias=b"x", content=b'a\n\r\t"\\\xff ' + "é".encode())),
    ('put x ""', Command("put", alias=b"x", content=b"")),
    ('put x  "not quoted" at all', Command("put", alias=b"x", content=b' "not quoted" at all')),
    ('put x say "hello"', Command("put", alias=b"x", content=b'say "hello"')),
    (r"put x C:\new\x", Command("put", alias=b"x", content=rb"C:\new\x")),
    ('put "two words" x', Command("put", alias=b"two words", content=b"x")),
    ('get  "two words"\t', Command("get", alias=b"two words")),
    (r'get "k\xff"', Command("get", alias=b"k\xff")),
    (r"get k\xff", Command("get", alias=b"k\xff")),
    (r"get k\x20\"", Command("get", alias=b'k "')),
    ('get a"b', Command("get", alias=b'a"b')),
    ("get \udcff", Command("get", alias=b"\xff")),
    ("get a\x07", Command("get", alias=b"a\x07")),
    ("get a\u00a0b", Command("get", alias="a\u00a0b".encode())),
    ("get " + "x" * 4096, Command("get", alias=b"x" * 4096)),
    ('put "--ttl" x', Command("put", alias=b"--ttl", content=b"x")),
    ('put --ttl 5 "--ttl" --ttl', Command("put", alias=b"--ttl", content=b"--ttl", ttl=5)),
    ('put -- "--" x', Command("put", alias=b"--", content=b"x")),
    ('put "--" x', Command("put", alias=b"--", content=b"x")),
    (
        'put --expires "2030-01-31 12:00" x y',
        Command("put", alias=b"x", content=b"y", expires=datetime(2030, 1, 31, 12)),
    ),
    ('cas "a b" "c d" "e f"', Command("cas", alias=b"a b", content=b"c d", comparand=b"e f")),
    ('cas x c"d e f', Command("cas", alias=b"x", content=b'c"d', comparand=b"e f")),
    (r'cas x \n "\n"', Command("cas", alias=b"x", content=rb"\n", comparand=b"\n")),
    ('remove_if x "a b"', Command("remove_if", alias=b"x", comparand=b"a b")),
    ('get_range x "0" "-1"', Command("get_range", alias=b"x", number=0, last=-1)),
    (r'prefix_get "user/\xff" 5', Command("prefix_get", prefix=b"user/\xff", count_max=5)),
    ('prefix_get "" 5', Command("prefix_get", prefix=b"", count_max=5)),
    ('follow "--json"', Command("follow", prefix=b"--json")),
    ('follow --json "a b"', Command("follow", prefix=b"a b", json=True)),
    ("watch --json", Command("watch", json=True)),
    ("put x ", Command("put", alias=b"x", content=b"")),
    ("put x \udcff\udc80", Command("put", alias=b"x", content=b"\xff\x80")),
    ("update x é", Command("update", alias=b"x", content="é".encode())),
    ("get_update x new content", Command("get_update", alias=b"x", content=b"new content")),
    ("get_remove x", Command("get_remove", alias=b"x")),
    ("cas x new the old one", Command("cas", alias=b"x", content=b"new", comparand=b"the old one")),
    ("cas x new ", Command("cas", alias=b"x", content=b"new", comparand=b"")),
    ("remove x", Command("remove", alias=b"x")),
    ("del x", Command("remove", alias=b"x")),
    ("delete x", Command("remove", alias=b"x")),
    ("remove_if x this and that", Command("remove_if", alias=b"x", comparand=b"this and that")),
    ("expires_at x 0", Command("expires_at", alias=b"x", time=0)),
    ("expires_at x 1893456000.5", Command("expires_at", alias=b"x", time=1893456000.5)),
    (
        "expires_at x 2030-01-31T12:00:00Z",
        Command("expires_at", alias=b"x", time=datetime(2030, 1, 31, 12, tzinfo=UTC)),
    ),
    ("expires_at x 2030-01-31", Command("expires_at", alias=b"x", time=datetime(2030, 1, 31))),
    ("expires_from_now x 1.5", Command("expires_from_now", alias=b"x", seconds=1.5)),
    ("get_expiry x", Command("get_expiry", alias=b"x")),
    ("prefix_get user-", Command("prefix_get", prefix=b"user-")),
    ("prefix_get user- 10", Command("prefix_get", prefix=b"user-", count_max=10)),
    ("count", Command("count")),
    ("remove_all", Command("remove_all")),
    ("remove_all --yes", Command("remove_all", yes=True)),
    ("locate x", Command("locate", alias=b"x")),
    ("hive_status", Command("hive_status")),
    ("wait_stable", Command("wait_stable")),
    ("wait_stable 20", Command("wait_stable", seconds=20)),
    ("node_status 127.0.0.1:5909", Command("node_status", address="127.0.0.1:5909")),
    ("node_config [::1]:5909", Command("node_config", address="[::1]:5909")),
    ("node_topology host:1", Command("node_topology", address="host:1")),
    ("stop_node 127.0.0.1:5909", Command("stop_node", address="127.0.0.1:5909")),
    ("leave a:1", Command("leave", address="a:1")),
    ("forget a:1", Command("forget", address="a:1")),
    ("forget a:1 --yes", Command("forget", address="a:1", yes=True)),
    ("forget --yes a:1", Command("forget", address="a:1", yes=True)),
    ("set_replication 3", Command("set_replication", number=3)),
    ("set_replication --yes 1", Command("set_replication", number=1, yes=True)),
    ("put --yes --force", Command("put", alias=b"--yes", content=b"--force")),
    ("recover --force", Command("recover", force=True)),
    ("verify", Command("verify")),
    ("node_start root@web1 -a w:1", Command("node_start", words=("root@web1", "-a", "w:1"))),
    ("hive_apply  'my hive.toml' ", Command("hive_apply", words=("my hive.toml",))),
    ('hive_logs a\\ b --since "2030-01-31 12:00"', Command("hive_logs", words=("a b", "--since", "2030-01-31 12:00"))),
    ("hive_check é\udcff#1", Command("hive_check", words=("é\udcff#1",))),
    ("hive_plan", Command("hive_plan")),
    ("help", Command("help")),
    ("help delete", Command("help", topic="remove")),
    ("version", Command("version")),
    ("exit", Command("exit")),
    ("", None),
    ("   ", None),
]

WRONG = [
    ("gte x", errors.NoSuchCommandError, 'there is no command "gte"; did you mean get?'),
    ("GET x", errors.NoSuchCommandError, "did you mean get?"),
    ("hivestatus", errors.NoSuchCommandError, "did you mean hive_status?"),
    ("recover", errors.UsageError, "recover needs --force"),
    ("recover now", errors.UsageError, '"now" is too much for recover; it is written: recover --force'),
    ("recover --froce", errors.UsageError, 'no option "--froce" of recover; did you mean --force?'),
    ("forget a:1 --yes=1", errors.UsageError, "--yes of forget takes no value"),
    ("forget", errors.UsageError, "needs HOST:PORT"),
    ("set_replication", errors.UsageError, "set_replication needs R"),
    ("set_replication 0", errors.UsageError, 'R is "0", but should be a number of copies from 1 to 5'),
    ("set_replication 6", errors.UsageError, 'R is "6", but should be a number of copies from 1 to 5'),
    ("set_replication two", errors.UsageError, 'R is "two", but should be a number of copies from 1 to 5'),
    ("xyzzy", errors.NoSuchCommandError, "help lists them all"),
    ("get", errors.UsageError, "get needs ALIAS; it is written: get ALIAS"),
    ("get a b", errors.UsageError, '"b" is too much for get; it is written: get ALIAS'),
    ("get " + "x" * 4097, errors.TooLargeError, "4097 bytes"),
    ('get ""', errors.UsageError, "an alias has at least one byte"),
    (
        'get "two words',
        errors.UsageError,
        'a quote is open in "two words; close it, or write \\" for a quote within quotes',
    ),
    ('get "x\\"', errors.UsageError, "a quote is open"),
    ('get "', errors.UsageError, "a quote is open"),
    ('get "x"y', errors.UsageError, "y follows a closing quote; put a blank between"),
    ('get "x""y"', errors.UsageError, '"y" follows a closing quote'),
    (r"get C:\windows", errors.UsageError, "\\\\ stands for a backslash"),
    (r'get "a\u00e9"', errors.UsageError, "stands for a backslash"),
    ("get a\ud800", errors.UsageError, "half a character"),
    ("put x a\ud800", errors.UsageError, "half a character"),
    ('get"x" y', errors.NoSuchCommandError, 'there is no command "get"x""'),
    ('put "two words"', errors.UsageError, "put needs CONTENT"),
    ('put x "open', errors.UsageError, "a quote is open"),
    (
        'put x "a" b',
        errors.UsageError,
        "b follows the closing quote of the content; a content that begins with a quote is",
    ),
    (r'put x "\0"', errors.UsageError, "stands for a backslash"),
    ('cas x "a b', errors.UsageError, "a quote is open"),
    ('remove_if x "a"b', errors.UsageError, "b follows the closing quote of the content"),
    ('get x "y"', errors.UsageError, '"y" is too much for get'),
    ("put", errors.UsageError, "put needs ALIAS"),
    ("put  ", errors.UsageError, "put needs ALIAS"),
    ("get_update x", errors.UsageError, "get_update needs CONTENT; it is written: get_update [--ttl SECONDS]"),
    ("cas x new", errors.UsageError, "cas needs COMPARAND"),
    ("cas x", errors.UsageError, "cas needs CONTENT"),
    ("remove_if x", errors.UsageError, "remove_if needs COMPARAND"),
    ("del", errors.UsageError, "remove needs ALIAS"),
    ("expires_at x tomorrow", errors.UsageError, 'TIME is "tomorrow", but should be ISO 8601'),
    ("expires_at x -1", errors.UsageError, 'TIME is "-1"'),
    ("expires_at x nan", errors.UsageError, "TIME is"),
    ("expires_from_now x soon", errors.UsageError, 'SECONDS is "soon", but should be a number of seconds'),
    ("expires_from_now x inf", errors.UsageError, "SECONDS is"),
    ("prefix_get", errors.UsageError, "prefix_get needs PREFIX"),
    ("prefix_get x many", errors.UsageError, 'MAX is "many", but should be a whole number'),
    ("prefix_get x 1.5", errors.UsageError, "MAX is"),
    ("count all", errors.UsageError, '"all" is too much for count; it is written: count'),
    ("remove_all yes", errors.UsageError, '"yes" is too much for remove_all; it is written: remove_all [--yes]'),
    ("wait_stable -1", errors.UsageError, "SECONDS is"),
    ("node_status", errors.UsageError, "node_status needs HOST:PORT"),
    ("node_status nowhere", errors.UsageError, "nowhere"),
    ("stop_node host:99999", errors.UsageError, "99999"),
    ("hive_plan 'a b", errors.UsageError, 'a quote is open in "\'a b"; close it'),
    ("hive_aply x", errors.NoSuchCommandError, "did you mean hive_apply?"),
    ("help me", errors.NoSuchCommandError, 'there is no command "me"'),
]


@pytest.mark.parametrize(("line", "command"), RIGHT)
def test_right_lines(line: str, command: Command | None) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(("line", "kind", "sentence"), WRONG)
def test_wrong_lines(line: str, kind: type[errors.WrpmeError], sentence: str) -> None:
    with pytest.raises(errors.WrpmeError) as caught:
        parse(line)
    assert type(caught.value) is kind and sentence in caught.value.sentence


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (["get", "x"], Command("get", alias=b"x")),
        (["put", "x", "two  words"], Command("put", alias=b"x", content=b"two  words")),
        (["put", "x", "two", "words"], Command("put", alias=b"x", content=b"two words")),
        (["put", "x", ""], Command("put", alias=b"x", content=b"")),
        (["put", "x", "a\nb"], Command("put", alias=b"x", content=b"a\nb")),
        (["put", "x", "-"], Command("put", alias=b"x")),
        (["cas", "x", "a b", "c d"], Command("cas", alias=b"x", content=b"a b", comparand=b"c d")),
        (["cas", "x", "", "c", "d"], Command("cas", alias=b"x", content=b"", comparand=b"c d")),
        (["remove_if", "x", "a", "b"], Command("remove_if", alias=b"x", comparand=b"a b")),
        (["remove_all", "--yes"], Command("remove_all", yes=True)),
        (["hive_logs", "a b", "-f"], Command("hive_logs", words=("a b", "-f"))),
        (["prefix_get", ""], Command("prefix_get", prefix=b"")),
        (["get", "two words"], Command("get", alias=b"two words")),
        (["get", '"two words"'], Command("get", alias=b"two words")),
        (["get", r"k\xff"], Command("get", alias=b"k\xff")),
        (["get", r'"k\xff"'], Command("get", alias=b"k\xff")),
        (["put", "x", '"quoted" or not'], Command("put", alias=b"x", content=b'"quoted" or not')),
        (["put", "x", r"\n", '"'], Command("put", alias=b"x", content=rb'\n "')),
        (["put", '"--ttl"', "x"], Command("put", alias=b"--ttl", content=b"x")),
        (["cas", "x", '"a"', '"b"'], Command("cas", alias=b"x", content=b'"a"', comparand=b'"b"')),
    ],
)
def test_words_of_a_command_line(given: list[str], command: Command) -> None:
    assert parse_words(given) == command


@pytest.mark.parametrize(
    "given", [["get"], ["get", ""], ["get", "a", "b"], ["cas", "x", "y"], ["get", '"a'], ["get", "a\\"]]
)
def test_wrong_words_of_a_command_line(given: list[str]) -> None:
    with pytest.raises(errors.UsageError):
        parse_words(given)


def test_content_over_the_limit() -> None:
    with pytest.raises(errors.TooLargeError):
        parse("put x " + "y" * (CONTENT_BYTES_MAX + 1))
    with pytest.raises(errors.TooLargeError):
        Command("put", alias=b"x").with_content(bytes(CONTENT_BYTES_MAX + 1))


def test_what_lacks_content_can_be_given_it() -> None:
    command = parse_words(["put", "x", "-"])
    assert command.lacks_content
    assert command.with_content(b"1") == Command("put", alias=b"x", content=b"1")
    assert not Command("get", alias=b"x").lacks_content
    assert not Command("put", alias=b"x", content=b"").lacks_content


@given(st.binary(min_size=1, max_size=40))
def test_what_is_printed_can_be_typed(data: bytes) -> None:
    assert parse(f"get {shown(data)}") == parse_words(["get", shown(data)]) == Command("get", alias=data)
    assert parse(f"put {shown(data)} {content_shown(data)}") == Command("put", alias=data, content=data)
    assert parse(f"remove_if x {content_shown(data)}") == Command("remove_if", alias=b"x", comparand=data)
    assert parse(f"cas {shown(data)} {quoted(data)} {quoted(data)}") == Command(
        "cas", alias=data, content=data, comparand=data
    )


@pytest.mark.parametrize("line", ["put x ", 'put x "'])
def test_a_large_content_is_taken_whole(line: str) -> None:
    content = 8 * MIB * "y"
    command = parse(line + content + ('"' if line.endswith('"') else ""))
    assert command is not None and command.content == content.encode()
