"""The words of commands that take a topology file, and of node_start as far as options go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wrpme.bootstrap.arguments import Request, parse, since
from wrpme.errors import UsageError

RIGHT = [
    ("hive_check hive.toml", Request(file="hive.toml")),
    ("hive_plan hive.toml", Request(file="hive.toml")),
    ("hive_plan --example", Request(example=True)),
    ("hive_apply ./-x", Request(file="./-x")),
    ("hive_logs f", Request(file="f")),
    ("hive_logs -f f", Request(file="f", follow=True)),
    ("hive_logs f -f --since 10m", Request(file="f", follow=True, since="10m")),
    ("hive_logs --since=10m f", Request(file="f", since="10m")),
    ("hive_logs f --node A:1 --node=[::0:1]:2 --node a:1", Request(file="f", nodes=("a:1", "[::1]:2"))),
    ("hive_upgrade f", Request(file="f")),
    ("hive_stop f", Request(file="f")),
    ("hive_start f", Request(file="f")),
    ("hive_destroy f", Request(file="f")),
    ("hive_destroy --yes f", Request(file="f", yes=True)),
]

WRONG = [
    ("hive_check", "hive_check needs FILE, a topology file; hive_plan --example prints one"),
    ("hive_check a b", '"b" is too much for hive_check: it takes one topology file'),
    ("hive_check --yes a", 'there is no option "--yes" of hive_check; it has --quiet'),
    ("hive_plan", "hive_plan needs FILE"),
    ("hive_plan --exampel", 'there is no option "--exampel" of hive_plan; did you mean --example?'),
    ("hive_plan --example a", 'hive_plan prints an example or plans "a"; leave one of them out'),
    ("hive_plan --example=a", "--example of hive_plan takes no value"),
    ("hive_logs a --nodes x:1", "did you mean --node?"),
    ("hive_logs a --follow", 'there is no option "--follow" of hive_logs; it has --node, --since, -f'),
    ("hive_logs a --node", "--node of hive_logs needs a value"),
    ("hive_logs a --node --since", "--node of hive_logs needs a value"),
    ("hive_logs a --since=", "--since of hive_logs needs a value"),
    ("hive_logs a --node web1", '--node: "web1" has no port'),
    ("hive_logs a --since 1h --since 2h", "--since is given twice to hive_logs"),
    ("hive_logs a -f -f", "-f is given twice to hive_logs"),
    ("hive_destroy a --yse", "did you mean --yes?"),
]


@pytest.mark.parametrize(("line", "request_"), RIGHT)
def test_right(line: str, request_: Request) -> None:
    name, *words = line.split()
    assert parse(name, words) == request_


@pytest.mark.parametrize(("line", "sentence"), WRONG)
def test_wrong(line: str, sentence: str) -> None:
    name, *words = line.split()
    with pytest.raises(UsageError) as caught:
        parse(name, words)
    assert sentence in caught.value.sentence


@pytest.mark.parametrize("name", ["hive_check", "hive_apply", "hive_logs", "hive_stop", "hive_destroy"])
def test_a_file_of_an_empty_name_is_none(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} needs FILE"):
        parse(name, [""])


NOW = datetime(2030, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "before_seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1.5d", 129_600),
        ("0s", 0),
        ("2030-01-31T11:59:00Z", 60),
        ("2030-01-31T12:59:00+01:00", 60),
        ("20300131T115900Z", 60),
        (str(NOW.timestamp() - 0.5), 0.5),
        ("1893456000", NOW.timestamp() - 1_893_456_000),
    ],
)
def test_since(text: str, before_seconds: float) -> None:
    assert since(text, NOW) == NOW.timestamp() - before_seconds


def test_since_without_a_zone_is_local() -> None:
    here = datetime(2030, 1, 31, 12)
    assert since("2030-01-31T11:00", here) == datetime(2030, 1, 31, 11).timestamp()
    assert since("1h", here) == datetime(2030, 1, 31, 11).timestamp()
    assert since("999999999d", here) == 0.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("yesterday", "--since yesterday is no time; write 2030-01-31T12:00"),
        ("10", "--since 10: as seconds since 1970 that is before all logs"),
        ("20291123", "as seconds since 1970 that is before all logs"),
        ("-5m", "is no time"),
        ("5 m", "is no time"),
        ("5w", "is no time"),
        ("nan", "before all logs"),
        ("inf", "before all logs"),
        ("1e300", "is not past: it is 2030-01-31 12:00:00+00:00 now"),
        ("2030-01-31T12:01:00Z", "is not past"),
        ("12:00", "is no time"),
        ("0001-01-01", "is no time"),
    ],
)
def test_since_when(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        since(text, NOW)
    assert sentence in caught.value.sentence
