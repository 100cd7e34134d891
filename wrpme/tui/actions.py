"""What keys do to a node: the command behind each, and its consequence as a sentence, from what is known now. Pure."""

from __future__ import annotations

from wrpme.tui.state import format
from wrpme.tui.state.scene import NodeShown, NodeState, Scene

COMMANDS = {"stop": "stop_node", "leave": "leave", "forget": "forget"}


def refusal(action: str, node: NodeShown) -> str:
    """Returns why the action makes no sense for the node now; empty if it does."""
    down = node.state is NodeState.DOWN
    if action == "forget" and not down:
        is_ = f"{node.address} is {format.word_of(node)}"
        return f"{is_}: only a node that is down can be forgotten; S stops it, L lets it go"
    if action != "forget" and down:
        return f"{node.address} is down: start it again on its machine, or F gives it up"
    return ""


def consequence(action: str, node: NodeShown, scene: Scene) -> str:
    """Returns what comes of the action."""
    index = scene.nodes.index(node)
    share = format.percent(node.share)
    if action == "stop":
        return f"{_stopped(index, node, scene)} Start it again with the same command on its machine."
    if action == "leave":
        others = [other for other in scene.nodes if other.id != node.id and other.state is NodeState.UP]
        if not others:
            return "It is the last node that is up: nobody could take its entries, and the hive will refuse."
        held = f"{format.count_text((node.entries or 0) + (node.copies or 0))} entries and copies"
        return (
            f"Its data ({held}, {share} of the ring) moves to {_names(len(others))} first; then it stops for good and "
            "is no member any more. No entry is lost and no request fails. It goes on by itself if this screen is left."
        )
    raise ValueError(action)


def _names(count: int) -> str:
    return "the other node" if count == 1 else f"the other {count} nodes"


def _stopped(index: int, node: NodeShown, scene: Scene) -> str:
    alone = fewer = 0
    for arc in scene.arcs:
        if index in arc.holders and arc.served:
            live = [holder for holder in arc.holders if scene.nodes[holder].state is not NodeState.DOWN]
            if live == [index]:
                alone += arc.end - arc.first
            else:
                fewer += arc.end - arc.first
    whole = sum(arc.end - arc.first for arc in scene.arcs) or 1
    if alone:
        return (
            f"{format.percent(alone / whole)} of the ring has no other copy: its entries are UNAVAILABLE until this "
            "node returns."
        )
    return (
        f"A planned stop: its arcs ({format.percent(node.share)} of the ring) go to the holders of their copies, and "
        f"no request fails. Until it returns {format.percent(fewer / whole)} of the ring has one copy fewer."
    )
