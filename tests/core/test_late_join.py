"""A request to join that arrives when its node has long left again: it must not bring it back as a member that is
none."""

from __future__ import annotations

import pytest

from tests.harness import Hive, hive_of, identity
from wrpme.protocol.administration import LeaveNode
from wrpme.protocol.messages import Body, Done, Report
from wrpme.protocol.view import NOBODY, Join


def left_again() -> tuple[Hive, Report]:
    """C has joined and left; one of its requests to join is still on its way to B."""
    hive = hive_of("a", "b", replication=2)
    late: list[Report] = []

    def hold_back(source: str, target: str, body: Body) -> bool:
        if source == "c" and target == "b" and isinstance(body, Report) and isinstance(body.changes[0], Join):
            late.append(body)
            return True
        return False

    hive.drop = hold_back
    hive.start("c", "a", "b", replication=2)
    hive.stable("a", "b", "c")
    hive.drop = lambda source, target, body: False
    assert isinstance(hive.ask("c", LeaveNode(1, NOBODY)), Done)
    hive.until(lambda: "c" in hive.exits)
    hive.stable("a", "b")
    return hive, late[-1]


@pytest.mark.parametrize("target", ["a", "b"])
def test_a_late_request_to_join_brings_nobody_back(target: str) -> None:
    """Also at the node that has taken it in, and knew where it was."""
    hive, late = left_again()
    epoch = hive.view("a").epoch
    hive.stranger(target, "c", late)
    hive.go(3.0)
    assert hive.view("a").epoch == epoch, "no view was made of it"
    assert all(member.id != identity("c") for member in hive.view("a").members)


def test_who_has_left_may_join_anew() -> None:
    """With the same id and a new life, as after a mistake."""
    hive, _ = left_again()
    hive.exits.clear()
    hive.start("c", "b", replication=2)
    hive.stable("a", "b", "c")
