"""The figures of a node, each declared once: the table of nodes and the screen of one node follow from it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from wrpme.tui.state import format
from wrpme.tui.state.scene import NodeShown, Scene


class Figure(Struct, frozen=True):
    """``value`` is what nodes are compared by, None where it is not known; ``text`` is what an operator reads;
    ``series`` names the series over time, if there is one that no graph of its own shows; a figure that is ``told`` is
    only as good as the last report of its node."""

    value: Callable[[NodeShown], Any]
    text: Callable[[NodeShown, Scene], str]
    series: str = ""
    told: bool = True
    warns: Callable[[NodeShown, Scene], bool] = lambda node, scene: False


def _lease(node: NodeShown, scene: Scene) -> str:
    if node.lease_seconds is None:
        return "alone" if node.age is not None and not node.stale else format.UNKNOWN
    return "ended" if node.lease_seconds <= 0 else f"{node.lease_seconds:.1f} s"


def _heartbeat(node: NodeShown, scene: Scene) -> str:
    return format.UNKNOWN if node.heartbeat_age_seconds is None else format.took_text(node.heartbeat_age_seconds)


def _is_behind(node: NodeShown, scene: Scene) -> bool:
    return node.epoch not in (0, scene.epoch)


def _epoch(node: NodeShown, scene: Scene) -> str:
    if not node.epoch:
        return format.UNKNOWN
    return f"{node.epoch} of {scene.epoch}" if _is_behind(node, scene) else str(node.epoch)


FIGURES: dict[str, Figure] = {
    "share": Figure(lambda n: n.share, lambda n, s: format.percent(n.share), told=False),
    "entries": Figure(lambda n: n.entries, lambda n, s: format.count_text(n.entries), "entries"),
    "copies": Figure(lambda n: n.copies, lambda n, s: format.count_text(n.copies)),
    "bytes": Figure(lambda n: n.bytes, lambda n, s: format.bytes_text(n.bytes)),
    "op/s": Figure(lambda n: n.operations_per_second, lambda n, s: format.rate_text(n.operations_per_second)),
    "p50": Figure(lambda n: n.p50_seconds, lambda n, s: format.latency_text(n.p50_seconds)),
    "p99": Figure(lambda n: n.p99_seconds, lambda n, s: format.latency_text(n.p99_seconds)),
    "in/s": Figure(lambda n: n.received_bytes_per_second, lambda n, s: format.bytes_text(n.received_bytes_per_second)),
    "out/s": Figure(lambda n: n.sent_bytes_per_second, lambda n, s: format.bytes_text(n.sent_bytes_per_second)),
    "memory": Figure(
        lambda n: n.memory_bytes or None, lambda n, s: format.bytes_text(n.memory_bytes or None), "memory"
    ),
    "disk": Figure(lambda n: n.disk_bytes or None, lambda n, s: format.bytes_text(n.disk_bytes or None), "disk"),
    "disk free": Figure(
        lambda n: n.disk_free_bytes and -n.disk_free_bytes, lambda n, s: format.bytes_text(n.disk_free_bytes or None)
    ),
    "sessions": Figure(lambda n: n.sessions, lambda n, s: format.count_text(n.sessions)),
    "uptime": Figure(lambda n: n.uptime_seconds, lambda n, s: format.span(n.uptime_seconds)),
    "lease": Figure(lambda n: n.lease_seconds, _lease),
    "heartbeat": Figure(lambda n: n.heartbeat_age_seconds, _heartbeat),
    "epoch": Figure(lambda n: n.epoch or None, _epoch, warns=_is_behind),
}
"""By its label, in the order of the screen of one node: the important ones first. Free space is compared by what
lacks."""
