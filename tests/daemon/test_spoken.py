"""Which protocol the first bytes of a connection are of."""

from __future__ import annotations

import pytest

from wrpme.daemon.net.spoken import LINE_BYTES_MAX, Spoken, spoken
from wrpme.protocol.codec import FORMER_PREFACE, PREFACE


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (PREFACE, Spoken.HIVE),
        (PREFACE + b"\0\0", Spoken.HIVE),
        (b"W", None),
        (b"WRPMX", Spoken.HIVE),
        (FORMER_PREFACE, Spoken.HIVE),
        (b"*", Spoken.REDIS),
        (b"*1\r\n$4\r\nPING\r\n", Spoken.REDIS),
        (b"PING\r\n", Spoken.REDIS),
        (b"ping", Spoken.REDIS),
        (b"WATCH a\r\n", Spoken.REDIS),
        (b"GET a\r\n", Spoken.REDIS),
        (b"GET /", None),
        (b"G", None),
        (b"GETDEL a\n", Spoken.REDIS),
        (b"SET GET / HTTP/1.1", Spoken.REDIS),
        (b"GET / HTTP/1.1\r\n", Spoken.HTTP),
        (b"OPTIONS * HTTP/1.1\r\n", Spoken.HTTP),
        (b"GET " + b"x" * LINE_BYTES_MAX, Spoken.REDIS),
        (b"\x16\x03\x01", Spoken.FOREIGN),
        (b"\r\n", Spoken.REDIS),
        (b"\n", Spoken.REDIS),
        (b"$4\r\n", Spoken.REDIS),
        (b"\0", Spoken.FOREIGN),
        (b"\xff", Spoken.FOREIGN),
    ],
)
def test_first_bytes(first: bytes, kind: Spoken | None) -> None:
    assert spoken(first) is kind
