"""Variables serve where an option is not given, and suggestions point to what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.shell.test_cli import wrpmesh
from tests.stub_node import Entries, StubThread
from wrpme import TlsFiles, errors, options
from wrpme.files.certificates import server_context
from wrpme.options import WRPMED, WRPMESH
from wrpme.shell.arguments import DAEMON, parse_options
from wrpme.shell.commands import BY_WORD, MEANT
from wrpme.shell.parsing import parse
from wrpme.shell.completion import hint


@pytest.mark.parametrize(
    ("arguments", "environment", "daemons", "timeout"),
    [
        ([], {}, (DAEMON,), 10.0),
        ([], {"WRPME_DAEMON": "a:1", "WRPME_TIMEOUT": "2.5"}, ("a:1",), 2.5),
        ([], {"WRPME_DAEMON": "a:1, b:2 [::1]:3"}, ("a:1", "b:2", "[::1]:3"), 10.0),
        ([], {"WRPME_DAEMON": "", "WRPME_TIMEOUT": " "}, (DAEMON,), 10.0),
        (["--daemon", "c:3", "--timeout", "1"], {"WRPME_DAEMON": "nowhere", "WRPME_TIMEOUT": "soon"}, ("c:3",), 1.0),
        (["--hive", "3"], {"WRPME_DAEMON": "nowhere"}, (DAEMON,), 10.0),
        (["--tui", "--replay", "x"], {"WRPME_DAEMON": "nowhere"}, (DAEMON,), 10.0),
    ],
)
def test_variables(arguments: list[str], environment: dict[str, str], daemons: tuple[str, ...], timeout: float) -> None:
    found = parse_options(arguments, environment)
    assert (found.daemons, found.timeout) == (daemons, timeout)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WRPME_DAEMON": "nowhere"}, 'WRPME_DAEMON: "nowhere" has no port: write it as nowhere:5909'),
        (
            {"WRPME_DAEMON": "a:1,24004"},
            'WRPME_DAEMON: "24004" has no host: write it as HOST:PORT, such as 127.0.0.1:24004',
        ),
        (
            {"WRPME_TIMEOUT": "soon"},
            'WRPME_TIMEOUT is "soon", but should be a number of seconds from 0.001 to 86400',
        ),
    ],
)
def test_wrong_variables(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        parse_options([], environment)
    assert caught.value.sentence == sentence
    assert parse_options(["--help"], environment).answer, "help is there all the same"


TLS = {"WRPME_TLS_CA": "ca", "WRPME_TLS_CERT": "c", "WRPME_TLS_KEY": "k"}


@pytest.mark.parametrize(
    ("arguments", "environment", "tls"),
    [
        ([], {}, None),
        (["--tls-ca", "ca.pem"], {}, TlsFiles("ca.pem")),
        (["--tls-ca", "other"], TLS, TlsFiles("other", "c", "k")),
        ([], TLS, TlsFiles("ca", "c", "k")),
        (["--tls-ca", "none"], TLS, None),
        (["--hive", "2"], TLS, None),
    ],
)
def test_tls(arguments: list[str], environment: dict[str, str], tls: TlsFiles | None) -> None:
    assert parse_options(arguments, environment).tls == tls


USER = {"WRPME_USER": "ann", "WRPME_PASSWORD_FILE": "p"}


@pytest.mark.parametrize(
    ("arguments", "environment", "user", "file"),
    [
        ([], TLS, "", ""),
        (["--user", "ann"], TLS, "ann", ""),
        (["--user", "ann"], TLS | USER, "ann", "p"),
        (["--user", "bob"], TLS | USER, "bob", ""),
        (["--user", "bob"], TLS | {"WRPME_PASSWORD_FILE": "p"}, "bob", "p"),
        (["--tls-ca", "none"], USER, "", ""),
        (["--hive", "2"], USER, "", ""),
    ],
)
def test_who_the_user_is(arguments: list[str], environment: dict[str, str], user: str, file: str) -> None:
    found = parse_options(arguments, environment)
    assert (found.user, found.password_file) == (user, file)


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--password-file", "p"], TLS, "password-file (command line) needs user: it has the password of one"),
        ([], USER, "user (WRPME_USER) needs tls-ca: the password of ann would travel in plain words without TLS"),
        (["--user", "a b"], TLS, "--user: the name of a user has 1 to 64"),
        (["--password", "x"], TLS, 'there is no option "--password"; did you mean --password-file FILE?'),
        (
            ["--tls-ca", "a", "--tls-cert", "b"],
            {},
            "tls-cert (command line) needs tls-key: a certificate, its key, and",
        ),
        (["--tls-ca", "a"], {"WRPME_TLS_KEY": "k"}, "tls-key (WRPME_TLS_KEY) needs tls-cert: a certificate, its key"),
        (
            ["--tls-cert", "a", "--tls-key", "b"],
            {},
            "tls-cert (command line) needs tls-ca: a certificate, its key, and",
        ),
        (["--tls-ca", "a", "--hive", "2"], {}, "--tls-ca is for nodes that run already: it can't be given together"),
        (["--cacert", "a"], {}, 'there is no option "--cacert"; did you mean --tls-ca FILE?'),
    ],
)
def test_tls_that_is_not_whole(arguments: list[str], environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        parse_options(arguments, environment)
    assert caught.value.sentence.startswith(sentence)


def test_the_program_talks_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    with StubThread(Entries(), server_context(authority.issue("node"))) as node:
        assert wrpmesh("--daemon", node.address, "--tls-ca", str(authority.path), "put", "x", "1").returncode == 0
        monkeypatch.setenv("WRPME_TLS_CA", str(authority.path))
        assert wrpmesh("--daemon", node.address, "get", "x").stdout == b"1"
        plain = wrpmesh("--daemon", node.address, "--tls-ca", "none", "get", "x").stderr
        assert b"(it ended the connection at once, as one does that wants TLS or is ending)" in plain


def test_the_program_says_which_file_it_can_not_read() -> None:
    done = wrpmesh("--tls-ca", "/nowhere/ca.pem", "count")
    assert done.returncode == 2
    assert done.stderr == b"usage: the file of CAs /nowhere/ca.pem can't be read (No such file or directory)\n"


def test_the_program_looks_at_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRPME_DAEMON", "127.0.0.1:1")
    assert b"no daemon answers at 127.0.0.1:1" in wrpmesh("count").stderr
    monkeypatch.setenv("WRPME_TIMEOUT", "0")
    done = wrpmesh("count")
    assert done.returncode == 2 and done.stderr.startswith(b'usage: WRPME_TIMEOUT is "0"')


@pytest.mark.parametrize(
    ("line", "near"),
    [("set x 1", "put or update"), ("SET x 1", "put or update"), ("rm x", "remove"), ("ttl x", "get_expiry")],
)
def test_words_of_other_stores(line: str, near: str) -> None:
    with pytest.raises(errors.NoSuchCommandError, match=f"did you mean {near}\\?"):
        parse(line)
    assert hint(line).endswith(f": {near}?")


def test_what_is_suggested_is_there_and_what_is_there_is_not_suggested_away() -> None:
    for word, near in MEANT.items():
        assert word not in BY_WORD and set(near.split(" or ")) <= set(BY_WORD)


@pytest.mark.parametrize(
    ("syntax", "arguments", "near"),
    [
        (WRPMESH, ["--host", "a"], "did you mean --daemon HOST:PORT?"),
        (WRPMESH, ["--port", "24004"], "did you mean --daemon HOST:PORT?"),
        (WRPMESH, ["-a", "24004"], "did you mean --daemon HOST:PORT?"),
        (WRPMED, ["--port=24004"], "did you mean --address HOST:PORT?"),
        (WRPMED, ["--host", "a"], "did you mean --address HOST:PORT?"),
        (WRPMED, ["-a", "24004"], '--address: "24004" has no host: write it as HOST:PORT, such as 127.0.0.1:24004'),
        (WRPMED, ["-a", ":24004"], '--address: ":24004" has no host: write it as HOST:PORT, such as 127.0.0.1:24004'),
    ],
)
def test_options_of_other_programs(syntax: options.Syntax, arguments: list[str], near: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        options.parse(syntax, arguments)
    assert caught.value.sentence.endswith(near)
