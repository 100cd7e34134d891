"""Each value of a topology file, right and wrong."""

from __future__ import annotations

import base64
from datetime import date

import pytest

from wrpme import options
from wrpme.bootstrap.limits import TOPOLOGY_VALUE_CHARACTERS_MAX
from wrpme.bootstrap.topology.values import login, option, read
from wrpme.files.toml_text import shown
from wrpme.errors import UsageError

PRINT = "SHA256:" + "A" * 43
OTHER = "SHA256:" + base64.b64encode(bytes(range(32))).decode().rstrip("=")

RIGHT = [
    ("host", "web1", "web1"),
    ("host", "Web_1.example.org", "Web_1.example.org"),
    ("host", "192.168.1.1", "192.168.1.1"),
    ("host", "[2001:DB8::0]", "2001:db8::"),
    ("host", "fe80::1%eth0", "fe80::1%eth0"),
    ("user", "root", "root"),
    ("user", "ops@example.org", "ops@example.org"),
    ("port", 1, 1),
    ("port", 65535, 65535),
    ("jump", "none", "none"),
    ("jump", "gateway", "gateway"),
    ("jump", "a@gateway:2222, [::1]:22,::2", "a@gateway:2222,[::1]:22,[::2]"),
    ("host_keys", "accept-new", "accept-new"),
    ("host_key", PRINT, (PRINT,)),
    ("host_key", PRINT + "=", (PRINT,)),
    ("host_key", [PRINT, OTHER, PRINT], (PRINT, OTHER)),
    ("directory", "/srv//wrpme/./x/", "/srv/wrpme/x"),
    ("directory", "~/wrp me", "~/wrp me"),
    ("python", "/usr/bin/python3.12", "/usr/bin/python3.12"),
    ("address", "Node1.:5909", "node1:5909"),
    ("advertise", "[::0:1]:5909", "[::1]:5909"),
]

WRONG = [
    ("host", "", 'is "", but should be the name or address'),
    ("host", 5, "is 5, but should be the name or address"),
    ("host", "root@web1", 'write host = "web1", user = "root"'),
    ("host", "root@web1:22", 'write host = "web1", user = "root", port = 22'),
    ("host", "[::1]:22", 'write host = "::1", port = 22'),
    ("host", "-oProxyCommand=x", "should be the name of a host"),
    ("host", "a b", "should be the name of a host"),
    ("host", "web*", "should be the name of a host"),
    ("host", "a:b:c", "should be the name of a host"),
    ("host", "x" * 300, "should be the name of a host"),
    ("user", "-l", "name of a user"),
    ("user", "a b", "name of a user"),
    ("user", ["root"], "is a list, but"),
    ("port", "22", 'is "22", but should be the port of the SSH server, a number from 1 to 65535'),
    ("port", 0, "is 0, but"),
    ("port", 65536, "is 65536, but"),
    ("port", True, "is true, but"),
    ("port", 22.0, "is 22.0, but"),
    ("jump", "a@", 'is "a@", but "a@" is no login'),
    ("jump", "a,,b", 'but "" is no login'),
    ("jump", "a:99999", 'the port "99999" in "a:99999" is not a number'),
    ("jump", "a,none@", "is no login"),
    ("host_keys", "no", "should be one of strict, pin, ask, accept-new"),
    ("host_keys", True, "is true, but should be one of"),
    ("host_keys", PRINT, "a fingerprint is the key host_key of a node"),
    ("host_key", "MD5:" + "00:" * 15 + "00", "should be a fingerprint"),
    ("host_key", "A" * 43, "should be a fingerprint"),
    ("host_key", PRINT[:-1], "should be a fingerprint"),
    ("host_key", PRINT + "A", "should be a fingerprint"),
    ("host_key", "SHA256:" + "é" * 43, "should be a fingerprint"),
    ("host_key", [], "is an empty list"),
    ("host_key", [5], "is 5, but should be a fingerprint"),
    ("directory", "wrpme", "should be an absolute path"),
    ("directory", "~root/x", "should be an absolute path"),
    ("directory", "/srv/../etc", "should be an absolute path"),
    ("directory", "//", "directory of wrpme alone"),
    ("directory", "~/.", "directory of wrpme alone"),
    ("directory", "/srv/$HOME", "can't have control characters or any of"),
    ("directory", "/srv/a:b", "can't have control characters or any of"),
    ("directory", "/srv/a\nb", "can't have control characters or any of"),
    ("directory", "/" + "x" * TOPOLOGY_VALUE_CHARACTERS_MAX, "has 1025 characters, but should have at most 1024"),
    ("python", "python3", "absolute path of a Python"),
    ("python", "~/python", "absolute path of a Python"),
    ("python", "/usr/bin/it's", "can't have control characters or any of"),
    ("address", "web1", 'is wrong: "web1" has no port'),
    ("address", 5909, "is 5909, but should be HOST:PORT"),
    ("advertise", {}, "is a table, but should be HOST:PORT"),
]


