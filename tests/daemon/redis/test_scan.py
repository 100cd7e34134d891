"""SCAN and RANDOMKEY: what they ask of the node, and what they answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemon.redis.test_pipeline import Way
from wrpme.daemon.net.redis.commands.scan import SCAN_PAGES_MAX
from wrpme.errors import UnstableError
from wrpme.protocol.messages import Aliases, Failed, RingScan
from wrpme.protocol.ring import CURSOR_BITS

ARC = 1 << CURSOR_BITS - 4
"""The ring has 16 arcs here."""


class Ring:
    """Aliases at cursors, in pages that end at the end of an arc."""

    def __init__(self, entries: dict[int, bytes]) -> None:
        self.entries = entries
        self.asked: list[RingScan] = []
        self.refuse = 0

    def __call__(self, request: Any) -> Any:
        assert isinstance(request, RingScan)
        self.asked.append(request)
        if self.refuse:
            self.refuse -= 1
            return Failed(request.id, UnstableError.code, "not now")
        end = (request.cursor // ARC + 1) * ARC
        found = sorted(at for at in self.entries if request.cursor <= at < end)
        if len(found) > request.count_max:
            end = found[request.count_max]
        aliases = tuple(self.entries[at] for at in found[: request.count_max])
        return Aliases(request.id, aliases, end < 1 << CURSOR_BITS, end.to_bytes(8, "big"))


def made(entries: dict[int, bytes]) -> tuple[Way, Ring]:
    way, ring = Way(), Ring(entries)
    way.at_once = ring
    return way, ring


def test_pages_have_each_key_once() -> None:
    way, ring = made({7 + number * ARC // 5: b"%02d" % number for number in range(60)})
    cursor, found = b"0", []
    while True:
        way.said = b""
        way.take(f"SCAN {cursor.decode()} COUNT 7")
        lines = way.said.split(b"\r\n")
        assert lines[0] == b"*2" and lines[3] in (b"*7", b"*4"), way.said
        cursor = lines[2]
        found += lines[5::2][: int(lines[3][1:])]
        if cursor == b"0":
            break
    assert found == [b"%02d" % number for number in range(60)]
    assert all(request.count_max <= 7 for request in ring.asked)


def test_a_hive_without_keys_is_scanned_at_once() -> None:
    way, ring = made({})
    way.take("SCAN 0")
    assert way.said == b"*2\r\n$1\r\n0\r\n*0\r\n" and len(ring.asked) == 16


def test_one_call_asks_a_few_arcs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wrpme.daemon.net.redis.commands.scan.SCAN_PAGES_MAX", 3)
    way, ring = made({})
    way.take("SCAN 0")
    assert way.said == b"*2\r\n$%d\r\n%d\r\n*0\r\n" % (len(str(3 * ARC)), 3 * ARC)
    assert len(ring.asked) == 3 < SCAN_PAGES_MAX


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ("MATCH a*", b"*1\r\n$2\r\na1\r\n"),
        ("match ?1 count 100", b"*2\r\n$2\r\na1\r\n$2\r\nb1\r\n"),
        ("TYPE string", b"*2\r\n$2\r\na1\r\n$2\r\nb1\r\n"),
        ("TYPE hash", b"*0\r\n"),
        ("TYPE nothing COUNT 5", b"*0\r\n"),
    ],
)
def test_options(options: str, answer: bytes) -> None:
    way, _ = made({5: b"a1", 9 * ARC: b"b1"})
    way.take(f"SCAN 0 {options}")
    assert way.said == b"*2\r\n$1\r\n0\r\n" + answer


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("SCAN x", b"-ERR invalid cursor\r\n"),
        ("SCAN -1", b"-ERR invalid cursor\r\n"),
        ("SCAN 0 COUNT", b"-ERR syntax error\r\n"),
        ("SCAN 0 COUNT 0", b"-ERR syntax error\r\n"),
        ("SCAN 0 COUNT x", b"-ERR value is not an integer or out of range\r\n"),
        ("SCAN 0 NOVALUES", b"-ERR syntax error\r\n"),
    ],
)
def test_what_is_wrong(line: str, error: bytes) -> None:
    way, ring = made({})
    way.take(line)
    assert way.said == error and not ring.asked


def test_a_cursor_that_nobody_gave_is_at_the_end() -> None:
    way, ring = made({5: b"a"})
    way.take("SCAN 18446744073709551615")
    assert way.said == b"*2\r\n$1\r\n0\r\n*0\r\n" and not ring.asked


def test_a_page_that_is_refused_is_asked_again() -> None:
    way, ring = made({5: b"a"})
    ring.refuse = 2
    way.take("SCAN 0")
    assert ring.asked
    way.pause_ends()
    way.pause_ends()
    assert way.said == b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"


@pytest.mark.parametrize("start", [0, 3, 4 * ARC, 9 * ARC, 9 * ARC + 1, 16 * ARC - 1])
def test_a_random_key_is_the_one_that_there_is(start: int) -> None:
    way, _ = made({9 * ARC: b"only"})
    way.client.chance = lambda numbers: start % numbers
    way.take("RANDOMKEY")
    assert way.said == b"$4\r\nonly\r\n"


def test_a_random_key_of_none() -> None:
    way, ring = made({})
    way.client.chance = lambda numbers: numbers // 3
    way.take("RANDOMKEY")
    assert way.said == b"$-1\r\n" and 16 <= len(ring.asked) <= 17
