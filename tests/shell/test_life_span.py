"""How long an entry lives, given with the command that writes it."""

from __future__ import annotations

from datetime import datetime

import pytest

from wrpme import errors
from wrpme.shell.commands import Command
from wrpme.shell.parsing import parse, parse_words

CASES = [
    ("put --ttl 60 x 1", Command("put", alias=b"x", content=b"1", ttl=60.0)),
    ("put --ttl=0.5 x two  words ", Command("put", alias=b"x", content=b"two  words ", ttl=0.5)),
    ("update  --expires 2030-01-31 x 1", Command("update", alias=b"x", content=b"1", expires=datetime(2030, 1, 31))),
    ("update --expires 1893456000 x 1", Command("update", alias=b"x", content=b"1", expires=1893456000.0)),
    ("update --keep-expiry x 1", Command("update", alias=b"x", content=b"1", keep_expiry=True)),
    ("get_update --ttl 60 x 1", Command("get_update", alias=b"x", content=b"1", ttl=60.0)),
    ("cas --keep-expiry x 2 1", Command("cas", alias=b"x", content=b"2", comparand=b"1", keep_expiry=True)),
    ("add --ttl 60 x 5", Command("add", alias=b"x", number=5, ttl=60.0)),
    ("append --expires 1893456000 x 1", Command("append", alias=b"x", content=b"1", expires=1893456000.0)),
    ("cas_version --keep-expiry x 2 7", Command("cas_version", alias=b"x", content=b"2", version=7, keep_expiry=True)),
    ("add x -5", Command("add", alias=b"x", number=-5)),
    ("put x --ttl 60", Command("put", alias=b"x", content=b"--ttl 60")),
    ("put -5 x", Command("put", alias=b"-5", content=b"x")),
    ("put -- --ttl x", Command("put", alias=b"--ttl", content=b"x")),
    ("put --ttl 60 -- --ttl x", Command("put", alias=b"--ttl", content=b"x", ttl=60.0)),
]


@pytest.mark.parametrize(("line", "command"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_options_stand_before_the_other_words(line: str, command: Command) -> None:
    assert parse(line) == command
    if "  " not in line:
        assert parse_words(line.split(" ")) == command


def test_a_content_from_standard_input_has_a_life_span_too() -> None:
    assert parse_words(["update", "--ttl", "60", "x", "-"]) == Command("update", alias=b"x", ttl=60.0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("put --ttl", "--ttl of put needs a value"),
        ("put --ttl 0 x 1", "--ttl"),
        ("put --ttl soon x 1", "--ttl"),
        ("put --expires tomorrow x 1", 'TIME is "tomorrow", but should be ISO 8601'),
        ("update --ttl 60 --keep-expiry x 1", "--ttl and --keep-expiry exclude each other"),
        ("put --ttl 60", "put needs ALIAS; it is written: put [--ttl SECONDS] [--expires TIME] ALIAS CONTENT"),
    ],
)
def test_what_is_written_wrongly(line: str, words: str) -> None:
    with pytest.raises(errors.UsageError) as on_a_line:
        parse(line)
    with pytest.raises(errors.UsageError) as on_a_command_line:
        parse_words(line.split(" "))
    assert words in on_a_line.value.sentence and words in on_a_command_line.value.sentence
