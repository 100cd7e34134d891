from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.errors import UsageError
from wrpme.protocol.address import Address, is_loopback, is_number, listed, parse

GOOD = [
    ("127.0.0.1:5909", "127.0.0.1", 5909, "127.0.0.1:5909"),
    ("localhost:1", "localhost", 1, "localhost:1"),
    ("Node-1.Example.COM:65535", "node-1.example.com", 65535, "node-1.example.com:65535"),
    ("node1.example.com.:80", "node1.example.com", 80, "node1.example.com:80"),
    ("my_host:5909", "my_host", 5909, "my_host:5909"),
    ("[::1]:5909", "::1", 5909, "[::1]:5909"),
    ("[2001:DB8:0:0::0:1]:5909", "2001:db8::1", 5909, "[2001:db8::1]:5909"),
    ("[fe80::1%eth0]:5909", "fe80::1%eth0", 5909, "[fe80::1%eth0]:5909"),
    ("0.0.0.0:5909", "0.0.0.0", 5909, "0.0.0.0:5909"),
]
BAD = [
    ("", "HOST:PORT"),
    (":5909", "HOST:PORT"),
    ("127.0.0.1", "has no port"),
    ("127.0.0.1:", "has no port"),
    ("[::1]", "has no port"),
    ("host:0", "not a number from 1"),
    ("host:65536", "not a number from 1"),
    ("host:-1", "not a number from 1"),
    ("host:+1", "not a number from 1"),
    ("host:1_0", "not a number from 1"),
    ("host:٣", "not a number from 1"),
    ("host:http", "not a number from 1"),
    ("host:000000000000000001", "not a number from 1"),
    ("::1:5909", "in brackets"),
    ("[::1:5909", "[ADDRESS]:PORT"),
    ("[::1]5909", "[ADDRESS]:PORT"),
    ("[127.0.0.1]:5909", "not IPv6"),
    ("[gg::]:5909", "not IPv6"),
    ("256.0.0.1:5909", "not IPv4"),
    ("1.2.3:5909", "not IPv4"),
    ("127.0.0.01:5909", "not IPv4"),
    ("12:5909", "not IPv4"),
    ("ho st:5909", "neither"),
    ("-host:5909", "neither"),
    ("host-:5909", "neither"),
    ("a..b:5909", "neither"),
    ("höst:5909", "neither"),
    ("a" * 64 + ":5909", "neither"),
    (".".join(["abcdefgh"] * 40) + ":5909", "neither"),
    ("a\nb:5909", "neither"),
    ("http://host:5909", "write HOST:PORT alone, without http://"),
    ("wrpmes://ann:secret@host:5909", '"wrpmes://...@host:5909" is no address'),
    ("ann:secret@host:5909", '"...@host:5909" is'),
    ("wrpmes://host:5909", "without wrpmes://, and ask for TLS by --tls-ca FILE"),
    ("a" * 300 + "://host", "without aaa"),
]


@pytest.mark.parametrize(("text", "host", "port", "normal"), GOOD)
def test_good(text: str, host: str, port: int, normal: str) -> None:
    address = parse(text)
    assert address == Address(host, port)
    assert str(address) == normal
    assert parse(str(address)) == address


@pytest.mark.parametrize(("text", "part"), BAD)
def test_bad(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert part in caught.value.sentence
    assert "\n" not in caught.value.sentence
    assert len(caught.value.sentence) < 300


@pytest.mark.parametrize(("text", "expected"), [("0.0.0.0:1", True), ("[::0]:1", True), ("127.0.0.1:1", False)])
def test_unspecified(text: str, expected: bool) -> None:
    assert parse(text).unspecified is expected


@given(st.text(max_size=60) | st.text(alphabet="[]:.%0123456789abcdef-", max_size=60))
def test_anything_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = parse(text)
    except UsageError as error:
        assert error.sentence.isprintable()
        return
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("host", "number"), [("127.0.0.1", True), ("::1", True), ("fe80::1%eth0", True), ("a", False), ("1.2.3", False)]
)
def test_what_is_a_number(host: str, number: bool) -> None:
    assert is_number(host) is number


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ("", ""),
        ("a", "a"),
        ("abc", "a or b or c"),
        ("abcde", "a or b or c or d or e"),
        ("abcdef", "a, b, c, d and 2 more"),
    ],
)
def test_a_long_list_of_addresses_is_counted(names: str, shown: str) -> None:
    assert listed(names, " or ") == shown


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("127.0.0.1:1", True), ("127.9.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("LOCALHOST:1", True),
        ("10.0.0.1:1", False), ("[fe80::1]:1", False), ("node.example:1", False), ("0.0.0.0:1", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches(text: str, here: bool) -> None:
    assert is_loopback(text) is here
