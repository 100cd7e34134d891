"""The table of options: what is taken and what is refused, at every bound and beyond; help and completion."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrpme import options
from wrpme.errors import UsageError
from wrpme.files.option_values import DIRECTORY, HOST_PORT
from wrpme.options import COMMANDS, TUNING, WRPMED, WRPMESH, Option, Syntax, parse
from wrpme.protocol.address import Address

EVERY = [WRPMED, WRPMESH, *COMMANDS.values()]


@pytest.mark.parametrize("syntax", EVERY, ids=lambda syntax: syntax.name)
def test_the_table_is_whole(syntax: Syntax) -> None:
    spellings = list(chain.from_iterable(option.spellings for option in syntax.all))
    assert len(spellings) == len(set(spellings))
    names = {option.name for option in [*WRPMED.all, *syntax.all]}
    for option in syntax.all:
        for others in (option.needs, option.excludes):
            assert others is None or set(others.names) <= names
        if option.value is not None and option.default is not None and not option.default_text:
            assert options.read(option, option.default_shown) == option.default


def test_what_tunes_a_node_is_taken_by_wrpmed_and_by_node_start() -> None:
    for syntax in (WRPMED, COMMANDS["node_start"]):
        assert [option for option in syntax.all if option.name in TUNING] == list(TUNING.values())


# --- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("log-level", "warning", "warning"),
        ("replication", "1", 1),
        ("replication", "5", 5),
        ("grace", "0", 0.0),
        ("grace", "1.5", 1.5),
        ("grace", "31536000", 31_536_000.0),
        ("sessions", "1", 1),
        ("sessions", "1000000", 1_000_000),
    ],
)
def test_values(name: str, text: str, value: object) -> None:
    assert options.read(TUNING[name], text) == value


@pytest.mark.parametrize(
    ("name", "text", "should"),
    [
        ("log-level", "loud", "one of debug, info, warning, error"),
        ("replication", "0", "a number of copies from 1 to 5"),
        ("replication", "6", "a number of copies from 1 to 5"),
        ("replication", "02", "a number of copies from 1 to 5"),
        ("replication", "٣", "a number of copies from 1 to 5"),
        ("grace", "nan", "a number of seconds from 0 to 31536000"),
        ("grace", "31536001", "a number of seconds from 0 to 31536000"),
        ("grace", "0" * 41, "a number of seconds from 0 to 31536000"),
        ("sessions", "0", "a number from 1 to 1000000"),
        ("sessions", "9" * 5000, "a number from 1 to 1000000"),
        ("sessions", "\x1b[1m\n", "a number from 1 to 1000000"),
    ],
)
def test_wrong_values(name: str, text: str, should: str) -> None:
    with pytest.raises(UsageError) as caught:
        options.read(TUNING[name], text)
    sentence = caught.value.sentence
    assert sentence.startswith(f"--{name} is ") and sentence.endswith(f", but should be {should}")
    assert sentence.isprintable() and len(sentence) < 200


# --- the parser --------------------------------------------------------------------------------------------------

X = Option("x", "a letter", HOST_PORT)
NAME = Option("name", "a name", DIRECTORY, short="n", default="someone")
MANY = Option("many", "several", HOST_PORT, is_repeated=True)
FLAG = Option("flag", "on or off")
COMMAND = Syntax("it", (X, NAME, MANY, FLAG))
PROGRAM = Syntax("prog", (NAME, FLAG, *options.HELP), is_program=True, has_command=True)


@pytest.mark.parametrize(
    ("line", "values", "words"),
    [
        ("", {}, ()),
        ("a --name b c", {"name": "b"}, ("a", "c")),
        ("--name=b=c", {"name": "b=c"}, ()),
        ("-n b", {"name": "b"}, ()),
        ("-n=b", {"name": "b"}, ()),
        ("-nb", {"name": "b"}, ()),
        ("-n -1", {"name": "-1"}, ()),
        ("-n -", {"name": "-"}, ()),
        ("-x a:1 --flag", {"x": Address("a", 1), "flag": True}, ()),
        ("--many a:1 b --many=c:2", {"many": (Address("a", 1), Address("c", 2))}, ("b",)),
        ("- a -- --flag -- -x", {}, ("-", "a", "--flag", "--", "-x")),
    ],
)
def test_options_among_words(line: str, values: dict[str, object], words: tuple[str, ...]) -> None:
    given = parse(COMMAND, line.split())
    assert (given.values, given.words) == (values, words)


@pytest.mark.parametrize(
    ("line", "values", "words"),
    [
        ("--flag get --name x", {"flag": True}, ("get", "--name", "x")),
        ("--name a -n b --flag --flag", {"name": "b", "flag": True}, ()),
        ("-- --flag", {}, ("--flag",)),
        ("--flag -h --nonsense", {"flag": True, "help": True}, ()),
    ],
)
def test_options_before_a_command(line: str, values: dict[str, object], words: tuple[str, ...]) -> None:
    given = parse(PROGRAM, line.split())
    assert (given.values, given.words) == (values, words)


@pytest.mark.parametrize(
    ("line", "where"),
    [("--web", "127.0.0.1:8909"), ("--web --hive 2", "127.0.0.1:8909"), ("--web a:1", "a:1"), ("--web=a:1", "a:1")],
)
def test_an_option_that_may_stand_without_a_value(line: str, where: str) -> None:
    assert str(parse(WRPMESH, line.split())["web"]) == where


def test_what_was_not_given_has_its_default_and_is_not_among_the_values() -> None:
    given = parse(COMMAND, ["--flag"])
    assert (given["name"], given["many"], given["x"], given["flag"]) == ("someone", (), None, True)
    assert "flag" in given and "name" not in given
    assert parse(COMMAND, [])["flag"] is False


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--nmae x", 'there is no option "--nmae" of it; did you mean --name?'),
        ("-N x", 'there is no option "-N" of it; did you mean -n?'),
        ("--zzz=1", 'there is no option "--zzz" of it; it has -x, --name, --many, --flag'),
        ("-flag", 'there is no option "-flag" of it; did you mean --flag?'),
        ("--flag=1", "--flag of it takes no value; see help it"),
        ("--name", "--name of it needs a value: the name of a directory; see help it"),
        ("-n --flag", "--name of it needs a value: the name of a directory; see help it"),
        ("-n -x", "--name of it needs a value: the name of a directory; see help it"),
        ("--name=", "--name of it needs a value: the name of a directory; see help it"),
        ("-x a:1 -x b:1", "-x is given twice to it; give it once"),
        ("-x a", '-x: "a" has no port: write it as a:5909'),
        ("--\x1b[1m", 'there is no option "--?[1m" of it; it has -x, --name, --many, --flag'),
    ],
)
def test_wrong_options(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(COMMAND, line.split(" "))
    assert caught.value.sentence == sentence


@pytest.mark.parametrize(
    ("syntax", "line", "sentence"),
    [
        (PROGRAM, "--zzz", 'there is no option "--zzz"; prog --help lists them'),
        (PROGRAM, "--name", "--name needs a value: the name of a directory; see prog --help"),
        (PROGRAM, "--flag=", "--flag takes no value; see prog --help"),
        (Syntax("bare", ()), "--zzz", 'there is no option "--zzz" of bare; it takes none'),
        (
            WRPMESH,
            "--hive 2 --daemon a:1",
            "--hive starts a hive of its own: it can't be given together with --daemon; leave one of them out",
        ),
        (WRPMESH, "--record f", "--record is for the dashboard: it needs --tui"),
    ],
)
def test_wrong_options_of_programs(syntax: Syntax, line: str, sentence: str) -> None:
    program = syntax if syntax is not PROGRAM else Syntax("prog", (*PROGRAM.options, X), is_program=True)
    with pytest.raises(UsageError) as caught:
        parse(program, line.split())
    assert caught.value.sentence == sentence


SPELLINGS = sorted({spelling for syntax in EVERY for spelling in syntax.by_spelling()})
WORDS = st.one_of(
    st.sampled_from([*SPELLINGS, "--", "-", "", "-1", "get"]),
    st.builds("{}{}{}".format, st.sampled_from(SPELLINGS), st.sampled_from(["", "="]), st.text(max_size=5)),
    st.text(st.characters(exclude_categories=[]), max_size=100),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(EVERY), st.lists(WORDS, max_size=6))
def test_whatever_is_given_is_taken_or_refused_in_one_line(syntax: Syntax, words: list[str]) -> None:
    try:
        found = parse(syntax, words)
    except UsageError as error:
        assert error.sentence.isprintable() and len(error.sentence) < 300
    else:
        assert set(found.values) <= {option.name for option in syntax.all}
        assert all(word in words for word in found.words)


def test_a_file_name_with_a_zero_byte_is_none() -> None:
    with pytest.raises(UsageError, match=r'--root is "a\?b", but should be the name of a directory'):
        parse(WRPMED, ["--root", "a\0b"])


# --- help and completion -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", EVERY, ids=lambda syntax: syntax.name)
def test_every_option_is_explained_on_a_line_that_can_be_read(syntax: Syntax) -> None:
    lines = options.help_lines(syntax)
    assert len(lines) == len(syntax.all)
    assert max(map(len, lines)) <= 118, "with the indentation of the help"
    for option, line in zip(syntax.all, lines, strict=True):
        assert all(spelling in line for spelling in option.spellings)
        assert option.help in line and option.default_shown in line
        assert option.value is None or (f"{option.value_shown} " in line and option.value.range in line)


def test_help_of_options() -> None:
    assert options.help_lines(COMMAND) == [
        "-x HOST:PORT          a letter",
        "-n, --name DIR        a name (default someone)",
        "    --many HOST:PORT  several (may be repeated)",
        "    --flag            on or off",
    ]
    assert options.help_lines(Syntax("it", (FLAG,))) == ["--flag  on or off"]
    assert options.help_lines(Syntax("it", ())) == []


def test_the_line_that_says_how_a_command_is_written() -> None:
    assert options.synopsis(COMMAND) == "[-x HOST:PORT] [-n DIR] [--many HOST:PORT]... [--flag]"
    assert options.synopsis(COMMANDS["node_start"]) == "-a HOST:PORT [--peer HOST:PORT]... [wrpmed options]"
    assert options.synopsis(COMMANDS["hive_plan"]) == "or --example [-q]"


@pytest.mark.parametrize(
    ("before", "choices"),
    [
        ("", ["-x", "-n", "--many", "--flag"]),
        ("word --name=x --flag", ["-x", "--many"]),
        ("--many a:1 --name b -x c:1", ["--many", "--flag"]),
        ("--name", []),
    ],
)
def test_completions(before: str, choices: list[str]) -> None:
    assert list(options.completions(COMMAND, before.split(), ["n:1"])) == choices


def test_completions_of_values() -> None:
    syntax = COMMANDS["node_start"]
    assert options.completions(syntax, ["--peer"], ["n:1"]) == ["n:1"]
    assert options.completions(syntax, ["--log-level"], ["n:1"]) == options.LEVELS


@pytest.mark.parametrize(
    ("given", "size"),
    [("1M", 1 << 20), ("1048576", 1 << 20), ("20g", 20 << 30), ("1T", 1 << 40), ("2048K", 2 << 20)],
)
def test_sizes(given: str, size: int) -> None:
    assert parse(WRPMED, ["--bytes-max", given])["bytes-max"] == size


@pytest.mark.parametrize(
    "given", ["0", "1K", "1.5G", "G", "20GB", "-1M", "1e9", "٣M", "9" * 50, "999999999T", "M1", "1 M"]
)
def test_what_is_no_size(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(WRPMED, ["--bytes-max", given])
    assert "a number of bytes from 1.0 MiB, such as 20G or 1T" in caught.value.sentence


def test_what_is_named_as_an_example_may_be_given() -> None:
    with pytest.raises(UsageError) as caught:
        parse(WRPMED, ["--memory-max", "512M"])
    assert "a number of bytes from 1.0 GiB, such as 20G or 1T" in caught.value.sentence
    assert parse(WRPMED, ["--memory-max", "20G"])["memory-max"] == 20 << 30
