"""Options from a file and from variables: which of them counts, where each is from, and each slip as one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wrpme.daemon.config import LIVE, SETTINGS, Config, parse
from wrpme.errors import UsageError


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of(text: str, *arguments: str, **environment: str) -> Config:
    """What a file with that text comes to."""
    Path("w.toml").write_text(text)
    return parse(["--config", "w.toml", *arguments], environment)


def wrong(text: str, *arguments: str, **environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        of(text, *arguments, **environment)
    return caught.value.sentence


def test_the_command_line_before_the_environment_before_the_file_before_the_default() -> None:
    text = "grace = 1\nsessions = 1\nlog-level = 'debug'\n"
    config = of(text, "--grace", "3", WRPME_GRACE="2", WRPME_SESSIONS="2")
    assert (config.grace_seconds, config.sessions, config.log_level, config.log_format) == (3.0, 2, "debug", "text")
    told = json.loads(config.as_json())
    assert [told[name]["origin"] for name in ("grace", "sessions", "log-level", "log-format")] == [
        "command line", "WRPME_SESSIONS", "w.toml, line 3", "default",
    ]  # fmt: skip
    assert (told["grace"]["value"], told["sessions"]["value"]) == (3.0, 2)


def test_every_option_in_each_of_the_three() -> None:
    """And what --check-config prints is such a file."""
    line = (
        "-a 0.0.0.0:7000 --advertise n1:7000 --peer n2:1 --peer n3:2 -r data -l log -o --log-format json "
        "--audit-log audit --replication 3 --grace 1.5 --slow-threshold 0.5 --bytes-max 20G --memory-max 2G "
        "--no-sync --log-level error --sessions 5 --redis-strict --tls-mode allow --tls-cert c --tls-key k --tls-ca ca"
    )
    given = parse(line.split())
    assert {option.name for option in SETTINGS} - given.given.values.keys() == {"transient"}
    text = given.as_text()
    assert set(json.loads(given.as_json())) == {option.name for option in SETTINGS} | {"version"}

    def same(config: Config) -> bool:
        return {name: value for name, (value, _) in config.options().items()} == {
            name: value for name, (value, _) in given.options().items()
        }

    assert same(of(text))
    variables = {}
    for option in SETTINGS:
        value = given.options()[option.name][0]
        variables[option.environment] = " ".join(value) if isinstance(value, list) else str(value)
    assert same(parse([], variables))
    assert parse([], {"WRPME_TRANSIENT": "on"}).transient and of("transient = true").transient


def test_what_does_not_go_together_with_an_earlier_source_does_not_serve() -> None:
    assert of("root = 'data'", "--transient").transient
    kept = of("transient = true", WRPME_ROOT="data")
    assert (kept.transient, Path(kept.root).name) == (False, "data")
    assert not of("no-sync = true", WRPME_NO_SYNC="false").given["no-sync"]
    assert wrong("transient = true\nroot = 'x'") == (
        "transient (w.toml, line 1) keeps nothing on disk: it can't stand together with root (w.toml, line 2); "
        "leave one of them out"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\ngrce = 3", 'w.toml, line 2: there is no option "grce"; did you mean grace?'),
        ("log_level = 'info'", 'w.toml, line 1: there is no option "log_level"; did you mean log-level?'),
        ("port = 3", 'w.toml, line 1: there is no option "port"; did you mean address?'),
        ("colour = 3", 'w.toml, line 1: there is no option "colour"; wrpmed --help lists them'),
        ("config = 'x'", 'w.toml, line 1: "config" can\'t stand in a file; give it on the command line'),
        ("[wrpmed]\ngrace = 3", 'w.toml, line 1: there is no table "wrpmed"; options stand before the first table'),
        ('"a\\n" = {b = 1}', 'w.toml: there is no table "a?"; options stand before the first table'),
        ("grace = 'soon'", 'w.toml, line 1: grace is "soon", but should be a number of seconds from 0 to 31536000'),
        ("grace = true", "w.toml, line 1: grace is true, but should be a number of seconds from 0 to 31536000"),
        ("sessions = 1.5", "w.toml, line 1: sessions is 1.5, but should be a number from 1 to 1000000"),
        ("no-sync = 'yes'", 'w.toml, line 1: no-sync is "yes", but should be true or false'),
        ("root = ''", 'w.toml, line 1: root is "", but should be the name of a directory'),
        ("peer = ['a:1', 3]", "w.toml, line 1: peer is 3, but should be HOST:PORT"),
        (
            "address = '24004'",
            'w.toml, line 1: address is wrong: "24004" has no host: write it as HOST:PORT, such as 127.0.0.1:24004',
        ),
        ("grace = = 3", "w.toml, line 1, column 9: not TOML: Invalid value"),
        ("grace = 1\ngrace = 2\n#", "w.toml, line 2, column 10: not TOML: this key is said twice"),
    ],
)
def test_a_wrong_file(text: str, sentence: str) -> None:
    assert wrong(text) == sentence


def test_a_name_that_is_not_utf8_is_told_all_the_same() -> None:
    told = parse(["--transient", "--log-file", "/\udcff"])
    assert json.loads(told.as_json())["log-file"]["value"] == "/\\xff"
    assert 'log-file = "/\\\\xff"' in told.as_text()


def test_an_empty_file_says_nothing() -> None:
    assert of("").options() == parse([]).options()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"WRPME_GRCE": "3"}, "there is no variable WRPME_GRCE; did you mean WRPME_GRACE?"),
        ({"WRPME_LOGLEVEL": "3"}, "there is no variable WRPME_LOGLEVEL; did you mean WRPME_LOG_LEVEL?"),
        ({"WRPME_DEAMON": "a:1"}, "there is no variable WRPME_DEAMON; did you mean WRPME_DAEMON?"),
        ({"WRPME_NO_SYNC": "maybe"}, 'WRPME_NO_SYNC is "maybe", but should be true or false'),
        ({"WRPME_GRACE": "x"}, 'WRPME_GRACE is "x", but should be a number of seconds from 0 to 31536000'),
    ],
)
def test_wrong_variables(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([], variables)
    assert caught.value.sentence == sentence


def test_variables_of_others_are_left_alone() -> None:
    """Those of wrpmesh, and what Kubernetes makes of services; what is nobody's is told."""
    kubernetes = ("WRPME_SERVICE_HOST", "WRPME_SERVICE_PORT_HIVE", "WRPME_PORT", "WRPME_PORT_5909_TCP_ADDR")
    names = ("WRPME_DAEMON", "WRPME_TIMEOUT", "WRPME_HIVE_NAME", "WRPME_WEB_SERVICE_HOST", *kubernetes)
    assert parse([], dict.fromkeys(names, "tcp://1:2")).strays == ()
    assert parse([], {"WRPME_COLOUR": "red", "PATH": "x"}).strays == ("WRPME_COLOUR",)


def test_check_config_ends_with_what_it_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        of("grace = 30", "--check-config", WRPME_COLOUR="red")
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "grace = 30 # w.toml, line 1" in lines
    assert "# replication: 2, or that of the hive that is joined # default" in lines
    assert err == "wrpmed: the variable WRPME_COLOUR of the environment is no option of wrpmed; it is left alone\n"


def test_what_a_running_node_takes_and_what_waits() -> None:
    before = of("grace = 30\nreplication = 2\nsessions = 7")
    after = of("grace = 31\nreplication = 3\nlog-level = 'debug'\nroot = 'x'")
    changed, waiting = before.compared(after)
    assert changed == [("grace", 30.0, 31.0), ("log-level", "info", "debug"), ("sessions", 7, 10_000)]
    assert waiting == ["root", "replication"]
    taken = before.taking(after)
    assert taken.compared(after) == ([], waiting)
    assert (taken.replication, taken.root) == (2, before.root)
    for name in LIVE:
        assert taken.options()[name] == after.options()[name]
    for name in {option.name for option in SETTINGS} - LIVE:
        assert taken.options()[name] == before.options()[name]
    assert taken.log_level == "debug" and taken.sessions == 10_000 and taken.grace_seconds == 31.0
