"""The words of wrpmesh: every command right and wrong, help, and what is shown on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wrpme import errors
from wrpme.limits import CONTENT_BYTES_MAX
from wrpme.options import COMMANDS, help_lines
from wrpme.shell import commands, format
from wrpme.shell.commands import Command, help_text, parse, parse_words

RIGHT = [
    ("get x", Command("get", alias=b"x")),
    ("  get   x  ", Command("get", alias=b"x")),
    ("\tget\tx", Command("get", alias=b"x")),
    ("get é", Command("get", alias="é".encode())),
    ("put x content", Command("put", alias=b"x", content=b"content")),
    ("put x  two  spaces ", Command("put", alias=b"x", content=b" two  spaces ")),
    ('put  x "quoted"', Command("put", alias=b"x", content=b'"quoted"')),
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
    ("xyzzy", errors.NoSuchCommandError, "help lists them all"),
    ("get", errors.UsageError, "get needs ALIAS; it is written: get ALIAS"),
    ("get a b", errors.UsageError, '"b" is too much for get; it is written: get ALIAS'),
    ("get a\x07", errors.UsageError, "control character"),
    ("get \udcff", errors.UsageError, "an alias is UTF-8"),
    ("get " + "x" * 1025, errors.TooLargeError, "1025 bytes"),
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
    ],
)
def test_words_of_a_command_line(given: list[str], command: Command) -> None:
    assert parse_words(given) == command


@pytest.mark.parametrize("given", [["get"], ["get", ""], ["get", "a", "b"], ["cas", "x", "y"], ["get", "a b"]])
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


def test_help_of_every_command() -> None:
    for spec in commands.COMMANDS:
        assert spec.syntax in help_text()
        text = help_text(spec.name)
        assert text.startswith(spec.syntax) and spec.summary in text
        assert all(word in text for word in (*spec.fails_with, *spec.synonyms)), spec.name
        assert all(f"    {line}" in text for line in help_lines(spec.options)), spec.name
        assert all(word in {kind.word for kind in errors.BY_CODE.values()} for word in spec.fails_with), spec.name


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"plain", "plain"),
        (b"two\n\tlines", "two\n\tlines"),
        ("é \u3000 漢".encode(), "é \u3000 漢"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"\r\x07\x00\x7f", "\\x0d\\x07\\x00\\x7f"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u009b\u202e\U000e0001".encode(), "\\u009b\\u202e\\U000e0001"),
    ],
)
def test_what_would_disturb_a_terminal_is_escaped(content: bytes, text: str) -> None:
    assert format.shown(content) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert format.size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.9, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_spans(seconds: float, text: str) -> None:
    assert format.span_text(seconds) == text


def test_expiry_reads_back() -> None:
    moment = datetime(2030, 1, 31, 12, 0, 0, 5000, tzinfo=UTC)
    text = format.expiry_text(moment)
    assert text == "2030-01-31T12:00:00.005Z"
    command = parse(f"expires_at x {text}")
    assert command is not None and command.time == moment
    assert format.expiry_text(None) == "0"


def test_help_stays_narrow() -> None:
    lines = help_text().splitlines()
    assert max(map(len, lines)) <= 120
    at = lines.index(commands.spec_of("node_start").syntax)
    assert lines[at + 1].strip() == commands.spec_of("node_start").summary
    assert lines[at + 1].index(lines[at + 1].strip()) == lines[0].index("prints the content")


def test_commands_about_other_machines_check_their_words_there() -> None:
    remote = [spec.name for spec in commands.COMMANDS if spec.remote]
    files = ["check", "plan", "apply", "logs", "upgrade", "stop", "start", "destroy"]
    assert remote == ["node_start", *(f"hive_{name}" for name in files)]
    for name in remote:
        assert parse(name) == parse_words([name]) == Command(name)


def test_options_belong_to_commands_that_take_them() -> None:
    """Each one of the table is a command's, and either carried out elsewhere or a field of the command."""
    assert set(COMMANDS) <= set(commands.BY_WORD)
    for name, syntax in COMMANDS.items():
        if not commands.spec_of(name).remote:
            assert {option.name.replace("-", "_") for option in syntax.all} <= set(Command.__struct_fields__)
