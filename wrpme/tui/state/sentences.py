"""The sentences of the dashboard about the hive and its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wrpme.protocol.address import listed
from wrpme.protocol.stats import CERTIFICATE_OF
from wrpme.shell.format import span_text
from wrpme.tui.state.format import clock
from wrpme.tui.state.scene import EventShown, NodeState

NAMES_MAX = 3
"""A sentence gives at most so many reasons, and names so many nodes that receive arcs."""


SHORT: dict[str, str] = {
    "joined": "{} joined",
    "back": "{} is back",
    "restarted": "{} started again",
    "stopped": "{} stopped as planned",
    "down": "{} is down",
    "leaving": "{} is leaving",
    "left": "{} has left",
    "expelled": "{} is given up by the hive",
    "forgotten": "{} was given up",
    "voter": "{} votes now",
    "copying": "{} gets copies",
    "copied": "{} has its copies",
    "activated": "{} serves what it took over",
    "serving": "{} serves",
    "cut_off": "{} was taken for dead",
    "suspected": "{} is suspected",
    "heard": "{} is heard again",
    "quorum_lost": "{} sees no quorum",
    "quorum": "{} sees a quorum again",
    "stopping": "{} was asked to stop",
    "late": "{} was held up",
    "disk_hangs": "{}: its disk hangs",
    "disk_slow": "{}: its disk is slow",
    "disk": "{}: its disk works again",
    "full": "{} is full",
    "room": "{} takes data again",
    "gone": "{} does not answer here",
    "reached": "{} answers here again",
}
"""What the events of a kind say where room is short; other kinds keep their sentence."""


def in_short(event: EventShown, names: Mapping[str, str]) -> str:
    """Returns an event in a few words; ``names`` are the short names of nodes by their addresses."""
    if event.kind == "condition":
        return event.sentence.partition(":")[0]
    about = event.node or event.teller
    if event.kind in SHORT and about:
        return SHORT[event.kind].format(names.get(about, about))
    text = event.sentence.partition("; proposed by ")[0] if event.kind == "view" else event.sentence
    for address in sorted(names, key=len, reverse=True):
        text = text.replace(address, names[address])
    return text


def missed_by(tellers: Sequence[str], address: str) -> str:
    """Returns that several nodes suspect one."""
    return f"{_together(tellers)} hear nothing of {address}"


def heard_by(tellers: Sequence[str], address: str) -> str:
    """Returns that several nodes suspect one no longer."""
    return f"{_together(tellers)} hear {address} again"


def certificates(left: Sequence[tuple[str, float]]) -> str:
    """Returns what is said of certificates that have so many seconds left; those that expire first come first."""
    expired = sorted(address for address, seconds in left if seconds <= 0)
    soon = sorted((seconds, address) for address, seconds in left if seconds > 0)
    parts = []
    if expired:
        one = len(expired) == 1
        parts.append(f"the certificate{'' if one else 's'} of {listed(expired)} {'has' if one else 'have'} expired")
    if len(soon) == 1:
        parts.append(f"{CERTIFICATE_OF}{soon[0][1]} expires in {span_text(soon[0][0])}")
    elif soon:
        named = listed(address for _, address in soon)
        parts.append(f"the certificates of {named} expire, the first in {span_text(soon[0][0])}")
    todo = ": put a new one in its place" if len(left) == 1 else ": put new ones in their place"
    return "; ".join(parts) + todo if parts else ""


def _together(addresses: Sequence[str]) -> str:
    *first, last = addresses
    named = listed(addresses)
    return named if " and " in named else f"{', '.join(first)} and {last}"


def why(address: str, reason: str) -> str:
    """Returns the reason without the address that it is about, because that stands beside it."""
    short = reason.replace(f" to {address}", "").removeprefix(address).lstrip(": ")
    return short[1:-1] if short.startswith("(") and short.endswith(")") else short


def _lost(reasons: Iterable[tuple[str, str]]) -> str:
    """Returns addresses with the reasons why they do not answer; those with the same reason stand together."""
    alike: dict[str, list[str]] = {}
    for address, reason in reasons:
        alike.setdefault(reason, []).append(address)
    return "; ".join(f"{listed(addresses)}: {reason}" for reason, addresses in list(alike.items())[:NAMES_MAX])


def connecting(reasons: Sequence[tuple[str, str]]) -> str:
    """Returns the sentence while no node has told anything yet; ``reasons`` are addresses, and why each does not."""
    if not reasons:
        return "no node has told anything yet"
    return f"no node has told anything yet ({_lost(reasons)}); is wrpmed running there?"


def disconnected(since: float, now: float, reasons: Sequence[tuple[str, str]]) -> str:
    """Returns the sentence when no node tells anything any more; ``reasons`` are addresses, and why each does not."""
    said = f"no node has told anything since {clock(since)} ({span_text(max(0.0, now - since))})"
    lost = f" ({_lost(reasons)})" if reasons else ""
    return f"{said}; all else here is as of then; see whether the nodes run and the network is up{lost}"


def unwell(state: NodeState, addresses: Sequence[str], since: float | None, now: float) -> str:
    """Returns which nodes are suspected, silent or down, and since when."""
    one = len(addresses) == 1
    if state is NodeState.DOWN:
        verb = "has been down for" if one else "have been down for up to"
        return f"{listed(addresses)} {verb} {span_text(max(0.0, now - since)) if since is not None else '?'}"
    if state is NodeState.SUSPECTED:
        verb = "is" if one else "are"
        return f"{listed(addresses)} {verb} suspected{_since(since)}: heartbeats are missing"
    verb = "does" if one else "do"
    return f"{listed(addresses)} {verb} not answer here{_since(since)}"


def _since(since: float | None) -> str:
    return f" since {clock(since)}" if since is not None else ""


def receives(who: str, share: float, done: float, several: bool = False) -> str:
    """Returns what is on its way to a node, or to several, as hive_status says it."""
    return f"{who} receive{'' if several else 's'} {100 * share:.1f} % of the ring, {100 * done:.0f} % done"


def missed(count: int) -> str:
    """Returns that so many events were not seen, because this watcher was too slow."""
    return "1 event of it was not seen here" if count == 1 else f"{count} events of it were not seen here"
