"""What may happen to a small hive, by chance: for the properties of the model and its history."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.tui.scenes import Story, activated, address_of, id_of, stable_view, synced
from wrpme.client.watch.records import Missed, WatchRecord
from wrpme.core.membership import transitions as views
from wrpme.protocol.view import Back, Change, Down, Expel, Join, Leave, State

NUMBERS = st.integers(0, 4)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["go"]), st.sampled_from([0.5, 1.0, 2.5])),
    st.tuples(st.sampled_from(["quiet"]), st.sampled_from([0.3, 1.0, 5.0])),
    st.tuples(st.sampled_from(["down", "back", "leave", "expel", "mute", "suspect", "lose"]), NUMBERS),
    st.tuples(st.sampled_from(["join", "activate", "missed", "clear"]), st.just(0)),
    st.tuples(st.sampled_from(["sync"]), st.sampled_from([0.3, 1.0])),
)


@st.composite
def stories(draw: Any, steps_max: int = 14) -> list[WatchRecord]:
    """Sightings in the order of time; the first are those of a start."""
    story = Story(stable_view(draw(st.integers(1, 4))), 1_700_000_000.0)
    story.start()
    for what, amount in draw(st.lists(STEPS, max_size=steps_max)):
        _carry_out(story, what, amount)
    return story.sightings


def _carry_out(story: Story, what: str, amount: Any) -> None:
    view = story.view
    if what == "go":
        story.go(amount)
    elif what == "quiet":
        story.at += amount
    elif what == "sync":
        story.show_if_new(synced(view, amount))
    elif what == "activate":
        story.show_if_new(activated(view))
    elif what == "join":
        if len(view.members) < 5:
            number = len(view.members) + 10
            story.numbers[id_of(number)] = number
            _change(story, Join(id_of(number), 1, address_of(number)))
    elif what == "missed":
        story.sightings.append(Missed(story.at, address_of(0), 3))
    elif what == "clear":
        story.suspected = ()
    elif amount < len(view.members):
        _to_member(story, what, amount)


def _to_member(story: Story, what: str, at: int) -> None:
    member = story.view.members[at]
    number = story.numbers[member.id]
    if what == "down":
        if sum(one.state is State.UP for one in story.view.members) > 1:
            _change(story, Down(member.id, member.incarnation))
            story.tell("down", f"{member.address} is down", number)
    elif what == "back":
        _change(story, Back(member.id, member.incarnation + 1, member.address))
        story.restart(number)
    elif what == "leave":
        _change(story, Leave(member.id, member.incarnation))
    elif what == "expel":
        _change(story, Expel(member.id, member.incarnation))
    elif what == "mute":
        story.silent ^= {number}
    elif what == "suspect":
        story.suspected = (*story.suspected, number)
    else:
        story.lose(number)


def _change(story: Story, change: Change) -> None:
    after = views.apply(story.view, [change])
    if after is not None:
        views.validate(after)
        story.show(after)
