"""What the dashboard says in words."""

from __future__ import annotations

import pytest

from wrpme.tui.state import sentences
from wrpme.tui.state.format import clock
from wrpme.tui.state.scene import NodeState


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("n1:5909 (connection refused)", "connection refused"),
        ("the connection to n1:5909 ended (reset)", "the connection ended (reset)"),
        ("n1:5909 has told nothing for 2 s", "has told nothing for 2 s"),
        ("n1:5909: this node has stopped", "this node has stopped"),
        ("something else", "something else"),
    ],
)
def test_a_reason_stands_beside_its_address(reason: str, short: str) -> None:
    assert sentences.why("n1:5909", reason) == short


def test_who_is_not_reached_is_named_with_the_reason() -> None:
    assert sentences.connecting([]) == "no node has told anything yet"
    several = sentences.connecting([("a", "connection refused"), ("b", "timed out"), ("c", "connection refused")])
    assert "(a, c: connection refused; b: timed out)" in several


def test_disconnected_says_since_when() -> None:
    said = sentences.disconnected(1000.0, 1014.2, [("a", "connection refused")])
    assert f"since {clock(1000.0)} (14 s)" in said and "a: connection refused" in said


@pytest.mark.parametrize(
    ("state", "addresses", "words_said"),
    [
        (NodeState.DOWN, ["a"], "a has been down for 12 s"),
        (NodeState.DOWN, ["a", "b"], "a, b have been down for up to 12 s"),
        (NodeState.SUSPECTED, ["a"], f"a is suspected since {clock(88.0)}: heartbeats are missing"),
        (NodeState.SILENT, ["a", "b"], f"a, b do not answer here since {clock(88.0)}"),
    ],
)
def test_who_is_not_well_is_named(state: NodeState, addresses: list[str], words_said: str) -> None:
    assert sentences.unwell(state, addresses, 88.0, 100.0) == words_said


def test_missed_events_are_counted() -> None:
    assert sentences.missed(1).startswith("1 event ") and sentences.missed(12).startswith("12 events ")


def test_certificates_are_told_of_together_and_the_first_to_expire_first() -> None:
    assert sentences.certificates([]) == ""
    assert sentences.certificates([("n1:5909", 43_200.0)]) == (
        "the certificate of n1:5909 expires in 12 h 0 min: put a new one in its place"
    )
    assert sentences.certificates([("n1:5909", 90_000.0), ("n2:5909", 60.0), ("n3:5909", 0.0), ("n4:5909", -5.0)]) == (
        "the certificates of n3:5909, n4:5909 have expired; the certificates of n2:5909, n1:5909 expire, the first in "
        "1 min 0 s: put new ones in their place"
    )
