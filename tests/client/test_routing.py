"""What a client knows of its hive: owners, views that come, and nodes of another hive."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from tests.stub_node import StubNode, silent, view_of
from wrpme import errors
from wrpme.client.requests.routing import Routes
from wrpme.protocol.ring import RING


def two() -> tuple[StubNode, StubNode]:
    one, other = StubNode(silent), StubNode(silent, b"b" * 16)
    one.address, other.address = "one:1", "two:1"
    return one, other


def test_owners_follow_the_view() -> None:
    one, other = two()
    routes = Routes(["one:1"])
    assert routes.owner_at(0) == "" and routes.stale
    assert routes.adopt(view_of([one, other], epoch=2, arcs=2)) == []
    assert (routes.owner_at(0), routes.owner_at(RING - 1), routes.owner_at(None)) == ("one:1", "two:1", "")
    assert routes.adopt(view_of([other], epoch=1)) is None and routes.owner_at(0) == "one:1"
    assert routes.adopt(view_of([one, other], epoch=3, arcs=2, down=[other])) == ["two:1"]
    assert routes.owner_at(RING - 1) == ""


def test_what_makes_the_view_stale() -> None:
    one, other = two()
    routes = Routes(["one:1"])
    cases: list[tuple[Callable[[], None], bool]] = [
        (lambda: routes.told(2), False),
        (lambda: routes.told(3), True),
        (lambda: routes.refused(errors.UnstableError("")), True),
        (lambda: routes.refused(errors.BusyError("")), False),
        (lambda: routes.refused(errors.NotFoundError("")), False),
        (routes.unfollowed, True),
    ]
    for make, stale in cases:
        routes.unfollowed()
        routes.adopt(view_of([one, other], epoch=2))
        assert not routes.stale
        make()
        assert routes.stale == stale


def test_addresses_are_tried_in_order() -> None:
    one, other = two()
    routes = Routes(["three:1", "one:1"])
    routes.adopt(view_of([one, other]))
    assert routes.candidates("two:1", lambda _: False, lambda _: False) == ["two:1", "three:1", "one:1"]
    assert routes.candidates("", lambda one: one == "three:1", lambda one: one == "two:1") == [
        "two:1",
        "one:1",
        "three:1",
    ]


def test_nodes_of_another_hive() -> None:
    one, other = two()
    routes = Routes(["one:1", "three:1"])
    assert routes.meet("one:1", b"") is None and routes.meet("one:1", b"h" * 16) is None
    routes.adopt(replace(view_of([one, other]), hive=b"h" * 16))
    assert routes.meet("two:1", b"x" * 16) is not None and routes.conflict is None, "it is left alone"
    assert routes.meet("three:1", b"x" * 16) is routes.conflict is not None, "the user can tell which is meant"
    assert routes.is_known(b"h" * 16) and not routes.is_known(b"x" * 16)
