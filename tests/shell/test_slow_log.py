"""What slow_log prints, and the ids that a client gives to its requests."""

from __future__ import annotations

import json

import pytest

from wrpme import errors, request_id
from wrpme.client.cluster import NodeSlow
from wrpme.client.requests.request_ids import with_id
from wrpme.protocol.administration import GetSlow, SlowLog, SlowRequest
from wrpme.protocol.messages import Get, GetView, Traced
from wrpme.shell.format import slow_json, slow_text

LOST, BUSY = errors.IndeterminateError.code, "this node, busy"
ELSEWHERE = "a client of n10:1, whose log has its address"
FOUND = (
    NodeSlow(
        "n10:1",
        SlowLog(
            1, 100.0, 12,
            (
                SlowRequest(2, 1.700000002e12, "Put", b"entry", 1, "10.0.0.9:1", "deploy-7", LOST, 413.2, 2.4, 410.8),
                SlowRequest(1, 1_700_000_000_000.0, "Get", b"", 3, "", "", 0, 120.0, 0.0, 0.0, 120.0, BUSY),
            ),
        ),
        None,
    ),
    NodeSlow("n2:1", SlowLog(1, 0.5, 1, (
        SlowRequest(1, 1_700_000_001_000.0, "GetUpdate", b"\xff", 1, ELSEWHERE, "", 0, 0.75, 0.0, 0.0, 0.75, "n10:1"),
    )), None),
    NodeSlow("n3:1", None, errors.UnavailableError("n3:1 does not answer")),
)  # fmt: skip


def test_the_latest_is_last_whichever_node_it_is_from() -> None:
    lines = slow_text(FOUND).splitlines()
    assert [line.split()[0] for line in lines] == ["WHEN", "11-14", "11-14", "11-14", "n2:1:", "n3:1", "n10:1:"]
    assert lines[1].split("  ")[1:] and "get x 3" in lines[1] and lines[1].endswith("120 ms this node, busy")
    assert "0.75 ms" in lines[2] and "a client of n10:1  " in lines[2] and '"\\xff"' in lines[2]
    assert "413 ms" in lines[3] and 'put "entry" [deploy-7] indeterminate' in lines[3]
    assert lines[3].endswith("2 ms queued, 411 ms its disk")
    assert lines[4:] == [
        "n2:1: 1 request over 0.5 ms since its start", "n3:1 did not answer: n3:1 does not answer",
        "n10:1: 12 requests over 100 ms since its start",
    ]  # fmt: skip


def test_where_nothing_was_slow() -> None:
    none = (NodeSlow("a:1", SlowLog(1, 100.0, 0, ()), None),)
    assert slow_text(none) == "a:1: 0 requests over 100 ms since its start" and slow_json(none) == []


def test_a_line_of_json_for_each() -> None:
    first, second, third = map(json.loads, slow_json(FOUND))
    assert (first["kind"], first["count"], first["error"], first["alias"]) == ("get", 3, "", "")
    assert (second["node"], second["alias_base64"], second["waited_for"]) == ("n2:1", "/w==", "n10:1")
    assert (third["at"], third["request_id"], third["error"]) == (
        "2023-11-14T22:13:22.000Z", "deploy-7", "indeterminate"
    )  # fmt: skip


def test_requests_on_entries_have_the_id_of_who_makes_them() -> None:
    assert with_id(Get(7, b"x")) == Get(7, b"x")
    with request_id("deploy-7"):
        assert with_id(Get(7, b"x")) == Traced(7, "deploy-7", Get(7, b"x"))
        with request_id("deploy-8"):
            assert with_id(Get(7, b"x")) == Traced(7, "deploy-8", Get(7, b"x"))
        assert with_id(GetView(7)) == GetView(7) and with_id(GetSlow(7, b"", 1)) == GetSlow(7, b"", 1)
    assert with_id(Get(7, b"x")) == Get(7, b"x")
    with pytest.raises(errors.UsageError, match="an id of a request"), request_id("two words"):
        pass
