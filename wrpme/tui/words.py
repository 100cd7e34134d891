"""What the dashboard says in words, and whether words are found in it."""

from __future__ import annotations

from collections.abc import Sequence

from wrpme.answers import span_text
from wrpme.tui.scene import EventShown, NodeShown
from wrpme.tui.texts import clock

NAMES_MAX = 3
"""Of several nodes so many are named."""

GRAVITY: dict[str, int] = {
    "founded": 0,
    "joined": 0,
    "back": 0,
    "stopped": 2,
    "down": 3,
    "expelled": 2,
    "forgotten": 3,
    "recovered": 3,
    "copied": 0,
    "activated": 0,
    "serving": 0,
    "cut_off": 3,
    "suspected": 2,
    "heard": 0,
    "quorum_lost": 3,
    "quorum": 0,
    "stopping": 2,
    "reached": 0,
    "gone": 2,
    "missed": 2,
}
"""0 good, 2 worth a look, 3 bad; all others are 1."""
CONDITION_GRAVITY = {"stable": 0, "stabilizing": 1, "degraded": 2, "unavailable": 3}


def gravity_of(kind: str, sentence: str) -> int:
    """How much an event matters, 0 to 3; that of a new condition is in its first word."""
    if kind == "condition":
        return CONDITION_GRAVITY.get(sentence.split(":")[0].split(" ")[0], 1)
    return GRAVITY.get(kind, 1)


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def connecting(reasons: Sequence[str]) -> str:
    """Nobody has told anything yet."""
    if not reasons:
        return "no node has told anything yet"
    return f"no node has told anything yet: {listed(reasons)}; is wrpmed running there?"


def disconnected(since: float, now: float, reasons: Sequence[str]) -> str:
    """Nobody tells anything any more."""
    said = f"no node has told anything since {clock(since)} ({span_text(now - since)}); all else here is as of then"
    why = f"; {listed(reasons)}" if reasons else ""
    return f"{said}{why}; see whether the nodes run and the network is up: this heals as soon as one answers"


def silent(addresses: Sequence[str], since: float | None) -> str:
    """Some nodes do not tell anything here, whatever the hive thinks of them."""
    verb = "does" if len(addresses) == 1 else "do"
    when = f" since {clock(since)}" if since is not None else ""
    return f"{listed(addresses)} {verb} not answer here{when}"


def missed(count: int) -> str:
    """Of a watcher that was too slow."""
    return "1 event of it was not seen here" if count == 1 else f"{count} events of it were not seen here"


def matches(event: EventShown, words: str) -> bool:
    """Whether all words are found in an event, in small letters or capitals."""
    return _found(words, f"{event.kind} {event.node} {event.teller} {event.sentence}")


def node_matches(node: NodeShown, words: str) -> bool:
    """Whether all words are found in what is said of a node."""
    return _found(words, f"{node.address} {node.state.value} {node.reason} {node.version}")


def _found(words: str, text: str) -> bool:
    text = text.casefold()
    return all(word in text for word in words.casefold().split())
