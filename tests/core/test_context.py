"""What a node knows: itself, the view, and the others; and what it tells of itself."""

from __future__ import annotations


from tests.core.context_parts import A, B, C, view
from wrpme.core.context import NodeContext
from wrpme.core.io import LogLine
from wrpme.core.limits import STORY_LINES_MAX
from wrpme.protocol.view import State


# --- the view ----------------------------------------------------------------------------------------------------


def test_a_node_lives_only_in_this_very_life(context: NodeContext) -> None:
    assert not context.lives
    context.adopt(view())
    assert context.lives and context.this_life and context.alive == {A, B}
    context.adopt(view(6, incarnation=2))
    assert not context.lives and not context.this_life, "the view means another life of it"
    context.adopt(view(7, a=State.DOWN))
    assert not context.lives and context.this_life, "down, but it has been there throughout"
    context.adopt(view(8))
    assert context.lives and context.this_life


def test_since_when_a_member_is_down(context: NodeContext) -> None:
    context.adopt(view(b=State.DOWN))
    context.now = 130.0
    context.adopt(view(6, b=State.DOWN))
    assert context.down_since == {B: 100.0}, "not since the last view"
    context.adopt(view(7))
    assert context.down_since == {}


def test_epochs_that_were_heard_of_are_kept_for_members_only(context: NodeContext) -> None:
    context.known_epochs = {B: 4, C: 4}
    context.adopt(view())
    assert context.known_epochs == {A: 5, B: 4}


def test_an_address_for_a_sentence(context: NodeContext) -> None:
    context.adopt(view())
    assert context.address_of(B) == "host-b:1"
    assert context.address_of(C) == C.hex()[:8]


def test_a_round_trip_is_learnt_and_one_late_answer_is_no_distance(context: NodeContext) -> None:
    assert context.round_trip((A, B, C)) == 0.0
    context.note_round_trip(B, 0.3)
    context.note_round_trip(C, 0.1)
    assert context.round_trip((B, C)) == 0.3 and context.round_trip((C,)) == 0.1
    context.note_round_trip(C, 60.0)
    assert 0.1 < context.round_trip((C,)) < 0.4
    for _ in range(20):
        context.note_round_trip(C, 0.1)
    assert abs(context.round_trip((C,)) - 0.1) < 0.01


def test_the_wall_clock_is_the_runners(context: NodeContext) -> None:
    context.process.wall_offset_milliseconds = 1_700_000_000_000.0
    assert context.wall() == 1_700_000_100_000.0


def test_a_story_is_bounded(context: NodeContext) -> None:
    for number in range(STORY_LINES_MAX + 5):
        context.say("info", f"line {number}")
    assert len(context.story) == STORY_LINES_MAX
    assert context.story[-1] == f"100.000 line {STORY_LINES_MAX + 4}"
    assert context.outbox.effects[0] == LogLine("info", "line 0")
