"""Watch records as lines of JSON, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.test_view_json import views
from tests.samples import EVENTS, VIEW
from wrpme.client.watch.records import (
    StatsSeen, Gone, EventSeen, Missed, Reached, ViewSeen, WatchRecord, from_line, from_object, to_line, to_object,
)  # fmt: skip
from wrpme.errors import ProtocolError
from wrpme.protocol.events import KINDS, ClusterEvent
from wrpme.protocol.stats import Copy, NodeStats, Neighbour

TIMES = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
TEXTS = st.text(max_size=20)
COUNTS = st.integers(0, 1 << 60)
FLOATS = st.floats(0, 1e9)
SECONDS = st.one_of(st.just(-1.0), st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000))
HAPPENED = st.builds(
    ClusterEvent, COUNTS, COUNTS, st.sampled_from(sorted(KINDS)), COUNTS, TEXTS, TEXTS, SECONDS, st.booleans()
)
FIGURES = st.builds(
    NodeStats, TEXTS, COUNTS, TEXTS, TEXTS, FLOATS, FLOATS, COUNTS, COUNTS, st.booleans(),
    suspected=st.lists(TEXTS, max_size=2).map(tuple),
    copies_out=st.lists(st.builds(Copy, TEXTS, TEXTS, FLOATS), max_size=2).map(tuple),
    operations=st.dictionaries(TEXTS, COUNTS, max_size=3),
    latency=st.lists(st.tuples(st.integers(0, 239), COUNTS), max_size=3).map(tuple),
    lease_seconds=st.one_of(st.none(), FLOATS),
    neighbours=st.lists(st.builds(Neighbour, TEXTS, FLOATS), max_size=2).map(tuple),
)  # fmt: skip
SIGHTINGS: st.SearchStrategy[WatchRecord] = st.one_of(
    st.builds(ViewSeen, TIMES, TEXTS, views()),
    st.builds(EventSeen, TIMES, TEXTS, HAPPENED),
    st.builds(StatsSeen, TIMES, TEXTS, FIGURES, TEXTS),
    st.builds(Reached, TIMES, TEXTS),
    st.builds(Gone, TIMES, TEXTS, TEXTS),
    st.builds(Missed, TIMES, TEXTS, COUNTS),
)


@given(SIGHTINGS)
def test_what_became_a_line_becomes_the_same_again(record: WatchRecord) -> None:
    line = to_line(record)
    assert b"\n" not in line
    assert from_line(line) == record
    assert from_object(to_object(record)) == record
    assert json.loads(json.dumps(to_object(record))) == json.loads(line)


def test_lines_are_for_scripts() -> None:
    told = json.loads(to_line(EventSeen(1.2345678, "a:1", EVENTS[0])))
    assert told == {
        "saw": "event", "at": 1.235, "node": "a:1",
        "happening": {
            "number": 1, "at": 1_700_000_000_000, "kind": "down", "epoch": 9, "node": "127.0.0.1:5910",
            "sentence": "127.0.0.1:5910 is down", "hive": True,
        },
    }, "names for all, and no seconds of what did not end"  # fmt: skip
    assert json.loads(to_line(EventSeen(1.0, "a:1", EVENTS[1])))["happening"]["seconds"] == 1.5
    view = json.loads(to_line(ViewSeen(1.0, "a:1", VIEW)))["view"]
    assert view["hive"] == VIEW.hive.hex()
    assert view["arcs"][0]["wanted"] == ["127.0.0.1:5909", "127.0.0.1:5910"]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"null", b'{"saw": "a ghost"}', b'{"saw": "gone", "at": 1, "node": "a"}', b"\xff\xfe",
        b"[" * 100_000, b'{"saw": "view", "at": 1, "node": "a", "view": {}}',
        b'{"saw":"reached","at":"now","node":"a"}', to_line(ViewSeen(1.0, "a", VIEW)).replace(b'"down"', b'"gone"'),
    ],
    ids=lambda line: repr(line[:20]),
)  # fmt: skip
def test_a_line_that_is_none_is_refused_in_words(line: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"the line is no watch record|a view is malformed"):
        from_line(line)