@pytest.mark.parametrize(("key", "given", "value"), RIGHT)
def test_right(key: str, given: object, value: object) -> None:
    assert read(key, given) == value


@pytest.mark.parametrize(("key", "given", "sentence"), WRONG)
def test_wrong(key: str, given: object, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(key, given)
    assert sentence in caught.value.sentence
    assert len(caught.value.sentence) < 400


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("replication", 3, ("--replication", "3")),
        ("grace", 30, ("--grace", "30")),
        ("grace", 30.0, ("--grace", "30")),
        ("grace", 0.5, ("--grace", "0.5")),
        ("slow-threshold", 0.25, ("--slow-threshold", "0.25")),
        ("bytes-max", "20G", ("--bytes-max", "21474836480")),
        ("bytes-max", 5_000_000, ("--bytes-max", "5000000")),
        ("no-sync", True, ("--no-sync",)),
        ("no-sync", False, ()),
        ("transient", True, ("--transient",)),
        ("log-level", "debug", ("--log-level", "debug")),
        ("sessions", 5, ("--sessions", "5")),
    ],
)
def test_options(name: str, given: object, words: tuple[str, ...]) -> None:
    assert option(name, given) == words


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("replication", 0, "is 0, but should be a number of copies from 1 to 5"),
        ("replication", 6, "is 6, but should be a number of copies from 1 to 5"),
        ("replication", "2", 'is "2", but should be a number of copies from 1 to 5'),
        ("replication", 2.0, "is 2.0, but should be a number of copies"),
        ("replication", True, "is true, but should be a number of copies"),
        ("grace", -1, "is -1, but should be a number of seconds from 0 to 31536000"),
        ("grace", float("nan"), "is nan, but should be a number of seconds"),
        ("no-sync", "yes", 'is "yes", but should be true or false'),
        ("transient", 1, "is 1, but should be true or false"),
        ("log-level", "loud", 'is "loud", but should be one of debug, info, warning, error'),
        ("sessions", 0, "is 0, but should be a number from 1 to 1000000"),
        ("sessions", date(2030, 1, 1), "is a date or a time, but should be a number"),
    ],
)
def test_wrong_options(name: str, given: object, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        option(name, given)
    assert sentence in caught.value.sentence


def test_every_option_is_tried_here() -> None:
    tried = {"replication", "grace", "slow-threshold", "bytes-max", "memory-max", "no-sync", "transient", "log-level"}
    assert {*tried, "sessions", "redis-strict"} == set(options.TUNING)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web1", ("", "web1", 0)),
        ("root@web1", ("root", "web1", 0)),
        ("root@web1:2222", ("root", "web1", 2222)),
        ("a@b@web1", ("a@b", "web1", 0)),
        ("[::1]:22", ("", "::1", 22)),
        ("root@[::1]", ("root", "::1", 0)),
        ("root@2001:db8::1", ("root", "2001:db8::1", 0)),
    ],
)
def test_logins(text: str, found: tuple[str, str, int]) -> None:
    assert login(text) == found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is written [USER@]HOST[:PORT]"),
        ("@web1", "before the @ stands the name of a user"),
        ("-x@web1", "before the @ stands the name of a user"),
        ("ssh://web1", "it is written [USER@]HOST[:PORT]"),
        ("web1:", 'the port "" in "web1:"'),
        ("web1:ssh", 'the port "ssh" in "web1:ssh"'),
        ("web1:٣", "is not a number from 1 to 65535"),
        ("[::1]22", "with a port is written [ADDRESS]:PORT"),
        ("[web1]:22", "it is written [USER@]HOST[:PORT]"),
    ],
)
def test_wrong_logins(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        login(text)
    assert sentence in caught.value.sentence


def test_values_in_sentences() -> None:
    assert shown("a\x1b[31m" + "x" * 100) == '"a?[31m' + "x" * 74 + '"'
    given: list[object] = [True, 1.5, [], {}, date(2030, 1, 1)]
    assert list(map(shown, given)) == ["true", "1.5", "a list", "a table", "a date or a time"]


def test_numbers_with_more_digits_than_python_writes() -> None:
    with pytest.raises(UsageError, match=r"usage: is 0x10{35,40}, but should be the port"):
        read("port", 1 << 100_000)
    with pytest.raises(UsageError, match=r"usage: is 0x10{35,40}, but should be a number of seconds"):
        option("grace", 1 << 100_000)
