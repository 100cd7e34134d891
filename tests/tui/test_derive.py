"""From observed to a scene: the states of nodes, what moves, and the word for the hive."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.scenes import START, STATES, Story, activated, address_of, id_of, model_of, stable_view, story_of, synced
from wrpme.client.watch.records import Reached, StatsSeen, ViewSeen, WatchRecord
from wrpme.limits import SLOTS
from wrpme.protocol.stats import HiveStatus, NodeStatus, condition_of
from wrpme.protocol.view import Back, Down, Join, Leave, State
from wrpme.shell.format import condition_line
from wrpme.tui.limits import STALE_SECONDS
from wrpme.tui.state.model import Model
from wrpme.tui.state.scene import Mood, NodeShown, NodeState, Scene

UP, DOWN, JOINING = NodeState.UP, NodeState.DOWN, NodeState.JOINING


def shown(story: Story, seconds: float = 0.0) -> Scene:
    """The scene of a story, so long after its end."""
    model = Model()
    for sighting in story.sightings:
        model.take(sighting)
    return model.scene(story.at + seconds)


def begun(nodes: int = 3) -> Story:
    """A stable hive that is watched for some seconds."""
    story = Story(stable_view(nodes), START)
    story.start()
    story.go(3.0)
    return story


def stripped(story: Story, **changes: object) -> Story:
    """All figures told with these."""
    story.sightings = [
        replace(one, stats=replace(one.stats, **changes)) if isinstance(one, StatsSeen) else one
        for one in story.sightings
    ]
    return story


# --- every state -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "mood", "last", "heard", "partial"),
    [
        ("stable", Mood.STABLE, UP, 3, False),
        ("joining", Mood.STABILIZING, JOINING, 4, False),
        ("copying", Mood.STABILIZING, JOINING, 3, False),
        ("suspected", Mood.STABLE, NodeState.SUSPECTED, 2, True),
        ("silent", Mood.STABLE, NodeState.SILENT, 2, True),
        ("degraded", Mood.DEGRADED, DOWN, 2, False),
        ("unavailable", Mood.UNAVAILABLE, DOWN, 1, True),
        ("disconnected", Mood.DISCONNECTED, NodeState.SILENT, 0, True),
        ("leaving", Mood.STABILIZING, NodeState.LEAVING, 3, False),
    ],
)
def test_a_hive_in_each_state(state: str, mood: Mood, last: NodeState, heard: int, partial: bool) -> None:
    model, now = model_of(state, 3)
    scene = model.scene(now)
    assert (scene.mood, scene.nodes[-1].state, scene.heard, scene.partial) == (mood, last, heard, partial)
    assert bool(scene.nodes[-1].reason) is (last is not UP)
    assert scene.nodes[0].state is (NodeState.SILENT if state == "disconnected" else UP)


@pytest.mark.parametrize("nodes", [3, 50])
@pytest.mark.parametrize("state", [state for state in STATES if state != "connecting"])
def test_a_scene_is_whole(state: str, nodes: int) -> None:
    model, now = model_of(state, nodes)
    scene = model.scene(now)
    assert scene.arcs[0].first == 0 and scene.arcs[-1].end == SLOTS
    assert [node.address for node in scene.nodes] == [member.address for member in story_of(state, nodes).view.members]
    assert sum(node.senior for node in scene.nodes) == 1 and scene.nodes[0].voter
    assert sum(node.share for node in scene.nodes) == pytest.approx(1.0)
    for node in scene.nodes:
        fleeting = (node.operations_per_second, node.p99_seconds, node.lease_seconds, node.heartbeat_age_seconds)
        if node.stale:
            assert set(fleeting) == {None} and node.neighbours == () and node.suspects == ()
        elif scene.heard > 1:
            assert None not in fleeting
    for move in scene.moves:
        assert 0 < move.share <= 1 and 0 <= move.done <= 1 and move.source != move.target
    assert (scene.progress is None) is (not scene.moves)


@pytest.mark.parametrize("state", ["stable", "joining", "copying", "degraded", "leaving"])
def test_the_word_is_that_of_hive_status(state: str) -> None:
    story = story_of(state, 3)
    told = {one.node: one.stats for one in story.sightings if isinstance(one, StatsSeen)}
    nodes = tuple(
        NodeStatus(member, None if member.state is State.DOWN else told[member.address], None)
        for member in story.view.members
    )
    status, scene = HiveStatus(story.view, nodes), shown(story)
    assert scene.mood.value.lower() == condition_of(status).word
    assert f"{scene.mood.value.lower()}: {scene.sentence}".startswith(condition_line(status))


def test_it_is_open_where_there_never_were_users_and_others_reach_it() -> None:
    story = story_of("stable", 3)
    at = {member.address: f"10.0.0.{number}:5909" for number, member in enumerate(story.view.members, 1)}
    members = tuple(replace(member, address=at[member.address]) for member in story.view.members)
    for change, is_open in (({}, False), ({"members": members}, True), ({"members": members, "users_since": 3}, False)):
        view = replace(story.view, **change)
        told = story_of("stable", 3)
        told.sightings = [replace(one, view=view) if isinstance(one, ViewSeen) else one for one in story.sightings]
        assert shown(told).open is is_open


def test_a_node_without_a_quorum_makes_the_hive_unavailable() -> None:
    scene = shown(stripped(begun(), quorum="this node sees 1 of 3 voters; it waits for n1"))
    assert scene.mood is Mood.UNAVAILABLE and scene.sentence.startswith(f"{address_of(0)} sees 1 of 3 voters")


def test_what_was_at_risk_in_the_view_before_is_not_told_of_this_one() -> None:
    story = story_of("degraded", 3)
    assert "fewer copies than wanted; copies are made elsewhere" in shown(story).sentence
    story.see(Back(id_of(2), 2, address_of(2)))
    story.show(synced(story.view))
    for _ in range(3):
        story.show_if_new(activated(story.view))
    scene = shown(story, 0.1)
    assert (scene.mood, scene.sentence) == (Mood.STABLE, "all 3 nodes are up and every arc has its copies")


def test_who_is_silent_is_named_and_the_hive_has_the_word() -> None:
    story = story_of("silent", 3)
    scene = shown(story)
    assert scene.mood is Mood.STABLE
    assert scene.sentence.startswith(f"{address_of(2)} does not answer here since"), "first, because it may be cut"


# --- nobody ------------------------------------------------------------------------------------------------------


def test_nothing_seen_is_connecting() -> None:
    scene = Model().scene(START)
    assert (scene.mood, scene.nodes, scene.arcs, scene.entries) == (Mood.CONNECTING, (), (), None)


def test_connecting_tells_why_not() -> None:
    scene = shown(story_of("connecting", 3))
    assert scene.mood is Mood.CONNECTING and f"{address_of(0)}, " in scene.sentence
    assert "connection refused" in scene.sentence


def test_a_view_alone_is_believed_for_a_moment() -> None:
    story = Story(stable_view(3), START)
    story.start()
    scene = shown(story, 0.2)
    assert scene.mood is Mood.STABLE and scene.partial and scene.entries is None
    assert {(node.state, node.stale, node.age) for node in scene.nodes} == {(UP, True, None)}
    scene = shown(story, STALE_SECONDS + 0.1)
    assert scene.mood is Mood.DISCONNECTED and {node.state for node in scene.nodes} == {NodeState.SILENT}


def test_disconnected_knows_since_when_and_shows_no_sums() -> None:
    story = begun()
    scene = shown(story, 14.0)
    last = max(one.at for one in story.sightings)
    assert scene.mood is Mood.DISCONNECTED and scene.silent_since == last
    assert (scene.entries, scene.operations_per_second, scene.heard, scene.partial) == (None, None, 0, True)
    assert scene.nodes[0].entries is not None and scene.nodes[0].stale, "what was told last, marked as old"
    assert scene.epoch == story.view.epoch and scene.arcs


def test_that_a_node_is_lost_is_no_word_of_it() -> None:
    story = begun()
    last = story.sightings[-1].at
    story.at += 5.0
    story.lose(0, 1, 2)
    assert shown(story, 1.0).silent_since == last


# --- nodes -------------------------------------------------------------------------------------------------------


def node(story: Story, number: int, seconds: float = 0.0) -> NodeShown:
    return next(one for one in shown(story, seconds).nodes if one.address == address_of(number))


def test_a_node_that_was_always_up_has_been_so_since_nobody_knows_when() -> None:
    assert (node(begun(), 1).since, node(begun(), 1).reason) == (None, "")


def test_a_dead_node_is_down_since_it_died() -> None:
    story = begun()
    died = story.at - 100.0
    view = story.view
    story = Story(view, START)
    story.see(Down(id_of(2), 1))
    story.sightings.clear()
    story.start()
    story.at, now = died, story.at
    story.tell("down", "n2 is down", 2)
    story.at = now
    story.go(1.0)
    assert (node(story, 2).state, node(story, 2).since) == (DOWN, died), "as the nodes remember it"
    assert node(story, 2).reason == "no sign of life"


def test_a_death_that_nobody_told_is_as_old_as_the_view() -> None:
    story = begun()
    story.tell("down", "n2 is down", 2)
    story.at += 60.0
    story.go(1.0)
    story.see(Down(id_of(2), 1))
    assert node(story, 2).since == story.at, "the death before is another one"


def test_a_planned_stop_is_told_from_a_death() -> None:
    story = begun()
    story.see(Down(id_of(2), 1, planned=True))
    story.tell("stopped", "n2 has stopped as planned", 2)
    assert node(story, 2).reason == "stopped as planned"


def test_suspicion_begins_and_ends() -> None:
    story = begun()
    story.suspected = (2,)
    story.go(1.0)
    found = node(story, 2)
    assert found.state is NodeState.SUSPECTED and found.since is not None and 0 < story.at - found.since <= 1.0
    assert address_of(0) in found.reason and address_of(1) in found.reason
    story.suspected = ()
    story.go(0.5)
    cleared = node(story, 2)
    assert cleared.state is UP and cleared.since is not None and story.at - cleared.since < 0.5


def test_what_a_silent_node_suspected_counts_no_more() -> None:
    story = begun()
    story.suspected = (2,)
    story.silent = {1}
    story.go(0.5)
    assert node(story, 2).state is NodeState.SUSPECTED
    story.silent, story.suspected = {0}, ()
    story.go(3.0)
    assert node(story, 2).state is UP


def test_the_lonely_one_suspects_in_vain() -> None:
    story = stripped(begun(), suspected=(address_of(0), address_of(1)), quorum="this node sees 1 of 3 voters")
    story.sightings = [one for one in story.sightings if not isinstance(one, StatsSeen) or one.node == address_of(2)]
    assert {node(story, number).state for number in (0, 1)} == {NodeState.SILENT}


def test_a_node_that_falls_silent_and_is_heard_again() -> None:
    story = begun()
    story.silent = {1}
    story.go(1.0)
    assert (node(story, 1).state, node(story, 1).stale) == (UP, False)
    story.go(2.0)
    silent = node(story, 1)
    assert (silent.state, silent.stale) == (NodeState.SILENT, True)
    assert silent.age is not None and silent.since == pytest.approx(story.at - silent.age)
    story.silent = set()
    story.go(1.0)
    heard = node(story, 1)
    assert heard.state is UP and heard.since is not None and story.at - heard.since < 1.0


def test_a_node_that_is_lost_is_silent_at_once_and_told_through_another_is_not() -> None:
    story = begun()
    story.lose(1)
    assert (node(story, 1).state, node(story, 1).reason) == (NodeState.SILENT, "connection refused")
    told = [one for one in story.sightings if isinstance(one, StatsSeen) and one.node == address_of(1)][-1]
    story.sightings.append(replace(told, at=story.at + 0.5, through=address_of(0)))
    assert node(story, 1, 0.6).state is UP


def test_who_is_up_again_has_a_moment_to_answer() -> None:
    story = story_of("degraded", 3)
    story.see(Back(id_of(2), 2, address_of(2)))
    assert node(story, 2, 1.0).state is JOINING
    silent = node(story, 2, STALE_SECONDS + 0.1)
    assert (silent.state, silent.since, silent.reason) == (NodeState.SILENT, story.at, "connection refused")


def test_a_node_that_is_taken_back() -> None:
    story = stripped(begun(), serving=False)
    assert node(story, 1).state is JOINING and "taken back" in node(story, 1).reason
    assert shown(story).mood is Mood.STABILIZING


def test_joining_ends_when_all_is_there() -> None:
    story = begun()
    story.see(Join(id_of(3), 1, address_of(3)))
    began = story.at
    story.go(1.0)
    assert (node(story, 3).state, node(story, 3).since) == (JOINING, began)
    assert node(story, 3).reason == "new, receives 50.0 % of the ring, 50 % done"
    story.show(synced(story.view))
    story.go(0.5)
    assert (node(story, 3).state, node(story, 3).since) == (UP, story.at - 0.5)


def test_one_that_is_back_joins_and_one_that_only_takes_over_does_not() -> None:
    story = begun()
    story.see(Down(id_of(2), 1))
    story.see(Back(id_of(2), 2, address_of(2)))
    story.restart(2)
    story.go(0.5)
    assert node(story, 2).state is JOINING and node(story, 2).reason.startswith("back, receives")
    leaving = begun()
    leaving.see(Leave(id_of(2), 1))
    leaving.go(0.5)
    assert {node(leaving, number).state for number in (0, 1)} == {UP}


def test_who_is_first_seen_while_it_gets_its_copies_joins() -> None:
    story = Story(stable_view(3), START)
    story.see(Join(id_of(3), 1, address_of(3)))
    story.sightings.clear()
    story.start()
    story.go(1.0)
    assert (node(story, 3).state, node(story, 3).since) == (JOINING, None)


def test_figures_of_the_node_that_had_the_address_before_are_not_its_own() -> None:
    story = begun()
    story.see(Down(id_of(2), 1))
    story.see(Join(id_of(9), 1, address_of(2)))
    story.numbers[id_of(9)] = 2
    story.restart(2)
    story.go(1.0)
    dead, living = (one for one in shown(story).nodes if one.address == address_of(2))
    assert (dead.state, dead.age, living.state) == (DOWN, None, JOINING)
    assert living.age is not None and not living.stale


# --- what moves --------------------------------------------------------------------------------------------------


def test_moves_go_from_owner_to_target_with_how_far_they_are() -> None:
    scene = shown(story_of("joining", 3))
    assert {move.target for move in scene.moves} == {3}
    assert all(move.done == pytest.approx(0.2) for move in scene.moves)
    assert sum(move.share for move in scene.moves) == pytest.approx(0.5, abs=0.001)
    assert scene.progress == pytest.approx(0.2)
    assert {one.done for arc in scene.arcs for one in arc.incoming} == {0.2}


def test_how_far_it_is_never_goes_back_as_arcs_arrive() -> None:
    story = begun()
    story.see(Join(id_of(3), 1, address_of(3)))
    story.restart(3)
    story.done = 0.0
    seen = []
    for part in (0.2, 0.3, 0.5, 0.5):
        story.go(0.5)
        seen.append(shown(story).progress)
        story.show(synced(story.view, part))
    assert seen == pytest.approx([0.0, 0.2, 0.44, 0.72], abs=0.1)
    story.show_if_new(synced(story.view))
    story.show_if_new(activated(story.view))
    story.go(0.5)
    assert shown(story).progress is None and shown(story).moves == ()
    story.see(Leave(id_of(3), 1))
    story.go(0.5)
    assert shown(story).progress == 0.0, "what moved before does not count"


def test_what_a_silent_owner_sends_is_not_known() -> None:
    story = story_of("joining", 3)
    scene = shown(story, 10.0)
    assert {move.done for move in scene.moves} == {0.0}


def test_many_receivers_are_summed_up() -> None:
    scene = shown(story_of("leaving", 50))
    assert " nodes receive " in scene.sentence and len(scene.sentence) < 300


def test_through_is_no_other_node() -> None:
    story = begun()
    told: list[WatchRecord] = [
        replace(one, through=address_of(0)) if isinstance(one, StatsSeen) else one for one in story.sightings
    ]
    story.sightings = [one for one in told if not isinstance(one, Reached)]
    assert shown(story).heard == 3
