"""Every option, every wrong option, every wrong value: one sentence each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from wrpme import __version__
from wrpme.daemon.config import parse
from wrpme.errors import UsageError
from wrpme.options import WRPMED, help_lines


def test_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = parse([])
    assert str(config.address) == str(config.advertise) == "127.0.0.1:5909"
    assert config.peers == ()
    assert config.root == str(tmp_path / "db" / "127.0.0.1-5909")
    assert (config.log_file, config.log_console, config.log_level) == ("", None, "info")
    assert config.log_format == "text"
    assert (config.sync, config.transient, config.sessions, config.redis_strict) == (True, False, 10_000, False)
    assert (config.replication, config.grace_seconds) == (0, 60.0)
    assert json.loads(config.as_json())["replication"]["value"] is None, "that of the hive"


def test_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = (
        "--address 0.0.0.0:7000 --advertise Node1:7000 --peer node2:1 --peer=[::1]:2 --peer node2:1 --root data "
        "--log-file log --log-console --log-format json --log-level debug --no-sync --sessions 5 --redis-strict "
        "--replication 3 --grace 1.5"
    )
    config = parse(line.split())
    assert str(config.address) == "0.0.0.0:7000"
    assert str(config.advertise) == "node1:7000"
    assert [str(peer) for peer in config.peers] == ["node2:1", "[::1]:2"]
    assert config.root == str(tmp_path / "data")
    assert (config.log_file, config.log_console, config.log_level) == (str(tmp_path / "log"), True, "debug")
    assert config.log_format == json.loads(config.as_json())["log-format"]["value"] == "json"
    assert (config.sync, config.sessions, config.redis_strict) == (False, 5, True)
    assert (config.replication, config.grace_seconds) == (3, 1.5)
    told = json.loads(config.as_json())
    assert (told["replication"]["value"], told["redis-strict"]["value"]) == (3, True)
    long = parse(["--address", "h:1", "--root", "data", "--log-file", "log", "--log-console"])
    assert parse(["-a", "h:1", "-r", "data", "-l", "log", "-o"]) == long
    assert parse(["-ah:1", "-rdata", "-l=log", "-o"]) == long
    assert told["peer"]["value"] == ["node2:1", "[::1]:2"]


@pytest.mark.parametrize(
    ("line", "replication", "grace_seconds"),
    [("--replication 1 --grace 0", 1, 0.0), ("--replication=5 --grace=31536000", 5, 31_536_000.0)],
)
def test_copies_and_grace_at_their_bounds(line: str, replication: int, grace_seconds: float) -> None:
    config = parse(line.split())
    assert (config.replication, config.grace_seconds) == (replication, grace_seconds)


def test_one_list_of_peers_serves_all_nodes() -> None:
    nodes = ["--peer", "n1:1", "--peer", "n2:1", "--peer", "n3:1"]
    assert [str(peer) for peer in parse(["-a", "N2:1", *nodes]).peers] == ["n1:1", "n3:1"]
    behind = ["-a", "0.0.0.0:5909", "--advertise", "n3:1"]
    assert [str(peer) for peer in parse([*behind, *nodes]).peers] == ["n1:1", "n2:1"]


def test_transient_has_no_directory() -> None:
    config = parse(["--transient"])
    assert config.transient
    assert config.root == ""


def test_the_default_directory_is_named_after_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(["-a", "[::1]:1"]).root == os.path.join(str(tmp_path), "db", "::1-1")
    assert parse(["-a", "A:1"]).root == os.path.join(str(tmp_path), "db", "a-1")


WRONG = [
    ("--tls-mode on", '--tls-mode is "on", but should be one of off, allow, prefer, require'),
    ("--tls-mode allow", "--tls-mode allow needs a certificate of the hive's CA: name --tls-ca and --tls-cert and"),
    ("--tls-mode require --tls-ca c --tls-cert n", "needs a certificate of the hive's CA: name --tls-key"),
    ("--pear h:1", 'there is no option "--pear"; did you mean --peer?'),
    ("--pear=h:1", 'there is no option "--pear"; did you mean --peer?'),
    ("--adress h:1", "did you mean --address?"),
    ("--addr h:1", "did you mean --address?"),
    ("--log", 'there is no option "--log"'),
    ("--replicas 2", 'there is no option "--replicas"; did you mean --replication?'),
    ("-x", 'there is no option "-x"; wrpmed --help lists them'),
    ("start", '"start" is no option'),
    ("--no-sync=1", "--no-sync takes no value"),
    ("--transient=yes", "--transient takes no value"),
    ("-a", "--address needs a value"),
    ("--address", "--address needs a value"),
    ("--advertise", "--advertise needs a value"),
    ("--peer", "--peer needs a value"),
    ("--root", "--root needs a value"),
    ("--root --no-sync", "--root needs a value"),
    ("--log-file", "--log-file needs a value"),
    ("--log-level", "--log-level needs a value"),
    ("--sessions", "--sessions needs a value"),
    ("--replication", "--replication needs a value"),
    ("--grace", "--grace needs a value"),
    ("-a 127.0.0.1", '--address: "127.0.0.1" has no port'),
    ("-a h:99999", "--address: the port"),
    ("--advertise h:x", "--advertise: the port"),
    ("--peer ::1:5909", '--peer: "::1:5909" is no address'),
    ("-a 0.0.0.0:5909", "--advertise HOST:PORT"),
    ("-a [::]:5909", "--advertise HOST:PORT"),
    ("-a 0.0.0.0:5909 --advertise [::0]:5909", "others can't reach that"),
    ("--peer 127.0.0.1:5909", "is this node itself"),
    ("-a h:1 --peer H:1", "is this node itself"),
    ("-a 0.0.0.0:1 --advertise h:1 --peer h:1", "is this node itself"),
    ("--peer 0.0.0.0:1", "names no machine"),
    ("--root=", "--root needs a value: the name of a directory"),
    ("--log-file=", "--log-file needs a value: the name of a file"),
    ("--log-level loud", "debug, info, warning, error"),
    ("--log-level INFO", "debug, info, warning, error"),
    ("--log-format yaml", "one of text, json"),
    ("--sessions 0", "a number from 1"),
    ("--sessions -1", "a number from 1"),
    ("--sessions=-1", "a number from 1"),
    ("--sessions 1e3", "a number from 1"),
    ("--sessions 99999999999999999999", "a number from 1"),
    ("--replication 0", "a number of copies from 1 to 5"),
    ("--replication 6", "a number of copies from 1 to 5"),
    ("--replication=-1", "a number of copies from 1 to 5"),
    ("--replication 02", "a number of copies from 1 to 5"),
    ("--replication two", "a number of copies from 1 to 5"),
    ("--replication=", "a number of copies from 1 to 5"),
    ("--grace=-1", "a number of seconds from 0"),
    ("--grace 1m", "a number of seconds from 0"),
    ("--grace nan", "a number of seconds from 0"),
    ("--grace inf", "a number of seconds from 0"),
    ("--grace 31536001", "a number of seconds from 0"),
    ("--grace=", "a number of seconds from 0"),
    ("--transient --root data", "--transient keeps nothing on disk: it can't be given together with --root"),
]


@pytest.mark.parametrize(("line", "part"), WRONG)
def test_wrong(line: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert part in caught.value.sentence
    assert caught.value.sentence.isprintable()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"wrpmed {__version__}\n"
    for option in ("-h", "--help"):
        with pytest.raises(SystemExit) as caught:
            parse([option])
        assert caught.value.code == 0
        shown = capsys.readouterr().out
        assert shown.startswith("usage: wrpmed [-a HOST:PORT]") and shown.endswith(" the file read again.\n")
        assert all(f"  {line}\n" in shown for line in help_lines(WRPMED))
