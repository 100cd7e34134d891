"""Which messages count from a connection with a certificate: by what the node knows of the one that speaks."""

from __future__ import annotations

import pytest

from tests.core.context_parts import A, B, C, new_context, view
from tests.harness import HIVE
from wrpme.core.context import NodeContext
from wrpme.core.io import Settings
from wrpme.core.membership.speakers import objection
from wrpme.daemon.storage.store import MemoryStore
from wrpme.protocol.identities import Here, Refused, Where
from wrpme.protocol.messages import AskView, Body, Envelope, Heartbeat, NextView, Report, WholeView
from wrpme.protocol.view import NOBODY, Back, Down, Forget, Join, NodeId, Patch, Proposal

TAKEN, IGNORED, REFUSED = "taken", "ignored", "refused"
PATCH = NextView(6, Proposal((), Patch(), b""))


def in_hive() -> NodeContext:
    context = new_context()
    context.adopt(view())
    return context


def joining(*peers: str) -> NodeContext:
    return NodeContext(Settings(C, 1, "host-c:1", peers), MemoryStore(), 100.0)


def becomes(context: NodeContext, source: NodeId, life: int, body: Body, *hosts: str) -> str:
    """What becomes of it from a certificate of these hosts."""
    envelope = Envelope(HIVE, 1, source, life, NOBODY, 5, body)
    found = objection(context, envelope, lambda address: address.partition(":")[0] in hosts)
    return TAKEN if found is None else REFUSED if found.closes else IGNORED


@pytest.mark.parametrize("body", [Heartbeat(1.0), WholeView(view(9)), PATCH, Report((Down(B, 1, True),)), AskView()])
def test_a_life_that_is_known_speaks_from_a_certificate_of_its_host_alone(body: Body) -> None:
    context = in_hive()
    assert becomes(context, B, 1, body, "host-b", "other") == TAKEN
    for hosts in ((), ("host-a",), ("other",)):
        assert becomes(context, B, 1, body, *hosts) == REFUSED
    assert becomes(context, A, 1, body, "other") == REFUSED, "nor does anybody speak to a node under its own id"


def test_a_node_that_has_moved_speaks_from_where_it_was_proven_to_be() -> None:
    context = in_hive()
    assert becomes(context, B, 2, Where(1.0, "host-d:1"), "host-d") == TAKEN
    assert becomes(context, B, 2, Where(1.0, "host-d:1"), "host-b") == REFUSED
    assert becomes(context, B, 2, Report((Back(B, 2, "host-d:1"),)), "host-d") == TAKEN
    context.proven[B] = 2, "host-d:1"
    context.reroute(B)
    assert becomes(context, B, 2, WholeView(view(9)), "host-d") == TAKEN
    assert becomes(context, B, 2, WholeView(view(9)), "host-b") == REFUSED
    assert becomes(context, B, 1, Heartbeat(1.0), "host-b") == TAKEN, "late, and without weight"
    assert becomes(context, B, 1, WholeView(view(9)), "other") == IGNORED


@pytest.mark.parametrize(
    "body",
    [WholeView(view(9)), PATCH, Refused(1, "", 1), Report((Down(B, 7, True),)), Report((Forget(A, 1),)),
     Report((Join(B, 1, "other:1"),)), Report((Join(C, 1, "other:1"), Forget(A, 1)))],
)  # fmt: skip
def test_of_a_life_that_is_not_known_nothing_is_heeded_unless_a_node_of_that_host_is_known(body: Body) -> None:
    """Neither of a stranger, nor of one that speaks as a later life of a member."""
    context = in_hive()
    for source in (B, C) if not (isinstance(body, Report) and isinstance(body.changes[0], Join)) else (C,):
        assert becomes(context, source, 7, body, "other") == becomes(context, source, 7, body) == IGNORED
        assert becomes(context, source, 7, body, "host-b") == TAKEN


def test_a_stranger_says_where_it_is_and_asks_to_be_taken_in_there() -> None:
    context = in_hive()
    for body in (Where(1.0, "host-c:1"), Here(1.0, "host-c:1"), Report((Join(C, 1, "host-c:1"),))):
        assert becomes(context, C, 1, body, "host-c") == TAKEN
        assert becomes(context, C, 1, body, "host-b") == becomes(context, C, 1, body) == REFUSED
    for harmless in (AskView(), Heartbeat(1.0)):
        assert becomes(context, C, 1, harmless) == TAKEN


def test_a_node_without_a_view_hears_the_first_one_from_a_member() -> None:
    context = joining("host-a:1")
    assert becomes(context, B, 1, WholeView(view()), "host-b") == TAKEN
    assert becomes(context, B, 1, WholeView(view()), "other") == REFUSED
    assert becomes(context, C, 2, WholeView(view()), "other") == IGNORED, "who is not in it"
    assert becomes(context, A, 1, Refused(1, "", 1), "host-a") == TAKEN, "the peer that was given"
    assert becomes(context, A, 1, Refused(1, "", 1), "other") == IGNORED
