"""Hives that the user's file names: which is meant, and each slip as one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.shell.test_cli import wrpmesh
from wrpme import TlsFiles
from wrpme.errors import UsageError
from wrpme.shell.arguments import DAEMON, Options, parse_options

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "wrpmesh.md").read_text("utf-8")
TEXT = re.search(r"```toml\n(daemon = .*?)```", PAGE, re.DOTALL)
assert TEXT is not None
FILE = TEXT[1]
"""As the page shows it."""
ME = ("/home/me/.config/wrpme/me.crt", "/home/me/.config/wrpme/me.key")


def options(*arguments: str, text: str | None = FILE, **environment: str) -> Options:
    return parse_options(arguments, environment, "f.toml", lambda _: text)


@pytest.mark.parametrize(
    ("arguments", "environment", "daemons", "timeout"),
    [
        ([], {}, ("127.0.0.1:5909",), 5.0),
        (["--hive-name", "prod"], {}, ("10.0.0.1:5909", "10.0.0.2:5909"), 30.0),
        (["--hive-name=staging", "--timeout", "1"], {}, ("10.1.0.1:5909",), 1.0),
        (["--hive-name", "staging"], {"WRPME_DAEMON": "a:1", "WRPME_TIMEOUT": "2"}, ("10.1.0.1:5909",), 2.0),
        (["--daemon", "b:2"], {"WRPME_HIVE_NAME": "prod"}, ("b:2",), 5.0),
        ([], {"WRPME_HIVE_NAME": "prod"}, ("10.0.0.1:5909", "10.0.0.2:5909"), 30.0),
        ([], {"WRPME_DAEMON": "a:1"}, ("a:1",), 5.0),
        (["--hive", "3"], {"WRPME_HIVE_NAME": "prod"}, (DAEMON,), 5.0),
    ],
)
def test_which_hive(
    arguments: list[str], environment: dict[str, str], daemons: tuple[str, ...], timeout: float
) -> None:
    found = options(*arguments, **environment)
    assert (found.daemons, found.timeout) == (daemons, timeout)


@pytest.mark.parametrize(
    ("arguments", "ca"),
    [
        (["--daemon", "b:2", "--daemon", "a:1"], "/hives/a/ca.pem"),
        (["--daemon", "b:2"], ""),
        (["--daemon", "a:1", "--tls-ca", "none"], ""),
        (["--daemon", "a:1", "--tls-ca", "own.pem"], "own.pem"),
        (["--hive", "3"], ""),
    ],
)
def test_a_hive_whose_ca_this_user_has(arguments: list[str], ca: str) -> None:
    known = ("/hives/a/ca.pem", "operator", "/hives/a/operator.password")
    found = parse_options(arguments, {}, known_of=lambda nodes: known if "a:1" in nodes else ("", "", ""))
    assert found.tls_ca == ca
    assert (found.user, found.password_file) == (known[1:] if ca == known[0] else ("", ""))


def test_another_user_than_the_operator_of_a_hive() -> None:
    known = ("/hives/a/ca.pem", "operator", "/hives/a/operator.password")
    found = parse_options(["--daemon", "a:1", "--user", "shop"], {}, known_of=lambda _: known)
    assert (found.tls_ca, found.user, found.password_file) == (known[0], "shop", "")
    found = parse_options(["--daemon", "a:1", "--web"], {}, known_of=lambda _: known)
    assert (found.tls_ca, found.user, found.password_file) == (known[0], "", ""), "nor for whoever reaches a page"


@pytest.mark.parametrize(
    ("arguments", "tls"),
    [
        (["--hive-name", "prod"], TlsFiles("/etc/wrpme/ca.pem", *ME)),
        (["--hive-name", "prod", "--tls-ca", "a"], TlsFiles("a", *ME)),
        (["--hive-name", "staging"], None),
        ([], None),
    ],
)
def test_tls_of_a_hive(arguments: list[str], tls: TlsFiles | None) -> None:
    assert options(*arguments).tls == tls


def test_a_hive_without_tls_where_all_others_have_it() -> None:
    text = "tls-ca = 'a'\n[hive.x]\ndaemon = 'a:1'\n[hive.old]\ndaemon = 'b:1'\ntls-ca = 'none'\n"
    assert options("--hive-name", "x", text=text).tls == options(text=text).tls == TlsFiles("a")
    assert options("--hive-name", "old", text=text).tls is None


def test_each_hive_has_its_user() -> None:
    text = (
        "tls-ca = 'a'\nuser = 'ann'\npassword-file = 'p'\n[hive.x]\ndaemon = 'a:1'\nuser = 'bob'\n"
        "[hive.old]\ndaemon = 'b:1'\ntls-ca = 'none'\n"
    )

    def user(*arguments: str) -> tuple[str, str]:
        found = options(*arguments, text=text)
        return found.user, found.password_file

    assert user() == user("--user", "ann") == ("ann", "p")
    assert user("--hive-name", "x") == user("--user", "bob") == ("bob", ""), "he has another password than ann"
    assert user("--hive-name", "x", "--password-file", "q") == ("bob", "q")
    assert user("--hive-name", "old") == ("", ""), "there are no users without TLS"
    with pytest.raises(UsageError, match=r"user \(command line\) needs tls-ca"):
        user("--hive-name", "old", "--user", "ann")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("prd", FILE, 'f.toml names no hive "prd"; did you mean prod?'),
        ("x", FILE, 'f.toml names no hive "x"; it has prod, staging'),
        ("x", "", 'f.toml names no hive "x"; it needs a table [hive.x]'),
        ("x", None, 'there is no hive "x": the file f.toml, which would name it, is not there'),
        ("x", "[hive.x]\n", 'f.toml: [hive.x] has no daemon; it needs one, such as daemon = "10.0.0.1:5909"'),
        ("x", "[hive.x]\ndeamon = 'a:1'\n", 'f.toml, line 2: there is no option "deamon"; did you mean daemon?'),
        ("x", "[hive.x]\ntimeout = 0\n",
         "f.toml, line 2: timeout is 0, but should be a number of seconds from 0.001 to 86400"),
        ("x", "[hive]\nx = 'a:1'\n",
         "f.toml, line 1: hive should be tables, each with the name of a hive: [hive.prod]"),
        ("x", "[hive.x]\ndaemon = 'a:1'\ntls-ca = 'a'\ntls-key = 'b'\n",
         "tls-key (f.toml, line 4) needs tls-cert: a certificate, its key, and the CA of the nodes"),
        ("x", "web = true\n", 'f.toml, line 1: "web" can\'t stand in a file; give it on the command line'),
        ("x", "host = 'a'\n", 'f.toml, line 1: there is no option "host"; did you mean daemon?'),
    ],
)  # fmt: skip
def test_slips(name: str, text: str | None, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        options("--hive-name", name, text=text)
    assert caught.value.sentence == sentence


def test_a_name_and_a_node_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="--hive-name names a hive: it can't be given together with --daemon"):
        options("--hive-name", "prod", "--daemon", "a:1")
    with pytest.raises(UsageError, match=r"hive-name \(WRPME_HIVE_NAME\) names a hive: it can't stand together"):
        options(WRPME_HIVE_NAME="prod", WRPME_DAEMON="a:1")
    with pytest.raises(UsageError, match="there is no variable WRPME_HIVENAME; did you mean WRPME_HIVE_NAME"):
        options(WRPME_HIVENAME="prod")


def test_the_program_reads_the_file_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "wrpme").mkdir()
    path = tmp_path / "wrpme" / "wrpmesh.toml"
    path.write_text("[hive.here]\ndaemon = '127.0.0.1:1'\n")
    assert b"no daemon answers at 127.0.0.1:1" in wrpmesh("--hive-name", "here", "--timeout", "0.2", "count").stderr
    path.write_text("[hive.here\n")
    done = wrpmesh("count")
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: {path}, line 1".encode()) and done.stderr.count(b"\n") == 1
    assert wrpmesh("--version").returncode == 0, "that needs no file"
