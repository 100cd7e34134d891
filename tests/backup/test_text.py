"""Entries become text and come back, whatever bytes they have; other text is refused with its line."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrpme.backup.frames import Counts, SavedEntry
from wrpme.backup.text import NO_VERSION, TextReader, csv_lines, json_lines
from wrpme.errors import BackupError

ENTRIES = st.lists(
    st.builds(
        SavedEntry,
        st.binary(min_size=1, max_size=20) | st.text(min_size=1, max_size=8).map(str.encode),
        st.integers(1, 253_402_300_799_000) | st.just(0),
        st.just(NO_VERSION),
        st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    ),
    max_size=6,
)


@given(ENTRIES)
def test_entries_come_back(entries: list[SavedEntry]) -> None:
    for lines in (json_lines, csv_lines):
        reader = TextReader(io.BytesIO(b"".join(lines(entries))), "FILE")
        assert reader.check() == Counts(1, len(entries), sum(len(entry.content) for entry in entries))
        assert list(reader.entries()) == entries


def test_other_programs_read_them() -> None:
    entries = [
        SavedEntry(b"a,b", 1_700_000_000_123, NO_VERSION, b'two\nlines, "quoted"'),
        SavedEntry(b"\xff", 0, NO_VERSION, b"\0"),
    ]
    first, second = map(json.loads, json_lines(entries))
    assert first == {"alias": "a,b", "content": 'two\nlines, "quoted"', "expires": "2023-11-14T22:13:20.123Z"}
    assert second == {"alias_base64": "/w==", "content": "\0"}
    rows = list(csv.DictReader(io.StringIO(b"".join(csv_lines(entries)).decode())))
    assert rows[0]["alias"] == "a,b" and rows[0]["content"] == 'two\nlines, "quoted"'
    assert rows[1]["alias_base64"] == "/w==" and rows[1]["content_base64"] == "AA=="


def test_columns_may_be_fewer_and_in_any_order() -> None:
    entry = SavedEntry(b"a", 0, NO_VERSION, b"1")
    assert list(TextReader(io.BytesIO(b"content,alias\r\n1,a\r\n"), "FILE").entries()) == [entry]
    assert list(
        TextReader(io.BytesIO(b'\xef\xbb\xbf{"alias":"a"}'[3:-1] + b',"content":"1"}\n\n'), "FILE").entries()
    ) == [entry]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"alias":"a","content":"1"}\n{"alias":', "entry 2 of FILE is none"),
        (b'{"alias":"a"}', "it has no content"), (b'{"content":"a"}', "it has no alias"),
        (b'{"alias":"a","content":"1","ttl":5}', "there is no field 'ttl'"),
        (b'{"alias":"","content":"1"}', "an alias"), (b'{"alias":"a","content":5}', "it has no content"),
        (b'{"alias":"a","alias_base64":"YQ==","content":""}', "alias and alias_base64"),
        (b'{"alias_base64":"?","content":""}', "alias_base64: "),
        (b'{"alias":"a","content":"","expires":"soon"}', "soon"),
        (b'{"alias":"a","content":"","expires":"1960-01-01T00:00:00Z"}', "it expires at 1960"),
        (b"#!/bin/sh\nexit\n", "FILE has no entries"), (b"\xff\xfe", "entry 1 of FILE"), (b"[]", "FILE has no entries"),
        (b'alias,content\n"a,1\n', "entry 1 of FILE"), (b"alias,content\na\n", "it has no content"),
        (b"alias,content\na,1,2\n", "there is no field"),
    ],
)  # fmt: skip
def test_other_text_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BackupError) as refused:
        TextReader(io.BytesIO(data), "FILE").check()
    assert said in refused.value.sentence and "Nothing was written" in refused.value.sentence


def test_no_text_is_no_entry() -> None:
    assert TextReader(io.BytesIO(b""), "FILE").check() == Counts(1, 0, 0)
